//! One file for each subcommand, with its arguments and its `run`.

pub(crate) mod account;
pub(crate) mod api_key;
pub(crate) mod api_token;
pub(crate) mod audit;
pub(crate) mod backup;
mod cli_reference;
pub(crate) mod completion;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod gate_credential;
pub(crate) mod init;
pub(crate) mod key;
mod key_file;
pub(crate) mod master_key;
pub(crate) mod revoke;
pub(crate) mod serve;
mod store;
pub(crate) mod token;
mod user;
pub(crate) mod video;
pub(crate) mod why;

use std::future::Future;
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::{Cli, Command};
use crate::output::line;

/// How long threads may go on that wait for a disk when everything else is done.
const LAST_THREADS: Duration = Duration::from_secs(1);

/// How a command ended that could do its work.
pub(crate) enum Outcome {
    /// Its work is done.
    Done,
    /// Its answer is no.
    Refused,
}

/// Runs the command that was typed.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Outcome> {
    match cli.command {
        Command::Demo(demo) => block_on(demo.run())?,
        Command::Init(init) => block_on(init.run())?,
        Command::Serve(serve) => block_on(serve.run())?,
        Command::Account(account) => block_on(account.run())?,
        Command::ApiToken(api_token) => block_on(api_token.run())?,
        Command::ApiKey(api_key) => block_on(api_key.run())?,
        Command::Audit(audit) => block_on(audit.run())?,
        Command::GateCredential(credential) => block_on(credential.run())?,
        Command::Key(key) => block_on(key.run())?,
        Command::MasterKey(master_key) => block_on(master_key.run())?,
        Command::Revoke(revoke) => block_on(revoke.run())?,
        Command::Video(video) => block_on(video.run())?,
        Command::Token(token) => return block_on(token.run()),
        Command::Why(why) => return why.run(),
        Command::Doctor(doctor) => return block_on(doctor.run()),
        Command::Backup(backup) => block_on(backup.run())?,
        Command::Restore(restore) => block_on(restore.run())?,
        Command::Openapi => line(&vidpass_api::openapi_json()),
        Command::Completion(completion) => completion.run(),
        Command::CliReference => line(cli_reference::markdown().trim_end()),
    }
    Ok(Outcome::Done)
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("no thread could be started")?;
    let done = runtime.block_on(work);
    // A read from a disk that hangs must not keep the process from ending.
    runtime.shutdown_timeout(LAST_THREADS);
    done
}

/// Resolves when the process is asked to stop: SIGTERM, or Ctrl-C.
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}
