//! `[tls]`: HTTPS, without a server in front that speaks it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::problems::Problems;

/// A listener for API callers and viewers that speaks HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsConfig {
    /// Where they connect.
    pub(crate) listen: SocketAddr,
    /// A PEM file with the server's certificate, and after it those that lead to an authority.
    pub(crate) certificate_file: PathBuf,
    /// A PEM file with its private key, readable by its owner alone.
    pub(crate) key_file: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTls {
    listen: Option<String>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

/// What `tls.listen` must be.
const ADDRESS: &str = "an address and a port for HTTPS, such as 0.0.0.0:443";

impl RawTls {
    /// `None` within is no such listener.
    pub(super) fn parse(&self, p: &mut Problems, folder: &Path) -> Option<Option<TlsConfig>> {
        if matches!(self, Self { listen: None, certificate_file: None, key_file: None }) {
            return Some(None);
        }
        let listen = match &self.listen {
            Some(address) => {
                let parsed = address.parse().map_err(|_| p.add("tls.listen", address, ADDRESS));
                parsed.ok()
            }
            None => p.missing("tls.listen", ADDRESS),
        };
        let mut file = |setting, file: &Option<PathBuf>, what| match file {
            Some(file) => Some(folder.join(file)),
            None => p.missing(setting, what),
        };
        let certificate_file =
            file("tls.certificate_file", &self.certificate_file, "a PEM file with the certificate and its chain");
        let key_file = file("tls.key_file", &self.key_file, "a PEM file with the certificate's private key");
        Some(Some(TlsConfig { listen: listen?, certificate_file: certificate_file?, key_file: key_file? }))
    }
}
