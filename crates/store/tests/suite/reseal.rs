//! The master key is replaced while servers run, and is interrupted anywhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use vidpass_store::{
    DatabaseUrl, Fingerprint, MasterKey, MasterKeys, NewAccount, Resealing, SealError, SealedValues, Store, StoreError,
};
use vidpass_token::{AccountId, Algorithm, SigningKey};

use crate::home::{Home, NOW, id, key_id, on_both_engines};

/// How many sealed values there are.
const VALUES: usize = 5;

async fn values_move_one_by_one_and_open_after_every_step(home: Home) {
    let (keys, old, new) = rotation(&home);
    let accounts = with_keys(&home).await;
    for moved in 0..VALUES as u64 {
        // Each step is as good as a process that is killed after it.
        let store = open(&home.url, &keys).await;
        check_values(&store, old, &[(new, moved), (old, VALUES as u64 - moved)]).await;
        assert_eq!(store.reseal(new, 1).await.unwrap(), Resealing::More(1));
        check_opens(&store, &accounts).await;
    }
    let store = open(&home.url, &keys).await;
    check_values(&store, old, &[(new, VALUES as u64)]).await;
    // Until the check value is moved, the old key is still asked for, and new values are sealed with it.
    assert!(home.open().await.is_ok());
    add(&store, "late", 77).await;
    assert_eq!(store.reseal(new, 100).await.unwrap(), Resealing::More(1));
    assert_eq!(store.reseal(new, 100).await.unwrap(), Resealing::Done);
    assert_eq!(store.reseal(new, 100).await.unwrap(), Resealing::Done, "again, there is nothing to do");
    check_values(&store, new, &[(new, VALUES as u64 + 1)]).await;

    let alone = open(&home.url, &keys.without_former()).await;
    check_opens(&alone, &accounts).await;
    assert!(matches!(home.open().await, Err(StoreError::WrongMasterKey { source: SealError::OtherKey, .. })));
}

async fn a_server_with_the_old_key_reads_its_keys_again(home: Home) {
    let (keys, _, new) = rotation(&home);
    let accounts = with_keys(&home).await;
    let server = home.open().await.unwrap();
    let file = Arc::new(Mutex::new(MasterKeys::from(&home.master_key)));
    let read = Arc::clone(&file);
    server.read_master_keys_again_with(move || Some(read.lock().unwrap().clone()));

    *file.lock().unwrap() = keys.clone();
    let rotating = open(&home.url, &keys).await;
    while let Resealing::More(_) = rotating.reseal(new, 2).await.unwrap() {
        check_opens(&server, &accounts).await;
    }
    check_opens(&server, &accounts).await;
    add(&server, "late", 77).await;
    check_values(&server, new, &[(new, VALUES as u64 + 1)]).await;
}

async fn a_server_that_cannot_read_again_seals_nothing_with_the_old_key(home: Home) {
    let (keys, old, new) = rotation(&home);
    let accounts = with_keys(&home).await;
    let server = home.open().await.unwrap();
    let rotating = open(&home.url, &keys).await;
    assert_eq!(rotating.reseal(new, 3).await.unwrap(), Resealing::More(3));
    // While values are left under the old key, it may: the rotation finds what it seals.
    add(&server, "in-between", 76).await;
    check_values(&server, old, &[(new, 3), (old, 3)]).await;
    while rotating.reseal(new, 3).await.unwrap() != Resealing::Done {}

    let store = server.create_account(&NewAccount { id: Some(id("late")), name: String::new() }, NOW).await;
    let refused = server.add_managed_key(&store.unwrap().id, &key(77), NOW).await.unwrap_err();
    assert!(matches!(refused, StoreError::MasterKeyMissing { fingerprint } if fingerprint == new));
    let (account, number) = &accounts[0];
    let refused = server.open_managed_key(account, &key_id(*number)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Sealed { source: SealError::OtherKey, .. }));
    check_values(&rotating, new, &[(new, VALUES as u64 + 1)]).await;
}

async fn two_who_replace_the_key_at_one_time_do_not_disturb_each_other(home: Home) {
    let (keys, _, new) = rotation(&home);
    let accounts = with_keys(&home).await;
    let (one, other) = (open(&home.url, &keys).await, open(&home.url, &keys).await);
    let work = async |store: &Store| while store.reseal(new, 1).await.unwrap() != Resealing::Done {};
    tokio::join!(work(&one), work(&other));
    check_values(&one, new, &[(new, VALUES as u64)]).await;
    check_opens(&other, &accounts).await;
}

async fn rows_that_were_exchanged_are_noticed_and_left_alone(home: Home) {
    let (keys, old, new) = rotation(&home);
    with_keys(&home).await;
    home.tamper(
        "UPDATE signing_key SET sealed_private_key =
             (SELECT other.sealed_private_key FROM signing_key other WHERE other.id = 'key-1')
         WHERE id = 'key-0'",
    )
    .await;
    let store = open(&home.url, &keys).await;
    let error = store.reseal(new, 100).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Sealed { row, source: SealError::Altered, .. } if row == "key-0"),
        "{error:?}"
    );
    check_values(&store, old, &[(old, VALUES as u64)]).await;
    // Without that row, the work can be done.
    store.delete_signing_key(&id("account-0"), &key_id(0), NOW).await.unwrap();
    while store.reseal(new, 100).await.unwrap() != Resealing::Done {}
    check_values(&store, new, &[(new, VALUES as u64 - 1)]).await;
}

async fn a_key_that_is_not_at_hand_replaces_nothing(home: Home) {
    let (_, old, _) = rotation(&home);
    with_keys(&home).await;
    let store = home.open().await.unwrap();
    let unknown = MasterKey::generate().unwrap().fingerprint();
    let refused = store.reseal(unknown, 100).await.unwrap_err();
    assert!(matches!(refused, StoreError::MasterKeyMissing { fingerprint } if fingerprint == unknown));
    check_values(&store, old, &[(old, VALUES as u64)]).await;
}

async fn a_check_value_that_was_altered_stops_all_sealing(home: Home) {
    let (keys, _, new) = rotation(&home);
    with_keys(&home).await;
    let store = open(&home.url, &keys).await;
    home.tamper("UPDATE store_meta SET value = (SELECT sealed_private_key FROM signing_key WHERE id = 'key-1')").await;
    let account =
        store.create_account(&NewAccount { id: Some(id("late")), name: String::new() }, NOW).await.unwrap().id;
    let refused = store.add_managed_key(&account, &key(77), NOW).await.unwrap_err();
    assert!(matches!(refused, StoreError::Sealed { table: "store_meta", source: SealError::Altered, .. }));
    assert_eq!(store.reseal(new, 100).await.unwrap(), Resealing::More(VALUES as u64));
    assert!(store.reseal(new, 100).await.is_err());
}

/// The store's key and one in its place, and their fingerprints.
fn rotation(home: &Home) -> (MasterKeys, Fingerprint, Fingerprint) {
    let keys = MasterKeys::from(&home.master_key).replaced_by(MasterKey::generate().unwrap());
    let new = keys.first().fingerprint();
    (keys, home.master_key.fingerprint(), new)
}

async fn open(url: &DatabaseUrl, keys: &MasterKeys) -> Store {
    Store::open(url, keys).await.unwrap()
}

/// A store with a sealed key for each of several accounts.
async fn with_keys(home: &Home) -> Vec<(AccountId, usize)> {
    let store = home.store().await;
    let mut accounts = Vec::new();
    for number in 0..VALUES {
        accounts.push((add(&store, &format!("account-{number}"), number).await, number));
    }
    accounts
}

async fn add(store: &Store, account: &str, number: usize) -> AccountId {
    let new = NewAccount { id: Some(id(account)), name: String::new() };
    let account = store.create_account(&new, NOW).await.unwrap().id;
    store.add_managed_key(&account, &key(number), NOW).await.unwrap();
    account
}

fn key(number: usize) -> SigningKey {
    SigningKey::generate(Algorithm::Es256, key_id(number)).unwrap()
}

async fn check_opens(store: &Store, accounts: &[(AccountId, usize)]) {
    for (account, number) in accounts {
        assert!(store.open_managed_key(account, &key_id(*number)).await.unwrap().is_some());
    }
}

async fn check_values(store: &Store, sealing: Fingerprint, under: &[(Fingerprint, u64)]) {
    let under: BTreeMap<_, _> = under.iter().copied().filter(|(_, values)| *values > 0).collect();
    assert_eq!(store.sealed_values().await.unwrap(), SealedValues { sealing, under });
}

on_both_engines!(
    values_move_one_by_one_and_open_after_every_step,
    a_server_with_the_old_key_reads_its_keys_again,
    a_server_that_cannot_read_again_seals_nothing_with_the_old_key,
    two_who_replace_the_key_at_one_time_do_not_disturb_each_other,
    rows_that_were_exchanged_are_noticed_and_left_alone,
    a_key_that_is_not_at_hand_replaces_nothing,
    a_check_value_that_was_altered_stops_all_sealing,
);
