//! The machine: its cores, its clocks, and what it is.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// Where the load comes from.
pub(crate) const LOAD_CORE: usize = 0;

/// Where all servers are.
pub(crate) const SERVER_CORE: usize = 1;

/// As many files as 10,000 connections with both ends on this machine need.
const FILES: u64 = 40_000;

/// Keeps this thread, and the processes that it starts, on one core.
pub(crate) fn pin(core: usize) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// Runs `work` on the servers' core, where its raw figures are to be compared with a server's.
pub(crate) fn on_server_core<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    pin(SERVER_CORE)?;
    let result = work();
    pin(LOAD_CORE)?;
    result
}

/// Raises the limit of open files as far as may be; the bar that needs more says so.
pub(crate) fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let enough = Rlimit { current: Some(FILES), maximum: Some(limit.maximum.map_or(FILES, |most| most.max(FILES))) };
    if setrlimit(Resource::Nofile, enough).is_err() {
        // Only root may raise the upper limit.
        _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
}

/// How long this thread has run on a core.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// How many threads ran or waited for a core, on average of the last minute.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}

/// What the results say of the machine.
pub(crate) fn description() -> Vec<(String, String)> {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo");
    let memory = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)).unwrap_or("?");
    let system = read("/etc/os-release");
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("unknown");
    let ifma = if cpu.contains("avx512ifma") { "yes" } else { "no" };
    [
        ("processor", format!("{} × {}", cores, model.trim_start_matches([' ', '\t', ':']))),
        ("AVX-512 IFMA", ifma.to_owned()),
        ("memory", format!("{memory} KiB")),
        ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("system", system.trim_matches('"').to_owned()),
        ("congestion control", read("/proc/sys/net/ipv4/tcp_congestion_control").trim().to_owned()),
        ("load in the minute before", load().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// The first line that a program says of its version.
pub(crate) fn version(program: &Path, argument: &str) -> String {
    let Ok(output) = Command::new(program).arg(argument).output() else { return "not installed".to_owned() };
    // nginx tells it on standard error.
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or("unknown").trim().to_owned()
}
