//! What the API counts. No label ever holds an id, a path or a secret.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::rate_limit::Limited;

#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    tokens_issued: Family<TokenLabels, Counter>,
    rate_limited: Family<LimitLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    /// `credential` or `failed-logins`.
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    /// The operation's id; `none` where no route took the request.
    operation: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    key: SignedWith,
}

/// Whose key signed a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum SignedWith {
    /// The account's managed key.
    Managed,
    /// A key that came with the request.
    Supplied,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics =
            Self { requests: Family::default(), tokens_issued: Family::default(), rate_limited: Family::default() };
        registry.register(
            "vidpass_api_requests",
            "Requests to the API, by operation and by the status of the answer",
            metrics.requests.clone(),
        );
        registry.register(
            "vidpass_api_tokens_issued",
            "Tokens issued, by whose key signed them",
            metrics.tokens_issued.clone(),
        );
        registry.register(
            "vidpass_api_rate_limited",
            "Requests refused because there were too many, by the limit",
            metrics.rate_limited.clone(),
        );
        metrics
    }

    pub(crate) fn count_rate_limited(&self, limited: Limited) {
        self.rate_limited.get_or_create(&LimitLabels { limit: limited.name() }).inc();
    }

    pub(crate) fn count_request(&self, operation: &'static str, status: u16) {
        self.requests.get_or_create(&RequestLabels { operation, status }).inc();
    }

    pub(crate) fn count_token(&self, key: SignedWith) {
        self.tokens_issued.get_or_create(&TokenLabels { key }).inc();
    }
}
