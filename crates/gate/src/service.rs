//! From a request to an answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http::header::HOST;
use http::{Method, Request, Response};
use http_body::Body;
use prometheus_client::metrics::histogram::Histogram;
use vidpass_token::{Denial, PathError};

use crate::body::GateBody;
use crate::decide::Carried;
use crate::deny::{self, Failure};
use crate::headers;
use crate::http1::{PlainAnswer, PlainRequest};
use crate::judge::{Judge, Judged, Permitted, ViewerRequest};
use crate::origin::Origins;
use crate::request_target;
use crate::serve::player::{self, Page};
use crate::serve::{self, FileRequest};
use crate::viewer::ViewerResolver;

/// What log and metrics call the gate, beside the proxies that ask.
const GATE: &str = "gate";

/// Answers viewers: decides, then serves. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GateService {
    parts: Arc<GateParts>,
    seconds: Histogram,
}

/// What a [`GateService`] is made of.
pub struct GateParts {
    /// Decides.
    pub judge: Arc<Judge>,
    /// Finds the viewer's address.
    pub viewers: ViewerResolver,
    /// Have the files.
    pub origins: Arc<Origins>,
}

impl GateService {
    /// A service of these parts.
    #[must_use]
    pub fn new(parts: GateParts) -> Self {
        let seconds = parts.judge.gate.metrics().request_seconds(GATE);
        Self { parts: Arc::new(parts), seconds }
    }

    /// Answers one request of `peer`. Whatever goes wrong is an answer too.
    ///
    /// The request's body is not read. An HTTP/1 connection whose request has one is closed after the answer.
    pub async fn handle<B: Body>(&self, request: Request<B>, peer: SocketAddr) -> Response<GateBody> {
        let mut response = self.answer(&request, peer).await;
        headers::close_after_body(&request, &mut response);
        response
    }

    /// Answers one plain request.
    #[must_use]
    pub fn answer_plain(&self, request: &PlainRequest<'_>) -> PlainAnswer {
        let Some(whole) = request.to_request() else { return PlainAnswer::HAND_OVER };
        let (service, peer) = (self.clone(), request.peer());
        PlainAnswer::later(async move { service.answer(&whole, peer).await })
    }

    async fn answer<B>(&self, request: &Request<B>, peer: SocketAddr) -> Response<GateBody> {
        let started = Instant::now();
        let response = match self.parts.judge.gate.require_time(started) {
            Ok(()) => self.parts.answer(request, peer.ip()).await,
            Err(failure) => deny::failed(failure, request.method()),
        };
        self.seconds.observe(started.elapsed().as_secs_f64());
        response
    }
}

impl GateParts {
    async fn answer<B>(&self, request: &Request<B>, peer: IpAddr) -> Response<GateBody> {
        match *request.method() {
            Method::GET | Method::HEAD => self.read(request, peer).await,
            Method::OPTIONS => headers::preflight(self.judge.credential_place.header()),
            _ => deny::failed(Failure::MethodNotAllowed, request.method()),
        }
    }

    async fn read<B>(&self, request: &Request<B>, peer: IpAddr) -> Response<GateBody> {
        let target = request_target::origin_form(request.uri(), request.version());
        match target.ok().and_then(|target| player::asset(target, request.method())) {
            Some(asset) => asset,
            None => self.media(request, target, peer).await,
        }
    }

    async fn media<B>(
        &self,
        request: &Request<B>,
        target: Result<&str, PathError>,
        peer: IpAddr,
    ) -> Response<GateBody> {
        let judged = self.judge.judge(&ViewerRequest {
            method: request.method(),
            target: target.map_err(Denial::from),
            host: request.headers().get(HOST).and_then(|host| host.to_str().ok()),
            headers: request.headers().into(),
            address: self.viewers.address(peer, request.headers()),
            peer,
            via: GATE,
        });
        let mut response = match &judged.outcome {
            Ok(permitted) => self.serve(permitted, request, &judged).await,
            Err(refused) => {
                let page = Page::refused(judged.line.file, request.headers());
                let response = match page {
                    Some(page) => deny::denied_page(refused, page, request.method()),
                    None => deny::denied(refused, request.method()),
                };
                judged.line.denied(refused, response.status());
                return response;
            }
        };
        if let Ok(Permitted { dry_run: Some(decision), .. }) = judged.outcome {
            headers::add_decision(response.headers_mut(), decision);
        }
        response
    }

    async fn serve<B>(
        &self,
        permitted: &Permitted<'_>,
        request: &Request<B>,
        judged: &Judged<'_>,
    ) -> Response<GateBody> {
        let Permitted { permit, path, same_for_all, .. } = permitted;
        let (line, place) = (&judged.line, &self.judge.credential_place);
        let file = FileRequest {
            method: request.method(),
            path,
            headers: request.headers(),
            now: judged.now,
            same_for_all: *same_for_all,
            parameter: place.parameter(path),
            sent: self.judge.gate.metrics().bytes_sent(),
        };
        let answered = match Page::of(path.file()) {
            Some(page) => {
                let embedders = self.judge.gate.allowed_origins(permit.video());
                Ok(player::answer(page, permit, &file, embedders.as_deref(), place.parameter_name()))
            }
            None => serve::answer(&self.origins, permit, file).await,
        };
        match answered {
            Ok(response) => {
                line.served(response.status());
                match &line.carried {
                    Carried::Verified(token) => response.map(|body| body.while_admitted(self.judge.admission(token))),
                    Carried::Nothing | Carried::Uid(_) | Carried::Unverified { .. } => response,
                }
            }
            Err(failure) => {
                let response = deny::failed(failure, request.method());
                self.judge.gate.metrics().count_failure(failure);
                line.failed(failure, response.status());
                response
            }
        }
    }
}

impl std::fmt::Debug for GateParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GateParts")
            .field("judge", &self.judge)
            .field("viewers", &self.viewers)
            .field("origins", &self.origins)
            .finish()
    }
}
