//! HTTPS: who this server is to its clients, and how a connection to them begins.

use std::future::poll_fn;
use std::num::NonZero;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread::available_parallelism;
use std::time::Duration;
use std::{fs, io, mem};

use anyhow::{Context as _, ensure};
use arc_swap::ArcSwap;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::config::{Config, TlsConfig};
use crate::secret_file;

/// What is spoken within, by its name in the handshake (RFC 7301).
const HTTP_1_1: &[u8] = b"http/1.1";

/// A certificate with its chain and its private key, and all that a handshake with them takes.
///
/// TLS 1.2 and 1.3. Nothing is taken that a client sends before the handshake is over (RFC 8446, section 8).
pub(crate) struct Identity(Arc<ServerConfig>);

/// Makes connections secure. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    identity: Arc<ArcSwap<ServerConfig>>,
    /// Of those who may go a step further with a client: one of the steps takes a signature, and a thousand of them in a row would
    /// hold up whoever has a connection already.
    turns: Arc<Semaphore>,
    handshakes: Family<OutcomeLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    /// `done`, `failed` or, where the client took too long, `late`.
    outcome: &'static str,
}

impl Identity {
    /// Reads the files that `config` names; `None` where it names none.
    ///
    /// # Errors
    /// Where they cannot be read or used together, or others may read the key.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Option<Self>> {
        config.tls.as_ref().map(Self::read).transpose()
    }

    fn read(config: &TlsConfig) -> anyhow::Result<Self> {
        let chain = chain(&config.certificate_file)
            .with_context(|| format!("tls.certificate_file = {} cannot be used", config.certificate_file.display()))?;
        let text = secret_file::read("private key of tls.key_file", &config.key_file, "see docs/https.md")?;
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).with_context(|| {
            let name = config.key_file.display();
            if text.contains("ENCRYPTED") {
                format!("tls.key_file = {name} is encrypted; write it without a password: openssl pkey -in {name}")
            } else {
                format!("tls.key_file = {name} is no private key in PEM")
            }
        })?;
        let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .context(
                "tls.certificate_file, whose first certificate is the server's own, cannot be used with tls.key_file",
            )?;
        server.alpn_protocols = vec![HTTP_1_1.to_vec()];
        server.ticketer = Ticketer::new()?;
        Ok(Self(Arc::new(server)))
    }
}

/// The certificates of a file, in their order.
///
/// # Errors
/// Where it has none, or cannot be read.
pub(crate) fn chain(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let text = fs::read(file)?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>()?;
    ensure!(!chain.is_empty(), "it has no certificate in PEM");
    Ok(chain)
}

impl Tls {
    /// Shows `identity` to clients. Registers a metric, `vidpass_tls_*`.
    pub(crate) fn new(identity: Identity, metrics: &mut Registry) -> Self {
        let handshakes = Family::default();
        metrics.register("vidpass_tls_handshakes", "How connections over HTTPS began", handshakes.clone());
        // So many that half of the cores go on with something else, where there are two.
        let turns = (available_parallelism().map_or(1, NonZero::get) / 2).max(1);
        Self { identity: Arc::new(ArcSwap::new(identity.0)), turns: Arc::new(Semaphore::new(turns)), handshakes }
    }

    /// Shows `identity` to clients that connect from now on.
    pub(crate) fn show(&self, identity: Identity) {
        self.identity.store(identity.0);
    }

    /// The secure connection, where a client makes it one within `patience`.
    pub(crate) async fn accept<S>(&self, stream: S, patience: Duration) -> Option<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (outcome, stream) = match timeout(patience, self.handshake(stream)).await {
            Ok(Ok(stream)) => ("done", Some(stream)),
            Ok(Err(problem)) => {
                debug!(error = %problem, "a client did not become a secure connection");
                ("failed", None)
            }
            Err(_) => ("late", None),
        };
        self.handshakes.get_or_create(&OutcomeLabels { outcome }).inc();
        stream
    }

    /// A connection waits for its turn with what its client sent, so that whoever is silent keeps nobody from theirs. Each step is
    /// one: a client can have its first message answered with a question (RFC 8446, section 4.1.4), and then it is the next that costs.
    async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let mut turn = self.turns.acquire().await;
        let mut handshake = hello.into_stream(self.identity.load_full());
        loop {
            let step = poll_fn(|context| Poll::Ready(Pin::new(&mut handshake).poll(context))).await;
            drop(turn);
            if let Poll::Ready(secure) = step {
                return secure;
            }
            woken().await;
            turn = self.turns.acquire().await;
        }
    }
}

/// Until the task is woken, by whatever it has asked to be woken by.
async fn woken() {
    let mut is_woken = false;
    poll_fn(|_| if mem::replace(&mut is_woken, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}
