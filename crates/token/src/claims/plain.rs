//! Claims as most signers write them, read in one pass and without a tree of values: most of what a new token cost beside its
//! signature.
//!
//! It gives up at whatever it does not know, and at every mistake. Then [`super::read`] decides, and alone says what is wrong.

use std::str::FromStr;

use super::{Claims, moment};
use crate::access::{AccessRule, Action, Matcher};
use crate::id::KeyId;
use crate::json::plain::Reader;
use crate::time::UnixTime;
use crate::viewer_id::ViewerVersion;

/// How many rules a token has at most where issuers follow Cloudflare Stream, and more than most lists have entries.
const TYPICAL_ELEMENTS: usize = 5;

/// The `kid` and the claims of a payload, where [`super::read`] would find the same.
pub(crate) fn read(payload: &[u8]) -> Option<(Option<KeyId>, Claims)> {
    let mut text = Reader::new(payload)?;
    let (mut sub, mut kid, mut exp, mut nbf, mut iat) = (None, None, None, None, None);
    let (mut jti, mut viewer, mut version, mut downloadable, mut rules) = (None, None, None, None, None);
    members(&mut text, |name, text| match name {
        "sub" => once(&mut sub, parsed(text)?),
        "kid" => once(&mut kid, parsed(text)?),
        "exp" => once(&mut exp, time(text)?),
        "nbf" => once(&mut nbf, time(text)?),
        "iat" => once(&mut iat, time(text)?),
        "jti" => once(&mut jti, parsed(text)?),
        "viewer" => once(&mut viewer, parsed(text)?),
        "viewerVersion" => once(&mut version, ViewerVersion(u32::try_from(number(text)?).ok()?)),
        "downloadable" => once(&mut downloadable, truth(text)?),
        "accessRules" => once(&mut rules, elements(text, rule)?),
        _ => None,
    })?;
    text.end()?;
    let claims = Claims {
        not_before: nbf,
        issued_at: iat,
        token_id: jti,
        viewer,
        viewer_version: version,
        downloadable: downloadable.unwrap_or(false),
        access_rules: rules.unwrap_or_default(),
        ..Claims::new(sub?, exp?)
    };
    Some((kid, claims))
}

/// A rule whose list, where it has one, comes after its type and is the one that the type uses.
fn rule(text: &mut Reader<'_>) -> Option<AccessRule> {
    let (mut kind, mut action, mut matcher) = (None, None, None);
    members(text, |name, text| match (name, kind) {
        ("type", None) => once(&mut kind, string(text)?),
        ("action", _) => once(&mut action, Action::named(string(text)?)?),
        ("ip", Some("ip.src")) => once(&mut matcher, Matcher::Ip(elements(text, parsed)?)),
        ("country", Some("ip.geoip.country")) => once(&mut matcher, Matcher::Country(elements(text, parsed)?)),
        _ => None,
    })?;
    if kind? == "any" {
        matcher = Some(Matcher::Any);
    }
    Some(AccessRule { action: action?, matcher: matcher? })
}

/// Reads an object that is not empty: `member` reads the value of each member.
fn members<'t>(text: &mut Reader<'t>, mut member: impl FnMut(&'t str, &mut Reader<'t>) -> Option<()>) -> Option<()> {
    if text.token()? != b'{' {
        return None;
    }
    loop {
        let name = string(text)?;
        if text.token()? != b':' {
            return None;
        }
        member(name, text)?;
        match text.token()? {
            b',' => {}
            b'}' => return Some(()),
            _ => return None,
        }
    }
}

/// Reads an array that is not empty.
fn elements<'t, T>(text: &mut Reader<'t>, mut element: impl FnMut(&mut Reader<'t>) -> Option<T>) -> Option<Vec<T>> {
    if text.token()? != b'[' {
        return None;
    }
    let mut elements = Vec::with_capacity(TYPICAL_ELEMENTS);
    loop {
        elements.push(element(text)?);
        match text.token()? {
            b',' => {}
            b']' => return Some(elements),
            _ => return None,
        }
    }
}

/// Keeps the value of a member that there may be only one of.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn string<'t>(text: &mut Reader<'t>) -> Option<&'t str> {
    if text.token()? == b'"' { text.text() } else { None }
}

fn parsed<T: FromStr>(text: &mut Reader<'_>) -> Option<T> {
    string(text)?.parse().ok()
}

fn number(text: &mut Reader<'_>) -> Option<u64> {
    let first = text.token()?;
    if first.is_ascii_digit() { text.number(first) } else { None }
}

fn time(text: &mut Reader<'_>) -> Option<UnixTime> {
    moment(i64::try_from(number(text)?).ok()?)
}

fn truth(text: &mut Reader<'_>) -> Option<bool> {
    match text.token()? {
        b't' => text.word("rue", true),
        b'f' => text.word("alse", false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;
    use crate::json::Json;

    const PAYLOAD: &str = r#"{"sub":"v1","kid":"k1","exp":1800000000,"nbf":1,"iat":2,"jti":"j","viewer":"a@b",
        "viewerVersion":7,"downloadable":true,"accessRules":[
        {"type":"ip.src","action":"allow","ip":["192.0.2.0/24","2001:db8::/32"]},
        {"action":"block","type":"ip.geoip.country","country":["SE","NO"]},{"type":"any","action":"block"}]}"#;

    /// What is put into payloads: members that may be there, others, and mistakes.
    const PIECES: &str = r#"|{|}|[|]|,|:| |"|"x"|{}|[]|null|true|false|0|-1|1.5|4294967296|999999999999|
        1000000000000|9999999999999999999|\|\u0065|é|_|-|/33|"sub":"v2",|"sub":7,|"kid":"k2",|"kid":"",|
        "exp":9,|"exp":"9",|"exp":9.5,|"nbf":0,|"flags":{},|"access_rules":[],|"accessRules":[],|
        "accessRules":null,|"x":1,|"viewer":"a b",|"viewerVersion":-1,|"downloadable":false,|"downloadable":1,|
        "type":"any",|"type":"ip",|"action":"deny",|"ip":[],|"ip":7,|"country":["SE"],|
        {"type":"any","action":"allow"},|{"type":"ip.src","action":"allow"},|"10.0.0.1",|"USA","#;

    #[test]
    fn what_signers_write_is_plain() {
        for payload in [PAYLOAD, r#"{"exp":9,"sub":"v"}"#, " { \"sub\" : \"v\" , \"exp\" : 9 } "] {
            assert!(same(payload.as_bytes()), "{payload}");
        }
        for member in [
            "",
            r#""exp":9,"#,
            r#""exp":9,"exp":9,"#,
            r#""exp":0,"#,
            r#""exp":9,"x":1,"#,
            r#""exp":9,"accessRules":[],"#,
        ] {
            assert_eq!(same(format!(r#"{{{member}"sub":"v"}}"#).as_bytes()), member == r#""exp":9,"#, "{member}");
        }
        for broken in [
            r#"{"sub":"v","exp":9,}"#,
            r#"{,"sub":"v","exp":9}"#,
            r#"{"sub":"v"{"exp":9}"#,
            r#"{"sub":"v","exp":9{}"#,
            r#"{"sub":"v","exp":9}}"#,
            r#"{"sub":"v","exp" 9}"#,
            r#"{"sub":"v","exp":9"#,
            r#"{"sub":"v","exp":9,"accessRules":[{"type":"any","action":"allow"},]}"#,
            r#"{"sub":"v","exp":9,"accessRules":[{"type":"any","action":"allow"}[]}"#,
        ] {
            assert!(!same(broken.as_bytes()), "{broken}");
        }
    }

    proptest! {
        // So many that a separator in the place of another is found each time.
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_payload_with_other_pieces_in_it(
            edits in prop::collection::vec((any::<Index>(), 0..3_usize, select(pieces())), 1..4),
        ) {
            let mut payload = PAYLOAD.as_bytes().to_vec();
            for (at, length, piece) in edits {
                let at = at.index(payload.len());
                payload.splice(at..payload.len().min(at + length), piece.bytes());
            }
            same(&payload);
        }

        #[test]
        fn a_payload_with_other_pieces_at_its_members(
            edits in prop::collection::vec((any::<Index>(), select(pieces())), 1..4),
        ) {
            let mut payload = PAYLOAD.to_owned();
            for (at, piece) in edits {
                let joints = payload.match_indices(['{', ',', '[', ':', ']', '}']);
                let joints: Vec<usize> = joints.map(|(at, _)| at).collect();
                payload.insert_str(joints[at.index(joints.len())] + 1, piece);
            }
            same(payload.as_bytes());
        }
    }

    fn pieces() -> Vec<&'static str> {
        PIECES.split('|').collect()
    }

    /// Whether a payload is plain. What is plain is what `claims::read` reads.
    #[track_caller]
    fn same(payload: &[u8]) -> bool {
        let plain = read(payload);
        if let Some((kid, claims)) = &plain {
            let json: Json<'_> = serde_json::from_slice(payload).unwrap();
            let named = json.get("kid").map(|kid| kid.as_text().unwrap().parse::<KeyId>().unwrap());
            assert_eq!(
                (&named, &super::super::read(&json).unwrap()),
                (kid, claims),
                "{}",
                String::from_utf8_lossy(payload)
            );
        }
        plain.is_some()
    }
}
