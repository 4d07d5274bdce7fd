//! Issuer, gate and store, wired together on their listeners.

use std::future::ready;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use axum::body::Body;
use futures_util::Stream;
use futures_util::future::{OptionFuture, join_all};
use http::{Request, Response};
use hyper::body::Incoming;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};
use vidpass_api::{PublicUrl, Readiness};
use vidpass_gate::{CountrySource, Gate, PlainAnswer, PlainRequest, Reload};
use vidpass_store::{DatabaseUrl, Store};
use vidpass_token::{Chain, Clock};

use crate::config::{Config, ConnectionLimits};
use crate::feed::Feed;
use crate::feed::kept::{self, Kept};
use crate::follow;
use crate::forward_auth::ForwardAuthListener;
use crate::front::Front;
use crate::issuer::IssuerParts;
use crate::listener::{self, Handlers, Places, Protocol};
use crate::running::{Parts, Reading, Running};
use crate::source::Source;
use crate::tls::{Identity, Tls};
use crate::viewers::{self, Viewers};

/// Why a server ends that was not asked to.
const TASK_LOST: &str =
    "a task ended that a server is not right without: a gate would no longer learn what was taken back";

/// How many connections may wait to be accepted; one more is asked for again after a second. The system may allow fewer
/// (`net.core.somaxconn`).
const WAITING: u32 = 4096;

/// How often the country file is looked at.
const COUNTRY_CHECK: Duration = Duration::from_secs(5);

/// What a server is, with what it needs for that.
pub(crate) enum Halves {
    /// Issuer and gate, which share a store.
    Both(Store),
    /// A gate alone, and where it learns what it decides from.
    Gate(GateSource),
    /// An issuer alone.
    Issuer(Store),
}

/// Where a gate alone learns what it decides from.
pub(crate) enum GateSource {
    /// A database that issuers write to.
    Database(DatabaseUrl),
    /// An issuer, and where what it says is kept, if anywhere.
    Feed(Box<Feed>, Option<PathBuf>),
}

/// A server whose listeners are bound. Nothing is served until [`Server::run`].
pub(crate) struct Server {
    listener: TcpListener,
    https: Option<(TcpListener, Tls)>,
    admin: Option<TcpListener>,
    forward_auth: Vec<ForwardAuthListener>,
    running: Running,
    metrics: Arc<Registry>,
    tasks: JoinSet<()>,
    store: Option<Store>,
    public_url: PublicUrl,
    limits: ConnectionLimits,
    clock: Clock,
}

impl Server {
    /// Binds the listeners. The gate of a server that is an issuer too is filled; one alone fills while it serves.
    ///
    /// # Errors
    /// An address that is taken, a country file or an origin that cannot be used, a store that does not answer.
    pub(crate) async fn bind(config: Arc<Config>, halves: Halves, clock: &Clock) -> anyhow::Result<Self> {
        let identity = Identity::of(&config)?;
        let listener = bind("listen", config.listen)?;
        let https = config.tls.as_ref().map(|tls| bind("tls.listen", tls.listen)).transpose()?;
        let admin = config.admin_listen.map(|address| bind("admin_listen", address)).transpose()?;
        let own_url: PublicUrl = format!("http://{}", listener.local_addr()?).parse()?;
        let public_url = config.public_url.as_ref().unwrap_or(&own_url).clone();
        let countries = Arc::new(config.country_source()?);
        let (mut metrics, mut tasks) = (Registry::default(), JoinSet::new());
        let (parts, store) = match halves {
            Halves::Both(store) => {
                let viewers = Viewers::open(&config, &countries, clock, &mut metrics)?;
                let gate = Arc::clone(&viewers.gate);
                let mut source = Source::log(store.change_log().clone());
                follow::learn(&mut source, &gate).await.context("the gate could not be filled from the store")?;
                let seen = Arc::clone(&gate);
                let readiness = Readiness::new(move || viewers::lack(&seen));
                let own = store.clone();
                let issuer = IssuerParts::new(own, &config, own_url, &countries, readiness, clock, &mut metrics);
                tasks.spawn(follow::follow(source, gate));
                (Parts::Both(issuer, viewers), Some(store))
            }
            Halves::Gate(source) => {
                let viewers = Viewers::open(&config, &countries, clock, &mut metrics)?;
                source.start(&viewers.gate, &mut tasks);
                (Parts::Gate(viewers), None)
            }
            Halves::Issuer(store) => {
                let readiness = Readiness::new(|| None);
                let own = store.clone();
                let issuer = IssuerParts::new(own, &config, own_url, &countries, readiness, clock, &mut metrics);
                (Parts::Issuer(issuer), Some(store))
            }
        };
        let forward_auth = match &parts {
            Parts::Both(..) | Parts::Gate(_) => ForwardAuthListener::bind_all(&config.forward_auth)?,
            Parts::Issuer(_) => Vec::new(),
        };
        let tls = identity.map(|identity| Tls::new(identity, &mut metrics));
        let https = https.zip(tls.clone());
        let limits = config.limits;
        let running = Running::new(parts, config, tls, &mut metrics);
        running.start(clock, &mut tasks);
        tasks.spawn(watch_country_file(countries));
        let (metrics, clock) = (Arc::new(metrics), clock.clone());
        Ok(Self { listener, https, admin, forward_auth, running, metrics, tasks, store, public_url, limits, clock })
    }

    /// The address for API callers and viewers, with the port that the system chose where 0 was asked for.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The address where they connect with HTTPS, where they can.
    pub(crate) fn https_address(&self) -> Option<SocketAddr> {
        self.https.as_ref().and_then(|(https, _)| https.local_addr().ok())
    }

    /// How clients reach those addresses.
    pub(crate) fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// The address of `/metrics`, where it is served.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|admin| admin.local_addr().ok())
    }

    /// The API's answer to a request, as a caller would get it over the network.
    ///
    /// # Errors
    /// Where this server has no API.
    pub(crate) async fn ask_api(&self, request: Request<Body>) -> anyhow::Result<Response<Body>> {
        match &self.running.answers().load().front {
            Front::Both(api, _) | Front::Issuer(api) => Ok(api.clone().service.handle(request).await),
            Front::Gate(..) => anyhow::bail!("this server is a gate alone"),
        }
    }

    /// Serves until `stop` resolves and running requests are done. What `readings` gives is taken on meanwhile.
    ///
    /// # Errors
    /// Where a task ended that must not: a gate that no longer follows the store would go on admitting deleted keys.
    pub(crate) async fn run(
        mut self,
        stop: impl Future<Output = ()> + Send,
        readings: impl Stream<Item = anyhow::Result<Reading>>,
    ) -> anyhow::Result<()> {
        let limits = self.limits;
        let (stopped, stopping) = tokio::sync::watch::channel(false);
        let stopping = move || {
            let mut stopping = stopping.clone();
            async move { drop(stopping.wait_for(|stopped| *stopped).await) }
        };
        let clock = || self.clock.clone();
        let (admin, metrics, admin_clock, admin_stopping) = (self.admin, self.metrics, clock(), stopping());
        let serving_admin = async move {
            if let Some(admin) = admin {
                let all = move |request, _| ready(admin_answer(&metrics, &request));
                let plain = |_: &PlainRequest<'_>| PlainAnswer::HAND_OVER;
                let listener = (admin, Protocol::Http1);
                listener::serve(
                    listener,
                    Places::new(limits),
                    limits,
                    admin_clock,
                    Handlers { all, plain },
                    admin_stopping,
                )
                .await;
            }
        };
        let current = self.running.answers();
        let answering = Arc::clone(&current);
        let all = move |request, peer| answering.load().front.clone().answer(request, peer);
        let plain = move |request: &PlainRequest<'_>| current.load().front.plain(request);
        let handlers = Handlers { all, plain };
        let places = Places::new(limits);
        let serving_https = self.https.map(|(https, tls)| {
            let listener = (https, Protocol::Https(tls));
            listener::serve(listener, places.clone(), limits, clock(), handlers.clone(), stopping())
        });
        let listener = (self.listener, Protocol::Http1);
        let serving = listener::serve(listener, places, limits, clock(), handlers, stopping());
        let answering = join_all(
            self.forward_auth.into_iter().map(|asked| asked.serve(self.running.answers(), limits, clock(), stopping())),
        );
        let stop = async move {
            stop.await;
            info!("stopping: no new connections; running requests may finish");
            stopped.send_replace(true);
        };
        let mut lost = None;
        tokio::select! {
            _ = async { tokio::join!(serving, OptionFuture::from(serving_https), serving_admin, answering, stop) } => {}
            () = self.running.follow(readings) => {}
            ended = self.tasks.join_next() => lost = ended,
        }
        self.tasks.shutdown().await;
        if let Some(store) = self.store {
            if let Err(problem) = store.write_key_uses().await {
                warn!(error = %Chain(&problem), "the last uses of keys are lost");
            }
            store.close().await;
        }
        match lost {
            None => Ok(()),
            Some(ended) => {
                Err(ended.err().map_or_else(|| anyhow!("it returned"), anyhow::Error::from).context(TASK_LOST))
            }
        }
    }
}

impl GateSource {
    fn start(self, gate: &Arc<Gate>, tasks: &mut JoinSet<()>) {
        match self {
            Self::Database(url) => {
                tasks.spawn(follow::follow_when_there(url, Arc::clone(gate)));
            }
            Self::Feed(mut feed, file) => {
                let (keeper, states) = watch::channel(None);
                if let Some(file) = file {
                    let kept = Kept::new(file, feed.credential());
                    kept.put_back(&mut feed, gate);
                    tasks.spawn(kept::keep(kept, states));
                }
                tasks.spawn(follow::follow(Source::Feed { feed: *feed, keeper, taken_back: 0 }, Arc::clone(gate)));
            }
        }
    }
}

/// Listens at the address that a setting names. It must be called in a runtime.
///
/// # Errors
/// Where the address is taken, or not one of this machine.
pub(crate) fn bind(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // What a server before this one has not closed yet is no reason to wait.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(WAITING)
    };
    listen().with_context(|| {
        format!("{setting} = {address} cannot be used; is another server there? choose another address or port")
    })
}

fn admin_answer(metrics: &Registry, request: &Request<Incoming>) -> Response<Body> {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut text = String::new();
    let (status, kind) = match request.uri().path() {
        "/metrics" if prometheus_client::encoding::text::encode(&mut text, metrics).is_ok() => (200, OPENMETRICS),
        _ => (404, "text/plain; charset=utf-8"),
    };
    let response = Response::builder().status(status).header(http::header::CONTENT_TYPE, kind);
    response.body(Body::from(text)).expect("the parts are constants")
}

async fn watch_country_file(countries: Arc<CountrySource>) {
    let mut checks = tokio::time::interval(COUNTRY_CHECK);
    loop {
        checks.tick().await;
        let source = Arc::clone(&countries);
        // Reading and verifying a file of megabytes takes longer than an async thread may be held.
        match tokio::task::spawn_blocking(move || source.reload_if_changed()).await {
            Ok(Ok(Reload::Unchanged)) => {}
            Ok(Ok(Reload::Replaced)) => info!("the country file was replaced and is in use"),
            Ok(Err(problem)) => warn!(error = %Chain(&problem), "the new country file is not used; the old one stays"),
            Err(problem) => error!(error = %problem, "the country file could not be looked at"),
        }
    }
}
