//! How long an open operation that shows no effect is waited for.

use LiveStatus::{Active, Deactivating, Deploying, Inactive, None as NoDeployment, Unknown};
use OperationKind::Activate;
use oxen_operator::{
    api::{LiveStatus, OperationKind, State},
    decide::{History, HubFault, OperationWatch},
};
use testkit::simulation::{Simulation, mins, secs, shows, shows_model};

use crate::operation::{CALLS, PATIENCE, called, operation, outcomes, target, transition, unknown};

#[test]
fn patience_and_two_late_observations_close_an_operation() {
    // The opposite transition is no effect of the call either.
    let unmoved = [
        [Inactive, Deactivating, NoDeployment],
        [Active, Deploying, Active],
    ];
    for ((kind, desired, before), unmoved) in CALLS.into_iter().zip(unmoved) {
        for live in unmoved {
            for outcome in outcomes() {
                let mut simulation = called(desired, before, outcome);
                let first = operation(&simulation).unwrap().id;
                simulation.reconcile(shows(live));
                simulation.advance(secs(PATIENCE - 1));
                simulation.reconcile(shows(live));
                simulation.advance(secs(1));
                simulation.reconcile(shows(live));
                assert!(operation(&simulation).is_some(), "{kind}: {live}");
                simulation.advance(secs(5));
                let reconciled = simulation.reconcile(shows(live));
                // Either no operation is open now, or a second call has opened another one.
                let open = reconciled.decided.status.operation;
                assert!(open.is_none_or(|open| open.id != first), "{kind}: {live}");
            }
        }
    }
}

#[test]
fn neither_patience_nor_late_observations_close_it_alone() {
    for (kind, desired, before) in CALLS {
        let simulation = called(desired, before, unknown());
        let id = operation(&simulation).unwrap().id;
        for (elapsed, unmoved, live, closes) in [
            (PATIENCE, 2, before, true),
            (PATIENCE - 1, 2, before, false),
            (PATIENCE, 1, before, false),
            (PATIENCE, 9, Unknown, false),
            (PATIENCE, 9, transition(kind), false),
        ] {
            let watch = OperationWatch {
                id: id.clone(),
                elapsed: secs(elapsed),
                unmoved,
            };
            let history = History {
                operation: Some(watch),
                ..simulation.history.clone()
            };
            let open = simulation
                .decide_with(history, shows(live))
                .status
                .operation;
            let closed = open.is_none_or(|open| open.id != id);
            assert_eq!(closed, closes, "{elapsed}, {unmoved}, {live}");
        }
    }
}

#[test]
fn a_status_that_goes_back_for_a_moment_causes_no_second_call() {
    for (kind, desired, before) in CALLS {
        for outcome in outcomes() {
            let mut simulation = Simulation::new(desired);
            simulation.outcome = outcome;
            let shown = transition(kind);
            let phases = [
                (before, 1),
                (shown, 8),
                (before, 20),
                (shown, 60),
                (before, 100),
            ];
            let mut calls = 0;
            for (live, seconds) in phases {
                for _ in 0..seconds {
                    let reconciled = simulation.reconcile(shows(live));
                    calls += u32::from(reconciled.call().is_some());
                    assert!(!reconciled.summary().starts_with("True"), "{kind}: {live}");
                    simulation.advance(secs(1));
                }
            }
            let settled = simulation.reconcile(shows(target(kind)));
            assert_eq!(calls, 1, "{kind}");
            assert!(settled.summary().starts_with("True"), "{kind}");
            assert_eq!(operation(&simulation), None);
        }
    }
}

#[test]
fn patience_counts_from_the_last_transition() {
    for (kind, desired, before) in CALLS {
        for outcome in outcomes() {
            let mut simulation = called(desired, before, outcome);
            let id = operation(&simulation).unwrap().id;
            for _ in 0..5 {
                simulation.reconcile(shows(before));
                simulation.advance(secs(PATIENCE));
                simulation.reconcile(shows(before));
                simulation.reconcile(shows(transition(kind)));
                simulation.advance(secs(PATIENCE - 1));
                for _ in 0..5 {
                    simulation.reconcile(shows(before));
                }
                assert_eq!(operation(&simulation).unwrap().id, id, "{kind}");
            }
            simulation.advance(secs(1));
            simulation.reconcile(shows(before));
            assert_eq!(operation(&simulation).unwrap().id, id, "{kind}");
            assert_eq!(simulation.reconcile(shows(before)).call(), Some(kind));
        }
    }
}

#[test]
fn a_transition_says_that_the_call_was_taken() {
    for (kind, desired, before) in CALLS {
        let mut simulation = called(desired, before, unknown());
        simulation.reconcile(shows(transition(kind)));
        assert_eq!(operation(&simulation).unwrap().accepted, Some(true));
        for live in [before, Unknown] {
            let summary = simulation.reconcile(shows(live)).summary();
            assert!(summary.ends_with("ating Reconciling"), "{summary}");
        }
        // So its end without an effect is no refusal.
        simulation.advance(secs(PATIENCE));
        simulation.reconcile(shows(before));
        simulation.reconcile(shows(before));
        let spent = simulation.status().attempts.unwrap();
        assert_eq!((spent.calls, spent.refusals), (Some(2), None), "{kind}");
    }
}

#[test]
fn an_unknown_status_and_faults_never_close_an_operation() {
    for (kind, desired, before) in CALLS {
        for retrieved in [
            shows(Unknown),
            Err(HubFault::Unreachable("reset".into()).into()),
            shows_model(false, before, "bot", "other"),
        ] {
            let mut simulation = called(desired, before, unknown());
            for _ in 0..50 {
                assert_eq!(simulation.reconcile(retrieved.clone()).call(), None);
                simulation.advance(mins(1));
            }
            assert!(operation(&simulation).is_some());
            // None of these showed the old status, which takes two observations.
            assert_eq!(simulation.reconcile(shows(before)).call(), None);
            assert_eq!(simulation.reconcile(retrieved).call(), None);
            assert_eq!(simulation.reconcile(shows(before)).call(), Some(kind));
        }
    }
}

#[test]
fn an_empty_list_counts_no_more_than_an_unknown_status_until_it_is_confirmed() {
    let mut simulation = called(State::Active, Inactive, unknown());
    let id = operation(&simulation).unwrap().id;
    simulation.reconcile(shows(Inactive));
    simulation.advance(secs(PATIENCE));
    simulation.reconcile(shows(NoDeployment));
    simulation.reconcile(shows(Inactive));
    assert_eq!(operation(&simulation).unwrap().id, id);
    simulation.reconcile(shows(NoDeployment));
    assert_eq!(operation(&simulation).unwrap().id, id);
    simulation.advance(secs(2));
    let reconciled = simulation.reconcile(shows(NoDeployment));
    assert_eq!(operation(&simulation), None);
    assert_eq!(reconciled.summary(), "False NoDeployment Stalled");
}

#[test]
fn a_restart_starts_the_patience_again() {
    let mut simulation = called(State::Active, Inactive, unknown());
    for _ in 0..10 {
        simulation.reconcile(shows(Inactive));
        simulation.advance(secs(PATIENCE - 1));
        assert_eq!(simulation.reconcile(shows(Inactive)).call(), None);
        simulation.advance(mins(600));
        simulation.restart();
    }
    simulation.reconcile(shows(Inactive));
    simulation.advance(secs(PATIENCE));
    simulation.reconcile(shows(Inactive));
    assert_eq!(simulation.reconcile(shows(Inactive)).call(), Some(Activate));
}

#[test]
fn every_operation_has_its_own_id() {
    for outcome in outcomes() {
        let mut simulation = called(State::Active, Inactive, outcome);
        let first = operation(&simulation).unwrap();
        simulation.reconcile(shows(Inactive));
        simulation.advance(secs(PATIENCE));
        simulation.reconcile(shows(Inactive));
        simulation.reconcile(shows(Inactive));
        let second = operation(&simulation).unwrap();
        assert_ne!(first.id, second.id);
    }
}

#[test]
fn polls_after_a_second_call_start_as_early_as_after_the_first() {
    for outcome in outcomes() {
        let mut simulation = called(State::Active, Inactive, outcome);
        simulation.reconcile(shows(Inactive));
        simulation.advance(secs(PATIENCE));
        simulation.reconcile(shows(Inactive));
        let reconciled = simulation.reconcile(shows(Inactive));
        assert_eq!(
            (reconciled.call(), reconciled.plan.requeue.after),
            (Some(Activate), secs(5))
        );
    }
}
