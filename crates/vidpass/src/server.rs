//! Issuer, gate and store, wired together on their listeners.

use std::future::{Future, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use futures_util::future::join_all;
use http::{Request, Response};
use hyper::body::Incoming;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::ServiceExt as _;
use tracing::{error, info, warn};
use vidpass_api::{ApiConfig, CallerAddress, CountryLookup, PublicUrl, Readiness};
use vidpass_gate::{CountrySource, ForwardedHeader, Gate, GateParts, GateService, Judge, Reload, ViewerResolver};
use vidpass_store::Store;
use vidpass_token::{AccountId, Chain, Clock, VideoId};

use crate::config::Config;
use crate::forward_auth::ForwardAuthListener;
use crate::listener::Protocol;
use crate::{follow, framing, key_life, listener, origins};

/// How often the country file is looked at.
const COUNTRY_CHECK: Duration = Duration::from_secs(5);

/// For how long the store may be silent before the server says that it is not ready.
const STALE: Duration = Duration::from_secs(10);

/// How often videos whose time has come are deleted.
const DELETION_CHECK: Duration = Duration::from_secs(10);

/// How often old lines of the audit log are cleared.
const AUDIT_CHECK: Duration = Duration::from_secs(3600);

/// A server whose listeners are bound and whose gate knows the store. Nothing is served until [`Server::run`].
pub(crate) struct Server {
    listener: TcpListener,
    admin: Option<TcpListener>,
    forward_auth: Vec<ForwardAuthListener>,
    api: axum::Router,
    gate: GateService,
    /// Finds callers of the API as the gate finds its viewers.
    callers: ViewerResolver,
    metrics: Arc<Registry>,
    tasks: JoinSet<()>,
    store: Store,
    public_url: PublicUrl,
    config: Config,
    clock: Clock,
}

impl Server {
    /// Binds the listeners and fills the gate from the store.
    ///
    /// # Errors
    /// An address that is taken, a country file or an origin that cannot be used, a store that does not answer.
    pub(crate) async fn bind(config: Config, store: Store, clock: Clock) -> anyhow::Result<Self> {
        let listener = bind("listen", config.listen).await?;
        let admin = match config.admin_listen {
            Some(address) => Some(bind("admin_listen", address).await?),
            None => None,
        };
        let countries = Arc::new(config.country_source()?);
        let mut metrics = Registry::default();
        let origins = origins::open(&config, &mut metrics)?;
        let gate = Arc::new(Gate::new(config.gate(), &mut metrics));
        let follower = store.follower();
        let seq = follow::fill(&store, &gate).await.context("the gate could not be filled from the store")?;
        let public_url = match config.public_url.clone() {
            Some(url) => url,
            None => format!("http://{}", listener.local_addr()?).parse()?,
        };
        let api = vidpass_api::router(
            store.clone(),
            clock.clone(),
            api_config(&config, public_url.clone(), &countries),
            &mut metrics,
            readiness(Arc::clone(&gate)),
        );
        let judge = Arc::new(Judge {
            gate: Arc::clone(&gate),
            countries: Arc::clone(&countries),
            credential_place: config.viewer.token_in.clone(),
            address_in_log: config.log.viewer_address.clone(),
            clock: clock.clone(),
        });
        let viewers = |header| ViewerResolver::new(config.viewer.trusted_proxies.clone(), header);
        // Whatever the gate's own viewers come through: each proxy that asks appends to this header, and to no other.
        let asked_for = viewers(ForwardedHeader::XForwardedFor);
        let mut forward_auth = Vec::new();
        for config in &config.forward_auth {
            forward_auth.push(ForwardAuthListener::bind(config, &judge, &asked_for).await?);
        }
        let viewers = viewers(config.viewer.forwarded_header);
        let callers = viewers.clone();
        let service = GateService::new(GateParts { judge, viewers, origins });
        let mut tasks = JoinSet::new();
        tasks.spawn(follow::follow(store.clone(), gate, follower, seq));
        tasks.spawn(watch_country_file(countries));
        tasks.spawn(delete_scheduled_videos(store.clone(), clock.clone()));
        tasks.spawn(clear_audit_log(store.clone(), clock.clone(), config.audit_keep));
        tasks.spawn(key_life::write_uses(store.clone()));
        tasks.spawn(key_life::rotate_and_delete(store.clone(), clock.clone(), config.tokens.learnt_after()));
        let (gate, metrics) = (service, Arc::new(metrics));
        Ok(Self { listener, admin, forward_auth, api, gate, callers, metrics, tasks, store, public_url, config, clock })
    }

    /// The address for API callers and viewers, with the port that the system chose where 0 was asked for.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// How clients reach that address.
    pub(crate) fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// The address of `/metrics`, where it is served.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|admin| admin.local_addr().ok())
    }

    /// Issues a token that is good for as long as this server issues any, and opens downloads too: what a caller would
    /// get over the network.
    ///
    /// # Errors
    /// Where the API refuses.
    pub(crate) async fn issue_token(
        &self,
        account: &AccountId,
        api_token: &str,
        video: &VideoId,
    ) -> anyhow::Result<String> {
        let exp = (self.clock)().plus(self.config.tokens.max_lifetime);
        let body = serde_json::json!({ "exp": exp.0, "downloadable": true }).to_string();
        let request = Request::post(format!("/client/v4/accounts/{account}/stream/{video}/token"))
            .header(http::header::AUTHORIZATION, format!("Bearer {api_token}"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))?;
        let answer = self.api.clone().oneshot(request).await?;
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await?;
        let answer: serde_json::Value = serde_json::from_slice(&body)?;
        answer["result"]["token"].as_str().map(str::to_owned).with_context(|| format!("no token was issued: {answer}"))
    }

    /// Serves until `stop` resolves and running requests are done.
    ///
    /// # Errors
    /// Where a task ended that must not: a gate that no longer follows the store would go on admitting deleted keys.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
        let limits = self.config.limits;
        let (stopped, stopping) = tokio::sync::watch::channel(false);
        let stopping = move || {
            let mut stopping = stopping.clone();
            async move { drop(stopping.wait_for(|stopped| *stopped).await) }
        };
        let (admin, metrics, admin_stopping) = (self.admin, self.metrics, stopping());
        let serving_admin = async move {
            if let Some(admin) = admin {
                let handle = move |request, _| ready(admin_answer(&metrics, &request));
                listener::serve((admin, Protocol::Http1), limits, handle, admin_stopping).await;
            }
        };
        let (api, gate, callers) = (self.api, self.gate, Arc::new(self.callers));
        let handle = move |request, peer| answer(api.clone(), gate.clone(), Arc::clone(&callers), request, peer);
        let serving = listener::serve((self.listener, Protocol::Http1), limits, handle, stopping());
        let answering = join_all(self.forward_auth.into_iter().map(|asked| asked.serve(limits, stopping())));
        let stop = async move {
            stop.await;
            info!("stopping: no new connections; running requests may finish");
            stopped.send_replace(true);
        };
        tokio::select! {
            _ = async { tokio::join!(serving, serving_admin, answering, stop) } => {}
            _ = self.tasks.join_next() => anyhow::bail!("a background task ended; the gate would no longer follow the store"),
        }
        self.tasks.shutdown().await;
        if let Err(problem) = self.store.write_key_uses().await {
            warn!(error = %Chain(&problem), "the last uses of keys are lost");
        }
        self.store.close().await;
        Ok(())
    }
}

pub(crate) async fn bind(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("{setting} = {address} cannot be used; is another server there? choose another address or port")
    })
}

/// The issuer has its own corner of the paths; everything else is the gate's.
async fn answer(
    api: axum::Router,
    gate: GateService,
    callers: Arc<ViewerResolver>,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Response<Body> {
    if let Some(refusal) = framing::refusal(&request) {
        return refusal;
    }
    let path = request.uri().path();
    let issuer =
        path.starts_with("/client/v4/") || ["/client/v4", "/healthz", "/readyz", "/docs/errors"].contains(&path);
    if !issuer {
        return gate.handle(request, peer).await.map(Body::new);
    }
    // Of a trusted proxy that does not say whom it speaks for, its own address is what is known.
    let address = callers.address(peer.ip(), request.headers()).unwrap_or(peer.ip().to_canonical());
    request.extensions_mut().insert(CallerAddress(address));
    match api.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(impossible) => match impossible {},
    }
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

/// Ready while the gate has a catalogue and hears of the store's changes.
fn readiness(gate: Arc<Gate>) -> Readiness {
    Readiness::new(move || gate.is_loaded() && gate.silence() <= STALE)
}

fn api_config(config: &Config, public_url: PublicUrl, countries: &Arc<CountrySource>) -> ApiConfig {
    let countries = Arc::clone(countries);
    ApiConfig {
        accepted: config.gate().limits,
        countries: CountryLookup::new(move |address| countries.country(address)),
        default_token_lifetime: config.tokens.default_lifetime,
        max_token_lifetime: config.tokens.max_lifetime,
        learnt_after: config.tokens.learnt_after(),
        max_access_rules: config.tokens.max_access_rules,
        rate_limits: config.rate_limits.clone(),
        ..ApiConfig::new(public_url)
    }
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

async fn delete_scheduled_videos(store: Store, clock: Clock) {
    let mut checks = tokio::time::interval(DELETION_CHECK);
    loop {
        checks.tick().await;
        match store.delete_scheduled_videos(clock()).await {
            Ok(0) => {}
            Ok(videos) => info!(videos, "videos whose scheduled deletion has come are deleted"),
            Err(problem) => error!(error = %Chain(&problem), "scheduled deletions wait: the store does not answer"),
        }
    }
}

async fn clear_audit_log(store: Store, clock: Clock, keep: Duration) {
    let mut checks = tokio::time::interval(AUDIT_CHECK);
    loop {
        checks.tick().await;
        match store.clear_audit_log(clock().minus(keep)).await {
            Ok(0) => {}
            Ok(lines) => info!(lines, "old lines of the audit log are cleared"),
            Err(problem) => {
                error!(error = %Chain(&problem), "old lines of the audit log stay: the store does not answer");
            }
        }
    }
}
