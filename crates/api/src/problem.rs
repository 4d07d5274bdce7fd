//! What can be wrong with a request, and what is worth noting about one: each with its place and its reason.

use vidpass_api_types::{Item, Reason, Source};
use vidpass_store::RotateEveryError;
use vidpass_token::{
    Algorithm, AlgorithmError, CountryError, Denial, IdError, KeyError, KeyId, OriginError, RequestOriginError,
    RuleProblem, RuleProblemKind, UnixTime, VideoId, ViewerIdError, Weakness,
};

/// How many problems of one request are reported: a small body can hold thousands.
const MAX_PROBLEMS: usize = 100;

/// One thing that is wrong with a request.
#[derive(Debug)]
pub(crate) struct Problem {
    /// A JSON pointer (RFC 6901) into the body; `None` where it is not about the body.
    pub(crate) pointer: Option<String>,
    pub(crate) kind: ProblemKind,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ProblemKind {
    #[error(transparent)]
    Algorithm(AlgorithmError),
    #[error("`alg` is {given}, and the key is one of {key}")]
    AlgorithmMismatch { given: Algorithm, key: Algorithm },
    #[error(transparent)]
    Country(#[from] CountryError),
    #[error("must be in the future")]
    DeletionInPast,
    #[error("the token would be over already: {exp} is {} s ago", exp.seconds_until(*now))]
    ExpInPast { exp: UnixTime, now: UnixTime },
    #[error("the token would be over before it begins: `exp` {exp} must be after `nbf` {nbf}")]
    ExpNotAfterNbf { exp: UnixTime, nbf: UnixTime },
    #[error("the token would live too long; the latest `exp` is {latest}")]
    ExpTooFar { latest: UnixTime },
    #[error("`id` and `pem` come together, and `id` is missing")]
    IdMissing,
    #[error("a new key gets its id from the server; `id` comes with `pem` or `jwk`")]
    IdWithoutKey,
    #[error("the identifier in the path is not one: {0}")]
    Identifier(IdError),
    #[error("`{}` is not an IP address such as `203.0.113.9` or `2001:db8::9`", .0.escape_debug())]
    Ip(String),
    #[error("not a key that can be used: {0}")]
    Jwk(KeyError),
    #[error("key `{id}` was deleted, so its tokens are refused")]
    KeyDeleted { id: KeyId },
    #[error("not the id of a key: {0}")]
    KeyId(IdError),
    #[error("the id `{id}` is taken, or was")]
    KeyIdTaken { id: KeyId },
    #[error("the parts of the key do not fit together")]
    KeyInconsistent,
    #[error("the key in `pem` is not the one that is registered as `{id}`")]
    KeyMismatch { id: KeyId },
    #[error("`pem` and `jwk` do not come together")]
    KeyTwice,
    #[error("others can sign with this key: {0}")]
    KeyWeak(Weakness),
    #[error("the account has as many signing keys as it may have ({max}); delete one first")]
    KeysTooMany { max: u64 },
    #[error("the account has as many managed keys as it may have ({max}); their tokens must be over first")]
    ManagedKeysTooMany { max: u64 },
    #[error("the same was taken back as often as it may be ({max}); delete one of these revocations first")]
    RevocationsTooMany { max: u64 },
    #[error("comes with `{of}` alone")]
    MemberMisplaced { of: &'static str },
    #[error("must be there")]
    MemberMissing,
    #[error("there is no such member{}", did_you_mean(*suggestion))]
    MemberUnknown { suggestion: Option<&'static str> },
    #[error("must be {expected}, not {got}")]
    MemberWrongType { expected: &'static str, got: &'static str },
    #[error("has {length} bytes as JSON, more than {max}")]
    MetaTooLarge { length: usize, max: usize },
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error(transparent)]
    RequestOrigin(#[from] RequestOriginError),
    #[error("has {count} entries, more than {max}")]
    OriginsTooMany { count: usize, max: usize },
    #[error("an identifier in the path is not UTF-8")]
    PathNotUtf8,
    #[error("not a key that can be used: {0}")]
    Pem(KeyError),
    #[error("`id` and `pem` come together, and `pem` is missing")]
    PemMissing,
    #[error("the parameter `{name}` of the query must be {expected}")]
    Query { name: &'static str, expected: &'static str },
    #[error("results are limited to 1000 entries per request; `limit` must be from 1 to 1000")]
    QueryLimit,
    #[error("the parameter `{name}` of the query must have at most {max} characters")]
    QueryTooLong { name: &'static str, max: usize },
    #[error("the parameter `{name}` of the query must not come twice")]
    QueryTwice { name: &'static str },
    #[error("{0}, or 0 for never")]
    RotateEvery(RotateEveryError),
    #[error("{0}")]
    Rule(RuleProblemKind),
    #[error("not an id: {0}")]
    SubjectId(IdError),
    #[error("exactly one of `token`, `jti`, `viewer`, `video` and `kid` must be there, not {count}")]
    SubjectUnclear { count: usize },
    #[error("must not be empty")]
    TextEmpty,
    #[error("must not contain a NUL character")]
    TextHasNul,
    #[error("has {length} characters, more than {max}")]
    TextTooLong { length: usize, max: usize },
    #[error("must be a time such as `2030-01-31T12:00:00Z` (RFC 3339)")]
    Time,
    #[error("must be in the future")]
    TimeInPast,
    #[error("must be an integer of Unix seconds, not {got}")]
    TimeNotSeconds { got: &'static str },
    #[error(
        "the token would have {length} bytes, more than the {max} that a gate reads; use fewer or shorter access rules"
    )]
    TokenTooLong { length: usize, max: usize },
    #[error("not a token of this account: {0}")]
    Token(Denial),
    #[error("the token is over, and opens nothing")]
    TokenOver,
    #[error("must be from {min} to {max}")]
    ValueOutOfRange { min: u32, max: u32 },
    #[error("there are {count} requests, more than the {max} that are taken at once")]
    TokensTooMany { count: usize, max: usize },
    #[error("not the id of a video: {0}")]
    Uid(IdError),
    #[error(transparent)]
    Viewer(ViewerIdError),
    #[error("must be a whole number from 0 to 4294967295")]
    ViewerVersion,
    #[error("the id `{uid}` is taken; to change a video of yours, use POST")]
    VideoUidTaken { uid: VideoId },
}

fn did_you_mean(suggestion: Option<&'static str>) -> String {
    suggestion.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl ProblemKind {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Algorithm(_) => Reason::AlgInvalid,
            Self::AlgorithmMismatch { .. } => Reason::AlgMismatch,
            Self::Country(_) => Reason::CountryInvalid,
            Self::DeletionInPast => Reason::DeletionInPast,
            Self::ExpInPast { .. } => Reason::ExpInPast,
            Self::ExpNotAfterNbf { .. } => Reason::ExpNotAfterNbf,
            Self::ExpTooFar { .. } => Reason::ExpTooFar,
            Self::IdMissing => Reason::IdMissing,
            Self::IdWithoutKey => Reason::PemMissing,
            Self::Identifier(_) | Self::PathNotUtf8 => Reason::IdentifierInvalid,
            Self::Ip(_) => Reason::IpInvalid,
            Self::Jwk(_) => Reason::JwkInvalid,
            Self::KeyDeleted { .. } => Reason::KeyDeleted,
            Self::KeyId(_) => Reason::KeyIdInvalid,
            Self::KeyIdTaken { .. } => Reason::KeyIdTaken,
            Self::KeyInconsistent => Reason::KeyInconsistent,
            Self::KeyMismatch { .. } => Reason::KeyMismatch,
            Self::KeyTwice => Reason::JwkInvalid,
            Self::KeyWeak(Weakness::Published) => Reason::KeyPublished,
            Self::KeyWeak(_) => Reason::KeyWeak,
            Self::KeysTooMany { .. } | Self::ManagedKeysTooMany { .. } => Reason::KeysTooMany,
            Self::RevocationsTooMany { .. } => Reason::RevocationsTooMany,
            Self::MemberMisplaced { .. } => Reason::MemberMisplaced,
            Self::MemberMissing => Reason::MemberMissing,
            Self::MemberUnknown { .. } => Reason::MemberUnknown,
            Self::MemberWrongType { .. } => Reason::MemberWrongType,
            Self::MetaTooLarge { .. } => Reason::MetaTooLarge,
            Self::Origin(_) | Self::RequestOrigin(_) => Reason::OriginInvalid,
            Self::OriginsTooMany { .. } => Reason::OriginsTooMany,
            Self::Pem(_) => Reason::PemInvalid,
            Self::PemMissing => Reason::PemMissing,
            Self::Query { .. } | Self::QueryLimit | Self::QueryTooLong { .. } | Self::QueryTwice { .. } => {
                Reason::QueryInvalid
            }
            Self::RotateEvery(_) => Reason::ValueOutOfRange,
            Self::Rule(kind) => rule_reason(kind),
            Self::SubjectId(_) => Reason::SubjectInvalid,
            Self::SubjectUnclear { .. } => Reason::SubjectUnclear,
            Self::TextEmpty | Self::TextHasNul => Reason::TextInvalid,
            Self::TextTooLong { .. } => Reason::TextTooLong,
            Self::Time => Reason::TimeInvalid,
            Self::TimeInPast => Reason::TimeInPast,
            Self::TimeNotSeconds { .. } => Reason::TimeNotSeconds,
            Self::Token(_) | Self::TokenOver => Reason::TokenInvalid,
            Self::TokenTooLong { .. } => Reason::TokenTooLong,
            Self::TokensTooMany { .. } => Reason::TokensTooMany,
            Self::Uid(_) => Reason::UidInvalid,
            Self::ValueOutOfRange { .. } => Reason::ValueOutOfRange,
            Self::Viewer(_) => Reason::ViewerInvalid,
            Self::ViewerVersion => Reason::ViewerVersionInvalid,
            Self::VideoUidTaken { .. } => Reason::VideoUidTaken,
        }
    }
}

/// The reason for a problem of a rule: both go by one name.
fn rule_reason(kind: &RuleProblemKind) -> Reason {
    kind.code().parse().unwrap_or(Reason::RuleWrongType)
}

impl Problem {
    /// A problem with the value at `pointer` of the body.
    pub(crate) fn at(pointer: impl Into<String>, kind: ProblemKind) -> Self {
        Self { pointer: Some(pointer.into()), kind }
    }

    /// A problem outside the body.
    pub(crate) fn elsewhere(kind: ProblemKind) -> Self {
        Self { pointer: None, kind }
    }

    /// As the envelope shows it. The message stands alone too: SDKs print it without the pointer.
    pub(crate) fn to_item(&self) -> Item {
        let reason = self.kind.reason();
        let place = self.pointer.as_deref().unwrap_or_default().trim_start_matches('/');
        let message = if place.is_empty() { self.kind.to_string() } else { format!("{place}: {}", self.kind) };
        Item {
            code: reason.code(),
            message,
            documentation_url: None,
            source: self.pointer.clone().map(|pointer| Source { pointer }),
            reason: Some(reason.to_string()),
        }
    }
}

/// All that is wrong with a request, collected while it is read.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn add(&mut self, problem: Problem) {
        if self.0.len() < MAX_PROBLEMS {
            self.0.push(problem);
        }
    }

    /// Adds problems of the rules that lie at `pointer`.
    pub(crate) fn add_rules(&mut self, pointer: &str, problems: Vec<RuleProblem>) {
        for problem in problems {
            self.add(Problem::at(format!("{pointer}{}", problem.pointer), ProblemKind::Rule(problem.kind)));
        }
    }

    /// The value that was read, where nothing is wrong.
    pub(crate) fn unless_any<T>(self, value: T) -> Result<T, Vec<Problem>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

/// Something worth knowing about a request that is done all the same.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Note {
    #[error("This API Token is valid and active")]
    CredentialActive,
    #[error("no key `{id}` is registered here, so this gate refuses the token; another verifier may know the key")]
    KeyNotRegistered { id: KeyId },
    #[error("{name}: has no effect here and was not kept")]
    MemberNotKept { name: &'static str },
    #[error("the parameter `{}` of the query has no effect{}", name.escape_debug(), did_you_mean(*suggestion))]
    QueryIgnored { name: String, suggestion: Option<&'static str> },
    #[error(
        "accessRules: these rules let everybody in, because a viewer whom no rule matches is let in; end with a rule of type `any` and action `block`"
    )]
    RulesRestrictNobody,
    #[error("no video `{uid}` is registered here, so this gate refuses the token until it is")]
    VideoNotRegistered { uid: VideoId },
}

impl Note {
    fn reason(&self) -> Reason {
        match self {
            Note::CredentialActive => Reason::CredentialActive,
            Note::KeyNotRegistered { .. } => Reason::KeyNotRegistered,
            Note::MemberNotKept { .. } => Reason::MemberNotKept,
            Note::QueryIgnored { .. } => Reason::QueryIgnored,
            Note::RulesRestrictNobody => Reason::RulesRestrictNobody,
            Note::VideoNotRegistered { .. } => Reason::VideoNotRegistered,
        }
    }

    fn pointer(&self) -> Option<String> {
        match self {
            Note::KeyNotRegistered { .. } => Some("/id".to_owned()),
            Note::MemberNotKept { name } => Some(format!("/{name}")),
            Note::RulesRestrictNobody => Some("/accessRules".to_owned()),
            Note::CredentialActive | Note::QueryIgnored { .. } | Note::VideoNotRegistered { .. } => None,
        }
    }

    pub(crate) fn to_item(&self) -> Item {
        let reason = self.reason();
        Item {
            code: reason.code(),
            message: self.to_string(),
            documentation_url: None,
            source: self.pointer().map(|pointer| Source { pointer }),
            reason: Some(reason.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use vidpass_token::{json::Json, parse_rules};

    use super::*;

    #[test]
    fn every_problem_of_a_rule_has_its_reason() {
        let rules = r#"[{"type":"ip.src","action":"allow","ip":["x"]},{"type":"ip.geoip.country","action":"allow","country":["x"]},
            {"type":"ip.src","action":"allow","ip":[]},{"type":"ip.src"},{"type":"x","action":"x","x":1},{"type":1}]"#;
        let problems = |max| parse_rules(&Json::parse(rules.as_bytes()).unwrap(), max).unwrap_err();
        for problem in problems(5).into_iter().chain(problems(6)) {
            assert_eq!(rule_reason(&problem.kind).as_str(), problem.kind.code());
        }
    }
}
