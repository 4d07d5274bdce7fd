//! The decision: who may have which video now.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;
use vidpass_token::{
    AccountId, AllowedOrigin, Ask, Credential, Denial, KeyId, Limits, MediaPath, Permit, Standing, Terms,
    TokenFingerprint, UnixTime, UnverifiedToken, VideoId, Viewer, admit_without_token,
};

use crate::admission::CutOff;
use crate::backlog::Backlog;
use crate::catalogue::{Catalogue, LiveKey, Loss};
use crate::deny::Failure;
use crate::last_heard::LastHeard;
use crate::metrics::Metrics;
use crate::seen::{Seen, Verified};

/// What a gate is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateConfig {
    /// What it accepts of tokens.
    pub limits: Limits,
    /// How much memory it may use for tokens whose signature was found good, in bytes. It stays as it was at the start.
    pub seen_tokens_bytes: u64,
    /// For how long it may let in by tokens without word from the store; `None` is for as long as it takes.
    pub lease: Option<Duration>,
    /// Which running transfers are cut off.
    pub cut_off: CutOff,
    /// How long requests may wait for their turn before more are turned away; `None` is as long as it takes.
    pub max_backlog: Option<Duration>,
}

impl Default for GateConfig {
    /// The token crate's limits, 32 MiB (about 17,000 tokens), half a minute, transfers of tokens that were taken back, and any
    /// backlog.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            seen_tokens_bytes: 32 << 20,
            lease: Some(Duration::from_secs(30)),
            cut_off: CutOff::default(),
            max_backlog: None,
        }
    }
}

/// Decides each viewer's request, from what it has in memory alone.
pub struct Gate {
    config: ArcSwap<GateConfig>,
    catalogue: ArcSwap<Catalogue>,
    /// Held while a changed catalogue is made, so that no change is lost.
    changing: Mutex<()>,
    loaded: AtomicBool,
    seen: Seen,
    last_heard: LastHeard,
    backlog: Backlog,
    metrics: Metrics,
}

/// One request, as far as a decision needs to know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MediaAsk<'a> {
    /// What is asked for, and the credential for it.
    pub(crate) path: &'a MediaPath<'a>,
    pub(crate) viewer: &'a Viewer,
    pub(crate) now: UnixTime,
    /// Whether the gate may have missed that tokens were taken back.
    pub(crate) is_cut_off: bool,
}

/// What a gate knows while it decides one request.
#[derive(Clone, Copy)]
struct Known<'a> {
    catalogue: &'a Catalogue,
    limits: &'a Limits,
}

/// A permit or a denial, and what may be logged about the credential that led to it.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) outcome: Result<Permit, Denial>,
    pub(crate) carried: Carried,
    /// The account whose video or key it is, as far as that is certain.
    pub(crate) account: Option<AccountId>,
    /// Whether the next viewer who asks for the same thing gets the same answer, whoever they are.
    pub(crate) same_for_all: bool,
}

/// What is known of the credential. The claims of a token are here only if its signature was found good.
#[derive(Debug)]
pub(crate) enum Carried {
    Nothing,
    Uid(VideoId),
    Unverified { key: KeyId, fingerprint: TokenFingerprint },
    Verified(Arc<Verified>),
}

impl Gate {
    /// A gate that knows nothing yet and refuses everybody. Registers its metrics, `vidpass_gate_*`.
    #[must_use]
    pub fn new(config: GateConfig, registry: &mut Registry) -> Self {
        Self {
            config: ArcSwap::from_pointee(config),
            catalogue: ArcSwap::default(),
            changing: Mutex::new(()),
            loaded: AtomicBool::new(false),
            seen: Seen::new(config.seen_tokens_bytes),
            last_heard: LastHeard::new(),
            backlog: Backlog::new(),
            metrics: Metrics::register(registry),
        }
    }

    /// Heeds `config` from now on, for running transfers too.
    pub fn configure(&self, config: GateConfig) {
        self.config.store(Arc::new(config));
    }

    /// Takes `catalogue` for all requests from now on, and of the one before it whatever is stricter: where the change log
    /// led on there would be no need for another one.
    pub fn replace(&self, mut catalogue: Catalogue) -> Loss {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let loss = catalogue.take_over(&self.catalogue.load());
        self.take(catalogue);
        self.loaded.store(true, Ordering::Release);
        loss
    }

    /// Changes the catalogue. Requests see all of `change` or nothing of it; those that begin after this returns see it.
    pub fn update(&self, change: impl FnOnce(&mut Catalogue)) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut catalogue = Catalogue::clone(&self.catalogue.load());
        change(&mut catalogue);
        self.take(catalogue);
    }

    /// To be called by whoever holds `changing`.
    fn take(&self, catalogue: Catalogue) {
        self.metrics.show_catalogue(&catalogue);
        self.catalogue.store(Arc::new(catalogue));
    }

    /// The catalogue as it is now.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.load_full()
    }

    /// The store answered what it was asked at `asked`, and the catalogue is as it said.
    pub fn heard(&self, asked: Instant) {
        self.last_heard.renew(asked);
    }

    /// The catalogue is as the store said `silence` ago, to a process before this one; `None` where nobody knows when.
    pub fn heard_before(&self, silence: Option<Duration>) {
        self.last_heard.begin_after(silence.unwrap_or(Duration::MAX), Instant::now());
    }

    /// For how long the store has been silent.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.last_heard.silence(Instant::now())
    }

    /// Whether the store was silent for so long that tokens may have been taken back which this gate would let in.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.config.load().lease.is_some_and(|lease| self.silence() > lease)
    }

    /// Whether there ever was a whole catalogue. Until then everybody is refused.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// Decides one request, in the order of the design: the first check that fails is the denial.
    pub(crate) fn examine(&self, ask: &MediaAsk<'_>) -> Decision {
        if !self.is_loaded() {
            let outcome = Err(Denial::GateNotLoaded);
            return Decision { outcome, carried: Carried::Nothing, account: None, same_for_all: false };
        }
        let (catalogue, config) = (self.catalogue.load(), self.config.load());
        let known = Known { catalogue: &catalogue, limits: &config.limits };
        match ask.path.credential() {
            Credential::Uid(uid) => Self::without_token(known, uid, ask),
            Credential::Token(token) => self.with_token(known, token, None, ask),
            Credential::Beside { uid, token } => self.with_token(known, token, Some(uid), ask),
        }
    }

    /// Why a transfer that this token opened must not go on, where it must not.
    pub(crate) fn withdrawn(&self, token: &Verified, now: UnixTime) -> Option<Denial> {
        let (catalogue, config, claims) = (self.catalogue.load(), self.config.load(), &token.claims);
        if config.cut_off == CutOff::Never {
            return None;
        }
        if catalogue.live_key_of(token).is_none() {
            return Some(Denial::KeyUnknown { key: claims.key_id().clone() });
        }
        if let Standing::Revoked(by) = catalogue.standing_of(token, now) {
            return Some(Denial::TokenRevoked { by });
        }
        let known = Known { catalogue: &catalogue, limits: &config.limits };
        let is_over = config.cut_off == CutOff::Expired && now >= claims.expires();
        let is_dry_run = || known.terms(claims.video()).video_is_dry_run();
        (is_over && !is_dry_run()).then(|| Denial::TokenExpired { expires: claims.expires(), now })
    }

    /// The sites on which a video may be embedded, and none listed means all; `None` where the video has gone.
    pub(crate) fn allowed_origins(&self, uid: &VideoId) -> Option<Vec<AllowedOrigin>> {
        self.catalogue.load().video(uid).map(|video| video.allowed_origins.clone())
    }

    /// Turns a request away that begins `now`, where more is asked than this process can answer.
    ///
    /// # Errors
    /// [`Failure::GateBusy`], which is counted.
    pub(crate) fn require_time(&self, now: Instant) -> Result<(), Failure> {
        let max = self.config.load().max_backlog;
        if max.is_none_or(|max| self.backlog.at(now) <= max) {
            return Ok(());
        }
        self.metrics.count_failure(Failure::GateBusy);
        Err(Failure::GateBusy)
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn without_token(known: Known<'_>, uid: &VideoId, ask: &MediaAsk<'_>) -> Decision {
        let terms = known.terms(uid);
        Decision {
            outcome: admit_without_token(uid, &terms, &ask.for_token(None)),
            account: terms.video.map(|video| video.account.clone()),
            same_for_all: terms
                .video
                .is_some_and(|video| !video.require_signed_urls && video.allowed_origins.is_empty()),
            carried: Carried::Uid(uid.clone()),
        }
    }

    fn with_token(&self, known: Known<'_>, token: &str, named: Option<&VideoId>, ask: &MediaAsk<'_>) -> Decision {
        let (mut carried, mut account) = (Carried::Nothing, None);
        let outcome = self.verify(known.catalogue, token, &mut carried).and_then(|(verified, key)| {
            account = Some(key.account.clone());
            let standing = match known.catalogue.standing_of(&verified, ask.now) {
                Standing::Good if ask.is_cut_off => Standing::Unknown,
                known => known,
            };
            let terms = known.terms(verified.claims.video());
            verified.claims.admit(&key.account, &terms, standing, &ask.for_token(named))
        });
        Decision { outcome, carried, account, same_for_all: false }
    }

    /// The claims and the live key that signed them; `carried` learns whatever may be told of the token on the way.
    ///
    /// What was seen before counts only while the catalogue's key of that id is the very key that verified it, of the same account.
    fn verify<'c>(
        &self,
        catalogue: &'c Catalogue,
        token: &str,
        carried: &mut Carried,
    ) -> Result<(Arc<Verified>, &'c LiveKey), Denial> {
        let place = match self.seen.find(token) {
            Ok(known) => {
                if let Some(live) = catalogue.live_key_of(&known) {
                    *carried = Carried::Verified(Arc::clone(&known));
                    return Ok((known, live));
                }
                self.seen.forget(token);
                None
            }
            Err(place) => Some(place),
        };
        let unverified = UnverifiedToken::parse(token)?;
        let (id, fingerprint) = (unverified.key_id().clone(), unverified.fingerprint());
        *carried = Carried::Unverified { key: id.clone(), fingerprint };
        let live = catalogue.key(&id).ok_or(Denial::KeyUnknown { key: id })?;
        let claims = unverified.verify(&live.public)?;
        let verified = Arc::new(Verified::new(claims, live.public.clone(), live.account.clone()));
        *carried = Carried::Verified(Arc::clone(&verified));
        match place {
            Some(place) => place.fill(Arc::clone(&verified)),
            None => self.seen.remember(token, Arc::clone(&verified)),
        }
        Ok((verified, live))
    }
}

impl<'a> Known<'a> {
    fn terms(self, uid: &VideoId) -> Terms<'a> {
        let (video, account) = self.catalogue.video_of_owner(uid);
        Terms { video, account, limits: self.limits }
    }
}

impl MediaAsk<'_> {
    fn for_token<'a>(&'a self, named: Option<&'a VideoId>) -> Ask<'a> {
        Ask { viewer: self.viewer, named, asset: self.path.asset(), now: self.now }
    }
}

impl Carried {
    pub(crate) fn key_id(&self) -> Option<&KeyId> {
        match self {
            Self::Nothing | Self::Uid(_) => None,
            Self::Unverified { key, .. } => Some(key),
            Self::Verified(verified) => Some(verified.claims.key_id()),
        }
    }

    pub(crate) fn video(&self) -> Option<&VideoId> {
        match self {
            Self::Nothing | Self::Unverified { .. } => None,
            Self::Uid(uid) => Some(uid),
            Self::Verified(verified) => Some(verified.claims.video()),
        }
    }

    pub(crate) fn fingerprint(&self) -> Option<TokenFingerprint> {
        match self {
            Self::Nothing | Self::Uid(_) => None,
            Self::Unverified { fingerprint, .. } => Some(*fingerprint),
            Self::Verified(verified) => Some(verified.fingerprint()),
        }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gate({:?})", self.catalogue.load())
    }
}

#[cfg(test)]
mod tests;
