//! What a request and its answer share: an extension of the request.

use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;
use vidpass_token::RequestId;

use crate::caller::Needs;
use crate::error::ApiError;
use crate::path::PathIds;
use crate::rate_limit::Allowance;

/// One request that a route took, and what is to be said of it. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub(crate) struct Exchange(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    id: RequestId,
    operation: Operation,
    ids: PathIds,
    allowance: Mutex<Option<Allowance>>,
}

/// What a route leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Its id, for the metrics.
    pub(crate) name: &'static str,
    /// What it asks of its caller.
    pub(crate) needs: Needs,
}

impl Exchange {
    pub(crate) fn new(id: RequestId, operation: Operation, ids: PathIds) -> Self {
        Self(Arc::new(Shared { id, operation, ids, allowance: Mutex::new(None) }))
    }

    /// That of a request: a handler without one was not asked through the table of operations, which says what it needs.
    pub(crate) fn of(parts: &Parts) -> Result<&Self, ApiError> {
        parts.extensions.get().ok_or(ApiError::ScopeUndeclared)
    }

    pub(crate) fn id(&self) -> &RequestId {
        &self.0.id
    }

    pub(crate) fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The ids in the request's path.
    pub(crate) fn ids(&self) -> &PathIds {
        &self.0.ids
    }

    /// Notes what is left to the caller, for the answer's headers.
    pub(crate) fn note(&self, allowance: Allowance) {
        *self.0.allowance.lock().unwrap_or_else(PoisonError::into_inner) = Some(allowance);
    }

    /// What is left to the caller, where that is limited.
    pub(crate) fn noted(&self) -> Option<Allowance> {
        *self.0.allowance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
