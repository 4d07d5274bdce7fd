//! Signing keys.

use std::sync::Arc;

use vidpass_store::{Deletion, KeyState, MAX_SIGNING_KEYS, SealError, SigningKeyRecord, StoreError};
use vidpass_token::{Claims, KeyId, UnixTime, UnverifiedToken};

use crate::home::{Home, KEY, NOW, OTHER_KEY, id, key_id, on_both_engines};

async fn a_key_is_found_by_its_account_alone(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    store.add_signing_key(&ours, KEY.public(), id("own"), NOW).await.unwrap();
    let record = SigningKeyRecord {
        id: id("own"),
        public: KEY.public().clone(),
        created: NOW,
        term: None,
        latest_exp: None,
        last_used: None,
        tokens_issued: 0,
    };
    assert_eq!((record.state(NOW), record.safe_to_delete_from(NOW)), (KeyState::Active, None));
    assert_eq!(store.signing_key(&ours, &id("own")).await.unwrap().as_ref(), Some(&record));
    assert_eq!(store.list_signing_keys(&ours).await.unwrap(), [record]);

    assert_eq!(store.signing_key(&theirs, &id("own")).await.unwrap(), None);
    assert!(store.list_signing_keys(&theirs).await.unwrap().is_empty());
    assert_eq!(store.delete_signing_key(&theirs, &id("own"), NOW).await.unwrap(), Deletion::Unknown);
    let error = store.add_signing_key(&theirs, OTHER_KEY.public(), id("own"), NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::KeyIdTaken { id } if id.as_str() == "own"));
    assert!(store.signing_key(&ours, &id("own")).await.unwrap().is_some());
}

async fn a_managed_key_signs_after_it_was_sealed(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    assert_eq!(home.signer(&store, &ours).await, None);
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    assert_eq!(home.signer(&store, &ours).await.as_ref(), Some(KEY.id()));

    let opened = store.open_managed_key(&ours, KEY.id()).await.unwrap().unwrap();
    let token = opened.sign(&Claims::new(id("video"), NOW)).unwrap();
    let unverified = UnverifiedToken::parse(token.as_str()).unwrap();
    assert_eq!(unverified.key_id(), KEY.id());
    unverified.verify(KEY.public()).unwrap();

    assert!(store.open_managed_key(&theirs, KEY.id()).await.unwrap().is_none());
    assert!(store.open_managed_key(&ours, &id("unknown")).await.unwrap().is_none());
    assert!(store.signing_key(&ours, KEY.id()).await.unwrap().unwrap().is_managed());
}

async fn a_deleted_key_leaves_its_id_and_nothing_else(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    assert!(home.bytes("SELECT sealed_private_key FROM signing_key").await.is_some());

    assert_eq!(store.delete_signing_key(&ours, KEY.id(), NOW).await.unwrap(), Deletion::Deleted);
    assert_eq!(store.delete_signing_key(&ours, KEY.id(), NOW).await.unwrap(), Deletion::AlreadyDeleted);
    assert_eq!(store.delete_signing_key(&ours, &id("unknown"), NOW).await.unwrap(), Deletion::Unknown);

    assert_eq!(home.bytes("SELECT sealed_private_key FROM signing_key").await, None);
    assert_eq!(store.signing_key(&ours, KEY.id()).await.unwrap(), None);
    assert_eq!(home.signer(&store, &ours).await, None);
    assert!(store.open_managed_key(&ours, KEY.id()).await.unwrap().is_none());
    assert!(store.list_signing_keys(&ours).await.unwrap().is_empty());
    for account in [&ours, &theirs] {
        let taken = store.add_signing_key(account, KEY.public(), KEY.id().clone(), NOW).await.unwrap_err();
        assert!(matches!(taken, StoreError::KeyIdTaken { .. }));
        let taken = store.add_managed_key(account, &KEY, NOW).await.unwrap_err();
        assert!(matches!(taken, StoreError::KeyIdTaken { .. }));
    }
    store.add_managed_key(&ours, &OTHER_KEY, NOW).await.unwrap();
    assert_eq!(home.signer(&store, &ours).await.as_ref(), Some(OTHER_KEY.id()));
}

async fn an_account_has_at_most_1000_keys_of_its_own(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    store.add_signing_key(&ours, KEY.public(), id("first"), NOW).await.unwrap();
    let rows = home
        .tamper(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 998)
             INSERT INTO signing_key (id, account_id, public_key, managed, created)
             SELECT 'many-' || i, account_id, public_key, managed, created FROM signing_key, n WHERE id = 'first'",
        )
        .await;
    assert_eq!(rows, MAX_SIGNING_KEYS - 2);
    store.add_signing_key(&ours, KEY.public(), id("last"), NOW).await.unwrap();
    let error = store.add_signing_key(&ours, KEY.public(), id("too-many"), NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "account `ours` has 1000 signing keys, which is the limit");
    assert_eq!(store.list_signing_keys(&ours).await.unwrap().len(), 1001);
    assert_eq!(store.count_signing_keys(&ours).await.unwrap(), MAX_SIGNING_KEYS);
    assert_eq!(store.count_signing_keys(&theirs).await.unwrap(), 0);

    store.add_signing_key(&theirs, KEY.public(), id("theirs"), NOW).await.unwrap();
    store.delete_signing_key(&ours, &id("many-5"), NOW).await.unwrap();
    assert_eq!(store.count_signing_keys(&ours).await.unwrap(), MAX_SIGNING_KEYS - 1);
    store.add_signing_key(&ours, KEY.public(), id("too-many"), NOW).await.unwrap();
}

async fn the_limit_holds_against_adders_at_one_time(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_signing_key(&ours, KEY.public(), id("first"), NOW).await.unwrap();
    home.tamper(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 996)
         INSERT INTO signing_key (id, account_id, public_key, managed, created)
         SELECT 'many-' || i, account_id, public_key, managed, created FROM signing_key, n WHERE id = 'first'",
    )
    .await;
    let (store, ours) = (Arc::new(store), Arc::new(ours));
    let adders = (0..10).map(|number| {
        let (store, ours) = (Arc::clone(&store), Arc::clone(&ours));
        tokio::spawn(async move { store.add_signing_key(&ours, KEY.public(), key_id(number), NOW).await.is_ok() })
    });
    let mut added = 0;
    for adder in adders.collect::<Vec<_>>() {
        added += usize::from(adder.await.unwrap());
    }
    assert_eq!(added, 3);
    assert_eq!(store.list_signing_keys(&ours).await.unwrap().len(), 1000);
}

async fn of_two_managed_keys_added_at_one_time_one_wins(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let elsewhere = home.store().await;
    let (one, other) =
        tokio::join!(store.add_managed_key(&ours, &KEY, NOW), elsewhere.add_managed_key(&ours, &OTHER_KEY, NOW),);
    let winner = home.signer(&store, &ours).await.unwrap();
    let (won, lost) = if winner == *KEY.id() { (one, other) } else { (other, one) };
    won.unwrap();
    assert!(matches!(lost, Err(StoreError::ManagedKeyExists { id, .. }) if id == winner));
    assert_eq!(store.list_signing_keys(&ours).await.unwrap().len(), 1);
}

async fn sealed_keys_that_were_exchanged_are_refused(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    store.add_managed_key(&theirs, &OTHER_KEY, NOW).await.unwrap();
    home.tamper(
        "UPDATE signing_key SET sealed_private_key =
             (SELECT other.sealed_private_key FROM signing_key other WHERE other.id <> signing_key.id)
         WHERE account_id = 'ours'",
    )
    .await;
    let error = store.open_managed_key(&ours, KEY.id()).await.unwrap_err();
    assert!(matches!(error, StoreError::Sealed { source: SealError::Altered, .. }));
    assert_eq!(
        error.to_string(),
        "the sealed column `sealed_private_key` of `key-1` in table `signing_key` cannot be opened"
    );
    // The others go on working.
    assert!(store.open_managed_key(&theirs, OTHER_KEY.id()).await.unwrap().is_some());
}

async fn a_key_that_was_given_to_another_account_is_refused(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    home.tamper("UPDATE signing_key SET account_id = 'theirs'").await;
    let error = store.open_managed_key(&theirs, KEY.id()).await.unwrap_err();
    assert!(matches!(error, StoreError::Sealed { source: SealError::Altered, .. }));
    assert!(store.open_managed_key(&ours, KEY.id()).await.unwrap().is_none());
}

async fn a_flipped_bit_in_a_sealed_key_is_refused(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    let sealed = home.bytes("SELECT sealed_private_key FROM signing_key").await.unwrap();
    for byte in [0, 3, 10, 500, sealed.len() - 1] {
        let mut altered = sealed.clone();
        altered[byte] ^= 1;
        home.put_sealed_key(&altered).await;
        let error = store.open_managed_key(&ours, KEY.id()).await.unwrap_err();
        assert!(matches!(error, StoreError::Sealed { .. }), "{byte}: {error:?}");
    }
    home.put_sealed_key(&sealed).await;
    store.open_managed_key(&ours, KEY.id()).await.unwrap().unwrap();
}

async fn a_managed_key_with_anothers_public_half_is_refused(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    store.add_signing_key(&theirs, OTHER_KEY.public(), id("other"), NOW).await.unwrap();
    home.tamper(
        "UPDATE signing_key SET public_key = (SELECT o.public_key FROM signing_key o WHERE o.id = 'other')
         WHERE id = 'key-1'",
    )
    .await;
    let error = store.open_managed_key(&ours, KEY.id()).await.unwrap_err();
    assert_eq!(error.to_string(), "column `public_key` of `key-1` in table `signing_key` cannot be read");
}

async fn keys_are_listed_in_the_order_of_their_making(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    for (number, seconds) in [(1, 30), (2, 10), (3, 20)] {
        store.add_signing_key(&ours, KEY.public(), key_id(number), UnixTime(NOW.0 + seconds)).await.unwrap();
    }
    let listed = store.list_signing_keys(&ours).await.unwrap();
    assert_eq!(listed.into_iter().map(|key| key.id).collect::<Vec<KeyId>>(), [key_id(2), key_id(3), key_id(1)]);
}

on_both_engines!(
    a_key_is_found_by_its_account_alone,
    a_managed_key_signs_after_it_was_sealed,
    a_deleted_key_leaves_its_id_and_nothing_else,
    an_account_has_at_most_1000_keys_of_its_own,
    the_limit_holds_against_adders_at_one_time,
    of_two_managed_keys_added_at_one_time_one_wins,
    sealed_keys_that_were_exchanged_are_refused,
    a_key_that_was_given_to_another_account_is_refused,
    a_flipped_bit_in_a_sealed_key_is_refused,
    a_managed_key_with_anothers_public_half_is_refused,
    keys_are_listed_in_the_order_of_their_making,
);
