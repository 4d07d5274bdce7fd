//! Answers with a file of a permitted video.

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderValue, LAST_MODIFIED,
};
use http::{Method, Response, StatusCode};
use prometheus_client::metrics::counter::Counter;
use vidpass_token::{Asset, MediaPath, Permit, UnixTime};

use super::cache::CacheControl;
use super::conditional::Validators;
use super::manifest;
use super::mime::media_type;
use super::remote::{Settled, settle};
use super::reply::{Demand, Reply};
use crate::body::GateBody;
use crate::deny::Failure;
use crate::headers::add_common;
use crate::manifest::{ManifestKind, TokenParameter};
use crate::origin::{Found, Origins, Source};

/// The longest name that `?filename=` may give a download, in characters, as Cloudflare Stream documents it.
const MAX_DOWNLOAD_NAME: usize = 120;

/// What is asked of a video's files. The method is `GET` or `HEAD`.
pub(crate) struct FileRequest<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a MediaPath<'a>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) now: UnixTime,
    /// Whether the next viewer gets the same answer: see [`CacheControl`].
    pub(crate) same_for_all: bool,
    /// What the references of a manifest need to carry, beside the path.
    pub(crate) parameter: Option<TokenParameter>,
    /// Counts the bytes of video that are handed out.
    pub(crate) sent: Counter,
}

/// Answers with the file, a part of it, or the news that the viewer has it already.
pub(crate) async fn answer(
    origins: &Origins,
    permit: &Permit,
    request: FileRequest<'_>,
) -> Result<Response<GateBody>, Failure> {
    let demand = Demand { method: request.method, headers: request.headers, now: request.now };
    let file = request.path.file();
    let settled = match (ManifestKind::of(file), origins.source(permit, file, request.now)?) {
        (Some(kind), _) => Settled::here(manifest::rewritten(origins, permit, kind, &request).await?, &demand),
        (None, Source::Folder(folder)) => {
            let opened = folder.recent_file(permit, file).await.map_err(|error| error.failure())?;
            Settled::here(Found::in_folder(opened, request.now), &demand)
        }
        (None, Source::Remote(fetch)) => settle(origins, &fetch, &demand).await?,
    };
    respond(permit, &request, settled)
}

fn respond(permit: &Permit, request: &FileRequest<'_>, settled: Settled) -> Result<Response<GateBody>, Failure> {
    let Settled { reply, head, found } = settled;
    let length = head.length;
    let (status, part) = match reply {
        Reply::PreconditionFailed => return Err(Failure::PreconditionFailed),
        Reply::RangeNotSatisfiable => return Err(Failure::RangeNotSatisfiable { length }),
        Reply::Unchanged => (StatusCode::NOT_MODIFIED, None),
        Reply::Whole => (StatusCode::OK, Some(0..length)),
        Reply::Part(part) => (StatusCode::PARTIAL_CONTENT, Some(part)),
    };
    let body = match (found, &part) {
        (Some(found), Some(part)) if request.method != Method::HEAD => {
            found.into_body(part.clone(), request.sent.clone())
        }
        (Some(_) | None, _) => GateBody::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    add_common(headers);
    headers.insert(CACHE_CONTROL, CacheControl::of(permit, request.same_for_all, request.now).header());
    add_validators(headers, &head.validators);
    if let Some(part) = part {
        describe(headers, request.path, part.end - part.start);
        if status == StatusCode::PARTIAL_CONTENT {
            headers.insert(CONTENT_RANGE, text(format!("bytes {}-{}/{length}", part.start, part.end - 1)));
        }
    }
    Ok(response)
}

/// What goes with bytes. An origin says nothing of it but the length.
fn describe(headers: &mut HeaderMap, path: &MediaPath<'_>, length: u64) {
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(path.file().extension())));
    if path.asset() == Asset::Download {
        headers.insert(CONTENT_DISPOSITION, attachment(path));
    }
}

fn add_validators(headers: &mut HeaderMap, validators: &Validators) {
    if let Some(etag) = &validators.etag {
        headers.insert(ETAG, text(etag.as_str().to_owned()));
    }
    if let Some(date) = validators.last_modified() {
        headers.insert(LAST_MODIFIED, text(date));
    }
}

/// `?filename=` names the download, without its extension; a name that is not of letters, digits, `-` and `_` is
/// ignored.
pub(super) fn attachment(path: &MediaPath<'_>) -> HeaderValue {
    let fits = |name: &&str| {
        (1..=MAX_DOWNLOAD_NAME).contains(&name.len())
            && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
    };
    let asked = path.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("filename=")));
    text(match (asked.filter(fits), path.file().extension()) {
        (Some(name), Some(extension)) => format!("attachment; filename=\"{name}.{extension}\""),
        (Some(name), None) => format!("attachment; filename=\"{name}\""),
        (None, _) => format!("attachment; filename=\"{}\"", path.file().name()),
    })
}

fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).expect("made of numbers, dates, tags and characters of the path's grammar")
}
