//! Which path leads to which operation.
//!
//! Handlers are axum's, and paths are matched by the library that its router has for that. The router itself is left out: for each
//! request it made several boxes of what the table says once.

use std::collections::{BTreeMap, HashSet};
use std::pin::Pin;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use http::Method;

use crate::caller::Needs;
use crate::error::ApiError;
use crate::exchange::Operation;
use crate::ops::{audit, credentials, downloads, gates, keys, revocations, service, token, videos};
use crate::path::PathIds;
use crate::state::Api;

/// All paths, with the operations of each.
pub(crate) struct Routes(matchit::Router<Vec<Route>>);

/// An operation, and what it does.
pub(crate) struct Route {
    method: Method,
    path: &'static str,
    pub(crate) operation: Operation,
    handle: Box<dyn Fn(Request, Api) -> Answering + Send + Sync>,
}

type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A path of an account.
macro_rules! account {
    ($path:literal) => {
        concat!("/client/v4/accounts/{account_id}", $path)
    };
}

/// Each operation with its method and path, what it needs of its caller, and what does it: its name is its id in the OpenAPI
/// document.
macro_rules! table {
    ($($method:ident $path:expr => $needs:expr, $resource:ident::$verb:ident::$name:ident;)*) => {
        vec![$(Route::new(Method::$method, $path, stringify!($name), $needs, $resource::$verb::$name)),*]
    };
}

fn table() -> Vec<Route> {
    use Needs::{Credentials, Nothing, Scope};
    use vidpass_store::Scope::{
        AuditRead, KeysRead, KeysWrite, RevocationsRead, RevocationsWrite, TokensInspect, TokensIssue, VideosRead,
        VideosWrite,
    };
    table! {
        GET account!("/tokens/verify") => Credentials, credentials::verify::verify_account_token;
        GET account!("/audit_logs") => Scope(AuditRead), audit::list::list_audit_logs;
        GET account!("/.well-known/jwks.json") => Nothing, keys::jwks::get_jwks;
        GET account!("/stream") => Scope(VideosRead), videos::list::list_videos;
        POST account!("/stream/keys") => Scope(KeysWrite), keys::create::create_key;
        GET account!("/stream/keys") => Scope(KeysRead), keys::list::list_keys;
        POST account!("/stream/keys/rotate") => Scope(KeysWrite), keys::rotate::rotate_keys;
        // A key may have this word as its id.
        DELETE account!("/stream/keys/rotate") => Scope(KeysWrite), keys::delete::delete_key;
        DELETE account!("/stream/keys/{identifier}") => Scope(KeysWrite), keys::delete::delete_key;
        POST account!("/stream/revocations") => Scope(RevocationsWrite), revocations::create::create_revocation;
        GET account!("/stream/revocations") => Scope(RevocationsRead), revocations::list::list_revocations;
        DELETE account!("/stream/revocations/{identifier}") => Scope(RevocationsWrite), revocations::delete::delete_revocation;
        PUT account!("/stream/{identifier}") => Scope(VideosWrite), videos::register::register_video;
        GET account!("/stream/{identifier}") => Scope(VideosRead), videos::get::get_video;
        POST account!("/stream/{identifier}") => Scope(VideosWrite), videos::edit::edit_video;
        DELETE account!("/stream/{identifier}") => Scope(VideosWrite), videos::delete::delete_video;
        GET account!("/stream/{identifier}/downloads") => Scope(VideosRead), downloads::get::get_downloads;
        POST account!("/stream/{identifier}/downloads") => Scope(VideosWrite), downloads::create::create_downloads;
        DELETE account!("/stream/{identifier}/downloads") => Scope(VideosWrite), downloads::delete::delete_downloads;
        GET account!("/stream/{identifier}/embed") => Scope(VideosRead), videos::embed::get_embed;
        POST account!("/stream/tokens/batch") => Scope(TokensIssue), token::batch::issue_tokens;
        POST account!("/stream/tokens/inspect") => Scope(TokensInspect), token::inspect::inspect_token;
        POST account!("/stream/{identifier}/token") => Scope(TokensIssue), token::issue::issue_token;
        GET "/client/v4/user/tokens/verify" => Credentials, credentials::verify::verify_user_token;
        GET "/client/v4/gates/changes" => Nothing, gates::changes::list_gate_changes;
        GET "/client/v4/gates/snapshot" => Nothing, gates::snapshot::get_gate_snapshot;
        GET "/client/v4/openapi.json" => Nothing, service::docs::get_openapi;
        GET "/docs/errors" => Nothing, service::docs::get_error_docs;
        GET "/healthz" => Nothing, service::health::get_health;
        GET "/readyz" => Nothing, service::readiness::get_readiness;
    }
}

impl Routes {
    /// # Panics
    /// Where a path cannot be read, or two differ in the names of their parameters alone, or one has a method twice.
    pub(crate) fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        let mut paths = BTreeMap::<_, Vec<Route>>::new();
        routes.into_iter().for_each(|route| paths.entry(route.path).or_default().push(route));
        let mut router = matchit::Router::new();
        for (path, routes) in paths {
            let methods: HashSet<&Method> = routes.iter().map(|route| &route.method).collect();
            assert_eq!(methods.len(), routes.len(), "{path} has each method once");
            router.insert(path, routes).expect("the table's paths can be read and told apart");
        }
        Self(router)
    }

    pub(crate) fn of_the_api() -> Self {
        Self::new(table())
    }

    /// Where a request leads to, and the ids in its path. `HEAD` is answered as `GET`, and its body is left out by the server.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Result<(&Route, PathIds), ApiError> {
        let found = self.0.at(path).map_err(|_| ApiError::RouteUnknown)?;
        let asked = if method == Method::HEAD { &Method::GET } else { method };
        let route = found.value.iter().find(|route| route.method == *asked);
        let route = route.ok_or_else(|| ApiError::MethodNotAllowed { allowed: methods(found.value) })?;
        Ok((route, PathIds::of(&found.params)))
    }
}

/// As `Allow` has them (RFC 9110, section 10.2.1).
fn methods(routes: &[Route]) -> String {
    let names: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
    names.join(",").replace("GET", "GET,HEAD")
}

impl Route {
    /// `name` is the operation's id in the OpenAPI document.
    pub(crate) fn new<T: 'static>(
        method: Method,
        path: &'static str,
        name: &'static str,
        needs: Needs,
        handler: impl Handler<T, Api, Future = Answering>,
    ) -> Self {
        let handle = Box::new(move |request, api| handler.clone().call(request, api));
        Self { method, path, operation: Operation { name, needs }, handle }
    }

    pub(crate) fn answer(&self, request: Request, api: Api) -> Answering {
        (self.handle)(request, api)
    }
}

/// Path, method and name of each operation.
#[cfg(test)]
pub(crate) fn named() -> impl Iterator<Item = (String, String, String)> {
    table()
        .into_iter()
        .map(|Route { path, method, operation, .. }| (path.to_owned(), method.to_string(), operation.name.to_owned()))
}
