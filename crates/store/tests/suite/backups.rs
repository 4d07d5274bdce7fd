//! Backups, and stores made of them, on the same engine and on the other one.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::{ConnectOptions as _, Connection as _};
use vidpass_store::{
    AuditQuery, Copied, MasterKey, NewApiToken, NewRevocation, NewVideo, Occasion, Presented, Store, StoreError,
};
use vidpass_token::{AccountPolicy, RevocationExtent, RevokedSubject};

use crate::home::{Home, KEY, NOW, OTHER_KEY, id, key_id, on_both_engines};
use crate::upgrade::write_earlier_store;

async fn a_restored_store_has_everything_on_either_engine(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let token = store.create_api_token(&ours, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    store.add_signing_key(&theirs, OTHER_KEY.public(), id("own"), NOW).await.unwrap();
    store.delete_signing_key(&theirs, &id("own"), NOW).await.unwrap();
    store.register_video(&ours, NewVideo::private(Some(id("film"))), NOW).await.unwrap();
    store
        .update_account(&ours, NOW, |account| account.policy = AccountPolicy { dry_run: true, origin: None })
        .await
        .unwrap();
    let subject = RevokedSubject::Viewer("alice".parse().unwrap());
    let revocation = NewRevocation { subject, extent: RevocationExtent::All, reason: "naïve".into(), until: None };
    store.revoke(&ours, &revocation, NOW).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = backup(&store, folder.path()).await;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "one file and nothing beside it");
    let before = format!("{:?}", store.snapshot().await.unwrap());
    let known = store.snapshot().await.unwrap().cursor;
    for target in [Home::sqlite(), Home::postgres()] {
        let target = Home { master_key: home.master_key.clone(), ..target };
        let mut tables = Vec::new();
        Store::restore(&file, &target.url, &target.master_key, NOW, |copied| tables.push(copied)).await.unwrap();
        assert!(tables.contains(&Copied { table: "account", rows: 2 }), "{tables:?}");
        let restored = target.open().await.unwrap();
        assert_eq!(format!("{:?}", restored.snapshot().await.unwrap()), before);
        assert!(restored.open_managed_key(&ours, KEY.id()).await.unwrap().is_some());
        let presented = Presented::ApiToken(token.secret.expose());
        assert_eq!(restored.authenticate(&presented, NOW).await.unwrap().unwrap().account, ours);
        let audit = AuditQuery { limit: 100, ..AuditQuery::default() };
        let known_audit = store.list_audit_log(&audit).await.unwrap();
        assert_eq!(restored.list_audit_log(&audit).await.unwrap(), known_audit);
        assert_eq!(restored.list_revocations(&ours).await.unwrap(), store.list_revocations(&ours).await.unwrap());
        assert_eq!(restored.video(&ours, &id("film")).await.unwrap(), store.video(&ours, &id("film")).await.unwrap());
        // Followers go on where they were, and writers too.
        assert!(restored.changes_since(known).await.unwrap().is_empty());
        restored.add_signing_key(&ours, OTHER_KEY.public(), id("new"), NOW).await.unwrap();
        assert_eq!(restored.changes_since(known).await.unwrap().len(), 1);
        assert!(restored.list_audit_log(&audit).await.unwrap()[0].id > known_audit[0].id);
    }
}

async fn a_restored_key_waits_for_tokens_that_the_backup_does_not_know(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = backup(&store, folder.path()).await;
    let target = Home { master_key: home.master_key.clone(), ..Home::sqlite() };
    let until = NOW.plus(Duration::from_secs(3600));
    Store::restore(&file, &target.url, &target.master_key, until, |_| {}).await.unwrap();
    let restored = target.open().await.unwrap();
    restored.rotate_managed_key(&ours, &OTHER_KEY, NOW, Occasion::Asked, NOW).await.unwrap().unwrap();
    assert!(restored.delete_retired_keys(until).await.unwrap().is_empty());
    let over = until.plus(Duration::from_secs(60));
    assert_eq!(restored.delete_retired_keys(over).await.unwrap(), [KEY.id().clone()]);
}

async fn a_backup_is_of_one_moment_however_much_is_written(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let stop = Arc::new(AtomicBool::new(false));
    let (writing, stopping, writer) = (home.store().await, Arc::clone(&stop), ours.clone());
    let writer = tokio::spawn(async move {
        let mut number = 0;
        while !stopping.load(Ordering::Relaxed) {
            writing.add_signing_key(&writer, KEY.public(), key_id(number), NOW).await.unwrap();
            number += 1;
        }
        number
    });
    let folder = tempfile::tempdir().unwrap();
    let mut counts = Vec::new();
    for round in 0..5 {
        let file = folder.path().join(format!("{round}.backup"));
        store.backup(&file, |_| {}).await.unwrap();
        counts.push(counts_in(&file).await);
    }
    stop.store(true, Ordering::Relaxed);
    assert!(writer.await.unwrap() > 0);
    for (keys, changes, counter) in counts {
        assert_eq!((keys, changes), (counter, counter));
    }
}

/// Keys, changes, and the last number.
async fn counts_in(file: &Path) -> (i64, i64, i64) {
    const SQL: &str = "
        SELECT (SELECT count(*) FROM signing_key), (SELECT count(*) FROM change_log), (SELECT seq FROM change_counter)";
    let mut db = sqlx::sqlite::SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    let counts = sqlx::query_as(SQL).fetch_one(&mut db).await.unwrap();
    db.close().await.unwrap();
    counts
}

async fn no_table_is_forgotten(home: Home) {
    let (store, ..) = home.with_accounts().await;
    let folder = tempfile::tempdir().unwrap();
    let mut copied = Vec::new();
    store.backup(&folder.path().join("b"), |table| copied.push(table.table)).await.unwrap();
    copied.sort_unstable();
    assert_eq!(copied, home.tables().await);
}

async fn what_others_left_in_the_folder_gets_nothing_of_a_backup(home: Home) {
    let (store, ..) = home.with_accounts().await;
    let folder = tempfile::tempdir().unwrap();
    let planted = ["b", "b.unfinished", "b.unfinished-wal"].map(|name| folder.path().join(name));
    for file in &planted[1..] {
        std::fs::write(file, "planted").unwrap();
    }
    store.backup(&planted[0], |_| {}).await.unwrap();
    for file in &planted[1..] {
        assert_eq!(std::fs::read_to_string(file).unwrap(), "planted", "{}", file.display());
    }
    assert_eq!(std::fs::metadata(&planted[0]).unwrap().permissions().mode() & 0o777, 0o600);
}

async fn a_restore_leaves_a_store_of_an_older_schema_as_it_is(home: Home) {
    let other = Home::sqlite();
    let folder = tempfile::tempdir().unwrap();
    let file = backup(&other.with_accounts().await.0, folder.path()).await;
    write_earlier_store(&home).await;
    let tables = home.tables().await;
    let refused = Store::restore(&file, &home.url, &other.master_key, NOW, |_| {}).await;
    assert!(matches!(refused, Err(StoreError::NotEmpty { .. })), "{refused:?}");
    assert_eq!(home.tables().await, tables);
}

async fn what_cannot_be_restored_is_refused_and_changes_nothing(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = backup(&store, folder.path()).await;
    let restore = async |file: &Path, target: &Home, key: &MasterKey| {
        Store::restore(file, &target.url, key, NOW, |_| {}).await.unwrap_err()
    };
    let error = restore(&file, &home, &home.master_key).await;
    let expected = format!("`{}` holds a vidpass store already; restore into an empty one", home.url);
    assert_eq!(error.to_string(), expected);
    let error = restore(&file, &home, &MasterKey::generate().unwrap()).await;
    assert!(matches!(error, StoreError::WrongMasterKey { .. }), "{error:?}");

    let target = Home { master_key: home.master_key.clone(), ..Home::sqlite() };
    let whole = std::fs::read(&file).unwrap();
    let broken = folder.path().join("broken");
    for content in [&b"no database at all, but long enough to be looked at"[..], &whole[..5000], b""] {
        std::fs::write(&broken, content).unwrap();
        let error = restore(&broken, &target, &home.master_key).await;
        let refused = matches!(error, StoreError::Damaged { .. } | StoreError::NotInitialised { .. });
        assert!(refused, "{} bytes: {error:?}", content.len());
    }
    let error = restore(Path::new("nowhere"), &target, &home.master_key).await;
    assert!(matches!(error, StoreError::File { .. }), "{error:?}");
    // After all that it is restored as if nothing had been.
    Store::restore(&file, &target.url, &home.master_key, NOW, |_| {}).await.unwrap();
    assert_eq!(target.open().await.unwrap().list_accounts().await.unwrap().len(), 2);

    let error = store.backup(&file, |_| {}).await.unwrap_err();
    assert!(matches!(error, StoreError::File { .. }), "{error:?}");
    assert_eq!(std::fs::read(&file).unwrap(), whole, "no backup is overwritten");
}

async fn backup(store: &Store, folder: &Path) -> PathBuf {
    let file = folder.join("vidpass.backup");
    store.backup(&file, |_| {}).await.unwrap();
    file
}

on_both_engines!(
    a_restored_key_waits_for_tokens_that_the_backup_does_not_know,
    a_restored_store_has_everything_on_either_engine,
    a_backup_is_of_one_moment_however_much_is_written,
    no_table_is_forgotten,
    a_restore_leaves_a_store_of_an_older_schema_as_it_is,
    what_cannot_be_restored_is_refused_and_changes_nothing,
    what_others_left_in_the_folder_gets_nothing_of_a_backup,
);
