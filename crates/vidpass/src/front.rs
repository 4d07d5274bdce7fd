//! Which half of a server answers a request.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use vidpass_api::{ApiService, CallerAddress};
use vidpass_api_types::{Envelope, Failure, Health, Item, Readiness, Reason};
use vidpass_gate::{Gate, GateService, PlainAnswer, PlainRequest, ViewerResolver};

use crate::{framing, viewers};

/// The API, with whoever finds out where its callers are.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) service: ApiService,
    /// Finds them as the gate finds its viewers.
    pub(crate) callers: Arc<ViewerResolver>,
}

/// Whoever answers on the listener for API callers and viewers. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Front {
    /// Issuer and gate.
    Both(Api, GateService),
    /// A gate alone, which says itself whether it is ready.
    Gate(GateService, Arc<Gate>),
    /// An issuer alone.
    Issuer(Api),
}

impl Front {
    /// Answers one request of `peer`.
    pub(crate) async fn answer(self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        if let Some(refusal) = framing::refusal(&request) {
            return refusal;
        }
        match (self, is_the_issuers(request.uri().path())) {
            (Self::Both(api, _) | Self::Issuer(api), true) => api.answer(request, peer).await,
            (Self::Both(_, service) | Self::Gate(service, _), false) => {
                // Apart: it is the larger half by far, and a question to the API would carry its room.
                Box::pin(service.handle(request, peer)).await.map(Body::new)
            }
            (Self::Gate(_, gate), true) => of_gate(request.uri().path(), &gate),
            (Self::Issuer(_), false) => {
                refusal(404, Reason::RouteUnknown, "this server issues tokens; a gate has the videos")
            }
        }
    }

    /// Answers a request that carries nothing, where it is the gate's.
    pub(crate) fn plain(&self, request: &PlainRequest<'_>) -> PlainAnswer {
        match self {
            Self::Both(_, service) | Self::Gate(service, _) if !is_the_issuers(request.path()) => {
                service.answer_plain(request)
            }
            Self::Both(..) | Self::Gate(..) | Self::Issuer(_) => PlainAnswer::HAND_OVER,
        }
    }
}

/// The issuer has its own corner of the paths; everything else is the gate's.
fn is_the_issuers(path: &str) -> bool {
    path.starts_with("/client/v4/") || ["/client/v4", "/healthz", "/readyz", "/docs/errors"].contains(&path)
}

impl Api {
    async fn answer(self, mut request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        // Of a trusted proxy that does not say whom it speaks for, its own address is what is known.
        let address = self.callers.address(peer.ip(), request.headers()).unwrap_or(peer.ip().to_canonical());
        request.extensions_mut().insert(CallerAddress(address));
        self.service.handle(request.map(Body::new)).await
    }
}

/// What a gate alone answers in the issuer's corner.
fn of_gate(path: &str, gate: &Gate) -> Response<Body> {
    match (path, viewers::lack(gate)) {
        ("/healthz", _) => json(200, &Envelope::done(Health { status: "ok".to_owned() }, Vec::new())),
        ("/readyz", None) => json(200, &Envelope::done(Readiness { status: "ready".to_owned() }, Vec::new())),
        ("/readyz", Some(lack)) => refusal(503, Reason::NotReady, lack),
        _ => refusal(404, Reason::RouteUnknown, "this server is a gate; an issuer has the API"),
    }
}

fn refusal(status: u16, reason: Reason, message: &str) -> Response<Body> {
    let reason_text = Some(reason.to_string());
    let item = Item {
        code: reason.code(),
        message: message.to_owned(),
        documentation_url: None,
        source: None,
        reason: reason_text,
    };
    json(status, &Failure::new(vec![item]))
}

fn json(status: u16, body: &impl serde::Serialize) -> Response<Body> {
    let body = serde_json::to_vec(body).expect("the envelope has only text keys");
    let response = Response::builder().status(status).header(http::header::CONTENT_TYPE, "application/json");
    response.header(http::header::CACHE_CONTROL, "no-store").body(Body::from(body)).expect("the parts are constants")
}
