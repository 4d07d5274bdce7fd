//! `vidpass token`

mod check;
mod inspect;
mod sign;
mod sign_batch;

use std::io::Read as _;

use anyhow::Context as _;
use clap::Subcommand;

use super::Outcome;

/// Sign, inspect and rehearse video tokens, offline.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Sign a token with a private key, without any server
    Sign(sign::Sign),
    /// Show everything in a token
    Inspect(inspect::Inspect),
    /// Say whether a viewer with this token would be let in, and if not, why
    Check(check::Check),
}

impl Token {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Sign(sign) => sign.run().await,
            Self::Inspect(inspect) => inspect.run(),
            Self::Check(check) => check.run().await,
        }
    }
}

/// The token that was typed, or standard input for `-`: a token is a secret, and arguments can be read by others.
pub(super) fn typed(token: &str) -> anyhow::Result<String> {
    if token != "-" {
        return Ok(token.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
    Ok(text.trim().to_owned())
}
