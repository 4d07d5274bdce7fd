//! The envelope around every answer, with the addresses of the documentation filled in.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use vidpass_api_types::{Envelope, Failure, Item};

use crate::config::PublicUrl;
use crate::error::ApiError;
use crate::problem::Note;

/// What a handler answers.
pub(crate) type Answer<T> = Result<Json<Envelope<T>>, ApiError>;

/// Wraps the result of a request that was done.
pub(crate) fn done<T>(public_url: &PublicUrl, result: T, notes: &[Note]) -> Json<Envelope<T>> {
    Json(Envelope::done(result, notes.iter().map(|note| documented(note.to_item(), public_url)).collect()))
}

/// Writes the body of a refusal, whose head came from [`ApiError`] alone.
pub(crate) fn write_refusal(public_url: &PublicUrl, response: Response) -> Response {
    let Some(error) = refusal(&response) else { return response };
    let items = error.to_items().into_iter().map(|item| documented(item, public_url));
    let body = Json(Failure::new(items.collect())).into_response();
    let (mut head, _) = response.into_parts();
    head.headers.remove(http::header::CONTENT_LENGTH);
    head.headers.extend(body.headers().clone());
    Response::from_parts(head, body.into_body())
}

/// One of many results that are answered together, as an envelope of its own: what is said of it lies below `pointer`.
pub(crate) fn done_below<T>(public_url: &PublicUrl, pointer: &str, result: T, notes: &[Note]) -> Envelope<T> {
    let messages = notes.iter().map(|note| documented(below(pointer, note.to_item()), public_url));
    Envelope::done(result, messages.collect())
}

/// The same of one that was refused.
pub(crate) fn refused_below(public_url: &PublicUrl, pointer: &str, error: &ApiError) -> Failure {
    let errors = error.to_items().into_iter().map(|item| documented(below(pointer, item), public_url));
    Failure::new(errors.collect())
}

fn below(pointer: &str, mut item: Item) -> Item {
    if let Some(source) = &mut item.source {
        source.pointer.insert_str(0, pointer);
    }
    item
}

/// The error behind an answer, where it is a refusal.
pub(crate) fn refusal(response: &Response) -> Option<Arc<ApiError>> {
    response.extensions().get::<Arc<ApiError>>().cloned()
}

fn documented(mut item: Item, public_url: &PublicUrl) -> Item {
    item.documentation_url = item.reason.as_deref().map(|reason| format!("{public_url}/docs/errors#{reason}"));
    item
}
