//! Files that hold a secret: readable by their owner alone.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

/// Reads the secret in `file`; `what` says what it is, and `missing` what to do where there is none.
///
/// # Errors
/// Where it cannot be read, or others may read it.
pub(crate) fn read(what: &str, file: &Path, missing: &str) -> anyhow::Result<Zeroizing<String>> {
    let name = file.display();
    let metadata = std::fs::metadata(file).with_context(|| format!("the {what} {name} cannot be read; {missing}"))?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!("the {what} {name} may be read by others (mode {mode:04o}); run: chmod 600 {name}");
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("the {what} {name} cannot be read"))?;
    Ok(Zeroizing::new(text))
}
