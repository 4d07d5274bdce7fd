//! S3 servers that nobody here wrote, each with one bucket.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::guarded::free_port;
use super::process::{Process, repository, run};

pub(crate) const BUCKET: &str = "videos";
pub(crate) const KEY_ID: &str = "AKIAEXAMPLE";
pub(crate) const SECRET_KEY: &str = "a secret of the tests";

pub(crate) struct Bucket {
    name: String,
    process: Process,
    port: u16,
    _folder: TempDir,
}

impl Bucket {
    /// Keeps objects as files, and checks every signature.
    pub(crate) fn s3s(name: &str) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let mut command = Command::new(repository().join("build/tools/bin/s3s-fs"));
        command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--domain", &format!("localhost:{port}")]);
        command.args(["--access-key", KEY_ID, "--secret-key", SECRET_KEY]).arg(folder.path());
        Self::start(name, &mut command, port, folder)
    }

    /// Another implementation, which believes every signature, but wants one.
    pub(crate) fn moto(name: &str) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let mut command = python("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        Self::start(name, &mut command, port, folder)
    }

    fn start(name: &str, command: &mut Command, port: u16, folder: TempDir) -> Self {
        let mut process = Process::start(name, command);
        process.wait_for(|_| std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Self { name: name.to_owned(), process, port, _folder: folder }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The endpoint by name, of which the bucket can be a part.
    pub(crate) fn named_endpoint(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Puts all files of a folder into the bucket.
    pub(crate) fn fill(&self, folder: &Path, prefix: &str) {
        let mut command = python("python");
        command.arg(repository().join("tests/clients/python/fill_bucket.py"));
        command.args([&self.endpoint(), BUCKET]).arg(folder).arg(prefix);
        command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        run(&format!("{}-fill", self.name), &mut command);
    }

    pub(crate) fn stop(&mut self) {
        self.process.signal("KILL");
        self.process.ended();
    }
}

fn python(program: &str) -> Command {
    Command::new(repository().join("tests/clients/python/.venv/bin").join(program))
}
