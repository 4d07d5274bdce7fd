//! Servers as processes on their core, and what they cost.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::machine::SERVER_CORE;

/// A server that runs until it is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: std::path::PathBuf,
}

/// A port that nothing has: the namespace is ours, and clients' own ports begin above.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(2000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A port of this machine.
pub(crate) fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A command that runs on the servers' core.
pub(crate) fn server_command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &SERVER_CORE.to_string()]).arg(program.as_ref());
    command
}

impl Process {
    /// Starts `command`, which is one of [`server_command`]; what it says goes to `logs/NAME.log`.
    pub(crate) fn start(name: &str, logs: &Path, command: &mut Command) -> anyhow::Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = File::create(&log)?;
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn();
        let child = child.with_context(|| format!("{name} cannot be started"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Waits until something listens at `address`.
    pub(crate) fn wait_for(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                bail!("{} does not listen: {}", self.name, self.last_words());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }

    /// It and all its children.
    fn all(&self) -> Vec<u32> {
        let mut all = vec![self.child.id()];
        let mut next = 0;
        while let Some(parent) = all.get(next).copied() {
            for thread in entries(&format!("/proc/{parent}/task")) {
                let children = std::fs::read_to_string(format!("{thread}/children")).unwrap_or_default();
                all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
            next += 1;
        }
        all
    }

    /// How long all its threads have run on a core.
    pub(crate) fn cpu(&self) -> Duration {
        let threads = self.all().into_iter().flat_map(|pid| entries(&format!("/proc/{pid}/task")));
        let nanoseconds = |thread: String| {
            let text = std::fs::read_to_string(format!("{thread}/schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        Duration::from_nanos(threads.filter_map(nanoseconds).sum())
    }

    /// Its share of the machine's memory, in KiB: what processes share is divided among them.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for pid in self.all() {
            let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss in smaps_rollup")?;
            sum += line.trim().trim_end_matches(" kB").parse::<u64>()?;
        }
        Ok(sum)
    }
}

fn entries(folder: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path().to_string_lossy().into_owned())).collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        // Workers outlive a parent that is killed.
        for pid in self.all().into_iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
            _ = kill_process(pid, Signal::KILL);
        }
        drop(self.child.wait());
    }
}
