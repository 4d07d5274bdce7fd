//! Databases of an earlier schema, with data in place: brought up to date by a program that is killed while it does.

use std::process::{Command, Stdio};
use std::time::Duration;

use sqlx::migrate::Migrator;
use vidpass_store::{DatabaseUrl, MasterKey, Store};
use vidpass_token::{RevocationKind, Standing};

use crate::home::{Connection, Home, KEY, NOW, OTHER_KEY, Place, id, on_both_engines};

/// The schema that the data is written in.
const EARLIER: i64 = 3;

/// How many entries there are of what there are many of.
const MANY: usize = 50_000;

/// What the child process is told, and by which name it finds itself.
const URL: &str = "VIDPASS_TEST_URL";
const MASTER_KEY: &str = "VIDPASS_TEST_MASTER_KEY";
const CHILD: &str = "upgrade::opens_a_store_in_a_process_of_its_own";

async fn nothing_is_lost_where_an_upgrade_is_killed_and_run_again(home: Home) {
    write_earlier_store(&home).await;
    let mut finished = 0;
    for number in 0..16_u32 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([CHILD, "--exact", "--ignored"])
            .env(URL, home.url_text())
            .env(MASTER_KEY, home.master_key.to_base64().as_str())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // From before it has begun to long after it is done.
        std::thread::sleep(Duration::from_millis(10) * number * number / 4);
        child.kill().unwrap();
        finished += usize::from(child.wait().unwrap().success());
    }
    assert!(finished < 16, "none of them was killed");
    assert_has_everything(&home).await;
}

#[test]
#[ignore = "another test starts it"]
fn opens_a_store_in_a_process_of_its_own() {
    #[expect(clippy::disallowed_methods, reason = "it is how a process is told something that is no argument")]
    let told = |name| std::env::var(name).unwrap();
    let url: DatabaseUrl = told(URL).parse().unwrap();
    let key = MasterKey::from_base64(&told(MASTER_KEY)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Store::open(&url, &key)).unwrap();
}

/// Has an account, a managed key, a key of the account's own, a deleted one, videos, and many revocations and changes.
pub(crate) async fn write_earlier_store(home: &Home) {
    let sealed = sealed_by_today(home).await;
    let folder = match &home.place {
        Place::Sqlite { .. } => "migrations/sqlite",
        Place::Postgres { .. } => "migrations/postgres",
    };
    let migrator = Migrator::new(std::path::Path::new(folder)).await.unwrap();
    if let Place::Sqlite { .. } = &home.place {
        std::fs::File::create_new(home.sqlite_file()).unwrap();
    }
    match home.connect().await {
        Connection::Sqlite(mut db) => migrator.run_to(EARLIER, &mut db).await.unwrap(),
        Connection::Postgres(mut db) => migrator.run_to(EARLIER, &mut db).await.unwrap(),
    }
    let (public, other) = (KEY.public().spki_der().to_vec(), OTHER_KEY.public().spki_der().to_vec());
    let key =
        "INSERT INTO signing_key (id, account_id, public_key, sealed_private_key, managed, created, deleted) VALUES";
    let many = format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})");
    let mark = vidpass_token::RevokedSubject::Viewer(id("alice")).mark(&id("ours")).to_hex();
    home.write("INSERT INTO store_meta (name, value) VALUES ('master_key_check', $1)".into(), &[sealed.check]).await;
    home.write("INSERT INTO account (id, name, created) VALUES ('ours', 'Ours', 1)".into(), &[]).await;
    home.write(format!("{key} ('key-1', 'ours', $1, $2, 1, 1, NULL)"), &[public, sealed.private_key]).await;
    home.write(format!("{key} ('own', 'ours', $1, NULL, 0, 1, NULL)"), std::slice::from_ref(&other)).await;
    home.write(format!("{key} ('gone', 'ours', $1, NULL, 0, 1, 2)"), &[other]).await;
    home.write(
        "INSERT INTO video (uid, account_id, require_signed_urls, allowed_origins, downloads, meta, search_name,
                            thumbnail_timestamp_pct, created, modified, registered)
         VALUES ('film', 'ours', 1, '[]', 1, '{\"name\":\"Film\"}', 'film', 0.5, 1, 1, 1)"
            .into(),
        &[],
    )
    .await;
    home.write(
        format!(
            "{many} INSERT INTO revocation (id, account_id, kind, subject, mark, reason, created)
             SELECT 'r' || i, 'ours', 'viewer', 'alice', '{mark}', 'a test', i FROM n"
        ),
        &[],
    )
    .await;
    home.write(format!("{many} INSERT INTO change_log (seq, kind, subject) SELECT i, 'key', 'own' FROM n"), &[]).await;
    home.write(format!("UPDATE change_counter SET seq = {MANY}"), &[]).await;
}

struct Sealed {
    check: Vec<u8>,
    private_key: Vec<u8>,
}

/// What a store of today seals under the same names and the same master key.
async fn sealed_by_today(home: &Home) -> Sealed {
    let today = Home { master_key: home.master_key.clone(), ..Home::sqlite() };
    let (store, ours, _) = today.with_accounts().await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    Sealed {
        check: today.bytes("SELECT value FROM store_meta").await.unwrap(),
        private_key: today.bytes("SELECT sealed_private_key FROM signing_key").await.unwrap(),
    }
}

async fn assert_has_everything(home: &Home) {
    let store = home.open().await.unwrap();
    let ours = id("ours");
    assert_eq!(store.account(&ours).await.unwrap().unwrap().name, "Ours");
    let keys = store.list_signing_keys(&ours).await.unwrap();
    let keys: Vec<_> = keys.iter().map(|key| (key.id.as_str(), key.is_managed())).collect();
    assert_eq!(keys, [("key-1", true), ("own", false)]);
    let opened = store.open_managed_key(&ours, KEY.id()).await.unwrap().unwrap();
    assert_eq!(opened.public(), KEY.public());
    assert!(store.is_signing_key_deleted(&ours, &id("gone")).await.unwrap());
    assert!(store.video(&ours, &id("film")).await.unwrap().unwrap().policy.downloads);

    let token =
        KEY.sign(&vidpass_token::Claims { viewer: Some(id("alice")), ..vidpass_token::Claims::new(id("film"), NOW) });
    let claims = store.verify(&ours, token.unwrap().as_str()).await.unwrap().unwrap();
    let standing = store.standing(&ours, &claims, NOW).await.unwrap();
    assert_eq!(standing, Standing::Revoked(RevocationKind::Viewer));
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.cursor.seq().get(), i64::try_from(MANY).unwrap());
    assert_eq!(snapshot.revocations.iter().map(|(_, taken)| taken.len()).sum::<usize>(), MANY);
    assert!(store.changes_since(snapshot.cursor).await.unwrap().is_empty());
    store.delete_signing_key(&ours, &id("own"), NOW).await.unwrap();
    assert_eq!(store.changes_since(snapshot.cursor).await.unwrap().len(), 1);
}

on_both_engines!(nothing_is_lost_where_an_upgrade_is_killed_and_run_again);
