//! What was seen: everything that a decision needs, in one value.

use std::time::Duration;

use jiff::Timestamp;

use super::Claim;
use crate::api::{
    DeletionPolicy, Deployment, ModelStatus, OxenModel, OxenModelStatus, Pricing,
    SHORTEST_SYNC_INTERVAL, State,
};

/// Everything that [`decide`](super::decide) is allowed to know.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// The object, its status no older than this process's last write of it.
    pub object: &'a OxenModel,
    /// The wall clock, for the times that the status shows.
    pub now: Timestamp,
    /// The operator's defaults and pace.
    pub rules: &'a Rules,
    /// This process's term, for the record of a call.
    pub epoch: i64,
    /// A fresh name, in case that a call has to be recorded.
    pub operation_id: String,
    /// What looking at the hub gave.
    pub look: Look,
    /// How long this process has watched the recorded operation; zero for one first seen now.
    pub watched: Watched,
    /// What this process remembers of earlier looks.
    pub past: Past,
    /// Whose the remote model is.
    pub claim: Claim,
    /// The CustomResourceDefinition is being deleted, and every object with it.
    pub crd_going: bool,
}

/// What looking at the hub gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// It was not needed: what happens doesn't depend on it.
    Unneeded,
    /// The live retrieve's answer.
    Seen(Box<Remote>),
    /// Why there is none.
    Failed(Fault),
}

/// A model as the live retrieve showed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Remote {
    /// Base models are always active and take no calls.
    pub base: bool,
    /// Its deployments, folded to one word.
    pub deployment: Deployment,
    /// Deployments that the word doesn't speak for, for the message.
    pub others: Vec<String>,
    /// Who it is; `id` and `owner` are its identity.
    pub model: ModelStatus,
    /// How it is billed.
    pub pricing: Option<Pricing>,
}

/// What a person does about an API key that can't be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mend {
    /// Creates the Secret, with this key in its data.
    Create {
        /// The Secret's name.
        secret: String,
        /// The key in its data.
        key: String,
    },
    /// Puts this key into the Secret, which is there.
    Fill {
        /// The Secret's name.
        secret: String,
        /// The key in its data.
        key: String,
    },
    /// Lets the operator read the Secret.
    Allow,
    /// Gives the operator a key of its own.
    Lend,
}

/// Why the hub gave no usable answer. The hub's faults are data: each has its row in the
/// decision, none is an `Err`.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The Secret, or the key in it, is not there.
    CredentialsNotFound {
        /// What is missing.
        why: String,
        /// What brings it.
        mend: Mend,
    },
    /// The key is there and can't be one: empty, not UTF-8, or not fit for a header.
    CredentialsInvalid {
        /// Which key, and what is wrong with it.
        why: String,
        /// What brings one that can be used.
        mend: Mend,
    },
    /// The operator has a key of its own, and this namespace is not on its list.
    OperatorKeyNotAllowed,
    /// 401: the hub doesn't know the key.
    Unauthenticated,
    /// 403: the key may not do this with this model.
    Forbidden(String),
    /// 402: the account can't pay for it.
    PaymentRequired(String),
    /// 404 `Model not found`, with names that come near.
    ModelNotFound(Vec<String>),
    /// 429, or 503 with Retry-After.
    RateLimited {
        /// How long from now the hub wants to be left alone; unset where it doesn't say.
        wait: Option<Duration>,
        /// With every object of the key (429), or with this one (503).
        whole_key: bool,
    },
    /// Timeout, reset, DNS, TLS, 3xx, 5xx, and every 404 that doesn't speak of the model.
    Unreachable(String),
    /// An answer that can't be read: too large, not JSON, the wrong shape.
    Unexpected(String),
    /// The answer is about a model that nobody asked for.
    AnotherModel(String),
    /// A call was answered with another 4xx, in the hub's words.
    Rejected(String),
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The hub took it.
    Accepted,
    /// The hub refused it: nothing happened.
    Refused(Fault),
    /// It went out, and nobody knows.
    Unknown {
        /// What came instead of an answer.
        words: String,
        /// How long from now the hub wants to be left alone about this object, where it says so.
        wait: Option<Duration>,
    },
    /// It never went out, and why.
    NotSent(&'static str),
}

impl Answer {
    /// It went out, and this came instead of an answer.
    #[must_use]
    pub fn unknown(words: impl Into<String>) -> Self {
        Self::Unknown {
            words: words.into(),
            wait: None,
        }
    }
}

/// How long this process has watched an operation, on its own monotonic clock: a restart starts
/// again, and no wall clock is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Since it was first seen.
    pub elapsed: Duration,
    /// Live retrieves, this one included, that still showed the old status once
    /// [`Rules::operation_patience`] was over.
    pub unmoved: u32,
}

/// What this process remembers of earlier looks at the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Looks in a row that the hub left unanswered, before this one.
    pub failures: u32,
    /// How long the hub hasn't answered for this object.
    pub silence: Duration,
    /// Live retrieves in a row, this one included, that said `Model not found` to the very key
    /// that had retrieved the model.
    pub gone: u32,
}

/// The operator's defaults and pace: validated settings, the same for every object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Treat every object as suspended.
    pub observe_only: bool,
    /// Where the spec says nothing.
    pub deletion_policy: DeletionPolicy,
    /// Where the spec says nothing.
    pub sync_interval: Duration,
    /// Where the spec says nothing.
    pub progress_deadline: Duration,
    /// The first look in a transition comes after this; each next one later.
    pub transition_first: Duration,
    /// And no later than this.
    pub transition_last: Duration,
    /// How long a call that shows no effect is left alone.
    pub operation_patience: Duration,
    /// How long a failed deployment is left before each try.
    pub failure_delays: [Duration; 3],
    /// The window in which at most three corrections are made.
    pub correction_window: Duration,
    /// The first retry after an unanswered request; doubles with each.
    pub backoff_first: Duration,
    /// And no more than this.
    pub backoff_last: Duration,
    /// Between probes with a key that the hub refused, and looks after an answer that can't be read.
    pub refused_probe: Duration,
    /// Between looks while the account can't pay.
    pub payment_probe: Duration,
    /// Between looks past the progress deadline.
    pub overdue_probe: Duration,
    /// The longest that Ready outlives the last answer.
    pub stale_ready: Duration,
}

/// What the shipped operator starts with.
impl Default for Rules {
    fn default() -> Self {
        let minutes = |m: u64| Duration::from_secs(60 * m);
        Self {
            observe_only: false,
            deletion_policy: DeletionPolicy::Deactivate,
            sync_interval: minutes(5),
            progress_deadline: minutes(30),
            transition_first: Duration::from_secs(5),
            transition_last: Duration::from_secs(30),
            operation_patience: Duration::from_secs(120),
            failure_delays: [minutes(1), minutes(5), minutes(15)],
            correction_window: minutes(60),
            backoff_first: Duration::from_secs(1),
            backoff_last: minutes(5),
            refused_probe: minutes(5),
            payment_probe: minutes(15),
            overdue_probe: minutes(1),
            stale_ready: minutes(15),
        }
    }
}

impl Observation<'_> {
    /// The object's status, or the schema's default.
    pub(super) fn status(&self) -> OxenModelStatus {
        self.object.status.clone().unwrap_or_default()
    }

    pub(super) fn generation(&self) -> i64 {
        self.object.metadata.generation.unwrap_or_default()
    }

    pub(super) fn deleting(&self) -> bool {
        self.object.metadata.deletion_timestamp.is_some()
    }

    pub(super) fn has_finalizer(&self) -> bool {
        has_finalizer(self.object)
    }

    pub(super) fn policy(&self) -> DeletionPolicy {
        self.object
            .spec
            .deletion_policy
            .unwrap_or(self.rules.deletion_policy)
    }

    pub(super) fn suspended(&self) -> bool {
        self.rules.observe_only || self.object.spec.suspend == Some(true)
    }

    /// An own one that is shorter than the schema takes would be no pace.
    pub(super) fn sync_interval(&self) -> Duration {
        self.object
            .spec
            .sync_interval
            .map_or(self.rules.sync_interval, |own| {
                own.0.max(SHORTEST_SYNC_INTERVAL)
            })
    }

    pub(super) fn progress_deadline(&self) -> Duration {
        self.object
            .spec
            .progress_deadline
            .map_or(self.rules.progress_deadline, |own| own.0)
    }

    /// The requested reconcile that no pass has answered yet.
    pub(super) fn requested(&self) -> Option<&str> {
        let asked = self
            .object
            .metadata
            .annotations
            .as_ref()?
            .get(crate::api::RECONCILE_ANNOTATION)?;
        let handled = self
            .object
            .status
            .as_ref()
            .and_then(|status| status.last_handled_reconcile_at.as_ref());
        (handled != Some(asked)).then_some(asked.as_str())
    }

    /// How long ago a time in the status was; zero for one to come.
    pub(super) fn since(&self, then: Timestamp) -> Duration {
        Duration::try_from(self.now.duration_since(then)).unwrap_or_default()
    }
}

/// What is wanted of the model now, from the object and the time alone.
#[must_use]
pub fn desired(object: &OxenModel, _now: Timestamp) -> State {
    object.spec.state
}

/// Whether the operator holds this object's deletion.
#[must_use]
pub fn has_finalizer(object: &OxenModel) -> bool {
    object
        .metadata
        .finalizers
        .as_ref()
        .is_some_and(|all| all.iter().any(|one| one == crate::api::FINALIZER))
}
