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
    /// `None` within is no such listener. The one `without` TLS has another address.
    pub(super) fn parse(
        &self,
        without: Option<SocketAddr>,
        p: &mut Problems,
        folder: &Path,
    ) -> Option<Option<TlsConfig>> {
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
        if listen.is_some_and(|listen: SocketAddr| listen.port() != 0 && without == Some(listen)) {
            let value = self.listen.as_deref().unwrap_or_default();
            p.add("tls.listen", value, "must be another address or port than listen, which is without TLS");
        }
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

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn what_https_needs_is_missed() {
        for (setting, missing) in [
            ("listen = \"0.0.0.0:443\"", &["tls.certificate_file", "tls.key_file"][..]),
            ("certificate_file = \"c.pem\"", &["tls.listen", "tls.key_file"]),
            ("key_file = \"k.pem\"", &["tls.listen", "tls.certificate_file"]),
        ] {
            let error = check(&format!("roles = [\"gate\"]\n[tls]\n{setting}")).unwrap_err().to_string();
            let told: Vec<_> = error.lines().skip(1).map(|line| line.trim().split(' ').next().unwrap()).collect();
            assert_eq!(told, missing, "{error}");
        }
    }

    #[test]
    fn a_certificate_is_for_a_name_and_its_listener_for_itself() {
        let tls = "[tls]\nlisten = \"[::]:443\"\ncertificate_file = \"c.pem\"\nkey_file = \"k.pem\"";
        let error = check(tls).unwrap_err().to_string();
        assert!(error.contains("public_url = \"\": must be set where tls.listen is [::]:443"), "{error}");
        let error = check(&format!("listen = \"[::]:443\"\n{tls}")).unwrap_err().to_string();
        assert!(error.contains("tls.listen = \"[::]:443\": must be another address"), "{error}");
        let tls = check(&format!("public_url = \"https://video.example.com\"\n{tls}")).unwrap().tls.unwrap();
        assert_eq!((tls.certificate_file, tls.key_file), ("etc/c.pem".into(), "etc/k.pem".into()));
    }
}
