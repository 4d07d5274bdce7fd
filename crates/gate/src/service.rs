//! From a request to an answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONNECTION, HOST, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, Version};
use http_body::Body;
use vidpass_token::UnixTime;

use crate::body::GateBody;
use crate::deny::{self, Failure};
use crate::headers;
use crate::judge::{Judge, Permitted, ViewerRequest};
use crate::log::Line;
use crate::request_target;
use crate::serve::{FileRequest, FolderOrigin, watch};
use crate::viewer::ViewerResolver;

/// Answers viewers: decides, then serves. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GateService(Arc<GateParts>);

/// What a [`GateService`] is made of.
pub struct GateParts {
    /// Decides.
    pub judge: Arc<Judge>,
    /// Finds the viewer's address.
    pub viewers: ViewerResolver,
    /// Has the files.
    pub files: FolderOrigin,
}

impl GateService {
    /// A service of these parts.
    #[must_use]
    pub fn new(parts: GateParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Answers one request of `peer`. Whatever goes wrong is an answer too.
    ///
    /// The request's body is not read. An HTTP/1 connection whose request has one is closed after the answer, or the
    /// body could be taken for the next request.
    pub async fn handle<B: Body>(&self, request: Request<B>, peer: SocketAddr) -> Response<GateBody> {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let has_body = !body.is_end_stream();
        drop(body);
        let mut response = self.0.answer(&head, peer.ip()).await;
        if has_body && head.version < Version::HTTP_2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.0.judge.gate.metrics().observe_request(started.elapsed());
        response
    }
}

impl GateParts {
    async fn answer(&self, head: &Parts, peer: IpAddr) -> Response<GateBody> {
        match head.method {
            Method::GET | Method::HEAD => self.media(head, peer).await,
            Method::OPTIONS => headers::preflight(self.judge.credential_place.header()),
            _ => deny::failed(Failure::MethodNotAllowed, &head.method),
        }
    }

    async fn media(&self, head: &Parts, peer: IpAddr) -> Response<GateBody> {
        let judged = self.judge.judge(&ViewerRequest {
            method: &head.method,
            target: request_target::origin_form(&head.uri, head.version),
            host: head.headers.get(HOST).and_then(|host| host.to_str().ok()),
            headers: &head.headers,
            address: self.viewers.address(peer, &head.headers),
            peer,
            via: "gate",
        });
        let line = &judged.line;
        let mut response = match &judged.outcome {
            Ok(permitted) => self.serve(permitted, head, judged.now, line).await,
            Err(refused) => {
                let response = deny::denied(refused, &head.method);
                line.denied(refused, response.status());
                return response;
            }
        };
        if let Ok(Permitted { dry_run: Some(decision), .. }) = judged.outcome {
            headers::add_decision(response.headers_mut(), decision);
        }
        response
    }

    async fn serve(
        &self,
        permitted: &Permitted<'_>,
        head: &Parts,
        now: UnixTime,
        line: &Line<'_>,
    ) -> Response<GateBody> {
        let Permitted { permit, path, same_for_all, .. } = permitted;
        if let Some(page) = watch::Page::of(path.file()) {
            let response = watch::answer(page, permit, &head.method, *same_for_all, now);
            line.served(response.status());
            return response;
        }
        let request = FileRequest {
            method: &head.method,
            path,
            headers: &head.headers,
            now,
            same_for_all: *same_for_all,
            sent: self.judge.gate.metrics().bytes_sent(),
        };
        match self.files.answer(permit, request).await {
            Ok(response) => {
                line.served(response.status());
                response
            }
            Err(failure) => {
                let response = deny::failed(failure, &head.method);
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
            .field("files", &self.files)
            .finish()
    }
}
