//! A MaxMind-format file that follows its replacements.
//!
//! Never mapped: a mapped file that is cut short kills the process (SIGBUS). Never used before it is verified whole:
//! 14 of MaxMind's 25 hostile files open without complaint and answer some lookups with errors.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

use arc_swap::ArcSwap;
use maxminddb::{MaxMindDbError, PathElement, Reader, WithinOptions};
use vidpass_token::Country;

use super::recent::RecentCountries;

/// The largest file that is read into memory, in bytes. City databases have about 120 MB.
const MAX_SIZE: u64 = 1 << 30;

/// The ways in which databases tell the country: MaxMind's own, DB-IP's and IPLocate's, IPinfo's.
const SHAPES: [&[PathElement<'static>]; 3] = [
    &[PathElement::Key("country"), PathElement::Key("iso_code")],
    &[PathElement::Key("country_code")],
    &[PathElement::Key("country")],
];

/// Why a country file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CountryFileError {
    /// It is damaged, or not such a file.
    #[error("{} is not an intact MaxMind-format file", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: MaxMindDbError,
    },
    /// None of its records tells a country.
    #[error("{} has no countries (`country.iso_code`, `country_code` or `country`)", .path.display())]
    NoCountries {
        /// The file.
        path: PathBuf,
    },
    /// It is a folder, a pipe or a device.
    #[error("{} is not a regular file", .path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is too large to be held in memory.
    #[error("{} has {size} bytes, more than {MAX_SIZE}", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
}

/// What a check for a new file came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The file is the one that is loaded, or one that was reported before.
    Unchanged,
    /// A new file is loaded.
    Replaced,
}

pub(super) struct CountryFile {
    path: PathBuf,
    database: ArcSwap<Database>,
    /// The state of the file that was looked at last, whether it could be used or not; `None` where it had gone.
    seen: Mutex<Option<Stamp>>,
}

struct Database {
    reader: Reader<Vec<u8>>,
    /// Its own, so that nothing of another file's is ever taken for its.
    recent: RecentCountries,
    shape: &'static [PathElement<'static>],
}

/// What changes when a file is replaced or written to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl CountryFile {
    pub(super) fn open(path: PathBuf) -> Result<Self, CountryFileError> {
        let stamp = Stamp::of(&path)?;
        let database = ArcSwap::from_pointee(Database::read(&path, stamp)?);
        Ok(Self { path, database, seen: Mutex::new(Some(stamp)) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn country(&self, address: IpAddr) -> Country {
        let database = self.database.load();
        database.recent.get(address, || database.country(address).unwrap_or(Country::Unavailable))
    }

    pub(super) fn reload_if_changed(&self) -> Result<Reload, CountryFileError> {
        // Held while the file is read, so that of two callers the later does not undo the newer file.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&self.path);
        let now = stamp.as_ref().ok().copied();
        if now == *seen {
            return Ok(Reload::Unchanged);
        }
        // The stamp from before the reading: what is written to the file meanwhile counts as another change.
        *seen = now;
        self.database.store(Database::read(&self.path, stamp?)?.into());
        Ok(Reload::Replaced)
    }
}

impl Stamp {
    fn of(path: &Path) -> Result<Self, CountryFileError> {
        let metadata = fs::metadata(path).map_err(|source| CountryFileError::Read { path: path.to_owned(), source })?;
        if !metadata.is_file() {
            return Err(CountryFileError::NotAFile { path: path.to_owned() });
        }
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

impl Database {
    fn read(path: &Path, stamp: Stamp) -> Result<Self, CountryFileError> {
        if stamp.size > MAX_SIZE {
            return Err(CountryFileError::TooLarge { path: path.to_owned(), size: stamp.size });
        }
        let reader = Reader::open_readfile(path).map_err(|error| refused(path, error))?;
        reader.verify().map_err(|error| refused(path, error))?;
        let shape = shape_of(&reader).map_err(|error| refused(path, error))?;
        let shape = shape.ok_or_else(|| CountryFileError::NoCountries { path: path.to_owned() })?;
        Ok(Self { reader, recent: RecentCountries::new(), shape })
    }

    fn country(&self, address: IpAddr) -> Result<Country, MaxMindDbError> {
        let code: Option<&str> = self.reader.lookup(address)?.decode_path(self.shape)?;
        Ok(super::assigned(code))
    }
}

/// The shape of the first record that tells a country.
///
/// A database of something else, such as networks' numbers, must not be taken for one that knows nobody's country:
/// a rule that blocks a country would then block nobody.
fn shape_of(reader: &Reader<Vec<u8>>) -> Result<Option<&'static [PathElement<'static>]>, MaxMindDbError> {
    for record in reader.networks(WithinOptions::default())? {
        let record = record?;
        let tells = |shape: &&[PathElement<'static>]| matches!(record.decode_path::<&str>(shape), Ok(Some(code)) if code.len() == 2);
        if let Some(shape) = SHAPES.into_iter().find(tells) {
            return Ok(Some(shape));
        }
    }
    Ok(None)
}

fn refused(path: &Path, error: MaxMindDbError) -> CountryFileError {
    let path = path.to_owned();
    if let MaxMindDbError::Io(source) = error {
        return CountryFileError::Read { path, source };
    }
    CountryFileError::Damaged { path, source: error }
}
