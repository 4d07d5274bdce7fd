//! Backups, and what a running gate makes of a database that went back in time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::{Cluster, Size, claims};
use crate::support::run;

/// A key is deleted and a viewer's tokens are taken back after the backup. Restored, the database knows neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_goes_on_refusing_what_a_restored_database_has_forgotten() {
    let cluster = Cluster::start("restored", Size { issuers: 1, gates: 1 }, "");
    let (kept, deleted) = (cluster.key(0).await, cluster.key(0).await);
    cluster.video("film").await;
    let token = |key: &vidpass_token::SigningKey, viewer: &str| {
        let claims = vidpass_token::Claims { viewer: Some(viewer.parse().unwrap()), ..claims("film") };
        key.sign(&claims).unwrap().as_str().to_owned()
    };
    let tokens = [token(&kept, "alice"), token(&kept, "bob"), token(&deleted, "alice")];
    assert_statuses_become(&cluster, &tokens, [200, 200, 200]).await;

    let file = cluster.installed.folder().join("vidpass.backup");
    run("restored-backup", cluster.installed.command(&["backup"]).arg(&file));
    cluster.done(0, "DELETE", &format!("stream/keys/{}", deleted.id()), None).await;
    let bob = json!({ "viewer": "bob", "reason": "a test" });
    cluster.done(0, "POST", "stream/revocations", Some(bob)).await;
    assert_statuses_become(&cluster, &tokens, [200, 401, 401]).await;

    cluster.database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    run("restored-restore", cluster.installed.command(&["restore"]).arg(&file));
    let listed: Value = cluster.installed.json(&["key", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 2, "the database has the deleted key again");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !cluster.gates[0].process.log().contains("the store forgot what it had forbidden") {
        assert!(Instant::now() < deadline, "the gate does not notice");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_statuses_become(&cluster, &tokens, [200, 401, 401]).await;

    // It follows what comes now.
    let carol = [token(&kept, "carol")];
    assert_statuses_become(&cluster, &carol, [200]).await;
    cluster.installed.json(&["revoke", "viewer", "carol", "--reason", "a test"]);
    assert_statuses_become(&cluster, &carol, [401]).await;
    assert_statuses_become(&cluster, &tokens, [200, 401, 401]).await;
}

/// Within a poll or two.
async fn assert_statuses_become<const N: usize>(cluster: &Cluster, tokens: &[String; N], expected: [u16; N]) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let mut statuses = [0; N];
        for (status, token) in statuses.iter_mut().zip(tokens) {
            let url = format!("{}/{token}/a.ts", cluster.gates[0].url);
            *status = cluster.http.get(url).send().await.unwrap().status().as_u16();
        }
        if statuses == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{statuses:?} is not {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
