//! Ids in paths.

use std::borrow::Cow;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use vidpass_token::{AccountId, IdError};

use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::problem::{Problem, ProblemKind};
use crate::state::Api;

/// What the parameters of a route's path are in a request's.
#[derive(Debug)]
pub(crate) struct PathIds {
    account: Option<Encoded>,
    identifier: Option<Encoded>,
}

/// A part of a path as it came, percent-encoded.
#[derive(Debug)]
pub(crate) struct Encoded(Box<str>);

/// The `{identifier}` of a path, as the id that `T` is.
pub(crate) struct Identifier<T>(pub(crate) T);

/// The `{account_id}` of a path that needs no credentials.
pub(crate) struct Account(pub(crate) AccountId);

impl PathIds {
    pub(crate) fn of(parameters: &matchit::Params<'_, '_>) -> Self {
        let parameter = |name| parameters.get(name).map(|value| Encoded(value.into()));
        Self { account: parameter("account_id"), identifier: parameter("identifier") }
    }

    /// The account; `None` where the route's path names none.
    pub(crate) fn account(&self) -> Option<&Encoded> {
        self.account.as_ref()
    }
}

impl Encoded {
    /// The text, percent-decoded.
    pub(crate) fn decoded(&self) -> Result<Cow<'_, str>, ApiError> {
        let decoded = percent_decode_str(&self.0).decode_utf8();
        decoded.map_err(|_| ApiError::invalid(Problem::elsewhere(ProblemKind::PathNotUtf8)))
    }
}

impl<T: FromStr<Err = IdError>> FromRequestParts<Api> for Identifier<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        let text = match &Exchange::of(parts)?.ids().identifier {
            Some(text) => text.decoded()?,
            // A route that ends in a word, and the word is the id.
            None => parts.uri.path().rsplit('/').next().unwrap_or_default().into(),
        };
        id(&text).map(Self)
    }
}

impl FromRequestParts<Api> for Account {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        let text = Exchange::of(parts)?.ids().account().map(Encoded::decoded).transpose()?.unwrap_or_default();
        id(&text).map(Self)
    }
}

fn id<T: FromStr<Err = IdError>>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|error| ApiError::invalid(Problem::elsewhere(ProblemKind::Identifier(error))))
}
