//! Access rules: who may use a token.
//!
//! Rules are tried first to last and the first that matches decides. **Where none matches, the viewer is let in**:
//! that is what Cloudflare Stream documents, and why [`restricts_nobody`] exists.

mod country;
mod network;
mod wire;

pub use country::{CountryCode, CountryError};
pub use network::{Network, NetworkError};
pub use wire::{RuleProblem, RuleProblemKind, parse_rules};

use crate::denial::Denial;
use crate::viewer::{Country, Viewer};

/// One rule: whom it concerns, and what becomes of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// What becomes of a viewer whom the rule matches.
    pub action: Action,
    /// Whom it matches.
    pub matcher: Matcher,
}

/// What a rule does to a viewer whom it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let the viewer in.
    Allow,
    /// Refuse the viewer.
    Block,
}

impl Action {
    /// The action of this name, as a token has it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "allow" => Some(Self::Allow),
            "block" => Some(Self::Block),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
        }
    }
}

/// Whom a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// Everybody.
    Any,
    /// Viewers in one of these countries. A viewer whose country is unknown is in none.
    Country(Vec<CountryCode>),
    /// Viewers at one of these addresses.
    Ip(Vec<Network>),
}

impl Matcher {
    /// The type of its rule, as a token has it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Country(_) => "ip.geoip.country",
            Self::Ip(_) => "ip.src",
        }
    }
}

impl std::fmt::Display for AccessRule {
    /// `allow ip.src 192.0.2.0/24, 2001:db8::/32`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.action.name(), self.matcher.type_name())?;
        match &self.matcher {
            Matcher::Any => Ok(()),
            Matcher::Country(countries) => write!(f, " {}", listed(countries)),
            Matcher::Ip(networks) => write!(f, " {}", listed(networks)),
        }
    }
}

/// How many entries of a rule's list are written out.
const MAX_LISTED: usize = 5;

fn listed<T: ToString>(entries: &[T]) -> String {
    let mut shown: Vec<String> = entries.iter().take(MAX_LISTED).map(ToString::to_string).collect();
    if entries.len() > MAX_LISTED {
        shown.push(format!("and {} more", entries.len() - MAX_LISTED));
    }
    shown.join(", ")
}

/// Lets the viewer in, or says which rule does not.
pub(crate) fn decide(rules: &[AccessRule], viewer: &Viewer) -> Result<(), Denial> {
    match first_match(rules, viewer)? {
        Some(index) if rules[index].action == Action::Block => Err(Denial::RuleBlocked { index }),
        Some(_) | None => Ok(()),
    }
}

/// The place of the first rule that matches the viewer; `None` where none does, which lets them in.
///
/// # Errors
/// [`Denial::CountryUnavailable`] where a rule is reached that cannot be told to match or not.
pub(crate) fn first_match(rules: &[AccessRule], viewer: &Viewer) -> Result<Option<usize>, Denial> {
    for (index, rule) in rules.iter().enumerate() {
        let matches = match &rule.matcher {
            Matcher::Any => true,
            Matcher::Ip(networks) => networks.iter().any(|network| network.contains(viewer.address())),
            Matcher::Country(countries) => match viewer.country() {
                Country::Known(country) => countries.contains(&country),
                Country::Unknown => false,
                Country::Unavailable => return Err(Denial::CountryUnavailable { index }),
            },
        };
        if matches {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Whether these rules let everybody in, though they look like a restriction: no rule that blocks can be reached.
///
/// `allow` for one network and nothing after it lets that network in, and everybody else too.
#[must_use]
pub fn restricts_nobody(rules: &[AccessRule]) -> bool {
    let reachable = rules.iter().position(|rule| rule.matcher == Matcher::Any).map_or(rules, |any| &rules[..=any]);
    !rules.is_empty() && reachable.iter().all(|rule| rule.action == Action::Allow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;

    const DOCUMENTED: &str = "block country US,MX; allow ip 93.184.216.0/24,2400:cb00::/32; block any";

    #[test]
    fn first_match_decides() {
        check("allow ip 10.0.0.0/8; block any", "10.1.2.3 SE", "in");
        check("allow ip 10.0.0.0/8; block any", "11.1.2.3 SE", "rule 1");
        check("block country SE,NO; allow any", "10.1.2.3 NO", "rule 0");
        check(DOCUMENTED, "93.184.216.34 DE", "in");
        check(DOCUMENTED, "93.184.216.34 US", "rule 0");
        check(DOCUMENTED, "2400:cb00::1 DE", "in");
        check(DOCUMENTED, "198.51.100.1 DE", "rule 2");
    }

    #[test]
    fn no_match_lets_in() {
        check("", "10.1.2.3 SE", "in");
        check("allow ip 10.0.0.0/8", "11.1.2.3 SE", "in");
        check("block country US", "11.1.2.3 SE", "in");
    }

    #[test]
    fn unknown_country_is_in_no_list() {
        check("allow country SE; block any", "10.1.2.3 -", "rule 1");
        check("block country SE", "10.1.2.3 -", "in");
    }

    #[test]
    fn without_a_database_a_country_rule_refuses_only_when_reached() {
        check("allow country SE; block any", "10.1.2.3 ?", "no country at 0");
        check("allow ip 10.0.0.0/8; block country US", "10.1.2.3 ?", "in");
        check("allow ip 10.0.0.0/8; block country US", "11.1.2.3 ?", "no country at 1");
    }

    #[test]
    fn families_are_apart_and_a_mapped_address_is_ipv4() {
        check("block ip 0.0.0.0/0", "2001:db8::1 SE", "in");
        check("block ip ::/0", "192.0.2.1 SE", "in");
        check("block ip 192.0.2.0/24", "::ffff:192.0.2.1 SE", "rule 0");
        check("block ip ::ffff:192.0.2.0/120", "192.0.2.1 SE", "rule 0");
    }

    #[test]
    fn a_lone_allow_restricts_nobody() {
        for (rules, expected) in [
            ("allow ip 10.0.0.0/8", true),
            ("allow country SE; allow any; block any", true),
            ("allow ip 10.0.0.0/8; block any", false),
            ("block country US", false),
            ("", false),
        ] {
            assert_eq!(restricts_nobody(&parse(rules)), expected, "{rules}");
        }
    }

    #[track_caller]
    fn check(rules: &str, viewer: &str, expected: &str) {
        let (address, country) = viewer.split_once(' ').unwrap();
        let country = match country {
            "-" => Country::Unknown,
            "?" => Country::Unavailable,
            code => Country::Known(code.parse().unwrap()),
        };
        let got = match decide(&parse(rules), &Viewer::new(address.parse().unwrap(), country, None)) {
            Ok(()) => "in".to_owned(),
            Err(Denial::RuleBlocked { index }) => format!("rule {index}"),
            Err(Denial::CountryUnavailable { index }) => format!("no country at {index}"),
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(got, expected, "{rules} for {viewer}");
    }

    /// `block country US,MX; allow ip 10.0.0.0/8; block any`, through the JSON of the wire.
    fn parse(rules: &str) -> Vec<AccessRule> {
        let rule = |text: &str| {
            let mut words = text.split_whitespace();
            let (action, kind) = (words.next().unwrap(), words.next().unwrap());
            let list: Vec<&str> = words.next().map(|list| list.split(',').collect()).unwrap_or_default();
            match kind {
                "country" => serde_json::json!({"type": "ip.geoip.country", "action": action, "country": list}),
                "ip" => serde_json::json!({"type": "ip.src", "action": action, "ip": list}),
                any => serde_json::json!({"type": any, "action": action}),
            }
        };
        let rules: Vec<_> = rules.split(';').filter(|text| !text.trim().is_empty()).map(rule).collect();
        parse_rules(&Json::parse(serde_json::to_string(&rules).unwrap().as_bytes()).unwrap(), 5).unwrap()
    }
}
