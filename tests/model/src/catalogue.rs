//! The scenarios. Each one explores every order of up to `all` faults and human actions, with
//! steps of the operator and the hub, and time, between any two of them.

use oxen_operator::api::LiveStatus;

use crate::{
    decision::{Decision, Mutation},
    hub::{HubFailure, Outcome, REFUSALS, RETRIEVE_FAULTS, Retrieved},
    scenario::Scenario,
    step::Step,
    step_log::Rule,
    world::Remaining,
};

const NAME: &str = "bot";
const UUID: &str = "8f14e45f-ceea-467f-a0e6-5cd1f7ad1d7e";

/// Faults and human actions of all kinds but unanswered writes, which have a scenario of their own.
fn up_to(all: u8) -> Remaining {
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
fn every_fault(all: u8) -> Scenario {
    use Outcome::{AcceptedLate, Delayed, RequestLost, ResponseLost};
    let foreign = Retrieved::Foreign(LiveStatus::Inactive);
    let call_faults = [AcceptedLate, ResponseLost, RequestLost, Delayed];
    Scenario {
        name: "one object, every fault",
        slots: 1,
        objects: 1,
        models: [NAME, NAME],
        replicas: 1,
        overlap: true,
        base: false,
        unobservable: false,
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
fn few_faults(all: u8) -> Scenario {
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

fn every_status(all: u8) -> Scenario {
    use LiveStatus::{Active, Deploying, Error, None};
    Scenario {
        name: "one object, from every status",
        initial: vec![Active, Deploying, Error, None],
        ..few_faults(all)
    }
}

fn base_model(all: u8) -> Scenario {
    Scenario {
        name: "a base model",
        base: true,
        initial: vec![LiveStatus::None],
        ..few_faults(all)
    }
}

fn calls_without_effect(all: u8) -> Scenario {
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

fn drift(all: u8) -> Scenario {
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

fn two_processes(all: u8) -> Scenario {
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

fn two_objects(all: u8) -> Scenario {
    Scenario {
        name: "two objects, one process",
        slots: 2,
        objects: 2,
        ..few_faults(all)
    }
}

/// Two objects of one model, with human actions and a hub without faults.
fn human_actions(all: u8) -> Scenario {
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

fn name_and_uuid(all: u8) -> Scenario {
    Scenario {
        name: "two objects, one by name and one by UUID",
        models: [NAME, UUID],
        call_faults: vec![Outcome::RequestLost],
        changes: vec![Step::SetSecret(0, false)],
        ..two_objects(all)
    }
}

fn refusals(all: u8) -> Scenario {
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
            Retrieved::Foreign(LiveStatus::Inactive),
        ],
        call_faults: REFUSALS.map(Outcome::Refused).to_vec(),
        changes: Vec::new(),
        ..two_objects(all)
    }
}

fn two_of_both(all: u8) -> Scenario {
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
fn reads_that_go_back(all: u8) -> Scenario {
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

fn unanswered_writes(all: u8) -> Scenario {
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
fn another_identity(all: u8) -> Scenario {
    Scenario {
        name: "another identity",
        limits: Remaining {
            all,
            retrieve_faults: all,
            requests: 1,
            ..Remaining::default()
        },
        retrieve_faults: vec![
            Retrieved::Foreign(LiveStatus::Inactive),
            Retrieved::Failed(HubFailure::Unreachable),
        ],
        ..few_faults(all)
    }
}

/// A hub that refuses each call until it no longer does, which need never happen.
fn refusals_without_end(all: u8) -> Scenario {
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
        changes: reasons
            .map(|reason| Step::RefuseCalls(Some(reason)))
            .to_vec(),
        ..few_faults(all)
    }
}

/// A CustomResourceDefinition that drops operations. No process crashes, because only its memory
/// has an operation that was dropped after its call.
fn pruned_records(all: u8) -> Scenario {
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
        changes: vec![Step::PruneOperations(true)],
        ..few_faults(all)
    }
}

/// An object whose operation can't be observed any more, and another one that owns the model.
fn unobservable_operation(all: u8) -> Scenario {
    Scenario {
        name: "an operation that can't be observed any more",
        unobservable: true,
        limits: Remaining {
            all,
            crashes: 1,
            deletions: 1,
            ..Remaining::default()
        },
        ..two_objects(all)
    }
}

/// Two objects of one model that are deleted, one of which may be told to leave the model as it is.
fn two_deletions(all: u8) -> Scenario {
    Scenario {
        name: "two objects, deletions",
        limits: Remaining {
            all,
            deletions: 2,
            edits: 1,
            ..Remaining::default()
        },
        ..two_objects(all)
    }
}

/// The scenarios of every test run.
#[must_use]
pub fn bounded() -> Vec<Scenario> {
    vec![
        every_fault(2),
        every_status(2),
        base_model(2),
        calls_without_effect(4),
        drift(4),
        two_processes(1),
        two_objects(1),
        name_and_uuid(1),
        refusals(1),
        two_of_both(1),
        reads_that_go_back(2),
        unanswered_writes(2),
        another_identity(3),
        refusals_without_end(2),
        pruned_records(2),
        unobservable_operation(0),
    ]
}

/// The same with wider bounds, which take an hour or more. Two objects with two faults of any kind
/// are too much for any machine: random walks cover that.
#[must_use]
pub fn deep() -> Vec<Scenario> {
    vec![
        every_fault(3),
        every_status(3),
        base_model(3),
        calls_without_effect(7),
        drift(7),
        two_processes(2),
        human_actions(2),
        name_and_uuid(1),
        refusals(2),
        two_of_both(1),
        reads_that_go_back(3),
        unanswered_writes(3),
        another_identity(4),
        refusals_without_end(3),
        pruned_records(3),
        unobservable_operation(1),
        two_deletions(2),
    ]
}

/// Everything at once: two processes, two objects that are one model by name and by UUID, each with
/// a key of its own, and every fault. It is far too large to explore: random walks go through it.
#[must_use]
pub fn combined() -> Scenario {
    let secrets = [0, 1].map(|slot| Step::SetSecret(slot, false));
    let refusing = [Step::RefuseCalls(Some(HubFailure::Rejected))];
    let back = [LiveStatus::Inactive, LiveStatus::None].map(Retrieved::Custom);
    Scenario {
        name: "two objects, two processes, everything",
        slots: 2,
        objects: 2,
        replicas: 2,
        models: [NAME, UUID],
        // The last leader may write an object's identity late. Until then, a new leader can't tell
        // that the name and the UUID are one model. So the last leader's reconciles end first.
        overlap: false,
        limits: Remaining {
            all: u8::MAX,
            ..up_to(0)
        },
        changes: [&every_fault(0).changes[..5], &secrets, &refusing].concat(),
        retrieve_faults: [&every_fault(0).retrieve_faults[..], &back].concat(),
        ..every_fault(0)
    }
}

/// The scenarios in whose states the liveness check begins.
#[must_use]
pub fn liveness() -> Vec<Scenario> {
    vec![
        every_fault(1),
        every_status(1),
        base_model(1),
        calls_without_effect(3),
        drift(3),
        two_processes(1),
        two_objects(0),
        two_of_both(1),
        reads_that_go_back(1),
        unanswered_writes(1),
        refusals_without_end(1),
        pruned_records(1),
        unobservable_operation(0),
    ]
}

/// The scenario in which a seeded fault is found, and the rule that it breaks. A fault without a
/// rule is found by the liveness check.
#[must_use]
pub fn seeded(mutation: Mutation) -> (Scenario, Option<Rule>) {
    let (scenario, rule) = match mutation {
        Mutation::CallOnUnknown => (few_faults(1), Rule::NoCallOnUnknown),
        Mutation::UnknownReadAsInactive => (few_faults(2), Rule::ReleasedByTheRules),
        Mutation::CallBeforeRecord => (few_faults(0), Rule::RecordedBeforeCall),
        Mutation::CallWithoutOwnership => (two_objects(0), Rule::OwnerOnly),
        Mutation::CallWhileOperationOpen | Mutation::OperationExpiresAtOnce => {
            (few_faults(1), Rule::OneCallAtATime)
        }
        Mutation::ReadyWhileUnreachable => (few_faults(1), Rule::ReadyAsDeclared),
        Mutation::ReadyKeptForNewGeneration => (every_fault(2), Rule::ReadyAsDeclared),
        Mutation::ReadyOnAcceptedCall => (few_faults(0), Rule::NoReadyWhileOpen),
        Mutation::FinalizerRemovedWhileDeactivating => (few_faults(1), Rule::ReleasedByTheRules),
        Mutation::CallBeforeFinalizer => (few_faults(0), Rule::FinalizerBeforeCall),
        Mutation::SuspensionIgnored => (few_faults(1), Rule::NoCallWhileSuspended),
        Mutation::AttemptsRenewedByRestart => (calls_without_effect(4), Rule::CallsBounded),
        Mutation::CorrectionsForgotten => (drift(4), Rule::CorrectionsBounded),
        Mutation::ReleaseOnAcceptedCall => (few_faults(1), Rule::ReleasedOnObservation),
        Mutation::ReleaseOnFirstNotFound => (every_fault(2), Rule::ReleasedByTheRules),
        Mutation::ResourceVersionIgnored => (few_faults(1), Rule::RecordedOnDecidedObject),
        Mutation::LeadershipIgnored => (two_processes(1), Rule::LeaderOnly),
        Mutation::ReconcilingAndStalled => (few_faults(0), Rule::OneProgressCondition),
        Mutation::YieldsToNobody => (few_faults(1), Rule::LastReleaseTurnsOff),
        Mutation::TransitionEndsOperation => (reads_that_go_back(1), Rule::NoSecondCall),
        Mutation::TrackedOperationForgotten => (pruned_records(2), Rule::NoSecondCall),
        Mutation::PendingRequestAcceptsIdentity => {
            (another_identity(2), Rule::IdentityAcceptedKnowingly)
        }
        Mutation::OutdatedSpecIgnored => (few_faults(1), Rule::CallOnKnownSpec),
        Mutation::PrunedRecordIgnored => (pruned_records(1), Rule::RecordedBeforeCall),
        Mutation::RivalNeverExpires => return (mutant(unobservable_operation(0), mutation), None),
        Mutation::RefusalsEnd => return (mutant(refusals_without_end(1), mutation), None),
        Mutation::OperationNeverExpires => return (mutant(few_faults(1), mutation), None),
        Mutation::StatusAlwaysChanges => return (mutant(few_faults(0), mutation), None),
    };
    (mutant(scenario, mutation), Some(rule))
}

fn mutant(scenario: Scenario, mutation: Mutation) -> Scenario {
    Scenario {
        decision: Decision::Mutant(mutation),
        ..scenario
    }
}
