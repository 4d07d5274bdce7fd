//! A token's payload as text, in one pass.
//!
//! Ids, times, networks and countries have nothing that JSON escapes. A serialiser looks for it all the same, and wants a copy of
//! whatever is no text yet: that was most of what a token cost before it was signed. A viewer's name is left to it.

use std::fmt::{Display, Write as _};

use super::Claims;
use crate::access::{AccessRule, Matcher};
use crate::id::KeyId;

/// The longest payload that is expected, in bytes. A longer one costs another allocation.
const TYPICAL: usize = 640;

/// A JSON object whose first member is written, and the brace at its end is not.
struct Object(String);

/// The payload as a token carries it. `sub` and `kid` come first, as in Cloudflare's own tokens.
pub(crate) fn payload(claims: &Claims, kid: &KeyId) -> String {
    let mut payload = Object(String::with_capacity(TYPICAL));
    payload.add(&[r#"{"sub":""#, claims.video.as_str(), r#"""#]);
    payload.text("kid", kid.as_str());
    payload.number("exp", claims.expires.0);
    if let Some(not_before) = claims.not_before {
        payload.number("nbf", not_before.0);
    }
    if let Some(issued_at) = claims.issued_at {
        payload.number("iat", issued_at.0);
    }
    if let Some(token_id) = &claims.token_id {
        payload.text("jti", token_id.as_str());
    }
    if let Some(viewer) = &claims.viewer {
        let viewer = serde_json::to_string(viewer.as_str()).expect("every text can be written as JSON");
        payload.add(&[r#","viewer":"#, &viewer]);
    }
    if let Some(version) = claims.viewer_version {
        payload.number("viewerVersion", version.0.into());
    }
    if claims.downloadable {
        payload.add(&[r#","downloadable":true"#]);
    }
    payload.rules(&claims.access_rules);
    if let Some(flags) = claims.flags {
        payload.add(&[r#","flags":{"original":"#, if flags.original { "true" } else { "false" }, "}"]);
    }
    payload.add(&["}"]);
    payload.0
}

impl Object {
    fn text(&mut self, name: &str, value: &str) {
        self.add(&[r#",""#, name, r#"":""#, value, r#"""#]);
    }

    fn number(&mut self, name: &str, value: i64) {
        self.add(&[r#",""#, name, r#"":"#]);
        self.show(value);
    }

    fn rules(&mut self, rules: &[AccessRule]) {
        let mut before = r#","accessRules":["#;
        for rule in rules {
            self.add(&[before]);
            self.rule(rule);
            before = ",";
        }
        if !rules.is_empty() {
            self.add(&["]"]);
        }
    }

    /// A rule with the list that its type uses and no other.
    fn rule(&mut self, rule: &AccessRule) {
        self.add(&[r#"{"type":""#, rule.matcher.type_name(), r#"","action":""#, rule.action.name(), r#"""#]);
        match &rule.matcher {
            Matcher::Any => {}
            Matcher::Ip(networks) => self.list("ip", networks),
            Matcher::Country(countries) => self.list("country", countries),
        }
        self.add(&["}"]);
    }

    fn list(&mut self, name: &str, entries: &[impl Display]) {
        self.add(&[r#",""#, name, r#"":["#]);
        let mut before = r#"""#;
        for entry in entries {
            self.add(&[before]);
            self.show(entry);
            self.add(&[r#"""#]);
            before = r#",""#;
        }
        self.add(&["]"]);
    }

    fn show(&mut self, value: impl Display) {
        write!(self.0, "{value}").expect("memory for a text is never refused");
    }

    fn add(&mut self, pieces: &[&str]) {
        pieces.iter().for_each(|piece| self.0.push_str(piece));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Flags, read};
    use super::*;
    use crate::access::Action;
    use crate::json::Json;
    use crate::time::UnixTime;
    use crate::viewer_id::ViewerVersion;

    #[test]
    fn a_payload_has_what_was_given_in_the_order_of_the_original() {
        let mut claims = Claims::new("v".parse().unwrap(), UnixTime(9));
        check(&claims, r#"{"sub":"v","kid":"k","exp":9}"#);
        claims.not_before = Some(UnixTime(7));
        claims.issued_at = Some(UnixTime(8));
        claims.token_id = Some("t".parse().unwrap());
        claims.viewer = Some(r#"a"b\c/d"#.parse().unwrap());
        claims.viewer_version = Some(ViewerVersion(u32::MAX));
        claims.downloadable = true;
        claims.access_rules = rules(
            r#"[{"type":"ip.src","action":"allow","ip":["192.0.2.7","::/0"]},
                {"type":"ip.geoip.country","action":"block","country":["se","NO"]},{"type":"any","action":"block"}]"#,
        );
        claims.flags = Some(Flags { original: true });
        check(
            &claims,
            concat!(
                r#"{"sub":"v","kid":"k","exp":9,"nbf":7,"iat":8,"jti":"t","viewer":"a\"b\\c/d","viewerVersion":4294967295,"#,
                r#""downloadable":true,"accessRules":[{"type":"ip.src","action":"allow","ip":["192.0.2.7","::/0"]},"#,
                r#"{"type":"ip.geoip.country","action":"block","country":["SE","NO"]},{"type":"any","action":"block"}],"#,
                r#""flags":{"original":true}}"#,
            ),
        );

        // No gate reads such a rule, and the token is JSON all the same.
        let mut claims = Claims::new("v".parse().unwrap(), UnixTime(9));
        claims.access_rules = vec![AccessRule { action: Action::Allow, matcher: Matcher::Ip(Vec::new()) }];
        check(&claims, r#"{"sub":"v","kid":"k","exp":9,"accessRules":[{"type":"ip.src","action":"allow","ip":[]}]}"#);

        #[track_caller]
        fn check(claims: &Claims, expected: &str) {
            assert_eq!(payload(claims, &"k".parse().unwrap()), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(
            viewer in "[!-~]{1,128}", version: Option<u32>, times in prop::array::uniform3(1..=999_999_999_999_i64),
            networks in prop::collection::vec(any::<(std::net::IpAddr, u8)>(), 1..5),
        ) {
            let networks: Vec<String> = networks.into_iter().map(|(address, prefix)| {
                format!("{address}/{}", prefix % if address.is_ipv4() { 33 } else { 129 })
            }).collect();
            let rule = format!(r#"[{{"type":"ip.src","action":"block","ip":["{}"]}}]"#, networks.join(r#"",""#));
            let claims = Claims {
                not_before: Some(UnixTime(times[1])),
                issued_at: Some(UnixTime(times[2])),
                viewer: Some(viewer.parse().unwrap()),
                viewer_version: version.map(ViewerVersion),
                access_rules: rules(&rule),
                ..Claims::new("v".parse().unwrap(), UnixTime(times[0]))
            };
            let text = payload(&claims, &KeyId::random());
            prop_assert_eq!(read(&Json::parse(text.as_bytes()).unwrap()).unwrap(), claims);
        }
    }

    fn rules(json: &str) -> Vec<AccessRule> {
        crate::access::parse_rules(&Json::parse(json.as_bytes()).unwrap(), 5).unwrap()
    }
}
