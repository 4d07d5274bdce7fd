//! Which path leads to which operation.

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post, put};
use tower_http::catch_panic::CatchPanicLayer;

use crate::error::ApiError;
use crate::observe::{Operation, observe, panicked};
use crate::ops::{credentials, downloads, gates, keys, revocations, service, token, videos};
use crate::state::Api;

/// The routes, and what happens to every request on its way to them.
pub(crate) fn router(api: Api) -> Router {
    wrapped(operations(), api)
}

fn operations() -> Router<Api> {
    let account = Router::new()
        .route("/tokens/verify", operation("verify_account_token", get(credentials::verify::verify_account_token)))
        .route("/.well-known/jwks.json", operation("get_jwks", get(keys::jwks::get_jwks)))
        .route("/stream", operation("list_videos", get(videos::list::list_videos)))
        .route("/stream/keys", operation("create_key", post(keys::create::create_key)))
        .route("/stream/keys", operation("list_keys", get(keys::list::list_keys)))
        .route("/stream/keys/{identifier}", operation("delete_key", delete(keys::delete::delete_key)))
        .route("/stream/revocations", operation("create_revocation", post(revocations::create::create_revocation)))
        .route("/stream/revocations", operation("list_revocations", get(revocations::list::list_revocations)))
        .route(
            "/stream/revocations/{identifier}",
            operation("delete_revocation", delete(revocations::delete::delete_revocation)),
        )
        .route("/stream/{identifier}", operation("register_video", put(videos::register::register_video)))
        .route("/stream/{identifier}", operation("get_video", get(videos::get::get_video)))
        .route("/stream/{identifier}", operation("edit_video", post(videos::edit::edit_video)))
        .route("/stream/{identifier}", operation("delete_video", delete(videos::delete::delete_video)))
        .route("/stream/{identifier}/downloads", operation("get_downloads", get(downloads::get::get_downloads)))
        .route(
            "/stream/{identifier}/downloads",
            operation("create_downloads", post(downloads::create::create_downloads)),
        )
        .route(
            "/stream/{identifier}/downloads",
            operation("delete_downloads", delete(downloads::delete::delete_downloads)),
        )
        .route("/stream/{identifier}/embed", operation("get_embed", get(videos::embed::get_embed)))
        .route("/stream/tokens/inspect", operation("inspect_token", post(token::inspect::inspect_token)))
        .route("/stream/{identifier}/token", operation("issue_token", post(token::issue::issue_token)));
    Router::new()
        .nest("/client/v4/accounts/{account_id}", account)
        .route(
            "/client/v4/user/tokens/verify",
            operation("verify_user_token", get(credentials::verify::verify_user_token)),
        )
        .route("/client/v4/gates/changes", operation("list_gate_changes", get(gates::changes::list_gate_changes)))
        .route("/client/v4/gates/snapshot", operation("get_gate_snapshot", get(gates::snapshot::get_gate_snapshot)))
        .route("/client/v4/openapi.json", operation("get_openapi", get(service::docs::get_openapi)))
        .route("/docs/errors", operation("get_error_docs", get(service::docs::get_error_docs)))
        .route("/healthz", operation("get_health", get(service::health::get_health)))
        .route("/readyz", operation("get_readiness", get(service::readiness::get_readiness)))
}

/// Names the operation, for the metrics. The name is its id in the OpenAPI document.
fn operation(name: &'static str, route: MethodRouter<Api>) -> MethodRouter<Api> {
    route.route_layer(map_response(move |mut response: Response| async move {
        response.extensions_mut().insert(Operation(name));
        response
    }))
}

fn wrapped(routes: Router<Api>, api: Api) -> Router {
    routes
        .fallback(|| async { ApiError::RouteUnknown })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(api.clone(), observe))
        .with_state(api)
}

#[cfg(test)]
mod tests;
