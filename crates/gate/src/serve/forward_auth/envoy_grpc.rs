//! Envoy's `ext_authz` over gRPC: the service `envoy.service.auth.v3.Authorization`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption,
    HttpResponse, HttpStatus, OkHttpResponse,
};
use envoy_types::ext_authz::v3::{CheckRequestExt as _, CheckResponseExt as _};
use envoy_types::pb::envoy::config::core::v3::HeaderValue;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};
use http::header::{CACHE_CONTROL, HeaderMap, HeaderName};
use http::{Method, Request, Response, StatusCode};
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, Service as _, StdError};
use tonic::{Code, Status, async_trait};
use vidpass_token::{Denial, HeaderProblem};

use super::question::{Original, ProxyJudge, Question};
use super::{X_VIDPASS_CACHE_CONTROL, X_VIDPASS_PATH, tell_facts};
use crate::deny::{self, Failure};
use crate::headers::X_VIDPASS_DECISION;
use crate::judge::{Judged, Permitted};

/// The pseudo header with the path that Envoy sends upstream.
const PATH: &str = ":path";

/// The largest question that is read, in bytes: a path of 8 KiB, and as much of headers as HTTP/1.1 may have.
const MAX_QUESTION: usize = 64 * 1024;

/// How long a question may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers Envoy over gRPC. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EnvoyGrpc {
    judge: Arc<ProxyJudge>,
    server: AuthorizationServer<ProxyJudge>,
}

/// The address of the Envoy that asks.
#[derive(Clone, Copy)]
struct Peer(IpAddr);

impl EnvoyGrpc {
    /// What configuration and log call the proxy.
    pub const NAME: &'static str = "envoy-grpc";

    /// Answers the Envoys that may ask.
    #[must_use]
    pub fn new(judge: ProxyJudge) -> Self {
        let judge = Arc::new(judge);
        let server = AuthorizationServer::from_arc(Arc::clone(&judge)).max_decoding_message_size(MAX_QUESTION);
        Self { judge, server }
    }

    /// Answers one call of `peer`. Of a peer that may not ask nothing is read.
    pub async fn answer<B>(&self, mut call: Request<B>, peer: SocketAddr) -> Response<Body>
    where
        B: HttpBody<Error: Into<StdError> + Send> + Send + 'static,
    {
        if let Err(denial) = self.judge.trust(peer.ip()) {
            self.judge.refuse_to_hear(denial, call.headers(), peer.ip());
            return Status::permission_denied("this peer is not among the proxies that may ask").into_http();
        }
        call.extensions_mut().insert(Peer(peer.ip()));
        match timeout(PATIENCE, self.server.clone().call(call)).await {
            Ok(Ok(response)) => response,
            Ok(Err(impossible)) => match impossible {},
            Err(_) => Status::deadline_exceeded("the question did not arrive in time").into_http(),
        }
    }
}

#[async_trait]
impl Authorization for ProxyJudge {
    async fn check(&self, call: tonic::Request<CheckRequest>) -> Result<tonic::Response<CheckResponse>, Status> {
        let Some(Peer(peer)) = call.extensions().get().copied() else {
            return Err(Status::internal("the peer of the call is not known"));
        };
        let started = Instant::now();
        let response = match self.judge.gate.require_time(started) {
            Ok(()) => self.check_viewer(call.get_ref(), peer),
            Err(failure) => denied(deny::failed(failure, &Method::GET)),
        };
        self.judge.gate.metrics().request_seconds(EnvoyGrpc::NAME).observe(started.elapsed().as_secs_f64());
        Ok(tonic::Response::new(response))
    }
}

impl ProxyJudge {
    /// Counts and logs a question that nobody reads.
    fn refuse_to_hear(&self, denial: Denial, headers: &HeaderMap, peer: IpAddr) {
        let question =
            Question { original: Err(denial), headers: headers.into(), viewer: Ok(peer), peer, via: EnvoyGrpc::NAME };
        if let Ok(judged) = self.decide(&question)
            && let Err(refused) = &judged.outcome
        {
            judged.line.denied(refused, StatusCode::FORBIDDEN);
        }
    }

    fn check_viewer(&self, check: &CheckRequest, peer: IpAddr) -> CheckResponse {
        let http = check.attributes.as_ref().and_then(|attributes| attributes.request.as_ref()?.http.as_ref());
        let headers = headers(http);
        let question = Question {
            original: original(http),
            headers: (&headers).into(),
            viewer: source(check).and_then(|source| self.viewers.address(source, &headers)),
            peer,
            via: EnvoyGrpc::NAME,
        };
        let judged = match self.decide(&question) {
            Ok(judged) => judged,
            Err(method) => return denied(deny::failed(Failure::MethodNotAllowed, method)),
        };
        match &judged.outcome {
            Ok(permitted) => allowed(permitted, &judged),
            Err(refused) => {
                let response = deny::denied(refused, &Method::GET);
                judged.line.denied(refused, response.status());
                denied(response)
            }
        }
    }
}

fn original(http: Option<&HttpRequest>) -> Result<Original<'_>, Denial> {
    let unclear = |header, problem| Denial::ProxyHeaderUnclear { header, problem };
    let http = http.ok_or(unclear("attributes.request.http", HeaderProblem::Missing))?;
    let not_a_method = |_| unclear("attributes.request.http.method", HeaderProblem::NotAMethod);
    Ok(Original { method: http.method.parse().map_err(not_a_method)?, target: &http.path, host: &http.host })
}

/// Whoever is connected to Envoy, or whom its own settings make of them.
fn source(check: &CheckRequest) -> Result<IpAddr, Denial> {
    let address = check.get_client_address().and_then(|address| address.parse::<IpAddr>().ok());
    address.map(|address| address.to_canonical()).ok_or(Denial::ViewerAddressUnknown)
}

/// The viewer's headers; lines of one name arrive joined. Pseudo headers are no headers.
fn headers(http: Option<&HttpRequest>) -> HeaderMap {
    let pairs = http.into_iter().flat_map(|http| &http.headers);
    pairs.filter_map(|(name, value)| Some((name.parse::<HeaderName>().ok()?, value.parse().ok()?))).collect()
}

/// Lets Envoy go on, with the path without the token in place of the one that the viewer sent. The path is metadata too:
/// for a log, where a header could be the viewer's of a request that Envoy refuses without a question.
fn allowed(permitted: &Permitted<'_>, judged: &Judged<'_>) -> CheckResponse {
    let (mut upstream, mut downstream, mut for_the_log) = (Vec::new(), Vec::new(), Struct::default());
    tell_facts(permitted, judged, |field, value| {
        let value = value.concat();
        if field == X_VIDPASS_PATH {
            upstream.push(header(PATH, value.clone()));
            for_the_log.fields.insert("path".to_owned(), Value { kind: Some(Kind::StringValue(value.clone())) });
        }
        if field == X_VIDPASS_CACHE_CONTROL {
            downstream.push(header(CACHE_CONTROL.as_str(), value.clone()));
        }
        upstream.push(header(field.as_str(), value));
    });
    downstream.extend(permitted.dry_run.map(|decision| header(X_VIDPASS_DECISION.as_str(), decision.to_string())));
    judged.line.served(StatusCode::OK);
    let mut response = CheckResponse::with_status(Status::new(Code::Ok, ""));
    response.set_dynamic_metadata(Some(for_the_log));
    let ok = OkHttpResponse { headers: upstream, response_headers_to_add: downstream, ..OkHttpResponse::default() };
    response.set_http_response(ok);
    response
}

fn denied(response: Response<crate::body::GateBody>) -> CheckResponse {
    let (head, body) = response.into_parts();
    let headers =
        head.headers.iter().filter_map(|(name, value)| Some(header(name.as_str(), value.to_str().ok()?.into())));
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: head.status.as_u16().into() }),
        headers: headers.collect(),
        body: String::from_utf8(body.into_bytes().to_vec()).unwrap_or_default(),
    };
    let mut response = CheckResponse::with_status(Status::new(Code::PermissionDenied, ""));
    response.set_http_response(HttpResponse::DeniedResponse(denied));
    response
}

/// A header in the place of those that the viewer or the origin sent under its name.
fn header(name: &str, value: String) -> HeaderValueOption {
    let header = HeaderValue { key: name.to_owned(), value, ..HeaderValue::default() };
    let append_action = HeaderAppendAction::OverwriteIfExistsOrAdd.into();
    HeaderValueOption { header: Some(header), append_action, ..HeaderValueOption::default() }
}
