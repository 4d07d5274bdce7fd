//! What a thief of the database, of a backup or of the disk finds: no secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vidpass_store::{ApiSecret, MasterKey, MasterKeys, NewApiToken, Occasion, Resealing, SealError, Store, StoreError};
use vidpass_token::{Algorithm, SigningKey};

use crate::home::{Home, KEY, NOW, OTHER_KEY, Place, key_id, on_both_engines};

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

/// Planted keys of each kind, in every form in which a private key is handed around.
async fn no_form_of_a_private_key_is_in_any_file(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let mut keys = Vec::new();
    for (number, algorithm) in (1..).zip(Algorithm::ALL) {
        let key = SigningKey::generate(algorithm, key_id(number)).unwrap();
        match number {
            1 => drop(store.add_managed_key(&ours, &key, NOW).await.unwrap()),
            _ => drop(store.rotate_managed_key(&ours, &key, NOW, Occasion::Asked, NOW).await.unwrap()),
        }
        keys.push(key);
    }
    // Used, resealed and used again: what is written by the way is looked at too.
    let both = MasterKeys::from(&home.master_key).replaced_by(MasterKey::generate().unwrap());
    let store_again = Store::open(&home.url, &both).await.unwrap();
    for when in ["before", "after"] {
        for key in &keys {
            assert!(store_again.open_managed_key(&ours, key.id()).await.unwrap().is_some());
            let backup = home.backup();
            assert!(found(&backup, &key.public().spki_der()[..32]), "the search finds what is there");
            for (form, secret) in forms(key) {
                assert!(!found(&backup, &secret), "{}, {when}: {form}", key.algorithm());
            }
        }
        while store_again.reseal(both.first().fingerprint(), 1).await.unwrap() != Resealing::Done {}
    }
}

/// Pieces of a private key that its public half does not have: of its DER, of its texts, and of its numbers.
fn forms(key: &SigningKey) -> Vec<(&'static str, Vec<u8>)> {
    let (pkcs8, public) = (key.to_pkcs8(), key.public().spki_der());
    let private = |piece: &[u8]| !found(public, piece);
    // Of a short key the first pieces are the frame, which is no secret; the seed or the scalar has 32 bytes.
    let numbers: Vec<&[u8]> = if key.algorithm() == Algorithm::Rs256 {
        pkcs8.chunks_exact(16).filter(|piece| private(piece)).skip(4).step_by(5).collect()
    } else {
        let start = pkcs8.windows(2).position(|pair| pair == [0x04, 0x20]).unwrap() + 2;
        pkcs8[start..start + 32].chunks_exact(16).collect()
    };
    let mut forms = Vec::new();
    for number in numbers {
        forms.push(("DER", number.to_vec()));
        // Base64 of three positions: one of them is how it would stand in a longer text. The ends depend on neighbours.
        for skipped in 0..3 {
            let text = STANDARD.encode(&number[skipped..skipped + 12]);
            forms.push(("base64", text.clone().into_bytes()));
            forms.push(("base64url", text.replace('+', "-").replace('/', "_").into_bytes()));
        }
        forms
            .push(("upper-case hex", number.iter().map(|byte| format!("{byte:02X}")).collect::<String>().into_bytes()));
    }
    let pem = key.to_pem();
    let lines = pem.lines().filter(|line| !line.starts_with('-') && line.len() == 64);
    // The first line of a short key is its frame and a part of its secret; all others are secret alone.
    forms.extend(lines.map(|line| ("PEM", line.as_bytes()[line.len() - 24..].to_vec())));
    forms.push(("PEM", b"PRIVATE KEY-----".to_vec()));
    forms
}

async fn two_sealed_rows_that_are_exchanged_are_noticed(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    store.add_managed_key(&theirs, &OTHER_KEY, NOW).await.unwrap();
    for sql in [
        "INSERT INTO store_meta (name, value) SELECT 'aside', sealed_private_key FROM signing_key WHERE id = 'key-1'",
        "UPDATE signing_key SET sealed_private_key =
             (SELECT o.sealed_private_key FROM signing_key o WHERE o.id = 'key-2') WHERE id = 'key-1'",
        "UPDATE signing_key SET sealed_private_key = (SELECT value FROM store_meta WHERE name = 'aside') WHERE id = 'key-2'",
    ] {
        assert_eq!(home.tamper(sql).await, 1);
    }
    for (account, key) in [(&ours, &*KEY), (&theirs, &*OTHER_KEY)] {
        let error = store.open_managed_key(account, key.id()).await.unwrap_err();
        assert!(matches!(error, StoreError::Sealed { source: SealError::Altered, .. }), "{error:?}");
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
    no_form_of_a_private_key_is_in_any_file,
    two_sealed_rows_that_are_exchanged_are_noticed,
    what_was_deleted_is_in_no_later_backup,
    another_master_key_is_refused_at_the_door,
);
