//! What a token says.

mod plain;
mod written;

use crate::access::{AccessRule, parse_rules};
use crate::id::{KeyId, TokenId, VideoId};
use crate::json::Json;
use crate::jws::{MalformedToken, SignError, TokenDigest};
use crate::time::UnixTime;
use crate::viewer_id::{ViewerId, ViewerVersion};

pub(crate) use plain::read as read_plain;
pub(crate) use written::payload;

/// What an issuer signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The video that the token opens: `sub`.
    pub video: VideoId,
    /// From when on it is over: `exp`.
    pub expires: UnixTime,
    /// Until when it is not yet valid: `nbf`.
    pub not_before: Option<UnixTime>,
    /// When it was issued: `iat`.
    pub issued_at: Option<UnixTime>,
    /// The token's own name: `jti`.
    pub token_id: Option<TokenId>,
    /// Who it was issued to: `viewer`. An extension of vidpass.
    pub viewer: Option<ViewerId>,
    /// Which of the viewer's tokens it is: `viewerVersion`. An extension of vidpass.
    pub viewer_version: Option<ViewerVersion>,
    /// Whether it opens `/downloads/*` too.
    pub downloadable: bool,
    /// Who may use it; none means everybody.
    pub access_rules: Vec<AccessRule>,
    /// Switches that Cloudflare Stream has; carried along, not acted on.
    pub flags: Option<Flags>,
}

/// The `flags` member of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Ask for the video as it was uploaded.
    pub original: bool,
}

impl Claims {
    /// Claims that open one video to everybody until `expires`.
    #[must_use]
    pub fn new(video: VideoId, expires: UnixTime) -> Self {
        Self {
            video,
            expires,
            not_before: None,
            issued_at: None,
            token_id: None,
            viewer: None,
            viewer_version: None,
            downloadable: false,
            access_rules: Vec::new(),
            flags: None,
        }
    }

    /// Refuses times that [`read`] refuses.
    pub(crate) fn check_times(&self) -> Result<(), SignError> {
        let times = [("exp", Some(self.expires)), ("nbf", self.not_before), ("iat", self.issued_at)];
        for (claim, time) in times {
            if let Some(value) = time.filter(|time| !TIMES.contains(&time.0)) {
                return Err(SignError::Time { claim, value, rule: TIME_RULE });
            }
        }
        Ok(())
    }
}

/// Claims whose signature is good. Their time, rules and video have not been looked at.
///
/// Safe to cache for as long as [`Self::key_id`] is live. Only
/// [`UnverifiedToken::verify`](crate::UnverifiedToken::verify) makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedClaims {
    key_id: KeyId,
    digest: TokenDigest,
    claims: Claims,
}

impl SignedClaims {
    pub(crate) fn new(key_id: KeyId, digest: TokenDigest, claims: Claims) -> Self {
        Self { key_id, digest, claims }
    }

    /// What tells the token from every other.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        self.digest
    }

    /// The key that signed.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// The video: `sub`.
    #[must_use]
    pub fn video(&self) -> &VideoId {
        &self.claims.video
    }

    /// The first second in which the token is over: `exp`, a fraction of a second dropped.
    #[must_use]
    pub fn expires(&self) -> UnixTime {
        self.claims.expires
    }

    /// The first second in which the token is valid: `nbf`, a fraction of a second rounded up.
    #[must_use]
    pub fn not_before(&self) -> Option<UnixTime> {
        self.claims.not_before
    }

    /// When the token was issued, if it says so: `iat`.
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.claims.issued_at
    }

    /// The token's own name, if it has one: `jti`.
    #[must_use]
    pub fn token_id(&self) -> Option<&TokenId> {
        self.claims.token_id.as_ref()
    }

    /// Who the token was issued to, if it says so: `viewer`.
    #[must_use]
    pub fn viewer(&self) -> Option<&ViewerId> {
        self.claims.viewer.as_ref()
    }

    /// Which of the viewer's tokens it is, if it says so: `viewerVersion`.
    #[must_use]
    pub fn viewer_version(&self) -> Option<ViewerVersion> {
        self.claims.viewer_version
    }

    /// Whether the token opens `/downloads/*`.
    #[must_use]
    pub fn downloadable(&self) -> bool {
        self.claims.downloadable
    }

    /// Who may use the token.
    #[must_use]
    pub fn access_rules(&self) -> &[AccessRule] {
        &self.claims.access_rules
    }
}

/// Reads a payload. Lenient where signers in the wild differ, strict everywhere else: a claim that cannot be read is
/// malformed, never absent.
pub(crate) fn read(payload: &Json<'_>) -> Result<Claims, MalformedToken> {
    let wrong = |claim: &'static str, rule: &'static str| MalformedToken::Claim { claim, rule };
    if misspells_access_rules(payload) {
        return Err(wrong("accessRules", "must be spelt so"));
    }
    let sub = payload.get("sub").ok_or_else(|| wrong("sub", "must be there"))?;
    let sub = sub.as_text().ok_or_else(|| wrong("sub", "must be a string"))?;
    let video = sub.parse().map_err(|_| wrong("sub", "must be the uid of a video"))?;
    let token_id = match payload.get("jti") {
        None => None,
        Some(jti) => {
            let jti = jti.as_text().and_then(|text| text.parse().ok());
            Some(jti.ok_or_else(|| wrong("jti", "must be up to 64 letters, digits, `_` and `-`"))?)
        }
    };
    let viewer = match payload.get("viewer") {
        None => None,
        Some(viewer) => {
            let viewer = viewer.as_text().and_then(|text| text.parse().ok());
            Some(viewer.ok_or_else(|| wrong("viewer", "must be a string of 1 to 128 visible ASCII characters"))?)
        }
    };
    let viewer_version = match payload.get("viewerVersion") {
        None => None,
        Some(Json::Number(number)) => {
            let version = number.as_u64().and_then(|number| u32::try_from(number).ok()).map(ViewerVersion);
            Some(version.ok_or_else(|| wrong("viewerVersion", VERSION_RULE))?)
        }
        Some(_) => return Err(wrong("viewerVersion", VERSION_RULE)),
    };
    let downloadable = match payload.get("downloadable") {
        None => false,
        Some(Json::Bool(value)) => *value,
        Some(_) => return Err(wrong("downloadable", "must be true or false")),
    };
    let access_rules = match payload.get("accessRules") {
        None => Vec::new(),
        // How many a gate accepts is its own setting; a token's length bounds what is read here.
        Some(rules) => {
            parse_rules(rules, usize::MAX).map_err(|mut problems| MalformedToken::Rule(problems.remove(0)))?
        }
    };
    Ok(Claims {
        video,
        expires: time(payload, "exp", Round::Down)?.ok_or_else(|| wrong("exp", "must be there"))?,
        not_before: time(payload, "nbf", Round::Up)?,
        issued_at: time(payload, "iat", Round::Down)?,
        token_id,
        viewer,
        viewer_version,
        downloadable,
        access_rules,
        flags: None,
    })
}

const VERSION_RULE: &str = "must be a whole number from 0 to 4294967295";

/// Whether a claim looks like `accessRules` and is not. Unknown claims are ignored, but a signer who wrote
/// `access_rules` meant to keep viewers out.
fn misspells_access_rules(payload: &Json<'_>) -> bool {
    let Json::Object(members) = payload else { return false };
    members.iter().any(|(name, _)| {
        if name.len() < "accessrule".len() {
            return false;
        }
        let letters = || name.bytes().filter(|c| !matches!(c, b'_' | b'-')).map(|c| c.to_ascii_lowercase());
        name != "accessRules" && ["accessrules", "accessrule"].iter().any(|meant| letters().eq(meant.bytes()))
    })
}

/// Which way a fraction of a second goes: always towards a shorter life of the token.
#[derive(Clone, Copy)]
enum Round {
    Down,
    Up,
}

/// The moments that a token may name; the latest is in the year 33658 and has twelve digits.
const TIMES: std::ops::RangeInclusive<i64> = 1..=999_999_999_999;

/// [`TIMES`] as a sentence about a claim.
const TIME_RULE: &str = "must be Unix seconds: a number from 1 to 999999999999";

/// An integer, a fraction, or a canonical string of digits: Cloudflare's own samples use strings, and signers that
/// divide milliseconds use fractions (RFC 7519, section 2, allows those).
fn time(payload: &Json<'_>, claim: &'static str, round: Round) -> Result<Option<UnixTime>, MalformedToken> {
    let Some(value) = payload.get(claim) else { return Ok(None) };
    let seconds = match value {
        Json::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(|number| whole(number, round))),
        Json::Text(digits) => digits.parse().ok().filter(|seconds: &i64| seconds.to_string() == *digits),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    };
    seconds.and_then(moment).map(Some).ok_or(MalformedToken::Claim { claim, rule: TIME_RULE })
}

/// A moment that a token may name.
fn moment(seconds: i64) -> Option<UnixTime> {
    TIMES.contains(&seconds).then_some(UnixTime(seconds))
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, and the range is checked by the caller")]
fn whole(number: f64, round: Round) -> Option<i64> {
    let rounded = match round {
        Round::Down => number.floor(),
        Round::Up => number.ceil(),
    };
    rounded.is_finite().then_some(rounded as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_signers_in_the_wild_write() {
        check_time("1537460365", Some((1_537_460_365, 1_537_460_365)));
        check_time("\"1537460365\"", Some((1_537_460_365, 1_537_460_365)));
        check_time("1537460365.25", Some((1_537_460_365, 1_537_460_366)));
        check_time("1.537460365e9", Some((1_537_460_365, 1_537_460_365)));
        check_time("999999999999", Some((999_999_999_999, 999_999_999_999)));
    }

    #[test]
    fn a_time_that_cannot_be_read_is_malformed_never_absent() {
        for text in [
            "null",
            "true",
            "[]",
            "{}",
            "\"\"",
            "\"0123\"",
            "\"+1\"",
            "\"1e9\"",
            "\" 1\"",
            "\"1 \"",
            "\"１\"",
            "\"1.5\"",
            "\"never\"",
            "0",
            "-0",
            "-1",
            "-1.5",
            "0.5e-9",
            "\"0\"",
            "\"-1\"",
            "1000000000000",
            "\"1000000000000\"",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "1e30",
            "1e308",
        ] {
            check_time(text, None);
        }
    }

    #[test]
    fn a_claim_of_the_wrong_type_is_malformed() {
        for payload in [
            r#"{"exp":9}"#,
            r#"{"sub":null,"exp":9}"#,
            r#"{"sub":7,"exp":9}"#,
            r#"{"sub":["v"],"exp":9}"#,
            r#"{"sub":"","exp":9}"#,
            r#"{"sub":"v/w","exp":9}"#,
            r#"{"sub":"v\u0000","exp":9}"#,
            r#"{"sub":"v"}"#,
            r#"{"sub":"v","exp":9,"downloadable":"true"}"#,
            r#"{"sub":"v","exp":9,"downloadable":1}"#,
            r#"{"sub":"v","exp":9,"downloadable":null}"#,
            r#"{"sub":"v","exp":9,"jti":7}"#,
            r#"{"sub":"v","exp":9,"viewer":7}"#,
            r#"{"sub":"v","exp":9,"viewer":""}"#,
            r#"{"sub":"v","exp":9,"viewer":"a b"}"#,
            r#"{"sub":"v","exp":9,"viewerVersion":"7"}"#,
            r#"{"sub":"v","exp":9,"viewerVersion":-1}"#,
            r#"{"sub":"v","exp":9,"viewerVersion":1.5}"#,
            r#"{"sub":"v","exp":9,"viewerVersion":4294967296}"#,
            r#"{"sub":"v","exp":9,"iat":"soon"}"#,
            r#"{"sub":"v","exp":9,"accessRules":{}}"#,
            r#"{"sub":"v","exp":9,"accessRules":null}"#,
            r#"{"sub":"v","exp":9,"accessRules":[{"type":"any"}]}"#,
            r#"{"sub":"v","exp":9,"accessRules":[{"type":"asn","action":"block"}]}"#,
        ] {
            assert!(read(&Json::parse(payload.as_bytes()).unwrap()).is_err(), "{payload}");
        }
    }

    #[track_caller]
    fn check_time(text: &str, expected: Option<(i64, i64)>) {
        let payload = format!(r#"{{"sub":"v","exp":{text},"nbf":{text}}}"#);
        let got = Json::parse(payload.as_bytes())
            .ok()
            .and_then(|payload| read(&payload).ok())
            .map(|c| (c.expires.0, c.not_before.unwrap().0));
        assert_eq!(got, expected, "{text}");
    }
}
