//! Another object of the same model: it owns the model, or its operation is open.

use LiveStatus::{Active, Deactivating, Deploying, Inactive, None as NoDeployment, Unknown};
use OperationKind::{Activate, Deactivate};
use oxen_operator::{
    api::{LiveStatus, OperationKind, State},
    decide::{Action, CallOutcome, HubFault, Owner, Ownership, Pending, Plan},
};
use testkit::simulation::{Simulation, call, mins, secs, shows, summary};

use crate::operation::{CALLS, PATIENCE, called};

const WAITING: &str = "False OperationInProgress Reconciling";

fn pending(id: &str) -> Ownership {
    Ownership::from(Pending {
        operations: vec![id.into()],
        unobserved: false,
    })
}

/// An owner that waits for an object that has not been observed yet.
pub fn unobserved() -> Ownership {
    Ownership::from(Pending {
        unobserved: true,
        ..Pending::default()
    })
}

fn lost(open: bool) -> Ownership {
    Ownership::Lost(Owner {
        name: Some("older".into()),
        open,
    })
}

/// What an owner would do without the other object's operation: a call, Ready, or a release.
fn held_up() -> [(Simulation, LiveStatus); 4] {
    let deleting = Simulation::new(State::Active).with(|simulation| {
        simulation.reconcile(shows(Active));
        simulation.delete();
        simulation.reconcile(shows(Deactivating));
    });
    [
        (Simulation::new(State::Active), Inactive),
        (Simulation::new(State::Inactive), Active),
        (Simulation::new(State::Active), Active),
        (deleting, Inactive),
    ]
}

fn goes_on(plan: &Plan) -> bool {
    call(plan).is_some()
        || summary(plan).starts_with("True")
        || plan.action == Action::RemoveFinalizer
}

#[test]
fn a_model_that_another_object_owns_is_a_conflict_without_a_call() {
    for &live in LiveStatus::ALL {
        for desired in [State::Active, State::Inactive] {
            for open in [false, true] {
                let mut simulation = Simulation::new(desired);
                simulation.ownership = lost(open);
                let reconciled = simulation.reconcile(shows(live));
                assert_eq!(reconciled.summary(), "False Conflict Stalled");
                let message = &reconciled.plan.message;
                assert!(message.contains("\"older\""), "{message}");
                assert_eq!(reconciled.call(), None);
            }
        }
    }
}

#[test]
fn an_owner_in_another_namespace_is_not_named() {
    let mut simulation = Simulation::new(State::Active);
    simulation.ownership = Ownership::Lost(Owner::default());
    let message = simulation.decide(shows(Active)).message;
    assert!(message.contains("in another namespace"), "{message}");
}

#[test]
fn another_objects_operation_holds_up_calls_ready_and_release() {
    for &live in LiveStatus::ALL {
        for desired in [State::Active, State::Inactive] {
            for deleting in [false, true] {
                let mut simulation = Simulation::new(desired);
                if deleting {
                    simulation.delete();
                }
                simulation.ownership = pending("other");
                let reconciled = simulation.reconcile(shows(live));
                assert_eq!(reconciled.summary(), WAITING, "{live}");
                assert_eq!(reconciled.plan.action, Action::Nothing, "{live}");
                let spent = simulation.status().attempts.unwrap();
                assert_eq!((spent.calls, spent.settled), (None, None));
            }
        }
    }
}

#[test]
fn another_objects_operation_is_waited_for_through_the_patience_and_two_gets_and_no_longer() {
    for (mut simulation, live) in held_up() {
        assert!(goes_on(&simulation.decide(shows(live))));
        simulation.ownership = pending("other");
        simulation.reconcile(shows(live));
        for seconds in [60, PATIENCE - 60 - 1, 1] {
            simulation.advance(secs(seconds));
            let reconciled = simulation.reconcile(shows(live));
            assert_eq!(reconciled.summary(), WAITING, "{live}");
        }
        simulation.advance(secs(5));
        assert!(goes_on(&simulation.decide(shows(live))), "{live}");
    }
}

#[test]
fn only_the_owners_own_gets_count() {
    for (mut simulation, live) in held_up() {
        simulation.ownership = pending("other");
        simulation.reconcile(shows(live));
        for _ in 0..10 {
            simulation.advance(secs(PATIENCE));
            simulation.reconcile(Err(HubFault::Unreachable("reset".into()).into()));
        }
        let first = simulation.reconcile(shows(live));
        assert_eq!(first.summary(), WAITING);
        assert!(goes_on(&simulation.decide(shows(live))));
    }
}

#[test]
fn another_operation_and_another_process_start_the_patience_again() {
    let changes: [fn(&mut Simulation); 2] = [
        |simulation| simulation.ownership = pending("another"),
        Simulation::restart,
    ];
    for change in changes {
        for (mut simulation, live) in held_up() {
            simulation.ownership = pending("other");
            simulation.reconcile(shows(live));
            simulation.advance(secs(PATIENCE));
            simulation.reconcile(shows(live));
            change(&mut simulation);
            for _ in 0..3 {
                simulation.advance(secs(PATIENCE / 4));
                let reconciled = simulation.reconcile(shows(live));
                assert_eq!(reconciled.summary(), WAITING);
            }
        }
    }
}

#[test]
fn an_operation_that_ended_holds_up_nothing() {
    for (mut simulation, live) in held_up() {
        simulation.ownership = pending("other");
        simulation.reconcile(shows(live));
        simulation.ownership = Ownership::Owned;
        assert!(goes_on(&simulation.decide(shows(live))), "{live}");
    }
}

#[test]
fn an_object_that_was_not_observed_is_waited_for_without_end() {
    for (mut simulation, live) in held_up() {
        simulation.ownership = unobserved();
        for _ in 0..20 {
            assert!(!goes_on(&simulation.decide(shows(live))));
            simulation.reconcile(shows(live));
            simulation.advance(secs(PATIENCE));
        }
    }
}

#[test]
fn the_owners_operation_ends_the_one_of_an_object_that_lost_the_model() {
    for (_, desired, before) in CALLS {
        for outcome in [CallOutcome::Accepted, CallOutcome::unknown("cut")] {
            for live in [before, Unknown] {
                let mut simulation = called(desired, before, outcome.clone());
                simulation.ownership = lost(false);
                let reconciled = simulation.reconcile(shows(live));
                assert!(simulation.status().operation.is_some());
                assert_ne!(reconciled.summary(), "False Conflict Stalled");
                simulation.ownership = lost(true);
                let reconciled = simulation.reconcile(shows(live));
                assert_eq!(simulation.status().operation, None);
                assert_eq!(reconciled.summary(), "False Conflict Stalled");
            }
        }
    }
}

#[test]
fn an_operation_that_waits_for_another_object_is_followed_all_the_same() {
    for (kind, desired, before) in CALLS {
        let target = match kind {
            Activate => Active,
            Deactivate => Inactive,
        };
        let mut simulation = called(desired, before, CallOutcome::Accepted);
        simulation.ownership = pending("other");
        simulation.reconcile(shows(before));
        assert!(simulation.status().operation.is_some());
        assert_eq!(simulation.reconcile(shows(target)).summary(), WAITING);
        assert_eq!(simulation.status().operation, None);
    }
}

#[test]
fn a_deleted_object_that_lost_the_model_is_released_once_its_transition_was_seen() {
    for (desired, before, live, released) in [
        (State::Active, Inactive, Inactive, false),
        (State::Active, Inactive, Unknown, false),
        (State::Active, Inactive, Deactivating, false),
        (State::Active, Inactive, Deploying, true),
        (State::Active, Inactive, Active, true),
        (State::Inactive, Active, Active, false),
        (State::Inactive, Active, Unknown, false),
        (State::Inactive, Active, Deploying, false),
        (State::Inactive, Active, Deactivating, true),
        (State::Inactive, Active, Inactive, true),
        (State::Inactive, Active, NoDeployment, true),
    ] {
        let mut simulation = called(desired, before, CallOutcome::unknown("cut"));
        simulation.delete();
        simulation.ownership = lost(false);
        assert_eq!(simulation.unobserved(), None);
        simulation.reconcile(shows(live));
        assert_eq!(!simulation.object.has_finalizer(), released, "{live}");
        if !released {
            // It is released too when the owner records its own operation.
            simulation.ownership = lost(true);
            simulation.reconcile(shows(live));
            assert!(!simulation.object.has_finalizer(), "{live}");
        }
    }
}

#[test]
fn a_deleted_object_that_lost_the_model_is_released_when_its_patience_ends() {
    for (_, desired, before) in CALLS {
        let mut simulation = called(desired, before, CallOutcome::unknown("cut"));
        simulation.delete();
        simulation.ownership = lost(false);
        simulation.reconcile(shows(before));
        simulation.advance(secs(PATIENCE));
        for _ in 0..2 {
            assert!(simulation.object.has_finalizer());
            simulation.reconcile(shows(before));
        }
        assert!(!simulation.object.has_finalizer());
    }
}

#[test]
fn waiting_for_another_object_past_the_deadline_is_stalled() {
    let mut simulation = Simulation::new(State::Active);
    simulation.ownership = unobserved();
    simulation.reconcile(shows(Inactive));
    simulation.advance(mins(31));
    assert_eq!(
        simulation.reconcile(shows(Inactive)).summary(),
        "False ProgressDeadlineExceeded Stalled"
    );
}

#[test]
fn each_of_two_operations_is_waited_for_with_its_own_patience() {
    for (mut simulation, live) in held_up() {
        let both = Pending {
            operations: vec!["first".into(), "second".into()],
            unobserved: false,
        };
        simulation.ownership = pending("first");
        simulation.reconcile(shows(live));
        simulation.advance(secs(PATIENCE));
        // The second one begins when the first one's patience has ended.
        simulation.ownership = Ownership::from(both);
        for _ in 0..3 {
            assert!(!goes_on(&simulation.decide(shows(live))), "{live}");
            simulation.reconcile(shows(live));
        }
        simulation.advance(secs(PATIENCE));
        simulation.reconcile(shows(live));
        assert!(goes_on(&simulation.decide(shows(live))), "{live}");
    }
}

#[test]
fn an_observation_that_fails_does_not_start_the_patience_again() {
    for (mut simulation, live) in held_up() {
        simulation.ownership = pending("other");
        simulation.reconcile(shows(live));
        simulation.advance(secs(PATIENCE));
        simulation.reconcile(shows(live));
        // The ownership is judged by the identity that the hub shows, so a fault has none.
        simulation.ownership = Ownership::Owned;
        simulation.reconcile(Err(HubFault::Unreachable("reset".into()).into()));
        simulation.ownership = pending("other");
        assert!(goes_on(&simulation.decide(shows(live))), "{live}");
    }
}
