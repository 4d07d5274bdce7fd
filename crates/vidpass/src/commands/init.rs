//! `vidpass init`

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Args;
use vidpass_store::Store;

use super::master_key;
use super::serve::private_folder;
use crate::config::{self, DEFAULT_FILE, Place};

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
}

impl Init {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let folder = &self.folder;
        let (file, key) = (folder.join(DEFAULT_FILE), folder.join("master.key"));
        for existing in [&file, &key] {
            ensure!(!existing.exists(), "{} is there already; nothing was changed", existing.display());
        }
        private_folder(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        // The database's URL may hold a password.
        master_key::write_secret(&file, &settings(&self.database))?;
        let master_key = master_key::create(&key)?;
        let place = Place { config: Some(file.clone()), ..Place::default() };
        let config = config::read(&place.into())?;
        std::fs::create_dir_all(&config.media).with_context(|| format!("{} cannot be made", config.media.display()))?;
        Store::create_or_open(&config.database, &master_key).await.context("the database cannot be made")?;
        println!(
            "Made {file}, {key} and the database.\n\nKeep a copy of {key} in another place: without it no private key can be read.\n\nNext, in {folder}:\n  \
             vidpass account create --name \"My company\"\n  vidpass api-token create --name \"My backend\"\n  vidpass serve",
            file = file.display(),
            key = key.display(),
            folder = folder.display(),
        );
        Ok(())
    }
}

/// The template with the database that was asked for.
fn settings(database: &str) -> String {
    TEMPLATE.replace("\"sqlite:vidpass.db\"", &toml::Value::from(database).to_string())
}
