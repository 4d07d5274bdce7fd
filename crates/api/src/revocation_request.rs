//! The body of a revocation, read and checked as a whole.

use std::time::Duration;

use vidpass_store::NewRevocation;
use vidpass_token::json::Json;
use vidpass_token::{RevocationExtent, RevocationKind, RevokedSubject, UnixTime, ViewerVersion};

use crate::body::{Members, text};
use crate::problem::{Problem, ProblemKind, Problems};
use crate::time::parse_ceil;

const MEMBERS: [&str; 9] = ["token", "jti", "viewer", "version", "video", "issuedBefore", "kid", "reason", "until"];

/// The longest reason, in characters.
const MAX_REASON: usize = 256;

/// What is to be taken back. Fractions of a second are rounded up: towards taking back too much.
pub(crate) enum RevocationRequest<'j> {
    /// A token, which is to be verified first.
    Token { token: &'j str, reason: String },
    /// Anything else.
    Other(NewRevocation),
}

impl<'j> RevocationRequest<'j> {
    pub(crate) fn parse(body: Option<&'j Json>, now: UnixTime) -> Result<Self, Vec<Problem>> {
        const EMPTY: &Json = &Json::Object(Vec::new());
        let mut problems = Problems::default();
        let request = Members::of(body.unwrap_or(EMPTY), "", &MEMBERS, &mut problems)
            .and_then(|mut members| read(&mut members, now));
        problems.unless_any(request).map(|request| request.expect("what could not be read left a problem"))
    }
}

fn read<'j>(members: &mut Members<'j, '_>, now: UnixTime) -> Option<RevocationRequest<'j>> {
    let reason = members.required("reason", reason);
    let until = members.read("until", |json| after(time(json)?, now));
    let given: Vec<RevocationKind> = RevocationKind::ALL.into_iter().filter(|kind| members.has(kind.name())).collect();
    let [kind] = given[..] else {
        members.add_here(ProblemKind::SubjectUnclear { count: given.len() });
        return None;
    };
    for (name, of) in [("version", RevocationKind::Viewer), ("issuedBefore", RevocationKind::Video)] {
        if members.has(name) && kind != of {
            members.add(name, ProblemKind::MemberMisplaced { of: of.name() });
        }
    }
    let name = kind.name();
    if kind == RevocationKind::Token {
        if members.has("until") {
            members.add("until", ProblemKind::MemberMisplaced { of: "jti`, `viewer`, `video` or `kid" });
        }
        return Some(RevocationRequest::Token { token: members.read(name, text)?, reason: reason? });
    }
    let subject = members.read(name, |json| subject(kind, text(json)?));
    let extent = match kind {
        RevocationKind::Viewer => {
            members.read("version", version).map_or(RevocationExtent::All, RevocationExtent::Versions)
        }
        RevocationKind::Video => {
            // A token of this second may be an earlier one.
            let end_of_second = now.plus(Duration::from_secs(1));
            RevocationExtent::IssuedBefore(members.read("issuedBefore", time).unwrap_or(end_of_second))
        }
        RevocationKind::Token | RevocationKind::TokenId | RevocationKind::Key => RevocationExtent::All,
    };
    Some(RevocationRequest::Other(NewRevocation { subject: subject?, extent, reason: reason?, until }))
}

fn subject(kind: RevocationKind, text: &str) -> Result<RevokedSubject, ProblemKind> {
    let id = ProblemKind::SubjectId;
    match kind {
        RevocationKind::TokenId => text.parse().map(RevokedSubject::TokenId).map_err(id),
        RevocationKind::Video => text.parse().map(RevokedSubject::Video).map_err(id),
        RevocationKind::Key => text.parse().map(RevokedSubject::Key).map_err(ProblemKind::KeyId),
        RevocationKind::Viewer => text.parse().map(RevokedSubject::Viewer).map_err(ProblemKind::Viewer),
        RevocationKind::Token => unreachable!("a token is verified, not parsed"),
    }
}

pub(crate) fn version(json: &Json) -> Result<ViewerVersion, ProblemKind> {
    let Json::Number(number) = json else { return Err(ProblemKind::ViewerVersion) };
    let version = number.as_u64().and_then(|number| u32::try_from(number).ok());
    version.map(ViewerVersion).ok_or(ProblemKind::ViewerVersion)
}

fn reason(json: &Json) -> Result<String, ProblemKind> {
    let text = text(json)?;
    let length = text.chars().count();
    match length {
        0 => Err(ProblemKind::TextEmpty),
        _ if length > MAX_REASON => Err(ProblemKind::TextTooLong { length, max: MAX_REASON }),
        _ if text.contains('\0') => Err(ProblemKind::TextHasNul),
        _ => Ok(text.to_owned()),
    }
}

fn time(json: &Json) -> Result<UnixTime, ProblemKind> {
    parse_ceil(text(json)?).ok_or(ProblemKind::Time)
}

fn after(time: UnixTime, now: UnixTime) -> Result<UnixTime, ProblemKind> {
    if time > now { Ok(time) } else { Err(ProblemKind::TimeInPast) }
}
