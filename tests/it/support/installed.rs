//! A server that was set up with `vidpass init`, as a user does it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::process::{Process, run, vidpass};

pub(crate) struct Installed {
    name: String,
    folder: TempDir,
}

impl Installed {
    /// Runs `vidpass init` in a new folder.
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, &[])
    }

    pub(crate) fn with(name: &str, arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        run(&format!("{name}-init"), vidpass().arg("init").arg(folder.path()).args(arguments));
        Self { name: name.to_owned(), folder }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn media(&self) -> PathBuf {
        self.folder().join("media")
    }

    /// The configuration's text.
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(self.folder().join("vidpass.toml")).unwrap()
    }

    /// Writes the configuration's text.
    pub(crate) fn write(&self, text: &str) {
        std::fs::write(self.folder().join("vidpass.toml"), text).unwrap();
    }

    /// Adds settings to the configuration: whole tables, after all others.
    pub(crate) fn set(&self, toml: &str) {
        // The template has each table already, empty but for comments.
        let tables = toml.lines().filter(|line| line.starts_with('['));
        let text = tables.fold(self.text(), |text, table| text.replace(table, ""));
        self.write(&format!("{text}{toml}\n"));
    }

    /// Adds a setting that stands in no table.
    pub(crate) fn top(&self, toml: &str) {
        self.write(&format!("{toml}\n{}", self.text()));
    }

    /// A command on this server.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = vidpass();
        command.env("VIDPASS_CONFIG", self.folder().join("vidpass.toml")).args(words);
        command
    }

    /// Runs a command to its end and reads the JSON that it prints, which goes to no log.
    #[track_caller]
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let output = self.command(words).arg("--json").output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Starts the server on a free port, and gives its URL.
    pub(crate) fn serve(&self) -> (Process, String) {
        self.serve_on(0)
    }

    /// Starts the server on this port.
    pub(crate) fn serve_on(&self, port: u16) -> (Process, String) {
        let listen = format!("127.0.0.1:{port}");
        let words = ["serve", "--listen", &listen, "--admin-listen", "off", "--log-format", "json"];
        let mut server = Process::start(&format!("{}-server", self.name), &mut self.command(&words));
        let url = server.wait_for(Process::listening);
        (server, url)
    }
}
