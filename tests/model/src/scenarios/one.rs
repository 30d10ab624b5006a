//! The scenarios with one object.

use oxen_operator::api::LiveStatus;

use super::{NAME, refuse, up_to};
use crate::{
    decision::Decision,
    hub::{Account, HubFailure, Outcome, REFUSALS, RETRIEVE_FAULTS, Refusing, Retrieved},
    remaining::Remaining,
    scenario::Scenario,
    start::Start,
    step::Step,
    world::Pruned,
};

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

/// A CustomResourceDefinition that drops operations or attempts. No process crashes, because only
/// its memory has an operation that was dropped after its call.
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

/// A desired state that changes without an edit, as often as the bounds allow.
pub(crate) fn flips(all: u8) -> Scenario {
    Scenario {
        name: "a desired state that flips",
        start: Start::Scheduled,
        limits: Remaining {
            all,
            flips: all,
            retrieve_faults: 1,
            call_faults: 1,
            changes: 1,
            crashes: 1,
            edits: 1,
            ..Remaining::default()
        },
        call_faults: vec![Outcome::RequestLost, Outcome::Refused(HubFailure::Rejected)],
        changes: vec![Step::Drift(LiveStatus::Error)],
        ..few_faults(all)
    }
}
