//! Addresses and networks (CIDR, RFC 4632 and RFC 4291).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// One address, or all addresses with one prefix, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

/// Why a text is not an address or a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not an IP address or network (such as `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32`)", .0.escape_debug())]
pub struct NetworkError(String);

/// How many leading bits of an IPv6 address say that the rest is an IPv4 address (`::ffff:0:0/96`).
const MAPPED_PREFIX: u8 = 96;

impl Network {
    /// Whether `address` lies in this network. An address of the other family never does.
    ///
    /// `address` must be canonical: see [`Viewer`](crate::Viewer).
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// Whether every address of its family lies in it.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.0.prefix_len() == 0
    }

    /// Whether it has IPv4 addresses; an IPv4-mapped network is one of IPv4.
    pub(crate) fn is_ipv4(&self) -> bool {
        self.0.addr().is_ipv4()
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// Reads an address, or `address/prefix`. Bits beyond the prefix are dropped, and a network of IPv4-mapped IPv6
    /// addresses is the IPv4 network that it maps.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        parse(text).map(Self).ok_or_else(|| NetworkError(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<IpNet> {
    let Some((address, prefix)) = text.split_once('/') else {
        return Some(IpNet::from(text.parse::<IpAddr>().ok()?.to_canonical()));
    };
    let length: u8 = prefix.parse().ok()?;
    if prefix != length.to_string() {
        return None; // `+8` and `/08`, which the parser takes for `8`
    }
    canonical(IpNet::new(address.parse().ok()?, length).ok()?.trunc())
}

// `::ffff:a.b.c.d` must meet IPv4 rules, or a viewer on a dual-stack listener walks around them.
fn canonical(network: IpNet) -> Option<IpNet> {
    let mapped = |address: Ipv6Addr| address.to_ipv4_mapped();
    match network {
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED_PREFIX => match mapped(v6.addr()) {
            Some(v4) => Ipv4Net::new(v4, v6.prefix_len() - MAPPED_PREFIX).ok().map(IpNet::V4),
            None => Some(network),
        },
        IpNet::V4(_) | IpNet::V6(_) => Some(network),
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_read_and_write() {
        check("192.0.2.7", "192.0.2.7");
        check("192.0.2.7/32", "192.0.2.7");
        check("192.0.2.7/24", "192.0.2.0/24");
        check("0.0.0.0/0", "0.0.0.0/0");
        check("2001:DB8:0::1/32", "2001:db8::/32");
        check("::/0", "::/0");
        check("::ffff:192.0.2.7", "192.0.2.7");
        check("::ffff:192.0.2.7/120", "192.0.2.0/24");
        check("::ffff:192.0.2.7/128", "192.0.2.7");
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "/",
            "192.0.2.0/",
            "/24",
            "192.0.2.0/33",
            "2001:db8::/129",
            "192.0.2.0/-1",
            "192.0.2.0/+8",
            "192.0.2.0/08",
            "192.0.2.0/00",
            "192.0.2.0/255.255.255.0",
            " 192.0.2.0/24",
            "192.0.2.0 /24",
            "0/0",
            "10/8",
            "010.0.0.1",
            "0x7f.0.0.1",
            "2130706433",
            "fe80::1%eth0",
            "fe80::1%25eth0/64",
            "[::1]",
            "192.0.2.1:80",
            "example.com",
            "192.0.2.1-192.0.2.9",
            "192.0.2.*",
            "192.0.2.0/24/24",
            "１92.0.2.1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(text.parse::<Network>().unwrap().to_string(), expected);
    }
}
