//! Certificates of an authority that nobody knows.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::process::run;

/// An authority, and certificates that it vouches for, in a folder of their own.
pub(crate) struct Authority {
    name: String,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let authority = Self { name: name.to_owned(), folder: TempDir::new().unwrap() };
        authority.request(&[
            "-subj",
            "/CN=tests",
            "-keyout",
            &authority.file("ca.key"),
            "-out",
            &authority.file("ca.pem"),
        ]);
        authority
    }

    /// Makes `NAME.pem` and `NAME.key`, of a server on this machine's own address, for 30 days.
    pub(crate) fn vouch_for(&self, server: &str) {
        self.vouch_for_days(server, 30);
    }

    pub(crate) fn vouch_for_days(&self, server: &str, days: u32) {
        let leaf = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
        let (own, own_key) = (self.file("ca.pem"), self.file("ca.key"));
        let (key, certificate) = (self.file(&format!("{server}.key")), self.file(&format!("{server}.pem")));
        let (name, days) = (format!("/CN={server}"), days.to_string());
        let vouched = ["-CA", &own, "-CAkey", &own_key, "-days", &days];
        let made = ["-subj", &name, "-keyout", &key, "-out", &certificate];
        self.request(&[&leaf[..], &vouched, &made].concat());
    }

    /// The table `[tls]` with a certificate and a key of this folder.
    pub(crate) fn tls(&self, listen: &str, certificate: &str, key: &str) -> String {
        let (certificate, key) = (self.file(certificate), self.file(key));
        format!("[tls]\nlisten = \"{listen}\"\ncertificate_file = \"{certificate}\"\nkey_file = \"{key}\"\n")
    }

    /// Its own certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.file("ca.pem").into()
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn request(&self, words: &[&str]) {
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        run(&format!("{}-openssl", self.name), openssl.args(words));
    }
}
