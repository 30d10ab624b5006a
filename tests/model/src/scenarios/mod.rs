//! The scenarios. Each one explores every order of up to `all` faults and human actions, with
//! steps of the operator and the hub, and time, between any two of them.

mod one;
mod several;

use oxen_operator::api::LiveStatus;

pub(crate) use one::*;
pub(crate) use several::*;

use crate::{
    hub::{HubFailure, Refusing, Retrieved},
    remaining::Remaining,
    scenario::Scenario,
    step::Step,
};

const NAME: &str = "bot";
const UUID: &str = "8f14e45f-ceea-467f-a0e6-5cd1f7ad1d7e";

/// Faults and human actions of all kinds but unanswered writes, which have a scenario of their own.
pub(crate) fn up_to(all: u8) -> Remaining {
    Remaining {
        all,
        edits: 3,
        deletions: 2,
        creations: 1,
        requests: 1,
        crashes: 2,
        lapses: 2,
        retrieve_faults: 3,
        call_faults: 4,
        changes: 4,
        hours: 2,
        ..Remaining::default()
    }
}

/// The hub starts to refuse each call.
fn refuse(failure: HubFailure) -> Step {
    Step::RefuseCalls(Some(Refusing {
        failure,
        activates_only: false,
    }))
}

/// Everything at once: two processes, two objects that are one model by name and by UUID, each with
/// a key of its own, and every fault. It is far too large to explore: random walks go through it.
#[must_use]
pub fn combined() -> Scenario {
    let secrets = [0, 1].map(|slot| Step::SetSecret(slot, false));
    let refusing = [refuse(HubFailure::Rejected)];
    let back = [LiveStatus::Inactive, LiveStatus::None].map(Retrieved::Custom);
    Scenario {
        name: "two objects, two processes, everything",
        slots: 2,
        objects: 2,
        replicas: 2,
        models: [NAME, UUID, NAME],
        // The last leader may write an object's identity late. Until then, a new leader can't tell
        // that the name and the UUID are one model. So the last leader's reconciles end first.
        overlap: false,
        limits: Remaining {
            all: u8::MAX,
            write_faults: 2,
            ..up_to(0)
        },
        changes: [&every_fault(0).changes[..5], &secrets, &refusing].concat(),
        retrieve_faults: [&every_fault(0).retrieve_faults[..], &back].concat(),
        ..every_fault(0)
    }
}
