//! Objects as the API server keeps them: the production types, made comparable.
//!
//! The clock stands still at [`NOW`]; what moves are the ages of the times in a status, and only
//! between the few spans that the decision can tell apart. So the model stays finite, and a
//! settled object looks the same an hour later.

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
    api::{OxenModel, OxenModelSpec, OxenModelStatus, State},
    decide::Rules,
};

use crate::mark::mark;

/// The time at every step.
pub const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// The settings of the shipped operator.
pub static RULES: LazyLock<Rules> = LazyLock::new(Rules::default);

/// Time that goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tick {
    /// Enough for an open operation's patience, for a failed deployment's first rest, and to
    /// make a look too old for a call.
    Minutes,
    /// Enough for every deadline and window.
    Hours,
}

impl Tick {
    /// The age of a time that was this old before.
    fn age(self, before: Duration) -> Duration {
        match self {
            Tick::Minutes => before.max(RULES.operation_patience),
            Tick::Hours => RULES.correction_window * 2,
        }
    }

    fn shift(self, time: &mut Time) {
        let before = Duration::try_from(NOW.duration_since(time.0)).unwrap_or_default();
        let after = SignedDuration::try_from(self.age(before)).unwrap_or_default();
        time.0 = NOW - after;
    }
}

/// One version of an object. Two with one mark are the same.
#[derive(Clone)]
pub struct Object {
    inner: Arc<OxenModel>,
    mark: u64,
}

impl Object {
    /// A new object; the one of the smaller `birth` is older.
    #[must_use]
    pub fn new(slot: usize, birth: u8, model: &str, state: State) -> Self {
        let name = ["first", "second"].get(slot).copied().unwrap_or("other");
        let spec = OxenModelSpec {
            model: model.into(),
            state,
            deletion_policy: None,
            suspend: None,
            api_key_secret_ref: None,
            sync_interval: None,
            progress_deadline: None,
        };
        let mut object = OxenModel::new(name, spec);
        let metadata = &mut object.metadata;
        metadata.namespace = Some("team".into());
        metadata.uid = Some(format!("{slot}-{birth}"));
        metadata.generation = Some(1);
        let age = SignedDuration::from_hours(24) - SignedDuration::from_secs(birth.into());
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

    /// A copy whose spec was edited.
    #[must_use]
    pub fn edited(&self, change: impl FnOnce(&mut OxenModel)) -> Self {
        self.with(|object| {
            change(object);
            object.metadata.generation = object.metadata.generation.map(|last| last + 1);
        })
    }

    /// The same object after that time.
    #[must_use]
    pub fn aged(&self, tick: Tick) -> Self {
        if self.inner.status.is_none() {
            return self.clone();
        }
        self.with(|object| {
            let Some(status) = &mut object.status else {
                return;
            };
            let attempts = status.attempts.as_mut();
            let spent = attempts.map(|all| (&mut all.last_call, &mut all.corrections));
            let (last_call, corrections) = spent.unzip();
            let times = status.since.iter_mut();
            let times = times.chain(last_call.into_iter().flatten());
            let times = times.chain(corrections.into_iter().flatten().flatten());
            times.for_each(|time| tick.shift(time));
        })
    }

    /// Its status, or the schema's default.
    #[must_use]
    pub fn seen(&self) -> OxenModelStatus {
        self.inner.status.clone().unwrap_or_default()
    }

    /// It is being deleted.
    #[must_use]
    pub fn deleting(&self) -> bool {
        self.inner.metadata.deletion_timestamp.is_some()
    }

    /// What its spec asks of the model: a deletion asks for inactive.
    #[must_use]
    pub fn wanted(&self) -> State {
        if self.deleting() {
            State::Inactive
        } else {
            self.inner.spec.state
        }
    }

    /// The identity that the hub last answered with.
    #[must_use]
    pub fn identity(&self) -> Option<(&str, &str)> {
        let model = self.inner.status.as_ref()?.model.as_ref()?;
        Some((&model.id, &model.owner))
    }

    /// The name of the call under way.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        let operation = self.inner.status.as_ref()?.operation.as_ref()?;
        Some(&operation.id)
    }
}

impl From<OxenModel> for Object {
    fn from(object: OxenModel) -> Self {
        Self {
            mark: mark(&object),
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
        self.mark == other.mark
    }
}

impl Eq for Object {}

impl Hash for Object {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.mark.hash(state);
    }
}

/// What a reader of a trace wants to know.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (spec, status) = (&self.inner.spec, self.seen());
        let metadata = &self.inner.metadata;
        write!(
            f,
            "{} g{} {}",
            metadata.uid.as_deref().unwrap_or_default(),
            metadata.generation.unwrap_or_default(),
            spec.state
        )?;
        let held = metadata.finalizers.is_some();
        for (is, word) in [
            (spec.suspend == Some(true), " suspended"),
            (spec.deletion_policy.is_some(), " retain"),
            (held, " held"),
            (self.deleting(), " deleting"),
        ] {
            f.write_str(if is { word } else { "" })?;
        }
        let conditions: Vec<String> = status
            .conditions
            .iter()
            .map(|one| format!("{}={}/{}", one.type_, one.status, one.reason))
            .collect();
        write!(f, " sees {:?} {}", status.deployment, conditions.join(" "))?;
        if let Some(open) = &status.operation {
            write!(
                f,
                " open {} {} {:?}",
                open.id, open.direction, open.accepted
            )?;
        }
        let Some(spent) = &status.attempts else {
            return Ok(());
        };
        write!(
            f,
            " spent {:?}/{:?}/{:?}",
            spent.sends, spent.failures, spent.rejections
        )
    }
}
