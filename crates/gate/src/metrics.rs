//! What a gate counts. No label ever holds a token, a video, an address or a path; accounts are named up to a bound.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use vidpass_token::{AccountId, Denial};

use crate::catalogue::Catalogue;
use crate::deny::Failure;

/// From a hot file (about 0.1 ms) to a disk that hangs.
const SECONDS: [f64; 12] = [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

/// How many accounts have a label of their own. Each makes a series for every outcome and code that occurs.
const MAX_ACCOUNTS: usize = 100;

/// The label of accounts beyond that.
const OTHER_ACCOUNTS: &str = "(other)";

/// The label where no account is known for certain.
const NO_ACCOUNT: &str = "(none)";

#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    decisions: Family<DecisionLabels, Counter>,
    accounts: Arc<ArcSwap<BTreeMap<AccountId, Counted>>>,
    /// All accounts beyond those.
    others: Counted,
    bytes_sent: Counter,
    not_served: Family<FailureLabels, Counter>,
    cut_off: Family<FailureLabels, Counter>,
    request_seconds: Family<ViaLabels, Histogram>,
    keys: Gauge,
    videos: Gauge,
    revocations: Gauge,
}

/// An account, as it is counted.
#[derive(Clone, Debug)]
struct Counted {
    label: Arc<str>,
    /// At hand, because this is what is counted most.
    permits: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    /// `permit`, `denial` or, in a dry run, `would_deny`.
    outcome: &'static str,
    /// The denial's code; `none` for a permit.
    code: &'static str,
    account: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ViaLabels {
    /// `gate`, or the kind of proxy that asked.
    via: &'static str,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let decisions = Family::default();
        let metrics = Self {
            others: Counted::new(OTHER_ACCOUNTS, &decisions),
            decisions,
            accounts: Arc::default(),
            bytes_sent: Counter::default(),
            not_served: Family::default(),
            cut_off: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            keys: Gauge::default(),
            videos: Gauge::default(),
            revocations: Gauge::default(),
        };
        registry.register(
            "vidpass_gate_decisions",
            "Decisions, by outcome, by the denial's code and by account",
            metrics.decisions.clone(),
        );
        registry.register(
            "vidpass_gate_not_served",
            "Requests that were permitted and not served all the same, by what failed",
            metrics.not_served.clone(),
        );
        registry.register(
            "vidpass_gate_transfers_cut_off",
            "Transfers that were cut off while they ran, by what would be answered now",
            metrics.cut_off.clone(),
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
        registry.register("vidpass_gate_revocations", "Revocations that the gate knows", metrics.revocations.clone());
        metrics
    }

    pub(crate) fn show_catalogue(&self, catalogue: &Catalogue) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.keys.set(number(catalogue.key_count()));
        self.videos.set(number(catalogue.video_count()));
        self.revocations.set(number(catalogue.revocation_count()));
    }

    pub(crate) fn count_permit(&self, account: &AccountId) {
        self.of_account(account, |counted| counted.permits.inc());
    }

    pub(crate) fn count_denial(&self, account: Option<&AccountId>, denial: &Denial) {
        self.count("denial", denial.code(), account);
    }

    pub(crate) fn count_would_deny(&self, account: &AccountId, denial: &Denial) {
        self.count("would_deny", denial.code(), Some(account));
    }

    fn count(&self, outcome: &'static str, code: &'static str, account: Option<&AccountId>) {
        let label = |counted: &Counted| Arc::clone(&counted.label);
        let account = account.map_or_else(|| NO_ACCOUNT.into(), |account| self.of_account(account, label));
        self.decisions.get_or_create(&DecisionLabels { outcome, code, account }).inc();
    }

    /// Uses what counts an account: one each for the first accounts that are seen, and one for all others.
    fn of_account<T>(&self, account: &AccountId, then: impl Fn(&Counted) -> T) -> T {
        let accounts = self.accounts.load();
        if let Some(counted) = accounts.get(account) {
            return then(counted);
        }
        if accounts.len() < MAX_ACCOUNTS {
            self.accounts.rcu(|accounts| {
                let mut more = BTreeMap::clone(accounts);
                // Others may have come in between.
                if more.len() < MAX_ACCOUNTS {
                    more.insert(account.clone(), Counted::new(account.as_str(), &self.decisions));
                }
                more
            });
        }
        then(self.accounts.load().get(account).unwrap_or(&self.others))
    }

    pub(crate) fn bytes_sent(&self) -> Counter {
        self.bytes_sent.clone()
    }

    pub(crate) fn count_failure(&self, failure: Failure) {
        self.not_served.get_or_create(&FailureLabels { code: failure.code() }).inc();
    }

    /// A transfer that was running and must not go on.
    pub(crate) fn count_cut_off(&self, denial: &Denial) {
        self.cut_off.get_or_create(&FailureLabels { code: denial.code() }).inc();
    }

    /// How long requests take of `via`: `gate`, or the kind of proxy that asks.
    pub(crate) fn request_seconds(&self, via: &'static str) -> Histogram {
        self.request_seconds.get_or_create_owned(&ViaLabels { via })
    }
}

impl Counted {
    fn new(label: &str, decisions: &Family<DecisionLabels, Counter>) -> Self {
        let label: Arc<str> = label.into();
        let labels = DecisionLabels { outcome: "permit", code: "none", account: Arc::clone(&label) };
        Self { label, permits: decisions.get_or_create_owned(&labels) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_named_up_to_a_bound() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        for number in 0..MAX_ACCOUNTS + 50 {
            metrics.count_permit(&format!("a{number}").parse().unwrap());
        }
        metrics.count_permit(&"a7".parse().unwrap());
        metrics.count_denial(None, &Denial::TokenRequired);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let decisions = text.lines().filter(|line| line.starts_with("vidpass_gate_decisions_total")).count();
        assert_eq!(decisions, MAX_ACCOUNTS + 2);
        for line in [
            r#"{outcome="permit",code="none",account="a7"} 2"#,
            r#"{outcome="permit",code="none",account="(other)"} 50"#,
            r#"{outcome="denial",code="token_required",account="(none)"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
