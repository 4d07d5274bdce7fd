//! Which country an address is in.
//!
//! From the database that is built in, or from a MaxMind-format file that may be replaced while we run. An answer that
//! cannot be had is never "no country": [`Country::Unavailable`] refuses wherever a rule asks for the country.

mod file;
mod recent;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tor_geoip::GeoipDb;
use vidpass_token::{Country, CountryCode};

use self::file::CountryFile;
pub use self::file::{CountryFileError, Reload};
use self::recent::RecentCountries;

/// Where countries come from.
pub struct CountrySource(Kind);

enum Kind {
    Embedded(Arc<GeoipDb>, RecentCountries),
    File(CountryFile),
    Unavailable,
}

impl CountrySource {
    /// The database that is built into the program: the Tor Project's, of the day of its release.
    #[must_use]
    pub fn embedded() -> Self {
        Self(Kind::Embedded(GeoipDb::new_embedded(), RecentCountries::new()))
    }

    /// A MaxMind-format file. Its records tell the country as `country.iso_code`, `country_code` or `country`.
    ///
    /// The file is read into memory and verified, which may take a second or two: call it from a blocking thread.
    ///
    /// # Errors
    /// [`CountryFileError`] where it cannot be read, is damaged, or has no countries.
    pub fn open(path: PathBuf) -> Result<Self, CountryFileError> {
        CountryFile::open(path).map(|file| Self(Kind::File(file)))
    }

    /// No database at all: whatever needs the country is refused.
    #[must_use]
    pub fn unavailable() -> Self {
        Self(Kind::Unavailable)
    }

    /// The country of `address`.
    #[must_use]
    pub fn country(&self, address: IpAddr) -> Country {
        match &self.0 {
            Kind::Embedded(database, recent) => {
                recent.get(address, || assigned(database.lookup_country_code(address).map(tor_geoip::CountryCode::get)))
            }
            Kind::File(file) => file.country(address),
            Kind::Unavailable => Country::Unavailable,
        }
    }

    /// Loads the file anew if another one is at its path; to be called every few seconds, from a blocking thread.
    ///
    /// # Errors
    /// [`CountryFileError`] where there is a new file and it cannot be used, or the file has gone. The countries that
    /// were loaded before stay. The same state of the file is reported once.
    pub fn reload_if_changed(&self) -> Result<Reload, CountryFileError> {
        match &self.0 {
            Kind::File(file) => file.reload_if_changed(),
            Kind::Embedded(..) | Kind::Unavailable => Ok(Reload::Unchanged),
        }
    }
}

impl std::fmt::Debug for CountrySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Kind::Embedded(..) => f.write_str("CountrySource(embedded)"),
            Kind::File(file) => write!(f, "CountrySource({})", file.path().display()),
            Kind::Unavailable => f.write_str("CountrySource(unavailable)"),
        }
    }
}

/// A code that is not a country's (`EU`, `XX`, `T1`) tells no country.
fn assigned(code: Option<&str>) -> Country {
    code.and_then(|code| code.parse::<CountryCode>().ok()).map_or(Country::Unknown, Country::Known)
}

#[cfg(test)]
mod tests;
