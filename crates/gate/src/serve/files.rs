//! Answers with a file of a permitted video.

use std::ops::Range;

use http::header::{HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use prometheus_client::metrics::counter::Counter;
use vidpass_token::{Asset, MediaPath, Permit, UnixTime};

use super::cache::CacheControl;
use super::conditional::Validators;
use super::manifest;
use super::mime::media_type;
use super::remote::{Settled, settle};
use super::reply::{Demand, Reply};
use crate::admission::Admission;
use crate::asked::RequestHeaders;
use crate::body::GateBody;
use crate::decision_id::DecisionId;
use crate::deny::Failure;
use crate::headers::{COMMON, Field, X_VIDPASS_DECISION, field};
use crate::http1::{HeadLines, PlainAnswer};
use crate::manifest::{ManifestKind, TokenParameter};
use crate::origin::{Found, Head, Origins, Source};

/// The longest name that `?filename=` may give a download, in characters, as Cloudflare Stream documents it.
const MAX_DOWNLOAD_NAME: usize = 120;

/// How many headers an answer is expected to have.
const TYPICAL_HEADERS: usize = 16;

/// What is asked of a video's files. The method is `GET` or `HEAD`.
pub(crate) struct FileRequest<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a MediaPath<'a>,
    pub(crate) headers: RequestHeaders<'a>,
    pub(crate) now: UnixTime,
    /// Whether the next viewer gets the same answer: see [`CacheControl`].
    pub(crate) same_for_all: bool,
    /// What the references of a manifest need to carry, beside the path.
    pub(crate) parameter: Option<TokenParameter>,
    /// Counts the bytes of video that are handed out.
    pub(crate) sent: Counter,
}

/// What a viewer gets of a file: a status, what its header says, and bytes.
pub(crate) struct Served {
    status: StatusCode,
    head: Head,
    /// The bytes that the answer is about, where it is about any.
    part: Option<Range<u64>>,
    body: GateBody,
}

/// Answers with the file, a part of it, or the news that the viewer has it already.
pub(crate) async fn answer(origins: &Origins, permit: &Permit, request: &FileRequest<'_>) -> Result<Served, Failure> {
    let (file, demand) = (request.path.file(), request.demand());
    let settled = match (ManifestKind::of(file), origins.source(permit, file, request.now)?) {
        (Some(kind), _) => Settled::here(manifest::rewritten(origins, permit, kind, request).await?, &demand),
        (None, Source::Folder(folder)) => {
            let opened = folder.recent_file(permit, file).await.map_err(|error| error.failure())?;
            Settled::here(Found::in_folder(&opened, request.now), &demand)
        }
        (None, Source::Remote(fetch)) => settle(origins, &fetch, &demand).await?,
    };
    Served::of(settled, request)
}

/// The same where nothing has to be waited for: a file in a folder, of which the kernel knows where it is.
pub(crate) fn answer_at_once(
    origins: &Origins,
    permit: &Permit,
    request: &FileRequest<'_>,
) -> Option<Result<Served, Failure>> {
    let file = request.path.file();
    let opened = origins.folder(permit)?.file_at_once(permit, file)?;
    let found = match ManifestKind::of(file) {
        Some(kind) => manifest::rewritten_at_once(origins, permit, kind, request, &opened)?,
        None => Found::in_folder(&opened, request.now),
    };
    Some(Served::of(Settled::here(found, &request.demand()), request))
}

impl FileRequest<'_> {
    fn demand(&self) -> Demand<'_> {
        Demand { method: self.method, headers: self.headers, now: self.now }
    }
}

impl Served {
    fn of(settled: Settled, request: &FileRequest<'_>) -> Result<Self, Failure> {
        let Settled { reply, head, found } = settled;
        let (status, part) = match reply {
            Reply::PreconditionFailed => return Err(Failure::PreconditionFailed),
            Reply::RangeNotSatisfiable => return Err(Failure::RangeNotSatisfiable { length: head.length }),
            Reply::Unchanged => (StatusCode::NOT_MODIFIED, None),
            Reply::Whole => (StatusCode::OK, Some(0..head.length)),
            Reply::Part(part) => (StatusCode::PARTIAL_CONTENT, Some(part)),
        };
        let body = match (found, &part) {
            (Some(found), Some(part)) if request.method != Method::HEAD => {
                found.into_body(part.clone(), request.sent.clone())
            }
            (Some(_) | None, _) => GateBody::empty(),
        };
        Ok(Self { status, head, part, body })
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The same, which breaks off once `admission` ends.
    pub(crate) fn while_admitted(self, admission: Admission) -> Self {
        Self { body: self.body.while_admitted(admission), ..self }
    }

    pub(crate) fn into_response(self, permit: &Permit, request: &FileRequest<'_>) -> Response<GateBody> {
        let mut headers = HeaderMap::with_capacity(TYPICAL_HEADERS);
        self.tell(permit, request, |field, value| {
            headers.insert(field.name(), HeaderValue::try_from(value.concat()).expect(PLAIN));
        });
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }

    pub(crate) fn into_plain(
        self,
        permit: &Permit,
        request: &FileRequest<'_>,
        decision: Option<DecisionId>,
    ) -> PlainAnswer {
        let mut lines = HeadLines::new(self.status);
        self.tell(permit, request, |field, value| lines.add(field, value));
        if let Some(decision) = decision {
            lines.add(X_VIDPASS_DECISION, &[&decision.to_string()]);
        }
        PlainAnswer::written(lines, self.body, request.now)
    }

    /// Names each header of the answer, with the pieces of its value.
    fn tell(&self, permit: &Permit, request: &FileRequest<'_>, mut tell: impl FnMut(Field, &[&str])) {
        for (field, value) in COMMON {
            tell(field, &[value]);
        }
        let mut number = itoa::Buffer::new();
        let cache_control = CacheControl::of(permit, request.same_for_all, request.now);
        tell(field!("cache-control"), &cache_control.parts(&mut number));
        let Validators { etag, .. } = &self.head.validators;
        if let Some(etag) = etag {
            tell(field!("etag"), &[etag.as_str()]);
        }
        if let Some(date) = self.head.validators.last_modified() {
            tell(field!("last-modified"), &[&date]);
        }
        let Some(part) = &self.part else { return };
        tell(field!("accept-ranges"), &["bytes"]);
        tell(field!("content-length"), &[number.format(part.end - part.start)]);
        tell(field!("content-type"), &[media_type(request.path.file().extension())]);
        if request.path.asset() == Asset::Download {
            tell(field!("content-disposition"), &[&attachment(request.path)]);
        }
        if self.status == StatusCode::PARTIAL_CONTENT {
            let [mut first, mut last] = [itoa::Buffer::new(); 2];
            let (first, last) = (first.format(part.start), last.format(part.end - 1));
            tell(field!("content-range"), &["bytes ", first, "-", last, "/", number.format(self.head.length)]);
        }
    }
}

/// `?filename=` names the download, without its extension; a name that is not of letters, digits, `-` and `_` is
/// ignored.
pub(super) fn attachment(path: &MediaPath<'_>) -> String {
    let fits = |name: &&str| {
        (1..=MAX_DOWNLOAD_NAME).contains(&name.len())
            && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
    };
    let asked = path.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("filename=")));
    match (asked.filter(fits), path.file().extension()) {
        (Some(name), Some(extension)) => format!("attachment; filename=\"{name}.{extension}\""),
        (Some(name), None) => format!("attachment; filename=\"{name}\""),
        (None, _) => format!("attachment; filename=\"{}\"", path.file().name()),
    }
}

/// Why what is told is the value of a header.
const PLAIN: &str = "made of numbers, dates, tags and characters of the path's grammar";
