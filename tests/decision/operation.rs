//! An open operation, from its record until it is closed.

use LiveStatus::{Active, Deactivating, Deploying, Error, Inactive, None as NoDeployment, Unknown};
use OperationKind::{Activate, Deactivate};
use oxen_operator::{
    api::{LiveStatus, Operation, OperationKind, State},
    decide::{CallOutcome, HubFault},
};
use testkit::simulation::{Simulation, call, hub_faults, mins, secs, shows, summary, synced};

/// The default of `Rules::operation_patience`, in seconds.
pub const PATIENCE: u64 = 120;

/// Each call, with the desired state and the live status that lead to it.
pub const CALLS: [(OperationKind, State, LiveStatus); 2] = [
    (Activate, State::Active, Inactive),
    (Deactivate, State::Inactive, Active),
];

pub fn transition(kind: OperationKind) -> LiveStatus {
    match kind {
        Activate => Deploying,
        Deactivate => Deactivating,
    }
}

pub fn target(kind: OperationKind) -> LiveStatus {
    match kind {
        Activate => Active,
        Deactivate => Inactive,
    }
}

pub fn outcomes() -> [CallOutcome; 2] {
    [CallOutcome::Accepted, unknown()]
}

pub fn unknown() -> CallOutcome {
    CallOutcome::unknown("502 Bad Gateway")
}

/// A simulation in which a call was made with this outcome.
pub fn called(desired: State, before: LiveStatus, outcome: CallOutcome) -> Simulation {
    Simulation::new(desired).with(|simulation| {
        simulation.outcome = outcome;
        assert!(simulation.reconcile(shows(before)).call().is_some());
    })
}

pub fn operation(simulation: &Simulation) -> Option<Operation> {
    simulation.status().operation
}

#[test]
fn the_operation_is_recorded_before_the_call_goes_out() {
    for (kind, desired, before) in CALLS {
        let simulation = Simulation::new(desired);
        let plan = simulation.decide(shows(before));
        let record = plan.status.operation.clone().unwrap();
        assert_eq!(call(&plan), Some(kind));
        assert_eq!((record.kind, record.from), (kind, before));
        assert_eq!(record.accepted, None);
        assert_eq!(record.started.0, simulation.now);
        assert!(!record.id.is_empty());
        let spent = plan.status.attempts.unwrap();
        assert_eq!(
            (spent.calls, spent.last_call.map(|at| at.0)),
            (Some(1), Some(simulation.now))
        );
    }
}

#[test]
fn no_call_is_made_where_the_api_server_does_not_store_its_record() {
    for (_, desired, before) in CALLS {
        let mut simulation = Simulation::new(desired);
        simulation.stores_records = false;
        for _ in 0..5 {
            let plan = simulation.reconcile(shows(before)).plan;
            assert_eq!(call(&plan), None);
            assert_eq!(
                (summary(&plan).as_str(), synced(&plan)),
                ("False CRDOutdated Stalled", "True")
            );
            assert!(
                plan.message.contains("oxen-operator crd"),
                "{}",
                plan.message
            );
            assert_eq!(plan.requeue.after, simulation.rules.sync_interval);
            assert_eq!(operation(&simulation), None);
            let spent = simulation.status().attempts.unwrap();
            assert_eq!((spent.calls, spent.last_call), (None, None));
            simulation.advance(mins(5));
        }
        simulation.stores_records = true;
        assert!(simulation.reconcile(shows(before)).call().is_some());
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
    let unmoved = [
        [Inactive, Unknown, Deactivating, NoDeployment],
        [Active, Unknown, Deploying, Active],
    ];
    for ((_, desired, before), unmoved) in CALLS.into_iter().zip(unmoved) {
        for outcome in outcomes() {
            let mut simulation = called(desired, before, outcome);
            for desired in [State::Active, State::Inactive] {
                simulation.edit(|object| object.spec.state = desired.into());
                for live in unmoved {
                    let reconciled = simulation.reconcile(shows(live));
                    assert_eq!(reconciled.call(), None);
                    let summary = reconciled.summary();
                    assert!(!summary.starts_with("True"), "{summary}");
                    assert!(operation(&simulation).is_some());
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
        for live in [before, Unknown] {
            let mut accepted = called(desired, before, CallOutcome::Accepted);
            assert_eq!(
                accepted.reconcile(shows(live)).summary(),
                format!("False {reason} Reconciling")
            );
            let mut unclear = called(desired, before, unknown());
            assert_eq!(
                unclear.reconcile(shows(live)).summary(),
                "Unknown OutcomeUnknown Reconciling"
            );
        }
    }
}

#[test]
fn the_target_and_an_error_close_an_operation_and_nothing_else_does() {
    let closing = [vec![Active, Error], vec![Inactive, NoDeployment, Error]];
    for ((kind, desired, before), closing) in CALLS.into_iter().zip(closing) {
        for &live in LiveStatus::ALL {
            for outcome in outcomes() {
                let mut simulation = called(desired, before, outcome);
                let reconciled = simulation.reconcile(shows(live));
                assert_eq!(reconciled.call(), None);
                let closed = operation(&simulation).is_none();
                assert_eq!(closed, closing.contains(&live), "{kind}: {live}");
            }
        }
    }
}

#[test]
fn an_error_closes_an_operation_only_after_another_word() {
    for desired in [State::Active, State::Inactive] {
        for &between in LiveStatus::ALL {
            let mut simulation = Simulation::new(desired);
            simulation.reconcile(shows(Error));
            simulation.advance(mins(1));
            let kind = simulation.reconcile(shows(Error)).call().unwrap();
            simulation.reconcile(shows(Error));
            assert!(operation(&simulation).is_some(), "{kind}");
            simulation.reconcile(shows(between));
            let closed = simulation.decide(shows(Error)).status.operation.is_none();
            assert_eq!(closed, between != Error, "{kind}: {between}");
        }
    }
}

#[test]
fn a_refusal_closes_an_operation_at_once() {
    for (_, desired, before) in CALLS {
        for fault in hub_faults("no") {
            let simulation = called(desired, before, CallOutcome::refused(fault));
            assert_eq!(operation(&simulation), None);
        }
    }
}

#[test]
fn a_crash_before_the_outcome_leaves_an_open_operation() {
    for (kind, desired, before) in CALLS {
        let mut simulation = Simulation::new(desired);
        let plan = simulation.reconcile_and_crash(shows(before));
        assert_eq!(call(&plan), Some(kind));
        let reconciled = simulation.reconcile(shows(before));
        assert_eq!(
            (reconciled.call(), reconciled.summary().as_str()),
            (None, "Unknown OutcomeUnknown Reconciling")
        );
        simulation.advance(secs(10));
        let moving = simulation.reconcile(shows(transition(kind))).summary();
        assert!(moving.ends_with("ating Reconciling"), "{moving}");
        simulation.advance(secs(10));
        let settled = simulation.reconcile(shows(target(kind))).summary();
        assert!(settled.starts_with("True"), "{settled}");
        assert_eq!(operation(&simulation), None);
    }
}

#[test]
fn a_call_that_was_not_sent_ends_its_operation_and_leaves_only_its_reason() {
    for (kind, desired, before) in CALLS {
        let mut simulation = Simulation::new(desired);
        simulation.outcome = CallOutcome::NotSent("the operator is shutting down");
        for _ in 0..10 {
            let reconciled = simulation.reconcile(shows(before));
            assert_eq!(reconciled.call(), Some(kind));
            let summary = reconciled.summary();
            assert!(summary.ends_with("ating Reconciling"), "{summary}");
            let message = &reconciled.plan.message;
            assert!(
                message.contains("was not sent: the operator is shutting down"),
                "{message}"
            );
            assert_eq!(operation(&simulation), None);
            let spent = simulation.status().attempts.unwrap();
            assert_eq!((spent.calls, spent.last_call), (None, None));
        }
    }
}

/// The reason was shown before, while the call was due and not sent.
#[test]
fn a_call_that_goes_out_late_has_an_event() {
    let late: [fn(&mut Simulation); 2] = [|_| (), Simulation::delete];
    for (kind, desired, before) in CALLS {
        for outcome in outcomes() {
            for change in late {
                let mut simulation = Simulation::new(desired);
                if kind == Deactivate {
                    change(&mut simulation);
                }
                simulation.outcome = CallOutcome::NotSent("this replica waits");
                simulation.reconcile(shows(before));
                simulation.advance(secs(20));
                assert!(!simulation.reconcile(shows(before)).plan.transition);

                simulation.advance(secs(20));
                simulation.outcome = outcome.clone();
                let reconciled = simulation.reconcile(shows(before));
                assert_eq!(reconciled.call(), Some(kind));
                let events = [reconciled.decided.transition, reconciled.plan.transition];
                assert_eq!(events, [false, true], "{:?}", reconciled.plan);
            }
        }
    }
}

#[test]
fn a_call_has_one_event_and_a_retry_that_is_refused_again_has_none() {
    for (_, desired, before) in CALLS {
        let mut simulation = Simulation::new(desired);
        let reconciled = simulation.reconcile(shows(before));
        let events = [reconciled.decided.transition, reconciled.plan.transition];
        assert_eq!(events, [true, false]);

        // The finalizer, which comes first, has none of its own.
        let mut simulation = Simulation::new(desired).without_finalizer();
        let reconciled = simulation.reconcile(shows(before));
        assert!(reconciled.call().is_some());
        let events = [reconciled.decided.transition, reconciled.plan.transition];
        assert_eq!(events, [true, false]);

        let refusal = CallOutcome::refused(HubFault::Forbidden("no".into()));
        let mut simulation = called(desired, before, refusal);
        simulation.advance(mins(15));
        let reconciled = simulation.reconcile(shows(before));
        assert!(reconciled.call().is_some());
        assert!(!reconciled.decided.transition && !reconciled.plan.transition);
    }
}

#[test]
fn a_call_that_was_not_sent_holds_no_deletion() {
    let mut simulation = Simulation::new(State::Active);
    simulation.outcome = CallOutcome::NotSent("the object has changed");
    simulation.reconcile(shows(Inactive));
    simulation.delete();
    simulation.reconcile(shows(Inactive));
    assert!(!simulation.object.has_finalizer());
}

#[test]
fn a_call_that_was_not_sent_keeps_the_refusals_before_it() {
    for (kind, desired, before) in CALLS {
        let refusal = CallOutcome::refused(HubFault::Forbidden("no".into()));
        let mut simulation = called(desired, before, refusal);
        let spent = simulation.status().attempts;
        simulation.outcome = CallOutcome::NotSent("the operator is shutting down");
        simulation.advance(secs(10));
        let reconciled = simulation.reconcile(shows(before));
        assert_eq!(reconciled.call(), Some(kind));
        assert_eq!(reconciled.summary(), "False Forbidden Reconciling");
        assert_eq!(simulation.status().attempts, spent);
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
fn a_new_generation_goes_on_once_an_older_operation_is_closed() {
    let mut simulation = called(State::Active, Inactive, CallOutcome::Accepted);
    simulation.edit(|object| object.spec.state = State::Inactive.into());
    assert_eq!(simulation.reconcile(shows(Inactive)).call(), None);
    assert_eq!(
        simulation.reconcile(shows(Deploying)).summary(),
        "False WaitingForDeployment Reconciling"
    );
    assert_eq!(simulation.reconcile(shows(Active)).call(), Some(Deactivate));

    let mut simulation = called(State::Inactive, Active, CallOutcome::Accepted);
    simulation.edit(|object| object.spec.state = State::Active.into());
    assert_eq!(simulation.reconcile(shows(Active)).call(), None);
    assert_eq!(
        simulation.reconcile(shows(Deactivating)).summary(),
        "False WaitingForDeactivation Reconciling"
    );
    assert_eq!(simulation.reconcile(shows(Inactive)).call(), Some(Activate));
}

#[test]
fn a_suspended_objects_operation_is_followed_to_its_end() {
    for (kind, desired, before) in CALLS {
        let would = match desired {
            State::Active => "False WouldActivate -",
            State::Inactive => "False WouldDeactivate -",
        };
        for outcome in outcomes() {
            let mut simulation = called(desired, before, outcome);
            simulation.edit(|object| object.spec.suspend = Some(true));
            for live in [before, transition(kind), Unknown] {
                let reconciled = simulation.reconcile(shows(live));
                assert_eq!(
                    (reconciled.call(), reconciled.summary().as_str()),
                    (None, would)
                );
                assert_eq!(reconciled.plan.requeue.after, mins(5));
                assert!(operation(&simulation).is_some());
            }
            let mut ended = simulation.clone();
            let settled = ended.reconcile(shows(target(kind))).summary();
            assert!(settled.starts_with("True"), "{settled}");
            assert_eq!(operation(&ended), None);
            simulation.advance(secs(PATIENCE));
            simulation.reconcile(shows(before));
            let reconciled = simulation.reconcile(shows(before));
            assert_eq!(
                (reconciled.call(), reconciled.summary().as_str()),
                (None, would)
            );
            assert_eq!(operation(&simulation), None);
        }
    }
}

#[test]
fn suspending_does_not_make_an_open_operation_ready() {
    let mut simulation = called(State::Active, Inactive, unknown());
    simulation.edit(|object| {
        object.spec.suspend = Some(true);
        object.spec.state = State::Inactive.into();
    });
    let reconciled = simulation.reconcile(shows(Inactive));
    assert_eq!(reconciled.summary(), "False WouldDeactivate -");
    simulation.advance(secs(PATIENCE));
    simulation.reconcile(shows(Inactive));
    simulation.reconcile(shows(Inactive));
    let plan = simulation.decide(shows(Inactive));
    assert_eq!(summary(&plan), "True Inactive -");
}
