//! The scenarios. Each one explores every order of up to `all` faults and human actions, with
//! steps of the operator and the hub, and time, between any two of them.

use oxen_operator::api::LiveStatus;

use crate::{
    decision::Decision,
    hub::{Account, HubFailure, Outcome, REFUSALS, RETRIEVE_FAULTS, Refusing, Retrieved},
    scenario::Scenario,
    start::Start,
    step::Step,
    world::{Pruned, Remaining},
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

/// One object and one process, with every fault.
pub(crate) fn every_fault(all: u8) -> Scenario {
    use Outcome::{AcceptedLate, Delayed, RequestLost, ResponseLost};
    let foreign = Retrieved::Foreign(Account::Second, LiveStatus::Inactive);
    let call_faults = [AcceptedLate, ResponseLost, RequestLost, Delayed];
    Scenario {
        name: "one object, every fault",
        slots: 1,
        objects: 1,
        models: [NAME; 3],
        replicas: 1,
        overlap: true,
        base: false,
        start: Start::New,
        initial: vec![LiveStatus::Inactive],
        limits: Remaining {
            lapses: 0,
            ..up_to(all)
        },
        retrieve_faults: RETRIEVE_FAULTS.into_iter().chain([foreign]).collect(),
        call_faults: call_faults
            .into_iter()
            .chain(REFUSALS.map(Outcome::Refused))
            .collect(),
        changes: vec![
            Step::Drift(LiveStatus::Active),
            Step::Drift(LiveStatus::Inactive),
            Step::Drift(LiveStatus::Error),
            Step::HideDeployments(true),
            Step::ForgetModel,
            Step::SetSecret(0, false),
        ],
        decision: Decision::Production,
        fault_free: false,
    }
}

/// A few faults of each kind, for scenarios with more than one object or process.
pub(crate) fn few_faults(all: u8) -> Scenario {
    Scenario {
        retrieve_faults: vec![Retrieved::Failed(HubFailure::Unreachable)],
        call_faults: vec![
            Outcome::AcceptedLate,
            Outcome::ResponseLost,
            Outcome::RequestLost,
        ],
        changes: vec![
            Step::Drift(LiveStatus::Inactive),
            Step::HideDeployments(true),
        ],
        ..every_fault(all)
    }
}

pub(crate) fn every_status(all: u8) -> Scenario {
    use LiveStatus::{Active, Deploying, Error, None};
    Scenario {
        name: "one object, from every status",
        initial: vec![Active, Deploying, Error, None],
        ..few_faults(all)
    }
}

pub(crate) fn base_model(all: u8) -> Scenario {
    Scenario {
        name: "a base model",
        base: true,
        initial: vec![LiveStatus::None],
        ..few_faults(all)
    }
}

pub(crate) fn calls_without_effect(all: u8) -> Scenario {
    Scenario {
        name: "calls without effect",
        limits: Remaining {
            all,
            call_faults: all,
            crashes: 1,
            requests: 1,
            ..Remaining::default()
        },
        call_faults: vec![
            Outcome::AcceptedLate,
            Outcome::RequestLost,
            Outcome::Refused(HubFailure::Rejected),
        ],
        ..few_faults(all)
    }
}

pub(crate) fn drift(all: u8) -> Scenario {
    Scenario {
        name: "a model that drifts again and again",
        limits: Remaining {
            all,
            changes: all,
            crashes: 1,
            hours: 1,
            ..Remaining::default()
        },
        changes: vec![
            Step::Drift(LiveStatus::Inactive),
            Step::Drift(LiveStatus::Error),
        ],
        initial: vec![LiveStatus::Active],
        ..few_faults(all)
    }
}

pub(crate) fn two_processes(all: u8) -> Scenario {
    Scenario {
        name: "one object, two processes",
        replicas: 2,
        limits: Remaining {
            retrieve_faults: 0,
            changes: 0,
            hours: 0,
            ..up_to(all)
        },
        call_faults: vec![Outcome::RequestLost, Outcome::Delayed],
        ..few_faults(all)
    }
}

pub(crate) fn two_objects(all: u8) -> Scenario {
    Scenario {
        name: "two objects, one process",
        slots: 2,
        objects: 2,
        ..few_faults(all)
    }
}

/// Two objects of one model, with human actions and a hub without faults.
pub(crate) fn human_actions(all: u8) -> Scenario {
    Scenario {
        name: "two objects, human actions",
        limits: Remaining {
            retrieve_faults: 0,
            call_faults: 0,
            changes: 0,
            hours: 0,
            crashes: 1,
            ..up_to(all)
        },
        ..two_objects(all)
    }
}

pub(crate) fn name_and_uuid(all: u8) -> Scenario {
    Scenario {
        name: "two objects, one by name and one by UUID",
        models: [NAME, UUID, NAME],
        call_faults: vec![Outcome::RequestLost],
        changes: vec![Step::SetSecret(0, false)],
        ..two_objects(all)
    }
}

/// The same with the few faults that matter to who owns the model.
pub(crate) fn name_and_uuid_with_few_faults(all: u8) -> Scenario {
    Scenario {
        limits: Remaining {
            all,
            deletions: all,
            crashes: all,
            changes: all,
            ..Remaining::default()
        },
        ..name_and_uuid(all)
    }
}

pub(crate) fn refusals(all: u8) -> Scenario {
    Scenario {
        name: "two objects, refused calls",
        limits: Remaining {
            all,
            call_faults: all,
            retrieve_faults: all,
            deletions: 1,
            ..Remaining::default()
        },
        retrieve_faults: vec![
            Retrieved::Failed(HubFailure::ModelNotFound),
            Retrieved::Foreign(Account::Second, LiveStatus::Inactive),
        ],
        call_faults: REFUSALS.map(Outcome::Refused).to_vec(),
        changes: Vec::new(),
        ..two_objects(all)
    }
}

pub(crate) fn two_of_both(all: u8) -> Scenario {
    Scenario {
        name: "two objects, two processes",
        slots: 2,
        objects: 1,
        replicas: 2,
        limits: up_to(all),
        call_faults: vec![Outcome::RequestLost],
        changes: Vec::new(),
        retrieve_faults: Vec::new(),
        ..few_faults(all)
    }
}

/// A live GET that shows an earlier status, or no deployments at all.
pub(crate) fn reads_that_go_back(all: u8) -> Scenario {
    Scenario {
        name: "reads that go back",
        limits: Remaining {
            all,
            retrieve_faults: all,
            deletions: 1,
            edits: 1,
            crashes: 1,
            ..Remaining::default()
        },
        retrieve_faults: vec![
            Retrieved::Custom(LiveStatus::Inactive),
            Retrieved::Custom(LiveStatus::Deploying),
            Retrieved::Custom(LiveStatus::None),
        ],
        ..few_faults(all)
    }
}

pub(crate) fn unanswered_writes(all: u8) -> Scenario {
    Scenario {
        name: "writes without an answer",
        limits: Remaining {
            all,
            write_faults: all,
            call_faults: 1,
            crashes: 1,
            edits: 1,
            deletions: 1,
            ..Remaining::default()
        },
        call_faults: vec![Outcome::RequestLost, Outcome::Refused(HubFailure::Rejected)],
        ..few_faults(all)
    }
}

/// A name that starts to stand for another model, and people who request reconciles.
pub(crate) fn another_identity(all: u8) -> Scenario {
    Scenario {
        name: "another identity",
        limits: Remaining {
            all,
            retrieve_faults: all,
            requests: 1,
            ..Remaining::default()
        },
        retrieve_faults: vec![
            Retrieved::Foreign(Account::Second, LiveStatus::Inactive),
            Retrieved::Foreign(Account::Third, LiveStatus::Inactive),
            Retrieved::Failed(HubFailure::Unreachable),
        ],
        ..few_faults(all)
    }
}

/// The hub starts to refuse each call.
fn refuse(failure: HubFailure) -> Step {
    Step::RefuseCalls(Some(Refusing {
        failure,
        activates_only: false,
    }))
}

/// A hub that refuses each call until it no longer does, which need never happen.
pub(crate) fn refusals_without_end(all: u8) -> Scenario {
    let reasons = [
        HubFailure::Rejected,
        HubFailure::Forbidden,
        HubFailure::RateLimited,
    ];
    Scenario {
        name: "refusals without end",
        limits: Remaining {
            all,
            changes: 1,
            deletions: 1,
            edits: 1,
            crashes: 1,
            ..Remaining::default()
        },
        changes: reasons.map(refuse).to_vec(),
        ..few_faults(all)
    }
}

/// A hub that refuses each activate call of a model that failed, and accepts deactivate calls.
pub(crate) fn refused_activations(all: u8) -> Scenario {
    let refusing = Refusing {
        failure: HubFailure::Rejected,
        activates_only: true,
    };
    Scenario {
        name: "refused activations",
        initial: vec![LiveStatus::Error],
        changes: vec![Step::RefuseCalls(Some(refusing))],
        ..refusals_without_end(all)
    }
}

/// A CustomResourceDefinition that drops operations or attempts. No process crashes, because only its memory
/// has an operation that was dropped after its call.
pub(crate) fn pruned_records(all: u8) -> Scenario {
    Scenario {
        name: "records that the API server drops",
        limits: Remaining {
            all,
            changes: 1,
            call_faults: 1,
            deletions: 1,
            ..Remaining::default()
        },
        call_faults: vec![Outcome::AcceptedLate],
        changes: [Pruned::Operation, Pruned::Attempts]
            .map(|pruned| Step::Prune(Some(pruned)))
            .to_vec(),
        ..few_faults(all)
    }
}

/// An object whose operation can't be observed any more, and another one that owns the model.
pub(crate) fn unobservable_operation(all: u8) -> Scenario {
    Scenario {
        name: "an operation that can't be observed any more",
        start: Start::Unobservable,
        limits: Remaining {
            all,
            crashes: 1,
            deletions: 1,
            ..Remaining::default()
        },
        ..two_objects(all)
    }
}

/// An object that goes while its call is on its way, and another one that owns the model then.
pub(crate) fn orphaned_operation(all: u8) -> Scenario {
    Scenario {
        name: "an operation whose object is gone",
        start: Start::Leaving,
        limits: Remaining {
            all,
            call_faults: 1,
            edits: 1,
            deletions: 1,
            ..Remaining::default()
        },
        call_faults: vec![Outcome::AcceptedLate],
        ..two_objects(all)
    }
}

/// An object that is deleted, and a new one of the same model, one of whose writes has no answer.
pub(crate) fn a_deletion(all: u8) -> Scenario {
    Scenario {
        name: "a new object, a deletion",
        start: Start::LastNew,
        initial: vec![LiveStatus::Active],
        limits: Remaining {
            all,
            deletions: 1,
            write_faults: all.saturating_sub(1),
            ..Remaining::default()
        },
        ..two_objects(all)
    }
}

/// Two objects of one model that are both deleted, while a write has no answer, or a late one.
pub(crate) fn two_deletions(all: u8) -> Scenario {
    Scenario {
        name: "two objects, deletions",
        start: Start::Settled,
        initial: vec![LiveStatus::Active],
        limits: Remaining {
            all,
            deletions: 2,
            write_faults: 1,
            edits: all.saturating_sub(3),
            ..Remaining::default()
        },
        ..two_objects(all)
    }
}

/// Three objects of one model that are deleted in any order.
pub(crate) fn three_deletions(all: u8) -> Scenario {
    Scenario {
        name: "three objects, deletions",
        slots: 3,
        objects: 3,
        limits: Remaining {
            all,
            deletions: 3,
            write_faults: 1,
            ..Remaining::default()
        },
        ..two_deletions(all)
    }
}

/// A status that a person clears, or replaces by one from another cluster. No process crashes,
/// because only its memory has the operation then.
pub(crate) fn lost_statuses(all: u8) -> Scenario {
    Scenario {
        name: "a status that is lost",
        limits: Remaining {
            all,
            statuses: all,
            call_faults: 1,
            deletions: 1,
            edits: 1,
            ..Remaining::default()
        },
        call_faults: vec![Outcome::AcceptedLate, Outcome::RequestLost],
        ..few_faults(all)
    }
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
