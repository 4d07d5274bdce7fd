//! Which path leads to which operation.

use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post, put};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;

use crate::caller::Needs;
use crate::error::ApiError;
use crate::observe::{Operation, observe, panicked};
use crate::ops::{audit, credentials, downloads, gates, keys, revocations, service, token, videos};
use crate::state::Api;

/// The routes, and what happens to every request on its way to them.
pub(crate) fn router(api: Api) -> Router {
    wrapped(operations(), api)
}

/// A path of an account. Written out, since axum takes those that are nested apart, and puts them together anew, for each request.
macro_rules! account {
    ($path:literal) => {
        concat!("/client/v4/accounts/{account_id}", $path)
    };
}

fn operations() -> Router<Api> {
    use Needs::{Credentials, Nothing, Scope};
    use vidpass_store::Scope::{
        AuditRead, KeysRead, KeysWrite, RevocationsRead, RevocationsWrite, TokensInspect, TokensIssue, VideosRead,
        VideosWrite,
    };
    Router::new()
        .route(
            account!("/tokens/verify"),
            operation("verify_account_token", Credentials, get(credentials::verify::verify_account_token)),
        )
        .route(
            account!("/audit_logs"),
            operation("list_audit_logs", Scope(AuditRead), get(audit::list::list_audit_logs)),
        )
        .route(account!("/.well-known/jwks.json"), operation("get_jwks", Nothing, get(keys::jwks::get_jwks)))
        .route(account!("/stream"), operation("list_videos", Scope(VideosRead), get(videos::list::list_videos)))
        .route(account!("/stream/keys"), operation("create_key", Scope(KeysWrite), post(keys::create::create_key)))
        .route(account!("/stream/keys"), operation("list_keys", Scope(KeysRead), get(keys::list::list_keys)))
        .route(
            account!("/stream/keys/rotate"),
            operation("rotate_keys", Scope(KeysWrite), post(keys::rotate::rotate_keys)),
        )
        // A key may have this word as its id.
        .route(
            account!("/stream/keys/rotate"),
            operation("delete_key", Scope(KeysWrite), delete(keys::delete::delete_key)),
        )
        .route(
            account!("/stream/keys/{identifier}"),
            operation("delete_key", Scope(KeysWrite), delete(keys::delete::delete_key)),
        )
        .route(
            account!("/stream/revocations"),
            operation("create_revocation", Scope(RevocationsWrite), post(revocations::create::create_revocation)),
        )
        .route(
            account!("/stream/revocations"),
            operation("list_revocations", Scope(RevocationsRead), get(revocations::list::list_revocations)),
        )
        .route(
            account!("/stream/revocations/{identifier}"),
            operation("delete_revocation", Scope(RevocationsWrite), delete(revocations::delete::delete_revocation)),
        )
        .route(
            account!("/stream/{identifier}"),
            operation("register_video", Scope(VideosWrite), put(videos::register::register_video)),
        )
        .route(account!("/stream/{identifier}"), operation("get_video", Scope(VideosRead), get(videos::get::get_video)))
        .route(
            account!("/stream/{identifier}"),
            operation("edit_video", Scope(VideosWrite), post(videos::edit::edit_video)),
        )
        .route(
            account!("/stream/{identifier}"),
            operation("delete_video", Scope(VideosWrite), delete(videos::delete::delete_video)),
        )
        .route(
            account!("/stream/{identifier}/downloads"),
            operation("get_downloads", Scope(VideosRead), get(downloads::get::get_downloads)),
        )
        .route(
            account!("/stream/{identifier}/downloads"),
            operation("create_downloads", Scope(VideosWrite), post(downloads::create::create_downloads)),
        )
        .route(
            account!("/stream/{identifier}/downloads"),
            operation("delete_downloads", Scope(VideosWrite), delete(downloads::delete::delete_downloads)),
        )
        .route(
            account!("/stream/{identifier}/embed"),
            operation("get_embed", Scope(VideosRead), get(videos::embed::get_embed)),
        )
        .route(
            account!("/stream/tokens/batch"),
            operation("issue_tokens", Scope(TokensIssue), post(token::batch::issue_tokens)),
        )
        .route(
            account!("/stream/tokens/inspect"),
            operation("inspect_token", Scope(TokensInspect), post(token::inspect::inspect_token)),
        )
        .route(
            account!("/stream/{identifier}/token"),
            operation("issue_token", Scope(TokensIssue), post(token::issue::issue_token)),
        )
        .route(
            "/client/v4/user/tokens/verify",
            operation("verify_user_token", Credentials, get(credentials::verify::verify_user_token)),
        )
        .route(
            "/client/v4/gates/changes",
            operation("list_gate_changes", Nothing, get(gates::changes::list_gate_changes)),
        )
        .route(
            "/client/v4/gates/snapshot",
            operation("get_gate_snapshot", Nothing, get(gates::snapshot::get_gate_snapshot)),
        )
        .route("/client/v4/openapi.json", operation("get_openapi", Nothing, get(service::docs::get_openapi)))
        .route("/docs/errors", operation("get_error_docs", Nothing, get(service::docs::get_error_docs)))
        .route("/healthz", operation("get_health", Nothing, get(service::health::get_health)))
        .route("/readyz", operation("get_readiness", Nothing, get(service::readiness::get_readiness)))
}

/// Names the operation, for the metrics, and says what it needs of its caller. The name is its id in the OpenAPI document.
fn operation(name: &'static str, needs: Needs, route: MethodRouter<Api>) -> MethodRouter<Api> {
    let named = map_response(move |mut response: Response| async move {
        response.extensions_mut().insert(Operation(name));
        response
    });
    // One layer of two: for each that it is given by itself, axum boxes every request once more.
    route.route_layer((named, Extension(needs)))
}

fn wrapped(routes: Router<Api>, api: Api) -> Router {
    routes
        .fallback(|| async { ApiError::RouteUnknown })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer((from_fn_with_state(api.clone(), observe), CatchPanicLayer::custom(panicked)))
        .with_state(api)
}

#[cfg(test)]
mod tests;
