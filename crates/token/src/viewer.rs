//! Who asks.

use std::net::IpAddr;

use crate::access::CountryCode;
use crate::origin::RequestOrigin;

/// Whoever asks for bytes, as far as a decision needs to know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    address: IpAddr,
    country: Country,
    origin: Option<RequestOrigin>,
}

/// Where a viewer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Country {
    /// In this country.
    Known(CountryCode),
    /// The database has no country for the address.
    Unknown,
    /// There is no database, or it could not answer.
    Unavailable,
}

impl Viewer {
    /// A viewer at `address`. An IPv4-mapped IPv6 address becomes the IPv4 address that it is.
    #[must_use]
    pub fn new(address: IpAddr, country: Country, origin: Option<RequestOrigin>) -> Self {
        Self { address: address.to_canonical(), country, origin }
    }

    /// The address, never IPv4-mapped.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The country.
    #[must_use]
    pub fn country(&self) -> Country {
        self.country
    }

    /// The site whose page makes the request, where the viewer says so.
    #[must_use]
    pub fn origin(&self) -> Option<&RequestOrigin> {
        self.origin.as_ref()
    }
}
