//! `vidpass backup` and `vidpass restore`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use vidpass_store::{Copied, Store};

use super::store;
use crate::config::{self, Place};
use crate::output::line;
use crate::{clock, master_key};

/// Back the database up
#[derive(Args, Debug)]
#[command(after_help = "\
Everything as it is at one moment, in one new file that only you may read; servers go on meanwhile. Private keys in it are
sealed under the master key, which is not in it: keep a copy of that elsewhere.")]
pub(crate) struct Backup {
    /// The file to write
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

/// Make a database of a backup
#[derive(Args, Debug)]
#[command(after_help = "\
The database of the configuration must be new: a SQLite file that is not there, or a PostgreSQL database without tables. A backup
of either kind can be restored into either. Stop issuers first; gates may go on, and keep refusing what they know to be deleted or
taken back, also where the backup does not know it.")]
pub(crate) struct Restore {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

impl Backup {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let store = store::open(&self.place).await?;
        let mut rows = 0;
        store.backup(&self.file, |copied| rows += told(copied)).await.context("the database cannot be backed up")?;
        store.close().await;
        line(&format!("Wrote {rows} rows to {}. The master key is not in it.", self.file.display()));
        Ok(())
    }
}

impl Restore {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let config = config::read(&self.place.into())?;
        let key = master_key::read(&config.master_key)?;
        let mut rows = 0;
        let tokens_until = clock::now().plus(config.tokens.max_lifetime);
        let told = |copied| rows += told(copied);
        let restored = Store::restore(&self.file, &config.database, &key, tokens_until, told).await;
        restored.with_context(|| format!("{} cannot be restored", self.file.display()))?;
        line(&format!("Restored {rows} rows of {} into {}.", self.file.display(), config.database));
        Ok(())
    }
}

/// Tells how far it is: large tables take their time.
fn told(copied: Copied) -> u64 {
    eprintln!("{}: {} rows", copied.table, copied.rows);
    copied.rows
}
