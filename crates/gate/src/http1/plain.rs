//! What the loop asks, and what it is answered.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use vidpass_token::UnixTime;

use crate::asked::{Asked, RequestHeaders};
use crate::body::GateBody;
use crate::headers::{Field, field};
use crate::serve::conditional::http_date;

/// The longest head of an answer that is expected, in bytes. A longer one costs another allocation.
const TYPICAL_HEAD: usize = 1024;

thread_local! {
    /// The last date that was written, and when it was: made anew once a second, for all connections of a thread.
    static DATE: RefCell<(UnixTime, String)> = const { RefCell::new((UnixTime(i64::MIN), String::new())) };
}

/// A request that can be read in one way only: `GET` or `HEAD`, HTTP/1.1, with one plain `Host`, and nothing that announces a
/// body or another protocol.
pub struct PlainRequest<'a> {
    pub(super) method: Method,
    pub(super) target: &'a str,
    pub(super) lines: &'a [httparse::Header<'a>],
    /// Where all of it lies.
    pub(super) received: &'a [u8],
    pub(super) peer: SocketAddr,
}

/// A status line, and the header lines after it (RFC 9112, section 4). The end of the last one is still to come.
pub(crate) struct HeadLines(Vec<u8>);

/// What becomes of a plain request.
pub struct PlainAnswer(pub(super) Option<Answer>);

pub(super) enum Answer {
    /// All but what the connection says: whether it is kept.
    Written(HeadLines, GateBody),
    Response(Box<Response<GateBody>>),
    /// Apart: a connection that waits holds no memory for it.
    Later(Pin<Box<dyn Future<Output = Response<GateBody>> + Send>>),
}

impl<'a> PlainRequest<'a> {
    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) fn as_asked(&self) -> Asked<'_> {
        Asked { method: &self.method, target: Ok(self.target), headers: RequestHeaders::Lines(self.lines) }
    }

    /// The same for those who keep it: all texts are in one copy of what was received.
    pub(crate) fn to_request(&self) -> Option<Request<()>> {
        let copy = Bytes::copy_from_slice(self.received);
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::from_maybe_shared(self.part_of(&copy, self.target.as_bytes())).ok()?;
        *request.version_mut() = Version::HTTP_11;
        let headers = request.headers_mut();
        headers.reserve(self.lines.len());
        for line in self.lines {
            let value = HeaderValue::from_maybe_shared(self.part_of(&copy, line.value)).ok()?;
            headers.append(name(line.name)?, value);
        }
        Some(request)
    }

    /// Where `part` is in the copy of what was received.
    fn part_of(&self, copy: &Bytes, part: &[u8]) -> Bytes {
        if part.is_empty() {
            // It may point anywhere.
            return Bytes::new();
        }
        let start = part.as_ptr().addr() - self.received.as_ptr().addr();
        copy.slice(start..start + part.len())
    }
}

impl PlainAnswer {
    /// It is for a complete server, and so is what follows it on its connection.
    pub const HAND_OVER: Self = Self(None);

    pub(crate) fn of(response: Response<GateBody>) -> Self {
        Self(Some(Answer::Response(Box::new(response))))
    }

    pub(crate) fn later(response: impl Future<Output = Response<GateBody>> + Send + 'static) -> Self {
        Self(Some(Answer::Later(Box::pin(response))))
    }

    /// An answer of this moment, whose lines tell the length of its body, where the request is one that would get it.
    pub(crate) fn written(mut lines: HeadLines, body: GateBody, now: UnixTime) -> Self {
        lines.add_date(now);
        Self(Some(Answer::Written(lines, body)))
    }
}

impl HeadLines {
    pub(crate) fn new(status: StatusCode) -> Self {
        let mut lines = Self(Vec::with_capacity(TYPICAL_HEAD));
        let reason = status.canonical_reason().unwrap_or_default();
        lines.push(&["HTTP/1.1 ", status.as_str(), " ", reason]);
        lines
    }

    /// Adds a header, whose value is made of these pieces.
    #[inline]
    pub(crate) fn add(&mut self, field: Field, value: &[&str]) {
        self.0.extend_from_slice(field.line().as_bytes());
        self.push(value);
    }

    /// Adds when it was made (RFC 9110, section 6.6.1).
    pub(super) fn add_date(&mut self, now: UnixTime) {
        DATE.with_borrow_mut(|(at, text)| {
            if *at != now {
                (*at, *text) = (now, http_date(now).unwrap_or_default());
            }
            self.add(field!("date"), &[text]);
        });
    }

    /// Adds a header of a map.
    pub(super) fn add_from_map(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.push(&["\r\n", name.as_str(), ": "]);
        self.0.extend_from_slice(value.as_bytes());
    }

    /// The whole head.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.push(&["\r\n\r\n"]);
        self.0
    }

    #[inline]
    fn push(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.0.extend_from_slice(text.as_bytes()));
    }
}

/// Names that proxies and browsers send and no standard list has: as constants they need no memory of their own.
static FREQUENT: [HeaderName; 9] = [
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-original-host"),
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-original-uri"),
];

fn name(text: &str) -> Option<HeaderName> {
    let frequent = FREQUENT.iter().find(|frequent| frequent.as_str().eq_ignore_ascii_case(text));
    frequent.cloned().or_else(|| HeaderName::from_bytes(text.as_bytes()).ok())
}
