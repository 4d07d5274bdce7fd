//! Why a viewer is refused.

use crate::id::{AccountId, KeyId, VideoId};
use crate::jws::{MalformedToken, VerifyError};
use crate::origin::RequestOrigin;
use crate::revocation::RevocationKind;
use crate::time::UnixTime;

/// Why a viewer is refused.
///
/// [`code`](Self::code) and [`message`](Self::message) are for the viewer; `Display` has the detail for the log. Whoever
/// answers viewers matches all of it, so that a new reason does not compile before somebody gives it a status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// A rule needs the viewer's country and there is no database that could tell it.
    #[error("access rule {index} needs the viewer's country, and no country database answers")]
    CountryUnavailable {
        /// The rule's place in the token, from 0.
        index: usize,
    },
    /// The token does not open downloads.
    #[error("the token has no `downloadable`")]
    DownloadNotAllowed,
    /// The video's MP4 is not offered for download.
    #[error("downloads of this video are not enabled")]
    DownloadNotEnabled,
    /// No key of this id is live.
    #[error("no live key has the id `{key}`")]
    KeyUnknown {
        /// The `kid` that the token names.
        key: KeyId,
    },
    /// Header and payload name two keys.
    #[error("the token's header names key `{header}` and its payload `{payload}`")]
    KidMismatch {
        /// The `kid` of the header.
        header: Box<KeyId>,
        /// The `kid` of the payload.
        payload: Box<KeyId>,
    },
    /// The video may not be embedded where the viewer is.
    #[error("origin {} is not allowed", .origin.as_ref().map_or("(none)".to_owned(), ToString::to_string))]
    OriginNotAllowed {
        /// Where the viewer is, if they say so.
        origin: Option<RequestOrigin>,
    },
    /// The path is outside the grammar.
    #[error("the path is not one that is served")]
    PathRefused,
    /// A proxy's header, which tells what it was asked for, is not there exactly once or cannot be read.
    #[error("the proxy's header `{header}` {problem}")]
    ProxyHeaderUnclear {
        /// The header's name.
        header: &'static str,
        /// What is wrong with it.
        problem: HeaderProblem,
    },
    /// Whoever asks on a viewer's behalf is not a proxy that is trusted.
    #[error("the peer is not among the proxies that may ask")]
    ProxyNotTrusted,
    /// An access rule blocks the viewer.
    #[error("access rule {index} blocks this viewer")]
    RuleBlocked {
        /// The rule's place in the token, from 0.
        index: usize,
    },
    /// The gate has not heard from the store for too long, and cannot know whether the token was taken back.
    #[error("the gate is cut off from the store, and cannot know whether the token was taken back")]
    GateCutOff,
    /// The gate has no catalogue yet: since it started, its source has not answered.
    #[error("the gate has not heard yet which keys and videos there are")]
    GateNotLoaded,
    /// The signature is not the key's.
    #[error("the signature is not one of key `{key}`")]
    SignatureInvalid {
        /// The `kid` that the token names.
        key: KeyId,
    },
    /// The token's time is over.
    #[error("the token expired {} s ago (exp {expires}, now {now})", .expires.seconds_until(*.now))]
    TokenExpired {
        /// Its `exp`.
        expires: UnixTime,
        /// The moment of the request.
        now: UnixTime,
    },
    /// The token lives longer than the gate accepts.
    #[error("the token's exp {expires} is later than this gate accepts ({latest})")]
    TokenLifetimeExceeded {
        /// Its `exp`.
        expires: UnixTime,
        /// The latest `exp` that would have been accepted.
        latest: UnixTime,
    },
    /// The token is not one that we read.
    #[error("malformed token: {0}")]
    TokenMalformed(MalformedToken),
    /// The token's time has not begun.
    #[error("the token is valid in {} s (nbf {not_before}, now {now})", .now.seconds_until(*.not_before))]
    TokenNotYetValid {
        /// Its `nbf`.
        not_before: UnixTime,
        /// The moment of the request.
        now: UnixTime,
    },
    /// The video needs a token, or there is no such video.
    #[error("the video needs a token")]
    TokenRequired,
    /// The token was taken back.
    #[error("the token is revoked, by its `{by}`")]
    TokenRevoked {
        /// Of what kind the revocation is.
        by: RevocationKind,
    },
    /// The token is for another video than the path names.
    #[error("the token is for video `{granted}`, and the path names `{named}`")]
    VideoMismatch {
        /// The video of the path.
        named: VideoId,
        /// The token's video.
        granted: VideoId,
    },
    /// The account of the key does not own the video.
    #[error("account `{account}`, whose key signed the token, does not own video `{video}`")]
    VideoNotOwned {
        /// The token's video.
        video: VideoId,
        /// The account of the key that signed.
        account: AccountId,
    },
    /// A trusted proxy does not say who the viewer is.
    #[error("the trusted proxy's header does not name the viewer's address")]
    ViewerAddressUnknown,
}

/// What is wrong with a header that a proxy tells something in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// The proxy does not write it.
    #[error("is missing")]
    Missing,
    /// The proxy may have written one, and the viewer the other.
    #[error("is there more than once")]
    Repeated,
    /// It has other characters than a header's.
    #[error("is not visible ASCII")]
    NotText,
    /// It names no method.
    #[error("is not a method")]
    NotAMethod,
}

impl Denial {
    /// The stable name of the reason. It is part of the interface.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::CountryUnavailable { .. } => "country_unavailable",
            Self::DownloadNotAllowed => "download_not_allowed",
            Self::DownloadNotEnabled => "download_not_enabled",
            Self::GateCutOff => "gate_cut_off",
            Self::GateNotLoaded => "gate_not_loaded",
            Self::KeyUnknown { .. } => "key_unknown",
            Self::KidMismatch { .. } => "kid_mismatch",
            Self::OriginNotAllowed { .. } => "origin_not_allowed",
            Self::PathRefused => "path_refused",
            Self::ProxyHeaderUnclear { .. } => "proxy_header_unclear",
            Self::ProxyNotTrusted => "proxy_not_trusted",
            Self::RuleBlocked { .. } => "rule_blocked",
            Self::SignatureInvalid { .. } => "signature_invalid",
            Self::TokenExpired { .. } => "token_expired",
            Self::TokenLifetimeExceeded { .. } => "token_lifetime_exceeded",
            Self::TokenMalformed(_) => "token_malformed",
            Self::TokenNotYetValid { .. } => "token_not_yet_valid",
            Self::TokenRequired => "token_required",
            Self::TokenRevoked { .. } => "token_revoked",
            Self::VideoMismatch { .. } => "video_mismatch",
            Self::VideoNotOwned { .. } => "video_not_owned",
            Self::ViewerAddressUnknown => "viewer_address_unknown",
        }
    }

    /// A fixed sentence for the viewer. It says no more than the code does.
    #[must_use]
    pub fn message(&self) -> &'static str {
        match self {
            Self::CountryUnavailable { .. } => {
                "This video is limited by country, and your country cannot be determined."
            }
            Self::DownloadNotAllowed => "This link does not allow downloads.",
            Self::DownloadNotEnabled => "This video is not offered for download.",
            Self::GateCutOff => "This link cannot be checked at the moment.",
            Self::GateNotLoaded => "This server is starting, and cannot check links yet.",
            Self::KeyUnknown { .. } => "This link was signed with a key that is not, or no longer, valid.",
            Self::KidMismatch { .. } => "This link names two different keys.",
            Self::OriginNotAllowed { .. } => "This video may not be played on this site.",
            Self::PathRefused => "This address is not one that is served here.",
            Self::ProxyHeaderUnclear { .. } => "The server in front does not say clearly what was asked for.",
            Self::ProxyNotTrusted => "This server does not answer on behalf of others to this address.",
            Self::RuleBlocked { .. } => "The rules of this link do not let you watch this video.",
            Self::SignatureInvalid { .. } => "This link has been changed or was signed with another key.",
            Self::TokenExpired { .. } => "This link has expired.",
            Self::TokenLifetimeExceeded { .. } => "This link is valid for longer than is accepted here.",
            Self::TokenMalformed(_) => "This link is damaged or incomplete.",
            Self::TokenNotYetValid { .. } => "This link is not valid yet.",
            Self::TokenRequired => "This video needs a signed link.",
            Self::TokenRevoked { .. } => "This link was taken back.",
            Self::VideoMismatch { .. } => "This link is for another video.",
            Self::VideoNotOwned { .. } => "This link is not valid for this video.",
            Self::ViewerAddressUnknown => "Your address cannot be determined.",
        }
    }

    /// The rule that refused, counted from 0, where a rule did.
    #[must_use]
    pub fn rule_index(&self) -> Option<usize> {
        match self {
            Self::RuleBlocked { index } | Self::CountryUnavailable { index } => Some(*index),
            Self::DownloadNotAllowed
            | Self::DownloadNotEnabled
            | Self::GateCutOff
            | Self::GateNotLoaded
            | Self::KeyUnknown { .. }
            | Self::KidMismatch { .. }
            | Self::OriginNotAllowed { .. }
            | Self::PathRefused
            | Self::ProxyHeaderUnclear { .. }
            | Self::ProxyNotTrusted
            | Self::SignatureInvalid { .. }
            | Self::TokenExpired { .. }
            | Self::TokenLifetimeExceeded { .. }
            | Self::TokenMalformed(_)
            | Self::TokenNotYetValid { .. }
            | Self::TokenRequired
            | Self::TokenRevoked { .. }
            | Self::VideoMismatch { .. }
            | Self::VideoNotOwned { .. }
            | Self::ViewerAddressUnknown => None,
        }
    }
}

// By hand: `#[from]` would make it the `source` too, and whoever prints the causes would print it twice.
impl From<MalformedToken> for Denial {
    fn from(error: MalformedToken) -> Self {
        Self::TokenMalformed(error)
    }
}

impl From<VerifyError> for Denial {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Malformed(malformed) => Self::TokenMalformed(malformed),
            VerifyError::SignatureInvalid { key } => Self::SignatureInvalid { key },
            VerifyError::KidMismatch { header, payload } => Self::KidMismatch { header, payload },
        }
    }
}
