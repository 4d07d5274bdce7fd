//! What is written of each request: one line, without the token, the query or the whole URL.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{Method, StatusCode};
use tracing::field::{DisplayValue, display};
use vidpass_token::{AccountId, Country, Denial, FilePath, Viewer};

use crate::decide::Carried;
use crate::decision_id::DecisionId;
use crate::deny::Failure;
use crate::judge::{Refused, ViewerRequest};

/// How much of a host stands in a line, in characters. A name has at most 253 (RFC 1035, section 2.3.4).
const MAX_HOST: usize = 260;

/// How viewers' addresses are written.
#[derive(Clone, Debug, Default)]
pub enum AddressInLog {
    /// As they are.
    #[default]
    Full,
    /// Without what tells one viewer from their neighbours: the network of 24 bits of IPv4, or 48 of IPv6.
    Truncated,
    /// A hash under a key of this process's own: one viewer's lines belong together until the next start, and nobody can
    /// find out whose they are.
    Hashed(RandomState),
}

/// One request, as far as it came.
pub(crate) struct Line<'a> {
    method: &'a Method,
    host: Option<&'a str>,
    via: &'static str,
    address: IpAddr,
    address_in_log: &'a AddressInLog,
    country: Option<Country>,
    /// The path after the credential; `None` where the path was refused, since a token may stand anywhere in it.
    pub(crate) file: Option<FilePath<'a>>,
    pub(crate) carried: Carried,
    pub(crate) account: Option<AccountId>,
}

impl AddressInLog {
    fn show(&self, address: IpAddr) -> String {
        match (self, address) {
            (Self::Full, _) => address.to_string(),
            (Self::Truncated, IpAddr::V4(address)) => {
                format!("{}/24", Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << 8)))
            }
            (Self::Truncated, IpAddr::V6(address)) => {
                format!("{}/48", Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80)))
            }
            (Self::Hashed(key), _) => format!("{:016x}", key.hash_one(address)),
        }
    }
}

impl<'a> Line<'a> {
    /// What is known before anything is decided: the peer stands for the viewer.
    pub(crate) fn new(request: &ViewerRequest<'a>, address_in_log: &'a AddressInLog) -> Self {
        Self {
            method: request.method,
            host: request.host,
            via: request.via,
            address: request.peer.to_canonical(),
            address_in_log,
            country: None,
            file: None,
            carried: Carried::Nothing,
            account: None,
        }
    }

    pub(crate) fn set_viewer(&mut self, viewer: &Viewer) {
        (self.address, self.country) = (viewer.address(), Some(viewer.country()));
    }

    /// The viewer's address, or the peer's where there was none to tell.
    pub(crate) fn viewer_address(&self) -> IpAddr {
        self.address
    }

    pub(crate) fn denied(&self, refused: &Refused, status: StatusCode) {
        self.decided(&refused.denial, refused.decision, Some(status), "denied");
    }

    /// Let in by a dry run.
    pub(crate) fn would_deny(&self, denial: &Denial, decision: DecisionId) {
        self.decided(denial, decision, None, "would deny");
    }

    fn decided(&self, denial: &Denial, decision: DecisionId, status: Option<StatusCode>, message: &str) {
        tracing::info!(
            deny.code = denial.code(),
            rule.index = denial.rule_index(),
            detail = %denial,
            decision.id = %decision,
            http.method = %self.method,
            http.status = status.map(|status| status.as_u16()),
            http.host = self.host.map(shortened),
            path = self.file.map(display),
            account.id = self.account.as_ref().map(display),
            video.id = self.carried.video().map(display),
            key.id = self.carried.key_id().map(display),
            token.fingerprint = self.carried.fingerprint().map(display),
            viewer.address = self.address_in_log.show(self.address),
            viewer.country = self.country(),
            via = self.via,
            "{message}"
        );
    }

    /// Permitted, and not served all the same.
    pub(crate) fn failed(&self, failure: Failure, status: StatusCode) {
        tracing::info!(
            failure.code = failure.code(),
            http.method = %self.method,
            http.status = status.as_u16(),
            path = self.file.map(display),
            account.id = self.account.as_ref().map(display),
            video.id = self.carried.video().map(display),
            viewer.address = self.address_in_log.show(self.address),
            via = self.via,
            "not served"
        );
    }

    pub(crate) fn served(&self, status: StatusCode) {
        tracing::debug!(
            http.method = %self.method,
            http.status = status.as_u16(),
            path = self.file.map(display),
            account.id = self.account.as_ref().map(display),
            video.id = self.carried.video().map(display),
            key.id = self.carried.key_id().map(display),
            token.fingerprint = self.carried.fingerprint().map(display),
            viewer.address = self.address_in_log.show(self.address),
            viewer.country = self.country(),
            via = self.via,
            "served"
        );
    }

    fn country(&self) -> Option<DisplayValue<String>> {
        let name = match self.country? {
            Country::Known(code) => code.to_string(),
            Country::Unknown => "unknown".to_owned(),
            Country::Unavailable => "unavailable".to_owned(),
        };
        Some(display(name))
    }
}

/// As much of a host as stands in a line.
fn shortened(host: &str) -> &str {
    host.char_indices().nth(MAX_HOST).map_or(host, |(end, _)| &host[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_written_without_telling_whose_it_is() {
        let shown = |style: &AddressInLog, address: &str| style.show(address.parse().unwrap());
        assert_eq!(shown(&AddressInLog::Full, "192.0.2.7"), "192.0.2.7");
        assert_eq!(shown(&AddressInLog::Truncated, "192.0.2.7"), "192.0.2.0/24");
        assert_eq!(shown(&AddressInLog::Truncated, "2001:db8:1:2:3:4:5:6"), "2001:db8:1::/48");
        let hashed = AddressInLog::Hashed(RandomState::new());
        let (one, same, other) =
            (shown(&hashed, "192.0.2.7"), shown(&hashed, "192.0.2.7"), shown(&hashed, "192.0.2.8"));
        assert!(one == same && one != other && !one.contains("192"), "{one} {other}");
    }
}
