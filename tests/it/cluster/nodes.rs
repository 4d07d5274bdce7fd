//! Issuers and gates as processes of their own, on one database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use vidpass_token::{Claims, SigningKey, UnixTime};

use super::database::Database;
use crate::support::{Installed, Process, client, now, until_status};

/// How many processes of each kind there are.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) issuers: usize,
    pub(crate) gates: usize,
}

/// A running cluster with one account, `a1`.
pub(crate) struct Cluster {
    pub(crate) database: Database,
    pub(crate) issuers: Vec<Node>,
    pub(crate) gates: Vec<Node>,
    pub(crate) http: Client,
    pub(crate) installed: Installed,
    api_token: String,
}

/// One process.
pub(crate) struct Node {
    pub(crate) url: String,
    pub(crate) process: Process,
}

impl Node {
    fn start(installed: &Installed, role: &str, number: usize, database: &str) -> Self {
        let words = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off", "--log-format", "json"];
        let mut command = installed.command(&words);
        command.args(["--database", database, "--roles", role]);
        let mut process = Process::start(&format!("{}-{role}-{number}", installed.name()), &mut command);
        let url = process.wait_for(Process::listening);
        Self { url, process }
    }
}

impl Cluster {
    pub(crate) fn start(name: &str, size: Size, settings: &str) -> Self {
        let database = Database::start();
        let url = database.url();
        Self::on(database, name, size, settings, &url)
    }

    /// `gates_url` is where the gates find the database.
    pub(crate) fn on(database: Database, name: &str, size: Size, settings: &str, gates_url: &str) -> Self {
        let installed = Installed::with(name, &["--database", &database.url()]);
        if !settings.is_empty() {
            installed.set(settings);
        }
        installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
        let made = installed.json(&["api-token", "create", "--name", "T"]);
        let api_token = made["token"].as_str().unwrap().to_owned();
        let node = |role: &str, number: usize, url: &str| Node::start(&installed, role, number, url);
        let issuers = (0..size.issuers).map(|number| node("issuer", number, &database.url())).collect();
        let gates = (0..size.gates).map(|number| node("gate", number, gates_url)).collect();
        Self { database, issuers, gates, http: client(), installed, api_token }
    }

    /// Starts another gate, and gives how long it took and the memory that it then holds, in KiB.
    pub(crate) async fn start_gate(&mut self, number: usize) -> (Duration, u64) {
        let started = Instant::now();
        let gate = Node::start(&self.installed, "gate", number, &self.database.url());
        until_status(&format!("{}/readyz", gate.url), 200).await;
        let took = started.elapsed();
        let resident = gate.process.resident();
        self.gates.push(gate);
        (took, resident)
    }

    /// A request to the API of the issuer of this number, counted round.
    pub(crate) async fn api(
        &self,
        issuer: usize,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let issuer = &self.issuers[issuer % self.issuers.len()].url;
        let url = format!("{issuer}/client/v4/accounts/a1/{path}");
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(&self.api_token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// [`Self::api`], which must do it.
    pub(crate) async fn done(&self, issuer: usize, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.api(issuer, method, path, body).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer["result"].clone()
    }

    /// Registers a video and puts a file of it where all find it.
    pub(crate) async fn video(&self, uid: &str) {
        let file = self.installed.media().join(format!("a1/{uid}/a.ts"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "film").unwrap();
        self.done(0, "PUT", &format!("stream/{uid}"), Some(json!({}))).await;
    }

    /// Makes a key that signs here, and not at an issuer.
    pub(crate) async fn key(&self, issuer: usize) -> SigningKey {
        let made = self.done(issuer, "POST", "stream/keys", Some(json!({ "alg": "ES256" }))).await;
        SigningKey::from_jwk(None, made["jwk"].as_str().unwrap()).unwrap()
    }
}

/// Claims of a token for `uid` that is ten seconds old.
pub(crate) fn claims(uid: &str) -> Claims {
    Claims { issued_at: Some(UnixTime(now() - 10)), ..Claims::new(uid.parse().unwrap(), UnixTime(now() + 3600)) }
}

/// A file of a video at each gate, by a token of it.
pub(crate) fn targets(gates: &[Node], token: &str) -> Vec<Arc<str>> {
    gates.iter().map(|gate| format!("{}/{token}/a.ts", gate.url).into()).collect()
}
