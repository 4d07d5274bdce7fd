//! The body of a token request, read and checked as a whole.

use std::time::Duration;

use vidpass_token::json::Json;
use vidpass_token::{
    AccessRule, Claims, Flags, KeyError, KeyId, SigningKey, TokenId, UnixTime, VideoId, ViewerId, ViewerVersion,
    parse_rules,
};
use zeroize::Zeroizing;

use crate::body::{Members, boolean, text};
use crate::config::ApiConfig;
use crate::problem::{Problem, ProblemKind, Problems};
use crate::revocation_request::version;

const MEMBERS: [&str; 9] =
    ["id", "pem", "exp", "nbf", "downloadable", "accessRules", "flags", "viewer", "viewerVersion"];

/// How long before its issue a token begins where the request does not say: clocks of gates may be slow.
const DEFAULT_START: Duration = Duration::from_secs(3600);

/// What a token is to say, and who signs it.
pub(crate) struct TokenRequest {
    /// The key that came with the request; `None` where the account's managed key signs.
    key: Option<SigningKey>,
    times: Times,
    downloadable: bool,
    pub(crate) access_rules: Vec<AccessRule>,
    flags: Option<Flags>,
    viewer: Option<ViewerId>,
    viewer_version: Option<ViewerVersion>,
}

#[derive(Clone, Copy)]
struct Times {
    not_before: UnixTime,
    expires: UnixTime,
}

impl TokenRequest {
    /// Reads a body; an absent one asks for the defaults. Checking a private key takes a millisecond of CPU and more.
    pub(crate) fn parse(body: Option<&Json>, config: &ApiConfig, now: UnixTime) -> Result<Self, Vec<Problem>> {
        let empty = Json::Object(Vec::new());
        let mut problems = Problems::default();
        let request = Members::of(body.unwrap_or(&empty), "", &MEMBERS, &mut problems)
            .map(|mut members| Self::read(&mut members, &mut SuppliedKeys::default(), config, now));
        // Whatever could not be read left a problem, so no stand-in for it gets out.
        problems.unless_any(request).map(|request| request.expect("a body that is no object is a problem"))
    }

    /// Reads the request for one of many tokens, which names its video too.
    pub(crate) fn parse_with_video(
        request: &Json,
        keys: &mut SuppliedKeys,
        config: &ApiConfig,
        now: UnixTime,
    ) -> Result<(VideoId, Self), Vec<Problem>> {
        Self::parse_with(&MEMBERS, request, keys, config, now)
    }

    /// The same without a key: whoever reads it has one.
    pub(crate) fn parse_offline(
        request: &Json,
        config: &ApiConfig,
        now: UnixTime,
    ) -> Result<(VideoId, Self), Vec<Problem>> {
        let [_id, _pem, others @ ..] = &MEMBERS;
        Self::parse_with(others, request, &mut SuppliedKeys::default(), config, now)
    }

    fn parse_with(
        beside_video: &[&'static str],
        request: &Json,
        keys: &mut SuppliedKeys,
        config: &ApiConfig,
        now: UnixTime,
    ) -> Result<(VideoId, Self), Vec<Problem>> {
        let mut problems = Problems::default();
        let known = [&["uid"], beside_video].concat();
        let read = Members::of(request, "", &known, &mut problems).map(|mut members| {
            let video = members.required("uid", |json| text(json)?.parse().map_err(ProblemKind::Uid));
            (video, Self::read(&mut members, keys, config, now))
        });
        let (video, request) = problems.unless_any(read)?.expect("what is no object is a problem");
        Ok((video.expect("a video that cannot be read is a problem"), request))
    }

    fn read(members: &mut Members<'_, '_>, keys: &mut SuppliedKeys, config: &ApiConfig, now: UnixTime) -> Self {
        Self {
            key: supplied_key(members, keys),
            times: times(members, config, now),
            downloadable: members.read("downloadable", boolean).unwrap_or_default(),
            access_rules: access_rules(members, config.max_access_rules).unwrap_or_default(),
            flags: flags(members),
            viewer: viewer(members),
            viewer_version: members.read("viewerVersion", version),
        }
    }

    /// The key that came with it, if any, and what the token says of `video`.
    pub(crate) fn into_claims(self, video: VideoId, now: UnixTime) -> (Option<SigningKey>, Claims) {
        let claims = Claims {
            not_before: Some(self.times.not_before),
            issued_at: Some(now),
            token_id: Some(TokenId::random()),
            downloadable: self.downloadable,
            access_rules: self.access_rules,
            flags: self.flags,
            viewer: self.viewer,
            viewer_version: self.viewer_version,
            ..Claims::new(video, self.times.expires)
        };
        (self.key, claims)
    }
}

fn viewer(members: &mut Members<'_, '_>) -> Option<ViewerId> {
    if members.has("viewerVersion") && !members.has("viewer") {
        members.add("viewerVersion", ProblemKind::MemberMisplaced { of: "viewer" });
    }
    members.read("viewer", |json| text(json)?.parse().map_err(ProblemKind::Viewer))
}

fn supplied_key(members: &mut Members<'_, '_>, keys: &mut SuppliedKeys) -> Option<SigningKey> {
    let id = members.read("id", |json| text(json)?.parse::<KeyId>().map_err(ProblemKind::KeyId));
    match (members.has("id"), members.has("pem")) {
        (true, false) => members.add("pem", ProblemKind::PemMissing),
        (false, true) => members.add("id", ProblemKind::IdMissing),
        (true, true) | (false, false) => {}
    }
    // A PEM is checked also where the id is wrong, to tell both at once.
    members.read("pem", |json| keys.read(id.unwrap_or_else(KeyId::random), text(json)?).map_err(ProblemKind::Pem))
}

/// The key that came last, for requests that come together: most of them bring the same one, and checking it takes a
/// millisecond.
#[derive(Default)]
pub(crate) struct SuppliedKeys(Option<(Zeroizing<String>, SigningKey)>);

impl SuppliedKeys {
    fn read(&mut self, id: KeyId, pem: &str) -> Result<SigningKey, KeyError> {
        match &self.0 {
            Some((text, key)) if text.as_str() == pem && *key.id() == id => Ok(key.clone()),
            Some(_) | None => {
                let key = SigningKey::from_pem(id, pem)?;
                self.0 = Some((Zeroizing::new(pem.to_owned()), key.clone()));
                Ok(key)
            }
        }
    }
}

fn times(members: &mut Members<'_, '_>, config: &ApiConfig, now: UnixTime) -> Times {
    let latest = now.plus(config.max_token_lifetime);
    let default = now.plus(config.default_token_lifetime).min(latest);
    let nbf = members.read("nbf", unix_seconds).flatten();
    let exp = members.read("exp", |json| {
        let exp = unix_seconds(json)?;
        exp.map_or(Ok(()), |exp| check_end(exp, now, latest)).map(|()| exp)
    });
    let end_is_wrong = members.has("exp") && exp.is_none();
    let expires = exp.flatten().unwrap_or(default);
    // Only a given start can lie after the end: the default one lies before every end that is accepted.
    if let Some(nbf) = nbf.filter(|nbf| *nbf >= expires && !end_is_wrong) {
        let culprit = if exp.flatten().is_some() { "exp" } else { "nbf" };
        members.add(culprit, ProblemKind::ExpNotAfterNbf { exp: expires, nbf });
    }
    Times { not_before: nbf.unwrap_or_else(|| now.minus(DEFAULT_START)), expires }
}

fn check_end(exp: UnixTime, now: UnixTime, latest: UnixTime) -> Result<(), ProblemKind> {
    if exp <= now {
        return Err(ProblemKind::ExpInPast { exp, now });
    }
    if exp > latest { Err(ProblemKind::ExpTooFar { latest }) } else { Ok(()) }
}

/// A moment of a token. 0 is the same as none: some clients send it for a field that nobody set.
fn unix_seconds(json: &Json) -> Result<Option<UnixTime>, ProblemKind> {
    let Json::Number(number) = json else { return Err(ProblemKind::TimeNotSeconds { got: json.kind() }) };
    match (number.as_u64(), number.as_i64()) {
        (Some(0), _) => Ok(None),
        (Some(seconds), _) => Ok(Some(UnixTime(i64::try_from(seconds).unwrap_or(i64::MAX)))),
        (None, Some(_)) => Err(ProblemKind::TimeNotSeconds { got: "a negative number" }),
        (None, None) => Err(ProblemKind::TimeNotSeconds { got: "a fraction or a number out of range" }),
    }
}

fn access_rules(members: &mut Members<'_, '_>, max: usize) -> Option<Vec<AccessRule>> {
    members.read_all("accessRules", |json, pointer, problems| {
        parse_rules(json, max).map_err(|wrong| problems.add_rules(pointer, wrong)).ok()
    })
}

fn flags(members: &mut Members<'_, '_>) -> Option<Flags> {
    members.read_all("flags", |json, _, problems| {
        let mut members = Members::of(json, "/flags", &["original"], problems)?;
        Some(Flags { original: members.read("original", boolean).unwrap_or_default() })
    })
}

#[cfg(test)]
mod tests;
