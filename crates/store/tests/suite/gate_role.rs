//! What the database lets a gate do, and what not: PostgreSQL's role `vidpass_gate`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;
use vidpass_store::{ChangeLog, Cursor, DatabaseUrl, NewApiToken, NewRevocation, NewVideo, Store, StoreError, Subject};
use vidpass_token::{AccountId, RevocationExtent, RevokedSubject};

use crate::home::{Home, KEY, NOW, OTHER_KEY, Place, id, run};

#[test]
fn a_login_in_the_role_runs_a_whole_gate() {
    run(Home::postgres(), |home| async move {
        let (store, ours, _) = filled(&home).await;
        let log = ChangeLog::open(&login(&home, "IN ROLE vidpass_gate").await.parse().unwrap()).await.unwrap();
        let mut follower = log.follower();
        let snapshot = log.snapshot().await.unwrap();
        assert_eq!((snapshot.keys.len(), snapshot.videos.len(), snapshot.revocations.len()), (2, 1, 1));
        assert_eq!((snapshot.deleted_keys.len(), snapshot.deleted_videos.len(), snapshot.accounts.len()), (1, 1, 1));

        // What came before it listened is told as one word.
        timeout(Duration::from_millis(1500), follower.changed()).await.unwrap();
        store.delete_signing_key(&ours, OTHER_KEY.id(), NOW).await.unwrap();
        revoke(&store, &ours).await;
        dry_run(&store, &ours, false).await;
        store.delete_video(&ours, &id("film"), NOW).await.unwrap();
        timeout(Duration::from_millis(900), follower.changed()).await.expect("PostgreSQL tells of it at once");
        let changes = log.changes_since(snapshot.cursor).await.unwrap();
        let subjects: Vec<_> = changes.into_iter().map(|change| change.subject).collect();
        assert!(matches!(subjects[0], Subject::Key(_, None)), "{subjects:?}");
        assert!(matches!(subjects[1], Subject::Revocation(..)), "{subjects:?}");
        assert!(matches!(subjects[2], Subject::Account(_, Some(_))), "{subjects:?}");
        assert!(matches!(subjects[3], Subject::Video(_, None)), "{subjects:?}");
    });
}

#[test]
fn a_login_in_the_role_reads_no_secret_and_writes_nothing() {
    run(Home::postgres(), |home| async move {
        let _store = filled(&home).await;
        let mut gate = PgConnection::connect(&login(&home, "IN ROLE vidpass_gate").await).await.unwrap();
        for allowed in
            ["SELECT id, public_key FROM signing_key", "SELECT seq FROM change_counter", "LISTEN vidpass_changes"]
        {
            sqlx::query(allowed).execute(&mut gate).await.unwrap();
        }
        for refused in [
            "SELECT sealed_private_key FROM signing_key",
            "SELECT * FROM signing_key",
            "SELECT count(*) FROM signing_key WHERE sealed_private_key IS NOT NULL",
            "SELECT id FROM credential",
            "SELECT id FROM gate_credential",
            "SELECT secret_hash FROM credential",
            "SELECT value FROM store_meta",
            "SELECT meta FROM video",
            "SELECT reason FROM revocation",
            "SELECT name FROM account",
            "UPDATE change_counter SET seq = seq",
            "SELECT seq FROM change_counter FOR UPDATE",
            "INSERT INTO change_log (seq, kind, subject) VALUES (99, 'key', 'k')",
            "DELETE FROM revocation",
            "UPDATE signing_key SET deleted = NULL",
            "UPDATE video SET require_signed_urls = 0",
            "TRUNCATE revocation",
            "DROP TABLE revocation",
            "CREATE TABLE mine (c TEXT)",
        ] {
            let error = sqlx::query(refused).execute(&mut gate).await.expect_err(refused);
            let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
            assert_eq!(code.as_deref(), Some("42501"), "{refused}: {error}");
        }
    });
}

#[test]
fn a_login_outside_the_role_is_told_what_it_lacks() {
    run(Home::postgres(), |home| async move {
        let _store = filled(&home).await;
        let url: DatabaseUrl = login(&home, "").await.parse().unwrap();
        let error = ChangeLog::open(&url).await.unwrap_err();
        assert!(matches!(error, StoreError::PrivilegeMissing { .. }), "{error:?}");
    });
}

#[test]
fn a_database_is_made_by_a_user_who_may_make_no_role() {
    run(Home::postgres(), |home| async move {
        let owner = login(&home, "").await;
        let name = owner.split(['/', '?']).nth(3).unwrap();
        let user = owner.split(['/', '@']).nth(2).unwrap();
        admin(&home, &format!("ALTER DATABASE {name} OWNER TO {user}")).await;
        let store = Store::create_or_open(&owner.parse().unwrap(), &home.master_key).await.unwrap();
        store.ping().await.unwrap();
    });
}

#[test]
fn the_documented_statements_make_the_role_too() {
    const DOCUMENT: &str = include_str!("../../../../docs/gates.md");
    run(Home::postgres(), |home| async move {
        let _store = filled(&home).await;
        let gate: DatabaseUrl = login(&home, "IN ROLE vidpass_gate").await.parse().unwrap();
        for table in
            ["_sqlx_migrations", "change_counter", "change_log", "account", "signing_key", "video", "revocation"]
        {
            admin(&home, &format!("REVOKE ALL ON {table} FROM vidpass_gate")).await;
        }
        assert!(matches!(ChangeLog::open(&gate).await.unwrap_err(), StoreError::PrivilegeMissing { .. }));
        let statements = DOCUMENT.split("```sql\n").nth(2).unwrap().split("```").next().unwrap();
        let (role, grants) = statements.split_once('\n').unwrap();
        assert_eq!(role, "CREATE ROLE vidpass_gate NOLOGIN;");
        admin(&home, grants).await;
        let log = ChangeLog::open(&gate).await.unwrap();
        let snapshot = log.snapshot().await.unwrap();
        assert!(!log.changes_since(Cursor::START).await.unwrap().is_empty() && snapshot.keys.len() == 2);
    });
}

/// A store in which there is something of everything.
async fn filled(home: &Home) -> (Store, AccountId, AccountId) {
    let (store, ours, theirs) = home.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    store.add_signing_key(&ours, OTHER_KEY.public(), OTHER_KEY.id().clone(), NOW).await.unwrap();
    store.add_signing_key(&theirs, OTHER_KEY.public(), id("gone"), NOW).await.unwrap();
    store.delete_signing_key(&theirs, &id("gone"), NOW).await.unwrap();
    for uid in ["film", "gone"] {
        store.register_video(&ours, NewVideo::private(Some(id(uid))), NOW).await.unwrap();
    }
    store.delete_video(&ours, &id("gone"), NOW).await.unwrap();
    dry_run(&store, &ours, true).await;
    revoke(&store, &ours).await;
    store.create_api_token(&ours, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
    (store, ours, theirs)
}

async fn dry_run(store: &Store, account: &AccountId, dry_run: bool) {
    store.update_account(account, NOW, |account| account.policy.dry_run = dry_run).await.unwrap();
}

async fn revoke(store: &Store, account: &AccountId) {
    let (subject, extent) = (RevokedSubject::Video(id("film")), RevocationExtent::IssuedBefore(NOW));
    store
        .revoke(account, &NewRevocation { subject, extent, reason: "recut".to_owned(), until: None }, NOW)
        .await
        .unwrap();
}

/// The home's URL for a new user of the server.
async fn login(home: &Home, attributes: &str) -> String {
    static USERS: AtomicU32 = AtomicU32::new(0);
    let Place::Postgres { url } = &home.place else { unreachable!("it was made as PostgreSQL") };
    let user = format!("user_{}", USERS.fetch_add(1, Ordering::Relaxed));
    admin(home, &format!("CREATE ROLE {user} LOGIN {attributes}")).await;
    url.replace("postgres@", &format!("{user}@"))
}

async fn admin(home: &Home, sql: &str) {
    let Place::Postgres { url } = &home.place else { unreachable!("it was made as PostgreSQL") };
    let mut admin = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
}
