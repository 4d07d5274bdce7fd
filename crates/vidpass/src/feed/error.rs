//! Why an issuer's feed told nothing.

use vidpass_api_types::Reason;

/// Why an issuer's feed told nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    /// It cannot be reached, or fell silent.
    #[error("the issuer does not answer")]
    Away {
        /// What the client says, without the URL.
        source: reqwest::Error,
    },
    /// Its log does not lead on from where the gate is.
    #[error("the issuer's log does not lead on from where this gate is")]
    CursorGone,
    /// Its answer ended too soon.
    #[error("the issuer's answer was cut off")]
    CutOff,
    /// A line is longer than any that this program reads.
    #[error("a line of the issuer's answer has more than {max} bytes")]
    LineTooLong {
        /// How many bytes it may have.
        max: usize,
    },
    /// It refused.
    #[error("the issuer refused: {status}{}", .reason.map(|reason| format!(" {reason}")).unwrap_or_default())]
    Refused {
        /// The status of its answer.
        status: u16,
        /// Why, where it said so.
        reason: Option<Reason>,
    },
    /// A line says something that this program does not know: the issuer is newer, or it is none.
    #[error("the issuer's answer is not one that this gate understands; gates are brought up to date first")]
    Unreadable {
        /// Where and why.
        source: serde_json::Error,
    },
    /// A value is not one that this program can decide from.
    #[error(
        "the issuer's answer has a `{member}` that this gate does not understand; gates are brought up to date first"
    )]
    ValueUnknown {
        /// Of what.
        member: &'static str,
    },
}

impl FeedError {
    pub(super) fn away(source: reqwest::Error) -> Self {
        Self::Away { source: source.without_url() }
    }
}
