//! What a gate counts. No label ever holds a token, a video, an address or a path.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use vidpass_token::Denial;

use crate::catalogue::Catalogue;

/// From a hot file (about 0.1 ms) to a disk that hangs.
const SECONDS: [f64; 12] = [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    decisions: Family<DecisionLabels, Counter>,
    bytes_sent: Counter,
    request_seconds: Histogram,
    keys: Gauge,
    videos: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    /// `permit` or `denial`.
    outcome: &'static str,
    /// The denial's code; `none` for a permit.
    code: &'static str,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            decisions: Family::default(),
            bytes_sent: Counter::default(),
            request_seconds: Histogram::new(SECONDS),
            keys: Gauge::default(),
            videos: Gauge::default(),
        };
        registry.register(
            "vidpass_gate_decisions",
            "Decisions, by outcome and by the denial's code",
            metrics.decisions.clone(),
        );
        registry.register_with_unit(
            "vidpass_gate_sent",
            "Bytes of video handed to connections",
            Unit::Bytes,
            metrics.bytes_sent.clone(),
        );
        registry.register_with_unit(
            "vidpass_gate_request_duration",
            "Time from a request's head to its answer's head",
            Unit::Seconds,
            metrics.request_seconds.clone(),
        );
        registry.register("vidpass_gate_keys", "Live signing keys that the gate knows", metrics.keys.clone());
        registry.register("vidpass_gate_videos", "Videos that the gate knows", metrics.videos.clone());
        metrics
    }

    pub(crate) fn show_catalogue(&self, catalogue: &Catalogue) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.keys.set(number(catalogue.key_count()));
        self.videos.set(number(catalogue.video_count()));
    }

    pub(crate) fn count_permit(&self) {
        self.count(DecisionLabels { outcome: "permit", code: "none" });
    }

    pub(crate) fn count_denial(&self, denial: &Denial) {
        self.count(DecisionLabels { outcome: "denial", code: denial.code() });
    }

    fn count(&self, labels: DecisionLabels) {
        self.decisions.get_or_create(&labels).inc();
    }

    pub(crate) fn bytes_sent(&self) -> Counter {
        self.bytes_sent.clone()
    }

    pub(crate) fn observe_request(&self, duration: Duration) {
        self.request_seconds.observe(duration.as_secs_f64());
    }
}
