//! What the API counts. No label ever holds an id, a path or a secret.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
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

/// What the threads that sign count.
#[derive(Clone, Debug)]
pub(crate) struct SignerMetrics {
    pub(crate) waiting: Gauge,
    pub(crate) refused: Counter,
    signatures: Family<PathLabels, Counter>,
    /// Those that came out wrong where they were made together, and were made again.
    pub(crate) repeated: Counter,
    /// How many are signed together: 8, or 1.
    pub(crate) lanes: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabels {
    /// `single` or `batched`.
    path: &'static str,
}

/// How a signature was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// By itself.
    Single,
    /// Together with others.
    Batched,
}

impl Made {
    fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Batched => "batched",
        }
    }
}

impl SignerMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            waiting: Gauge::default(),
            refused: Counter::default(),
            signatures: Family::default(),
            repeated: Counter::default(),
            lanes: Gauge::default(),
        };
        registry.register("vidpass_api_signing_waiting", "Tokens that wait to be signed", metrics.waiting.clone());
        registry.register(
            "vidpass_api_signing_refused",
            "Requests for a token that were refused because too many waited",
            metrics.refused.clone(),
        );
        registry.register("vidpass_api_signatures", "Signatures made, by how", metrics.signatures.clone());
        registry.register(
            "vidpass_api_signatures_repeated",
            "Signatures that came out wrong where they were made together, and were made again one by one",
            metrics.repeated.clone(),
        );
        registry.register(
            "vidpass_api_signing_lanes",
            "How many tokens that wait are signed together at most; 1 is one by one",
            metrics.lanes.clone(),
        );
        metrics
    }

    #[cfg(test)]
    pub(crate) fn signatures(&self, made: Made) -> u64 {
        self.signatures.get_or_create(&PathLabels { path: made.name() }).get()
    }

    pub(crate) fn count(&self, made: Made, signatures: u64) {
        self.signatures.get_or_create(&PathLabels { path: made.name() }).inc_by(signatures);
    }
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
