//! The tokens of all bars: RS256 with a key of 2048 bits, and five access rules of which one asks for the country.

use std::time::{Duration, SystemTime};

use vidpass_token::{
    AccessRule, Action, Algorithm, Claims, CountryCode, KeyId, Matcher, SigningKey, TokenId, UnixTime, VideoId,
};

/// The video of all tokens.
pub(crate) const VIDEO: &str = "bench-video";

/// The key's id.
pub(crate) const KEY: &str = "bench-key";

/// How many tokens repeat: so many viewers watch.
pub(crate) const VIEWERS: usize = 256;

/// A key of the kind that the bars ask for.
pub(crate) fn signing_key(algorithm: Algorithm) -> anyhow::Result<SigningKey> {
    Ok(SigningKey::generate(algorithm, KEY.parse::<KeyId>()?)?)
}

/// `count` tokens, each another one.
pub(crate) fn sign(key: &SigningKey, count: usize) -> anyhow::Result<Vec<String>> {
    let rules = rules()?;
    // Half of the work on each core: nothing is being measured.
    let sign = |numbers: std::ops::Range<usize>| -> anyhow::Result<Vec<String>> {
        numbers.map(|number| Ok(key.sign(&claims(number, rules.clone())?)?.as_str().to_owned())).collect()
    };
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| crate::machine::on_server_core(|| sign(0..count / 2)));
        let second = sign(count / 2..count);
        (first.join(), second)
    });
    let mut tokens = first.map_err(|_| anyhow::anyhow!("signing panicked"))??;
    tokens.extend(second?);
    Ok(tokens)
}

/// What the token of viewer `number` says.
pub(crate) fn claims(number: usize, access_rules: Vec<AccessRule>) -> anyhow::Result<Claims> {
    let now = now();
    let later = Duration::from_secs(6 * 3600);
    Ok(Claims {
        not_before: Some(now.minus(Duration::from_secs(3600))),
        token_id: Some(format!("viewer-{number}").parse::<TokenId>()?),
        access_rules,
        ..Claims::new(VIDEO.parse::<VideoId>()?, now.plus(later))
    })
}

/// Four rules that do not match [`viewer`], or not before the country is looked up, and one for everybody else.
pub(crate) fn rules() -> anyhow::Result<Vec<AccessRule>> {
    let countries = |names: [&str; 2]| -> anyhow::Result<Matcher> {
        let parsed: Result<Vec<CountryCode>, _> = names.iter().map(|name| name.parse()).collect();
        Ok(Matcher::Country(parsed?))
    };
    let network = |text: &str| -> anyhow::Result<Matcher> { Ok(Matcher::Ip(vec![text.parse()?])) };
    let rule = |action, matcher| AccessRule { action, matcher };
    Ok(vec![
        rule(Action::Block, network("198.51.100.0/24")?),
        rule(Action::Allow, network("192.0.2.7/32")?),
        rule(Action::Block, countries(["KP", "RU"])?),
        rule(Action::Allow, countries(["SE", "NO"])?),
        rule(Action::Block, Matcher::Any),
    ])
}

/// The same rules as the body of a token request.
pub(crate) const TOKEN_REQUEST: &str = r#"{"accessRules":[{"type":"ip.src","action":"block","ip":["198.51.100.0/24"]},{"type":"ip.src","action":"allow","ip":["192.0.2.7/32"]},{"type":"ip.geoip.country","action":"block","country":["KP","RU"]},{"type":"ip.geoip.country","action":"allow","country":["SE","NO"]},{"type":"any","action":"block"}]}"#;

/// The address of viewer `number`, in Sweden.
pub(crate) fn viewer(number: usize) -> String {
    format!("130.235.{}.{}", number / 200 % 200 + 1, number % 200 + 1)
}

#[expect(clippy::disallowed_methods, reason = "the bars ask for the time here, and nowhere else")]
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixTime(0).plus(since)
}
