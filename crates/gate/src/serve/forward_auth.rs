//! Answers proxies that ask, request by request, whether a viewer may have what they asked for.
//!
//! The proxy then serves the bytes. What a proxy says is believed only where its address is one that may ask, and only in
//! the headers of its [`Preset`].

mod envoy_grpc;
mod preset;
mod question;

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use arrayvec::ArrayString;
use bytes::{BufMut as _, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
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
use crate::asked::Asked;
use crate::body::GateBody;
use crate::deny::{self, Failure};
use crate::headers::{self, Field, X_VIDPASS_DECISION, field};
use crate::http1::{HeadLines, PlainAnswer, PlainRequest};
use crate::judge::{Judged, Permitted, Refused};

/// `/<account>/<uid>/<file>`: what to serve, without the token. Made from the parsed parts, and safe as a path, a key of
/// a cache, and a line of a log.
const X_VIDPASS_PATH: Field = field!("x-vidpass-path");
const X_VIDPASS_ACCOUNT: Field = field!("x-vidpass-account");
const X_VIDPASS_VIDEO: Field = field!("x-vidpass-video");
const X_VIDPASS_VIEWER: Field = field!("x-vidpass-viewer");
const X_VIDPASS_KEY: Field = field!("x-vidpass-key");
const X_VIDPASS_CACHE_CONTROL: Field = field!("x-vidpass-cache-control");
/// The sentence for the viewer, for a proxy that writes a body of its own.
static X_VIDPASS_MESSAGE: HeaderName = HeaderName::from_static("x-vidpass-message");
static X_ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

/// How long the values of all facts together are expected to be, in bytes.
const TYPICAL_FACTS: usize = 320;

/// The longest text of an address, an IPv4-mapped one of IPv6, in bytes.
const LONGEST_ADDRESS: usize = 45;

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
        let permit = |permitted: &Permitted<'_>, judged: &Judged<'_>| permit(&self.preset, permitted, judged);
        self.answer_with(Asked::of(asked), peer.ip(), permit, |other| other)
    }

    /// The same for a plain request: a permit is written straight away.
    pub fn answer_plain(&self, asked: &PlainRequest<'_>) -> PlainAnswer {
        let permit = |permitted: &Permitted<'_>, judged: &Judged<'_>| match &self.preset {
            preset @ Preset::NginxAccel(_) => PlainAnswer::of(permit(preset, permitted, judged)),
            Preset::Nginx | Preset::Caddy | Preset::Traefik | Preset::Envoy | Preset::Haproxy => {
                let mut lines = HeadLines::new(StatusCode::OK);
                tell_permit(permitted, judged, &mut lines);
                if *asked.as_asked().method != Method::HEAD {
                    lines.add(field!("content-length"), &["0"]);
                }
                PlainAnswer::written(lines, GateBody::empty(), judged.now)
            }
        };
        self.answer_with(asked.as_asked(), asked.peer().ip(), permit, PlainAnswer::of)
    }

    /// Decides, and has `permit` answer where the viewer may; `other` makes the answer of what is answered otherwise.
    fn answer_with<T>(
        &self,
        asked: Asked<'_>,
        peer: IpAddr,
        permit: impl FnOnce(&Permitted<'_>, &Judged<'_>) -> T,
        other: impl FnOnce(Response<GateBody>) -> T,
    ) -> T {
        let started = Instant::now();
        let answer = match self.judge.judge.gate.require_time(started) {
            Ok(()) => {
                let question = Question {
                    original: self.judge.trust(peer).and_then(|()| self.preset.original(asked)),
                    headers: asked.headers,
                    viewer: self.judge.viewers.address_told(asked.headers),
                    peer,
                    via: self.preset.name(),
                };
                match self.judge.decide(&question) {
                    Ok(judged) => match &judged.outcome {
                        Ok(permitted) => {
                            judged.line.served(StatusCode::OK);
                            permit(permitted, &judged)
                        }
                        Err(refused) => other(self.refuse(refused, &judged, asked.method)),
                    },
                    Err(method) => other(self.other_method(method)),
                }
            }
            // What no preset lists is passed on as a failure of the server, which a player repeats.
            Err(failure) => other(deny::failed(failure, asked.method)),
        };
        self.seconds.observe(started.elapsed().as_secs_f64());
        answer
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
        response.headers_mut().insert(&X_VIDPASS_MESSAGE, HeaderValue::from_static(refused.denial.message()));
        judged.line.denied(refused, response.status());
        response
    }
}

/// The answer itself is for this one request; what may be kept of the file is told beside it.
const NO_STORE: &str = "no-store";

fn permit(preset: &Preset, permitted: &Permitted<'_>, judged: &Judged<'_>) -> Response<GateBody> {
    let mut response = Response::new(GateBody::empty());
    let headers = response.headers_mut();
    match preset {
        Preset::NginxAccel(prefix) => redirect(headers, prefix, permitted, judged),
        Preset::Nginx | Preset::Caddy | Preset::Traefik | Preset::Envoy | Preset::Haproxy => {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(NO_STORE));
            add_facts(headers, permitted, judged);
        }
    }
    if let Some(decision) = permitted.dry_run {
        headers::add_decision(headers, decision);
    }
    response
}

/// The header lines of a permit.
fn tell_permit(permitted: &Permitted<'_>, judged: &Judged<'_>, lines: &mut HeadLines) {
    lines.add(field!("cache-control"), &[NO_STORE]);
    tell_facts(permitted, judged, |field, value| lines.add(field, value));
    if let Some(decision) = permitted.dry_run {
        lines.add(X_VIDPASS_DECISION, &[&decision.to_string()]);
    }
}

/// Has nginx send the file itself, with the headers that it takes over from here (nginx.org/r/proxy_ignore_headers).
fn redirect(headers: &mut HeaderMap, prefix: &AccelPrefix, permitted: &Permitted<'_>, judged: &Judged<'_>) {
    let Permitted { permit, path, same_for_all, .. } = permitted;
    headers::add_common(headers);
    headers.insert(&X_ACCEL_REDIRECT, text(format!("{}{}", prefix.as_str(), below_media(permit, path).concat())));
    headers.insert(CACHE_CONTROL, CacheControl::of(permit, *same_for_all, judged.now).header());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(path.file().extension())));
    if path.asset() == Asset::Download {
        headers.insert(CONTENT_DISPOSITION, text(attachment(path)));
    }
}

/// Tells the proxy what it may need, in values that lie in one piece of memory.
fn add_facts(headers: &mut HeaderMap, permitted: &Permitted<'_>, judged: &Judged<'_>) {
    let mut values = BytesMut::with_capacity(TYPICAL_FACTS);
    tell_facts(permitted, judged, |field, value| {
        value.iter().for_each(|part| values.put_slice(part.as_bytes()));
        headers.insert(field.name(), HeaderValue::from_maybe_shared(values.split().freeze()).expect(PLAIN));
    });
}

/// What the proxy may need for serving, caching and logging without the token.
///
/// All of them, always: of what a proxy is not told, it could take the viewer's own word.
fn tell_facts(permitted: &Permitted<'_>, judged: &Judged<'_>, mut tell: impl FnMut(Field, &[&str])) {
    let Permitted { permit, path, same_for_all, .. } = permitted;
    let [account, slash, video, _, file] = below_media(permit, path);
    tell(X_VIDPASS_PATH, &[slash, account, slash, video, slash, file]);
    tell(X_VIDPASS_ACCOUNT, &[account]);
    tell(X_VIDPASS_VIDEO, &[video]);
    tell(X_VIDPASS_VIEWER, &[&address_text(judged.line.viewer_address())]);
    tell(X_VIDPASS_KEY, &[permit.key_id().map(KeyId::as_str).unwrap_or_default()]);
    let cache_control = CacheControl::of(permit, *same_for_all, judged.now);
    tell(X_VIDPASS_CACHE_CONTROL, &cache_control.parts(&mut itoa::Buffer::new()));
}

/// An address as text, without the formatter's detours where it is one of IPv4.
fn address_text(address: IpAddr) -> ArrayString<LONGEST_ADDRESS> {
    let mut text = ArrayString::new();
    match address {
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                text.push_str(if place == 0 { "" } else { "." });
                text.push_str(itoa::Buffer::new().format(octet));
            }
        }
        IpAddr::V6(address) => write!(text, "{address}").expect("no address is longer"),
    }
    text
}

/// The parts of `<account>/<uid>/<file>`, made anew from what was parsed.
fn below_media<'a>(permit: &'a Permit, path: &MediaPath<'a>) -> [&'a str; 5] {
    [permit.account().as_str(), "/", permit.video().as_str(), "/", path.file().as_str()]
}

fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).expect(PLAIN)
}

/// Why what is told is the value of a header.
const PLAIN: &str = "made of ids, addresses and characters of the path's grammar";
