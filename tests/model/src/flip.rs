//! A desired state that changes without an edit, as a schedule changes it.
//!
//! The clock stands still, so no window begins or ends. Another schedule takes the place of the one
//! before instead, in all copies of the object at once and without a new generation, and the
//! production judges it.

use std::sync::{Arc, LazyLock};

use oxen_operator::api::{Declared, Schedule};
use serde_json::json;

use crate::{
    object::Object,
    world::{Phase, Stored, World},
};

/// A schedule whose window is always open.
static OPEN: LazyLock<Option<Schedule>> = LazyLock::new(|| schedule("00:00-24:00"));

/// A schedule whose only window has ended long ago.
static CLOSED: LazyLock<Option<Schedule>> = LazyLock::new(|| schedule("2001-01-01 00:00-24:00"));

fn schedule(window: &str) -> Option<Schedule> {
    serde_json::from_value(json!({"timeZone": "UTC", "active": [window]})).ok()
}

impl Object {
    /// The same object with a schedule, which wants its model active at first.
    pub(crate) fn scheduled(&self) -> Self {
        self.with(|object| {
            object.spec.state = Declared::Scheduled;
            object.spec.schedule.clone_from(&OPEN);
        })
    }

    /// The same object when its schedule wants the other state. An object without a schedule stays
    /// as it is.
    pub(crate) fn flipped(&self) -> Self {
        if self.spec.state != Declared::Scheduled {
            return self.clone();
        }
        let schedule = if self.is_open() { &CLOSED } else { &OPEN };
        self.with(|object| object.spec.schedule.clone_from(schedule))
    }

    /// Returns true when the object's schedule wants its model active.
    pub(crate) fn is_open(&self) -> bool {
        self.spec.schedule == *OPEN
    }
}

impl World {
    /// The clock passes a boundary of the object's schedule. So every copy of the object has
    /// another desired state at once, also one that a reconcile has yet to decide on.
    pub(crate) fn flip(&mut self, slot: usize) {
        let stored = self.slots[slot].stored.iter_mut();
        let caches = self.replicas.iter_mut();
        let cached = caches.filter_map(|replica| replica.cache[slot].as_mut());
        for copy in stored.chain(cached) {
            copy.object = copy.object.flipped();
        }
        for replica in &mut self.replicas {
            let open = replica.reconciles[slot].as_mut();
            if let Some(open) = open.filter(|open| open.phase == Phase::Observed) {
                let snapshot = Arc::make_mut(&mut open.snapshot);
                snapshot.object = snapshot.object.flipped();
            }
        }
    }
}

/// Returns true when the object, as the process knows it by now, wants another state than at the
/// decision.
pub(crate) fn is_flipped(known: Option<&Stored>, decided: &Object) -> bool {
    known.is_some_and(|known| known.object.desired() != decided.desired())
}
