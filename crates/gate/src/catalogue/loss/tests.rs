use vidpass_token::{
    Algorithm, Claims, KeyId, RevocationExtent, RevokedSubject, SigningKey, Taken, TokenMarks, UnixTime,
    UnverifiedToken, VideoPolicy,
};

use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);

#[test]
fn what_leads_on_loses_nothing() {
    let mut new = catalogue(&["k"], &["v"]);
    assert!(new.take_over(&catalogue(&["k"], &["v"])).is_nothing());
    assert!(new.take_over(&Catalogue::default()).is_nothing(), "there was nothing before");
    assert!(new.key(&id("k")).is_some() && new.video(&"v".parse().unwrap()).is_some());
}

#[test]
fn what_was_deleted_does_not_come_back() {
    let mut old = catalogue(&["a", "b"], &["v", "w"]);
    old.remove_key(&id("a"));
    old.remove_video(&"v".parse().unwrap());
    let mut new = catalogue(&["a", "b"], &["v", "w"]);
    assert_eq!(new.take_over(&old), Loss { keys: 1, videos: 1, ..Loss::default() });
    assert_eq!((new.key_count(), new.video_count()), (1, 1));
    // Through another loss as well.
    let mut newer = catalogue(&["a"], &["v"]);
    newer.take_over(&new);
    assert_eq!((newer.key_count(), newer.video_count()), (0, 0));
    // A video may be registered anew; no key ever has the id of another one.
    newer.insert_video("v".parse().unwrap(), VideoPolicy::private("ours".parse().unwrap()));
    insert_key(&mut newer, "a");
    assert_eq!((newer.key_count(), newer.video_count()), (0, 1));
}

#[test]
fn what_a_gate_never_knew_is_as_the_store_says() {
    let mut new = catalogue(&["new"], &["new"]);
    assert!(new.take_over(&catalogue(&["lost"], &["lost"])).is_nothing());
    assert!(new.key(&id("new")).is_some() && new.key(&id("lost")).is_none());
    assert!(new.video(&"lost".parse().unwrap()).is_none());
}

#[test]
fn a_video_and_an_account_stay_as_private_as_they_were() {
    let open = |catalogue: &mut Catalogue| {
        let mut policy = VideoPolicy::private("ours".parse().unwrap());
        policy.require_signed_urls = false;
        catalogue.insert_video("v".parse().unwrap(), policy);
        catalogue.insert_account("ours".parse().unwrap(), Some(AccountPolicy { dry_run: true, origin: None }));
    };
    let mut new = Catalogue::default();
    open(&mut new);
    assert_eq!(new.take_over(&catalogue(&[], &["v"])), Loss { videos: 1, accounts: 1, ..Loss::default() });
    let video = "v".parse().unwrap();
    let (policy, account) = new.video_of_owner(&video);
    assert!(policy.unwrap().require_signed_urls && !account.dry_run);
    // Until somebody says so again.
    open(&mut new);
    let (policy, account) = new.video_of_owner(&video);
    assert!(!policy.unwrap().require_signed_urls && account.dry_run);
}

#[test]
fn what_was_taken_back_stays_so_whatever_is_taken_back_later() {
    let key = SigningKey::generate(Algorithm::Es256, id("k")).unwrap();
    let claims = Claims {
        viewer: Some("alice".parse().unwrap()),
        viewer_version: Some(vidpass_token::ViewerVersion(7)),
        ..Claims::new("v".parse().unwrap(), UnixTime(NOW.0 + 60))
    };
    let token = key.sign(&claims).unwrap();
    let claims = UnverifiedToken::parse(token.as_str()).unwrap().verify(key.public()).unwrap();
    let account = "ours".parse().unwrap();
    let marks = TokenMarks::of(&account, &claims);
    let mark = RevokedSubject::Viewer("alice".parse().unwrap()).mark(&account);
    let up_to =
        |version| Taken { extent: RevocationExtent::Versions(vidpass_token::ViewerVersion(version)), until: None };

    let mut old = Catalogue::default();
    old.set_revocations(mark, Box::from([up_to(7)]));
    let mut new = Catalogue::default();
    new.set_revocations(mark, Box::from([up_to(3)]));
    assert_eq!(new.take_over(&old), Loss { revocations: 1, ..Loss::default() });
    for later in [vec![], vec![up_to(2)]] {
        new.set_revocations(mark, later.into());
        assert_ne!(new.standing(&marks, &claims, NOW), vidpass_token::Standing::Good);
    }
    let mut newer = Catalogue::default();
    newer.set_revocations(mark, Box::from([up_to(7)]));
    // The store has the one again, and never heard of the other.
    assert_eq!(newer.take_over(&new), Loss { revocations: 1, ..Loss::default() });
    assert_ne!(newer.standing(&marks, &claims, NOW), vidpass_token::Standing::Good);
}

fn catalogue(keys: &[&str], videos: &[&str]) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for key in keys {
        insert_key(&mut catalogue, key);
    }
    for video in videos {
        catalogue.insert_video(video.parse().unwrap(), VideoPolicy::private("ours".parse().unwrap()));
    }
    catalogue
}

fn insert_key(catalogue: &mut Catalogue, key: &str) {
    let public = SigningKey::generate(Algorithm::Es256, id(key)).unwrap().public().clone();
    catalogue.insert_key(id(key), "ours".parse().unwrap(), public);
}

fn id(key: &str) -> KeyId {
    key.parse().unwrap()
}
