//! The master key's file: readable by its owner alone.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use vidpass_store::MasterKey;
use zeroize::Zeroizing;

use crate::config::MasterKeySource;
use crate::secret_file;

/// Reads the key from where the configuration says.
pub(crate) fn read(source: &MasterKeySource) -> anyhow::Result<MasterKey> {
    match source {
        MasterKeySource::Inline(text) => {
            MasterKey::from_base64(text.expose_secret()).context("VIDPASS_MASTER_KEY cannot be used")
        }
        MasterKeySource::File(file) => read_file(file),
    }
}

fn read_file(file: &Path) -> anyhow::Result<MasterKey> {
    let text = secret_file::read("master key", file, "`vidpass init` makes one, or set VIDPASS_MASTER_KEY")?;
    MasterKey::from_base64(text.trim()).with_context(|| format!("the master key {} cannot be used", file.display()))
}

/// Makes a key and writes it to a file that must not exist yet.
pub(crate) fn create(file: &Path) -> anyhow::Result<MasterKey> {
    let key = MasterKey::generate()?;
    let text = Zeroizing::new(format!("{}\n", &*key.to_base64()));
    write_secret(file, &text)?;
    Ok(key)
}

/// Writes a new file that only its owner may read.
pub(crate) fn write_secret(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut open = std::fs::OpenOptions::new();
    let mut opened = open
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("{} cannot be created", file.display()))?;
    opened
        .write_all(text.as_bytes())
        .and_then(|()| opened.sync_all())
        .with_context(|| format!("{} cannot be written", file.display()))
}
