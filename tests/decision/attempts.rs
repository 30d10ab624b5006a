//! The calls and retries that a generation may make, and what renews them.

use LiveStatus::{Active, Deactivating, Deploying, Error, Inactive};
use OperationKind::Activate;
use oxen_operator::api::{LiveStatus, OperationKind, RECONCILE_ANNOTATION, State};
use testkit::simulation::{Reconciled, Simulation, faults, mins, secs, shows};

use crate::operation::CALLS;

fn declared_active() -> Simulation {
    Simulation::new(State::Active)
}

/// Reconciles once a minute with this live status, until a call is made or 40 minutes have passed.
fn reconcile_until_call(simulation: &mut Simulation, live: LiveStatus) -> Option<Reconciled> {
    (0..40).find_map(|_| {
        simulation.advance(secs(60));
        let reconciled = simulation.reconcile(shows(live));
        reconciled.call().is_some().then_some(reconciled)
    })
}

/// The number of calls that are made while the model keeps this live status, at most 10.
fn count_calls(simulation: &mut Simulation, live: LiveStatus) -> usize {
    (0..10)
        .take_while(|_| reconcile_until_call(simulation, live).is_some())
        .count()
}

/// Reconciles without a call, and returns the summary and the message.
pub fn reconcile_without_call(simulation: &mut Simulation, live: LiveStatus) -> (String, String) {
    let reconciled = simulation.reconcile(shows(live));
    assert_eq!(reconciled.call(), None);
    (reconciled.summary(), reconciled.plan.message)
}

/// A change of what a simulation simulates.
pub type Change = fn(&mut Simulation);

/// What renews the attempts, by name.
const RENEWALS: [(&str, Change); 3] = [
    ("a new generation", |simulation| {
        simulation.edit(|object| object.spec.suspend = Some(false));
    }),
    ("a requested reconcile", |simulation| {
        simulation.request_reconcile("now");
    }),
    ("the desired state", |simulation| {
        // Corrections count for an hour, whatever else is renewed.
        simulation.advance(mins(61));
        simulation.reconcile(shows(Active));
    }),
];

/// Checks that a stalled object stays so for a year of restarts, and that each renewal leads to
/// another call.
pub fn stays_until_renewed(stalled: &Simulation, summary: &str, live: LiveStatus) {
    let mut simulation = stalled.clone();
    for _ in 0..365 {
        simulation.advance(mins(24 * 60));
        simulation.restart();
        assert_eq!(reconcile_without_call(&mut simulation, live).0, summary);
    }
    for (name, renew) in RENEWALS {
        let mut simulation = stalled.clone();
        renew(&mut simulation);
        assert!(
            reconcile_until_call(&mut simulation, live).is_some(),
            "{name} renews nothing"
        );
    }
}

#[test]
fn a_generation_makes_at_most_three_accepted_calls_without_effect() {
    for (kind, desired, before) in CALLS {
        let mut simulation = Simulation::new(desired);
        assert_eq!(count_calls(&mut simulation, before), 3, "{kind}");
        let (summary, message) = reconcile_without_call(&mut simulation, before);
        assert_eq!(summary, "False CallHadNoEffect Stalled");
        assert!(message.contains(RECONCILE_ANNOTATION), "{message}");
        if kind == Activate {
            stays_until_renewed(&simulation, &summary, before);
        }
    }
}

#[test]
fn calls_with_a_transition_in_between_are_counted_too() {
    let mut simulation = declared_active();
    for _ in 0..3 {
        assert!(reconcile_until_call(&mut simulation, Inactive).is_some());
        simulation.reconcile(shows(Deploying));
    }
    assert!(reconcile_until_call(&mut simulation, Inactive).is_none());
    let (summary, _) = reconcile_without_call(&mut simulation, Inactive);
    assert_eq!(summary, "False CallHadNoEffect Stalled");
}

#[test]
fn a_failed_deployment_is_retried_after_1_5_and_15_minutes() {
    for (desired, transition) in [(State::Active, Deploying), (State::Inactive, Deactivating)] {
        let mut simulation = Simulation::new(desired);
        for minutes in [1, 5, 15] {
            let reconciled = simulation.reconcile(shows(Error));
            assert_eq!(reconciled.summary(), "False DeploymentError Reconciling");
            // It is polled in between, because the model may recover without a call.
            assert_eq!(reconciled.plan.requeue.after, mins(1));
            simulation.advance(mins(minutes) - secs(1));
            let early = simulation.reconcile(shows(Error));
            assert_eq!(early.call(), None);
            let requeue = early.plan.requeue;
            assert!(requeue.after <= secs(1), "{requeue:?}");
            simulation.advance(secs(1));
            assert!(
                simulation.reconcile(shows(Error)).call().is_some(),
                "after {minutes} minutes"
            );
            simulation.reconcile(shows(transition));
        }
        let reconciled = simulation.reconcile(shows(Error));
        assert_eq!(reconciled.summary(), "False DeploymentFailed Stalled");
        if desired == State::Active {
            stays_until_renewed(&simulation, "False DeploymentFailed Stalled", Error);
        }
    }
}

#[test]
fn a_deployment_that_stays_failed_is_retried_after_the_same_waits() {
    for desired in [State::Active, State::Inactive] {
        let mut simulation = Simulation::new(desired);
        let mut calls = Vec::new();
        for minute in 0..60 {
            if simulation.reconcile(shows(Error)).call().is_some() {
                calls.push(minute);
            }
            simulation.advance(mins(1));
        }
        assert_eq!(calls, [1, 6, 21], "{desired}");
        assert_eq!(
            simulation.reconcile(shows(Error)).summary(),
            "False DeploymentFailed Stalled"
        );
    }
}

#[test]
fn a_deployment_that_fails_after_the_last_call_is_failed() {
    let mut simulation = declared_active();
    // The call for an inactive model counts too, so two retries are left.
    assert!(reconcile_until_call(&mut simulation, Inactive).is_some());
    for _ in 0..2 {
        simulation.reconcile(shows(Deploying));
        assert!(reconcile_until_call(&mut simulation, Error).is_some());
    }
    simulation.reconcile(shows(Deploying));
    // `DeploymentError` would promise a retry that never comes.
    let (summary, _) = reconcile_without_call(&mut simulation, Error);
    assert_eq!(summary, "False DeploymentFailed Stalled");
    stays_until_renewed(&simulation, "False DeploymentFailed Stalled", Error);
}

#[test]
fn a_requested_reconcile_renews_the_attempts_once_it_is_answered() {
    let mut simulation = declared_active();
    assert_eq!(count_calls(&mut simulation, Inactive), 3);
    simulation.request_reconcile("first");
    for fault in faults("words") {
        simulation.reconcile(Err(fault));
        assert_eq!(simulation.status().last_handled_reconcile_at, None);
    }
    assert_eq!(count_calls(&mut simulation, Inactive), 3);
    let handled = simulation.status().last_handled_reconcile_at;
    assert_eq!(handled.as_deref(), Some("first"));
    simulation.request_reconcile("second");
    assert_eq!(count_calls(&mut simulation, Inactive), 3);
}

#[test]
fn a_requested_reconcile_keeps_an_open_operation() {
    let mut simulation = declared_active();
    simulation.reconcile(shows(Inactive));
    simulation.request_reconcile("now");
    assert_eq!(simulation.reconcile(shows(Inactive)).call(), None);
    assert!(simulation.status().operation.is_some());
}
