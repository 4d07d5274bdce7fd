//! What a request and its answer share: an extension of the request.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use vidpass_token::TokenId;

use crate::caller::Needs;
use crate::rate_limit::Allowance;

/// One request, and what is to be said of it. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub(crate) struct Exchange(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    id: TokenId,
    operation: OnceLock<Operation>,
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
    pub(crate) fn new() -> Self {
        // The server's own: an id that a caller brings could be used to fake lines of the log.
        Self(Arc::new(Shared { id: TokenId::random(), operation: OnceLock::new(), allowance: Mutex::new(None) }))
    }

    /// The id of both.
    pub(crate) fn id(&self) -> &TokenId {
        &self.0.id
    }

    /// Notes which operation it is, once.
    pub(crate) fn begin(&self, operation: Operation) {
        self.0.operation.get_or_init(|| operation);
    }

    /// Which operation it is; `None` where no route took the request.
    pub(crate) fn operation(&self) -> Option<Operation> {
        self.0.operation.get().copied()
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
