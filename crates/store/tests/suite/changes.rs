//! The change log and its followers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use vidpass_store::{Change, ChangeSeq, Cursor, Deletion, Follower, NewVideo, Store, StoreError, Subject};
use vidpass_token::{AccountId, AccountPolicy, KeyId};

use crate::home::{Home, KEY, NOW, OTHER_KEY, Place, id, key_id, on_both_engines};

async fn changes_come_in_order_with_the_state_of_now(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_signing_key(&ours, KEY.public(), id("k"), NOW).await.unwrap();
    let film = store.register_video(&ours, NewVideo::private(Some(id("film"))), NOW).await.unwrap();
    store.update_video(&ours, &film.uid, NOW, |video| video.policy.downloads = true).await.unwrap();
    store.register_video(&ours, NewVideo::private(Some(id("gone"))), NOW).await.unwrap();
    store.delete_video(&ours, &id("gone"), NOW).await.unwrap();
    store.add_managed_key(&ours, &OTHER_KEY, NOW).await.unwrap();
    store.delete_signing_key(&ours, OTHER_KEY.id(), NOW).await.unwrap();

    let mut policy = film.policy;
    policy.downloads = true;
    let video = Subject::Video(id("film"), Some(policy.clone()));
    let gone = Subject::Video(id("gone"), None);
    let deleted = Subject::Key(OTHER_KEY.id().clone(), None);
    let key = Subject::Key(id("k"), Some((ours.clone(), KEY.public().clone())));
    let expected = [key, video.clone(), video, gone.clone(), gone, deleted.clone(), deleted];

    let changes = store.changes_since(Cursor::START).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.cursor.seq().get()).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(changes.iter().map(|change| &change.subject).collect::<Vec<_>>(), expected.each_ref());
    assert_eq!(store.changes_since(changes[4].cursor).await.unwrap(), changes[5..]);
    assert!(store.changes_since(changes[6].cursor).await.unwrap().is_empty());

    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.cursor, changes[6].cursor);
    assert_eq!(snapshot.keys, [(id("k"), ours, KEY.public().clone())]);
    assert_eq!(snapshot.videos, [(id("film"), policy)]);
}

async fn what_an_account_says_of_its_videos_is_a_change(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let said = AccountPolicy { dry_run: true, origin: Some(id("bucket")) };
    let edited = store.update_account(&ours, NOW, |account| account.policy = said.clone()).await.unwrap().unwrap();
    assert_eq!((&edited.policy, edited.name.as_str(), edited.created), (&said, "ours", NOW));
    assert_eq!(store.account(&ours).await.unwrap(), Some(edited));
    assert_eq!(store.update_account(&id("nobody"), NOW, |_| {}).await.unwrap(), None);

    let video = NewVideo { dry_run: Some(false), origin: Some(id("old")), ..NewVideo::private(Some(id("film"))) };
    let film = store.register_video(&ours, video, NOW).await.unwrap();
    assert_eq!((film.policy.dry_run, film.policy.origin.clone()), (Some(false), Some(id("old"))));
    assert_eq!(store.video(&ours, &film.uid).await.unwrap().as_ref(), Some(&film));

    let changes = store.changes_since(Cursor::START).await.unwrap();
    let subjects: Vec<_> = changes.into_iter().map(|change| change.subject).collect();
    let account = Subject::Account(ours.clone(), Some(said.clone()));
    assert_eq!(subjects, [account, Subject::Video(film.uid.clone(), Some(film.policy.clone()))]);
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.accounts, [(ours.clone(), Some(said))]);
    assert_eq!(snapshot.videos, [(film.uid, film.policy)]);

    store.update_account(&theirs, NOW, |account| account.policy = AccountPolicy::default()).await.unwrap();
    assert_eq!(store.snapshot().await.unwrap().accounts.len(), 1, "an account that says nothing is left out");
    home.tamper("UPDATE account SET origin = 'no name' WHERE id = 'ours'").await;
    assert_eq!(store.snapshot().await.unwrap().accounts, [(ours.clone(), None)], "it is told that nothing is known");
    let last = store.changes_since(Cursor::START).await.unwrap().remove(0);
    assert_eq!(last.subject, Subject::Account(ours, None));
}

async fn what_is_refused_leaves_no_change(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    store.add_signing_key(&ours, KEY.public(), id("k"), NOW).await.unwrap();
    store.register_video(&ours, NewVideo::private(Some(id("film"))), NOW).await.unwrap();
    store.add_signing_key(&ours, KEY.public(), id("k"), NOW).await.unwrap_err();
    store.register_video(&theirs, NewVideo::private(Some(id("film"))), NOW).await.unwrap_err();
    assert_eq!(store.delete_signing_key(&theirs, &id("k"), NOW).await.unwrap(), Deletion::Unknown);
    assert_eq!(store.delete_video(&theirs, &id("film"), NOW).await.unwrap(), Deletion::Unknown);
    assert_eq!(store.snapshot().await.unwrap().cursor.seq().get(), 2);
    store.delete_video(&ours, &id("film"), NOW).await.unwrap();
    assert_eq!(store.changes_since(Cursor::START).await.unwrap().len(), 3);
}

/// Twenty writers in two processes, and a reader who must never see a number before the one below it.
async fn no_change_is_missing_while_many_write(home: Home) {
    const WRITERS: usize = 20;
    const EACH: usize = 5;
    let (store, ours, _) = home.with_accounts().await;
    let elsewhere = home.store().await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, ours) = (if writer % 2 == 0 { store.clone() } else { elsewhere.clone() }, ours.clone());
            tokio::spawn(async move {
                for number in 0..EACH {
                    let key = key_id(writer * EACH + number);
                    store.add_signing_key(&ours, KEY.public(), key.clone(), NOW).await.unwrap();
                    let live = store.signing_key(&ours, &key).await.unwrap();
                    assert!(live.is_some(), "an acknowledged key is there");
                }
            })
        })
        .collect();
    let mut seen = Cursor::START;
    let deadline = Instant::now() + Duration::from_secs(60);
    while seen.seq().get() < i64::try_from(WRITERS * EACH).unwrap() {
        assert!(Instant::now() < deadline, "stuck after {seen:?}");
        for change in store.changes_since(seen).await.unwrap() {
            assert_eq!(change.cursor.seq().get(), seen.seq().get() + 1);
            assert!(matches!(change.subject, Subject::Key(_, Some(_))));
            seen = change.cursor;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.snapshot().await.unwrap().keys.len(), WRITERS * EACH);
}

async fn more_changes_than_one_answer_holds_come_in_several(home: Home) {
    let store = home.store().await;
    home.tamper(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)
         INSERT INTO change_log (seq, kind, subject) SELECT i, 'key', 'k' || i FROM n",
    )
    .await;
    home.tamper("UPDATE change_counter SET seq = 1001").await;
    let first = store.changes_since(Cursor::START).await.unwrap();
    assert_eq!(first.len(), vidpass_store::CHANGES_AT_ONCE);
    assert_eq!(store.changes_since(first.last().unwrap().cursor).await.unwrap().len(), 1);
}

async fn a_writer_returns_when_the_followers_have_applied(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let gate = Gate::start(&store).await;
    for number in 0..10 {
        store.add_signing_key(&ours, KEY.public(), key_id(number), NOW).await.unwrap();
        assert!(gate.has(&key_id(number)));
        store.delete_signing_key(&ours, &key_id(number), NOW).await.unwrap();
        assert!(!gate.has(&key_id(number)));
    }
}

async fn a_follower_sees_what_another_process_commits(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let gate = Gate::start(&store).await;
    let elsewhere = home.store().await;
    elsewhere.add_signing_key(&ours, KEY.public(), id("k"), NOW).await.unwrap();
    let seen = async {
        while !gate.has(&id("k")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(3), seen).await.expect("the poll finds it");
}

async fn a_write_that_a_follower_does_not_apply_is_kept_and_not_acknowledged(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let hanging = store.follower();
    let start = Instant::now();
    let error = store.add_signing_key(&ours, KEY.public(), id("k"), NOW).await.unwrap_err();
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert!(error.is_unavailable());
    assert_eq!(error.to_string(), "change 1 is kept, but this process's gate has not applied it yet");
    assert!(store.signing_key(&ours, &id("k")).await.unwrap().is_some());
    drop(hanging);
    store.delete_signing_key(&ours, &id("k"), NOW).await.unwrap();
}

/// A caller whose deletion was not acknowledged repeats it, and must not be told "done" before it is.
async fn a_repeated_deletion_waits_for_the_followers_as_well(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    store.add_signing_key(&ours, KEY.public(), id("k"), NOW).await.unwrap();
    store.register_video(&ours, NewVideo::private(Some(id("film"))), NOW).await.unwrap();
    store.add_managed_key(&theirs, &OTHER_KEY, NOW).await.unwrap();
    let behind = store.follower();
    // The gate of another process may be as far as it wants.
    let elsewhere = home.store().await;
    elsewhere.delete_signing_key(&ours, &id("k"), NOW).await.unwrap();
    elsewhere.delete_video(&ours, &id("film"), NOW).await.unwrap();
    elsewhere.delete_account(&theirs, NOW).await.unwrap();

    let (uid, key) = (id("film"), id("k"));
    let delete_all = || async {
        tokio::join!(
            store.delete_signing_key(&ours, &key, NOW),
            store.delete_video(&ours, &uid, NOW),
            store.delete_account(&theirs, NOW),
        )
    };
    let (key_deletion, video, account) = delete_all().await;
    for deletion in [key_deletion, video, account] {
        assert!(matches!(deletion, Err(StoreError::NotApplied { seq }) if seq.get() == 7), "{deletion:?}");
    }
    behind.applied(store.snapshot().await.unwrap().cursor.seq());
    let (key_deletion, video, account) = delete_all().await;
    for deletion in [key_deletion, video, account] {
        assert_eq!(deletion.unwrap(), Deletion::AlreadyDeleted);
    }
}

async fn a_writer_goes_on_when_the_last_follower_has_applied_or_is_gone(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let (applying, leaving) = (store.follower(), store.follower());
    let waited = wait_after_commit(&store, &ours, |seq| {
        applying.applied(seq);
        drop(leaving);
    });
    assert!(waited.await < Duration::from_secs(1));
    drop(applying);
    assert!(wait_after_commit(&store, &ours, |_| ()).await < Duration::from_secs(1));
}

/// How long a writer still waits after its commit, when `then` happens as soon as others see it.
async fn wait_after_commit(store: &Store, account: &AccountId, then: impl FnOnce(ChangeSeq)) -> Duration {
    let before = store.snapshot().await.unwrap().cursor;
    let key = key_id(usize::try_from(before.seq().get()).unwrap());
    let write = async {
        store.add_signing_key(account, KEY.public(), key, NOW).await.unwrap();
        Instant::now()
    };
    let observe = async {
        loop {
            if let [change] = store.changes_since(before).await.unwrap().as_slice() {
                then(change.cursor.seq());
                return Instant::now();
            }
        }
    };
    let (returned, committed) = tokio::join!(write, observe);
    returned.saturating_duration_since(committed)
}

async fn a_log_with_an_unreadable_entry_needs_a_snapshot(home: Home) {
    let store = with_three_keys(&home).await;
    home.tamper("UPDATE change_log SET subject = 'not an id' WHERE seq = 2").await;
    let error = store.changes_since(Cursor::START).await.unwrap_err();
    assert!(matches!(error, StoreError::ChangeUnreadable { seq } if seq.get() == 2), "{error:?}");
    assert!(error.needs_snapshot() && !error.is_unavailable());
    assert_goes_on_from_a_snapshot(&store).await;
    match &home.place {
        Place::Sqlite { .. } => {
            let sql = "PRAGMA ignore_check_constraints = ON; UPDATE change_log SET kind = 'other' WHERE seq = 1";
            home.tamper(sql).await;
        }
        Place::Postgres { .. } => {
            home.tamper("ALTER TABLE change_log DROP CONSTRAINT change_log_kind_check").await;
            home.tamper("UPDATE change_log SET kind = 'other' WHERE seq = 1").await;
        }
    }
    let error = store.changes_since(Cursor::START).await.unwrap_err();
    assert_eq!(error.to_string(), "change 1 in the change log cannot be read");
    assert_goes_on_from_a_snapshot(&store).await;
}

async fn a_log_with_a_gap_needs_a_snapshot(home: Home) {
    let store = with_three_keys(&home).await;
    for (sql, missing) in [
        ("DELETE FROM change_log WHERE seq = 3", 3),
        ("DELETE FROM change_log WHERE seq = 1", 1),
        ("DELETE FROM change_log", 1),
    ] {
        home.tamper(sql).await;
        let error = store.changes_since(Cursor::START).await.unwrap_err();
        assert!(matches!(error, StoreError::ChangeMissing { seq } if seq.get() == missing), "{sql}: {error:?}");
        assert!(error.needs_snapshot());
    }
    assert_goes_on_from_a_snapshot(&store).await;
}

/// As when an older backup is put in the database's place, or a failover loses commits.
async fn a_database_that_went_back_in_time_needs_a_snapshot(home: Home) {
    let store = with_three_keys(&home).await;
    let follower = store.follower();
    let known = store.snapshot().await.unwrap().cursor;
    follower.applied(known.seq());
    home.tamper("DELETE FROM change_log WHERE seq > 1").await;
    home.tamper("DELETE FROM signing_key WHERE id <> 'key-0'").await;
    home.tamper("UPDATE change_counter SET seq = 1").await;

    let error = store.changes_since(known).await.unwrap_err();
    assert_eq!(error.to_string(), "change 3 was seen, but the database knows only 1 changes: it went back in time");
    assert!(error.needs_snapshot());

    // Number 2 is given out again. Who applied the other change 2 did not apply this one.
    let deleted = store.delete_signing_key(&id("ours"), &key_id(0), NOW).await;
    assert!(matches!(deleted, Err(StoreError::NotApplied { seq }) if seq.get() == 2), "{deleted:?}");
    follower.applied(store.snapshot().await.unwrap().cursor.seq());
    assert_eq!(store.delete_signing_key(&id("ours"), &key_id(0), NOW).await.unwrap(), Deletion::AlreadyDeleted);
}

/// As when a failover loses commits, and others are made before anybody looks.
async fn a_database_that_went_back_and_on_again_needs_a_snapshot(home: Home) {
    let store = with_three_keys(&home).await;
    let known = store.snapshot().await.unwrap().cursor;
    home.tamper("DELETE FROM change_log WHERE seq > 1").await;
    home.tamper("DELETE FROM signing_key WHERE id <> 'key-0'").await;
    home.tamper("UPDATE change_counter SET seq = 1").await;
    for number in 3..6 {
        store.add_signing_key(&id("ours"), KEY.public(), key_id(number), NOW).await.unwrap();
    }
    let error = store.changes_since(known).await.unwrap_err();
    assert!(matches!(error, StoreError::ChangeReplaced { seq } if seq.get() == 3), "{error:?}");
    assert!(error.needs_snapshot());
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!((snapshot.cursor.seq().get(), snapshot.keys.len()), (4, 4));
}

async fn the_log_is_shortened_and_who_was_away_for_longer_needs_a_snapshot(home: Home) {
    let store = with_three_keys(&home).await;
    let known = store.snapshot().await.unwrap().cursor;
    home.tamper("UPDATE change_counter SET seq = 100999").await;
    store.add_signing_key(&id("ours"), KEY.public(), key_id(3), NOW).await.unwrap();
    let error = store.changes_since(Cursor::START).await.unwrap_err();
    assert!(matches!(error, StoreError::ChangeMissing { seq } if seq.get() == 1), "{error:?}");
    let error = store.changes_since(known).await.unwrap_err();
    assert!(matches!(error, StoreError::ChangeReplaced { seq } if seq.get() == 3), "{error:?}");
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!((snapshot.cursor.seq().get(), snapshot.keys.len()), (101_000, 4));
    assert!(store.changes_since(snapshot.cursor).await.unwrap().is_empty());
}

async fn a_snapshot_tells_what_was_deleted(home: Home) {
    let store = with_three_keys(&home).await;
    let ours = id("ours");
    store.delete_signing_key(&ours, &key_id(1), NOW).await.unwrap();
    store.register_video(&ours, NewVideo::private(Some(id("gone"))), NOW).await.unwrap();
    store.delete_video(&ours, &id("gone"), NOW).await.unwrap();
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!((snapshot.deleted_keys, snapshot.deleted_videos), (vec![key_id(1)], vec![id("gone")]));
}

/// The log holds number 1, 2 and 3.
async fn with_three_keys(home: &Home) -> Store {
    let (store, ours, _) = home.with_accounts().await;
    for number in 0..3 {
        store.add_signing_key(&ours, KEY.public(), key_id(number), NOW).await.unwrap();
    }
    store
}

async fn assert_goes_on_from_a_snapshot(store: &Store) {
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!((snapshot.cursor.seq().get(), snapshot.keys.len()), (3, 3));
    assert!(store.changes_since(snapshot.cursor).await.unwrap().is_empty());
}

async fn a_damaged_row_is_left_out_and_the_others_are_followed(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    for key in ["good", "bad"] {
        store.add_signing_key(&ours, KEY.public(), id(key), NOW).await.unwrap();
        store.register_video(&ours, NewVideo::private(Some(id(key))), NOW).await.unwrap();
    }
    home.tamper("UPDATE signing_key SET public_key = (SELECT value FROM store_meta) WHERE id = 'bad'").await;
    home.tamper("UPDATE video SET allowed_origins = '[\"not an origin\"]' WHERE uid = 'bad'").await;
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.keys.iter().map(|(key, _, _)| key.as_str()).collect::<Vec<_>>(), ["good"]);
    assert_eq!(snapshot.videos.iter().map(|(uid, _)| uid.as_str()).collect::<Vec<_>>(), ["good"]);
    let states: Vec<_> = store.changes_since(Cursor::START).await.unwrap().into_iter().map(is_live).collect();
    assert_eq!(states, [true, true, false, false]);
    let error = store.signing_key(&ours, &id("bad")).await.unwrap_err();
    assert_eq!(error.to_string(), "column `public_key` of `bad` in table `signing_key` cannot be read");
}

/// SQLite tells nobody, and its followers look every second.
#[test]
fn postgres_tells_followers_of_another_process_also_after_a_lost_connection() {
    crate::home::run(Home::postgres(), |home| async move {
        let (store, ours, _) = home.with_accounts().await;
        let gate = Gate::start(&store).await;
        let elsewhere = home.store().await;
        let mut number = 0;
        for lost in [false, true] {
            if lost {
                home.tamper("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'").await;
            }
            // From now on for as long as it takes to listen again.
            tokio::time::sleep(Duration::from_secs(3)).await;
            let mut waits = Vec::new();
            for _ in 0..9 {
                number += 1;
                elsewhere.add_signing_key(&ours, KEY.public(), key_id(number), NOW).await.unwrap();
                let started = Instant::now();
                while !gate.has(&key_id(number)) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                waits.push(started.elapsed());
            }
            waits.sort_unstable();
            // Without a word each takes the whole second until the next look.
            assert!(waits[4] < Duration::from_millis(500), "lost: {lost}, {waits:?}");
        }
    });
}

/// SQLite's readers never wait for a lock; a test beside its pool shows the same for it.
#[test]
fn callers_that_hold_every_connection_do_not_hold_a_follower_up() {
    crate::home::run(Home::postgres(), |home| async move {
        let (store, ours, _) = home.with_accounts().await;
        // A table that no follower reads.
        let slow = home.tamper("DO $$ BEGIN LOCK TABLE credential; PERFORM pg_sleep(3); END $$");
        let follow = async {
            while timeout(Duration::from_millis(100), store.list_credentials(&ours)).await.is_ok() {}
            let lists: Vec<_> = (0..20)
                .map(|_| {
                    let (store, ours) = (store.clone(), ours.clone());
                    tokio::spawn(async move { store.list_credentials(&ours).await })
                })
                .collect();
            timeout(Duration::from_millis(300), store.list_credentials(&ours))
                .await
                .expect_err("every connection is taken");
            timeout(Duration::from_secs(1), store.snapshot()).await.expect("a snapshot needs none of theirs").unwrap();
            let changes = timeout(Duration::from_secs(1), store.changes_since(Cursor::START)).await;
            assert!(changes.expect("changes need none of theirs").unwrap().is_empty());
            assert!(lists.iter().all(|list| !list.is_finished()), "they are still waiting");
        };
        tokio::join!(slow, follow);
    });
}

fn is_live(change: Change) -> bool {
    match change.subject {
        Subject::Account(_, state) => state.is_some(),
        Subject::Key(_, state) => state.is_some(),
        Subject::Revocation(_, state) => !state.is_empty(),
        Subject::Video(_, state) => state.is_some(),
    }
}

/// A gate reduced to its keys.
struct Gate {
    keys: Arc<Mutex<BTreeMap<KeyId, AccountId>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Gate {
    async fn start(store: &Store) -> Self {
        let follower = store.follower();
        let snapshot = store.snapshot().await.unwrap();
        follower.applied(snapshot.cursor.seq());
        let keys = snapshot.keys.into_iter().map(|(key, account, _)| (key, account)).collect();
        let keys = Arc::new(Mutex::new(keys));
        let task = tokio::spawn(Self::follow(store.clone(), follower, snapshot.cursor, Arc::clone(&keys)));
        Self { keys, task }
    }

    async fn follow(
        store: Store,
        mut follower: Follower,
        mut seen: Cursor,
        keys: Arc<Mutex<BTreeMap<KeyId, AccountId>>>,
    ) {
        loop {
            follower.changed().await;
            for change in store.changes_since(seen).await.unwrap() {
                seen = change.cursor;
                match change.subject {
                    Subject::Key(key, Some((account, _))) => drop(keys.lock().unwrap().insert(key, account)),
                    Subject::Key(key, None) => drop(keys.lock().unwrap().remove(&key)),
                    Subject::Account(..) | Subject::Revocation(..) | Subject::Video(..) => {}
                }
            }
            follower.applied(seen.seq());
        }
    }

    fn has(&self, key: &KeyId) -> bool {
        self.keys.lock().unwrap().contains_key(key)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

on_both_engines!(
    changes_come_in_order_with_the_state_of_now,
    what_an_account_says_of_its_videos_is_a_change,
    what_is_refused_leaves_no_change,
    no_change_is_missing_while_many_write,
    more_changes_than_one_answer_holds_come_in_several,
    a_writer_returns_when_the_followers_have_applied,
    a_follower_sees_what_another_process_commits,
    a_write_that_a_follower_does_not_apply_is_kept_and_not_acknowledged,
    a_repeated_deletion_waits_for_the_followers_as_well,
    a_writer_goes_on_when_the_last_follower_has_applied_or_is_gone,
    a_damaged_row_is_left_out_and_the_others_are_followed,
    a_log_with_an_unreadable_entry_needs_a_snapshot,
    a_log_with_a_gap_needs_a_snapshot,
    a_database_that_went_back_in_time_needs_a_snapshot,
    a_database_that_went_back_and_on_again_needs_a_snapshot,
    the_log_is_shortened_and_who_was_away_for_longer_needs_a_snapshot,
    a_snapshot_tells_what_was_deleted,
);
