//! What would let a viewer in, in sentences for whoever issues tokens.

use std::net::IpAddr;

use super::{Failure, Finding, Outcome};
use crate::access::{AccessRule, Action, Matcher, restricts_nobody};
use crate::claims::SignedClaims;
use crate::decision::Ask;
use crate::denial::Denial;
use crate::jws::MalformedToken;
use crate::policy::Terms;
use crate::revocation::Standing;
use crate::viewer::{Country, Embedding};

/// Hints for each check that failed, and what is worth knowing of a token that passes.
pub(super) fn of(
    findings: &[Finding],
    claims: Option<&SignedClaims>,
    terms: &Terms<'_>,
    standing: Standing,
    ask: &Ask<'_>,
) -> Vec<String> {
    let failures = || {
        findings.iter().filter_map(|finding| match &finding.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Passed | Outcome::Skipped(_) => None,
        })
    };
    let mut hints: Vec<String> = failures().flat_map(|failure| for_failure(failure, claims, terms, ask)).collect();
    if claims.is_some_and(|claims| restricts_nobody(claims.access_rules())) {
        hints.push("The access rules let everybody in: end the list with a rule that blocks `any`.".to_owned());
    }
    let dry_run = terms.video_is_dry_run() && standing == Standing::Good;
    if dry_run && claims.is_some() && failures().next().is_some() {
        hints.push("The video is in a dry run: a gate records the refusal and lets the viewer in.".to_owned());
    }
    hints
}

fn for_failure(failure: &Failure, claims: Option<&SignedClaims>, terms: &Terms<'_>, ask: &Ask<'_>) -> Vec<String> {
    let text = match failure {
        Failure::Method(_) => "Use GET or HEAD.",
        Failure::Path(_) | Failure::Denied(Denial::PathRefused) => {
            "Name files with letters, digits, `.`, `_`, `~` and `-` alone, and write them as they are: nothing is decoded, \
             and no `..` is followed."
        }
        Failure::Denied(denial) => return for_denial(denial, claims, terms, ask),
    };
    vec![text.to_owned()]
}

fn for_denial(denial: &Denial, claims: Option<&SignedClaims>, terms: &Terms<'_>, ask: &Ask<'_>) -> Vec<String> {
    let text = match denial {
        Denial::RuleBlocked { index } => {
            return claims.map(|claims| for_rules(*index, claims.access_rules(), ask)).unwrap_or_default();
        }
        Denial::OriginNotAllowed { .. } => return vec![for_origin(terms, ask)],
        Denial::TokenMalformed(malformed) => for_malformed(malformed),
        Denial::CountryUnavailable { .. } => {
            "Load a country database: `viewer.country_database`, or leave it out for the one that is built in."
        }
        Denial::DownloadNotAllowed => "Issue the token with `\"downloadable\": true`.",
        Denial::DownloadNotEnabled => "Offer the video for download: `POST …/stream/{uid}/downloads`.",
        Denial::KeyUnknown { .. } => {
            "Sign with a live key of the account that owns the video (`vidpass key list`); a key that was deleted takes all \
             of its tokens with it."
        }
        Denial::KidMismatch { .. } => "Write the same `kid` into header and payload, or into one of them alone.",
        Denial::SignatureInvalid { .. } => {
            "Sign with the private key that is registered under this `kid`, with its algorithm; and do not change the token \
             afterwards."
        }
        Denial::TokenExpired { .. } => "Issue a new token; where viewers watch for long, with a later `exp`.",
        Denial::TokenLifetimeExceeded { .. } => "Issue with an earlier `exp`, or raise `tokens.max_accepted_lifetime`.",
        Denial::TokenNotYetValid { .. } => {
            "Wait until `nbf`, or issue with an earlier one; if it should have begun, compare the clocks of issuer and gate."
        }
        Denial::TokenRevoked { .. } => {
            "Issue a new token; if it was taken back by mistake, delete the revocation (`GET …/stream/revocations`)."
        }
        Denial::VideoMismatch { .. } | Denial::VideoNotOwned { .. } => {
            "Register the video in the account of the key that signs (`vidpass video create`), or sign with a key of the \
             account that owns the video."
        }
        // These come from requests that are made, not from rehearsed ones.
        Denial::GateCutOff
        | Denial::GateNotLoaded
        | Denial::PathRefused
        | Denial::ProxyHeaderUnclear { .. }
        | Denial::ProxyNotTrusted
        | Denial::TokenRequired
        | Denial::ViewerAddressUnknown => return Vec::new(),
    };
    vec![text.to_owned()]
}

fn for_malformed(malformed: &MalformedToken) -> &'static str {
    match malformed {
        MalformedToken::TooManyRules { .. } => {
            "Use fewer access rules, or raise `tokens.max_access_rules`; one rule may list many networks or countries."
        }
        MalformedToken::Base64 { .. }
        | MalformedToken::Repeated { .. }
        | MalformedToken::Segments { .. }
        | MalformedToken::TooLong { .. } => {
            "Take the token exactly as it was issued: three parts of base64url with two dots. Links are often cut off or \
             changed by what they are sent through."
        }
        MalformedToken::Claim { .. }
        | MalformedToken::Header { .. }
        | MalformedToken::Json { .. }
        | MalformedToken::KeyMissing
        | MalformedToken::NotAnObject { .. }
        | MalformedToken::Rule(_) => {
            "Mend the program that signs: what it wrote into the token is not what a gate reads, and is refused as a whole."
        }
    }
}

fn for_origin(terms: &Terms<'_>, ask: &Ask<'_>) -> String {
    let allowed: Vec<String> =
        terms.video.iter().flat_map(|video| &video.allowed_origins).map(ToString::to_string).collect();
    let came = match ask.viewer.embedding() {
        Embedding::Site(origin) => format!("the request came from {origin}"),
        Embedding::Hidden => "the request came from a page that hides its site".to_owned(),
        Embedding::Nowhere | Embedding::OwnPage => "the request named no site (`Origin` or `Referer`)".to_owned(),
    };
    format!("The video may be shown on {}; {came}.", allowed.join(", "))
}

fn for_rules(blocking: usize, rules: &[AccessRule], ask: &Ask<'_>) -> Vec<String> {
    let viewer = ask.viewer;
    let country = match viewer.country() {
        Country::Known(code) => code.to_string(),
        Country::Unknown | Country::Unavailable => "a country that is not known".to_owned(),
    };
    let mut hints = vec![format!(
        "Rule {blocking} (`{}`) is the first that matches {} in {country}.",
        rules[blocking],
        viewer.address()
    )];
    let before = rules[..blocking].iter().enumerate().filter(|(_, rule)| rule.action == Action::Allow);
    hints.extend(before.map(|(index, rule)| format!("Rule {index} would let in: `{rule}`.")));
    hints.extend(other_family(&rules[..blocking], viewer.address()));
    hints
}

/// The trap of two address families: a viewer who comes over one of them meets no rule for the other.
fn other_family(rules: &[AccessRule], address: IpAddr) -> Option<String> {
    let mut networks = rules
        .iter()
        .filter(|rule| rule.action == Action::Allow)
        .filter_map(|rule| match &rule.matcher {
            Matcher::Ip(networks) => Some(networks),
            Matcher::Any | Matcher::Country(_) => None,
        })
        .flatten()
        .peekable();
    networks.peek()?;
    let (this, other) = if address.is_ipv4() { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
    networks.all(|network| network.is_ipv4() != address.is_ipv4()).then(|| {
        format!("The viewer came over {this}, and the rules that let in name {other} networks alone: list both.")
    })
}
