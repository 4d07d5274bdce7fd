use std::sync::LazyLock;

use vidpass_token::json::Json;
use vidpass_token::{Algorithm, KeyId, SigningKey, UnixTime};

use super::TokenRequest;
use crate::config::ApiConfig;
use crate::problem::Problem;

const NOW: UnixTime = UnixTime(1_800_000_000);

static PEM: LazyLock<String> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, KeyId::random()).unwrap().to_pem_base64().to_string());

#[test]
fn times_have_defaults_and_limits() {
    times("", "1799996400..1800003600");
    times("{}", "1799996400..1800003600");
    times(r#"{"exp":0,"nbf":0}"#, "1799996400..1800003600");
    times(r#"{"exp":1800000001}"#, "1799996400..1800000001");
    times(r#"{"exp":1800086400}"#, "1799996400..1800086400");
    times(r#"{"nbf":1800003599}"#, "1800003599..1800003600");
    times(r#"{"nbf":1}"#, "1..1800003600");
}

#[test]
fn times_that_make_no_sense() {
    check(r#"{"exp":1800000000}"#, &["/exp exp_in_past: exp: the token would be over already: 1800000000 is 0 s ago"]);
    check(r#"{"exp":1}"#, &["/exp exp_in_past: exp: the token would be over already: 1 is 1799999999 s ago"]);
    check(
        r#"{"exp":1800086401}"#,
        &["/exp exp_too_far: exp: the token would live too long; the latest `exp` is 1800086400"],
    );
    check(
        r#"{"exp":18446744073709551615}"#,
        &["/exp exp_too_far: exp: the token would live too long; the latest `exp` is 1800086400"],
    );
    check(
        r#"{"exp":1800000010,"nbf":1800000010}"#,
        &[
            "/exp exp_not_after_nbf: exp: the token would be over before it begins: `exp` 1800000010 must be after `nbf` 1800000010",
        ],
    );
    check(
        r#"{"nbf":1800003600}"#,
        &[
            "/nbf exp_not_after_nbf: nbf: the token would be over before it begins: `exp` 1800003600 must be after `nbf` 1800003600",
        ],
    );
    check(
        r#"{"exp":"1800000100","nbf":1900000000}"#,
        &["/exp time_not_seconds: exp: must be an integer of Unix seconds, not a string"],
    );
}

#[test]
fn times_that_are_no_integers() {
    for (value, got) in [
        ("\"1800000100\"", "a string"),
        ("\"\"", "a string"),
        ("null", "null"),
        ("true", "a boolean"),
        ("[]", "an array"),
        ("1800000100.5", "a fraction or a number out of range"),
        ("1800000100.0", "a fraction or a number out of range"),
        ("1e300", "a fraction or a number out of range"),
        ("-1", "a negative number"),
    ] {
        for member in ["exp", "nbf"] {
            let expected =
                format!("/{member} time_not_seconds: {member}: must be an integer of Unix seconds, not {got}");
            check(&format!(r#"{{"{member}":{value}}}"#), &[&expected]);
        }
    }
}

#[test]
fn a_key_comes_whole() {
    check(&format!(r#"{{"id":"ab0d4ef71g4425f8dcba9041231813000","pem":"{}"}}"#, *PEM), &[]);
    check(r#"{"id":"k"}"#, &["/pem pem_missing: pem: `id` and `pem` come together, and `pem` is missing"]);
    check(
        &format!(r#"{{"pem":"{}"}}"#, *PEM),
        &["/id id_missing: id: `id` and `pem` come together, and `id` is missing"],
    );
    check(&format!(r#"{{"id":"","pem":"{}"}}"#, *PEM), &["/id key_id_invalid: id: not the id of a key: it is empty"]);
    check(
        r#"{"id":7,"pem":null}"#,
        &[
            "/id member_wrong_type: id: must be a string, not a number",
            "/pem member_wrong_type: pem: must be a string, not null",
        ],
    );
}

#[test]
fn what_is_no_private_key_is_refused_without_repeating_it() {
    for pem in
        ["", "S3CRET", "UzNDUkVU", "-----BEGIN RSA PRIVATE KEY-----\\nUzNDUkVU\\n-----END RSA PRIVATE KEY-----\\n"]
    {
        let problems = problems(&format!(r#"{{"id":"k","pem":"{pem}"}}"#));
        assert_eq!(problems.len(), 1, "{pem}");
        assert!(problems[0].starts_with("/pem pem_invalid: pem: not a key that can be used: "), "{problems:?}");
        assert!(!problems[0].contains("S3CRET") && !problems[0].contains("UzND"), "{problems:?}");
    }
}

#[test]
fn unknown_members_are_refused_with_a_suggestion() {
    check(
        r#"{"accesRules":[]}"#,
        &["/accesRules member_unknown: accesRules: there is no such member; did you mean `accessRules`?"],
    );
    check(r#"{"video":1}"#, &["/video member_unknown: video: there is no such member"]);
    check(
        r#"{"flags":{"orignal":true}}"#,
        &["/flags/orignal member_unknown: flags/orignal: there is no such member; did you mean `original`?"],
    );
}

#[test]
fn every_problem_is_told_at_once() {
    check(
        r#"{"exp":"x","nbf":-1,"downloadable":"yes","id":"a b","flags":[],"rules":[],
            "accessRules":[{"type":"ip.src","action":"allow","ip":["10.0.0.0/99"]},{"type":"ip.geoip.country","action":"block","country":["USA"]}]}"#,
        &[
            "/rules member_unknown: rules: there is no such member",
            "/id key_id_invalid: id: not the id of a key: ` ` at position 1 is not allowed; use letters, digits, `_` and `-`",
            "/pem pem_missing: pem: `id` and `pem` come together, and `pem` is missing",
            "/nbf time_not_seconds: nbf: must be an integer of Unix seconds, not a negative number",
            "/exp time_not_seconds: exp: must be an integer of Unix seconds, not a string",
            "/downloadable member_wrong_type: downloadable: must be true or false, not a string",
            "/accessRules/0/ip/0 rule_ip_invalid: accessRules/0/ip/0: `10.0.0.0/99` is not an IP address or network (such as `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32`)",
            "/accessRules/1/country/0 rule_country_invalid: accessRules/1/country/0: `USA` is not a country code of ISO 3166-1 (two letters, such as `SE`)",
            "/flags member_wrong_type: flags: must be an object, not an array",
        ],
    );
}

#[test]
fn a_body_is_an_object() {
    for (body, got) in [("[]", "an array"), ("null", "null"), ("\"x\"", "a string"), ("1", "a number")] {
        check(body, &[&format!(" member_wrong_type: must be an object, not {got}")]);
    }
}

#[test]
fn a_body_of_nothing_but_mistakes_has_a_short_answer() {
    let members: Vec<String> = (0..5000).map(|n| format!("\"m{n}\":1")).collect();
    assert_eq!(problems(&format!("{{{}}}", members.join(","))).len(), 100);
}

#[test]
fn a_server_set_to_shorter_lives_shortens_the_default_too() {
    let mut config = ApiConfig::new("http://localhost".parse().unwrap());
    config.max_token_lifetime = std::time::Duration::from_secs(60);
    let request = TokenRequest::parse(None, &config, NOW).ok().unwrap();
    assert_eq!(request.times.expires, NOW.plus(config.max_token_lifetime));
}

#[track_caller]
fn times(body: &str, expected: &str) {
    let times = parse(body).map(|request| request.times).ok().unwrap();
    assert_eq!(format!("{}..{}", times.not_before, times.expires), expected);
}

#[track_caller]
fn check(body: &str, expected: &[&str]) {
    assert_eq!(problems(body), expected);
}

fn problems(body: &str) -> Vec<String> {
    let problems = parse(body).err().unwrap_or_default();
    problems
        .iter()
        .map(Problem::to_item)
        .map(|item| {
            let pointer = item.source.unwrap().pointer;
            format!("{pointer} {}: {}", item.reason.unwrap(), item.message)
        })
        .collect()
}

fn parse(body: &str) -> Result<TokenRequest, Vec<Problem>> {
    let json = (!body.is_empty()).then(|| Json::parse(body.as_bytes()).unwrap());
    TokenRequest::parse(json.as_ref(), &ApiConfig::new("http://localhost".parse().unwrap()), NOW)
}
