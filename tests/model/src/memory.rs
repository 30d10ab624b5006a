//! What a process remembers of one object, as `controller::memory` does. The history is the
//! production's own, reduced to what decisions can tell apart.

use std::time::Duration;

use oxen_operator::{
    api::Operation,
    decide::{History, KeyUsed, OperationWatch},
};

use crate::{
    hub::Retrieved,
    object::{RULES, Tick},
};

/// The limit of the counters. Decisions compare them with 2, and counting one further shows that
/// nothing changes beyond that.
const COUNTER_LIMIT: u32 = 3;

/// What a process remembers of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// Whether the object's key has retrieved the model. An object's key never changes here.
    pub key_proven: bool,
    /// What earlier observations showed, or `None` before the first one.
    history: Option<History>,
}

impl Memory {
    /// Lets time pass.
    pub(crate) fn advance(&mut self, tick: Tick) {
        if let Some(history) = self.history.take() {
            self.history = Some(advanced(history, tick));
        }
    }

    /// Takes an observation into account, and returns the history with it.
    pub(crate) fn observe(&mut self, retrieved: Retrieved, open: Option<&Operation>) -> History {
        let key = match retrieved {
            Retrieved::NoKey(_) => KeyUsed::None,
            Retrieved::Base
            | Retrieved::Custom(_)
            | Retrieved::Foreign(_)
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
        history.observe(&result, key, open, &RULES);
        let history = normalized(history);
        self.key_proven |= result.is_ok();
        self.history = Some(history.clone());
        history
    }

    /// Returns true when the process has observed the object.
    pub(crate) fn has_observed(&self) -> bool {
        self.history.is_some()
    }

    /// The id of the operation that the process watches.
    pub(crate) fn operation_id(&self) -> Option<&str> {
        let watch = self.history.as_ref()?.operation.as_ref()?;
        Some(&watch.id)
    }
}

fn advanced(mut history: History, tick: Tick) -> History {
    history.advance(tick.duration());
    normalized(history)
}

/// Keeps the state space finite: replaces each value by one that leads to the same decisions. The
/// fields are destructured, so that the compiler rejects a new field that isn't considered.
fn normalized(history: History) -> History {
    let History {
        // Only the requeue time depends on it, and the model has no requeue times.
        failures: _,
        silence,
        not_found,
        operation,
    } = history;
    History {
        failures: 0,
        silence: threshold(silence, RULES.stale_ready),
        not_found: not_found.min(COUNTER_LIMIT),
        operation: operation.map(|watch| {
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
        }),
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
