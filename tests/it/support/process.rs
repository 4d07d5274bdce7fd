//! Running programs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

/// The root of the checkout.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The program under test, which `cargo build` put beside the folder of this test binary.
pub(crate) fn vidpass() -> Command {
    let program = std::env::current_exe().unwrap().parent().unwrap().with_file_name("vidpass");
    assert!(program.exists(), "{} is not built; run: cargo build", program.display());
    let mut command = Command::new(program);
    command.env_clear().env("PATH", env!("PATH")).current_dir(repository());
    command
}

/// Runs a command to its end; its output is kept in `build/logs/NAME.log`, and shown where it fails.
#[track_caller]
pub(crate) fn run(name: &str, command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    std::fs::write(log_file(name), &text).unwrap();
    assert!(output.status.success(), "{name}: {}\n{}", output.status, String::from_utf8_lossy(&text));
    output
}

fn log_file(name: &str) -> PathBuf {
    let folder = repository().join("build/logs");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{name}.log"))
}

/// A program that runs until it is dropped.
pub(crate) struct Process {
    child: Child,
    name: String,
    printed: NamedTempFile,
}

impl Process {
    /// Starts `command`. Its log, which is standard error, goes to `build/logs/NAME.log`. What it prints is for its
    /// user's eyes, secrets and all, and is kept apart.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        let log = File::create(log_file(name)).unwrap();
        let printed = NamedTempFile::new().unwrap();
        let child = command.stdin(Stdio::null()).stdout(printed.reopen().unwrap()).stderr(log).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, name: name.to_owned(), printed }
    }

    /// What the program has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(log_file(&self.name)).unwrap()
    }

    /// What the program has printed so far.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(self.printed.path()).unwrap()
    }

    /// The URL of a `vidpass serve` that logs JSON, once it says that it is ready, or as a gate alone that it listens.
    pub(crate) fn listening(&self) -> Option<String> {
        let log = self.log();
        let line = log
            .lines()
            .find(|line| ["vidpass is ready", "the gate is listening"].iter().any(|text| line.contains(text)))?;
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(format!("http://{}", line["listen"].as_str()?))
    }

    /// Waits until `ready` gives a value, while the program runs.
    #[track_caller]
    pub(crate) fn wait_for<T>(&mut self, ready: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(value) = ready(self) {
                return value;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{} is not ready ({ended:?}):\n{}",
                self.name,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// How much memory of the machine it holds, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // nginx's workers outlive a master that is killed.
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let workers = std::fs::read_to_string(children).unwrap_or_default();
        drop(self.child.kill());
        drop(self.child.wait());
        if !workers.trim().is_empty() {
            drop(Command::new("kill").arg("-KILL").args(workers.split_whitespace()).stderr(Stdio::null()).status());
        }
    }
}
