//! The listeners that proxies ask, and what they are answered.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tracing::info;
use vidpass_gate::{EnvoyGrpc, ForwardAuth, Judge, PlainAnswer, PlainRequest, ProxyJudge, ViewerResolver};
use vidpass_token::Clock;

use crate::config::{ConnectionLimits, ForwardAuthConfig, ProxyKind};
use crate::listener::{self, Handlers, Places, Protocol};
use crate::running::CurrentAnswers;
use crate::{framing, server};

/// A listener that proxies of one kind ask.
pub(crate) struct ForwardAuthListener {
    listener: TcpListener,
    protocol: Protocol,
    /// Which of the configuration's tables it is.
    place: usize,
}

/// Whoever answers proxies of one kind. Cheap to clone.
#[derive(Clone)]
pub(crate) enum ProxyAnswers {
    Http(ForwardAuth),
    EnvoyGrpc(EnvoyGrpc),
}

impl ForwardAuthListener {
    /// Binds the listener of each table.
    ///
    /// # Errors
    /// An address that is taken.
    pub(crate) fn bind_all(tables: &[ForwardAuthConfig]) -> anyhow::Result<Vec<Self>> {
        let mut listeners = Vec::new();
        for (place, table) in tables.iter().enumerate() {
            let listener = server::bind("forward_auth.listen", table.listen)?;
            let preset = match &table.kind {
                ProxyKind::Http(preset) => preset.name(),
                ProxyKind::EnvoyGrpc => EnvoyGrpc::NAME,
            };
            info!(listen = %listener.local_addr()?, preset, "proxies may ask");
            listeners.push(Self { listener, protocol: table.kind.protocol(), place });
        }
        Ok(listeners)
    }

    /// Answers as `current` says, until `stop` resolves.
    pub(crate) async fn serve(
        self,
        current: CurrentAnswers,
        limits: ConnectionLimits,
        clock: Clock,
        stop: impl Future<Output = ()>,
    ) {
        let place = self.place;
        let asked = Arc::clone(&current);
        let all = move |question, peer| {
            let answers = asked.load().forward_auth[place].clone();
            async move { answers.answer(question, peer).await }
        };
        let plain = move |question: &PlainRequest<'_>| current.load().forward_auth[place].plain(question);
        let listener = (self.listener, self.protocol);
        listener::serve(listener, Places::new(limits), limits, clock, Handlers { all, plain }, stop).await;
    }
}

impl ProxyAnswers {
    /// Answers proxies as `table` says, and as `judge` decides.
    pub(crate) fn new(table: &ForwardAuthConfig, judge: &Arc<Judge>, viewers: &ViewerResolver) -> Self {
        let judge = ProxyJudge { judge: Arc::clone(judge), viewers: viewers.clone(), proxies: table.proxies.clone() };
        match &table.kind {
            ProxyKind::Http(preset) => Self::Http(ForwardAuth::new(judge, preset.clone())),
            ProxyKind::EnvoyGrpc => Self::EnvoyGrpc(EnvoyGrpc::new(judge)),
        }
    }

    /// The answer to a question over HTTP/1 that carries nothing.
    fn plain(&self, question: &PlainRequest<'_>) -> PlainAnswer {
        match self {
            Self::Http(answers) => answers.answer_plain(question),
            Self::EnvoyGrpc(_) => PlainAnswer::HAND_OVER,
        }
    }

    async fn answer(self, question: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        match self {
            Self::Http(answers) => {
                let answer = || answers.handle(&question, peer).map(Body::new);
                framing::refusal(&question).unwrap_or_else(answer)
            }
            Self::EnvoyGrpc(answers) => answers.answer(question, peer).await.map(Body::new),
        }
    }
}
