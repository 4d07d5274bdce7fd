//! A client's end of TLS 1.3 that counts answers and does not decrypt them.
//!
//! To decrypt takes a client as long as to encrypt takes a server, and then it is the client that is measured. The first answer is
//! decrypted and looked at. Of those after it the records' heads tell how much was in them, and what they hold is dropped in the
//! kernel as it is.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::http_text::Head;
use crate::load::Exchange;

/// A certificate of a server on this machine, with its key, for all servers of a bar.
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// What trusts it.
    pub(crate) clients: Arc<ClientConfig>,
}

/// A connection that has had its first answer.
pub(crate) struct Secure {
    session: ClientConnection,
    /// How many bytes each answer has, before they are encrypted.
    answer: usize,
    /// How many of them are still to come.
    missing: usize,
    record: Record,
}

/// Where in the sequence of records the connection is (RFC 8446, section 5.2).
enum Record {
    /// Of its head, so many bytes are there.
    Head([u8; RECORD_HEAD], usize),
    /// Of what is in it, so many bytes are missing.
    Content(usize),
}

const RECORD_HEAD: usize = 5;
const APPLICATION_DATA: u8 = 23;

/// What a record has beside its content: the content's type, and the tag that authenticates it.
const OVERHEAD: usize = 1 + 16;

impl Certificate {
    /// Makes one with P-256, as most are.
    pub(crate) fn make(folder: &Path) -> anyhow::Result<Self> {
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("certificate.key"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
        let output = openssl.stdin(Stdio::null()).output().context("openssl makes the certificate")?;
        ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        let mut trusted = RootCertStore::empty();
        trusted.add(CertificateDer::from_pem_file(&certificate)?)?;
        // The same for all servers.
        let provider = CryptoProvider { cipher_suites: vec![TLS13_AES_256_GCM_SHA384], ..default_provider() };
        let clients = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        Ok(Self { certificate, key, clients: Arc::new(clients) })
    }
}

/// What a request gets whenever it is sent, as [`crate::http_text::exchange`] learns it without TLS.
pub(crate) fn exchange(
    clients: &Arc<ClientConfig>,
    address: SocketAddr,
    request: Vec<u8>,
    status: u16,
) -> anyhow::Result<Exchange> {
    let (_, _, head) = ask(clients, address, &request)?;
    ensure!(head.status == status, "{address} answers {}, not {status}", head.status);
    Ok(Exchange { request, status, body: head.body })
}

/// Connects, sends a request, and reads its answer to the end.
fn ask(
    clients: &Arc<ClientConfig>,
    address: SocketAddr,
    request: &[u8],
) -> anyhow::Result<(TcpStream, ClientConnection, Head)> {
    let stream = TcpStream::connect(address).with_context(|| format!("{address} refuses"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let session = ClientConnection::new(Arc::clone(clients), ServerName::from(address.ip()))?;
    let mut both = StreamOwned::new(session, stream);
    both.write_all(request)?;
    let mut head = Vec::new();
    let read = loop {
        let mut byte = [0];
        both.read_exact(&mut byte)?;
        head.extend(byte);
        if let Some(head) = Head::read(&head)? {
            break head;
        }
    };
    std::io::copy(&mut (&mut both).take(read.body), &mut std::io::sink())?;
    Ok((both.sock, both.conn, read))
}

impl Secure {
    /// Connects, and has `exchange` answered once.
    pub(crate) fn begin(
        clients: &Arc<ClientConfig>,
        address: SocketAddr,
        exchange: &Exchange,
    ) -> anyhow::Result<(TcpStream, Self)> {
        let (stream, session, head) = ask(clients, address, &exchange.request)?;
        let (expected, got) = ((exchange.status, exchange.body), (head.status, head.body));
        ensure!(got == expected, "{got:?} instead of {expected:?}");
        let answer = head.length + usize::try_from(head.body)?;
        Ok((stream, Self { session, answer, missing: 0, record: Record::Head([0; RECORD_HEAD], 0) }))
    }

    pub(crate) fn send(&mut self, mut stream: &TcpStream, request: &[u8]) -> anyhow::Result<()> {
        self.missing = self.answer;
        self.session.writer().write_all(request)?;
        self.session.write_tls(&mut stream)?;
        ensure!(!self.session.wants_write(), "there was no room for a request");
        Ok(())
    }

    /// Takes what has come, and gives whether the answer is whole.
    pub(crate) fn receive(&mut self, stream: &TcpStream, nowhere: &mut [u8]) -> anyhow::Result<bool> {
        while !self.is_whole() {
            let received = match &mut self.record {
                Record::Head(head, there) => recv(stream, &mut head[*there..], RecvFlags::empty()),
                Record::Content(missing) => recv(stream, &mut nowhere[..*missing], RecvFlags::TRUNC),
            };
            match received {
                Ok((_, 0)) => anyhow::bail!("the connection was closed"),
                Ok((_, count)) => self.take(count)?,
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn is_whole(&self) -> bool {
        self.missing == 0 && matches!(self.record, Record::Head(_, 0))
    }

    fn take(&mut self, count: usize) -> anyhow::Result<()> {
        match &mut self.record {
            Record::Head(head, there) if *there + count == RECORD_HEAD => {
                let [kind, _, _, high, low] = *head;
                ensure!(kind == APPLICATION_DATA, "a record of type {kind}");
                let length = usize::from(u16::from_be_bytes([high, low]));
                let content = length.checked_sub(OVERHEAD).context("a record that is too short")?;
                self.missing = self.missing.checked_sub(content).context("more came than was announced")?;
                self.record = Record::Content(length);
            }
            Record::Head(_, there) => *there += count,
            Record::Content(missing) if *missing == count => self.record = Record::Head([0; RECORD_HEAD], 0),
            Record::Content(missing) => *missing -= count,
        }
        Ok(())
    }
}
