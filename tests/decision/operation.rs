//! An open operation, from its record until it is closed.

use LiveStatus::{Active, Deactivating, Deploying, Error, Inactive, None as NoDeployment, Unknown};
use OperationKind::{Activate, Deactivate};
use oxen_operator::{
    api::{LiveStatus, OperationKind, State},
    decide::{CallOutcome, History, HubFault, OperationWatch},
};
use testkit::simulation::{Simulation, call, hub_faults, mins, secs, shows, summary};

/// The default of `Rules::operation_patience`, in seconds.
const PATIENCE: u64 = 120;

/// Each call, with the desired state and the live status that lead to it.
const CALLS: [(OperationKind, State, LiveStatus); 2] = [
    (Activate, State::Active, Inactive),
    (Deactivate, State::Inactive, Active),
];

fn unknown() -> CallOutcome {
    CallOutcome::unknown("502 Bad Gateway")
}

/// A simulation in which a call was made with this outcome.
fn called(desired: State, before: LiveStatus, outcome: CallOutcome) -> Simulation {
    Simulation::new(desired).with(|simulation| {
        simulation.outcome = outcome;
        assert!(simulation.reconcile(shows(before)).call().is_some());
    })
}

#[test]
fn the_operation_is_recorded_before_the_call_goes_out() {
    for (kind, desired, before) in CALLS {
        let simulation = Simulation::new(desired);
        let plan = simulation.decide(shows(before));
        let record = plan.status.operation.clone().unwrap();
        assert_eq!(call(&plan), Some(kind));
        assert_eq!((record.kind, record.generation), (kind, 1));
        assert_eq!((record.epoch, record.sends, record.accepted), (7, 1, None));
        assert_eq!(record.started.0, simulation.now);
        assert!(!record.id.is_empty());
        let spent = plan.status.attempts.unwrap();
        assert_eq!(
            (spent.sends, spent.last_call.map(|at| at.0)),
            (Some(1), Some(simulation.now))
        );
    }
}

#[test]
fn an_operation_of_unknown_effect_past_the_deadline_stays_open() {
    for (kind, desired, before) in CALLS {
        let mut simulation = called(desired, before, unknown());
        simulation.reconcile(shows(Unknown));
        simulation.advance(mins(31));
        let reconciled = simulation.reconcile(shows(Unknown));
        assert_eq!(
            reconciled.summary(),
            "False ProgressDeadlineExceeded Stalled"
        );
        let open = reconciled.plan.status.operation.clone().unwrap();
        assert_eq!((reconciled.call(), open.kind), (None, kind));
    }
}

#[test]
fn an_open_operation_forbids_another_call_and_ready() {
    for (_, desired, before) in CALLS {
        for outcome in [CallOutcome::Accepted, unknown()] {
            let mut simulation = called(desired, before, outcome);
            for desired in [State::Active, State::Inactive] {
                simulation.edit(|object| object.spec.state = desired);
                for live in [before, Unknown, NoDeployment] {
                    let reconciled = simulation.reconcile(shows(live));
                    assert_eq!(reconciled.call(), None);
                    let summary = reconciled.summary();
                    assert!(!summary.starts_with("True"), "{summary}");
                    assert!(simulation.status().operation.is_some());
                    simulation.advance(secs(5));
                }
            }
        }
    }
}

#[test]
fn an_open_operation_shows_whether_the_hub_accepted_the_call() {
    for (kind, desired, before) in CALLS {
        let reason = match kind {
            Activate => "Activating",
            Deactivate => "Deactivating",
        };
        let mut accepted = called(desired, before, CallOutcome::Accepted);
        assert_eq!(
            accepted.reconcile(shows(before)).summary(),
            format!("False {reason} Reconciling")
        );
        let mut unclear = called(desired, before, unknown());
        assert_eq!(
            unclear.reconcile(shows(before)).summary(),
            "Unknown OutcomeUnknown Reconciling"
        );
    }
}

#[test]
fn the_target_the_transition_and_an_error_close_an_operation() {
    let closing = [[Active, Deploying, Error], [Inactive, Deactivating, Error]];
    for ((kind, desired, before), closing) in CALLS.into_iter().zip(closing) {
        for &live in LiveStatus::ALL {
            for outcome in [CallOutcome::Accepted, unknown()] {
                let mut simulation = called(desired, before, outcome);
                let reconciled = simulation.reconcile(shows(live));
                assert_eq!(reconciled.call(), None);
                let closed = simulation.status().operation.is_none();
                assert_eq!(closed, closing.contains(&live), "{kind}: {live}");
            }
        }
    }
}

#[test]
fn a_refusal_closes_an_operation_at_once() {
    for fault in hub_faults("no") {
        let simulation = called(State::Active, Inactive, CallOutcome::Refused(fault));
        assert_eq!(simulation.status().operation, None);
    }
}

#[test]
fn patience_and_two_late_observations_close_an_operation() {
    // The opposite transition is no effect of the call either.
    let unmoved = [
        [Inactive, Deactivating, NoDeployment],
        [Active, Deploying, Active],
    ];
    for ((kind, desired, before), unmoved) in CALLS.into_iter().zip(unmoved) {
        for live in unmoved {
            for outcome in [CallOutcome::Accepted, unknown()] {
                let mut simulation = called(desired, before, outcome);
                simulation.reconcile(shows(live));
                simulation.advance(secs(PATIENCE - 1));
                simulation.reconcile(shows(live));
                simulation.advance(secs(1));
                simulation.reconcile(shows(live));
                assert!(simulation.status().operation.is_some(), "{kind}: {live}");
                simulation.advance(secs(5));
                let reconciled = simulation.reconcile(shows(live));
                // Either no operation is open now, or a second call has opened another one.
                let operation = reconciled.decided.status.operation;
                assert!(
                    operation.is_none_or(|open| open.sends == 2),
                    "{kind}: {live}"
                );
            }
        }
    }
}

#[test]
fn neither_patience_nor_late_observations_close_it_alone() {
    let simulation = called(State::Active, Inactive, unknown());
    let id = simulation.status().operation.unwrap().id;
    for (elapsed, unmoved, live, closes) in [
        (PATIENCE, 2, Inactive, true),
        (PATIENCE - 1, 2, Inactive, false),
        (PATIENCE, 1, Inactive, false),
        (PATIENCE, 9, Unknown, false),
    ] {
        let elapsed = secs(elapsed);
        let watch = OperationWatch {
            id: id.clone(),
            elapsed,
            unmoved,
        };
        let history = History {
            operation: Some(watch),
            ..simulation.history.clone()
        };
        let plan = simulation.decide_with(history, shows(live));
        assert_eq!(
            call(&plan).is_some(),
            closes,
            "{elapsed:?}, {unmoved}, {live}"
        );
    }
}

#[test]
fn an_unknown_status_and_faults_never_close_an_operation() {
    for retrieved in [
        shows(Unknown),
        Err(HubFault::Unreachable("reset".into()).into()),
    ] {
        let mut simulation = called(State::Active, Inactive, unknown());
        for _ in 0..50 {
            assert_eq!(simulation.reconcile(retrieved.clone()).call(), None);
            simulation.advance(mins(1));
        }
        assert!(simulation.status().operation.is_some());
        // None of these showed the old status, which takes two observations.
        assert_eq!(simulation.reconcile(shows(Inactive)).call(), None);
        assert_eq!(simulation.reconcile(shows(Inactive)).call(), Some(Activate));
    }
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
fn a_crash_before_the_outcome_leaves_an_open_operation() {
    let mut simulation = Simulation::new(State::Active);
    let plan = simulation.reconcile_and_crash(shows(Inactive));
    assert_eq!(call(&plan), Some(Activate));
    let reconciled = simulation.reconcile(shows(Inactive));
    assert_eq!(
        (reconciled.call(), reconciled.summary().as_str()),
        (None, "Unknown OutcomeUnknown Reconciling")
    );
    simulation.advance(secs(10));
    assert_eq!(
        simulation.reconcile(shows(Deploying)).summary(),
        "False Activating Reconciling"
    );
    simulation.advance(secs(10));
    assert_eq!(
        simulation.reconcile(shows(Active)).summary(),
        "True Active -"
    );
    assert_eq!(simulation.status().operation, None);
}

#[test]
fn every_operation_has_its_own_id() {
    let mut simulation = called(State::Active, Inactive, unknown());
    let first = simulation.status().operation.unwrap();
    simulation.reconcile(shows(Inactive));
    simulation.advance(secs(PATIENCE));
    simulation.reconcile(shows(Inactive));
    simulation.reconcile(shows(Inactive));
    let second = simulation.status().operation.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!((first.sends, second.sends), (1, 2));
}

#[test]
fn a_call_that_was_not_sent_leaves_only_its_reason() {
    let mut simulation = Simulation::new(State::Active);
    simulation.outcome = CallOutcome::NotSent("the operator is shutting down");
    for _ in 0..10 {
        let reconciled = simulation.reconcile(shows(Inactive));
        assert_eq!(reconciled.call(), Some(Activate));
        assert_eq!(reconciled.summary(), "False Activating Reconciling");
        let message = &reconciled.plan.message;
        assert!(
            message.contains("was not sent: the operator is shutting down"),
            "{message}"
        );
        assert_eq!(reconciled.plan.requeue.after, secs(1));
        assert_eq!(simulation.status().operation, None);
        assert_eq!(simulation.status().attempts.unwrap().sends, None);
    }
}

#[test]
fn polls_after_an_unknown_outcome_come_after_5_10_20_seconds() {
    let mut simulation = Simulation::new(State::Active);
    simulation.outcome = unknown();
    let mut waits = Vec::new();
    for _ in 0..6 {
        let after = simulation.reconcile(shows(Inactive)).plan.requeue.after;
        waits.push(after.as_secs());
        simulation.advance(after);
    }
    // The process watches the operation from the first observation after the call.
    assert_eq!(waits, [5, 5, 10, 20, 40, 60]);
}

#[test]
fn polls_after_a_second_call_start_as_early_as_after_the_first() {
    for outcome in [CallOutcome::Accepted, unknown()] {
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

#[test]
fn a_new_generation_goes_on_once_an_older_operation_is_closed() {
    let mut simulation = called(State::Active, Inactive, CallOutcome::Accepted);
    simulation.edit(|object| object.spec.state = State::Inactive);
    assert_eq!(simulation.reconcile(shows(Inactive)).call(), None);
    assert_eq!(
        simulation.reconcile(shows(Deploying)).summary(),
        "False WaitingForDeployment Reconciling"
    );
    assert_eq!(simulation.reconcile(shows(Active)).call(), Some(Deactivate));
}

#[test]
fn suspending_does_not_make_an_open_operation_ready() {
    let mut simulation = called(State::Active, Inactive, unknown());
    simulation.edit(|object| {
        object.spec.suspend = Some(true);
        object.spec.state = State::Inactive;
    });
    let reconciled = simulation.reconcile(shows(Inactive));
    assert!(!reconciled.summary().starts_with("True"));
    simulation.advance(secs(PATIENCE));
    simulation.reconcile(shows(Inactive));
    simulation.reconcile(shows(Inactive));
    let plan = simulation.decide(shows(Inactive));
    assert_eq!(summary(&plan), "True Inactive -");
}
