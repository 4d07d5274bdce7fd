//! What a thief of the database, of a backup or of the disk finds: no secret.

use vidpass_store::{ApiSecret, MasterKey, NewApiToken, SealError, Store, StoreError};

use crate::home::{Home, KEY, NOW, Place, on_both_engines};

async fn a_backup_holds_no_private_key_and_no_secret_of_a_caller(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    let token = store.create_api_token(&ours, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
    let key = store.create_api_key(&ours, "dev@example.com", None, NOW).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("b");
    store.backup(&file, |_| {}).await.unwrap();
    for backup in [home.backup(), std::fs::read(&file).unwrap()] {
        assert_holds_no_secret(&home, &backup, [&token.secret, &key.secret]);
    }
    store.close().await;
}

fn assert_holds_no_secret(home: &Home, backup: &[u8], [token, key]: [&ApiSecret; 2]) {
    // What the search finds where it is there: the public half lies open beside the sealed one.
    assert!(found(backup, &KEY.public().spki_der()[64..128]));
    assert!(found(backup, b"dev@example.com"));

    let private = KEY.to_pkcs8();
    let public = KEY.public().spki_der();
    // The modulus is in both halves; every 16 bytes that are in the private half alone are to be missing.
    for secret in private.chunks_exact(16).filter(|part| !found(public, part)).skip(4) {
        assert!(!found(backup, secret), "a part of the private key lies open");
    }
    for secret in [&token.expose()[21..], key.expose(), home.master_key.to_base64().as_str()] {
        assert!(!found(backup, secret.as_bytes()), "a secret lies open");
    }
}

async fn what_was_deleted_is_in_no_later_backup(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    let sealed = home.bytes("SELECT sealed_private_key FROM signing_key").await.unwrap();
    assert!(found(&home.backup(), &sealed[..64]));
    store.delete_signing_key(&ours, KEY.id(), NOW).await.unwrap();
    store.close().await;
    assert!(!found(&home.backup(), &sealed[..64]));
    if let Place::Sqlite { directory } = &home.place {
        let files = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(files, 1, "closing folds the write-ahead log into the database");
    }
}

async fn another_master_key_is_refused_at_the_door(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    let wrong = MasterKey::generate().unwrap();
    for opened in [Store::open(&home.url, &wrong).await, Store::create_or_open(&home.url, &wrong).await] {
        let error = opened.unwrap_err();
        assert_eq!(error.to_string(), format!("this is not the master key that `{}` was made with", home.url));
        assert!(matches!(error, StoreError::WrongMasterKey { source: SealError::OtherKey, .. }));
    }
    let same = MasterKey::from_base64(&home.master_key.to_base64()).unwrap();
    let store = Store::open(&home.url, &same).await.unwrap();
    assert!(store.open_managed_key(&ours, KEY.id()).await.unwrap().is_some());
}

/// Whether the bytes are there, as they are or as the hexadecimal digits of a dump.
fn found(heap: &[u8], bytes: &[u8]) -> bool {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [bytes, hex.as_bytes()].into_iter().any(|wanted| heap.windows(wanted.len()).any(|window| window == wanted))
}

on_both_engines!(
    a_backup_holds_no_private_key_and_no_secret_of_a_caller,
    what_was_deleted_is_in_no_later_backup,
    another_master_key_is_refused_at_the_door,
);
