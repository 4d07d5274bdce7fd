//! Who asks: the viewer's address, and the site whose page they are on.
//!
//! The address is the peer's, unless the peer is a trusted proxy. This module is the only reader of forwarded headers.

mod forwarded;

use std::net::IpAddr;

use http::header::{FORWARDED, HeaderMap, HeaderName, ORIGIN, REFERER};
use vidpass_token::{Denial, Embedding, Network};

use self::forwarded::Entry;
use crate::asked::RequestHeaders;

/// `X-Forwarded-For`, which no standard describes and every proxy writes.
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whose page makes a request, by the browser's own word.
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Finds the viewer behind the proxies that are trusted.
#[derive(Clone, Debug)]
pub struct ViewerResolver {
    trusted_proxies: Vec<Network>,
    header: ForwardedHeader,
}

/// The one header that trusted proxies write the viewer's address into. The other is not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: 192.0.2.7, 198.51.100.1`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=192.0.2.7;proto=https, for="[2001:db8::1]:4711"` (RFC 7239)
    Forwarded,
}

impl ViewerResolver {
    /// Believes `header` from peers in `trusted_proxies`. With none, every viewer is their own peer.
    #[must_use]
    pub fn new(trusted_proxies: Vec<Network>, header: ForwardedHeader) -> Self {
        Self { trusted_proxies, header }
    }

    /// The viewer's address, never IPv4-mapped.
    ///
    /// Behind a trusted peer the header's lines count as one list, walked from the right, because each proxy appends
    /// whom it saw: the first address that is not a trusted proxy's is the viewer's. What stands further left came
    /// from the viewer, and nobody looks at it.
    ///
    /// # Errors
    /// [`Denial::ViewerAddressUnknown`] where a trusted proxy does not name such an address: no header, trusted
    /// addresses alone, or something that is not an address (`unknown`, `_hidden`, an empty entry, a zone) before it.
    pub fn address(&self, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, Denial> {
        self.address_among(peer, headers.into())
    }

    pub(crate) fn address_among(&self, peer: IpAddr, headers: RequestHeaders<'_>) -> Result<IpAddr, Denial> {
        let peer = peer.to_canonical();
        if self.trusts(peer) { self.address_told(headers) } else { Ok(peer) }
    }

    /// The address that a peer tells who is trusted for another reason than its address being in the list: it may
    /// itself be in nobody's list, and so may the viewer who is its neighbour.
    ///
    /// # Errors
    /// As [`Self::address`]
    pub(crate) fn address_told(&self, headers: RequestHeaders<'_>) -> Result<IpAddr, Denial> {
        let name = match self.header {
            ForwardedHeader::XForwardedFor => &X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => &FORWARDED,
        };
        for line in headers.all(name).rev() {
            for entry in forwarded::from_the_right(line, self.header) {
                match entry {
                    Entry::Address(address) if self.trusts(address) => {}
                    Entry::Address(address) => return Ok(address),
                    Entry::Unreadable => return Err(Denial::ViewerAddressUnknown),
                }
            }
        }
        Err(Denial::ViewerAddressUnknown)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        is_in(&self.trusted_proxies, address)
    }
}

impl Default for ViewerResolver {
    /// Trusts no proxy.
    fn default() -> Self {
        Self::new(Vec::new(), ForwardedHeader::default())
    }
}

/// Whether one of the networks has the address.
pub(crate) fn is_in(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// Where the video is embedded: in a page of the site that `Origin` names, or where that header is absent, `Referer`.
///
/// An `Origin` of `null`, or one that cannot be read, does not fall back to `Referer`. Where both are absent, the browser
/// may still say whether a page asks, and whether it is one of this server (Fetch Metadata, section 2.3); no script can
/// say it in its stead. This server's pages send no `Referer`, since their address has a token in it.
pub(crate) fn embedding(headers: RequestHeaders<'_>) -> Embedding {
    for name in [&ORIGIN, &REFERER] {
        if headers.contains(name) {
            let site = headers.only(name).ok().and_then(|site| site.parse().ok());
            return site.map_or(Embedding::Hidden, Embedding::Site);
        }
    }
    if !headers.contains(&SEC_FETCH_SITE) {
        return Embedding::Nowhere;
    }
    match headers.only(&SEC_FETCH_SITE) {
        Ok("none") => Embedding::Nowhere,
        Ok("same-origin") => Embedding::OwnPage,
        Ok(_) | Err(_) => Embedding::Hidden,
    }
}

#[cfg(test)]
mod tests;
