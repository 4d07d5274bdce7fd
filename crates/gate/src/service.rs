//! From a request to an answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http::header::HOST;
use http::{Method, Request, Response};
use http_body::Body;
use prometheus_client::metrics::histogram::Histogram;
use vidpass_token::{Denial, Permit, UnixTime};

use crate::asked::{Asked, visible};
use crate::body::GateBody;
use crate::decide::Carried;
use crate::decision_id::DecisionId;
use crate::deny::{self, Failure};
use crate::headers;
use crate::http1::{PlainAnswer, PlainRequest};
use crate::judge::{Judge, Judged, Permitted, Refused, ViewerRequest, Weighed};
use crate::log::Line;
use crate::origin::Origins;
use crate::serve::player::{self, Page};
use crate::serve::{self, FileRequest, Served};
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
        let started = Instant::now();
        if let Some(answer) = self.parts.answer_at_once(request.as_asked(), request.peer().ip(), started) {
            self.seconds.observe(started.elapsed().as_secs_f64());
            return answer;
        }
        let Some(whole) = request.to_request() else { return PlainAnswer::HAND_OVER };
        let (service, peer) = (self.clone(), request.peer());
        PlainAnswer::later(async move { service.answer(&whole, peer).await })
    }

    async fn answer<B>(&self, request: &Request<B>, peer: SocketAddr) -> Response<GateBody> {
        let started = Instant::now();
        let response = match self.parts.judge.gate.require_time(started) {
            Ok(()) => self.parts.answer(Asked::of(request), peer.ip()).await,
            Err(failure) => deny::failed(failure, request.method()),
        };
        self.seconds.observe(started.elapsed().as_secs_f64());
        response
    }
}

impl GateParts {
    async fn answer(&self, asked: Asked<'_>, peer: IpAddr) -> Response<GateBody> {
        match *asked.method {
            Method::GET | Method::HEAD => match player_asset(asked) {
                Some(asset) => asset,
                None => self.media(asked, peer).await,
            },
            Method::OPTIONS => headers::preflight(self.judge.credential_place.header()),
            _ => deny::failed(Failure::MethodNotAllowed, asked.method),
        }
    }

    async fn media(&self, asked: Asked<'_>, peer: IpAddr) -> Response<GateBody> {
        let Judged { outcome, line, now } = self.judge.judge(&self.viewer_request(asked, peer));
        let permitted = match outcome {
            Ok(permitted) => permitted,
            Err(refused) => return refuse(&refused, asked, &line),
        };
        let file = self.file_request(&permitted, asked, now);
        let response = match Page::of(permitted.path.file()) {
            Some(page) => self.page(page, &permitted.permit, &file, &line),
            None => match serve::answer(&self.origins, &permitted.permit, &file).await {
                Ok(served) => self.served(served, &line).into_response(&permitted.permit, &file),
                Err(failure) => self.failed(failure, asked, &line),
            },
        };
        named(response, permitted.dry_run)
    }

    /// The answer to `GET` or `HEAD` where nothing has to be waited for. Where something has, [`Self::answer`] decides by itself
    /// when there is time for it: a decision takes less than to keep what it was made of.
    fn answer_at_once(&self, asked: Asked<'_>, peer: IpAddr, started: Instant) -> Option<PlainAnswer> {
        if let Err(failure) = self.judge.gate.require_time(started) {
            return Some(PlainAnswer::of(deny::failed(failure, asked.method)));
        }
        if let Some(asset) = player_asset(asked) {
            return Some(PlainAnswer::of(asset));
        }
        let Weighed { outcome, line, now } = self.judge.weigh(&self.viewer_request(asked, peer));
        let permitted = match outcome {
            Ok(permitted) => permitted,
            Err(denial) => {
                let refused = self.judge.count_denial(denial, &line);
                return Some(PlainAnswer::of(refuse(&refused, asked, &line)));
            }
        };
        let Permitted { permit, path, .. } = &permitted;
        if Page::of(path.file()).is_some() {
            return None;
        }
        let file = self.file_request(&permitted, asked, now);
        let answered = serve::answer_at_once(&self.origins, permit, &file)?;
        let dry_run = self.judge.count_permit(permit, &line);
        Some(match answered {
            Ok(served) => self.served(served, &line).into_plain(permit, &file, dry_run),
            Err(failure) => PlainAnswer::of(named(self.failed(failure, asked, &line), dry_run)),
        })
    }

    fn viewer_request<'a>(&self, asked: Asked<'a>, peer: IpAddr) -> ViewerRequest<'a> {
        ViewerRequest {
            method: asked.method,
            target: asked.target.map_err(Denial::from),
            host: asked.headers.all(&HOST).next().and_then(visible),
            headers: asked.headers,
            address: self.viewers.address_among(peer, asked.headers),
            peer,
            via: GATE,
        }
    }

    fn file_request<'a>(&self, permitted: &'a Permitted<'_>, asked: Asked<'a>, now: UnixTime) -> FileRequest<'a> {
        FileRequest {
            method: asked.method,
            path: &permitted.path,
            headers: asked.headers,
            now,
            same_for_all: permitted.same_for_all,
            parameter: self.judge.credential_place.parameter(&permitted.path),
            sent: self.judge.gate.metrics().bytes_sent(),
        }
    }

    fn page(&self, page: Page, permit: &Permit, file: &FileRequest<'_>, line: &Line<'_>) -> Response<GateBody> {
        let embedders = self.judge.gate.allowed_origins(permit.video());
        let parameter = self.judge.credential_place.parameter_name();
        let response = player::answer(page, permit, file, embedders.as_deref(), parameter);
        line.served(response.status());
        response
    }

    fn served(&self, served: Served, line: &Line<'_>) -> Served {
        line.served(served.status());
        match &line.carried {
            Carried::Verified(token) => served.while_admitted(self.judge.admission(token)),
            Carried::Nothing | Carried::Uid(_) | Carried::Unverified { .. } => served,
        }
    }

    fn failed(&self, failure: Failure, asked: Asked<'_>, line: &Line<'_>) -> Response<GateBody> {
        let response = deny::failed(failure, asked.method);
        self.judge.gate.metrics().count_failure(failure);
        line.failed(failure, response.status());
        response
    }
}

fn player_asset(asked: Asked<'_>) -> Option<Response<GateBody>> {
    asked.target.ok().and_then(|target| player::asset(target, asked.method))
}

/// The answer, with the name of the decision where a dry run let the viewer in.
fn named(mut response: Response<GateBody>, dry_run: Option<DecisionId>) -> Response<GateBody> {
    if let Some(decision) = dry_run {
        headers::add_decision(response.headers_mut(), decision);
    }
    response
}

fn refuse(refused: &Refused, asked: Asked<'_>, line: &Line<'_>) -> Response<GateBody> {
    let response = match Page::refused(line.file, asked.headers) {
        Some(page) => deny::denied_page(refused, page, asked.method),
        None => deny::denied(refused, asked.method),
    };
    line.denied(refused, response.status());
    response
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
