//! The `vidpass` program: configuration, telemetry, wiring and subcommands around the crates that do the work.

mod cli;
mod clock;
mod commands;
mod config;
mod feed;
mod follow;
mod forward_auth;
mod framing;
mod front;
mod issuer;
mod key_life;
mod listener;
mod master_key;
mod origins;
mod output;
mod running;
mod secret_file;
mod server;
mod size;
mod source;
mod span;
mod telemetry;
mod tls;
mod viewers;

use std::process::ExitCode;

use clap::Parser as _;

/// Exit code where a command ran and its answer is no: a token that would not be let in.
const REFUSED: u8 = 1;

/// Exit code where a command could not do its work. The command line's own mistakes have it too.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse()) {
        Ok(commands::Outcome::Done) => ExitCode::SUCCESS,
        Ok(commands::Outcome::Refused) => ExitCode::from(REFUSED),
        Err(error) => {
            eprintln!("vidpass: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}
