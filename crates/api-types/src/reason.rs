//! Every reason for which the API refuses something or adds a note, each with a stable name.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

/// Makes the enum, its texts, its numbers and the list of all, so that none of them can lack a variant.
macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident = $text:literal, $code:literal;)+) => {
        /// Why a request was refused, or what a note in `messages` is about. The names are stable; new ones may come.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])+ $name,)+
        }

        impl Reason {
            /// Every reason that there is.
            pub const ALL: &'static [Reason] = &[$(Reason::$name),+];

            /// Its stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$name => $text,)+
                }
            }

            /// The number that stands beside it in `code`.
            #[must_use]
            pub fn code(self) -> u32 {
                match self {
                    $(Reason::$name => $code,)+
                }
            }
        }
    };
}

reasons! {
    /// The caller's credentials are good, and for another account than the one in the path.
    AccountForeign = "account_foreign", 10000;
    /// `alg` is none of the algorithms that keys may have.
    AlgInvalid = "alg_invalid", 10005;
    /// `alg` is not the algorithm of the key that came with it.
    AlgMismatch = "alg_mismatch", 10005;
    /// The body ended before it was whole.
    BodyInterrupted = "body_interrupted", 10005;
    /// The body is not JSON.
    BodyNotJson = "body_not_json", 10005;
    /// The body is larger than the server reads.
    BodyTooLarge = "body_too_large", 10005;
    /// The change is kept, and the gate still decides without it.
    ChangeNotApplied = "change_not_applied", 10001;
    /// The body is not declared as JSON.
    ContentTypeUnsupported = "content_type_unsupported", 10005;
    /// A text is not the code of a country.
    CountryInvalid = "country_invalid", 10005;
    /// A note: the credential is good.
    CredentialActive = "credential_active", 10000;
    /// The credentials were good, and are no longer.
    CredentialsExpired = "credentials_expired", 10000;
    /// The credentials are not in a form that the server knows.
    CredentialsMalformed = "credentials_malformed", 10000;
    /// There are no credentials.
    CredentialsMissing = "credentials_missing", 10000;
    /// The credentials are nobody's.
    CredentialsWrong = "credentials_wrong", 10000;
    /// The log of changes does not lead on from a gate's cursor.
    CursorGone = "cursor_gone", 10003;
    /// The time of a deletion is not in the future.
    DeletionInPast = "deletion_in_past", 10005;
    /// The token would be over already.
    ExpInPast = "exp_in_past", 10005;
    /// The token would be over before it begins.
    ExpNotAfterNbf = "exp_not_after_nbf", 10005;
    /// The token would live longer than the server allows.
    ExpTooFar = "exp_too_far", 10005;
    /// `pem` came without `id`.
    IdMissing = "id_missing", 10005;
    /// An id in the path is too long, or has characters that no id has.
    IdentifierInvalid = "identifier_invalid", 10005;
    /// The server failed.
    InternalError = "internal_error", 10001;
    /// A text is not an IP address.
    IpInvalid = "ip_invalid", 10005;
    /// `jwk` is not a key that can be used.
    JwkInvalid = "jwk_invalid", 10005;
    /// The signing key was deleted.
    KeyDeleted = "key_deleted", 10005;
    /// `id` is not an id.
    KeyIdInvalid = "key_id_invalid", 10005;
    /// A key of this id exists, or did.
    KeyIdTaken = "key_id_taken", 10005;
    /// The parts of the key contradict one another.
    KeyInconsistent = "key_inconsistent", 10005;
    /// `pem` is not the key that was registered under `id`.
    KeyMismatch = "key_mismatch", 10005;
    /// A note: no key is registered here under `id`.
    KeyNotRegistered = "key_not_registered", 10100;
    /// The private half of the key is known to everybody.
    KeyPublished = "key_published", 10005;
    /// The account never had such a key.
    KeyUnknown = "key_unknown", 10003;
    /// Others can find the private half of the key.
    KeyWeak = "key_weak", 10005;
    /// The account has as many keys as it may have.
    KeysTooMany = "keys_too_many", 10005;
    /// A member comes with another one alone, which is not there.
    MemberMisplaced = "member_misplaced", 10005;
    /// A member that must be there is not.
    MemberMissing = "member_missing", 10005;
    /// A note: a member of the body that Cloudflare knows has no effect here.
    MemberNotKept = "member_not_kept", 10100;
    /// The body has a member that it must not have.
    MemberUnknown = "member_unknown", 10005;
    /// A value is of the wrong JSON type.
    MemberWrongType = "member_wrong_type", 10005;
    /// `meta` is too large.
    MetaTooLarge = "meta_too_large", 10005;
    /// The path does not have this method.
    MethodNotAllowed = "method_not_allowed", 7001;
    /// The server does not take requests yet.
    NotReady = "not_ready", 10001;
    /// A text is not an origin.
    OriginInvalid = "origin_invalid", 10005;
    /// There are more origins than a video may have.
    OriginsTooMany = "origins_too_many", 10005;
    /// The server has more to sign and to check than it can do in time.
    Overloaded = "overloaded", 10001;
    /// `pem` is not a key that can be used.
    PemInvalid = "pem_invalid", 10005;
    /// `id` came without `pem`.
    PemMissing = "pem_missing", 10005;
    /// A note: a parameter of the query has no effect.
    QueryIgnored = "query_ignored", 10100;
    /// A parameter of the query has a value that it must not have.
    QueryInvalid = "query_invalid", 10005;
    /// There were too many requests, or too many failed logins.
    RateLimited = "rate_limited", 10429;
    /// The account has no such revocation.
    RevocationUnknown = "revocation_unknown", 10003;
    /// The subject has as many revocations as one may have.
    RevocationsTooMany = "revocations_too_many", 10005;
    /// There is nothing at this path.
    RouteUnknown = "route_unknown", 7003;
    /// The action of an access rule is none that exists.
    RuleActionUnknown = "rule_action_unknown", 10005;
    /// A country of an access rule is none.
    RuleCountryInvalid = "rule_country_invalid", 10005;
    /// An address or a network of an access rule is none.
    RuleIpInvalid = "rule_ip_invalid", 10005;
    /// The list of an access rule is empty.
    RuleListEmpty = "rule_list_empty", 10005;
    /// An access rule lacks something.
    RuleMemberMissing = "rule_member_missing", 10005;
    /// An access rule has a member that no rule has.
    RuleMemberUnknown = "rule_member_unknown", 10005;
    /// The type of an access rule is none that exists.
    RuleTypeUnknown = "rule_type_unknown", 10005;
    /// Something in the access rules is of the wrong JSON type.
    RuleWrongType = "rule_wrong_type", 10005;
    /// A note: the access rules let everybody in.
    RulesRestrictNobody = "rules_restrict_nobody", 10100;
    /// There are more access rules than a token may have.
    RulesTooMany = "rules_too_many", 10005;
    /// The API token may not do this.
    ScopeMissing = "scope_missing", 10000;
    /// The database is away.
    StoreUnavailable = "store_unavailable", 10001;
    /// What is to be taken back is not an id.
    SubjectInvalid = "subject_invalid", 10005;
    /// Nothing is to be taken back, or several things at once.
    SubjectUnclear = "subject_unclear", 10005;
    /// A text has a character that cannot be kept.
    TextInvalid = "text_invalid", 10005;
    /// A text is too long.
    TextTooLong = "text_too_long", 10005;
    /// A time is not in the future.
    TimeInPast = "time_in_past", 10005;
    /// A text is not a time.
    TimeInvalid = "time_invalid", 10005;
    /// A time of a token is not an integer of Unix seconds.
    TimeNotSeconds = "time_not_seconds", 10005;
    /// A token is none of this account's.
    TokenInvalid = "token_invalid", 10005;
    /// The token would be longer than a gate reads.
    TokenTooLong = "token_too_long", 10005;
    /// There are more requests for a token than are taken at once.
    TokensTooMany = "tokens_too_many", 10005;
    /// `uid` is not the id of a video.
    UidInvalid = "uid_invalid", 10005;
    /// A number is too small or too large.
    ValueOutOfRange = "value_out_of_range", 10005;
    /// A note: no video is registered here under this id.
    VideoNotRegistered = "video_not_registered", 10100;
    /// A video of this id exists.
    VideoUidTaken = "video_uid_taken", 10005;
    /// The account has no such video.
    VideoUnknown = "video_unknown", 10003;
    /// A text is not the name of a viewer.
    ViewerInvalid = "viewer_invalid", 10005;
    /// A value is not the version of a viewer.
    ViewerVersionInvalid = "viewer_version_invalid", 10005;
}

/// A name that is none of [`Reason`]'s: a newer server's, perhaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownReason;

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Reason::ALL.iter().copied().find(|reason| reason.as_str() == text).ok_or(UnknownReason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the name of a reason that this version knows")
    }
}

impl std::error::Error for UnknownReason {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_name_of_its_own() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
            assert!(reason.code() >= 1000);
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
            let plain = reason.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(plain, "{reason}");
            assert!(Reason::ALL[..index].iter().all(|other| other.as_str() < reason.as_str()), "{reason} out of order");
        }
        assert_eq!("no_such_reason".parse::<Reason>(), Err(UnknownReason));
    }
}
