//! A gate alone, in a folder of its own, with no master key.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::answer::client;
use super::process::{Process, vidpass};

pub(crate) struct LoneGate {
    name: String,
    folder: TempDir,
    settings: String,
}

impl LoneGate {
    /// A gate with these settings besides its role.
    pub(crate) fn new(name: &str, settings: &str) -> Self {
        let settings = format!("roles = [\"gate\"]\n{settings}\n");
        Self { name: name.to_owned(), folder: TempDir::new().unwrap(), settings }
    }

    /// A file of its folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a video's file where the gate looks for it.
    pub(crate) fn put(&self, path: &str, content: &str) {
        let file = self.file("media").join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }

    /// A command on its configuration.
    pub(crate) fn command(&self, name: &str) -> Command {
        std::fs::create_dir_all(self.file("media")).unwrap();
        std::fs::write(self.file("vidpass.toml"), &self.settings).unwrap();
        let mut command = vidpass();
        command.env("VIDPASS_CONFIG", self.file("vidpass.toml")).arg(name);
        command
    }

    /// Starts it on a free port, and gives its URL. It listens before it is ready.
    pub(crate) fn serve(&self) -> (Process, String) {
        let mut command = self.command("serve");
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "off", "--log-format", "json"]);
        let mut gate = Process::start(&format!("{}-gate", self.name), &mut command);
        let url = gate.wait_for(Process::listening);
        (gate, url)
    }
}

/// Status and body of `/readyz`, or of whatever else answers in JSON.
pub(crate) async fn ask(url: &str) -> (u16, Value) {
    let answer = client().get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// How long it takes until a URL answers with this status.
#[track_caller]
pub(crate) fn until_status(url: &str, status: u16) -> impl Future<Output = Duration> + use<> {
    let (http, url, caller) = (client(), url.to_owned(), std::panic::Location::caller());
    async move {
        let started = Instant::now();
        loop {
            let last = http.get(&url).send().await.map_or(0, |answer| answer.status().as_u16());
            if last == status {
                return started.elapsed();
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{caller}: {last} instead of {status}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
