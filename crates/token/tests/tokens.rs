//! Tokens as signers in the wild and attackers write them, each with the answer that it must get.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use vidpass_token::{
    AccessRule, AccountPolicy, Action, Algorithm, Ask, Asset, Claims, Country, Denial, Flags, Limits, MAX_TOKEN_LENGTH,
    Matcher, SignError, SigningKey, Standing, Terms, UnixTime, UnverifiedToken, VideoPolicy, Viewer,
};

const NOW: i64 = 1_800_000_000;
const HEADER: &str = r#"{"alg":"RS256","kid":"k1"}"#;
const PAYLOAD: &str = r#"{"sub":"v1","kid":"k1","exp":1800003600,"nbf":1799996400}"#;

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, "k1".parse().unwrap()).unwrap());
static PAIR: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::from_pkcs8(&KEY.to_pkcs8()).unwrap());

#[test]
fn shapes_of_signers_in_the_wild() {
    // Cloudflare's own, with strings; its Worker example; Node jsonwebtoken; go-jose; a staff demo with fractions.
    admitted(HEADER, r#"{"sub":"v1","kid":"k1","exp":"1800003600","nbf":"1799996400"}"#);
    admitted(HEADER, r#"{"sub":"v1","kid":"k1","exp":1800003600,"accessRules":[{"type":"any","action":"allow"}]}"#);
    admitted(r#"{"alg":"RS256","typ":"JWT"}"#, r#"{"kid":"k1","sub":"v1","iat":1799999999,"exp":1800003600}"#);
    admitted(r#"{"alg":"RS256","kid":"k1","typ":"JWT"}"#, r#"{"kid":"k1","sub":"v1","exp":1800003600}"#);
    admitted(HEADER, r#"{"sub":"v1","exp":1800003600.123}"#);
    admitted(
        HEADER,
        r#"{"exp":1800003600,"kid":"k1","nbf":1799996400,"sub":"v1","flags":{"original":true},"aud":["x"]}"#,
    );
    admitted(r#"{"alg":"\u0052S256","kid":"k1","typ":"jwt","other":1}"#, PAYLOAD);
    refused(HEADER, r#"{"kid":"k1","exp":"1621889657","nbf":"1621882457"}"#, "token_malformed");
}

#[test]
fn time_has_no_leeway() {
    for (exp, nbf, expected) in [
        (NOW + 1, NOW, "admitted"),
        (NOW, NOW - 9, "token_expired"),
        (NOW - 1, NOW - 9, "token_expired"),
        (NOW + 9, NOW + 1, "token_not_yet_valid"),
        (NOW - 1, NOW + 1, "token_not_yet_valid"),
    ] {
        check(HEADER, &format!(r#"{{"sub":"v1","exp":{exp},"nbf":{nbf}}}"#), expected);
    }
    refused(HEADER, r#"{"sub":"v1","exp":1800000000.9}"#, "token_expired");
    refused(HEADER, r#"{"sub":"v1","exp":1800003600,"nbf":1800000000.1}"#, "token_not_yet_valid");
}

#[test]
fn the_algorithm_is_the_keys() {
    for alg in
        ["none", "None", "", "HS256", "RS384", "RS512", "PS256", "ES256", "EdDSA", "rs256", "RS256 ", "RS256\\u0000"]
    {
        refused(&format!(r#"{{"alg":"{alg}","kid":"k1"}}"#), PAYLOAD, "signature_invalid");
    }
    for alg in ["null", "[\"RS256\"]", "1", "{}", "true"] {
        refused(&format!(r#"{{"alg":{alg},"kid":"k1"}}"#), PAYLOAD, "token_malformed");
    }
    refused(r#"{"kid":"k1"}"#, PAYLOAD, "token_malformed");
    assert_eq!(outcome(&signed_with(&RSA_PSS_SHA256, HEADER, PAYLOAD)), "signature_invalid");
}

#[test]
fn header_members_that_change_the_meaning_are_refused() {
    for member in [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""crit":"b64""#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""zip":"DEF""#,
        r#""enc":"A128GCM""#,
        r#""cty":"JWT""#,
        r#""jku":"http://127.0.0.1/k""#,
        r#""jwk":{}"#,
        r#""x5u":"file:///etc/passwd""#,
        r#""x5c":[]"#,
        r#""x5t":"x""#,
        r#""x5t#S256":"x""#,
        r#""typ":"JWE""#,
        r#""typ":7"#,
        r#""typ":null"#,
    ] {
        refused(&format!(r#"{{"alg":"RS256","kid":"k1",{member}}}"#), PAYLOAD, "token_malformed");
    }
    let many: String = (0..20).map(|n| format!(r#","m{n}":1"#)).collect();
    refused(&format!(r#"{{"alg":"RS256","kid":"k1"{many}}}"#), PAYLOAD, "token_malformed");
}

#[test]
fn the_key_is_named_once_and_plainly() {
    let long = "k".repeat(65);
    for kid in [
        "\"\"",
        "7",
        "null",
        "[\"k1\"]",
        "\"../../etc/passwd\"",
        "\"' OR 1=1--\"",
        "\"k1 \"",
        "\"k1\\u0000\"",
        "\"к1\"",
        &format!("\"{long}\""),
    ] {
        refused(&format!(r#"{{"alg":"RS256","kid":{kid}}}"#), PAYLOAD, "token_malformed");
        refused(HEADER, &format!(r#"{{"sub":"v1","exp":1800003600,"kid":{kid}}}"#), "token_malformed");
    }
    refused(r#"{"alg":"RS256"}"#, r#"{"sub":"v1","exp":1800003600}"#, "token_malformed");
    refused(r#"{"alg":"RS256","kid":"k2"}"#, r#"{"sub":"v1","exp":1800003600}"#, "key_unknown");
    refused(r#"{"alg":"RS256","kid":"K1"}"#, r#"{"sub":"v1","exp":1800003600}"#, "key_unknown");
    refused(HEADER, r#"{"sub":"v1","kid":"k2","exp":1800003600}"#, "kid_mismatch");
    admitted(r#"{"alg":"RS256"}"#, r#"{"sub":"v1","kid":"k1","exp":1800003600}"#);
    admitted(HEADER, r#"{"sub":"v1","exp":1800003600}"#);
}

#[test]
fn json_with_two_meanings_is_refused() {
    refused(r#"{"alg":"none","alg":"RS256","kid":"k1"}"#, PAYLOAD, "token_malformed");
    refused(HEADER, r#"{"sub":"v1","exp":1,"exp":1800003600}"#, "token_malformed");
    refused(HEADER, r#"{"sub":"v1","exp":1,"\u0065xp":1800003600}"#, "token_malformed");
    refused(HEADER, r#"{"sub":"v2","sub":"v1","exp":1800003600}"#, "token_malformed");
    refused(
        HEADER,
        r#"{"sub":"v1","exp":1800003600,"accessRules":[{"type":"any","action":"block","action":"allow"}]}"#,
        "token_malformed",
    );
    for payload in [
        "",
        "[]",
        "\"v1\"",
        "7",
        "null",
        "{",
        "{} {}",
        "\u{feff}{}",
        r#"{"sub":"v1","exp":1800003600,}"#,
        r#"{'sub':'v1'}"#,
    ] {
        refused(HEADER, payload, "token_malformed");
        refused(payload, PAYLOAD, "token_malformed");
    }
    refused(
        HEADER,
        &format!(r#"{{"sub":"v1","exp":1800003600,"x":{}1{}}}"#, "[".repeat(500), "]".repeat(500)),
        "token_malformed",
    );
}

#[test]
fn rules_that_we_do_not_know_refuse_the_whole_token() {
    for rules in [
        "{}",
        "null",
        "\"any\"",
        "[null]",
        "[[]]",
        r#"[{"type":"asn","action":"block"}]"#,
        r#"[{"type":"any","action":"deny"}]"#,
        r#"[{"type":"any"}]"#,
        r#"[{"action":"block"}]"#,
        r#"[{"type":"any","action":"block","asn":[1]}]"#,
        r#"[{"type":"ip.src","action":"block","ip":[]}]"#,
        r#"[{"type":"ip.src","action":"block","ip":"10.0.0.1"}]"#,
        r#"[{"type":"ip.src","action":"block","ip":["10.0.0.0/33"]}]"#,
        r#"[{"type":"ip.geoip.country","action":"block","country":["UK"]}]"#,
    ] {
        refused(HEADER, &format!(r#"{{"sub":"v1","exp":1800003600,"accessRules":{rules}}}"#), "token_malformed");
    }
    for name in ["accessrules", "access_rules", "AccessRules", "access-rules", "accessRule"] {
        refused(HEADER, &format!(r#"{{"sub":"v1","exp":1800003600,"{name}":[]}}"#), "token_malformed");
    }
    let six = [r#"{"type":"any","action":"allow"}"#; 6].join(",");
    refused(HEADER, &format!(r#"{{"sub":"v1","exp":1800003600,"accessRules":[{six}]}}"#), "token_malformed");
}

#[test]
fn a_denial_is_one_line_whatever_the_token_says() {
    // Nothing here is signed: whoever can send a request can write all of it.
    for hostile in ["x\\n2030-01-01T00:00:00Z INFO admitted", "\\u001b[2J", "\\r", "\\u0000", "\\u0085", "\\u007f"] {
        for header in [
            format!(r#"{{"x5{hostile}":1}}"#),
            format!(r#"{{"alg":"{hostile}","kid":"k1"}}"#),
            format!(r#"{{"alg":"RS256","typ":"{hostile}"}}"#),
            format!(r#"{{"alg":"RS256","kid":"{hostile}"}}"#),
        ] {
            one_line(&header, PAYLOAD);
        }
        one_line(HEADER, &format!(r#"{{"exp":9,"sub":"{hostile}"}}"#));
        for member in [
            format!(r#""kid":"{hostile}""#),
            format!(r#""jti":"{hostile}""#),
            format!(r#""nbf":"{hostile}""#),
            format!(r#""downloadable":"{hostile}""#),
            format!(r#""{hostile}":1,"{hostile}":2"#),
            format!(r#""accessRules":"{hostile}""#),
            format!(r#""accessRules":[{{"{hostile}":1}}]"#),
            format!(r#""accessRules":[{{"type":"any","action":"{hostile}"}}]"#),
            format!(r#""accessRules":[{{"type":"{hostile}","action":"block"}}]"#),
            format!(r#""accessRules":[{{"type":"ip.src","action":"block","ip":["{hostile}"]}}]"#),
            format!(r#""accessRules":[{{"type":"ip.geoip.country","action":"block","country":["{hostile}"]}}]"#),
        ] {
            one_line(HEADER, &format!(r#"{{"exp":9,"sub":"v1",{member}}}"#));
        }
    }
}

#[test]
fn a_denial_tells_its_cause_once() {
    let denial = decide("e30.e30.").unwrap_err();
    assert_eq!(denial.to_string(), "malformed token: header `alg` must be a string");
    let error: &dyn std::error::Error = &denial;
    assert!(error.source().is_none(), "{:?}", error.source());
}

#[track_caller]
fn one_line(header: &str, payload: &str) {
    let denial = decide(&format!("{}.{}.AAAA", BASE64URL.encode(header), BASE64URL.encode(payload))).unwrap_err();
    let shown = denial.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?} of {header} {payload}");
}

#[test]
fn there_is_one_spelling_of_a_token() {
    // A space gives each part bits to spare in its last character.
    let token = signed(HEADER, &format!("{PAYLOAD} "));
    let parts: Vec<&str> = token.split('.').collect();
    let (h, p, s) = (parts[0], parts[1], parts[2]);
    for text in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        h.to_owned(),
        format!("{h}.{p}"),
        format!(".{p}.{s}"),
        format!("{h}..{s}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{s}"),
        format!("{token}="),
        format!("{token}=="),
        format!("{token}\n"),
        format!(" {token}"),
        format!("{token}%00"),
        format!("{h}=.{p}.{s}"),
        format!("{h}.{p}==.{s}"),
        format!("{h}. {p}.{s}"),
        format!("{h}+.{p}.{s}"),
        format!("{h}/.{p}.{s}"),
        trailing_bits(h, p, s, 0),
        trailing_bits(h, p, s, 1),
        trailing_bits(h, p, s, 2),
        format!("{}é", &token[..token.len() - 2]),
        "a".repeat(MAX_TOKEN_LENGTH + 1),
        ".".repeat(1_000_000),
    ] {
        assert_eq!(outcome(&text), "token_malformed", "{}", &text.chars().take(80).collect::<String>());
    }
}

#[test]
fn a_signature_is_whole_and_the_keys_own() {
    let token = signed(HEADER, PAYLOAD);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let good = BASE64URL.decode(signature).unwrap();
    let with = |bytes: &[u8]| format!("{input}.{}", BASE64URL.encode(bytes));
    assert_eq!(outcome(&with(&good)), "admitted");
    let mut leading_zero = vec![0];
    leading_zero.extend(&good);
    let other_message = signed(HEADER, &PAYLOAD.replace("v1", "v2"));
    let other_key = SigningKey::generate(Algorithm::Rs256, "k1".parse().unwrap()).unwrap();
    let other_key = other_key.sign(&Claims::new("v1".parse().unwrap(), UnixTime(NOW + 60))).unwrap();
    for bytes in
        [&[][..], &[0], &[0; 256], &[255; 256], &good[..255], &good[1..], &leading_zero, &[&good[..], &[0]].concat()]
    {
        assert_eq!(outcome(&with(bytes)), "signature_invalid");
    }
    assert_eq!(outcome(&format!("{input}.{}", other_message.rsplit_once('.').unwrap().1)), "signature_invalid");
    assert_eq!(outcome(other_key.as_str()), "signature_invalid");
}

#[test]
fn a_token_opens_one_video_of_the_keys_account() {
    for sub in ["v2", "V1", "v1x", "v"] {
        refused(HEADER, &format!(r#"{{"sub":"{sub}","exp":1800003600}}"#), "video_not_owned");
    }
    for sub in ["", "v1/", "v1.bak", "v1\\u0000", "%76%31", "ｖ1"] {
        refused(HEADER, &format!(r#"{{"sub":"{sub}","exp":1800003600}}"#), "token_malformed");
    }
}

#[test]
fn what_we_sign_reads_back() {
    let mut claims = Claims::new("v1".parse().unwrap(), UnixTime(NOW + 3600));
    claims.not_before = Some(UnixTime(NOW - 3600));
    claims.issued_at = Some(UnixTime(NOW));
    claims.token_id = Some("t1".parse().unwrap());
    claims.downloadable = true;
    claims.access_rules = vec![
        AccessRule { action: Action::Block, matcher: Matcher::Country(vec!["SE".parse().unwrap()]) },
        AccessRule { action: Action::Allow, matcher: Matcher::Ip(vec!["192.0.2.0/24".parse().unwrap()]) },
        AccessRule { action: Action::Block, matcher: Matcher::Any },
    ];
    claims.flags = Some(Flags { original: true });
    let token = KEY.sign(&claims).unwrap();
    let payload = BASE64URL.decode(token.as_str().split('.').nth(1).unwrap()).unwrap();
    assert_eq!(
        std::str::from_utf8(&payload).unwrap(),
        concat!(
            r#"{"sub":"v1","kid":"k1","exp":1800003600,"nbf":1799996400,"iat":1800000000,"jti":"t1","downloadable":true,"#,
            r#""accessRules":[{"type":"ip.geoip.country","action":"block","country":["SE"]},"#,
            r#"{"type":"ip.src","action":"allow","ip":["192.0.2.0/24"]},{"type":"any","action":"block"}],"#,
            r#""flags":{"original":true}}"#
        )
    );
    let header = BASE64URL.decode(token.as_str().split('.').next().unwrap()).unwrap();
    assert_eq!(std::str::from_utf8(&header).unwrap(), HEADER);
    assert_eq!(outcome(token.as_str()), "admitted");
    assert_eq!(format!("{token:?}"), format!("Token({})", token.fingerprint()));
    let unverified = UnverifiedToken::parse(token.as_str()).unwrap();
    assert_eq!(unverified.fingerprint(), token.fingerprint());
    let read = unverified.verify(KEY.public()).unwrap();
    assert_eq!((read.video(), read.key_id(), read.expires()), (&claims.video, KEY.id(), claims.expires));
    assert_eq!((read.not_before(), read.issued_at()), (claims.not_before, claims.issued_at));
    assert_eq!((read.token_id(), read.downloadable()), (claims.token_id.as_ref(), true));
    assert_eq!(read.access_rules(), claims.access_rules);
}

#[test]
fn what_no_gate_reads_is_not_signed() {
    let claims = |change: &dyn Fn(&mut Claims)| {
        let mut claims = Claims::new("v1".parse().unwrap(), UnixTime(NOW + 3600));
        change(&mut claims);
        KEY.sign(&claims)
    };
    let rule = "must be Unix seconds: a number from 1 to 999999999999";
    for time in [i64::MIN, -1, 0, 1_000_000_000_000, i64::MAX] {
        let value = UnixTime(time);
        let refused = |claim| Err(SignError::Time { claim, value, rule });
        assert_eq!(claims(&|claims| claims.expires = value), refused("exp"));
        assert_eq!(claims(&|claims| claims.not_before = Some(value)), refused("nbf"));
        assert_eq!(claims(&|claims| claims.issued_at = Some(value)), refused("iat"));
    }
    for time in [1, 999_999_999_999] {
        let token = claims(&|claims| {
            (claims.expires, claims.not_before, claims.issued_at) =
                (UnixTime(time), Some(UnixTime(time)), Some(UnixTime(time)));
        });
        assert!(UnverifiedToken::parse(token.unwrap().as_str()).is_ok(), "{time}");
    }
    let error = claims(&|claims| claims.expires = UnixTime(0)).unwrap_err();
    assert_eq!(error.to_string(), format!("`exp` is 0; it {rule}"));

    let network = Matcher::Ip(vec!["2001:db8::/32".parse().unwrap(); 300]);
    let rules = vec![AccessRule { action: Action::Allow, matcher: network }];
    let error = claims(&|claims| claims.access_rules.clone_from(&rules)).unwrap_err();
    assert!(matches!(error, SignError::TooLong { length } if length > MAX_TOKEN_LENGTH), "{error}");
}

#[test]
fn the_algorithm_is_the_keys_and_not_the_tokens() {
    let keys = Algorithm::ALL.map(|algorithm| SigningKey::generate(algorithm, "k1".parse().unwrap()).unwrap());
    for signer in &keys {
        let token = signer.sign(&Claims::new("v1".parse().unwrap(), UnixTime(NOW + 60))).unwrap();
        for key in &keys {
            let verified = UnverifiedToken::parse(token.as_str()).unwrap().verify(key.public());
            assert_eq!(verified.is_ok(), signer.algorithm() == key.algorithm());
        }
        // The same signature under another name.
        let (_, rest) = token.as_str().split_once('.').unwrap();
        for name in ["RS256", "ES256", "EdDSA", "none", "HS256", "ES384", "PS256"] {
            let header = BASE64URL.encode(format!(r#"{{"alg":"{name}","kid":"k1"}}"#));
            let verified =
                UnverifiedToken::parse(&format!("{header}.{rest}")).unwrap().verify(signer.public()).map(|_| ());
            assert_eq!(verified.is_ok(), name == signer.algorithm().name(), "{name}");
        }
    }
}

#[track_caller]
fn admitted(header: &str, payload: &str) {
    check(header, payload, "admitted");
}

#[track_caller]
fn refused(header: &str, payload: &str, code: &str) {
    check(header, payload, code);
}

#[track_caller]
fn check(header: &str, payload: &str, expected: &str) {
    assert_eq!(outcome(&signed(header, payload)), expected, "{header} {payload}");
}

/// The denial's code, or `admitted`, for a viewer of video `v1`.
fn outcome(token: &str) -> &'static str {
    decide(token).map_or_else(|denial| denial.code(), |()| "admitted")
}

fn decide(token: &str) -> Result<(), Denial> {
    let unverified = UnverifiedToken::parse(token)?;
    if unverified.key_id() != KEY.id() {
        return Err(Denial::KeyUnknown { key: unverified.key_id().clone() });
    }
    let claims = unverified.verify(KEY.public())?;
    let policy = VideoPolicy::private("a1".parse().unwrap());
    let video = (claims.video().as_str() == "v1").then_some(&policy);
    let viewer = Viewer::new("192.0.2.7".parse().unwrap(), Country::Unknown, None);
    let ask = Ask { viewer: &viewer, named: None, asset: Asset::Media, now: UnixTime(NOW) };
    let terms = Terms { video, account: &AccountPolicy::default(), limits: &Limits::default() };
    claims.admit(&policy.account, &terms, Standing::Good, &ask).map(drop)
}

/// A token of exactly this header and payload, well signed.
fn signed(header: &str, payload: &str) -> String {
    signed_with(&RSA_PKCS1_SHA256, header, payload)
}

fn signed_with(encoding: &'static dyn RsaEncoding, header: &str, payload: &str) -> String {
    let input = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(payload));
    let mut signature = vec![0; PAIR.public_modulus_len()];
    PAIR.sign(encoding, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
    format!("{input}.{}", BASE64URL.encode(signature))
}

/// The same bytes with bits set in the last character of one part that a lenient reader drops.
fn trailing_bits(header: &str, payload: &str, signature: &str, part: usize) -> String {
    let mut parts = [header.to_owned(), payload.to_owned(), signature.to_owned()];
    let spare = BASE64URL.decode(&parts[part]).unwrap().len() % 3;
    assert_ne!(spare, 0, "part {part} has no spare bits");
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = parts[part].pop().unwrap();
    let changed = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    parts[part].push(changed);
    parts.join(".")
}
