//! Ids in paths.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use vidpass_token::{AccountId, IdError};

use crate::error::ApiError;
use crate::problem::{Problem, ProblemKind};
use crate::state::Api;

/// The `{identifier}` of a path, as the id that `T` is.
pub(crate) struct Identifier<T>(pub(crate) T);

impl<T: FromStr<Err = IdError>> FromRequestParts<Api> for Identifier<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        let text = match parameter(parts, "identifier").await? {
            Some(text) => text,
            // A route that ends in a word, and the word is the id.
            None => parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned(),
        };
        let refused = |error| ApiError::invalid(Problem::elsewhere(ProblemKind::Identifier(error)));
        text.parse().map(Self).map_err(refused)
    }
}

/// The `{account_id}` of a path that needs no credentials.
pub(crate) struct Account(pub(crate) AccountId);

impl FromRequestParts<Api> for Account {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        let text = parameter(parts, "account_id").await?.unwrap_or_default();
        let refused = |error| ApiError::invalid(Problem::elsewhere(ProblemKind::Identifier(error)));
        text.parse().map(Self).map_err(refused)
    }
}

/// The parameter of the route's path, percent-decoded; `None` where the route has none.
pub(crate) async fn parameter(parts: &mut Parts, name: &str) -> Result<Option<String>, ApiError> {
    let parameters = RawPathParams::from_request_parts(parts, &()).await;
    let parameters = parameters.map_err(|_| ApiError::invalid(Problem::elsewhere(ProblemKind::PathNotUtf8)))?;
    Ok(parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned()))
}
