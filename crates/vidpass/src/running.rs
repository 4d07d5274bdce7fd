//! What a running server answers by, and how it takes on another configuration.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::{Stream, StreamExt as _};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use tracing::{error, info, warn};
use vidpass_gate::AddressInLog;
use vidpass_token::{Chain, Clock};

use crate::config::{Config, ForwardAuthConfig, take_on_tables};
use crate::forward_auth::ProxyAnswers;
use crate::front::Front;
use crate::issuer::IssuerParts;
use crate::telemetry;
use crate::tls::{Identity, Tls};
use crate::viewers::Viewers;

/// Whoever answers now. A request that has begun goes on with what it began with.
pub(crate) type CurrentAnswers = Arc<ArcSwap<Answers>>;

/// Whoever answers, by one configuration.
pub(crate) struct Answers {
    /// API callers and viewers.
    pub(crate) front: Front,
    /// Proxies, by the place of their table.
    pub(crate) forward_auth: Vec<ProxyAnswers>,
}

/// What a server has for as long as it runs.
pub(crate) enum Parts {
    Both(IssuerParts, Viewers),
    Gate(Viewers),
    Issuer(IssuerParts),
}

/// What a server is told to run by from now on.
pub(crate) struct Reading {
    pub(crate) config: Config,
    /// Of the files that it names.
    pub(crate) identity: Option<Identity>,
}

/// A server's parts, and the configuration by which they answer.
pub(crate) struct Running {
    parts: Parts,
    /// The first one: what a server is started with stays.
    started: Arc<Config>,
    /// What each listener that proxies ask was told last.
    tables: Vec<ForwardAuthConfig>,
    config: Arc<ArcSwap<Config>>,
    answers: CurrentAnswers,
    tls: Option<Tls>,
    is_taken_on: Gauge,
}

impl Running {
    /// `parts`, answering by the configuration that they were made with. Registers a metric, `vidpass_config_*`.
    pub(crate) fn new(mut parts: Parts, started: Arc<Config>, tls: Option<Tls>, metrics: &mut Registry) -> Self {
        let is_taken_on = Gauge::default();
        is_taken_on.set(1);
        metrics.register(
            "vidpass_config_last_reload_successful",
            "Whether the configuration that was read last is in use",
            is_taken_on.clone(),
        );
        let tables = started.forward_auth.clone();
        let answers = Arc::new(ArcSwap::from_pointee(parts.answers(&started, &tables)));
        let config = Arc::new(ArcSwap::new(Arc::clone(&started)));
        Self { parts, started, tables, config, answers, tls, is_taken_on }
    }

    /// Whoever answers, now and later.
    pub(crate) fn answers(&self) -> CurrentAnswers {
        Arc::clone(&self.answers)
    }

    /// Does among `tasks` what a server does unasked.
    pub(crate) fn start(&self, clock: &Clock, tasks: &mut JoinSet<()>) {
        match &self.parts {
            Parts::Both(issuer, _) | Parts::Issuer(issuer) => issuer.start(&self.config, clock, tasks),
            Parts::Gate(_) => {}
        }
    }

    /// Takes on each configuration that is read, for as long as the process lives. One that cannot be used changes nothing.
    pub(crate) async fn follow(&mut self, readings: impl Stream<Item = anyhow::Result<Reading>>) {
        let mut readings = pin!(readings);
        while let Some(read) = readings.next().await {
            self.is_taken_on.set(read.is_ok().into());
            match read {
                Ok(reading) => {
                    let stay = self.take_on(reading);
                    info!("the configuration was read again; it holds from the next request on");
                    for setting in stay {
                        warn!(setting, "the setting changed, and stays as it was until the server is started again");
                    }
                }
                Err(problem) => {
                    error!(error = %Chain(problem.as_ref()), "the configuration cannot be used; the old one stays");
                }
            }
        }
        pending::<()>().await;
    }

    /// Answers by the new configuration from the next request on. Returns the settings that stay until the server is started again.
    fn take_on(&mut self, Reading { mut config, identity }: Reading) -> Vec<&'static str> {
        // The same address has the same hash for as long as the process lives.
        if let (AddressInLog::Hashed(_), kept @ AddressInLog::Hashed(_)) =
            (&config.log.viewer_address, &self.config.load().log.viewer_address)
        {
            config.log.viewer_address = kept.clone();
        }
        telemetry::set_level(config.log.level);
        if let (Some(tls), Some(identity)) = (&self.tls, identity) {
            tls.show(identity);
        }
        take_on_tables(&mut self.tables, &config);
        self.answers.store(Arc::new(self.parts.answers(&config, &self.tables)));
        let stay = config.needs_restart(&self.started);
        self.config.store(Arc::new(config));
        stay
    }
}

impl Parts {
    fn answers(&mut self, config: &Config, tables: &[ForwardAuthConfig]) -> Answers {
        match self {
            Self::Both(issuer, viewers) => {
                let (service, forward_auth) = viewers.answers(config, tables);
                Answers { front: Front::Both(issuer.api(config), service), forward_auth }
            }
            Self::Gate(viewers) => {
                let (service, forward_auth) = viewers.answers(config, tables);
                Answers { front: Front::Gate(service, Arc::clone(&viewers.gate)), forward_auth }
            }
            Self::Issuer(issuer) => Answers { front: Front::Issuer(issuer.api(config)), forward_auth: Vec::new() },
        }
    }
}
