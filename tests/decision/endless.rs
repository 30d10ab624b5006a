//! Deployments that don't end, and that nobody wants any more.

use LiveStatus::{Deactivating, Deploying, Inactive};
use OperationKind::{Activate, Deactivate};
use oxen_operator::{
    api::{LiveStatus, OperationKind, State},
    decide::{CallOutcome, HubFault},
};
use testkit::simulation::{Simulation, mins, secs, shows};

use crate::operation::{called, operation};

const EXCEEDED: &str = "False ProgressDeadlineExceeded Stalled";

/// A model declared inactive that has been deploying since this object's activate call, for longer
/// than the progress deadline.
fn overdue_deployment() -> Simulation {
    called(State::Active, Inactive, CallOutcome::Accepted).with(|simulation| {
        simulation.reconcile(shows(Deploying));
        simulation.edit(|object| object.spec.state = State::Inactive.into());
        simulation.reconcile(shows(Deploying));
        simulation.advance(mins(31));
    })
}

#[test]
fn an_endless_deployment_gets_one_deactivate_past_the_deadline() {
    let mut simulation = Simulation::new(State::Inactive);
    assert_eq!(simulation.reconcile(shows(Deploying)).call(), None);
    simulation.advance(mins(31));
    assert_eq!(
        simulation.reconcile(shows(Deploying)).call(),
        Some(Deactivate)
    );
    for _ in 0..100 {
        simulation.advance(mins(1));
        assert_eq!(simulation.reconcile(shows(Deploying)).call(), None);
    }
    for (live, expected) in [
        (Deploying, EXCEEDED),
        (Deactivating, EXCEEDED),
        (Inactive, "True Inactive -"),
    ] {
        assert_eq!(simulation.reconcile(shows(live)).summary(), expected);
    }
}

#[test]
fn an_endless_deployment_is_deactivated_although_its_activate_operation_is_open() {
    let mut simulation = overdue_deployment();
    let open = operation(&simulation).unwrap();
    assert_eq!((open.kind, open.accepted), (Activate, Some(true)));
    let reconciled = simulation.reconcile(shows(Deploying));
    assert_eq!(reconciled.call(), Some(Deactivate));
    let open = operation(&simulation).unwrap();
    assert_eq!((open.kind, open.from), (Deactivate, Deploying));
    // An object that is being deleted does the same.
    let mut deleted = called(State::Active, Inactive, CallOutcome::Accepted);
    deleted.reconcile(shows(Deploying));
    deleted.delete();
    deleted.advance(mins(30));
    assert_eq!(deleted.reconcile(shows(Deploying)).call(), None);
    deleted.advance(secs(1));
    assert_eq!(deleted.reconcile(shows(Deploying)).call(), Some(Deactivate));
}

#[test]
fn an_endless_deployment_is_deactivated_once_for_each_generation() {
    let mut simulation = overdue_deployment();
    for generation in 0..3 {
        let mut calls = 0;
        for _ in 0..60 {
            let reconciled = simulation.reconcile(shows(Deploying));
            calls += u32::from(reconciled.call().is_some());
            simulation.advance(mins(1));
        }
        assert_eq!(calls, 1, "{generation}");
        simulation.edit(|object| object.spec.suspend = Some(false));
    }
}

#[test]
fn an_endless_deployment_declared_active_is_never_called() {
    let mut simulation = called(State::Active, Inactive, CallOutcome::Accepted);
    for _ in 0..60 {
        assert_eq!(simulation.reconcile(shows(Deploying)).call(), None);
        simulation.advance(mins(1));
    }
    assert_eq!(
        simulation.reconcile(shows(Deploying)).summary(),
        "False ProgressDeadlineExceeded Stalled"
    );
}

#[test]
fn the_activate_operation_stays_open_where_the_deactivate_call_has_no_effect() {
    let activate = operation(&overdue_deployment());
    for outcome in [
        CallOutcome::NotSent("late"),
        CallOutcome::refused(HubFault::Rejected("busy".into())),
    ] {
        let mut simulation = overdue_deployment();
        simulation.outcome = outcome;
        assert!(simulation.reconcile(shows(Deploying)).call().is_some());
        assert_eq!(operation(&simulation), activate);
        // The model may still become active, so that it is inactive for a moment says nothing.
        let summary = simulation.reconcile(shows(Inactive)).summary();
        assert!(summary.starts_with("False"), "{summary}");
        simulation.advance(secs(10));
        let again = simulation.reconcile(shows(Deploying)).call();
        assert_eq!(again, Some(Deactivate));
    }
    let mut unrecorded = overdue_deployment();
    unrecorded.stores_records = false;
    unrecorded.reconcile(shows(Deploying));
    assert_eq!(operation(&unrecorded), activate);
}
