//! What goes wrong between the gate and a remote origin.

use std::time::Duration;

use http::StatusCode;
use vidpass_token::{Chain, OriginName};

use super::remote::Target;
use crate::deny::Failure;

/// Why an origin gave no bytes, or not all of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The origin has as many requests as it may have at once.
    #[error("the origin has {max_requests} requests already, which is its limit")]
    Busy {
        /// How many it may have.
        max_requests: usize,
    },
    /// The file of which the rest was asked for is another one by now, or gone.
    #[error("the file has changed since its first bytes")]
    Changed,
    /// The connection could not be made, or broke.
    #[error("the connection to the origin failed")]
    Connection(#[source] reqwest::Error),
    /// There are no credentials to sign the request with, or none that fit into a header.
    #[error("the request to the origin could not be signed")]
    Credentials(#[source] Option<object_store::Error>),
    /// The bytes are encoded, although nobody asked for that.
    #[error("the origin sent the file encoded, as {encoding}")]
    Encoded {
        /// The encoding.
        encoding: String,
    },
    /// The answer has no usable `Content-Length`.
    #[error("the origin does not say how long the file is")]
    LengthMissing,
    /// The answer has both `Content-Length` and `Transfer-Encoding`.
    #[error("the origin says in two ways how long its answer is")]
    LengthUnclear,
    /// The answer has another range than was asked for.
    #[error("the origin sent another part than it was asked for: `{given}`")]
    RangeUnexpected {
        /// Its `Content-Range`.
        given: String,
    },
    /// The answer has a status that means nothing here, such as a redirect.
    #[error("the origin answered {}", .status.as_u16())]
    Status {
        /// The status.
        status: StatusCode,
    },
    /// The download that others wait for ended without a word.
    #[error("the download ended without an end")]
    Stopped,
    /// Nothing came for too long.
    #[error("the origin sent nothing for {after:?}")]
    Timeout {
        /// How long that was.
        after: Duration,
    },
    /// The body ended before its end.
    #[error("the origin ended the file at byte {at}, before byte {end}")]
    Truncated {
        /// Where it ended.
        at: u64,
        /// Where it should have.
        end: u64,
    },
    /// The origin's answers to repeated questions contradict each other.
    #[error("the origin changed its answer with each question")]
    Undecided,
}

impl FetchError {
    /// Writes a line about a file. It is an error where an administrator must mend something; what an origin does, or a
    /// viewer can cause, is a warning.
    pub(super) fn log(&self, origin: &OriginName, target: &Target, what: &'static str) {
        let (error, Target { name: file, account, video, .. }) = (Chain(self), target);
        if self.is_for_administrators() {
            tracing::error!(%origin, account.id = %account, video.id = %video, %file, %error, "{what}");
        } else {
            tracing::warn!(%origin, account.id = %account, video.id = %video, %file, %error, "{what}");
        }
    }

    fn is_for_administrators(&self) -> bool {
        match self {
            Self::Credentials(_) => true,
            Self::Busy { .. }
            | Self::Changed
            | Self::Connection(_)
            | Self::Encoded { .. }
            | Self::LengthMissing
            | Self::LengthUnclear
            | Self::RangeUnexpected { .. }
            // AWS answers 403 for what is not there, so that anybody can ask for it.
            | Self::Status { .. }
            | Self::Stopped
            | Self::Timeout { .. }
            | Self::Truncated { .. }
            | Self::Undecided => false,
        }
    }

    /// What the viewer gets.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Busy { .. } => Failure::OriginBusy,
            Self::Timeout { .. } => Failure::OriginTimeout,
            Self::Connection(error) if error.is_timeout() => Failure::OriginTimeout,
            Self::Changed
            | Self::Connection(_)
            | Self::Credentials(_)
            | Self::Encoded { .. }
            | Self::LengthMissing
            | Self::LengthUnclear
            | Self::RangeUnexpected { .. }
            | Self::Status { .. }
            | Self::Stopped
            | Self::Truncated { .. }
            | Self::Undecided => Failure::OriginFailed,
        }
    }
}

impl From<reqwest::Error> for FetchError {
    /// Without the URL: the path of a wrong link may hold a token.
    fn from(error: reqwest::Error) -> Self {
        Self::Connection(error.without_url())
    }
}
