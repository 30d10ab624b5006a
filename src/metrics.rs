//! What is counted, in Prometheus' text format. Labels come from closed sets, but for the series of each object and of
//! each key.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | one series an object, made when somebody asks | `metrics/objects.rs` |
//! | OpenMetrics -> the text that every tool reads | `metrics/text.rs` |

mod objects;
mod text;

use std::{fmt, time::Duration};

use jiff::Timestamp;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use crate::{
    api::Direction,
    decide::{Answer, Plan, Verdict},
    oxen::{Endpoint, Outcome},
};

pub use objects::{Objects, Shown};

/// The buckets of a request's duration, up to its time-out.
const SECONDS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The buckets of a wait for a turn: thousands of models may wait for minutes.
const WAITS: [f64; 9] = [0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0];

/// The buckets of a pass, its wait for a turn included.
const PASSES: [f64; 9] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0];

/// Every metric of the operator.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    objects: Objects,
    durations: Family<ByReason, Histogram>,
    contacts: Family<ByKey, Gauge>,
    reconciles: Family<ByReason, Counter>,
    failures: Counter,
    requests: Family<ByRequest, Counter>,
    latency: Family<ByEndpoint, Histogram>,
    waits: Histogram,
    calls: Family<ByCall, Counter>,
    corrections: Counter,
    status_writes: Counter,
    leader: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

/// Empty for the operator's own key.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByKey {
    namespace: String,
    secret: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByEndpoint {
    endpoint: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByRequest {
    endpoint: &'static str,
    outcome: Outcome,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByCall {
    direction: &'static str,
    answer: &'static str,
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match self {
            Outcome::Code(code) => u64::from(*code).encode(encoder),
            Outcome::NoAnswer => "none".encode(encoder),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut whole = Registry::default();
        let registry = whole.sub_registry_with_prefix("oxen_operator");
        let metrics = Self {
            objects: Objects::default(),
            durations: Family::new_with_constructor(|| Histogram::new(PASSES)),
            contacts: Family::default(),
            reconciles: Family::default(),
            failures: Counter::default(),
            requests: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            waits: Histogram::new(WAITS),
            calls: Family::default(),
            corrections: Counter::default(),
            status_writes: Counter::default(),
            leader: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register(
            "build",
            "The version that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register(
            "reconciles",
            "Passes that ended, by the reason that they found",
            metrics.reconciles.clone(),
        );
        registry.register(
            "reconcile_duration_seconds",
            "How long passes took, their wait for a turn included, by the reason that they found",
            metrics.durations.clone(),
        );
        registry.register(
            "reconcile_failures",
            "Passes that a request to the Kubernetes API ended",
            metrics.failures.clone(),
        );
        registry.register(
            "hub_requests",
            "Requests to the hub, by endpoint and status code",
            metrics.requests.clone(),
        );
        registry.register(
            "hub_request_duration_seconds",
            "How long requests to the hub took",
            metrics.latency.clone(),
        );
        registry.register(
            "hub_wait_seconds",
            "How long requests to the hub waited for their turn before they were sent",
            metrics.waits.clone(),
        );
        registry.register(
            "hub_last_contact_timestamp_seconds",
            "When the hub last answered a look with this key, in seconds since 1970",
            metrics.contacts.clone(),
        );
        registry.register(
            "calls",
            "Calls that change a model's state, by what became of them",
            metrics.calls.clone(),
        );
        registry.register(
            "corrections",
            "Calls that corrected drift",
            metrics.corrections.clone(),
        );
        registry.register(
            "status_writes",
            "Writes of an object's status",
            metrics.status_writes.clone(),
        );
        registry.register(
            "leader",
            "1 on the replica that does the work, 0 on the others",
            metrics.leader.clone(),
        );
        whole.register_collector(Box::new(metrics.objects.clone()));
        Self {
            registry: whole,
            ..metrics
        }
    }
}

impl Metrics {
    /// Where the series of each object come from.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// A pass ended with a plan.
    pub fn reconciled(&self, plan: &Plan, took: Duration) {
        let by = ByReason {
            reason: plan.verdict.row().reason,
        };
        self.reconciles.get_or_create(&by).inc();
        self.durations
            .get_or_create(&by)
            .observe(took.as_secs_f64());
    }

    /// A look with the key of this Secret was answered; both are empty for the operator's own key.
    pub fn answered(&self, namespace: &str, secret: &str) {
        let key = ByKey {
            namespace: namespace.into(),
            secret: secret.into(),
        };
        let now = Timestamp::now().as_second();
        self.contacts.get_or_create(&key).set(now);
    }

    /// A pass ended with a failed request to the Kubernetes API.
    pub fn failed(&self) {
        self.failures.inc();
    }

    /// A request to the hub ended.
    pub fn requested(&self, endpoint: Endpoint, outcome: Outcome, took: Duration) {
        let endpoint = match endpoint {
            Endpoint::List => "list",
            Endpoint::Search => "search",
            Endpoint::Retrieve => "retrieve",
            Endpoint::Activate => "activate",
            Endpoint::Deactivate => "deactivate",
        };
        self.requests
            .get_or_create(&ByRequest { endpoint, outcome })
            .inc();
        self.latency
            .get_or_create(&ByEndpoint { endpoint })
            .observe(took.as_secs_f64());
    }

    /// The turn of a request to the hub has come.
    pub fn waited(&self, waited: Duration) {
        self.waits.observe(waited.as_secs_f64());
    }

    /// A call was answered, or wasn't; `verdict` is the one that it was made for.
    pub fn called(&self, verdict: Verdict, direction: Direction, answer: &Answer) {
        let direction = match direction {
            Direction::Activate => "activate",
            Direction::Deactivate => "deactivate",
        };
        let (answer, sent) = match answer {
            Answer::Accepted => ("accepted", true),
            Answer::Refused(_) => ("refused", true),
            Answer::Unknown { .. } => ("unknown", true),
            Answer::NotSent(_) => ("not_sent", false),
        };
        self.calls
            .get_or_create(&ByCall { direction, answer })
            .inc();
        if sent && verdict == Verdict::CorrectingDrift {
            self.corrections.inc();
        }
    }

    /// A status was written.
    pub fn status_written(&self) {
        self.status_writes.inc();
    }

    /// This process leads, or doesn't.
    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// All of it, as text.
    ///
    /// # Errors
    ///
    /// None that a string could give; the encoder's signature has one.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut open = String::new();
        encode(&mut open, &self.registry)?;
        Ok(text::plain(&open))
    }
}
