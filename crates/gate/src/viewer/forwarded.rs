//! Reads `X-Forwarded-For` and `Forwarded` (RFC 7239) from the right.
//!
//! From the right, because only what trusted proxies appended there can be believed: an unclosed quote or any other
//! garbage that a viewer sends stays on the left and cannot change how the right is read.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::ForwardedHeader;

/// One entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// An address, never IPv4-mapped.
    Address(IpAddr),
    /// Anything else.
    Unreadable,
}

/// The entries of one header line, last first.
pub(super) fn from_the_right(line: &[u8], header: ForwardedHeader) -> impl Iterator<Item = Entry> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let (left, entry) = split_last(rest?, b',', header);
        rest = left;
        Some(read(entry, header))
    })
}

fn read(entry: &[u8], header: ForwardedHeader) -> Entry {
    let node = match header {
        ForwardedHeader::XForwardedFor => Some(entry),
        ForwardedHeader::Forwarded => for_parameter(entry),
    };
    let node = node.and_then(|node| std::str::from_utf8(node).ok());
    node.and_then(|node| address(trim(node))).map_or(Entry::Unreadable, Entry::Address)
}

/// Splits at the last `separator`; in `Forwarded`, at the last one that is not inside a quoted string.
fn split_last(text: &[u8], separator: u8, header: ForwardedHeader) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    for (at, c) in text.iter().enumerate().rev() {
        if *c == b'"' && header == ForwardedHeader::Forwarded && !is_escaped(text, at) {
            quoted = !quoted;
        } else if *c == separator && !quoted {
            return (Some(&text[..at]), &text[at + 1..]);
        }
    }
    (None, text)
}

/// Whether an odd number of backslashes stands before `at` (RFC 9110, section 5.6.4).
fn is_escaped(text: &[u8], at: usize) -> bool {
    text[..at].iter().rev().take_while(|c| **c == b'\\').count() % 2 == 1
}

/// The value of the one `for` of an element such as `for="[2001:db8::1]";proto=https`; quotes are taken off.
fn for_parameter(element: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    let mut rest = Some(element);
    while let Some(text) = rest {
        let (left, pair) = split_last(text, b';', ForwardedHeader::Forwarded);
        rest = left;
        if pair.trim_ascii().is_empty() {
            continue; // RFC 7239, section 4: a pair may be left out, its `;` may not.
        }
        let equals = pair.iter().position(|c| *c == b'=')?;
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"for") && found.replace(unquote(value)?).is_some() {
            return None;
        }
    }
    found
}

fn unquote(value: &[u8]) -> Option<&[u8]> {
    match value {
        [b'"', inner @ .., b'"'] => Some(inner),
        [b'"', ..] | [.., b'"'] => None,
        _ => Some(value),
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Reads `192.0.2.7`, `192.0.2.7:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
///
/// A zone is refused: it means something on the proxy alone. So is the unspecified address, which is nobody's.
fn address(node: &str) -> Option<IpAddr> {
    let bracketed = || node.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || {
        let (_, port) = node.rsplit_once(':')?;
        let plain = port.bytes().all(|c| c.is_ascii_digit()) && !node.contains('%');
        node.parse::<SocketAddr>().ok().filter(|_| plain).map(|address| address.ip())
    };
    let found = node.parse().ok().or_else(bracketed).or_else(with_port)?;
    Some(found.to_canonical()).filter(|address| !address.is_unspecified())
}
