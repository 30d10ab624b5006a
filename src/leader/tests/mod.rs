//! Leadership without a cluster: each rule by itself, and all of them in a small world.

mod authority;
mod rules;
mod world;

use std::time::Duration;

use super::machine::{Draft, Machine, Record, Step, Terms};

/// What the shipped operator starts with.
const TERMS: Terms = Terms {
    lease: Duration::from_secs(30),
    renew: Duration::from_secs(20),
    retry: Duration::from_secs(4),
    margin: Duration::from_secs(15),
};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn held_by(holder: &str, version: &str, transitions: i32) -> Record {
    Record {
        uid: "lease-1".into(),
        version: version.into(),
        holder: holder.into(),
        transitions,
        lasts: TERMS.lease,
        released_by: None,
    }
}

fn let_go_by(last: &str, version: &str, transitions: i32) -> Record {
    Record {
        released_by: Some(last.into()),
        ..held_by("", version, transitions)
    }
}

fn me() -> Machine {
    Machine::new("me".into(), TERMS)
}

/// One that has read this, at this time, with no time lost.
fn after_reading(reads: impl IntoIterator<Item = (u64, Option<Record>)>) -> Machine {
    let mut machine = me();
    for (at, found) in reads {
        machine.read(s(at), s(at), found);
    }
    machine
}

/// One that has then taken the Lease, at this time.
fn leading(reads: impl IntoIterator<Item = (u64, Option<Record>)>, at: u64) -> Machine {
    let mut machine = after_reading(reads);
    let draft = written(machine.next(s(at)));
    machine.wrote(s(at), s(at), Some(held_by("me", "mine", draft.transitions)));
    machine
}

fn written(step: Step) -> Draft {
    match step {
        Step::Write(draft) => draft,
        Step::Read | Step::Wait(_) | Step::Lost(_) => panic!("no write: {step:?}"),
    }
}
