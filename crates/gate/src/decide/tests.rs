mod memory;

use std::sync::LazyLock;
use std::time::Duration;

use vidpass_token::{
    AccountPolicy, Algorithm, Claims, Country, RevocationExtent, RevokedSubject, SigningKey, Taken, Token, VideoPolicy,
};

use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, id("key-1")).unwrap());
static OTHER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, id("key-1")).unwrap());

#[test]
fn a_gate_without_a_catalogue_refuses_everybody() {
    let gate = Gate::new(GateConfig::default(), &mut Registry::default());
    assert!(!gate.is_loaded());
    check(&gate, &format!("/{}/x", token("private").as_str()), "gate_not_loaded");
    check(&gate, "/public/x", "gate_not_loaded");
    gate.replace(Catalogue::default());
    assert!(gate.is_loaded());
    check(&gate, &format!("/{}/x", token("private").as_str()), "key_unknown");
    check(&gate, "/public/x", "token_required");
}

#[test]
fn who_gets_in() {
    let gate = gate();
    let path = |video| format!("/{}/manifest/video.m3u8", token(video).as_str());
    check(&gate, &path("private"), "permit");
    check(&gate, &path("private"), "permit");
    check(&gate, &path("public"), "permit");
    check(&gate, "/public/manifest/video.m3u8", "permit");
    check(&gate, "/private/manifest/video.m3u8", "token_required");
    check(&gate, "/nothing/manifest/video.m3u8", "token_required");
    check(&gate, &path("nothing"), "video_not_owned");
    check(&gate, &path("foreign"), "video_not_owned");
    check(&gate, &path("private").replace("manifest/video.m3u8", "downloads/default.mp4"), "download_not_allowed");
    check(&gate, "/public/downloads/default.mp4", "download_not_enabled");
    check(&gate, "/a.b/x", "token_malformed");
    check(&gate, "/a.b.c/x", "token_malformed");
    check(&gate, "/private.bak/x", "token_malformed");
    check(&gate, &format!("/a.{}.c/x", "b".repeat(5000)), "token_malformed");
    check(&gate, &path("private").replace("/manifest", "=/manifest"), "path_refused");
    check(&gate, &path("private").replace("/manifest", "~/manifest"), "token_malformed");
    check(&gate, &path("private").replace("/manifest", "A/manifest"), "signature_invalid");
}

#[test]
fn a_token_beside_the_path_is_for_the_video_in_it() {
    let gate = gate();
    let token = token("private");
    let beside = |video: &str, token: Option<&str>| {
        let target = format!("/{video}/x");
        let path = MediaPath::parse(&target).unwrap().with_token_beside(token).unwrap();
        let ask = MediaAsk { path: &path, viewer: &viewer(), now: NOW, is_cut_off: false };
        gate.examine(&ask).outcome.map_or_else(|denial| denial.code(), |_| "permit")
    };
    assert_eq!(beside("private", Some(token.as_str())), "permit");
    assert_eq!(beside("privat", Some(token.as_str())), "video_mismatch");
    assert_eq!(beside("Private", Some(token.as_str())), "video_mismatch");
    assert_eq!(beside("public", Some(token.as_str())), "video_mismatch");
    assert_eq!(beside("private", Some("")), "token_malformed");
    assert_eq!(beside("private", None), "token_required");
    assert_eq!(beside("public", None), "permit");
}

#[test]
fn an_account_of_which_nothing_can_be_told_is_refused() {
    let gate = gate();
    let path = format!("/{}/x", token("private").as_str());
    check(&gate, &path, "permit");
    gate.update(|catalogue| catalogue.insert_account(id("owner"), None));
    check(&gate, &path, "video_not_owned");
    check(&gate, "/public/x", "token_required");
    gate.update(|catalogue| catalogue.insert_account(id("owner"), Some(AccountPolicy::default())));
    check(&gate, &path, "permit");
}

#[test]
fn a_signature_that_was_seen_opens_nothing_once_the_key_has_gone_or_is_another() {
    let gate = gate();
    let path = format!("/{}/x", token("private").as_str());
    check(&gate, &path, "permit");
    gate.update(|catalogue| catalogue.insert_key(KEY.id().clone(), id("owner"), OTHER.public().clone()));
    check(&gate, &path, "signature_invalid");
    gate.update(|catalogue| catalogue.insert_key(KEY.id().clone(), id("somebody"), KEY.public().clone()));
    check(&gate, &path, "video_not_owned");
    gate.update(|catalogue| catalogue.insert_key(KEY.id().clone(), id("owner"), KEY.public().clone()));
    check(&gate, &path, "permit");
    gate.update(|catalogue| catalogue.remove_key(KEY.id()));
    check(&gate, &path, "key_unknown");
    gate.update(|catalogue| catalogue.insert_key(KEY.id().clone(), id("owner"), KEY.public().clone()));
    check(&gate, &path, "key_unknown");
}

#[test]
fn a_token_that_was_seen_is_taken_back() {
    let gate = gate();
    let token = KEY.sign(&Claims { viewer: Some("alice".parse().unwrap()), ..claims("private") }).unwrap();
    let path = format!("/{}/x", token.as_str());
    let owner: AccountId = id("owner");
    let taken = |extent| Box::from([Taken { extent, until: None }]);
    let verified = UnverifiedToken::parse(token.as_str()).unwrap().verify(KEY.public()).unwrap();
    for subject in [
        RevokedSubject::Token(verified.digest()),
        RevokedSubject::Viewer("alice".parse().unwrap()),
        RevokedSubject::Video(id("private")),
        RevokedSubject::Key(KEY.id().clone()),
    ] {
        check(&gate, &path, "permit");
        let elsewhere = subject.mark(&id("somebody"));
        gate.update(|catalogue| catalogue.set_revocations(elsewhere, taken(RevocationExtent::All)));
        check(&gate, &path, "permit");
        let mark = subject.mark(&owner);
        gate.update(|catalogue| catalogue.set_revocations(mark, taken(RevocationExtent::All)));
        check(&gate, &path, "token_revoked");
        gate.update(|catalogue| catalogue.set_revocations(mark, Box::default()));
    }
    check(&gate, &path, "permit");
    let video = RevokedSubject::Video(id("private")).mark(&owner);
    gate.update(|catalogue| catalogue.set_revocations(video, taken(RevocationExtent::IssuedBefore(UnixTime(1)))));
    check(&gate, &path, "token_revoked");
    let later = KEY.sign(&Claims { issued_at: Some(UnixTime(1)), ..claims("private") }).unwrap();
    check(&gate, &format!("/{}/x", later.as_str()), "permit");
}

#[test]
fn a_gate_that_is_cut_off_admits_nothing_that_can_be_taken_back() {
    let gate = gate();
    for (path, code) in [
        (format!("/{}/x", token("private").as_str()), "gate_cut_off"),
        (format!("/{}/x", token("nothing").as_str()), "video_not_owned"),
        ("/public/x".to_owned(), "permit"),
        ("/private/x".to_owned(), "token_required"),
    ] {
        let parsed = MediaPath::parse(&path).unwrap();
        let ask = MediaAsk { path: &parsed, viewer: &viewer(), now: NOW, is_cut_off: true };
        let outcome = gate.examine(&ask).outcome;
        assert_eq!(outcome.map_or_else(|denial| denial.code(), |_| "permit"), code);
    }
    assert!(!gate.is_cut_off());
}

#[test]
fn what_was_seen_is_decided_anew() {
    let gate = gate();
    let path = format!("/{}/x", token("private").as_str());
    check(&gate, &path, "permit");
    assert_eq!(outcome(&gate, &path, NOW.plus(Duration::from_secs(60))), "token_expired");
    gate.update(|catalogue| catalogue.remove_video(&id("private")));
    check(&gate, &path, "video_not_owned");
}

#[test]
fn what_may_be_logged_of_a_credential() {
    let gate = gate();
    let told = |target: &str| {
        let viewer = viewer();
        let path = MediaPath::parse(target).unwrap();
        let carried = gate.examine(&MediaAsk { path: &path, viewer: &viewer, now: NOW, is_cut_off: false }).carried;
        let text = |id: Option<&dyn ToString>| id.map_or("-".to_owned(), ToString::to_string);
        let video = text(carried.video().map(|id| id as _));
        (video, text(carried.key_id().map(|id| id as _)), carried.fingerprint().is_some())
    };
    let private = token("private");
    assert_eq!(told("/public/x"), ("public".into(), "-".into(), false));
    assert_eq!(told("/a.b.c/x"), ("-".into(), "-".into(), false));
    assert_eq!(told(&format!("/{}/x", private.as_str())), ("private".into(), "key-1".into(), true));
    let forged = OTHER.sign(&claims("private")).unwrap();
    assert_eq!(told(&format!("/{}/x", forged.as_str())), ("-".into(), "key-1".into(), true));
}

#[test]
fn a_new_configuration_is_heeded_at_the_next_request() {
    let gate = gate();
    let path = format!("/{}/x", token("private").as_str());
    check(&gate, &path, "permit");
    let limits = Limits { max_token_lifetime: Some(Duration::from_secs(59)), ..Limits::default() };
    gate.configure(GateConfig { limits, lease: Some(Duration::ZERO), ..GateConfig::default() });
    check(&gate, &path, "token_lifetime_exceeded");
    gate.heard_before(Some(Duration::from_secs(1)));
    assert!(gate.is_cut_off());
    gate.configure(GateConfig::default());
    assert!(!gate.is_cut_off());
    check(&gate, &path, "permit");
}

#[test]
fn what_the_gate_knows_is_counted() {
    let mut registry = Registry::default();
    let gate = Gate::new(GateConfig::default(), &mut registry);
    let counts = || {
        let text = scraped(&registry);
        let value = |name| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        (value("vidpass_gate_keys ").unwrap(), value("vidpass_gate_videos ").unwrap())
    };
    assert_eq!(counts(), ("0".into(), "0".into()));
    gate.replace(catalogue());
    assert_eq!(counts(), ("1".into(), "3".into()));
    gate.update(|catalogue| {
        catalogue.remove_key(KEY.id());
        catalogue.remove_video(&id("public"));
    });
    assert_eq!(counts(), ("0".into(), "2".into()));
}

fn scraped(registry: &Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    text
}

fn gate() -> Gate {
    let gate = Gate::new(GateConfig::default(), &mut Registry::default());
    gate.replace(catalogue());
    gate
}

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    catalogue.insert_key(KEY.id().clone(), id("owner"), KEY.public().clone());
    catalogue.insert_video(id("private"), VideoPolicy::private(id("owner")));
    catalogue.insert_video(id("foreign"), VideoPolicy::private(id("somebody")));
    let public = VideoPolicy { require_signed_urls: false, ..VideoPolicy::private(id("owner")) };
    catalogue.insert_video(id("public"), public);
    catalogue
}

fn claims(video: &str) -> Claims {
    Claims::new(id(video), NOW.plus(Duration::from_secs(60)))
}

fn token(video: &str) -> Token {
    KEY.sign(&claims(video)).unwrap()
}

fn viewer() -> Viewer {
    Viewer::new("192.0.2.7".parse().unwrap(), Country::Unknown, None)
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn outcome(gate: &Gate, target: &str, now: UnixTime) -> &'static str {
    let Ok(path) = MediaPath::parse(target) else { return "path_refused" };
    let viewer = viewer();
    let ask = MediaAsk { path: &path, viewer: &viewer, now, is_cut_off: false };
    gate.examine(&ask).outcome.map_or_else(|denial| denial.code(), |_| "permit")
}

#[track_caller]
fn check(gate: &Gate, target: &str, expected: &str) {
    assert_eq!(outcome(gate, target, NOW), expected, "{target}");
}
