//! Objects as the API server keeps them: the production's types, made comparable.
//!
//! The clock stands still at [`NOW`]. What changes are the ages of the times in a status, and only
//! between the few values that a decision can tell apart. This keeps the model finite, and a
//! settled object is the same state an hour later.

use std::{
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::{Arc, LazyLock},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oxen_operator::{
    api::{
        Attempts, Declared, LiveStatus, Operation, OxenModel, OxenModelSpec, OxenModelStatus, State,
    },
    decide::{REFUSALS, Rules},
};

use crate::object_hash::object_hash;

/// The wall clock, which is the same at every step.
pub const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// The rules of the shipped operator. Only the longest wait after a refused call is shorter, so
/// that each tick ends it.
pub static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let rules = Rules::default();
    Rules {
        refusal_last: rules.operation_patience,
        ..rules
    }
});

/// A span of time that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tick {
    /// Enough for the patience of an open operation, for the first wait after a failed deployment,
    /// for each wait after a refused call, and to make an observation too old for a call.
    Minutes,
    /// Enough for every deadline and window.
    Hours,
}

impl Tick {
    /// How long it takes.
    #[must_use]
    pub fn duration(self) -> Duration {
        match self {
            Tick::Minutes => RULES.operation_patience,
            Tick::Hours => RULES.correction_window * 2,
        }
    }

    /// The age of a time that had the age `before`. Minutes add up to no more than their first
    /// tick, because the number of ticks has no limit.
    fn age(self, before: Duration) -> Duration {
        match self {
            Tick::Minutes => before.max(self.duration()),
            Tick::Hours => self.duration(),
        }
    }

    /// Lets a time become older.
    pub(crate) fn shift(self, time: &mut Time) {
        let before = Duration::try_from(NOW.duration_since(time.0)).unwrap_or_default();
        let after = SignedDuration::try_from(self.age(before)).unwrap_or_default();
        time.0 = NOW - after;
    }
}

/// One version of an object. Two versions with the same hash are equal.
#[derive(Clone)]
pub struct Object {
    inner: Arc<OxenModel>,
    hash: u64,
}

impl Object {
    /// A new object. Of two objects, the one with the smaller number is older.
    #[must_use]
    pub fn new(slot: usize, number: u8, model: &str, state: State) -> Self {
        let name = ["first", "second"].get(slot).copied().unwrap_or("other");
        let spec = OxenModelSpec {
            model: model.into(),
            state: state.into(),
            schedule: None,
            deletion_policy: None,
            suspend: None,
            api_key_secret_ref: None,
            sync_interval: None,
            progress_deadline: None,
            idle_shutdown: None,
        };
        let mut object = OxenModel::new(name, spec);
        let metadata = &mut object.metadata;
        metadata.namespace = Some("team".into());
        metadata.uid = Some(format!("{slot}-{number}"));
        metadata.generation = Some(1);
        let age = SignedDuration::from_hours(24) - SignedDuration::from_secs(number.into());
        metadata.creation_timestamp = Some(Time(NOW - age));
        Self::from(object)
    }

    /// A changed copy.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut OxenModel)) -> Self {
        let mut object = self.inner.as_ref().clone();
        change(&mut object);
        Self::from(object)
    }

    /// A changed copy of the next generation.
    #[must_use]
    pub fn edited(&self, change: impl FnOnce(&mut OxenModel)) -> Self {
        self.with(|object| {
            change(object);
            object.metadata.generation = object.metadata.generation.map(|last| last + 1);
        })
    }

    /// The same object after that time. Only the times on which a decision could depend become
    /// older, so that there are fewer states.
    #[must_use]
    pub fn aged(&self, tick: Tick) -> Self {
        let Some(mut status) = self.inner.status.clone() else {
            return self.clone();
        };
        let before = status.clone();
        let retries = status.live == Some(LiveStatus::Error);
        let deploys = status.live == Some(LiveStatus::Deploying);
        if retries || (deploys && tick == Tick::Hours) {
            status.since.iter_mut().for_each(|time| tick.shift(time));
        }
        if tick == Tick::Hours {
            let progressing = status.progressing_since.iter_mut();
            progressing.for_each(|time| tick.shift(time));
        }
        age_calls(&mut status.operation, &mut status.attempts, retries, tick);
        if status == before {
            return self.clone();
        }
        self.with(|object| object.status = Some(status))
    }

    /// The object's status, or the schema's default.
    #[must_use]
    pub fn status_or_default(&self) -> OxenModelStatus {
        self.inner.status.clone().unwrap_or_default()
    }

    /// Returns true when the object is being deleted.
    #[must_use]
    pub fn deleting(&self) -> bool {
        self.inner.metadata.deletion_timestamp.is_some()
    }

    /// Returns true when the hub was last seen to have failed to deploy the model.
    pub(crate) fn failed(&self) -> bool {
        let status = self.inner.status.as_ref();
        status.is_some_and(|status| status.live == Some(LiveStatus::Error))
    }

    /// The state that the model should be in: what the spec declares, and inactive for an object
    /// that is being deleted.
    #[must_use]
    pub fn desired(&self) -> State {
        let active = match self.inner.spec.state {
            Declared::Active => true,
            Declared::Inactive => false,
            Declared::Scheduled => self.is_open(),
        };
        if active && !self.deleting() {
            State::Active
        } else {
            State::Inactive
        }
    }

    /// Returns true when deleting the object turns its model off: nothing says Retain or suspend.
    #[must_use]
    pub fn deactivates(&self) -> bool {
        self.inner.spec.deletion_policy.is_none() && self.inner.spec.suspend != Some(true)
    }

    /// The identity that the hub last answered with.
    #[must_use]
    pub fn identity(&self) -> Option<(&str, &str)> {
        let model = self.inner.status.as_ref()?.model.as_ref()?;
        Some((&model.id, &model.owner))
    }

    /// The id of the open operation.
    #[must_use]
    pub fn operation_id(&self) -> Option<&str> {
        let operation = self.inner.status.as_ref()?.operation.as_ref()?;
        Some(&operation.id)
    }
}

/// Lets the times of an operation and of the attempts become older. The corrections and the
/// operation's start count in hours. The time of the last call counts where `retries` says that the
/// deployment failed, after a refusal, and until the answer to the call is known.
pub(crate) fn age_calls(
    operation: &mut Option<Operation>,
    attempts: &mut Option<Attempts>,
    retries: bool,
    tick: Tick,
) {
    let unanswered = operation
        .as_ref()
        .is_some_and(|open| open.accepted.is_none());
    if let (Tick::Hours, Some(open)) = (tick, operation) {
        tick.shift(&mut open.started);
    }
    let Some(spent) = attempts else { return };
    if retries || unanswered || spent.refusals.is_some() {
        spent.last_call.iter_mut().for_each(|time| tick.shift(time));
    }
    if tick == Tick::Hours {
        let corrections = spent.corrections.iter_mut().flatten();
        corrections.for_each(|time| tick.shift(time));
    }
}

/// Keeps the number of refusals finite. No decision tells greater numbers apart.
pub(crate) fn limit_refusals(spent: &mut Attempts) {
    spent.refusals = spent.refusals.map(|refusals| refusals.min(REFUSALS));
}

impl From<OxenModel> for Object {
    fn from(mut object: OxenModel) -> Self {
        if let Some(status) = &mut object.status {
            status.attempts.iter_mut().for_each(limit_refusals);
        }
        Self {
            hash: object_hash(&object),
            inner: Arc::new(object),
        }
    }
}

impl Deref for Object {
    type Target = OxenModel;

    fn deref(&self) -> &OxenModel {
        &self.inner
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Object {}

impl Hash for Object {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

/// One line with what a reader of a trace needs.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (spec, status) = (&self.inner.spec, self.status_or_default());
        let metadata = &self.inner.metadata;
        write!(
            f,
            "{} g{} {}",
            metadata.uid.as_deref().unwrap_or_default(),
            metadata.generation.unwrap_or_default(),
            spec.state
        )?;
        for (applies, word) in [
            (spec.suspend == Some(true), " suspended"),
            (spec.deletion_policy.is_some(), " retain"),
            (self.inner.has_finalizer(), " finalizer"),
            (self.deleting(), " deleting"),
        ] {
            f.write_str(if applies { word } else { "" })?;
        }
        let conditions: Vec<String> = status
            .conditions
            .iter()
            .map(|one| format!("{}={}/{}", one.type_, one.status, one.reason))
            .collect();
        write!(f, " live {:?} {}", status.live, conditions.join(" "))?;
        if let Some(open) = &status.operation {
            write!(f, " open {} {} {:?}", open.id, open.kind, open.accepted)?;
        }
        let Some(spent) = &status.attempts else {
            return Ok(());
        };
        write!(
            f,
            " attempts {:?}/{:?}/{:?}",
            spent.calls, spent.failures, spent.refusals
        )
    }
}
