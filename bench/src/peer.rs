//! Peers: servers of others, each with a configuration in `peers/` in which `@NAME@` stands for what differs from run to run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::Bench;
use crate::process::{Process, at, free_port};

/// A peer that runs.
pub(crate) struct Peer {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// Its configuration and what it writes.
    _folder: TempDir,
}

/// A folder with one peer's configuration.
pub(crate) struct Setup<'a> {
    bench: &'a Bench,
    folder: TempDir,
    pub(crate) port: u16,
}

impl<'a> Setup<'a> {
    pub(crate) fn new(bench: &'a Bench) -> anyhow::Result<Self> {
        Ok(Self { bench, folder: tempfile::tempdir()?, port: free_port() })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the peer's, and gives its place.
    pub(crate) fn write(&self, name: &str, content: &str) -> anyhow::Result<PathBuf> {
        let file = self.folder().join(name);
        std::fs::write(&file, content)?;
        Ok(file)
    }

    /// Takes `peers/NAME`, puts `values` into it beside `@PORT@` and `@FOLDER@`, and gives the place of the result.
    pub(crate) fn fill(&self, name: &str, values: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
        let template = self.bench.folder.join("peers").join(name);
        let template = std::fs::read_to_string(&template).with_context(|| format!("{}", template.display()))?;
        let (port, folder) = (self.port.to_string(), self.folder().to_string_lossy().into_owned());
        let all = [("PORT", port.as_str()), ("FOLDER", folder.as_str())];
        let all = all.iter().chain(values);
        let text = all.fold(template, |text, (name, value)| text.replace(&format!("@{name}@"), value));
        let name = Path::new(name).file_name().context("a template has a name")?;
        self.write(&name.to_string_lossy(), &text)
    }

    /// Starts the peer, and waits until it listens.
    pub(crate) fn start(self, name: &str, command: &mut Command) -> anyhow::Result<Peer> {
        let mut process = Process::start(name, &self.bench.build.join("logs"), command)?;
        process.wait_for(at(self.port))?;
        Ok(Peer { process, address: at(self.port), _folder: self.folder })
    }
}
