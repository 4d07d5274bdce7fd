//! `[feed]`: a gate without a database, and the issuer that tells it of changes.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use reqwest::Url;
use serde::Deserialize;

use super::Roles;
use super::problems::Problems;

/// What a gate without a database needs to ask an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FeedConfig {
    /// Where the issuer is.
    pub(crate) url: FeedUrl,
    /// A file with the gate credential, readable by its owner alone.
    pub(crate) credential_file: PathBuf,
    /// A PEM file with the only authorities that may vouch for the issuer; `None` is those of the system.
    pub(crate) ca_file: Option<PathBuf>,
    /// Where what it was told is kept; `None` is nowhere.
    pub(crate) snapshot_file: Option<PathBuf>,
}

/// The address of an issuer: with TLS, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FeedUrl(Url);

/// Why a text is not such an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FeedUrlError {
    /// It is no address at all, or has more than host, port and path.
    #[error("not an address such as `https://issuer.example.com`")]
    Malformed,
    /// The credential, and what the gate decides from, would be open to everybody on the way.
    #[error("must begin with https://, but for an issuer on this machine")]
    Open,
}

impl FromStr for FeedUrl {
    type Err = FeedUrlError;

    fn from_str(text: &str) -> Result<Self, FeedUrlError> {
        let url: Url = text.parse().map_err(|_| FeedUrlError::Malformed)?;
        let host = url.host_str().ok_or(FeedUrlError::Malformed)?;
        let is_plain = url.query().is_none() && url.fragment().is_none();
        if !is_plain || !url.username().is_empty() || url.password().is_some() {
            return Err(FeedUrlError::Malformed);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(host) => {}
            "http" => return Err(FeedUrlError::Open),
            _ => return Err(FeedUrlError::Malformed),
        }
        Ok(Self(url))
    }
}

fn is_loopback(host: &str) -> bool {
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

impl FeedUrl {
    /// Whether it is asked with TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The URL of a path of the API.
    pub(crate) fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/client/v4/{path}", self.0.path().trim_end_matches('/')));
        url
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFeed {
    url: Option<String>,
    credential_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    snapshot_file: Option<PathBuf>,
}

impl RawFeed {
    pub(super) fn parse(&self, roles: Option<Roles>, p: &mut Problems, folder: &Path) -> Option<Option<FeedConfig>> {
        let Some(url) = &self.url else {
            if self.credential_file.is_some() || self.ca_file.is_some() || self.snapshot_file.is_some() {
                return p.missing("feed.url", "where the issuer is");
            }
            return Some(None);
        };
        if roles.is_some_and(|roles| roles != Roles::Gate) {
            p.add("feed.url", url, "is for a gate alone: set roles = [\"gate\"]; an issuer has a database");
        }
        let in_folder = |file: &Option<PathBuf>| file.as_ref().map(|file| folder.join(file));
        let url = p.parsed("feed.url", url);
        let credential_file = in_folder(&self.credential_file)
            .or_else(|| p.missing("feed.credential_file", "see `vidpass gate-credential create`"));
        Some(Some(FeedConfig {
            url: url?,
            credential_file: credential_file?,
            ca_file: in_folder(&self.ca_file),
            snapshot_file: in_folder(&self.snapshot_file),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_asked_with_tls_or_on_this_machine() {
        check("https://issuer.example.com/", Ok("https://issuer.example.com"));
        check("https://issuer.example.com:8443/vidpass/", Ok("https://issuer.example.com:8443/vidpass"));
        check("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080"));
        check("http://[::1]:8080", Ok("http://[::1]:8080"));
        check("http://localhost", Ok("http://localhost"));
        check("http://issuer.example.com", Err(FeedUrlError::Open));
        check("http://127.0.0.1.example.com", Err(FeedUrlError::Open));
        check("http://10.0.0.1", Err(FeedUrlError::Open));
        for text in ["", "issuer", "ftp://a", "https://u@a", "https://u:p@a", "https://a/?x", "https://a/#x"] {
            check(text, Err(FeedUrlError::Malformed));
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, FeedUrlError>) {
        let expected = expected.map(|base| format!("{base}/client/v4/gates/changes"));
        assert_eq!(text.parse::<FeedUrl>().map(|url| url.join("gates/changes").to_string()), expected);
    }
}
