//! The scenarios with several objects of one model.

use oxen_operator::api::LiveStatus;

use super::{NAME, UUID, few_faults, up_to};
use crate::{
    hub::{Account, HubFailure, Outcome, REFUSALS, Retrieved},
    remaining::Remaining,
    scenario::Scenario,
    start::Start,
    step::Step,
};

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
