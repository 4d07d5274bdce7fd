//! From good claims to a permit: everything that a signature does not say.

use std::time::Duration;

use crate::access;
use crate::claims::SignedClaims;
use crate::id::{AccountId, KeyId, VideoId};
use crate::jws::{MalformedToken, VerifyError};
use crate::origin::{AllowedOrigin, RequestOrigin};
use crate::time::UnixTime;
use crate::viewer::Viewer;

/// What the catalogue says about one video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoPolicy {
    /// Who owns it.
    pub account: AccountId,
    /// Whether it needs a token.
    pub require_signed_urls: bool,
    /// The sites on which it may be embedded; none listed means all.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Whether its MP4 is offered for download at all.
    pub downloads: bool,
}

impl VideoPolicy {
    /// A video that needs a token, may be embedded anywhere, and is not offered for download.
    #[must_use]
    pub fn private(account: AccountId) -> Self {
        Self { account, require_signed_urls: true, allowed_origins: Vec::new(), downloads: false }
    }
}

/// One request, as far as a decision needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Who asks.
    pub viewer: &'a Viewer,
    /// For what.
    pub asset: Asset,
    /// When.
    pub now: UnixTime,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asset {
    /// Manifests, segments, captions, thumbnails: what a player needs.
    Media,
    /// A file to keep: `/downloads/*`.
    Download,
}

/// What a gate accepts beyond the rules of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many access rules a token may have.
    pub max_access_rules: usize,
    /// How far in the future `exp` may lie; `None` is no limit.
    pub max_token_lifetime: Option<Duration>,
}

impl Default for Limits {
    /// Five rules, as Cloudflare Stream documents, and no limit on the lifetime.
    fn default() -> Self {
        Self { max_access_rules: 5, max_token_lifetime: None }
    }
}

/// Proof that this viewer may have this video now. Only [`SignedClaims::admit`] and [`admit_without_token`] make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    video: VideoId,
    account: AccountId,
    token: Option<(KeyId, UnixTime)>,
}

impl Permit {
    /// The video.
    #[must_use]
    pub fn video(&self) -> &VideoId {
        &self.video
    }

    /// The account that owns it.
    #[must_use]
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The key that signed the viewer's token; `None` for a public video.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        self.token.as_ref().map(|(key, _)| key)
    }

    /// When the token's time is over; `None` for a public video.
    #[must_use]
    pub fn expires(&self) -> Option<UnixTime> {
        self.token.as_ref().map(|(_, expires)| *expires)
    }
}

impl SignedClaims {
    /// Decides everything that the signature does not: owner, time, rules, origin, download, in this order.
    ///
    /// `key_account` owns the key that signed. `video` is what the catalogue says about [`SignedClaims::video`];
    /// `None` where the catalogue lacks it, which is a refusal.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn admit(
        &self,
        key_account: &AccountId,
        video: Option<&VideoPolicy>,
        ask: &Ask<'_>,
        limits: &Limits,
    ) -> Result<Permit, Denial> {
        let not_owned = || Denial::VideoNotOwned { video: self.video().clone(), account: key_account.clone() };
        let video = video.filter(|video| video.account == *key_account).ok_or_else(not_owned)?;
        let rules = self.access_rules();
        if rules.len() > limits.max_access_rules {
            return Err(MalformedToken::TooManyRules { count: rules.len(), max: limits.max_access_rules }.into());
        }
        self.check_time(ask.now, limits.max_token_lifetime)?;
        access::decide(rules, ask.viewer)?;
        check_origin(video, ask.viewer)?;
        if ask.asset == Asset::Download && !self.downloadable() {
            return Err(Denial::DownloadNotAllowed);
        }
        check_download_offered(video, ask.asset)?;
        Ok(Permit {
            video: self.video().clone(),
            account: video.account.clone(),
            token: Some((self.key_id().clone(), self.expires())),
        })
    }

    // RFC 7519, section 4.1.4: a token is over "on or after" its `exp`. There is no leeway.
    fn check_time(&self, now: UnixTime, max_lifetime: Option<Duration>) -> Result<(), Denial> {
        let expires = self.expires();
        if let Some(not_before) = self.not_before().filter(|not_before| now < *not_before) {
            return Err(Denial::TokenNotYetValid { not_before, now });
        }
        if now >= expires {
            return Err(Denial::TokenExpired { expires, now });
        }
        match max_lifetime.map(|max| now.plus(max)) {
            Some(latest) if expires > latest => Err(Denial::TokenLifetimeExceeded { expires, latest }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Decides for a viewer who carries the bare `uid` and no token.
///
/// # Errors
/// [`Denial::TokenRequired`] for a video that needs a token and for one that the catalogue lacks alike, so that nobody
/// learns which videos exist; for a public video what its origins and downloads say.
pub fn admit_without_token(uid: &VideoId, video: Option<&VideoPolicy>, ask: &Ask<'_>) -> Result<Permit, Denial> {
    let video = video.filter(|video| !video.require_signed_urls).ok_or(Denial::TokenRequired)?;
    check_origin(video, ask.viewer)?;
    check_download_offered(video, ask.asset)?;
    Ok(Permit { video: uid.clone(), account: video.account.clone(), token: None })
}

fn check_origin(video: &VideoPolicy, viewer: &Viewer) -> Result<(), Denial> {
    let allows = |origin: &RequestOrigin| video.allowed_origins.iter().any(|allowed| allowed.allows(origin));
    if video.allowed_origins.is_empty() || viewer.origin().is_some_and(allows) {
        return Ok(());
    }
    Err(Denial::OriginNotAllowed { origin: viewer.origin().cloned() })
}

fn check_download_offered(video: &VideoPolicy, asset: Asset) -> Result<(), Denial> {
    if asset == Asset::Download && !video.downloads { Err(Denial::DownloadNotEnabled) } else { Ok(()) }
}

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
        header: KeyId,
        /// The `kid` of the payload.
        payload: KeyId,
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
    /// An access rule blocks the viewer.
    #[error("access rule {index} blocks this viewer")]
    RuleBlocked {
        /// The rule's place in the token, from 0.
        index: usize,
    },
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

impl Denial {
    /// The stable name of the reason. It is part of the interface.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::CountryUnavailable { .. } => "country_unavailable",
            Self::DownloadNotAllowed => "download_not_allowed",
            Self::DownloadNotEnabled => "download_not_enabled",
            Self::KeyUnknown { .. } => "key_unknown",
            Self::KidMismatch { .. } => "kid_mismatch",
            Self::OriginNotAllowed { .. } => "origin_not_allowed",
            Self::PathRefused => "path_refused",
            Self::RuleBlocked { .. } => "rule_blocked",
            Self::SignatureInvalid { .. } => "signature_invalid",
            Self::TokenExpired { .. } => "token_expired",
            Self::TokenLifetimeExceeded { .. } => "token_lifetime_exceeded",
            Self::TokenMalformed(_) => "token_malformed",
            Self::TokenNotYetValid { .. } => "token_not_yet_valid",
            Self::TokenRequired => "token_required",
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
            Self::KeyUnknown { .. } => "This link was signed with a key that is not, or no longer, valid.",
            Self::KidMismatch { .. } => "This link names two different keys.",
            Self::OriginNotAllowed { .. } => "This video may not be played on this site.",
            Self::PathRefused => "This address is not one that is served here.",
            Self::RuleBlocked { .. } => "The rules of this link do not let you watch this video.",
            Self::SignatureInvalid { .. } => "This link has been changed or was signed with another key.",
            Self::TokenExpired { .. } => "This link has expired.",
            Self::TokenLifetimeExceeded { .. } => "This link is valid for longer than is accepted here.",
            Self::TokenMalformed(_) => "This link is damaged or incomplete.",
            Self::TokenNotYetValid { .. } => "This link is not valid yet.",
            Self::TokenRequired => "This video needs a signed link.",
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
            | Self::KeyUnknown { .. }
            | Self::KidMismatch { .. }
            | Self::OriginNotAllowed { .. }
            | Self::PathRefused
            | Self::SignatureInvalid { .. }
            | Self::TokenExpired { .. }
            | Self::TokenLifetimeExceeded { .. }
            | Self::TokenMalformed(_)
            | Self::TokenNotYetValid { .. }
            | Self::TokenRequired
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Claims;
    use crate::viewer::Country;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    #[test]
    fn a_gate_may_refuse_tokens_that_live_long() {
        let life = |seconds, max: Option<u64>| {
            let claims = Claims::new("v1".parse().unwrap(), UnixTime(NOW.0 + seconds));
            let limits = Limits { max_token_lifetime: max.map(Duration::from_secs), ..Limits::default() };
            admit(claims, &video(), "", Asset::Media, &limits)
        };
        assert_eq!(life(3600, Some(3600)), "permit");
        assert_eq!(life(3601, Some(3600)), "token_lifetime_exceeded");
        assert_eq!(life(i64::from(i32::MAX), None), "permit");
        assert_eq!(life(3600, Some(u64::MAX)), "permit");
        assert_eq!(life(0, Some(0)), "token_expired");
    }

    #[test]
    fn a_download_needs_the_token_and_the_video() {
        let download = |token, offered| {
            let claims = Claims { downloadable: token, ..claims() };
            admit(claims, &VideoPolicy { downloads: offered, ..video() }, "", Asset::Download, &Limits::default())
        };
        assert_eq!(download(true, true), "permit");
        assert_eq!(download(false, true), "download_not_allowed");
        assert_eq!(download(true, false), "download_not_enabled");
    }

    #[test]
    fn a_token_does_not_open_another_site() {
        let site = VideoPolicy { allowed_origins: vec!["example.com".parse().unwrap()], ..video() };
        let on = |origin| admit(claims(), &site, origin, Asset::Media, &Limits::default());
        assert_eq!(on("https://example.com"), "permit");
        assert_eq!(on("https://evil.example"), "origin_not_allowed");
        assert_eq!(on(""), "origin_not_allowed");
    }

    #[test]
    fn the_account_of_the_key_owns_the_video() {
        let foreign = VideoPolicy::private("a2".parse().unwrap());
        assert_eq!(admit(claims(), &foreign, "", Asset::Media, &Limits::default()), "video_not_owned");
        let public = VideoPolicy { require_signed_urls: false, ..foreign };
        assert_eq!(admit(claims(), &public, "", Asset::Media, &Limits::default()), "video_not_owned");
    }

    #[test]
    fn a_permit_tells_what_it_is_for() {
        let signed = SignedClaims::new("k1".parse().unwrap(), claims());
        let viewer = Viewer::new("192.0.2.7".parse().unwrap(), Country::Unknown, None);
        let ask = Ask { viewer: &viewer, asset: Asset::Media, now: NOW };
        let permit = signed.admit(&video().account, Some(&video()), &ask, &Limits::default()).unwrap();
        assert_eq!((permit.video().as_str(), permit.account().as_str()), ("v1", "a1"));
        assert_eq!((permit.key_id().map(KeyId::as_str), permit.expires()), (Some("k1"), Some(UnixTime(NOW.0 + 60))));
        let public = VideoPolicy { require_signed_urls: false, ..video() };
        let permit = admit_without_token(&"v1".parse().unwrap(), Some(&public), &ask).unwrap();
        assert_eq!((permit.video().as_str(), permit.key_id(), permit.expires()), ("v1", None, None));
    }

    fn claims() -> Claims {
        Claims::new("v1".parse().unwrap(), UnixTime(NOW.0 + 60))
    }

    fn video() -> VideoPolicy {
        VideoPolicy::private("a1".parse().unwrap())
    }

    /// The denial's code, or `permit`, for a key of account `a1`.
    fn admit(claims: Claims, video: &VideoPolicy, origin: &str, asset: Asset, limits: &Limits) -> &'static str {
        let signed = SignedClaims::new("k1".parse().unwrap(), claims);
        let viewer = Viewer::new("192.0.2.7".parse().unwrap(), Country::Unknown, origin.parse().ok());
        let ask = Ask { viewer: &viewer, asset, now: NOW };
        signed
            .admit(&"a1".parse().unwrap(), Some(video), &ask, limits)
            .map_or_else(|denial| denial.code(), |_| "permit")
    }
}
