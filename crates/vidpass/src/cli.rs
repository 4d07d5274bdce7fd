//! What can be typed after `vidpass`.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};
use vidpass_token::AccountId;

use crate::commands;
use crate::config::Place;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  vidpass demo                          try everything with a sample video
  vidpass init && vidpass serve         set up a server in this folder and start it
  vidpass video create --account A      register a video
  vidpass token sign --key key.pem --kid K --video V --exp 2h
  vidpass token check TOKEN --key key.pem --ip 203.0.113.9 --country SE

Exit codes: 0 done, 1 the answer is no (a token that would be refused), 2 it could not be done.";

/// Signed URL tokens for your own video: issue them through a Cloudflare Stream-compatible API, and enforce them in
/// front of HLS, DASH and MP4.
#[derive(Debug, Parser)]
#[command(name = "vidpass", version, styles = STYLES, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Try everything: a server with an account, an API token and a sample video
    Demo(commands::demo::Demo),
    /// Set up a server in a folder: configuration, master key, database
    Init(commands::init::Init),
    /// Run the server: issuer, gate, or both
    Serve(commands::serve::Serve),
    /// Accounts, which own keys and videos
    #[command(subcommand)]
    Account(commands::account::Account),
    /// API tokens, with which callers of the API authenticate
    #[command(subcommand)]
    ApiToken(commands::api_token::ApiToken),
    /// API keys: an email address and a secret, the older way to authenticate
    #[command(subcommand)]
    ApiKey(commands::api_key::ApiKey),
    /// Show who changed what, the newest first
    Audit(commands::audit::Audit),
    /// Gate credentials: with one, a gate without a database asks an issuer
    #[command(subcommand)]
    GateCredential(commands::gate_credential::GateCredential),
    /// Signing keys, which sign video tokens
    #[command(subcommand)]
    Key(commands::key::Key),
    /// The master key, which seals private keys in the database
    #[command(subcommand)]
    MasterKey(commands::master_key::MasterKey),
    /// Take video tokens back before they are over
    #[command(subcommand)]
    Revoke(commands::revoke::Revoke),
    /// Videos and their settings
    #[command(subcommand)]
    Video(commands::video::Video),
    /// Sign, inspect and rehearse video tokens, offline
    #[command(subcommand)]
    Token(commands::token::Token),
    /// Explain a refusal: find the decision of this id in the log
    Why(commands::why::Why),
    /// Look for what is wrong with a server, and say what to do about it
    Doctor(commands::doctor::Doctor),
    /// Back the database up into one file
    Backup(commands::backup::Backup),
    /// Make a database of a backup
    Restore(commands::backup::Restore),
    /// Print the API's OpenAPI document
    Openapi,
    /// Print a completion script for a shell
    Completion(commands::completion::Completion),
    /// Print the reference of this command line, as Markdown
    #[command(hide = true)]
    CliReference,
}

/// What commands that work on one account share.
#[derive(clap::Args, Debug)]
pub(crate) struct OfAccount {
    /// The account [default: the only one]
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountId>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What commands that work on the database share.
#[derive(clap::Args, Debug)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}
