//! What clients will find of the certificate that they are shown.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime as PkiTime};
use tokio_rustls::rustls::{CertificateError, Error, RootCertStore};
use vidpass_token::UnixTime;

use super::finding::Finding;
use crate::config::{Config, TlsConfig};
use crate::span::date;
use crate::tls::{self, Identity};

const SUBJECT: &str = "certificate";

/// How long before its end a certificate should be renewed.
const RENEWAL: Duration = Duration::from_secs(14 * 24 * 3600);

pub(super) fn examine(config: &Config, now: UnixTime) -> Option<Finding> {
    let tls = config.tls.as_ref()?;
    Some(match Identity::of(config).and_then(|_| certificate(config, tls, now)) {
        Ok(finding) => finding,
        Err(problem) => Finding::broken(SUBJECT, problem.as_ref(), "docs/https.md says what the two files are"),
    })
}

fn certificate(config: &Config, tls: &TlsConfig, now: UnixTime) -> anyhow::Result<Finding> {
    let chain = tls::chain(&tls.certificate_file)?;
    let name =
        config.public_url.as_ref().and_then(|url| url.to_string().parse::<Url>().ok()?.host_str().map(str::to_owned));
    let renew = "put a new one there, and send SIGHUP";
    Ok(match problem(&chain, name.as_deref(), now) {
        Some(problem) => Finding::broken_as(SUBJECT, problem, renew),
        None => match problem(&chain, None, now.plus(RENEWAL)) {
            Some(problem) => Finding::warning(SUBJECT, problem, renew),
            None => Finding::good(SUBJECT, "it goes together with its key, and ends in more than two weeks"),
        },
    })
}

/// What each client finds at that time, whoever it trusts. Whether the name is looked at depends on the chain: it comes last.
fn problem(chain: &[CertificateDer<'static>], name: Option<&str>, at: UnixTime) -> Option<String> {
    let (own, others) = chain.split_first()?;
    let mut trusted = RootCertStore::empty();
    trusted.add(chain.last()?.clone()).ok()?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(trusted), Arc::new(default_provider()));
    let server = ServerName::try_from(name.unwrap_or("localhost").trim_matches(['[', ']']).to_owned()).ok()?;
    let at = PkiTime::since_unix_epoch(Duration::from_secs(at.0.try_into().ok()?));
    let verified = verifier.build().ok()?.verify_server_cert(own, others, &server, &[], at);
    let moment = |time: PkiTime| date(UnixTime(time.as_secs().try_into().unwrap_or(i64::MAX)));
    match verified {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(format!("its last moment is {}", moment(not_after)))
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            Some(format!("it begins at {} only", moment(not_before)))
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. })) => {
            let name = name?;
            Some(format!("it is for {}, and not for {name}, which public_url names", presented.join(", ")))
        }
        Ok(_) | Err(_) => None,
    }
}
