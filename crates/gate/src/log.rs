//! What is written of each request: one line, without the token, the query or the whole URL.

use std::net::IpAddr;

use http::{Method, StatusCode};
use vidpass_token::{Country, Denial, FilePath, Viewer};

use crate::decide::Carried;
use crate::deny::Failure;

/// One request, as far as it came.
pub(crate) struct Line<'a> {
    pub(crate) method: &'a Method,
    /// The path after the credential; `None` where the path was refused, since a token may stand anywhere in it.
    pub(crate) file: Option<FilePath<'a>>,
    pub(crate) address: IpAddr,
    /// `None` where the viewer could not be told, and `address` is the peer's.
    pub(crate) viewer: Option<&'a Viewer>,
    pub(crate) carried: &'a Carried,
}

impl Line<'_> {
    pub(crate) fn denied(&self, denial: &Denial, status: StatusCode) {
        tracing::info!(
            deny.code = denial.code(),
            rule.index = denial.rule_index(),
            detail = %denial,
            http.method = %self.method,
            http.status = status.as_u16(),
            path = self.file.map(display),
            video.id = self.carried.video().map(display),
            key.id = self.carried.key_id().map(display),
            token.fingerprint = self.carried.fingerprint().map(display),
            viewer.address = %self.address,
            viewer.country = self.viewer.map(|viewer| display(country(viewer))),
            "denied"
        );
    }

    /// Permitted, and not served all the same.
    pub(crate) fn failed(&self, failure: Failure, status: StatusCode) {
        tracing::info!(
            failure.code = failure.code(),
            http.method = %self.method,
            http.status = status.as_u16(),
            path = self.file.map(display),
            video.id = self.carried.video().map(display),
            viewer.address = %self.address,
            "not served"
        );
    }

    pub(crate) fn served(&self, status: StatusCode) {
        tracing::debug!(
            http.method = %self.method,
            http.status = status.as_u16(),
            path = self.file.map(display),
            video.id = self.carried.video().map(display),
            key.id = self.carried.key_id().map(display),
            token.fingerprint = self.carried.fingerprint().map(display),
            viewer.address = %self.address,
            viewer.country = self.viewer.map(|viewer| display(country(viewer))),
            "served"
        );
    }
}

fn country(viewer: &Viewer) -> String {
    match viewer.country() {
        Country::Known(code) => code.to_string(),
        Country::Unknown => "unknown".to_owned(),
        Country::Unavailable => "unavailable".to_owned(),
    }
}
