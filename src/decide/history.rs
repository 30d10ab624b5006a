//! What a process remembers of an object's earlier observations.

use std::time::Duration;

use super::{
    effect::{Effect, effect},
    fault::{Fault, HubFault},
    outcome::CallOutcome,
    remote::Remote,
    rules::Rules,
};
use crate::api::{LiveStatus, OperationKind, OxenModel};

/// The number of live GETs that must show no effect after the operation's patience has ended.
const LATE_OBSERVATIONS: u32 = 2;

/// What a process remembers of an object's earlier observations. A restart clears it, which can
/// only make the operator wait longer.
///
/// It has no clock. [`advance`](Self::advance) adds the time that has passed on the process's
/// monotonic clock, so that no wall clocks are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// The number of observations in a row that the hub left unanswered, the last one included.
    pub failures: u32,
    /// The time since the first of the observations in a row that have had no usable answer.
    pub failing: Option<Duration>,
    /// The surprise that the last observation showed, if it showed one.
    pub surprise: Option<Surprise>,
    /// The open operation, if there is one.
    pub operation: Option<OperationWatch>,
    /// The open operations of other objects of the same model.
    pub rivals: Vec<OperationWatch>,
    /// The number of calls in a row that were due and were not sent.
    pub unsent: u32,
    /// The rest of the time for which the hub asked for no other call when it refused one.
    pub call_wait: Duration,
    /// Whether the Secret has changed since the last call, which makes a refused call due at once.
    pub secret_changed: bool,
    /// The time since the last recorded observation that showed the object's model, by whatever
    /// process, or `None` if it is not known.
    pub watched: Option<Duration>,
    /// The time since the last observation, if it showed the object's model and is not recorded.
    pub unrecorded: Option<Duration>,
}

/// Something that an observation shows and that nothing had led to. The operator believes it when
/// two observations in a row show it, some time apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Surprise {
    /// What the observation showed.
    pub kind: SurpriseKind,
    /// The time since it was first shown.
    pub elapsed: Duration,
}

/// The kinds of surprises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SurpriseKind {
    /// The hub refuses a key that has retrieved the model before.
    Unauthenticated,
    /// The hub doesn't know a model that this key has retrieved before.
    NotFound,
    /// The hub lists no deployments, straight after it listed some.
    NoDeployments,
    /// The model of an object that is being deleted became inactive by itself.
    Inactive,
}

/// How long this process has watched an open operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OperationWatch {
    /// The operation's id.
    pub id: String,
    /// The time since this process first saw the operation, or last saw its transition.
    pub elapsed: Duration,
    /// The number of live GETs after [`Rules::operation_patience`] that showed no effect.
    pub unmoved: u32,
}

/// The API key that an observation was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUsed {
    /// No request was sent.
    None,
    /// This key is the one that last retrieved the model.
    Proven,
    /// This key has not retrieved the model yet.
    Unproven,
}

impl OperationWatch {
    /// Returns true when the operator need not wait for the operation any longer.
    #[must_use]
    pub fn is_expired(&self, rules: &Rules) -> bool {
        self.elapsed >= rules.operation_patience && self.unmoved >= LATE_OBSERVATIONS
    }

    fn of(known: Option<Self>, id: &str) -> Self {
        let known = known.filter(|watch| watch.id == id);
        known.unwrap_or_else(|| Self {
            id: id.to_owned(),
            ..Self::default()
        })
    }

    fn observe(&mut self, effect: Effect, rules: &Rules) {
        match effect {
            Effect::Transition => {
                self.elapsed = Duration::ZERO;
                self.unmoved = 0;
            }
            Effect::Target | Effect::Unknown => {}
            Effect::Failed | Effect::None if self.elapsed >= rules.operation_patience => {
                self.unmoved = self.unmoved.saturating_add(1);
            }
            Effect::Failed | Effect::None => {}
        }
    }
}

impl History {
    /// Adds the time that has passed.
    pub fn advance(&mut self, by: Duration) {
        let later = |time: &mut Duration| *time = time.saturating_add(by);
        self.failing.iter_mut().for_each(later);
        self.surprise
            .iter_mut()
            .for_each(|it| later(&mut it.elapsed));
        self.operation
            .iter_mut()
            .for_each(|it| later(&mut it.elapsed));
        self.rivals.iter_mut().for_each(|it| later(&mut it.elapsed));
        self.call_wait = self.call_wait.saturating_sub(by);
        self.watched.iter_mut().for_each(later);
        self.unrecorded.iter_mut().for_each(later);
    }

    /// Takes an observation into account. `object` is as it was before the observation, and
    /// `rivals` has the ids of the open operations of other objects of the same model.
    pub fn observe(
        &mut self,
        object: &OxenModel,
        retrieved: &Result<Box<Remote>, Fault>,
        key: KeyUsed,
        rivals: &[String],
        rules: &Rules,
    ) {
        match (retrieved, key) {
            (Ok(_), _) => {
                self.failures = 0;
                self.failing = None;
            }
            (Err(Fault::Credentials(_)), _) => {}
            (Err(Fault::Hub(_)), used) => {
                self.failing.get_or_insert_default();
                if used != KeyUsed::None {
                    self.failures = self.failures.saturating_add(1);
                }
            }
        }
        if key != KeyUsed::None || retrieved.is_ok() {
            self.surprised(surprise(object, retrieved, key, self.surprise.as_ref()));
        }
        let status = object.status.as_ref();
        let remote = retrieved.as_ref().ok();
        let own = remote.filter(|remote| !is_other(object, remote));
        self.unrecorded = own.map(|_| Duration::ZERO);
        let live = remote.map(|remote| self.believed(object, remote, rules));
        let open = status.and_then(|status| status.operation.as_ref());
        self.operation = open.map(|open| {
            let mut watch = OperationWatch::of(self.operation.take(), &open.id);
            if let Some(live) = live {
                watch.observe(effect(open.kind, live), rules);
            }
            watch
        });
        // A failed observation says nothing about other objects.
        if retrieved.is_ok() {
            self.observe_rivals(rivals, rules);
        }
    }

    fn observe_rivals(&mut self, ids: &[String], rules: &Rules) {
        let mut known = std::mem::take(&mut self.rivals);
        let watches = ids.iter().map(|id| {
            let known = known.extract_if(.., |watch| watch.id == *id).next();
            let mut watch = OperationWatch::of(known, id);
            watch.observe(Effect::None, rules);
            watch
        });
        self.rivals = watches.collect();
    }

    fn surprised(&mut self, kind: Option<SurpriseKind>) {
        let before = self.surprise.take();
        self.surprise = kind.map(|kind| {
            before.filter(|it| it.kind == kind).unwrap_or(Surprise {
                kind,
                elapsed: Duration::ZERO,
            })
        });
    }

    /// Takes into account that the API server has the status that follows from the last
    /// observation. Until then, the time before that observation may still have to be counted as
    /// unseen.
    pub fn recorded(&mut self) {
        self.watched = self.unrecorded.take().or(self.watched);
    }

    /// Takes a call's outcome into account.
    pub fn call_ended(&mut self, outcome: &CallOutcome) {
        let wait = match outcome {
            CallOutcome::NotSent(_) => {
                self.unsent = self.unsent.saturating_add(1);
                return;
            }
            CallOutcome::Refused { wait, .. } => *wait,
            CallOutcome::Accepted | CallOutcome::Unknown { .. } => None,
        };
        self.unsent = 0;
        self.call_wait = wait.unwrap_or_default();
        self.secret_changed = false;
    }

    /// Returns true when the hub has said twice in a row that it doesn't know a model that the same
    /// key has retrieved before.
    #[must_use]
    pub fn has_lost_model(&self, rules: &Rules) -> bool {
        self.surprise.as_ref().is_some_and(|it| {
            it.kind == SurpriseKind::NotFound && it.elapsed >= rules.confirm_after
        })
    }

    /// The live status of the object's model, as far as the operator believes this observation. It
    /// is unknown until an empty list of deployments is confirmed, and where the name stands for
    /// another model.
    fn believed(&self, object: &OxenModel, remote: &Remote, rules: &Rules) -> LiveStatus {
        if is_other(object, remote) || self.is_unconfirmed(SurpriseKind::NoDeployments, rules) {
            LiveStatus::Unknown
        } else {
            remote.live
        }
    }

    /// Returns true while the last observation showed this surprise and it isn't confirmed yet.
    #[must_use]
    pub fn is_unconfirmed(&self, kind: SurpriseKind, rules: &Rules) -> bool {
        self.surprise
            .as_ref()
            .is_some_and(|it| it.kind == kind && it.elapsed < rules.confirm_after)
    }
}

/// Returns true when the name now stands for a different model.
#[must_use]
pub fn is_other(object: &OxenModel, remote: &Remote) -> bool {
    let status = object.status.as_ref();
    let known = status.and_then(|status| status.model.as_ref());
    known.is_some_and(|known| known.identity() != remote.model.identity())
}

/// The surprise that this observation shows, if it shows one.
fn surprise(
    object: &OxenModel,
    retrieved: &Result<Box<Remote>, Fault>,
    key: KeyUsed,
    pending: Option<&Surprise>,
) -> Option<SurpriseKind> {
    let status = object.status.as_ref();
    let before = status.and_then(|status| status.live);
    let operation = status.and_then(|status| status.operation.as_ref());
    let deactivated = before == Some(LiveStatus::Deactivating)
        || operation.is_some_and(|open| open.kind == OperationKind::Deactivate);
    let remote = match retrieved {
        Err(Fault::Hub(HubFault::Unauthenticated)) if key == KeyUsed::Proven => {
            return Some(SurpriseKind::Unauthenticated);
        }
        Err(Fault::Hub(HubFault::ModelNotFound(_))) if key == KeyUsed::Proven => {
            return Some(SurpriseKind::NotFound);
        }
        Err(_) => return None,
        Ok(remote) => remote,
    };
    let deleting = object.metadata.deletion_timestamp.is_some();
    match (remote.live, before) {
        _ if remote.base || deactivated || is_other(object, remote) => None,
        (LiveStatus::None, None | Some(LiveStatus::None)) => None,
        (LiveStatus::None, Some(_)) => Some(SurpriseKind::NoDeployments),
        (LiveStatus::Inactive, None | Some(LiveStatus::Inactive | LiveStatus::None)) => {
            let pending = pending.is_some_and(|it| it.kind == SurpriseKind::Inactive);
            (deleting && pending).then_some(SurpriseKind::Inactive)
        }
        (LiveStatus::Inactive, Some(_)) => deleting.then_some(SurpriseKind::Inactive),
        (
            LiveStatus::Active
            | LiveStatus::Deploying
            | LiveStatus::Deactivating
            | LiveStatus::Error
            | LiveStatus::Unknown,
            _,
        ) => None,
    }
}
