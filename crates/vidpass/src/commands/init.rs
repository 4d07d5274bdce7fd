//! `vidpass init`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use vidpass_store::Store;

use super::serve::private_folder;
use crate::config::{self, DEFAULT_FILE, MasterKeySource, Place};
use crate::master_key;
use crate::output::line;

/// The configuration that a new server starts with.
const TEMPLATE: &str = include_str!("../../vidpass.toml");

/// Set up a server in a folder: configuration, master key, database
#[derive(Args, Debug)]
pub(crate) struct Init {
    /// The folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// sqlite:FILE, or postgres://USER@HOST/DATABASE for a database that is there and empty
    #[arg(
        long,
        value_name = "URL",
        default_value = "sqlite:vidpass.db",
        env = "VIDPASS_DATABASE",
        hide_env_values = true
    )]
    database: String,
    /// File descriptor with the master key, instead of a new file
    #[arg(long, value_name = "N", env = "VIDPASS_MASTER_KEY_FD", hide_env_values = true)]
    master_key_fd: Option<u16>,
}

impl Init {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let (file, key) = (self.folder.join(DEFAULT_FILE), self.folder.join("master.key"));
        for existing in [&file, &key] {
            ensure!(!existing.exists(), "{} is there already; nothing was changed", existing.display());
        }
        private_folder(&self.folder).with_context(|| format!("{} cannot be made", self.folder.display()))?;
        let made = self.make(&file).await;
        if made.is_err() {
            // So that the next attempt finds nothing in its way.
            for half_made in [&file, &key] {
                drop(std::fs::remove_file(half_made));
            }
        }
        made.map(|master_key| self.print_next(&file, &master_key))
    }

    /// Makes everything, and gives what to say of the master key.
    async fn make(&self, file: &Path) -> anyhow::Result<String> {
        // The database's URL may hold a password.
        master_key::write_secret(file, &settings(&self.database))?;
        let place = Place { config: Some(file.to_owned()), master_key_fd: self.master_key_fd, ..Place::default() };
        let config = config::read(&place.into())?;
        let (key, advice) = match &config.master_key {
            MasterKeySource::Inline(_) => {
                (master_key::read(&config.master_key)?, "The master key is the one in VIDPASS_MASTER_KEY.".to_owned())
            }
            MasterKeySource::Descriptor(number) => (
                master_key::read(&config.master_key)?,
                format!("The master key is the one of file descriptor {number}."),
            ),
            MasterKeySource::File(file) => {
                let name = file.display();
                let advice = format!("Keep a copy of {name} in another place: without it no private key can be read.");
                (master_key::create(file)?, advice)
            }
        };
        std::fs::create_dir_all(&config.media).with_context(|| format!("{} cannot be made", config.media.display()))?;
        let store = Store::create_or_open(&config.database, &key).await.context("the database cannot be made")?;
        store.close().await;
        Ok(advice)
    }

    fn print_next(&self, file: &Path, advice: &str) {
        line(&format!(
            "Made {} and the database.\n\n{advice}\n\nNext, in {}:\n  vidpass account create --name \"My company\"\n  \
             vidpass api-token create --name \"My backend\"\n  vidpass serve",
            file.display(),
            self.folder.display(),
        ));
    }
}

/// The template with the database that was asked for.
fn settings(database: &str) -> String {
    TEMPLATE.replace("\"sqlite:vidpass.db\"", &toml::Value::from(database).to_string())
}
