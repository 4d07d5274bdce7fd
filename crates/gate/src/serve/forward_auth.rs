//! Answers proxies that ask, request by request, whether a viewer may have what they asked for.
//!
//! The proxy then serves the bytes. What a proxy says is believed only where its address is one that may ask, and only in
//! the headers of its [`Preset`].

mod envoy_grpc;
mod preset;
mod question;

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use http_body::Body;
use prometheus_client::metrics::histogram::Histogram;
use vidpass_token::{Asset, KeyId, MediaPath, Permit};

pub use self::envoy_grpc::EnvoyGrpc;
pub use self::preset::{AccelPrefix, AccelPrefixError, Preset};
pub use self::question::ProxyJudge;
use self::question::Question;
use super::cache::CacheControl;
use super::files::attachment;
use super::mime::media_type;
use crate::body::GateBody;
use crate::deny::{self, Failure};
use crate::headers;
use crate::judge::{Judged, Permitted, Refused};

/// `/<account>/<uid>/<file>`: what to serve, without the token. Made from the parsed parts, and safe as a path, a key of
/// a cache, and a line of a log.
const X_VIDPASS_PATH: HeaderName = HeaderName::from_static("x-vidpass-path");
const X_VIDPASS_ACCOUNT: HeaderName = HeaderName::from_static("x-vidpass-account");
const X_VIDPASS_VIDEO: HeaderName = HeaderName::from_static("x-vidpass-video");
const X_VIDPASS_VIEWER: HeaderName = HeaderName::from_static("x-vidpass-viewer");
const X_VIDPASS_KEY: HeaderName = HeaderName::from_static("x-vidpass-key");
const X_VIDPASS_CACHE_CONTROL: HeaderName = HeaderName::from_static("x-vidpass-cache-control");
/// The sentence for the viewer, for a proxy that writes a body of its own.
const X_VIDPASS_MESSAGE: HeaderName = HeaderName::from_static("x-vidpass-message");
const X_ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

/// How long the values of all facts together are expected to be, in bytes.
const TYPICAL_FACTS: usize = 320;

/// Answers proxies of one kind over HTTP. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ForwardAuth {
    judge: Arc<ProxyJudge>,
    preset: Preset,
    seconds: Histogram,
}

impl ForwardAuth {
    /// Answers proxies that ask as `preset` says.
    #[must_use]
    pub fn new(judge: ProxyJudge, preset: Preset) -> Self {
        let seconds = judge.judge.gate.metrics().request_seconds(preset.name());
        Self { judge: Arc::new(judge), preset, seconds }
    }

    /// Answers one question of `peer`. Whatever goes wrong is a refusal.
    ///
    /// The question's body is not read. An HTTP/1 connection whose request has one is closed after the answer.
    pub fn handle<B: Body>(&self, asked: &Request<B>, peer: SocketAddr) -> Response<GateBody> {
        let mut response = self.answer(asked, peer);
        headers::close_after_body(asked, &mut response);
        response
    }

    /// Answers one question of `peer` that has no body, or whose body its connection sees to.
    pub fn answer<B>(&self, asked: &Request<B>, peer: SocketAddr) -> Response<GateBody> {
        let started = Instant::now();
        let response = match self.judge.judge.gate.require_time(started) {
            Ok(()) => self.decide(asked, peer.ip()),
            // What no preset lists is passed on as a failure of the server, which a player repeats.
            Err(failure) => deny::failed(failure, asked.method()),
        };
        self.seconds.observe(started.elapsed().as_secs_f64());
        response
    }

    fn decide<B>(&self, asked: &Request<B>, peer: IpAddr) -> Response<GateBody> {
        let question = Question {
            original: self.judge.trust(peer).and_then(|()| self.preset.original(asked)),
            headers: asked.headers(),
            viewer: self.judge.viewers.address_told(asked.headers()),
            peer,
            via: self.preset.name(),
        };
        let judged = match self.judge.decide(&question) {
            Ok(judged) => judged,
            Err(method) => return self.other_method(method),
        };
        match &judged.outcome {
            Ok(permitted) => permit(&self.preset, permitted, &judged),
            Err(refused) => self.refuse(refused, &judged, asked.method()),
        }
    }

    /// The answer to a method that is not one of reading. Only nginx's `proxy_pass` would hand a preflight on.
    fn other_method(&self, method: &Method) -> Response<GateBody> {
        if *method == Method::OPTIONS && matches!(self.preset, Preset::NginxAccel(_)) {
            return headers::preflight(self.judge.judge.credential_place.header());
        }
        self.preset.understood(deny::failed(Failure::MethodNotAllowed, method))
    }

    fn refuse(&self, refused: &Refused, judged: &Judged<'_>, method: &Method) -> Response<GateBody> {
        let mut response = self.preset.understood(deny::denied(refused, method));
        response.headers_mut().insert(X_VIDPASS_MESSAGE, HeaderValue::from_static(refused.denial.message()));
        judged.line.denied(refused, response.status());
        response
    }
}

fn permit(preset: &Preset, permitted: &Permitted<'_>, judged: &Judged<'_>) -> Response<GateBody> {
    let mut response = Response::new(GateBody::empty());
    let headers = response.headers_mut();
    match preset {
        Preset::NginxAccel(prefix) => redirect(headers, prefix, permitted, judged),
        Preset::Nginx | Preset::Caddy | Preset::Traefik | Preset::Envoy | Preset::Haproxy => {
            // The answer itself is for this one request; what may be kept of the file is told beside it.
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            add_facts(headers, permitted, judged);
        }
    }
    if let Some(decision) = permitted.dry_run {
        headers::add_decision(headers, decision);
    }
    judged.line.served(response.status());
    response
}

/// Has nginx send the file itself, with the headers that it takes over from here (nginx.org/r/proxy_ignore_headers).
fn redirect(headers: &mut HeaderMap, prefix: &AccelPrefix, permitted: &Permitted<'_>, judged: &Judged<'_>) {
    let Permitted { permit, path, same_for_all, .. } = permitted;
    headers::add_common(headers);
    headers.insert(X_ACCEL_REDIRECT, text(format!("{}{}", prefix.as_str(), BelowMedia(permit, path))));
    headers.insert(CACHE_CONTROL, CacheControl::of(permit, *same_for_all, judged.now).header());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(path.file().extension())));
    if path.asset() == Asset::Download {
        headers.insert(CONTENT_DISPOSITION, attachment(path));
    }
}

/// Tells the proxy what it may need, in values that lie in one piece of memory.
fn add_facts(headers: &mut HeaderMap, permitted: &Permitted<'_>, judged: &Judged<'_>) {
    let mut values = BytesMut::with_capacity(TYPICAL_FACTS);
    tell_facts(permitted, judged, |name, value| {
        values.write_fmt(value).expect("a buffer takes whatever is written to it");
        headers.insert(name, HeaderValue::from_maybe_shared(values.split().freeze()).expect(PLAIN));
    });
}

/// What the proxy may need for serving, caching and logging without the token.
///
/// All of them, always: of what a proxy is not told, it could take the viewer's own word.
fn tell_facts(permitted: &Permitted<'_>, judged: &Judged<'_>, mut tell: impl FnMut(HeaderName, fmt::Arguments<'_>)) {
    let Permitted { permit, path, same_for_all, .. } = permitted;
    tell(X_VIDPASS_PATH, format_args!("/{}", BelowMedia(permit, path)));
    tell(X_VIDPASS_ACCOUNT, format_args!("{}", permit.account()));
    tell(X_VIDPASS_VIDEO, format_args!("{}", permit.video()));
    tell(X_VIDPASS_VIEWER, format_args!("{}", judged.line.viewer_address()));
    tell(X_VIDPASS_KEY, format_args!("{}", permit.key_id().map(KeyId::as_str).unwrap_or_default()));
    tell(X_VIDPASS_CACHE_CONTROL, format_args!("{}", CacheControl::of(permit, *same_for_all, judged.now)));
}

/// `<account>/<uid>/<file>`, made anew from what was parsed.
struct BelowMedia<'a>(&'a Permit, &'a MediaPath<'a>);

impl fmt::Display for BelowMedia<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(permit, path) = self;
        write!(f, "{}/{}/{}", permit.account(), permit.video(), path.file().as_str())
    }
}

fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).expect(PLAIN)
}

/// Why what is told is the value of a header.
const PLAIN: &str = "made of ids, addresses and characters of the path's grammar";
