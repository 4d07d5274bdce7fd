//! The questions that are asked about good claims, in their order: the first that fails is the denial.

use std::time::Duration;

use crate::access;
use crate::claims::SignedClaims;
use crate::decision::{Ask, Asset};
use crate::denial::Denial;
use crate::id::AccountId;
use crate::jws::MalformedToken;
use crate::origin::RequestOrigin;
use crate::policy::{Terms, VideoPolicy};
use crate::revocation::Standing;
use crate::viewer::Embedding;

/// Good claims, and everything that they are held against.
pub(crate) struct Case<'a> {
    pub(crate) claims: &'a SignedClaims,
    pub(crate) key_account: &'a AccountId,
    pub(crate) terms: &'a Terms<'a>,
    pub(crate) standing: Standing,
    pub(crate) ask: &'a Ask<'a>,
}

/// One question of a decision. Together and in this order they are all that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Is the method one of reading?
    Method,
    /// Is the path within the grammar?
    Path,
    /// Is the token one that can be read without doubt?
    Token,
    /// Is there a live key of the id that the token names?
    Key,
    /// Did that key sign it?
    Signature,
    /// Do header and payload name the same key?
    Kid,
    /// Does the account of the key own the video, and is it the one that the path names?
    Video,
    /// Are there no more access rules than the gate accepts?
    RuleCount,
    /// Has the token's time begun?
    NotBefore,
    /// Is it not over?
    Expiry,
    /// Does it end no later than the gate accepts?
    Lifetime,
    /// Was it not taken back?
    Revocation,
    /// Do the access rules let the viewer in?
    AccessRules,
    /// May the video be shown on the viewer's site?
    AllowedOrigins,
    /// Does the token open downloads, where one is asked for?
    Downloadable,
    /// Is the video offered for download, where one is asked for?
    DownloadOffered,
}

impl Check {
    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Path => "path",
            Self::Token => "token",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Kid => "kid",
            Self::Video => "video",
            Self::RuleCount => "rule_count",
            Self::NotBefore => "not_before",
            Self::Expiry => "expiry",
            Self::Lifetime => "lifetime",
            Self::Revocation => "revocation",
            Self::AccessRules => "access_rules",
            Self::AllowedOrigins => "allowed_origins",
            Self::Downloadable => "downloadable",
            Self::DownloadOffered => "download_offered",
        }
    }
}

type Question = fn(&Case<'_>) -> Result<(), Denial>;

/// What is asked about claims whose signature is good and whose video is known.
pub(crate) const QUESTIONS: [(Check, Question); 9] = [
    (Check::RuleCount, rule_count),
    (Check::NotBefore, not_before),
    (Check::Expiry, expiry),
    (Check::Lifetime, lifetime),
    (Check::Revocation, revocation),
    (Check::AccessRules, access_rules),
    (Check::AllowedOrigins, allowed_origins),
    (Check::Downloadable, downloadable),
    (Check::DownloadOffered, download_offered),
];

/// The first check that fails, once the video is known to be the account's.
pub(crate) fn first_failure(case: &Case<'_>) -> Option<Denial> {
    QUESTIONS.iter().find_map(|(_, question)| question(case).err())
}

/// The first check that fails of a viewer without a token.
pub(crate) fn first_failure_without_token(video: &VideoPolicy, terms: &Terms<'_>, ask: &Ask<'_>) -> Option<Denial> {
    let required = || if video.require_signed_urls { Err(Denial::TokenRequired) } else { Ok(()) };
    let checked = required().and_then(|()| check_origin(video, terms, ask)).and_then(|()| check_offered(video, ask));
    checked.err()
}

impl<'a> Case<'a> {
    /// The video, if it is the one that the path names and the account of the key owns it.
    pub(crate) fn video(&self) -> Result<&'a VideoPolicy, Denial> {
        let granted = self.claims.video();
        if let Some(named) = self.ask.named.filter(|named| *named != granted) {
            return Err(Denial::VideoMismatch { named: named.clone(), granted: granted.clone() });
        }
        let video = self.terms.video.filter(|video| video.account == *self.key_account);
        video.ok_or_else(|| Denial::VideoNotOwned { video: granted.clone(), account: self.key_account.clone() })
    }
}

fn rule_count(case: &Case<'_>) -> Result<(), Denial> {
    let (count, max) = (case.claims.access_rules().len(), case.terms.limits.max_access_rules);
    if count > max { Err(MalformedToken::TooManyRules { count, max }.into()) } else { Ok(()) }
}

fn not_before(case: &Case<'_>) -> Result<(), Denial> {
    let now = case.ask.now;
    match case.claims.not_before() {
        Some(not_before) if now < not_before => Err(Denial::TokenNotYetValid { not_before, now }),
        Some(_) | None => Ok(()),
    }
}

// RFC 7519, section 4.1.4: a token is over "on or after" its `exp`. There is no leeway.
fn expiry(case: &Case<'_>) -> Result<(), Denial> {
    let (expires, now) = (case.claims.expires(), case.ask.now);
    if now >= expires { Err(Denial::TokenExpired { expires, now }) } else { Ok(()) }
}

fn lifetime(case: &Case<'_>) -> Result<(), Denial> {
    let expires = case.claims.expires();
    match case.terms.limits.max_token_lifetime.map(|max: Duration| case.ask.now.plus(max)) {
        Some(latest) if expires > latest => Err(Denial::TokenLifetimeExceeded { expires, latest }),
        Some(_) | None => Ok(()),
    }
}

fn revocation(case: &Case<'_>) -> Result<(), Denial> {
    match case.standing {
        Standing::Good => Ok(()),
        Standing::Revoked(by) => Err(Denial::TokenRevoked { by }),
        Standing::Unknown => Err(Denial::GateCutOff),
    }
}

fn access_rules(case: &Case<'_>) -> Result<(), Denial> {
    access::decide(case.claims.access_rules(), case.ask.viewer)
}

fn allowed_origins(case: &Case<'_>) -> Result<(), Denial> {
    check_origin(case.video()?, case.terms, case.ask)
}

fn downloadable(case: &Case<'_>) -> Result<(), Denial> {
    let open = case.ask.asset == Asset::Media || case.claims.downloadable();
    if open { Ok(()) } else { Err(Denial::DownloadNotAllowed) }
}

fn download_offered(case: &Case<'_>) -> Result<(), Denial> {
    check_offered(case.video()?, case.ask)
}

fn check_origin(video: &VideoPolicy, terms: &Terms<'_>, ask: &Ask<'_>) -> Result<(), Denial> {
    let allows = |origin: &RequestOrigin| video.allowed_origins.iter().any(|allowed| allowed.allows(origin));
    let embeddable = || match ask.viewer.embedding() {
        Embedding::Hidden => false,
        Embedding::Nowhere => terms.limits.allow_missing_origin,
        Embedding::OwnPage => true,
        Embedding::Site(origin) => allows(origin),
    };
    if video.allowed_origins.is_empty() || embeddable() {
        Ok(())
    } else {
        Err(Denial::OriginNotAllowed { origin: ask.viewer.origin().cloned() })
    }
}

fn check_offered(video: &VideoPolicy, ask: &Ask<'_>) -> Result<(), Denial> {
    if ask.asset == Asset::Download && !video.downloads { Err(Denial::DownloadNotEnabled) } else { Ok(()) }
}
