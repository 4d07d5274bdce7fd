//! From a request to an answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http::header::HOST;
use http::{Method, Request, Response};
use http_body::Body;
use vidpass_token::Denial;

use crate::body::GateBody;
use crate::deny::{self, Failure};
use crate::headers;
use crate::judge::{Judge, Judged, Permitted, ViewerRequest};
use crate::origin::Origins;
use crate::request_target;
use crate::serve::{self, FileRequest, watch};
use crate::viewer::ViewerResolver;

/// What log and metrics call the gate, beside the proxies that ask.
const GATE: &str = "gate";

/// Answers viewers: decides, then serves. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GateService(Arc<GateParts>);

/// What a [`GateService`] is made of.
pub struct GateParts {
    /// Decides.
    pub judge: Arc<Judge>,
    /// Finds the viewer's address.
    pub viewers: ViewerResolver,
    /// Have the files.
    pub origins: Origins,
}

impl GateService {
    /// A service of these parts.
    #[must_use]
    pub fn new(parts: GateParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Answers one request of `peer`. Whatever goes wrong is an answer too.
    ///
    /// The request's body is not read. An HTTP/1 connection whose request has one is closed after the answer.
    pub async fn handle<B: Body>(&self, request: Request<B>, peer: SocketAddr) -> Response<GateBody> {
        let started = Instant::now();
        let mut response = self.0.answer(&request, peer.ip()).await;
        headers::close_after_body(&request, &mut response);
        self.0.judge.gate.metrics().observe_request(GATE, started.elapsed());
        response
    }
}

impl GateParts {
    async fn answer<B>(&self, request: &Request<B>, peer: IpAddr) -> Response<GateBody> {
        match *request.method() {
            Method::GET | Method::HEAD => self.media(request, peer).await,
            Method::OPTIONS => headers::preflight(self.judge.credential_place.header()),
            _ => deny::failed(Failure::MethodNotAllowed, request.method()),
        }
    }

    async fn media<B>(&self, request: &Request<B>, peer: IpAddr) -> Response<GateBody> {
        let judged = self.judge.judge(&ViewerRequest {
            method: request.method(),
            target: request_target::origin_form(request.uri(), request.version()).map_err(Denial::from),
            host: request.headers().get(HOST).and_then(|host| host.to_str().ok()),
            headers: request.headers(),
            address: self.viewers.address(peer, request.headers()),
            peer,
            via: GATE,
        });
        let mut response = match &judged.outcome {
            Ok(permitted) => self.serve(permitted, request, &judged).await,
            Err(refused) => {
                let response = deny::denied(refused, request.method());
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
        let (line, now, method) = (&judged.line, judged.now, request.method());
        if let Some(page) = watch::Page::of(path.file()) {
            let response = watch::answer(page, permit, method, *same_for_all, now);
            line.served(response.status());
            return response;
        }
        let file = FileRequest {
            method,
            path,
            headers: request.headers(),
            now,
            same_for_all: *same_for_all,
            parameter: self.judge.credential_place.parameter(path),
            sent: self.judge.gate.metrics().bytes_sent(),
        };
        match serve::answer(&self.origins, permit, file).await {
            Ok(response) => {
                line.served(response.status());
                response
            }
            Err(failure) => {
                let response = deny::failed(failure, method);
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
