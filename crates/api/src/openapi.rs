//! The OpenAPI document.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, Required, Response, ResponseBuilder, Schema};
use utoipa::{Modify, OpenApi};
use vidpass_api_types::Failure;

use crate::ops::{audit, credentials, downloads, gates, keys, revocations, service, token, videos};

/// The OpenAPI document of this API, as JSON text. It is the same for every server of this version.
#[must_use]
pub fn openapi_json() -> String {
    Api::openapi().to_pretty_json().expect("the document has only text keys")
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "vidpass",
        description = "Signed URL tokens for your own videos: the part of the Cloudflare Stream API that has to do with \
            them. Operations with `x-vidpass-extension` are not Cloudflare's.\n\nEvery error has a `reason`, a stable name; \
            `/docs/errors` explains each.",
    ),
    servers((url = "/")),
    paths(
        token::issue::issue_token,
        token::batch::issue_tokens,
        token::inspect::inspect_token,
        keys::create::create_key,
        keys::list::list_keys,
        keys::rotate::rotate_keys,
        keys::delete::delete_key,
        keys::jwks::get_jwks,
        revocations::create::create_revocation,
        revocations::list::list_revocations,
        revocations::delete::delete_revocation,
        videos::register::register_video,
        videos::list::list_videos,
        videos::get::get_video,
        videos::edit::edit_video,
        videos::delete::delete_video,
        videos::embed::get_embed,
        downloads::get::get_downloads,
        downloads::create::create_downloads,
        downloads::delete::delete_downloads,
        audit::list::list_audit_logs,
        credentials::verify::verify_user_token,
        credentials::verify::verify_account_token,
        gates::changes::list_gate_changes,
        gates::snapshot::get_gate_snapshot,
        service::health::get_health,
        service::readiness::get_readiness,
        service::docs::get_openapi,
        service::docs::get_error_docs,
    ),
    components(schemas(Failure)),
    security(("api_token" = []), ("api_email" = [], "api_key" = [])),
    modifiers(&Schemes, &Failures, &Flattened),
)]
struct Api;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let header = |name| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name)));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("gate_credential", SecurityScheme::Http(bearer.clone()));
        components.add_security_scheme("api_token", SecurityScheme::Http(bearer));
        components.add_security_scheme("api_email", header("X-Auth-Email"));
        components.add_security_scheme("api_key", header("X-Auth-Key"));
    }
}

/// Writes out what one of many tokens may have: as a closed object and another one, no value would be both.
struct Flattened;

impl Modify for Flattened {
    fn modify(&self, document: &mut Document) {
        let schemas = &mut document.components.get_or_insert_default().schemas;
        let Some(RefOr::T(Schema::Object(mut one))) = schemas.get("IssueToken").cloned() else { return };
        let Some(RefOr::T(Schema::AllOf(both))) = schemas.get("IssueTokenFor") else { return };
        for part in &both.items {
            if let RefOr::T(Schema::Object(beside)) = part {
                one.properties.extend(beside.properties.clone());
                one.required.extend(beside.required.clone());
            }
        }
        one.description.clone_from(&both.description);
        schemas.insert("IssueTokenFor".to_owned(), RefOr::T(Schema::Object(one)));
    }
}

/// Adds the refusals that follow from what an operation takes, so that none of them is forgotten in one place.
struct Failures;

impl Modify for Failures {
    fn modify(&self, document: &mut Document) {
        for (path, item) in &mut document.paths.paths {
            let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
            for operation in operations.into_iter().filter_map(Option::as_mut) {
                if let Some(RefOr::T(body)) = &mut operation.request_body {
                    // Every body may be left out, which the derive can only say of one that may be null too.
                    body.required = Some(Required::False);
                }
                for (status, description) in refusals(path, operation) {
                    operation.responses.responses.insert(status.to_owned(), RefOr::T(refusal(description)));
                }
            }
        }
    }
}

/// Statuses of the refusals that an operation may answer with, and what each means.
fn refusals(path: &str, operation: &Operation) -> Vec<(&'static str, &'static str)> {
    let authenticated = operation.security.is_none();
    let takes = |name: &str| path.contains(name);
    // Of an account, and for everybody.
    let is_open = !authenticated && takes("{account_id}");
    let is_feed = takes("/gates/");
    let takes_query = operation.parameters.iter().flatten().any(is_query);
    let takes_body = operation.request_body.is_some();
    let may_lack_it =
        takes("{identifier}") && !takes("/token") && operation.operation_id.as_deref() != Some("register_video");
    let refusals = [
        (
            "400",
            "The request is not as it must be; every problem is told",
            takes("{identifier}") || takes_query && !is_feed || takes_body || is_open,
        ),
        ("401", "No credentials, or bad ones", authenticated || is_feed),
        ("403", "The credentials are for another account, or lack the scope", authenticated && takes("{account_id}")),
        ("404", "The account has nothing of this id", may_lack_it),
        ("410", "The log of changes does not lead on from the cursor", is_feed && takes_query),
        ("413", "The body is too large", takes_body),
        ("415", "The body is not declared as JSON", takes_body),
        ("429", "There were too many requests, or failed logins; try again", authenticated || is_feed),
        ("500", "The server failed", authenticated || is_open || is_feed),
        ("503", "The server cannot work now; try again", authenticated || is_open || is_feed || takes("/readyz")),
    ];
    refusals.into_iter().filter(|(_, _, applies)| *applies).map(|(status, text, _)| (status, text)).collect()
}

fn is_query(parameter: &RefOr<Parameter>) -> bool {
    match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Query,
        RefOr::Ref(_) => false,
    }
}

fn refusal(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name("Failure")))).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}

#[cfg(test)]
mod tests;
