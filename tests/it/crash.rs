//! Killed without warning, nothing that was acknowledged is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

use crate::postgres_server::postgres_server;
use crate::support::{Installed, Process, client};

/// How many callers write at once.
const CALLERS: usize = 4;

/// How many changes are acknowledged before the server is killed.
const BEFORE_THE_KILL: usize = 12;

#[tokio::test]
async fn every_acknowledged_change_survives_a_kill_on_sqlite() {
    kill_often("crash-sqlite", "sqlite:vidpass.db", 5).await;
}

#[tokio::test]
async fn every_acknowledged_change_survives_a_kill_on_postgresql() {
    kill_often("crash-postgres", &postgres_server().create_database(), 5).await;
}

#[tokio::test]
#[ignore = "make cluster-test"]
async fn large_every_acknowledged_change_survives_a_kill_on_sqlite() {
    kill_often("crash-sqlite-large", "sqlite:vidpass.db", 200).await;
}

#[tokio::test]
#[ignore = "make cluster-test"]
async fn large_every_acknowledged_change_survives_a_kill_on_postgresql() {
    kill_often("crash-postgres-large", &postgres_server().create_database(), 200).await;
}

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    /// Keys that were made, and not deleted as far as anybody knows.
    keys: BTreeSet<String>,
    deleted_keys: BTreeSet<String>,
    revocations: BTreeSet<String>,
    /// Deletions that were asked for and not answered.
    perhaps_deleted: BTreeSet<String>,
}

async fn kill_often(name: &str, database: &str, rounds: usize) {
    let installed = Installed::with(name, &["--database", database]);
    installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
    let made = installed.json(&["api-token", "create", "--name", "T"]);
    let api_token = made["token"].as_str().unwrap();
    let mut all = Acknowledged::default();
    let mut changes = 0;
    for _ in 0..rounds {
        let (server, url) = installed.serve();
        let api =
            Arc::new(Api { http: client(), url: format!("{url}/client/v4/accounts/a1"), token: api_token.to_owned() });
        all.assert_kept(&api).await;
        all.forget_most_keys(&api).await;
        changes += write_until_killed(&api, server, &mut all).await;
    }
    let (_server, url) = installed.serve();
    let api = Api { http: client(), url: format!("{url}/client/v4/accounts/a1"), token: api_token.to_owned() };
    all.assert_kept(&api).await;
    println!("cluster: {name}: {changes} changes were acknowledged in {rounds} rounds, and none was lost");
}

impl Acknowledged {
    async fn assert_kept(&mut self, api: &Api) {
        let listed = api.ids("stream/keys").await;
        let lost: Vec<_> = self.keys.difference(&listed).filter(|id| !self.perhaps_deleted.contains(*id)).collect();
        assert!(lost.is_empty(), "keys are lost: {lost:?}");
        let back: Vec<_> = self.deleted_keys.intersection(&listed).collect();
        assert!(back.is_empty(), "deleted keys are back: {back:?}");
        // A key whose answer was on its way when the process died may be there; no more than those.
        let unknown: Vec<_> = listed.difference(&self.keys).collect();
        assert!(unknown.len() <= CALLERS, "keys from nowhere: {unknown:?}");
        // Of the newest thousand, which those of this round are among.
        let revocations = api.ids("stream/revocations").await;
        let lost: Vec<_> = self.revocations.difference(&revocations).collect();
        assert!(lost.is_empty(), "revocations are lost: {lost:?}");
        self.revocations.clear();
        self.keys = listed;
        self.perhaps_deleted.clear();
    }

    /// An account may not have more than a thousand.
    async fn forget_most_keys(&mut self, api: &Api) {
        while self.keys.len() > 20 {
            let id = self.keys.pop_first().unwrap();
            assert!(api.delete_key(&id).await);
            self.deleted_keys.insert(id);
        }
    }
}

/// Makes and deletes keys and takes viewers' tokens back on several connections, and kills the server after some answers.
async fn write_until_killed(api: &Arc<Api>, mut server: Process, all: &mut Acknowledged) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(write(Arc::clone(api), Arc::clone(&count)))).collect();
    while count.load(Ordering::Relaxed) < BEFORE_THE_KILL && !callers.iter().all(tokio::task::JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.signal("KILL");
    server.ended();
    for caller in callers {
        let written = caller.await.unwrap();
        all.keys.extend(written.keys);
        all.deleted_keys.extend(written.deleted_keys);
        all.revocations.extend(written.revocations);
        all.perhaps_deleted.extend(written.perhaps_deleted);
    }
    count.load(Ordering::Relaxed)
}

/// Writes until there is no answer.
async fn write(api: Arc<Api>, count: Arc<AtomicUsize>) -> Acknowledged {
    let mut written = Acknowledged::default();
    loop {
        let Some(key) = api.create("stream/keys", json!({ "alg": "ES256" })).await else { break };
        written.keys.insert(key.clone());
        count.fetch_add(1, Ordering::Relaxed);
        let viewer = json!({ "viewer": format!("of-{key}"), "reason": "a test" });
        let Some(revocation) = api.create("stream/revocations", viewer).await else { break };
        written.revocations.insert(revocation);
        count.fetch_add(1, Ordering::Relaxed);
        if key.as_bytes()[0] % 2 == 0 {
            written.perhaps_deleted.insert(key.clone());
            if !api.delete_key(&key).await {
                break;
            }
            written.perhaps_deleted.remove(&key);
            written.keys.remove(&key);
            written.deleted_keys.insert(key);
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
    written
}

/// The API of a server that may be gone at any moment.
struct Api {
    http: Client,
    url: String,
    token: String,
}

impl Api {
    /// The id of what was made; `None` where the server died.
    async fn create(&self, path: &str, body: Value) -> Option<String> {
        let request = self.http.post(format!("{}/{path}", self.url)).bearer_auth(&self.token).json(&body);
        let answer: Value = request.send().await.ok()?.json().await.ok()?;
        assert_eq!(answer["success"], true, "{answer}");
        Some(answer["result"]["id"].as_str().unwrap().to_owned())
    }

    /// Whether the server lived to say that it is deleted.
    async fn delete_key(&self, id: &str) -> bool {
        let request = self.http.delete(format!("{}/stream/keys/{id}", self.url)).bearer_auth(&self.token);
        let Ok(answer) = request.send().await else { return false };
        assert_eq!(answer.status(), 200);
        answer.bytes().await.is_ok()
    }

    async fn ids(&self, path: &str) -> BTreeSet<String> {
        let request = self.http.get(format!("{}/{path}", self.url)).bearer_auth(&self.token);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["result"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }
}
