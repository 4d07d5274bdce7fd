//! Which path leads to which operation.

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::routing::{delete, get, post, put};

use crate::caller::Needs;
use crate::error::ApiError;
use crate::exchange::{Exchange, Operation};
use crate::ops::{audit, credentials, downloads, gates, keys, revocations, service, token, videos};
use crate::state::Api;

/// The routes.
pub(crate) fn routes(api: Api) -> Router {
    operations()
        .fallback(|| async { ApiError::RouteUnknown })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .with_state(api)
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
            get(operation("verify_account_token", Credentials, credentials::verify::verify_account_token)),
        )
        .route(
            account!("/audit_logs"),
            get(operation("list_audit_logs", Scope(AuditRead), audit::list::list_audit_logs)),
        )
        .route(account!("/.well-known/jwks.json"), get(operation("get_jwks", Nothing, keys::jwks::get_jwks)))
        .route(account!("/stream"), get(operation("list_videos", Scope(VideosRead), videos::list::list_videos)))
        .route(account!("/stream/keys"), post(operation("create_key", Scope(KeysWrite), keys::create::create_key)))
        .route(account!("/stream/keys"), get(operation("list_keys", Scope(KeysRead), keys::list::list_keys)))
        .route(
            account!("/stream/keys/rotate"),
            post(operation("rotate_keys", Scope(KeysWrite), keys::rotate::rotate_keys)),
        )
        // A key may have this word as its id.
        .route(
            account!("/stream/keys/rotate"),
            delete(operation("delete_key", Scope(KeysWrite), keys::delete::delete_key)),
        )
        .route(
            account!("/stream/keys/{identifier}"),
            delete(operation("delete_key", Scope(KeysWrite), keys::delete::delete_key)),
        )
        .route(
            account!("/stream/revocations"),
            post(operation("create_revocation", Scope(RevocationsWrite), revocations::create::create_revocation)),
        )
        .route(
            account!("/stream/revocations"),
            get(operation("list_revocations", Scope(RevocationsRead), revocations::list::list_revocations)),
        )
        .route(
            account!("/stream/revocations/{identifier}"),
            delete(operation("delete_revocation", Scope(RevocationsWrite), revocations::delete::delete_revocation)),
        )
        .route(
            account!("/stream/{identifier}"),
            put(operation("register_video", Scope(VideosWrite), videos::register::register_video)),
        )
        .route(account!("/stream/{identifier}"), get(operation("get_video", Scope(VideosRead), videos::get::get_video)))
        .route(
            account!("/stream/{identifier}"),
            post(operation("edit_video", Scope(VideosWrite), videos::edit::edit_video)),
        )
        .route(
            account!("/stream/{identifier}"),
            delete(operation("delete_video", Scope(VideosWrite), videos::delete::delete_video)),
        )
        .route(
            account!("/stream/{identifier}/downloads"),
            get(operation("get_downloads", Scope(VideosRead), downloads::get::get_downloads)),
        )
        .route(
            account!("/stream/{identifier}/downloads"),
            post(operation("create_downloads", Scope(VideosWrite), downloads::create::create_downloads)),
        )
        .route(
            account!("/stream/{identifier}/downloads"),
            delete(operation("delete_downloads", Scope(VideosWrite), downloads::delete::delete_downloads)),
        )
        .route(
            account!("/stream/{identifier}/embed"),
            get(operation("get_embed", Scope(VideosRead), videos::embed::get_embed)),
        )
        .route(
            account!("/stream/tokens/batch"),
            post(operation("issue_tokens", Scope(TokensIssue), token::batch::issue_tokens)),
        )
        .route(
            account!("/stream/tokens/inspect"),
            post(operation("inspect_token", Scope(TokensInspect), token::inspect::inspect_token)),
        )
        .route(
            account!("/stream/{identifier}/token"),
            post(operation("issue_token", Scope(TokensIssue), token::issue::issue_token)),
        )
        .route(
            "/client/v4/user/tokens/verify",
            get(operation("verify_user_token", Credentials, credentials::verify::verify_user_token)),
        )
        .route(
            "/client/v4/gates/changes",
            get(operation("list_gate_changes", Nothing, gates::changes::list_gate_changes)),
        )
        .route(
            "/client/v4/gates/snapshot",
            get(operation("get_gate_snapshot", Nothing, gates::snapshot::get_gate_snapshot)),
        )
        .route("/client/v4/openapi.json", get(operation("get_openapi", Nothing, service::docs::get_openapi)))
        .route("/docs/errors", get(operation("get_error_docs", Nothing, service::docs::get_error_docs)))
        .route("/healthz", get(operation("get_health", Nothing, service::health::get_health)))
        .route("/readyz", get(operation("get_readiness", Nothing, service::readiness::get_readiness)))
}

/// A handler that says which operation it is. Its name is its id in the OpenAPI document.
///
/// No layer says it: for each, axum boxes every request once more.
#[derive(Clone)]
pub(crate) struct Named<H> {
    operation: Operation,
    handler: H,
}

pub(crate) fn operation<H>(name: &'static str, needs: Needs, handler: H) -> Named<H> {
    Named { operation: Operation { name, needs }, handler }
}

impl<H: Handler<T, Api>, T> Handler<T, Api> for Named<H> {
    type Future = H::Future;

    fn call(self, request: Request, api: Api) -> H::Future {
        if let Some(exchange) = request.extensions().get::<Exchange>() {
            exchange.begin(self.operation);
        }
        self.handler.call(request, api)
    }
}
