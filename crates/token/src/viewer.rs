//! Who asks.

use std::net::IpAddr;

use crate::access::CountryCode;
use crate::origin::RequestOrigin;

/// Whoever asks for bytes, as far as a decision needs to know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    address: IpAddr,
    country: Country,
    embedding: Embedding,
}

/// Where the video is embedded, as far as a request tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Embedding {
    /// In a page that does not tell its site.
    Hidden,
    /// In no page: an app asks, or somebody who opened the address itself.
    Nowhere,
    /// In the gate's own player page, which was decided by itself when it was opened.
    OwnPage,
    /// In a page of this site.
    Site(RequestOrigin),
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
    /// A viewer at `address`, on a page of the site `origin` or on none. An IPv4-mapped IPv6 address becomes the IPv4
    /// address that it is.
    #[must_use]
    pub fn new(address: IpAddr, country: Country, origin: Option<RequestOrigin>) -> Self {
        Self::embedded(address, country, origin.map_or(Embedding::Nowhere, Embedding::Site))
    }

    /// [`Viewer::new`], where more is known of the page.
    #[must_use]
    pub fn embedded(address: IpAddr, country: Country, embedding: Embedding) -> Self {
        Self { address: address.to_canonical(), country, embedding }
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

    /// Where the video is embedded.
    #[must_use]
    pub fn embedding(&self) -> &Embedding {
        &self.embedding
    }

    /// The site whose page makes the request, where the viewer says so.
    #[must_use]
    pub fn origin(&self) -> Option<&RequestOrigin> {
        match &self.embedding {
            Embedding::Site(origin) => Some(origin),
            Embedding::Hidden | Embedding::Nowhere | Embedding::OwnPage => None,
        }
    }
}
