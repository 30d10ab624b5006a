//! A learned warm-up: whatever the durations of activations are, the desired state changes only
//! when the status said that it would, and to inactive only at the end of a window.

use jiff::{SignedDuration, Timestamp};
use oxen_operator::{
    api::{LiveStatus, OperationKind, OxenModel, State, WarmUp},
    decide::desired,
};
use proptest::{collection::vec, prelude::*};
use serde_json::json;
use testkit::simulation::{Simulation, shows};

use crate::{cases, schedule::window};

/// A hub that accepts every call, and whose activations take these numbers of seconds.
struct Hub {
    live: LiveStatus,
    ready: Timestamp,
    durations: Vec<u32>,
    activations: usize,
}

impl Hub {
    fn live(&mut self, now: Timestamp) -> LiveStatus {
        if self.live == LiveStatus::Deploying && now >= self.ready {
            self.live = LiveStatus::Active;
        }
        self.live
    }

    fn call(&mut self, kind: OperationKind, now: Timestamp) {
        self.live = match kind {
            OperationKind::Activate => LiveStatus::Deploying,
            OperationKind::Deactivate => LiveStatus::Inactive,
        };
        let duration = self.durations[self.activations % self.durations.len()];
        self.activations += usize::from(kind == OperationKind::Activate);
        self.ready = now + SignedDuration::from_secs(duration.into());
    }
}

/// Whether a window is open, whatever the warm-up is.
fn is_open(object: &OxenModel, now: Timestamp) -> bool {
    let mut object = object.clone();
    let schedule = object.spec.schedule.as_mut().unwrap();
    schedule.warm_up = None::<WarmUp>;
    desired(&object, now) == State::Active
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn the_desired_state_changes_when_the_status_said_so(
        windows in vec(window(), 1..5),
        durations in vec(0_u32..2_000, 1..9),
        polls in vec(1_i64..20_000, 1..20),
    ) {
        let schedule = json!({"timeZone": "Europe/Berlin", "active": windows, "warmUp": "auto"});
        let spec = json!({"model": "bot", "state": "scheduled", "schedule": schedule});
        let mut simulation = Simulation::new(State::Inactive);
        simulation.object.spec = serde_json::from_value(spec).unwrap();
        simulation.now = "2026-03-25T00:00:00Z".parse().unwrap();
        let mut hub = Hub {
            live: LiveStatus::Inactive,
            ready: simulation.now,
            durations,
            activations: 0,
        };
        for poll in polls.iter().cycle().take(120) {
            let before = simulation.status();
            let until = before.until.map(|until| until.0);
            let poll = simulation.now + SignedDuration::from_secs(*poll);
            let now = until.map_or(poll, |until| until.min(poll));
            simulation.advance(now.duration_since(simulation.now).unsigned_abs());
            let reconciled = simulation.reconcile(shows(hub.live(now)));
            if let Some(kind) = reconciled.call() {
                hub.call(kind, now);
            }
            let after = simulation.status();
            let Some(desired_before) = before.desired else { continue };
            let changed = after.desired != Some(desired_before);
            prop_assert_eq!(changed, until == Some(now), "{} {:?}", now, after);
            if !changed {
                prop_assert_eq!(after.until.map(|until| until.0), until, "{}", now);
                prop_assert_eq!(after.warm_up, before.warm_up, "{}", now);
            } else if after.desired == Some(State::Inactive) {
                let second = SignedDuration::from_secs(1);
                prop_assert!(is_open(&simulation.object, now - second), "{}", now);
                prop_assert!(!is_open(&simulation.object, now), "{}", now);
            }
        }
    }
}
