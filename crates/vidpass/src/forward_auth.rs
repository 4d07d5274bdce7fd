//! The listeners that proxies ask.

use std::future::{Future, ready};
use std::sync::Arc;

use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tracing::info;
use vidpass_gate::{EnvoyGrpc, ForwardAuth, Judge, ProxyJudge, ViewerResolver};

use crate::config::{ConnectionLimits, ForwardAuthConfig, ProxyKind};
use crate::listener::{self, Protocol};
use crate::{framing, server};

/// A listener that proxies of one kind ask.
pub(crate) struct ForwardAuthListener {
    listener: TcpListener,
    answers: Answers,
}

enum Answers {
    Http(ForwardAuth),
    EnvoyGrpc(EnvoyGrpc),
}

impl ForwardAuthListener {
    /// Binds the listener.
    ///
    /// # Errors
    /// An address that is taken.
    pub(crate) async fn bind(
        config: &ForwardAuthConfig,
        judge: &Arc<Judge>,
        viewers: &ViewerResolver,
    ) -> anyhow::Result<Self> {
        let listener = server::bind("forward_auth.listen", config.listen).await?;
        let judge = ProxyJudge { judge: Arc::clone(judge), viewers: viewers.clone(), proxies: config.proxies.clone() };
        let (answers, preset) = match &config.kind {
            ProxyKind::Http(preset) => (Answers::Http(ForwardAuth::new(judge, preset.clone())), preset.name()),
            ProxyKind::EnvoyGrpc => (Answers::EnvoyGrpc(EnvoyGrpc::new(judge)), EnvoyGrpc::NAME),
        };
        info!(listen = %listener.local_addr()?, preset, "proxies may ask");
        Ok(Self { listener, answers })
    }

    /// Answers until `stop` resolves.
    pub(crate) async fn serve(self, limits: ConnectionLimits, stop: impl Future<Output = ()>) {
        match self.answers {
            Answers::Http(answers) => {
                let handle = move |question: Request<Incoming>, peer| {
                    let answer = || answers.answer(&question, peer).map(Body::new);
                    ready(framing::refusal(&question).unwrap_or_else(answer))
                };
                listener::serve((self.listener, Protocol::Http1), limits, handle, stop).await;
            }
            Answers::EnvoyGrpc(answers) => {
                let handle = move |call, peer| {
                    let answers = answers.clone();
                    async move { answers.answer(call, peer).await }
                };
                listener::serve((self.listener, Protocol::Http2), limits, handle, stop).await;
            }
        }
    }
}
