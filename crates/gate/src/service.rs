//! From a request to an answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONNECTION, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, Version};
use http_body::Body;
use vidpass_token::{Clock, Denial, MediaPath, Viewer};

use crate::body::GateBody;
use crate::country::CountrySource;
use crate::decide::{Carried, Gate, MediaAsk};
use crate::deny::{self, Failure};
use crate::headers;
use crate::log::Line;
use crate::request_target;
use crate::serve::{FileRequest, FolderOrigin, watch};
use crate::viewer::{ViewerResolver, request_origin};

/// Answers viewers: decides, then serves. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GateService(Arc<GateParts>);

/// What a [`GateService`] is made of.
pub struct GateParts {
    /// Decides.
    pub gate: Arc<Gate>,
    /// Finds the viewer's address.
    pub viewers: ViewerResolver,
    /// Knows the address's country.
    pub countries: Arc<CountrySource>,
    /// Has the files.
    pub files: FolderOrigin,
    /// Tells the time, once per request.
    pub clock: Clock,
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
        self.0.gate.metrics().observe_request(started.elapsed());
        response
    }
}

impl GateParts {
    async fn answer(&self, head: &Parts, peer: IpAddr) -> Response<GateBody> {
        match head.method {
            Method::GET | Method::HEAD => self.media(head, peer).await,
            Method::OPTIONS => headers::preflight(),
            _ => deny::failed(Failure::MethodNotAllowed, &head.method),
        }
    }

    async fn media(&self, head: &Parts, peer: IpAddr) -> Response<GateBody> {
        let now = (self.clock)();
        let target = request_target::origin_form(&head.uri, head.version);
        let path = match target.and_then(MediaPath::parse) {
            Ok(path) => path,
            Err(error) => return self.denied_early(head, None, peer, &error.into()),
        };
        let viewer = match self.viewer(peer, &head.headers) {
            Ok(viewer) => viewer,
            Err(denial) => return self.denied_early(head, Some(&path), peer, &denial),
        };
        let decision = self.gate.examine(&MediaAsk { path: &path, viewer: &viewer, now });
        let line = Line {
            method: &head.method,
            file: Some(path.file()),
            address: viewer.address(),
            viewer: Some(&viewer),
            carried: &decision.carried,
        };
        let permit = match &decision.outcome {
            Ok(permit) => permit,
            Err(denial) => return denied(&line, denial),
        };
        if let Some(page) = watch::Page::of(path.file()) {
            let response = watch::answer(page, permit, &head.method, decision.same_for_all, now);
            line.served(response.status());
            return response;
        }
        let request = FileRequest {
            method: &head.method,
            path: &path,
            headers: &head.headers,
            now,
            same_for_all: decision.same_for_all,
            sent: self.gate.metrics().bytes_sent(),
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

    fn viewer(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Viewer, Denial> {
        let address = self.viewers.address(peer, headers)?;
        Ok(Viewer::new(address, self.countries.country(address), request_origin(headers)))
    }

    /// A denial from before the decision: of the path, or of a viewer without an address.
    fn denied_early(
        &self,
        head: &Parts,
        path: Option<&MediaPath<'_>>,
        peer: IpAddr,
        denial: &Denial,
    ) -> Response<GateBody> {
        self.gate.metrics().count_denial(denial);
        let line = Line {
            method: &head.method,
            file: path.map(MediaPath::file),
            address: peer.to_canonical(),
            viewer: None,
            carried: &Carried::Nothing,
        };
        denied(&line, denial)
    }
}

fn denied(line: &Line<'_>, denial: &Denial) -> Response<GateBody> {
    let response = deny::denied(denial, line.method);
    line.denied(denial, response.status());
    response
}

impl std::fmt::Debug for GateParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GateParts")
            .field("gate", &self.gate)
            .field("viewers", &self.viewers)
            .field("countries", &self.countries)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}
