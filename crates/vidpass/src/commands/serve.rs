//! `vidpass serve`

use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use futures_util::{Stream, stream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tracing::field::display;
use tracing::info;

use super::{asked_to_stop, store};
use crate::config::{self, Config, ConfigError, Overrides, Roles};
use crate::feed::Feed;
use crate::running::Reading;
use crate::server::{GateSource, Halves, Server};
use crate::tls::Identity;
use crate::{clock, telemetry};

/// Run the server: issuer, gate, or both
#[derive(Args, Debug)]
#[command(after_help = "\
Settings come from the file, over it the environment (VIDPASS_LISTEN, …), over both the command line.
SIGHUP has the file read again, without a request being dropped; the log names settings that take a restart.
SIGTERM or Ctrl-C stops the server: running requests finish first.")]
pub(crate) struct Serve {
    #[command(flatten)]
    overrides: Overrides,
}

impl Serve {
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        // From the start, so that whoever sends it too early does not end the process.
        let hangups = signal(SignalKind::hangup()).context("SIGHUP cannot be heard")?;
        // A file that is there at the start must be there later.
        self.overrides.place.config = self.overrides.place.file();
        let config = Arc::new(config::read(&self.overrides)?);
        telemetry::start(&config.log)?;
        let halves = match config.roles {
            Roles::Both => Halves::Both(store::open_for(&config).await?),
            Roles::Gate => Halves::Gate(source(&config)?),
            Roles::Issuer => Halves::Issuer(store::open_for(&config).await?),
        };
        let server = Server::bind(Arc::clone(&config), halves, &clock::system()).await?;
        let admin = server.admin_address().map_or("off".to_owned(), |address| address.to_string());
        let https = server.https_address().map(display);
        // Clients of a gate alone know it by the issuer's URLs, and it is ready when it has heard from its source.
        let (listen, public_url) = (server.address()?, server.public_url());
        match config.roles {
            Roles::Both | Roles::Issuer => info!(%listen, https, %public_url, metrics = %admin, "vidpass is ready"),
            Roles::Gate => info!(%listen, https, metrics = %admin, "the gate is listening"),
        }
        server.run(asked_to_stop(), read_again(hangups, self.overrides)).await?;
        info!("vidpass has stopped");
        Ok(())
    }
}

/// What the configuration says each time that the process is told to read it again.
fn read_again(hangups: Signal, overrides: Overrides) -> impl Stream<Item = anyhow::Result<Reading>> {
    stream::unfold((hangups, overrides), |(mut hangups, overrides)| async {
        hangups.recv().await?;
        // The file may be on a disk that hangs; connections are accepted all the same.
        let reading = overrides.clone();
        let read = spawn_blocking(move || read(&reading)).await;
        Some((read.unwrap_or_else(|stopped| Err(ConfigError::from(stopped).into())), (hangups, overrides)))
    })
}

fn read(overrides: &Overrides) -> anyhow::Result<Reading> {
    let config = config::read_again(overrides)?;
    let identity = Identity::of(&config)?;
    Ok(Reading { config, identity })
}

/// Where a gate alone learns what it decides from.
fn source(config: &Config) -> anyhow::Result<GateSource> {
    Ok(match &config.feed {
        None => GateSource::Database(config.database.clone()),
        Some(feed) => GateSource::Feed(Box::new(Feed::open(feed)?), feed.snapshot_file.clone()),
    })
}

/// Makes a folder, and those above it, for this user alone.
pub(super) fn private_folder(folder: &std::path::Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
