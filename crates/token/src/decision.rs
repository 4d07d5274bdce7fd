//! From good claims to a permit: everything that a signature does not say.

use crate::checks::{self, Case};
use crate::claims::SignedClaims;
use crate::denial::Denial;
use crate::id::{AccountId, KeyId, OriginName, VideoId};
use crate::policy::{Terms, VideoPolicy};
use crate::revocation::Standing;
use crate::time::UnixTime;
use crate::viewer::Viewer;

/// One request, as far as a decision needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Who asks.
    pub viewer: &'a Viewer,
    /// The video that the path names, where the token does not stand in its place.
    pub named: Option<&'a VideoId>,
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

/// Proof that this viewer may have this video now. Only [`SignedClaims::admit`] and [`admit_without_token`] make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    video: VideoId,
    account: AccountId,
    origin: Option<OriginName>,
    token: Option<(KeyId, UnixTime)>,
    would_deny: Option<Box<Denial>>,
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

    /// The origin that has its files; `None` is the gate's own folder.
    #[must_use]
    pub fn origin(&self) -> Option<&OriginName> {
        self.origin.as_ref()
    }

    /// The key that signed the viewer's token; `None` for a viewer without one.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        self.token.as_ref().map(|(key, _)| key)
    }

    /// When the token's time is over, which a dry run may be past; `None` for a viewer without one.
    #[must_use]
    pub fn expires(&self) -> Option<UnixTime> {
        self.token.as_ref().map(|(_, expires)| *expires)
    }

    /// Why the viewer would be refused, were this no dry run.
    #[must_use]
    pub fn would_deny(&self) -> Option<&Denial> {
        self.would_deny.as_deref()
    }

    /// A permit, unless a check failed and this is no `dry_run`.
    fn or(
        denial: Option<Denial>,
        uid: &VideoId,
        video: &VideoPolicy,
        terms: &Terms<'_>,
        dry_run: bool,
        token: Option<(KeyId, UnixTime)>,
    ) -> Result<Self, Denial> {
        let would_deny = match denial {
            Some(denial) if !dry_run => return Err(denial),
            denial => denial.map(Box::new),
        };
        let origin = video.origin.as_ref().or(terms.account.origin.as_ref()).cloned();
        Ok(Self { video: uid.clone(), account: video.account.clone(), origin, token, would_deny })
    }
}

impl SignedClaims {
    /// Decides everything that the signature does not: owner, time, rules, origin, download, in this order.
    ///
    /// `key_account` owns the key that signed. `terms` are those of [`SignedClaims::video`] and of that account, and
    /// `standing` is the token's.
    ///
    /// # Errors
    /// The first check that failed. In a dry run it is [`Permit::would_deny`] instead, but for the owner: a video that is
    /// not the account's has no terms of the account's; and for a token that was taken back, or may have been.
    pub fn admit(
        &self,
        key_account: &AccountId,
        terms: &Terms<'_>,
        standing: Standing,
        ask: &Ask<'_>,
    ) -> Result<Permit, Denial> {
        let case = Case { claims: self, key_account, terms, standing, ask };
        let video = case.video()?;
        let denial = checks::first_failure(&case);
        let dry_run = terms.is_dry_run(video) && standing == Standing::Good;
        Permit::or(denial, self.video(), video, terms, dry_run, Some((self.key_id().clone(), self.expires())))
    }
}

/// Decides for a viewer who carries the bare `uid` and no token.
///
/// # Errors
/// [`Denial::TokenRequired`] for a video that needs a token and for one that the catalogue lacks alike, so that nobody
/// learns which videos exist; for a public video what its origins and downloads say.
pub fn admit_without_token(uid: &VideoId, terms: &Terms<'_>, ask: &Ask<'_>) -> Result<Permit, Denial> {
    let video = terms.video.ok_or(Denial::TokenRequired)?;
    let denial = checks::first_failure_without_token(video, terms, ask);
    Permit::or(denial, uid, video, terms, terms.is_dry_run(video), None)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::access::parse_rules;
    use crate::claims::Claims;
    use crate::json::Json;
    use crate::jws::TokenDigest;
    use crate::policy::{AccountPolicy, Limits};
    use crate::revocation::RevocationKind;
    use crate::viewer::{Country, Embedding};

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
    fn a_page_of_our_own_may_and_one_that_hides_may_not() {
        let site = VideoPolicy { allowed_origins: vec!["example.com".parse().unwrap()], ..video() };
        let public = VideoPolicy { require_signed_urls: false, ..site.clone() };
        let account = AccountPolicy::default();
        for (embedding, strict, lenient) in [
            (Embedding::Site("https://example.com".parse().unwrap()), true, true),
            (Embedding::Site("https://evil.example".parse().unwrap()), false, false),
            (Embedding::OwnPage, true, true),
            (Embedding::Nowhere, false, true),
            (Embedding::Hidden, false, false),
        ] {
            let viewer = Viewer::embedded("192.0.2.7".parse().unwrap(), Country::Unknown, embedding.clone());
            let ask = Ask { viewer: &viewer, named: None, asset: Asset::Media, now: NOW };
            for (allow_missing_origin, expected) in [(false, strict), (true, lenient)] {
                let limits = Limits { allow_missing_origin, ..Limits::default() };
                let terms = |video| Terms { video: Some(video), account: &account, limits: &limits };
                let signed = SignedClaims::new("k1".parse().unwrap(), TokenDigest::of("h.p"), claims());
                let with_token = signed.admit(&site.account, &terms(&site), Standing::Good, &ask);
                let without = admit_without_token(&"v1".parse().unwrap(), &terms(&public), &ask);
                assert_eq!((with_token.is_ok(), without.is_ok()), (expected, expected), "{embedding:?}");
            }
        }
    }

    #[test]
    fn the_account_of_the_key_owns_the_video() {
        let foreign = VideoPolicy::private("a2".parse().unwrap());
        assert_eq!(admit(claims(), &foreign, "", Asset::Media, &Limits::default()), "video_not_owned");
        let public = VideoPolicy { require_signed_urls: false, ..foreign };
        assert_eq!(admit(claims(), &public, "", Asset::Media, &Limits::default()), "video_not_owned");
    }

    #[test]
    fn a_token_beside_the_path_is_for_the_video_in_it() {
        let (named, other) = ("v1".parse().unwrap(), "v2".parse().unwrap());
        let at = |named, dry_run| {
            let account = AccountPolicy { dry_run, ..AccountPolicy::default() };
            decide(claims(), &video(), &account, |ask| Ask { named: Some(named), ..ask })
        };
        assert!(at(&named, false).is_ok());
        for dry_run in [false, true] {
            assert_eq!(at(&other, dry_run).unwrap_err().code(), "video_mismatch");
        }
    }

    #[test]
    fn a_dry_run_lets_in_and_says_what_it_would_have_done() {
        for (account, video_says, dry) in [
            (false, None, false),
            (true, None, true),
            (false, Some(true), true),
            (true, Some(false), false),
            (true, Some(true), true),
        ] {
            let account = AccountPolicy { dry_run: account, ..AccountPolicy::default() };
            let video = VideoPolicy { dry_run: video_says, ..video() };
            let late = |ask: Ask<'static>| Ask { now: UnixTime(NOW.0 + 60), ..ask };
            let decided = decide(claims(), &video, &account, late);
            let would = decided.as_ref().ok().and_then(Permit::would_deny).map(Denial::code);
            let denied = decided.as_ref().err().map(Denial::code);
            let code = Some("token_expired");
            assert_eq!((would, denied), if dry { (code, None) } else { (None, code) }, "{account:?} {video_says:?}");
            let good = decide(claims(), &video, &account, |ask| ask).unwrap();
            assert_eq!(good.would_deny(), None);
        }
    }

    #[test]
    fn what_was_taken_back_is_refused_in_a_dry_run_too() {
        let blocked = parse_rules(&Json::parse(br#"[{"type":"any","action":"block"}]"#).unwrap(), 5).unwrap();
        let video = video();
        for dry_run in [false, true] {
            let account = AccountPolicy { dry_run, ..AccountPolicy::default() };
            let (revoked, unknown) = (Standing::Revoked(RevocationKind::Viewer), Standing::Unknown);
            for (claims, standing, now, code) in [
                (claims(), revoked, NOW, "token_revoked"),
                (Claims { access_rules: blocked.clone(), ..claims() }, revoked, NOW, "token_revoked"),
                (claims(), revoked, UnixTime(NOW.0 + 60), "token_expired"),
                (claims(), unknown, NOW, "gate_cut_off"),
            ] {
                let limits = Limits::default();
                let terms = Terms { video: Some(&video), account: &account, limits: &limits };
                let viewer = viewer("");
                let ask = Ask { viewer: &viewer, named: None, asset: Asset::Media, now };
                let signed = SignedClaims::new("k1".parse().unwrap(), TokenDigest::of("h.p"), claims);
                let denial = signed.admit(&"a1".parse().unwrap(), &terms, standing, &ask).unwrap_err();
                assert_eq!(denial.code(), code, "{dry_run}");
            }
        }
    }

    #[test]
    fn a_dry_run_opens_no_video_of_another_account() {
        let dry = AccountPolicy { dry_run: true, ..AccountPolicy::default() };
        let foreign = VideoPolicy { dry_run: Some(true), ..VideoPolicy::private("a2".parse().unwrap()) };
        assert_eq!(decide(claims(), &foreign, &dry, |ask| ask).unwrap_err().code(), "video_not_owned");
        let terms = Terms { video: None, account: &dry, limits: &Limits::default() };
        let viewer = viewer("");
        let ask = Ask { viewer: &viewer, named: None, asset: Asset::Media, now: NOW };
        assert_eq!(admit_without_token(&"v1".parse().unwrap(), &terms, &ask), Err(Denial::TokenRequired));
    }

    #[test]
    fn a_dry_run_lets_in_without_a_token() {
        let (dry, uid) = (VideoPolicy { dry_run: Some(true), ..video() }, "v1".parse().unwrap());
        let terms = Terms { video: Some(&dry), account: &AccountPolicy::default(), limits: &Limits::default() };
        let viewer = viewer("");
        let ask = Ask { viewer: &viewer, named: None, asset: Asset::Media, now: NOW };
        assert_eq!(admit_without_token(&uid, &terms, &ask).unwrap().would_deny(), Some(&Denial::TokenRequired));
    }

    #[test]
    fn a_permit_tells_what_it_is_for() {
        let account = AccountPolicy { origin: Some("bucket".parse().unwrap()), ..AccountPolicy::default() };
        let permit = decide(claims(), &video(), &account, |ask| ask).unwrap();
        assert_eq!((permit.video().as_str(), permit.account().as_str()), ("v1", "a1"));
        assert_eq!((permit.key_id().map(KeyId::as_str), permit.expires()), (Some("k1"), Some(UnixTime(NOW.0 + 60))));
        assert_eq!(permit.origin().map(OriginName::as_str), Some("bucket"));
        let elsewhere = VideoPolicy { origin: Some("old".parse().unwrap()), ..video() };
        let permit = decide(claims(), &elsewhere, &account, |ask| ask).unwrap();
        assert_eq!(permit.origin().map(OriginName::as_str), Some("old"));

        let public = VideoPolicy { require_signed_urls: false, ..video() };
        let terms = Terms { video: Some(&public), account: &AccountPolicy::default(), limits: &Limits::default() };
        let viewer = viewer("");
        let ask = Ask { viewer: &viewer, named: None, asset: Asset::Media, now: NOW };
        let permit = admit_without_token(&"v1".parse().unwrap(), &terms, &ask).unwrap();
        assert_eq!(
            (permit.video().as_str(), permit.key_id(), permit.expires(), permit.origin()),
            ("v1", None, None, None)
        );
    }

    fn claims() -> Claims {
        Claims::new("v1".parse().unwrap(), UnixTime(NOW.0 + 60))
    }

    fn video() -> VideoPolicy {
        VideoPolicy::private("a1".parse().unwrap())
    }

    fn viewer(origin: &str) -> Viewer {
        Viewer::new("192.0.2.7".parse().unwrap(), Country::Unknown, origin.parse().ok())
    }

    /// What becomes of `claims`, signed by a key of account `a1`, for the request that `change` makes of a usual one.
    fn decide<'a>(
        claims: Claims,
        video: &VideoPolicy,
        account: &AccountPolicy,
        change: impl FnOnce(Ask<'static>) -> Ask<'a>,
    ) -> Result<Permit, Denial> {
        static VIEWER: std::sync::LazyLock<Viewer> = std::sync::LazyLock::new(|| viewer(""));
        let ask = change(Ask { viewer: &VIEWER, named: None, asset: Asset::Media, now: NOW });
        let terms = Terms { video: Some(video), account, limits: &Limits::default() };
        SignedClaims::new("k1".parse().unwrap(), TokenDigest::of("h.p"), claims).admit(
            &"a1".parse().unwrap(),
            &terms,
            Standing::Good,
            &ask,
        )
    }

    /// The denial's code, or `permit`, for a key of account `a1`.
    fn admit(claims: Claims, video: &VideoPolicy, origin: &str, asset: Asset, limits: &Limits) -> &'static str {
        let signed = SignedClaims::new("k1".parse().unwrap(), TokenDigest::of("h.p"), claims);
        let viewer = viewer(origin);
        let ask = Ask { viewer: &viewer, named: None, asset, now: NOW };
        let terms = Terms { video: Some(video), account: &AccountPolicy::default(), limits };
        signed
            .admit(&"a1".parse().unwrap(), &terms, Standing::Good, &ask)
            .map_or_else(|denial| denial.code(), |_| "permit")
    }
}
