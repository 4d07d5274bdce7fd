//! What is counted of origins and the cache. The labels are names of the configuration and words of this file.

use std::ops::Deref;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use vidpass_token::OriginName;

/// From a bucket next door to one that is about to be given up.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Clone, Debug)]
pub(crate) struct OriginMetrics {
    requests: Family<RequestLabels, Counter>,
    response_seconds: Family<OriginLabels, Histogram>,
    broken_off: Family<OriginLabels, Counter>,
    /// Files that the cache had.
    pub(super) hits: Counter,
    /// Whole files that it had not, and that were asked of an origin.
    pub(super) misses: Counter,
    /// Viewers who share a download that another one began.
    pub(super) joined: Counter,
    pub(super) evictions: Counter,
    pub(super) bytes: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    origin: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginLabels {
    origin: String,
}

impl OriginMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            broken_off: Family::default(),
            response_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            hits: Counter::default(),
            misses: Counter::default(),
            joined: Counter::default(),
            evictions: Counter::default(),
            bytes: Gauge::default(),
        };
        let requests = metrics.requests.clone();
        registry.register(
            "vidpass_gate_origin_requests",
            "Requests to origins, by origin and by what came of them",
            requests,
        );
        let broken_off = metrics.broken_off.clone();
        registry.register("vidpass_gate_origin_broken_off", "Files that an origin did not send whole", broken_off);
        registry.register_with_unit(
            "vidpass_gate_origin_response_duration",
            "Time from a request to an origin to the first bytes of its answer",
            Unit::Seconds,
            metrics.response_seconds.clone(),
        );
        registry.register("vidpass_gate_cache_hits", "Files that the cache had", metrics.hits.clone());
        registry.register("vidpass_gate_cache_misses", "Whole files that the cache had not", metrics.misses.clone());
        let joined = metrics.joined.clone();
        registry.register("vidpass_gate_cache_joined", "Requests that share a download that was running", joined);
        let evictions = metrics.evictions.clone();
        registry.register("vidpass_gate_cache_evictions", "Files that made room for others in the cache", evictions);
        registry.register_with_unit(
            "vidpass_gate_cache",
            "Size of the files in the cache",
            Unit::Bytes,
            metrics.bytes.clone(),
        );
        metrics
    }

    pub(super) fn count(&self, origin: &OriginName, outcome: &'static str) {
        self.requests.get_or_create(&RequestLabels { origin: origin.to_string(), outcome }).inc();
    }

    /// Files that were found, and then broke off: a request has an outcome before.
    pub(super) fn broken_off(&self, origin: &OriginName) -> impl Deref<Target = Counter> {
        self.broken_off.get_or_create(&OriginLabels { origin: origin.to_string() })
    }

    pub(super) fn observe(&self, origin: &OriginName, duration: Duration) {
        let labels = OriginLabels { origin: origin.to_string() };
        self.response_seconds.get_or_create(&labels).observe(duration.as_secs_f64());
    }
}
