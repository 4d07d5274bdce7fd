//! Countries that were looked up a moment ago: a player asks for a segment every few seconds, and finding the range of its address
//! among hundreds of thousands takes longer than all rules together.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};

use vidpass_token::{Country, CountryCode};

/// How many addresses are remembered: 8 bytes each. A power of two.
const PLACES: usize = 4096;

/// What one database said of addresses of IPv4. An address has one place, and whoever comes there later takes it.
pub(super) struct RecentCountries(Box<[AtomicU64]>);

impl RecentCountries {
    pub(super) fn new() -> Self {
        Self((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }

    /// What was said of `address`, or what `find` says now. No answer at all is not remembered.
    pub(super) fn get(&self, address: IpAddr, find: impl FnOnce() -> Country) -> Country {
        let IpAddr::V4(address) = address else { return find() };
        let place = &self.0[place(address)];
        if let Some(country) = read(place.load(Ordering::Relaxed), address) {
            return country;
        }
        let country = find();
        if let Some(entry) = written(address, country) {
            place.store(entry, Ordering::Relaxed);
        }
        country
    }
}

/// Neighbours, who differ in the last bits, have different places (Fibonacci hashing).
fn place(address: Ipv4Addr) -> usize {
    let mixed = address.to_bits().wrapping_mul(0x9e37_79b9);
    mixed as usize >> (u32::BITS - PLACES.ilog2())
}

/// An entry: the address, whether there is one, and the two letters of its country, or zeroes.
fn written(address: Ipv4Addr, country: Country) -> Option<u64> {
    let [first, second] = match country {
        Country::Known(code) => code.as_str().as_bytes().try_into().ok()?,
        Country::Unknown => [0, 0],
        Country::Unavailable => return None,
    };
    let [a, b, c, d] = address.octets();
    Some(u64::from_be_bytes([a, b, c, d, 0, 1, first, second]))
}

fn read(entry: u64, address: Ipv4Addr) -> Option<Country> {
    let [a, b, c, d, _, is_there, first, second] = entry.to_be_bytes();
    if is_there == 0 || [a, b, c, d] != address.octets() {
        return None;
    }
    if first == 0 {
        return Some(Country::Unknown);
    }
    let code: CountryCode = str::from_utf8(&[first, second]).ok()?.parse().ok()?;
    Some(Country::Known(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_looked_up_once_until_another_takes_its_place() {
        let recent = RecentCountries::new();
        let known = |code: &str| Country::Known(code.parse().unwrap());
        let one = address("192.0.2.7");
        let other = (0..).map(Ipv4Addr::from_bits).find(|other| place(*other) == place(one)).unwrap();
        let never = || panic!("it was looked up");
        assert_eq!(recent.get(one.into(), || known("DE")), known("DE"));
        assert_eq!(recent.get(one.into(), never), known("DE"));
        assert_eq!(recent.get(other.into(), || Country::Unknown), Country::Unknown);
        assert_eq!(recent.get(other.into(), never), Country::Unknown);
        assert_eq!(recent.get(one.into(), || known("FR")), known("FR"));
    }

    #[test]
    fn no_answer_is_asked_for_again() {
        let recent = RecentCountries::new();
        for address in ["192.0.2.7", "0.0.0.0"].map(address) {
            assert_eq!(recent.get(address.into(), || Country::Unavailable), Country::Unavailable);
            assert_eq!(recent.get(address.into(), || Country::Unknown), Country::Unknown);
        }
    }

    fn address(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }
}
