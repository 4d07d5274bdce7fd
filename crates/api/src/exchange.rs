//! What a request and its answer share: an extension of the request.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::caller::Needs;
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

/// The name of a request in the log and in its answer: 32 hex digits.
///
/// The server's own, since one that a caller brings could be used to fake lines of the log. No secret: it is made of a count, and hides
/// how many there were.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Box<str>);

/// What a route leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Its id, for the metrics.
    pub(crate) name: &'static str,
    /// What it asks of its caller.
    pub(crate) needs: Needs,
}

impl RequestId {
    pub(crate) fn next() -> Self {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // 128 random bits would take as long as reading the request.
        Self(format!("{:016x}{:016x}", KEY.hash_one(number), KEY.hash_one(!number)).into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Exchange {
    pub(crate) fn new(id: RequestId, operation: Operation, ids: PathIds) -> Self {
        Self(Arc::new(Shared { id, operation, ids, allowance: Mutex::new(None) }))
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_requests_have_one_name() {
        let ids: HashSet<String> = (0..100_000).map(|_| RequestId::next().to_string()).collect();
        assert_eq!(ids.len(), 100_000);
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }
}
