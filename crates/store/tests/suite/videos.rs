//! The catalogue.

use serde_json::{Map, Value, json};
use vidpass_store::{Deletion, MAX_QUERY_TEXT, NewVideo, Store, StoreError, VideoQuery};
use vidpass_token::{AccountId, UnixTime, VideoId};

use crate::home::{Home, NOW, id, on_both_engines};

async fn a_video_is_found_as_it_was_registered(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let new = NewVideo {
        require_signed_urls: false,
        allowed_origins: vec![id("example.com"), id("*.example.com"), id("localhost:3000")],
        downloads: true,
        meta: object(json!({"name": "Film — 映画", "n": [1, 2.5, null], "nul": "a\u{0}b"})),
        creator: Some("someone".into()),
        scheduled_deletion: Some(UnixTime(NOW.0 + 86_400)),
        thumbnail_timestamp_pct: 0.529_241,
        ..NewVideo::private(Some(id("film")))
    };
    let video = store.register_video(&ours, new.clone(), NOW).await.unwrap();
    assert_eq!((video.uid.as_str(), &video.policy.account, video.created, video.modified), ("film", &ours, NOW, NOW));
    assert_eq!(video.policy.allowed_origins, new.allowed_origins);
    assert_eq!((video.policy.require_signed_urls, video.policy.downloads), (false, true));
    assert_eq!(store.video(&ours, &video.uid).await.unwrap().as_ref(), Some(&video));
    assert_eq!(store.list_videos(&ours, &VideoQuery::default()).await.unwrap().first(), Some(&video));

    assert_eq!(store.video(&theirs, &video.uid).await.unwrap(), None);
    assert!(store.list_videos(&theirs, &VideoQuery::default()).await.unwrap().is_empty());
    assert_eq!(store.delete_video(&theirs, &video.uid, NOW).await.unwrap(), Deletion::Unknown);
    assert_eq!(store.update_video(&theirs, &video.uid, NOW, |_| panic!("not theirs")).await.unwrap(), None);
}

async fn a_video_of_which_nothing_is_said_is_private(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let video = store.register_video(&ours, NewVideo::private(None), NOW).await.unwrap();
    assert_eq!(video.uid.as_str().len(), 32);
    assert!(video.policy.require_signed_urls && !video.policy.downloads);
    assert_eq!(store.video(&ours, &video.uid).await.unwrap(), Some(video));
}

async fn only_its_own_account_can_register_a_deleted_id_again(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let film = || NewVideo { creator: Some("secret".into()), ..NewVideo::private(Some(id("film"))) };
    let taken = |error| matches!(error, StoreError::VideoIdTaken { uid } if uid.as_str() == "film");
    let uid: VideoId = id("film");
    store.register_video(&ours, film(), NOW).await.unwrap();
    assert!(taken(store.register_video(&ours, film(), NOW).await.unwrap_err()));
    assert!(taken(store.register_video(&theirs, film(), NOW).await.unwrap_err()));

    assert_eq!(store.delete_video(&ours, &uid, NOW).await.unwrap(), Deletion::Deleted);
    assert_eq!(store.delete_video(&ours, &uid, NOW).await.unwrap(), Deletion::AlreadyDeleted);
    assert_eq!(store.delete_video(&ours, &id("unknown"), NOW).await.unwrap(), Deletion::Unknown);
    assert_eq!(store.video(&ours, &uid).await.unwrap(), None);
    assert_eq!(store.update_video(&ours, &uid, NOW, |_| panic!("deleted")).await.unwrap(), None);
    assert_eq!(home.tamper("UPDATE video SET creator = creator WHERE creator IS NULL AND meta = '{}'").await, 1);

    assert!(taken(store.register_video(&theirs, film(), NOW).await.unwrap_err()));
    let later = UnixTime(NOW.0 + 5);
    let again = store.register_video(&ours, NewVideo::private(Some(uid.clone())), later).await.unwrap();
    assert_eq!((again.created, &again.creator), (later, &None));
    assert_eq!(store.delete_video(&ours, &uid, NOW).await.unwrap(), Deletion::Deleted);
}

async fn an_edit_changes_what_it_says_and_nothing_else(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let before = store.register_video(&ours, NewVideo::private(Some(id("film"))), NOW).await.unwrap();
    let later = UnixTime(NOW.0 + 5);
    let edited = store
        .update_video(&ours, &before.uid, later, |video| {
            video.meta = object(json!({"name": "New"}));
            video.policy.downloads = true;
            video.scheduled_deletion = Some(later);
            video.thumbnail_timestamp_pct = 1.0;
            // Not for an edit to change.
            video.uid = id("other");
            video.policy.account = theirs.clone();
            video.created = later;
        })
        .await
        .unwrap()
        .unwrap();
    let mut expected = before.clone();
    expected.meta = object(json!({"name": "New"}));
    expected.policy.downloads = true;
    expected.scheduled_deletion = Some(later);
    expected.thumbnail_timestamp_pct = 1.0;
    expected.modified = later;
    assert_eq!(edited, expected);
    assert_eq!(store.video(&ours, &before.uid).await.unwrap(), Some(expected));
}

async fn of_two_edits_at_one_time_both_count(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let elsewhere = home.store().await;
    let uid: VideoId = id("film");
    store.register_video(&ours, NewVideo::private(Some(uid.clone())), NOW).await.unwrap();
    for round in 0..10 {
        let creator = Some(round.to_string());
        let (one, other) = tokio::join!(
            store.update_video(&ours, &uid, NOW, |video| video.policy.downloads = !video.policy.downloads),
            elsewhere.update_video(&ours, &uid, NOW, |video| video.creator.clone_from(&creator)),
        );
        one.unwrap().unwrap();
        other.unwrap().unwrap();
        let video = store.video(&ours, &uid).await.unwrap().unwrap();
        assert_eq!((video.policy.downloads, video.creator), (round % 2 == 0, creator));
    }
}

async fn videos_are_listed_as_asked_for(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    for (uid, name, creator, seconds) in [
        ("a", "100 % Ärger", "ada", 0),
        ("b", "Holiday_1", "ada", 10),
        ("c", "holidays", "bob", 10),
        ("d", "back\\slash", "bob", 20),
    ] {
        register(&store, &ours, uid, name, creator, seconds).await;
    }
    register(&store, &theirs, "e", "holiday", "ada", 10).await;
    let query = VideoQuery::default;
    let text = |text: &str| Some(text.to_owned());
    let at = |seconds| Some(UnixTime(NOW.0 + seconds));
    let cases = [
        (query(), "d c b a"),
        (VideoQuery { ascending: true, ..query() }, "a b c d"),
        (VideoQuery { limit: 2, ..query() }, "d c"),
        (VideoQuery { limit: 0, ..query() }, ""),
        (VideoQuery { limit: u32::MAX, ..query() }, "d c b a"),
        (VideoQuery { after: at(0), ..query() }, "d c b"),
        (VideoQuery { before: at(20), ..query() }, "c b a"),
        (VideoQuery { after: at(0), before: at(20), ascending: true, ..query() }, "b c"),
        (VideoQuery { uid: Some(id("a")), limit: 1, ..query() }, "a"),
        (VideoQuery { uid: Some(id("A")), ..query() }, ""),
        (VideoQuery { uid: Some(id("a")), creator: text("bob"), ..query() }, ""),
        // Another account's.
        (VideoQuery { uid: Some(id("e")), ..query() }, ""),
        (VideoQuery { creator: text("ada"), ..query() }, "b a"),
        (VideoQuery { creator: text("Ada"), ..query() }, ""),
        (VideoQuery { search: text("HOLIDAY"), ..query() }, "c b"),
        (VideoQuery { search: text("y_"), ..query() }, "b"),
        (VideoQuery { search: text("%"), ..query() }, "a"),
        (VideoQuery { search: text("ä"), ..query() }, "a"),
        (VideoQuery { search: text("\\"), ..query() }, "d"),
        (VideoQuery { search: text("' OR 1=1 --"), ..query() }, ""),
        (VideoQuery { search: text("holiday"), creator: text("bob"), ..query() }, "c"),
    ];
    for (query, expected) in cases {
        let listed = store.list_videos(&ours, &query).await.unwrap();
        let uids: Vec<_> = listed.iter().map(|video| video.uid.as_str()).collect();
        assert_eq!(uids.join(" "), expected, "{query:?}");
    }
}

async fn a_query_with_a_long_text_is_refused(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    // Characters that are longest as a pattern, and as bytes.
    for character in ["%", "𝕏"] {
        let text = Some(character.repeat(MAX_QUERY_TEXT));
        let query = VideoQuery { search: text.clone(), creator: text, ..VideoQuery::default() };
        assert!(store.list_videos(&ours, &query).await.unwrap().is_empty());
    }
    let long = |length| Some("%".repeat(length));
    let search = VideoQuery { search: long(60_000), ..VideoQuery::default() };
    let error = store.list_videos(&ours, &search).await.unwrap_err();
    assert_eq!(error.to_string(), "`search` has 60000 characters; 256 are allowed");
    let creator = VideoQuery { creator: long(257), ..VideoQuery::default() };
    let error = store.list_videos(&ours, &creator).await.unwrap_err();
    assert_eq!(error.to_string(), "`creator` has 257 characters; 256 are allowed");
}

async fn videos_go_when_their_time_has_come(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    for number in 0..120_i64 {
        let account = if number % 2 == 0 { &ours } else { &theirs };
        let scheduled_deletion = Some(UnixTime(NOW.0 + number));
        let new = NewVideo { scheduled_deletion, ..NewVideo::private(Some(id(&format!("v{number}")))) };
        store.register_video(account, new, NOW).await.unwrap();
    }
    store.register_video(&ours, NewVideo::private(Some(id("kept"))), NOW).await.unwrap();
    let before = store.snapshot().await.unwrap().cursor;

    assert_eq!(store.delete_scheduled_videos(UnixTime(NOW.0 - 1)).await.unwrap(), 0);
    assert_eq!(store.delete_scheduled_videos(UnixTime(NOW.0 + 109)).await.unwrap(), 110);
    assert_eq!(store.delete_scheduled_videos(UnixTime(NOW.0 + 109)).await.unwrap(), 0);
    assert_eq!(store.snapshot().await.unwrap().videos.len(), 11);
    assert_eq!(store.changes_since(before).await.unwrap().len(), 110);
    assert_eq!(store.delete_video(&ours, &id("v0"), NOW).await.unwrap(), Deletion::AlreadyDeleted);
}

async fn a_video_with_an_unreadable_id_does_not_keep_the_others(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    for (uid, seconds) in [("damaged", 0), ("due", 1), ("later", 9)] {
        let scheduled_deletion = Some(UnixTime(NOW.0 + seconds));
        let new = NewVideo { scheduled_deletion, ..NewVideo::private(Some(id(uid))) };
        store.register_video(&ours, new, NOW).await.unwrap();
    }
    home.tamper("UPDATE video SET uid = 'not an id' WHERE uid = 'damaged'").await;
    let before = store.snapshot().await.unwrap().cursor;
    assert_eq!(store.delete_scheduled_videos(UnixTime(NOW.0 + 5)).await.unwrap(), 2);
    assert_eq!(store.delete_scheduled_videos(UnixTime(NOW.0 + 5)).await.unwrap(), 0);
    assert_eq!(store.list_videos(&ours, &VideoQuery::default()).await.unwrap().len(), 1);
    assert_eq!(store.changes_since(before).await.unwrap().len(), 1);
}

async fn register(store: &Store, account: &AccountId, uid: &str, name: &str, creator: &str, seconds: i64) {
    let meta = object(json!({"name": name}));
    let new = NewVideo { meta, creator: Some(creator.into()), ..NewVideo::private(Some(id(uid))) };
    store.register_video(account, new, UnixTime(NOW.0 + seconds)).await.unwrap();
}

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

on_both_engines!(
    a_video_is_found_as_it_was_registered,
    a_video_of_which_nothing_is_said_is_private,
    only_its_own_account_can_register_a_deleted_id_again,
    an_edit_changes_what_it_says_and_nothing_else,
    of_two_edits_at_one_time_both_count,
    videos_are_listed_as_asked_for,
    a_query_with_a_long_text_is_refused,
    videos_go_when_their_time_has_come,
    a_video_with_an_unreadable_id_does_not_keep_the_others,
);
