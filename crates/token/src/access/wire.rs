//! Access rules as JSON: the one reader of `accessRules`, for requests and for tokens.

use std::fmt;

use super::{AccessRule, Action, CountryCode, CountryError, Matcher, Network, NetworkError};
use crate::json::{Json, pointer_token, shortened};

/// One thing that is wrong with an `accessRules` value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleProblem {
    /// Where: a JSON pointer (RFC 6901) below `accessRules`, such as `/0/ip/1`; empty for the value itself. It may
    /// have any character in it; `Display` escapes it.
    pub pointer: String,
    /// What.
    pub kind: RuleProblemKind,
}

/// What can be wrong with an access rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleProblemKind {
    /// An entry of a `country` list is not a country.
    #[error(transparent)]
    Country(#[from] CountryError),
    /// The list that the rule's type uses has no entry, so that the rule would match nobody.
    #[error("an empty list matches nobody; name at least one {0}")]
    EmptyList(&'static str),
    /// A member that every rule of this type must have is not there.
    #[error("a rule needs `{0}`")]
    Missing(&'static str),
    /// An entry of an `ip` list is not an address or a network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// More rules than one token may have.
    #[error("there are {count} rules; a token may have at most {max}")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// The rule's `action` is none that we know.
    #[error("`{}` is not an action; use `allow` or `block`", .0.escape_debug())]
    UnknownAction(String),
    /// The rule has a member that no rule has.
    #[error("a rule has no `{}`; it has `type`, `action`, `ip` and `country`", .0.escape_debug())]
    UnknownMember(String),
    /// The rule's `type` is none that we know.
    #[error("`{}` is not a type of rule; use `any`, `ip.src` or `ip.geoip.country`", .0.escape_debug())]
    UnknownType(String),
    /// A value of the wrong JSON type.
    #[error("must be {expected}, not {got}")]
    WrongType {
        /// What the value must be.
        expected: &'static str,
        /// What it is.
        got: &'static str,
    },
}

impl RuleProblemKind {
    /// The stable name of this problem.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Country(_) => "rule_country_invalid",
            Self::EmptyList(_) => "rule_list_empty",
            Self::Missing(_) => "rule_member_missing",
            Self::Network(_) => "rule_ip_invalid",
            Self::TooMany { .. } => "rules_too_many",
            Self::UnknownAction(_) => "rule_action_unknown",
            Self::UnknownMember(_) => "rule_member_unknown",
            Self::UnknownType(_) => "rule_type_unknown",
            Self::WrongType { .. } => "rule_wrong_type",
        }
    }
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "accessRules{}: {}", self.pointer.escape_debug(), self.kind)
    }
}

/// Reads the value of `accessRules`, at most `max` rules.
///
/// Of a rule only the list that its type uses is read; the other list may hold anything, because the official SDKs
/// send every member with every rule.
///
/// # Errors
/// Every problem that there is, in the order of the text.
pub fn parse_rules(json: &Json<'_>, max: usize) -> Result<Vec<AccessRule>, Vec<RuleProblem>> {
    let mut problems = Problems(Vec::new());
    let rules = match json {
        Json::Array(entries) => {
            if entries.len() > max {
                problems.add(String::new(), RuleProblemKind::TooMany { count: entries.len(), max });
            }
            entries
                .iter()
                .enumerate()
                .filter_map(|(index, entry)| rule(entry, format_args!("/{index}"), &mut problems))
                .collect()
        }
        other => {
            problems.add(String::new(), wrong_type("an array of rules", other));
            Vec::new()
        }
    };
    if problems.0.is_empty() { Ok(rules) } else { Err(problems.0) }
}

struct Problems(Vec<RuleProblem>);

impl Problems {
    fn add(&mut self, pointer: String, kind: RuleProblemKind) {
        self.0.push(RuleProblem { pointer, kind });
    }
}

fn wrong_type(expected: &'static str, got: &Json<'_>) -> RuleProblemKind {
    RuleProblemKind::WrongType { expected, got: got.kind() }
}

fn rule(json: &Json<'_>, at: fmt::Arguments<'_>, problems: &mut Problems) -> Option<AccessRule> {
    let Json::Object(members) = json else {
        problems.add(at.to_string(), wrong_type("an object", json));
        return None;
    };
    for (name, _) in members {
        if !matches!(&**name, "type" | "action" | "ip" | "country") {
            problems.add(format!("{at}/{}", pointer_token(name)), RuleProblemKind::UnknownMember(shortened(name)));
        }
    }
    let action = text(json, "action", at, problems).and_then(|text| {
        let action = Action::named(text);
        if action.is_none() {
            problems.add(format!("{at}/action"), RuleProblemKind::UnknownAction(shortened(text)));
        }
        action
    });
    let matcher = matcher(json, at, problems);
    Some(AccessRule { action: action?, matcher: matcher? })
}

fn matcher(json: &Json<'_>, at: fmt::Arguments<'_>, problems: &mut Problems) -> Option<Matcher> {
    match text(json, "type", at, problems)? {
        "any" => Some(Matcher::Any),
        "ip.src" => list::<Network>(json, "ip", "address or network", at, problems).map(Matcher::Ip),
        "ip.geoip.country" => list::<CountryCode>(json, "country", "country", at, problems).map(Matcher::Country),
        other => {
            problems.add(format!("{at}/type"), RuleProblemKind::UnknownType(shortened(other)));
            None
        }
    }
}

fn text<'a>(rule: &'a Json, name: &'static str, at: fmt::Arguments<'_>, problems: &mut Problems) -> Option<&'a str> {
    match rule.get(name) {
        None => problems.add(format!("{at}/{name}"), RuleProblemKind::Missing(name)),
        Some(Json::Text(text)) => return Some(text),
        Some(other) => problems.add(format!("{at}/{name}"), wrong_type("a string", other)),
    }
    None
}

fn list<T>(
    rule: &Json<'_>,
    name: &'static str,
    entry: &'static str,
    at: fmt::Arguments<'_>,
    problems: &mut Problems,
) -> Option<Vec<T>>
where
    T: std::str::FromStr<Err: Into<RuleProblemKind>>,
{
    let mut add = |kind| problems.add(format!("{at}/{name}"), kind);
    let entries = match rule.get(name) {
        None => {
            add(RuleProblemKind::Missing(name));
            return None;
        }
        Some(Json::Array(entries)) if entries.is_empty() => {
            add(RuleProblemKind::EmptyList(entry));
            return None;
        }
        Some(Json::Array(entries)) => entries,
        Some(other) => {
            add(wrong_type("an array of strings", other));
            return None;
        }
    };
    let mut parsed = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let read = match entry {
            Json::Text(text) => text.parse().map_err(Into::into),
            other => Err(wrong_type("a string", other)),
        };
        match read {
            Ok(entry) => parsed.push(entry),
            Err(kind) => problems.add(format!("{at}/{name}/{index}"), kind),
        }
    }
    (parsed.len() == entries.len()).then_some(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_has_its_pointer() {
        check(r#"{}"#, &[": must be an array of rules, not an object"]);
        let five = [r#"{"type":"any","action":"allow"}"#; 5].join(",");
        check(
            &format!("[7,{five}]"),
            &[": there are 6 rules; a token may have at most 5", "/0: must be an object, not a number"],
        );
        check(r#"["any"]"#, &["/0: must be an object, not a string"]);
        check(r#"[{"type":"any"}]"#, &["/0/action: a rule needs `action`"]);
        check(
            r#"[{"type":"any","action":"allow"},{"type":"ip","action":"deny","ips":[]}]"#,
            &[
                "/1/ips: a rule has no `ips`; it has `type`, `action`, `ip` and `country`",
                "/1/action: `deny` is not an action; use `allow` or `block`",
                "/1/type: `ip` is not a type of rule; use `any`, `ip.src` or `ip.geoip.country`",
            ],
        );
        check(
            r#"[{"type":"ip.src","action":"allow","ip":["10.0.0.0/99",7]},{"type":"ip.geoip.country","action":"block","country":["USA"]}]"#,
            &[
                "/0/ip/0: `10.0.0.0/99` is not an IP address or network (such as `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32`)",
                "/0/ip/1: must be a string, not a number",
                "/1/country/0: `USA` is not a country code of ISO 3166-1 (two letters, such as `SE`)",
            ],
        );
        check(
            r#"[{"type":"ip.src","action":"block","ip":[]}]"#,
            &["/0/ip: an empty list matches nobody; name at least one address or network"],
        );
        check(r#"[{"type":"ip.src","action":"block"}]"#, &["/0/ip: a rule needs `ip`"]);
    }

    #[test]
    fn only_the_list_that_the_type_uses_is_read() {
        check(r#"[{"type":"any","action":"block","ip":["string"],"country":["string"]}]"#, &[]);
        check(r#"[{"type":"ip.src","action":"allow","ip":["10.0.0.1"],"country":7}]"#, &[]);
    }

    #[track_caller]
    fn check(rules: &str, expected: &[&str]) {
        let problems = parse_rules(&Json::parse(rules.as_bytes()).unwrap(), 5).err().unwrap_or_default();
        let got: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.pointer, p.kind)).collect();
        assert_eq!(got, expected);
    }
}
