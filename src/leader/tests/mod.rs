//! Leader election without a cluster: each rule by itself, and all rules in a simulation.

mod authority;
mod rules;
mod takeover;
mod world;

use std::time::Duration;

use super::{
    authority::Grant,
    machine::{LeaseUpdate, Machine, Step},
    timing::Timing,
    view::{LeaseState, Takeover},
};

/// The durations of the shipped operator.
const TIMING: Timing = Timing {
    lease_duration: Duration::from_secs(30),
    renew_deadline: Duration::from_secs(20),
    retry_period: Duration::from_secs(4),
    takeover_wait: Duration::from_secs(25),
};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn held_by(holder: &str, version: &str, transitions: i32) -> LeaseState {
    LeaseState {
        uid: "lease-1".into(),
        version: version.into(),
        holder: holder.into(),
        transitions,
        duration: TIMING.lease_duration,
        released_by: None,
    }
}

fn released_by_holder(holder: &str, version: &str, transitions: i32) -> LeaseState {
    LeaseState {
        released_by: Some(holder.into()),
        ..held_by("", version, transitions)
    }
}

fn new_machine() -> Machine {
    Machine::new("me".into(), TIMING)
}

/// A machine that has read these Leases at these times. Each response took no time.
fn after_reading(reads: impl IntoIterator<Item = (u64, Option<LeaseState>)>) -> Machine {
    let mut machine = new_machine();
    for (at, found) in reads {
        machine.read(s(at), s(at), found);
    }
    machine
}

/// A machine that has read these Leases at these times, and acquired the Lease at `at`.
fn leading(reads: impl IntoIterator<Item = (u64, Option<LeaseState>)>, at: u64) -> Machine {
    let mut machine = after_reading(reads);
    let update = update_of(machine.next(s(at)));
    machine.wrote(
        s(at),
        s(at),
        Some(held_by("me", "mine", update.transitions)),
    );
    machine
}

/// The update of a step that must be a write.
fn update_of(step: Step) -> LeaseUpdate {
    match step {
        Step::Write(update) => update,
        Step::Read | Step::Wait(_) | Step::Lost(_) => panic!("not a write: {step:?}"),
    }
}
