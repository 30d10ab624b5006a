//! Leadership without a cluster: each rule by itself, and all of them in a small world.

mod authority;
mod rules;
mod world;

use std::time::Duration;

use super::machine::{LeaseState, LeaseUpdate, Machine, Step, Timing};

/// What the shipped operator starts with.
const TIMING: Timing = Timing {
    lease_duration: Duration::from_secs(30),
    renew_deadline: Duration::from_secs(20),
    retry_period: Duration::from_secs(4),
    takeover_margin: Duration::from_secs(15),
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

fn released_by_holder(last: &str, version: &str, transitions: i32) -> LeaseState {
    LeaseState {
        released_by: Some(last.into()),
        ..held_by("", version, transitions)
    }
}

fn me() -> Machine {
    Machine::new("me".into(), TIMING)
}

/// One that has read this, at this time, with no time lost.
fn after_reading(reads: impl IntoIterator<Item = (u64, Option<LeaseState>)>) -> Machine {
    let mut machine = me();
    for (at, found) in reads {
        machine.read(s(at), s(at), found);
    }
    machine
}

/// One that has then taken the Lease, at this time.
fn leading(reads: impl IntoIterator<Item = (u64, Option<LeaseState>)>, at: u64) -> Machine {
    let mut machine = after_reading(reads);
    let update = written(machine.next(s(at)));
    machine.wrote(
        s(at),
        s(at),
        Some(held_by("me", "mine", update.transitions)),
    );
    machine
}

fn written(step: Step) -> LeaseUpdate {
    match step {
        Step::Write(update) => update,
        Step::Read | Step::Wait(_) | Step::Lost(_) => panic!("no write: {step:?}"),
    }
}
