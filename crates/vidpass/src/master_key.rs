//! Where master keys come from: a file that its owner alone may read, the environment, or a file descriptor.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::fd::RawFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use vidpass_store::{MasterKey, MasterKeys};
use zeroize::Zeroizing;

use crate::config::MasterKeySource;
use crate::secret_file;

/// How much is read of a descriptor: a thousand keys.
const MAX_TEXT: usize = 64 * 1024;

/// Reads the keys from where the configuration says. A descriptor is read to its end and closed: it can be read once.
pub(crate) fn read(source: &MasterKeySource) -> anyhow::Result<MasterKeys> {
    match source {
        MasterKeySource::Descriptor(number) => {
            let text = read_descriptor(*number).with_context(|| format!("file descriptor {number} cannot be read"))?;
            MasterKeys::parse(&text)
                .with_context(|| format!("the master key of file descriptor {number} cannot be used"))
        }
        MasterKeySource::Inline(text) => {
            MasterKeys::parse(text.expose_secret()).context("VIDPASS_MASTER_KEY cannot be used")
        }
        MasterKeySource::File(file) => read_file(file),
    }
}

/// Reads the keys of a file.
pub(crate) fn read_file(file: &Path) -> anyhow::Result<MasterKeys> {
    let text = secret_file::read("master key", file, "`vidpass init` makes one, or set VIDPASS_MASTER_KEY")?;
    MasterKeys::parse(&text).with_context(|| format!("the master key {} cannot be used", file.display()))
}

fn read_descriptor(number: RawFd) -> anyhow::Result<Zeroizing<String>> {
    // A buffer that grew would leave copies of the key behind.
    let mut buffer = Zeroizing::new(vec![0; MAX_TEXT]);
    let mut length = 0;
    let read = loop {
        match nix::unistd::read(number, &mut buffer[length..]) {
            Ok(0) => break Ok(()),
            Ok(more) => length += more,
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => break Err(error),
        }
    };
    let closed = nix::unistd::close(number);
    read.and(closed)?;
    anyhow::ensure!(length < MAX_TEXT, "it has {MAX_TEXT} bytes or more");
    Ok(Zeroizing::new(std::str::from_utf8(&buffer[..length]).context("it is no text")?.to_owned()))
}

/// Makes a key and writes it to a file that must not exist yet.
pub(crate) fn create(file: &Path) -> anyhow::Result<MasterKeys> {
    let keys = MasterKeys::from(&MasterKey::generate()?);
    write_secret(file, &keys.to_text())?;
    Ok(keys)
}

/// Writes a new file that only its owner may read.
pub(crate) fn write_secret(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut opened = new_secret(file)?;
    opened
        .write_all(text.as_bytes())
        .and_then(|()| opened.sync_all())
        .with_context(|| format!("{} cannot be written", file.display()))
}

fn new_secret(file: &Path) -> anyhow::Result<File> {
    let mut open = OpenOptions::new();
    let opened = open.write(true).create_new(true).mode(0o600).open(file);
    opened.with_context(|| format!("{} cannot be created", file.display()))
}

/// The file with the keys, while nobody else changes it.
pub(crate) struct KeyFile {
    /// Where it really is: a symbolic link stays what it is.
    file: PathBuf,
    /// Locked until this is dropped, however the process ends.
    folder: File,
}

impl KeyFile {
    /// Waits until no other `vidpass master-key` works in this folder.
    pub(crate) fn lock(file: &Path) -> anyhow::Result<Self> {
        let file = file
            .canonicalize()
            .with_context(|| format!("the master key {} cannot be read; `vidpass init` makes one", file.display()))?;
        let folder = file.parent().context("a file has a folder")?;
        let name = folder.display();
        let folder = File::open(folder).with_context(|| format!("the folder {name} cannot be opened"))?;
        folder.lock().with_context(|| format!("the folder {name} cannot be locked"))?;
        Ok(Self { file, folder })
    }

    pub(crate) fn read(&self) -> anyhow::Result<MasterKeys> {
        read_file(&self.file)
    }

    /// Puts other keys in the place of those in the file. Whatever stops it, even a power cut, leaves one or the other.
    pub(crate) fn replace(&self, keys: &MasterKeys) -> anyhow::Result<()> {
        let mut name = self.file.as_os_str().to_owned();
        name.push(".new");
        let new = PathBuf::from(name);
        // One that was left behind by a process that was killed: nothing was ever sealed with what is only there.
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{} cannot be removed", new.display()));
            }
            Ok(()) | Err(_) => {}
        }
        let mut opened = new_secret(&new)?;
        self.fill(&mut opened, keys)
            .and_then(|()| std::fs::rename(&new, &self.file))
            .and_then(|()| self.folder.sync_all())
            .with_context(|| format!("{} cannot be replaced", self.file.display()))
    }

    fn fill(&self, new: &mut File, keys: &MasterKeys) -> std::io::Result<()> {
        let (old, made) = (std::fs::metadata(&self.file)?, new.metadata()?);
        // An administrator rotates it for the user that the server runs as.
        if (old.uid(), old.gid()) != (made.uid(), made.gid()) {
            fchown(&*new, Some(old.uid()), Some(old.gid()))?;
        }
        new.write_all(keys.to_text().as_bytes())?;
        new.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_stays_private() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("master.key"), folder.path().join("link"));
        let keys = create(&file).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        // What a process left behind that was killed.
        std::fs::write(folder.path().join("master.key.new"), "half").unwrap();
        let locked = KeyFile::lock(&link).unwrap();
        let more = locked.read().unwrap().replaced_by(MasterKey::generate().unwrap());
        locked.replace(&more).unwrap();
        assert_eq!(read_file(&file).unwrap().to_text(), more.to_text());
        assert_eq!(more.former()[0].fingerprint(), keys.first().fingerprint());
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        create(&file).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        assert!(read_file(&file).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_descriptor_is_read_to_its_end_and_closed() {
        check_descriptor("AAAA", true);
        check_descriptor(&"A".repeat(MAX_TEXT), false);
    }

    /// The number is not looked at after it was closed: another test may have a file of that number by then.
    #[track_caller]
    fn check_descriptor(text: &str, is_read: bool) {
        let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.write_all(text.as_bytes()).unwrap();
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        let read = read_descriptor(std::os::fd::IntoRawFd::into_raw_fd(theirs));
        assert_eq!(read.ok().as_deref().map(String::as_str), is_read.then_some(text));
        ours.set_nonblocking(true).unwrap();
        let end = std::io::Read::read(&mut ours, &mut [0]);
        // Where what it was sent is left unread, the end is a reset.
        assert!(!matches!(&end, Err(error) if error.kind() == ErrorKind::WouldBlock), "it is not closed: {end:?}");
    }
}
