//! Answers with a file of a permitted video.

use std::os::unix::fs::MetadataExt as _;

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderValue, LAST_MODIFIED, RANGE,
};
use http::{Method, Response, StatusCode};
use prometheus_client::metrics::counter::Counter;
use vidpass_token::{Asset, MediaPath, Permit, UnixTime};

use super::cache::cache_control;
use super::conditional::{self, Precondition, Validators};
use super::folder::{FolderOrigin, OpenError, OpenFile};
use super::mime::media_type;
use super::range::{self, Selection};
use crate::body::{FileBody, GateBody};
use crate::deny::Failure;
use crate::headers::add_common;

/// The longest name that `?filename=` may give a download, in characters, as Cloudflare Stream documents it.
const MAX_DOWNLOAD_NAME: usize = 120;

/// What is asked of a folder. The method is `GET` or `HEAD`.
pub(crate) struct FileRequest<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a MediaPath<'a>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) now: UnixTime,
    /// Whether the next viewer gets the same answer: see [`cache_control`].
    pub(crate) same_for_all: bool,
    /// Counts the bytes of video that are handed out.
    pub(crate) sent: Counter,
}

impl FolderOrigin {
    /// Answers with the file, a part of it, or the news that the viewer has it already.
    pub(crate) async fn answer(
        &self,
        permit: &Permit,
        request: FileRequest<'_>,
    ) -> Result<Response<GateBody>, Failure> {
        let file = self.open_file(permit, request.path.file()).await.map_err(|error| failure(&error))?;
        let (modified, metadata) = ((file.metadata.mtime(), file.metadata.mtime_nsec()), &file.metadata);
        let validators = Validators::new(modified, metadata.size(), metadata.ino(), request.now);
        let cache = cache_control(permit, request.same_for_all, request.now);
        let mut response = match conditional::evaluate(request.headers, &validators) {
            Precondition::Failed => return Err(Failure::PreconditionFailed),
            Precondition::NotModified => not_modified(),
            Precondition::Proceed => content(permit, file, &request, &validators)?,
        };
        let headers = response.headers_mut();
        add_common(headers);
        headers.insert(CACHE_CONTROL, cache);
        add_validators(headers, &validators);
        Ok(response)
    }
}

fn not_modified() -> Response<GateBody> {
    let mut response = Response::new(GateBody::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

fn add_validators(headers: &mut HeaderMap, validators: &Validators) {
    headers.insert(ETAG, text(validators.etag.clone()));
    if let Some(date) = validators.last_modified() {
        headers.insert(LAST_MODIFIED, text(date));
    }
}

/// The bytes that are asked for: 200, 206, or 416 as the error.
fn content(
    _permit: &Permit,
    file: OpenFile,
    request: &FileRequest<'_>,
    validators: &Validators,
) -> Result<Response<GateBody>, Failure> {
    let length = file.metadata.size();
    let selection = match selected_range(request, validators) {
        Some(header) => range::select(header.as_bytes(), length),
        None => Selection::Whole,
    };
    let (status, start, end) = match selection {
        Selection::Whole => (StatusCode::OK, 0, length),
        Selection::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last + 1),
        Selection::Unsatisfiable => return Err(Failure::RangeNotSatisfiable { length }),
    };
    let body = if request.method == Method::HEAD {
        GateBody::empty()
    } else {
        GateBody::file(FileBody::new(file.name, file.file, start, end, request.sent.clone()))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, (end - start).into());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(request.path.file().extension())));
    if status == StatusCode::PARTIAL_CONTENT {
        headers.insert(CONTENT_RANGE, text(format!("bytes {start}-{}/{length}", end - 1)));
    }
    if request.path.asset() == Asset::Download {
        headers.insert(CONTENT_DISPOSITION, attachment(request.path));
    }
    Ok(response)
}

/// The `Range` header, where it counts. It has a meaning for `GET` alone (RFC 9110, section 14.2).
fn selected_range<'a>(request: &FileRequest<'a>, validators: &Validators) -> Option<&'a HeaderValue> {
    let mut lines = request.headers.get_all(RANGE).iter();
    let header = lines.next().filter(|_| lines.next().is_none())?;
    let counts = request.method == Method::GET && conditional::range_counts(request.headers, validators, request.now);
    counts.then_some(header)
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
    HeaderValue::try_from(value).expect("made of numbers, dates and characters of the path's grammar")
}

/// Logs what the viewer does not learn.
fn failure(error: &OpenError) -> Failure {
    let cause = error as &dyn std::error::Error;
    match error {
        OpenError::NoFile { .. } => Failure::NotFound,
        OpenError::Outside { .. } => {
            tracing::warn!(error = cause, "a file is not served");
            Failure::NotFound
        }
        OpenError::Failed { .. } => {
            tracing::error!(error = cause, "a file cannot be opened");
            Failure::OriginFailed
        }
    }
}
