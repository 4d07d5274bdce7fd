//! The log: one line an event, to standard error, and to a file where one is named.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::OnceLock;

use anyhow::Context as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

use crate::config::{LogConfig, LogFormat};

/// What is logged by the whole process.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Starts logging for the whole process. Later calls change nothing.
///
/// # Errors
/// Where the file cannot be opened.
pub(crate) fn start(config: &LogConfig) -> anyhow::Result<()> {
    let (filter, handle) = reload::Layer::new(filter(config.level));
    let file = match &config.file {
        Some(path) => {
            // Appending, so that whoever rotates the file may cut it off. It tells who watched what.
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
            let file = file.with_context(|| format!("log.file = {} cannot be written", path.display()))?;
            Some(fmt::layer().json().flatten_event(true).with_writer(std::sync::Mutex::new(file)))
        }
        None => None,
    };
    let registry = tracing_subscriber::registry().with(filter).with(file);
    let layer = fmt::layer().with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => {
            registry.with(layer.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))).try_init()
        }
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    if started.is_ok() {
        drop(FILTER.set(handle));
    }
    // What a panic says may hold a secret; where it happened does not.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a part of the program panicked");
    }));
    Ok(())
}

/// Logs this and what is more important from now on.
pub(crate) fn set_level(level: tracing::Level) {
    if let Some(handle) = FILTER.get() {
        drop(handle.reload(filter(level)));
    }
}

/// Only our own crates log below `warn`: a library's debug lines could repeat a request with its token.
fn filter(level: tracing::Level) -> Targets {
    let level = LevelFilter::from_level(level);
    Targets::new().with_target("vidpass", level).with_default(level.min(LevelFilter::WARN))
}
