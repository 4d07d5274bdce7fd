//! Making, opening and refusing to open.

use std::error::Error as _;
use std::os::unix::fs::PermissionsExt as _;

use sqlx::{Connection as _, PgConnection};
use vidpass_store::{
    ChangeLog, DatabaseUrl, MasterKey, NewApiToken, NewVideo, Presented, Store, StoreError, VideoQuery,
};

use crate::home::{Home, KEY, NOW, OTHER_KEY, Place, id, on_both_engines};

async fn a_store_opened_again_has_everything(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let token = store.create_api_token(&ours, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    store.add_signing_key(&ours, OTHER_KEY.public(), id("own"), NOW).await.unwrap();
    store.register_video(&ours, NewVideo::private(None), NOW).await.unwrap();
    let before = all(&store, &token.secret).await;
    store.close().await;

    let error = store.list_accounts().await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    for store in [home.open().await.unwrap(), home.store().await] {
        assert_eq!(all(&store, &token.secret).await, before);
        assert!(store.open_managed_key(&ours, KEY.id()).await.unwrap().is_some());
        store.ping().await.unwrap();
    }
}

async fn all(store: &Store, secret: &vidpass_store::ApiSecret) -> String {
    let account = id("ours");
    let caller = store.authenticate(&Presented::ApiToken(secret.expose()), NOW).await.unwrap();
    let keys = store.list_signing_keys(&account).await.unwrap();
    let videos = store.list_videos(&account, &VideoQuery::default()).await.unwrap();
    let snapshot = store.snapshot().await.unwrap();
    format!("{:?} {caller:?} {keys:?} {videos:?} {:?}", store.list_accounts().await.unwrap(), snapshot.cursor)
}

async fn what_was_never_made_is_not_opened(home: Home) {
    let error = home.open().await.unwrap_err();
    match &home.place {
        Place::Sqlite { directory } => {
            let file = home.sqlite_file();
            let expected = format!("there is no database at `{}`; `vidpass init` makes one", file.display());
            assert_eq!(error.to_string(), expected);
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left behind");
        }
        Place::Postgres { .. } => {
            let expected = format!("`{}` holds no vidpass store; `vidpass init` makes one", home.url);
            assert_eq!(error.to_string(), expected);
        }
    }
    home.store().await;
    home.open().await.unwrap();
}

async fn a_store_without_its_check_value_is_not_opened(home: Home) {
    let store = home.store().await;
    home.tamper("DELETE FROM store_meta").await;
    assert!(matches!(store.ping().await.unwrap_err(), StoreError::NotInitialised { .. }));
    store.close().await;
    assert!(matches!(home.open().await.unwrap_err(), StoreError::NotInitialised { .. }));
}

async fn several_programs_can_make_the_store_at_one_time(home: Home) {
    let create = || Store::create_or_open(&home.url, &home.master_key);
    let (a, b, c, d) = tokio::join!(create(), create(), create(), create());
    for store in [a, b, c, d] {
        store.unwrap().ping().await.unwrap();
    }
}

async fn a_schema_from_the_future_is_refused(home: Home) {
    home.store().await.close().await;
    home.tamper(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         SELECT 99, 'from the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
    )
    .await;
    for opened in [home.open().await, Store::create_or_open(&home.url, &home.master_key).await] {
        let error = opened.unwrap_err().to_string();
        assert!(
            error.starts_with("the database's schema has version 99, and this program knows versions up to "),
            "{error}"
        );
    }
}

async fn an_altered_schema_is_refused(home: Home) {
    home.store().await.close().await;
    home.tamper("UPDATE _sqlx_migrations SET checksum = (SELECT value FROM store_meta)").await;
    assert!(matches!(home.open().await.unwrap_err(), StoreError::SchemaAltered { version: 1 }));
}

async fn a_gate_opens_the_change_log_of_a_store_that_is_there(home: Home) {
    assert_eq!(ChangeLog::open(&home.url).await.unwrap_err().to_string(), home.open().await.unwrap_err().to_string());
    let (store, ours, _) = home.with_accounts().await;
    let log = ChangeLog::open(&home.url).await.unwrap();
    assert_eq!(log.snapshot().await.unwrap().keys.len(), 0);
    let known = log.snapshot().await.unwrap().cursor;
    store.add_signing_key(&ours, KEY.public(), id("k"), NOW).await.unwrap();
    assert_eq!(log.changes_since(known).await.unwrap().len(), 1);
    log.close().await;
    assert!(log.snapshot().await.unwrap_err().is_unavailable());
    store.ping().await.unwrap();
}

async fn a_gate_waits_for_the_schema_that_it_knows(home: Home) {
    home.store().await.close().await;
    home.tamper("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    let error = ChangeLog::open(&home.url).await.unwrap_err();
    assert!(matches!(error, StoreError::SchemaTooOld { .. }), "{error:?}");
    assert!(error.to_string().contains("start an issuer"), "{error}");
    home.tamper("UPDATE _sqlx_migrations SET version = 99 WHERE version = 1").await;
    let error = ChangeLog::open(&home.url).await.unwrap_err();
    assert!(matches!(error, StoreError::SchemaTooNew { found: 99, .. }), "{error:?}");
}

#[test]
fn the_database_file_is_nobody_elses() {
    crate::home::run(Home::sqlite(), |home| async move {
        let _store = home.with_accounts().await;
        let Place::Sqlite { directory } = &home.place else { unreachable!("it was made as SQLite") };
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
        }
    });
}

#[test]
fn a_sqlite_file_is_not_made_just_anywhere() {
    crate::home::run(Home::sqlite(), |home| async move {
        let file = home.sqlite_file();
        let create = |path| async move { Store::create_or_open(&DatabaseUrl::sqlite(path), &home.master_key).await };

        let lost = file.parent().unwrap().join("missing/vidpass.db");
        let error = create.clone()(lost.clone()).await.unwrap_err();
        let parent = lost.parent().unwrap().display();
        assert_eq!(error.to_string(), format!("there is no directory `{parent}` for the database"));

        std::fs::write(file.with_extension("db-wal"), "what was committed").unwrap();
        let error = create(file.clone()).await.unwrap_err();
        assert!(matches!(error, StoreError::OrphanedWal { .. }), "{error:?}");
        assert!(!file.exists());
    });
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    crate::home::run(Home::sqlite(), |home| async move {
        std::fs::write(home.sqlite_file(), "").unwrap();
        assert!(matches!(home.open().await.unwrap_err(), StoreError::NotInitialised { .. }));
        std::fs::write(home.sqlite_file(), "This is no database. ".repeat(1000)).unwrap();
        let error = home.open().await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        assert_eq!(error.to_string(), "the database file is damaged");
    });
}

#[test]
fn a_server_that_is_away_is_unavailable_and_its_password_stays_secret() {
    crate::home::run(Home::postgres(), |home| async move {
        let Place::Postgres { url } = &home.place else { unreachable!("it was made as PostgreSQL") };
        let key = MasterKey::generate().unwrap();
        let nowhere = "postgres://me:s3cret@127.0.0.1:1/vidpass".to_owned();
        let no_database = url.replace("postgres@localhost/test", "me:s3cret@localhost/lost");
        let no_user = url.replace("postgres@", "me:s3cret@");
        for url in [nowhere, no_database, no_user] {
            let error = Store::open(&url.parse().unwrap(), &key).await.unwrap_err();
            assert!(error.is_unavailable(), "{error:?}");
            assert_eq!(error.to_string(), "the database is not available");
            let source = error.source().unwrap();
            assert!(!format!("{error:?} {source} {source:?}").contains("s3cret"));
        }
    });
}

/// `sqlx`'s migrator takes a lock that any user of the database can hold.
#[tokio::test]
async fn nobody_locks_a_store_out_whose_schema_is_current() {
    assert_eq!(migration_lock("vidpass"), 3_284_303_684_018_247_792, "as the server shows it in pg_locks");
    let home = Home::postgres();
    home.store().await.close().await;
    let mut other = PgConnection::connect(&home.url_text()).await.unwrap();
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&mut other).await.unwrap();
    sqlx::query("SELECT pg_advisory_lock($1)").bind(migration_lock(&name)).execute(&mut other).await.unwrap();
    home.open().await.unwrap();
}

/// A number of its own, times the CRC-32 of the database's name.
fn migration_lock(database: &str) -> i64 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    let crc = !database.bytes().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(byte), step));
    0x3d32_ad9e * i64::from(crc)
}

on_both_engines!(
    a_store_opened_again_has_everything,
    what_was_never_made_is_not_opened,
    a_store_without_its_check_value_is_not_opened,
    several_programs_can_make_the_store_at_one_time,
    a_schema_from_the_future_is_refused,
    an_altered_schema_is_refused,
    a_gate_opens_the_change_log_of_a_store_that_is_there,
    a_gate_waits_for_the_schema_that_it_knows,
);
