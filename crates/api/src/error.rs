//! Every way in which a request can fail, and the one place that gives each its status.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use vidpass_api_types::{Item, Reason};
use vidpass_store::{MAX_MANAGED_KEYS, MAX_REVOCATIONS_OF_SUBJECT, MAX_SIGNING_KEYS, Refused, Scope, StoreError};
use vidpass_token::json::JsonError;
use vidpass_token::{KeyError, UnixTime};

use crate::problem::{Problem, ProblemKind};
use crate::rate_limit::{Limited, whole_seconds};
use crate::rotation::RotationError;
use crate::signer::SigningError;
use crate::time::rfc3339;

/// Tells the official SDKs whether to send a request again.
pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// After how many seconds to try again where the server cannot work.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("these credentials are not for this account")]
    AccountForeign,
    #[error("the body ended before it was whole")]
    BodyInterrupted,
    #[error("the body cannot be read as JSON: {0}")]
    BodyNotJson(JsonError),
    #[error("the body was not whole after {seconds} s")]
    BodyTooSlow { seconds: u64 },
    #[error("the body has more than {max} bytes")]
    BodyTooLarge { max: usize },
    #[error("a body must be JSON and say so: `Content-Type: application/json`")]
    ContentTypeUnsupported,
    #[error(
        "the credentials cannot be read; use `Authorization: Bearer <API token>`, or `X-Auth-Email` and `X-Auth-Key`"
    )]
    CredentialsMalformed,
    #[error("these credentials expired at {}", rfc3339(*expires))]
    CredentialsExpired { expires: UnixTime },
    #[error("credentials are missing; use `Authorization: Bearer <API token>`, or `X-Auth-Email` and `X-Auth-Key`")]
    CredentialsMissing,
    #[error("nobody has these credentials")]
    CredentialsWrong,
    #[error("the log of changes does not lead on from this cursor; take the snapshot")]
    CursorGone,
    #[error("the request is not as it must be")]
    Invalid(Vec<Problem>),
    #[error("a signing key could not be made")]
    KeyGeneration(#[source] KeyError),
    #[error("the account has no such signing key")]
    KeyUnknown,
    #[error("the account's managed key is deleted as fast as it is made")]
    ManagedKeyContended,
    #[error("the account has no such revocation")]
    RevocationUnknown,
    #[error("this path does not have this method; `Allow` says which it has")]
    MethodNotAllowed { allowed: String },
    #[error("{lack}")]
    NotReady { lack: &'static str },
    #[error("more is to be signed and checked than can be done in time; try again in 1 s")]
    Overloaded,
    #[error("a handler panicked")]
    Panicked,
    #[error("too many {}; try again in {} s", of(*limited), whole_seconds(*wait))]
    RateLimited { limited: Limited, wait: Duration },
    #[error("there is nothing at this path")]
    RouteUnknown,
    #[error("the API token lacks the scope `{needed}`")]
    ScopeMissing { needed: Scope },
    #[error("the operation does not say what it needs of its caller")]
    ScopeUndeclared,
    #[error("a token could not be signed")]
    Sign(#[source] SigningError),
    #[error("the store failed")]
    Store(#[source] StoreError),
    #[error("a task was stopped")]
    Task(#[source] tokio::task::JoinError),
    #[error("the account has no such video")]
    VideoUnknown,
}

impl ApiError {
    pub(crate) fn invalid(problem: Problem) -> Self {
        Self::Invalid(vec![problem])
    }

    pub(crate) fn from_refused(refused: Refused) -> Self {
        match refused {
            Refused::Expired(expires) => Self::CredentialsExpired { expires },
            Refused::Unknown => Self::CredentialsWrong,
        }
    }

    /// What to tell the caller. Whatever is not the caller's doing is told only to the log.
    pub(crate) fn to_items(&self) -> Vec<Item> {
        match self {
            Self::Invalid(problems) => problems.iter().map(Problem::to_item).collect(),
            Self::AccountForeign => self.item(Reason::AccountForeign),
            Self::BodyInterrupted | Self::BodyTooSlow { .. } => self.item(Reason::BodyInterrupted),
            Self::BodyNotJson(_) => self.item(Reason::BodyNotJson),
            Self::BodyTooLarge { .. } => self.item(Reason::BodyTooLarge),
            Self::ContentTypeUnsupported => self.item(Reason::ContentTypeUnsupported),
            Self::CredentialsExpired { .. } => self.item(Reason::CredentialsExpired),
            Self::CredentialsMalformed => self.item(Reason::CredentialsMalformed),
            Self::CredentialsMissing => self.item(Reason::CredentialsMissing),
            Self::CredentialsWrong => self.item(Reason::CredentialsWrong),
            Self::CursorGone => self.item(Reason::CursorGone),
            Self::KeyUnknown => self.item(Reason::KeyUnknown),
            Self::RevocationUnknown => self.item(Reason::RevocationUnknown),
            Self::MethodNotAllowed { .. } => self.item(Reason::MethodNotAllowed),
            Self::NotReady { .. } => self.item(Reason::NotReady),
            Self::Overloaded => self.item(Reason::Overloaded),
            Self::RateLimited { .. } => self.item(Reason::RateLimited),
            Self::RouteUnknown => self.item(Reason::RouteUnknown),
            Self::ScopeMissing { .. } => self.item(Reason::ScopeMissing),
            Self::VideoUnknown => self.item(Reason::VideoUnknown),
            Self::Store(StoreError::NotApplied { .. }) => item(
                Reason::ChangeNotApplied,
                "the change is kept, and the gate has not applied it yet; send the request again to know when it has"
                    .to_owned(),
            ),
            Self::Store(error) if error.is_unavailable() => {
                item(Reason::StoreUnavailable, "the database is not available; try again".to_owned())
            }
            Self::KeyGeneration(_)
            | Self::ManagedKeyContended
            | Self::Panicked
            | Self::ScopeUndeclared
            | Self::Sign(_)
            | Self::Store(_)
            | Self::Task(_) => item(
                Reason::InternalError,
                "the server failed; its log says why, under the id in `x-request-id`".to_owned(),
            ),
        }
    }

    fn item(&self, reason: Reason) -> Vec<Item> {
        item(reason, self.to_string())
    }

    // A client's mistake is never 409 or 5xx: the official SDKs would send it again, up to ten times.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::CredentialsExpired { .. }
            | Self::CredentialsMalformed
            | Self::CredentialsMissing
            | Self::CredentialsWrong => StatusCode::UNAUTHORIZED,
            Self::AccountForeign | Self::ScopeMissing { .. } => StatusCode::FORBIDDEN,
            Self::KeyUnknown | Self::RevocationUnknown | Self::RouteUnknown | Self::VideoUnknown => {
                StatusCode::NOT_FOUND
            }
            Self::CursorGone => StatusCode::GONE,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentTypeUnsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyInterrupted | Self::BodyTooSlow { .. } | Self::BodyNotJson(_) | Self::Invalid(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::NotReady { .. } | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(error) if error.is_unavailable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::KeyGeneration(_)
            | Self::ManagedKeyContended
            | Self::Panicked
            | Self::ScopeUndeclared
            | Self::Sign(_)
            | Self::Store(_)
            | Self::Task(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

fn item(reason: Reason, message: String) -> Vec<Item> {
    let reason_text = Some(reason.to_string());
    vec![Item { code: reason.code(), message, documentation_url: None, source: None, reason: reason_text }]
}

fn of(limited: Limited) -> &'static str {
    match limited {
        Limited::Credential => "requests with these credentials",
        Limited::FailedLogins => "failed logins from this address",
    }
}

impl From<Vec<Problem>> for ApiError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Invalid(problems)
    }
}

impl From<StoreError> for ApiError {
    /// Tells a caller's mistake from the store's failure.
    fn from(error: StoreError) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the store's errors may grow; what is not known is ours")]
        match error {
            // The account was deleted while the request was under way, and its credentials with it.
            StoreError::AccountUnknown { .. } => Self::AccountForeign,
            StoreError::NulInText { field } => Self::invalid(Problem::at(format!("/{field}"), ProblemKind::TextHasNul)),
            StoreError::TooManyKeys { .. } => {
                Self::invalid(Problem::elsewhere(ProblemKind::KeysTooMany { max: MAX_SIGNING_KEYS }))
            }
            StoreError::TooManyManagedKeys { .. } => {
                Self::invalid(Problem::elsewhere(ProblemKind::ManagedKeysTooMany { max: MAX_MANAGED_KEYS }))
            }
            StoreError::TooManyRevocations => {
                Self::invalid(Problem::elsewhere(ProblemKind::RevocationsTooMany { max: MAX_REVOCATIONS_OF_SUBJECT }))
            }
            StoreError::VideoIdTaken { uid } => Self::invalid(Problem::elsewhere(ProblemKind::VideoUidTaken { uid })),
            other => Self::Store(other),
        }
    }
}

impl From<SigningError> for ApiError {
    fn from(error: SigningError) -> Self {
        match error {
            SigningError::Overloaded => Self::Overloaded,
            SigningError::Sign(_) | SigningError::Stopped => Self::Sign(error),
        }
    }
}

impl From<RotationError> for ApiError {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::KeyGeneration(error) => Self::KeyGeneration(error),
            RotationError::Store(error) => error.into(),
            RotationError::Task(error) => Self::Task(error),
        }
    }
}

impl IntoResponse for ApiError {
    /// Only the head: the body is written where the address of the documentation is known.
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = status.into_response();
        // Every other mistake of the caller's stays one; and what is too much now is not after a while.
        if let Self::RateLimited { wait, .. } = self {
            response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(wait).into());
        } else if status.is_client_error() {
            response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if let Self::MethodNotAllowed { allowed } = &self {
            let allowed = HeaderValue::from_str(allowed).expect("names of methods are a header's value");
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_tells_every_cause() {
        let error = ApiError::Store(StoreError::File {
            path: "vidpass.db".into(),
            source: std::io::Error::other("no space left"),
        });
        let expected = "the store failed: the file `vidpass.db` cannot be made or read: no space left";
        assert_eq!(vidpass_token::Chain(&error).to_string(), expected);
    }
}
