//! The life of managed keys: when each signs, what is known of its tokens, and its end.

use std::time::Duration;

use vidpass_store::{
    ActiveKey, Deletion, KeyState, MAX_MANAGED_KEYS, Occasion, RotateEvery, RotateEveryError, RotatedKey, Store,
    StoreError,
};
use vidpass_token::{AccountId, Algorithm, KeyId, SigningKey, UnixTime};

use crate::home::{Home, NOW, key_id, on_both_engines};

/// When the first successor signs.
const LATER: UnixTime = UnixTime(NOW.0 + 31);

async fn a_key_signs_from_its_time_on_and_the_one_before_until_then(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let first = store.add_managed_key(&ours, &key(1), NOW).await.unwrap();
    assert_eq!(first, home.learnt());
    assert_eq!(rotate(&store, &ours, 2, LATER).await, RotatedKey { signs_from: LATER, replaces: Some(key_id(1)) });

    assert_eq!(signer(&store, &ours, first.0 - 1).await, None);
    assert_eq!(signer(&store, &ours, first.0).await, Some(key_id(1)));
    assert_eq!(signer(&store, &ours, LATER.0 - 1).await, Some(key_id(1)));
    assert_eq!(signer(&store, &ours, LATER.0).await, Some(key_id(2)));
    assert_eq!(signer(&store, &theirs, LATER.0).await, None);

    check_states(&store, &ours, LATER.0 - 1, "active pending").await;
    check_states(&store, &ours, LATER.0, "retired active").await;
    // Gates know all of them, whatever their state.
    assert_eq!(store.snapshot().await.unwrap().keys.len(), 2);
}

async fn of_several_pending_keys_each_has_its_turn(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_managed_key(&ours, &key(1), NOW).await.unwrap();
    for number in 2..=4 {
        let expected = UnixTime(LATER.0 + i64::try_from(number).unwrap() - 2);
        // Asked for in one second, they begin in three.
        let made = rotate(&store, &ours, number, LATER).await;
        assert_eq!(made, RotatedKey { signs_from: expected, replaces: Some(key_id(number - 1)) });
    }
    check_states(&store, &ours, LATER.0 - 1, "active pending pending pending").await;
    check_states(&store, &ours, LATER.0, "retired active pending pending").await;
    check_states(&store, &ours, LATER.0 + 1, "retired retired active pending").await;
    check_states(&store, &ours, LATER.0 + 2, "retired retired retired active").await;
}

async fn of_two_rotations_at_one_time_both_have_a_place(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_managed_key(&ours, &key(1), NOW).await.unwrap();
    let elsewhere = home.store().await;
    let (one, other) = tokio::join!(rotate(&store, &ours, 2, LATER), rotate(&elsewhere, &ours, 3, LATER));
    let mut starts = [one.signs_from.0, other.signs_from.0];
    starts.sort_unstable();
    assert_eq!(starts, [LATER.0, LATER.0 + 1]);
}

async fn a_schedule_rotates_once_whoever_asks(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let day = RotateEvery::try_from(Duration::from_secs(86_400)).unwrap();
    for account in [&ours, &theirs] {
        let edited =
            store.update_account(account, NOW, |account| account.rotate_every = Some(day)).await.unwrap().unwrap();
        assert_eq!(edited.rotate_every, Some(day));
    }
    assert!(store.rotations_due(UnixTime(NOW.0 + 1_000_000)).await.unwrap().is_empty(), "there is no key yet");
    store.add_managed_key(&ours, &key(1), NOW).await.unwrap();
    store.update_account(&ours, NOW, |account| "renamed".clone_into(&mut account.name)).await.unwrap();

    let due = UnixTime(NOW.0 + 86_400);
    assert!(store.rotations_due(UnixTime(due.0 - 1)).await.unwrap().is_empty());
    let found = store.rotations_due(due).await.unwrap();
    assert_eq!(found.iter().map(|due| (&due.account, due.algorithm)).collect::<Vec<_>>(), [(&ours, Algorithm::Es256)]);

    let elsewhere = home.store().await;
    let begin = UnixTime(due.0 + 31);
    let (two, three) = (key(2), key(3));
    let (one, other) = tokio::join!(
        store.rotate_managed_key(&ours, &two, begin, Occasion::Scheduled, due),
        elsewhere.rotate_managed_key(&ours, &three, begin, Occasion::Scheduled, due),
    );
    let made: Vec<RotatedKey> = [one, other].into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(made, [RotatedKey { signs_from: begin, replaces: Some(key_id(1)) }]);
    assert!(store.rotations_due(UnixTime(due.0 + 86_399)).await.unwrap().is_empty());
    assert_eq!(store.rotations_due(UnixTime(due.0 + 86_400)).await.unwrap().len(), 1);

    store.update_account(&ours, NOW, |account| account.rotate_every = None).await.unwrap();
    assert!(store.rotations_due(UnixTime(due.0 + 86_400)).await.unwrap().is_empty());
    let off = store.rotate_managed_key(&ours, &key(4), begin, Occasion::Scheduled, begin).await.unwrap();
    assert_eq!(off, None);
    assert_eq!(RotateEvery::try_from(Duration::from_secs(3599)), Err(RotateEveryError));
}

async fn the_end_of_tokens_is_written_ahead_and_never_back(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    store.add_managed_key(&ours, &key(1), NOW).await.unwrap();
    // What is asked for, and what is known after it: NOW is a multiple of five minutes.
    for (exp, expected) in [(1, 300), (300, 300), (301, 600), (200, 600), (600, 600), (86_400, 86_400), (5, 86_400)] {
        assert!(store.raise_latest_exp(&ours, &key_id(1), None, UnixTime(NOW.0 + exp)).await.unwrap());
        assert_eq!(latest_exp(&home, &store, &ours).await, Some(UnixTime(NOW.0 + expected)), "{exp}");
    }
    // Within what is known, nothing is asked and nothing written.
    let known = latest_exp(&home, &store, &ours).await;
    store.close().await;
    assert!(store.raise_latest_exp(&ours, &key_id(1), known, UnixTime(NOW.0 + 86_400)).await.unwrap());
    let beyond = store.raise_latest_exp(&ours, &key_id(1), known, UnixTime(NOW.0 + 86_401)).await.unwrap_err();
    assert!(beyond.is_unavailable());

    let store = home.store().await;
    let exp = UnixTime(NOW.0 + 90_000);
    assert!(!store.raise_latest_exp(&theirs, &key_id(1), None, exp).await.unwrap());
    store.delete_signing_key(&ours, &key_id(1), NOW).await.unwrap();
    assert!(!store.raise_latest_exp(&ours, &key_id(1), known, exp).await.unwrap(), "it signs nothing any more");
}

async fn of_two_who_raise_the_end_at_one_time_the_later_stays(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_managed_key(&ours, &key(1), NOW).await.unwrap();
    let elsewhere = home.store().await;
    for round in 0..10 {
        let (near, far) = (UnixTime(NOW.0 + 3000 + round), UnixTime(NOW.0 + 6000 + 300 * round));
        let key = key_id(1);
        let (one, other) = tokio::join!(
            store.raise_latest_exp(&ours, &key, None, near),
            elsewhere.raise_latest_exp(&ours, &key, None, far)
        );
        assert!(one.unwrap() && other.unwrap());
        assert_eq!(latest_exp(&home, &store, &ours).await, Some(far));
    }
}

async fn a_retired_key_is_deleted_when_its_last_token_is_over(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    store.add_managed_key(&ours, &key(1), NOW).await.unwrap();
    store.add_managed_key(&theirs, &key(9), NOW).await.unwrap();
    let exp = UnixTime(NOW.0 + 3600);
    for (account, key) in [(&ours, 1), (&theirs, 9)] {
        store.raise_latest_exp(account, &key_id(key), None, exp).await.unwrap();
    }
    rotate(&store, &ours, 2, LATER).await;
    assert_eq!(safe_to_delete_from(&store, &ours, 1, LATER.0 - 1).await, None, "it may sign more");
    assert_eq!(safe_to_delete_from(&store, &ours, 1, LATER.0).await, Some(exp));
    assert_eq!(safe_to_delete_from(&store, &ours, 2, LATER.0).await, None);

    let over = exp.0 + 60;
    assert!(store.delete_retired_keys(UnixTime(over - 1)).await.unwrap().is_empty());
    let elsewhere = home.store().await;
    let (one, other) =
        tokio::join!(store.delete_retired_keys(UnixTime(over)), elsewhere.delete_retired_keys(UnixTime(over)));
    assert_eq!([one.unwrap(), other.unwrap()].concat(), [key_id(1)]);
    check_states(&store, &ours, over, "active").await;
    // A key without a successor stays, however old.
    check_states(&store, &theirs, over, "active").await;
    assert_eq!(home.bytes("SELECT sealed_private_key FROM signing_key WHERE id = 'key-1'").await, None);
    assert!(store.delete_retired_keys(UnixTime(over + 1_000_000)).await.unwrap().is_empty());
}

async fn a_key_that_never_signed_is_deleted_a_minute_after_its_time(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_managed_key(&ours, &key(1), NOW).await.unwrap();
    rotate(&store, &ours, 2, LATER).await;
    assert_eq!(safe_to_delete_from(&store, &ours, 1, LATER.0).await, Some(LATER));
    assert!(store.delete_retired_keys(UnixTime(LATER.0 + 59)).await.unwrap().is_empty());
    assert_eq!(store.delete_retired_keys(UnixTime(LATER.0 + 60)).await.unwrap(), [key_id(1)]);
}

async fn where_the_active_key_was_deleted_the_pending_one_that_is_known_longest_begins(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    store.add_managed_key(&ours, &key(1), NOW).await.unwrap();
    rotate(&store, &ours, 2, LATER).await;
    rotate(&store, &ours, 3, LATER).await;
    // While one signs, nothing is advanced.
    assert_eq!(store.advance_managed_key(&ours, home.learnt()).await.unwrap(), Some(home.learnt()));
    check_states(&store, &ours, LATER.0 - 1, "active pending pending").await;

    store.delete_signing_key(&ours, &key_id(1), NOW).await.unwrap();
    assert_eq!(signer(&store, &ours, LATER.0 - 1).await, None);
    // In the second in which it was made, gates elsewhere may not know it.
    assert_eq!(store.advance_managed_key(&ours, NOW).await.unwrap(), Some(home.learnt()));
    assert_eq!(signer(&store, &ours, home.learnt().0 - 1).await, None);
    assert_eq!(signer(&store, &ours, home.learnt().0).await, Some(key_id(2)));
    check_states(&store, &ours, LATER.0, "active pending").await;
    assert_eq!(store.advance_managed_key(&theirs, NOW).await.unwrap(), None);
}

async fn where_the_active_key_was_deleted_a_retired_one_signs_again(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_managed_key(&ours, &key(1), NOW).await.unwrap();
    rotate(&store, &ours, 2, LATER).await;
    rotate(&store, &ours, 3, UnixTime(LATER.0 + 1000)).await;
    store.delete_signing_key(&ours, &key_id(2), LATER).await.unwrap();
    assert_eq!(signer(&store, &ours, LATER.0).await, Some(key_id(1)));
    check_states(&store, &ours, LATER.0, "active pending").await;
}

async fn an_account_has_at_most_100_managed_keys(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_managed_key(&ours, &key(1), NOW).await.unwrap();
    let rows = home
        .tamper(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 98)
             INSERT INTO signing_key (id, account_id, public_key, sealed_private_key, managed, created, signs_from)
             SELECT 'many-' || i, account_id, public_key, sealed_private_key, 1, created, signs_from + i
             FROM signing_key, n WHERE id = 'key-1'",
        )
        .await;
    assert_eq!(rows, MAX_MANAGED_KEYS - 2);
    rotate(&store, &ours, 2, LATER).await;
    let error = store.rotate_managed_key(&ours, &key(3), LATER, Occasion::Asked, NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "account `ours` has 100 managed keys, which is the limit");
    // They go with their account.
    assert_eq!(store.delete_account(&ours, NOW).await.unwrap(), Deletion::Deleted);
    assert!(store.snapshot().await.unwrap().keys.is_empty());
    let error = store.rotate_managed_key(&ours, &key(3), LATER, Occasion::Asked, NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::AccountUnknown { .. }));
}

async fn uses_are_counted_and_written_down_together(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_managed_key(&ours, &key(1), NOW).await.unwrap();
    store.add_signing_key(&ours, key(2).public(), key_id(2), NOW).await.unwrap();
    for (number, seconds) in [(1, 5), (1, 9), (1, 7), (2, 3)] {
        store.count_key_use(&key_id(number), UnixTime(NOW.0 + seconds));
    }
    check_uses(&store, &ours, 1, 0, None).await;
    store.write_key_uses().await.unwrap();
    check_uses(&store, &ours, 1, 3, Some(9)).await;
    check_uses(&store, &ours, 2, 1, Some(3)).await;
    store.write_key_uses().await.unwrap();
    check_uses(&store, &ours, 1, 3, Some(9)).await;
    // Two processes count one key; an earlier moment does not win.
    let elsewhere = home.store().await;
    elsewhere.count_key_use(&key_id(1), UnixTime(NOW.0 + 4));
    elsewhere.write_key_uses().await.unwrap();
    check_uses(&store, &ours, 1, 4, Some(9)).await;
}

async fn the_algorithm_is_that_of_the_newest_managed_key(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    assert_eq!(store.managed_key_algorithm(&ours).await.unwrap(), None);
    store.add_managed_key(&ours, &key(1), NOW).await.unwrap();
    let next = SigningKey::generate(Algorithm::EdDsa, key_id(2)).unwrap();
    store.rotate_managed_key(&ours, &next, LATER, Occasion::Asked, NOW).await.unwrap();
    assert_eq!(store.managed_key_algorithm(&ours).await.unwrap(), Some(Algorithm::EdDsa));
    let found = store.managed_key(&ours, LATER).await.unwrap();
    assert_eq!(found, Some(ActiveKey { id: key_id(2), latest_exp: None }));
    assert!(store.open_managed_key(&ours, &key_id(2)).await.unwrap().is_some());
}

fn key(number: usize) -> SigningKey {
    SigningKey::generate(Algorithm::Es256, key_id(number)).unwrap()
}

async fn rotate(store: &Store, account: &AccountId, number: usize, signs_from: UnixTime) -> RotatedKey {
    let key = key(number);
    store.rotate_managed_key(account, &key, signs_from, Occasion::Asked, NOW).await.unwrap().unwrap()
}

async fn signer(store: &Store, account: &AccountId, now: i64) -> Option<KeyId> {
    store.managed_key(account, UnixTime(now)).await.unwrap().map(|key| key.id)
}

async fn latest_exp(home: &Home, store: &Store, account: &AccountId) -> Option<UnixTime> {
    store.managed_key(account, home.learnt()).await.unwrap().unwrap().latest_exp
}

async fn safe_to_delete_from(store: &Store, account: &AccountId, number: usize, now: i64) -> Option<UnixTime> {
    let key = store.signing_key(account, &key_id(number)).await.unwrap().unwrap();
    key.safe_to_delete_from(UnixTime(now))
}

/// The states of the account's managed keys, in the order of their turns; exactly one signs.
async fn check_states(store: &Store, account: &AccountId, now: i64, expected: &str) {
    let mut keys = store.list_signing_keys(account).await.unwrap();
    keys.sort_by_key(|key| key.term.unwrap().from);
    let states: Vec<KeyState> = keys.iter().map(|key| key.state(UnixTime(now))).collect();
    assert_eq!(states.iter().map(|state| state.name()).collect::<Vec<_>>().join(" "), expected, "at {now}");
    let active: Vec<_> = keys.iter().filter(|key| key.state(UnixTime(now)) == KeyState::Active).collect();
    assert_eq!(active.len(), 1);
    assert_eq!(signer(store, account, now).await.as_ref(), Some(&active[0].id));
}

async fn check_uses(store: &Store, account: &AccountId, number: usize, tokens: u64, last: Option<i64>) {
    let key = store.signing_key(account, &key_id(number)).await.unwrap().unwrap();
    assert_eq!((key.tokens_issued, key.last_used), (tokens, last.map(|seconds| UnixTime(NOW.0 + seconds))));
}

on_both_engines!(
    a_key_signs_from_its_time_on_and_the_one_before_until_then,
    of_several_pending_keys_each_has_its_turn,
    of_two_rotations_at_one_time_both_have_a_place,
    a_schedule_rotates_once_whoever_asks,
    the_end_of_tokens_is_written_ahead_and_never_back,
    of_two_who_raise_the_end_at_one_time_the_later_stays,
    a_retired_key_is_deleted_when_its_last_token_is_over,
    a_key_that_never_signed_is_deleted_a_minute_after_its_time,
    where_the_active_key_was_deleted_the_pending_one_that_is_known_longest_begins,
    where_the_active_key_was_deleted_a_retired_one_signs_again,
    an_account_has_at_most_100_managed_keys,
    uses_are_counted_and_written_down_together,
    the_algorithm_is_that_of_the_newest_managed_key,
);
