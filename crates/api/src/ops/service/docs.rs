//! The documentation that the server brings along.

use std::sync::LazyLock;

use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

use crate::openapi::openapi_json;

/// What the addresses in errors and messages lead to.
pub(crate) const ERRORS: &str = include_str!("../../../../../docs/errors.md");

/// The document, built once: anybody may ask for it.
static OPENAPI: LazyLock<String> = LazyLock::new(openapi_json);

/// Get the OpenAPI document of this API
#[utoipa::path(
    get,
    path = "/client/v4/openapi.json",
    tag = "Service",
    security(()),
    responses((status = 200, description = "This document", body = Object, content_type = "application/json")),
)]
pub(crate) async fn get_openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI.as_str())
}

/// Get the explanation of every error
#[utoipa::path(
    get,
    path = "/docs/errors",
    tag = "Service",
    security(()),
    responses((status = 200, description = "The explanations, as Markdown", body = String, content_type = "text/plain")),
)]
pub(crate) async fn get_error_docs() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], ERRORS)
}
