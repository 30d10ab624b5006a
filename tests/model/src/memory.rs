//! What a process remembers of one object, as `controller::memory` does. The history is the
//! production's own, reduced to what decisions can tell apart.

use std::{
    hash::{Hash, Hasher},
    time::Duration,
};

use oxen_operator::{
    api::OxenModelStatus,
    decide::{CallOutcome, History, KeyUsed, OperationWatch, Surprise, Tracked},
};

use crate::{
    hub::{RETRY_AFTER, Retrieved},
    object::{Object, RULES, Tick, age_calls, limit_refusals},
    object_hash::{hash_attempts, hash_operation},
};

/// The limit of the number of late observations, which decisions compare with 2.
const COUNTER_LIMIT: u32 = 2;

/// What a process remembers of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// Whether the object's key has retrieved the model. An object's key never changes here.
    pub key_proven: bool,
    /// What earlier observations showed, or `None` before the first one.
    history: Option<History>,
    /// What became of the operation that the process recorded last.
    tracked: HashedTracked,
    /// The object with the last status that the API server did not store as it was sent.
    pub pruned: Option<Object>,
}

/// What became of an operation, with a hash.
#[derive(Clone, Debug, Default, PartialEq)]
struct HashedTracked(Tracked);

impl Eq for HashedTracked {}

impl Hash for HashedTracked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Tracked {
            ids,
            operation,
            attempts,
            activations,
        } = &self.0;
        (ids, activations, operation.is_some()).hash(state);
        let operation = operation.iter();
        operation.for_each(|open| hash_operation(open, state));
        hash_attempts(attempts, state);
    }
}

impl Memory {
    /// Lets time pass. `retries` says that the deployment failed.
    pub(crate) fn advance(&mut self, retries: bool, tick: Tick) {
        if let Some(history) = self.history.take() {
            self.history = Some(advanced(history, tick));
        }
        self.pruned = self.pruned.take().map(|pruned| pruned.aged(tick));
        let tracked = &mut self.tracked.0;
        let mut attempts = Some(std::mem::take(&mut tracked.attempts));
        age_calls(&mut tracked.operation, &mut attempts, retries, tick);
        tracked.attempts = attempts.unwrap_or_default();
    }

    /// Takes an observation into account, and returns the history with it. `object` is as it was
    /// before the observation, and `rivals` are the open operations that its owner waits for.
    pub(crate) fn observe(
        &mut self,
        object: &Object,
        retrieved: Retrieved,
        rivals: &[String],
    ) -> History {
        let key = match retrieved {
            Retrieved::NoKey(_) => KeyUsed::None,
            Retrieved::Base
            | Retrieved::Custom(_)
            | Retrieved::Foreign(..)
            | Retrieved::Failed(_) => {
                if self.key_proven {
                    KeyUsed::Proven
                } else {
                    KeyUsed::Unproven
                }
            }
        };
        let result = retrieved.result();
        let mut history = self.history.take().unwrap_or_default();
        history.observe(object, &result, key, rivals, &RULES);
        let history = normalized(history);
        self.key_proven |= result.is_ok();
        self.history = Some(history.clone());
        history
    }

    /// Remembers what became of the operation with this id: its state and attempts in `status`.
    pub(crate) fn track(&mut self, id: &str, status: &OxenModelStatus) {
        self.tracked.0.track(id, status);
        limit_refusals(&mut self.tracked.0.attempts);
    }

    /// Takes a write into account that is about to be sent.
    pub(crate) fn before_write(&mut self, status: &OxenModelStatus) {
        self.tracked.0.before_write(status);
        limit_refusals(&mut self.tracked.0.attempts);
    }

    /// Takes into account that the API server holds this status.
    pub(crate) fn stored(&mut self, status: &OxenModelStatus) {
        self.tracked.0.stored(status);
        limit_refusals(&mut self.tracked.0.attempts);
    }

    /// The object with what this process knows of its operation and the API server may not.
    pub(crate) fn with_tracked(&self, object: &Object) -> Object {
        match self.tracked.0.applied(object) {
            Some(status) => object.with(|object| object.status = Some(status)),
            None => object.clone(),
        }
    }

    /// Takes a call's outcome into account.
    pub(crate) fn on_outcome(&mut self, outcome: &CallOutcome) {
        if let Some(history) = &mut self.history {
            history.call_ended(outcome);
            history.unsent = 0;
        }
    }

    /// Notes that the object's Secret has changed.
    pub(crate) fn secret_changed(&mut self) {
        if let Some(history) = &mut self.history {
            history.secret_changed = true;
        }
    }

    /// Returns true when the process has observed the object.
    pub(crate) fn has_observed(&self) -> bool {
        self.history.is_some()
    }

    /// The ids of the operations that the process remembers, of this object or another one.
    pub(crate) fn operation_ids(&self) -> impl Iterator<Item = &str> {
        let history = self.history.iter();
        let watched = history.flat_map(|it| it.operation.iter().chain(&it.rivals));
        let tracked = self.tracked.0.ids.iter().map(String::as_str);
        watched.map(|watch| watch.id.as_str()).chain(tracked)
    }
}

fn advanced(mut history: History, tick: Tick) -> History {
    history.advance(tick.duration());
    normalized(history)
}

/// Keeps the state space finite: replaces each value by one that leads to the same decisions. The
/// fields are destructured, so that the compiler rejects a new field that isn't considered.
pub(crate) fn normalized(history: History) -> History {
    let History {
        // Only the requeue time depends on these, and the model has no requeue times.
        failures: _,
        unsent: _,
        failing,
        surprise,
        operation,
        rivals,
        call_wait,
        secret_changed,
        // Only the usage depends on these, and the model's clock stands still.
        watched: _,
        unrecorded: _,
    } = history;
    History {
        failures: 0,
        unsent: 0,
        failing: failing.map(|since| threshold(since, RULES.stale_ready)),
        surprise: surprise.map(|Surprise { kind, elapsed }| Surprise {
            kind,
            elapsed: threshold(elapsed, RULES.confirm_after),
        }),
        operation: operation.map(normalized_watch),
        rivals: rivals.into_iter().map(normalized_watch).collect(),
        call_wait: threshold(call_wait, RETRY_AFTER),
        secret_changed,
        watched: None,
        unrecorded: None,
    }
}

fn normalized_watch(watch: OperationWatch) -> OperationWatch {
    let OperationWatch {
        id,
        elapsed,
        unmoved,
    } = watch;
    OperationWatch {
        id,
        elapsed: threshold(elapsed, RULES.operation_patience),
        unmoved: unmoved.min(COUNTER_LIMIT),
    }
}

/// The limit, where the duration has reached it, and zero otherwise.
fn threshold(duration: Duration, limit: Duration) -> Duration {
    if duration < limit {
        Duration::ZERO
    } else {
        limit
    }
}
