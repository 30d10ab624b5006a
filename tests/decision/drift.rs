//! Corrections of drift, and their limit.

use LiveStatus::{Active, Deploying, Inactive};
use OperationKind::Activate;
use jiff::Unit;
use oxen_operator::{
    api::{LiveStatus, OperationKind, State},
    decide::{CallOutcome, HubFault},
};
use testkit::simulation::{Reconciled, Simulation, mins, shows};

fn declared_active() -> Simulation {
    Simulation::new(State::Active)
}

/// Makes the model active, then inactive, and returns the reconcile that corrects it.
fn drift(simulation: &mut Simulation) -> Reconciled {
    simulation.reconcile(shows(Active));
    simulation.advance(mins(1));
    let reconciled = simulation.reconcile(shows(Inactive));
    simulation.reconcile(shows(Deploying));
    simulation.advance(mins(1));
    reconciled
}

#[test]
fn a_call_of_a_settled_generation_is_a_correction() {
    let mut simulation = declared_active();
    assert_eq!(
        simulation.reconcile(shows(Inactive)).summary(),
        "False Activating Reconciling"
    );
    simulation.reconcile(shows(Deploying));
    let reconciled = drift(&mut simulation);
    assert_eq!(
        (reconciled.call(), reconciled.summary().as_str()),
        (Some(Activate), "False CorrectingDrift Reconciling")
    );
    // A requested reconcile doesn't change that, but an edit does.
    simulation.reconcile(shows(Active));
    simulation.request_reconcile("now");
    assert_eq!(
        simulation.reconcile(shows(Inactive)).summary(),
        "False CorrectingDrift Reconciling"
    );
    simulation.reconcile(shows(Active));
    simulation.edit(|object| object.spec.suspend = Some(false));
    assert_eq!(
        simulation.reconcile(shows(Inactive)).summary(),
        "False Activating Reconciling"
    );
}

#[test]
fn the_fourth_correction_within_an_hour_waits_until_the_first_is_an_hour_old() {
    for (desired, declared, drifted) in [
        (State::Active, Active, Inactive),
        (State::Inactive, Inactive, Active),
    ] {
        let mut simulation = Simulation::new(desired);
        let started = simulation.now;
        for _ in 0..3 {
            simulation.reconcile(shows(declared));
            assert!(simulation.reconcile(shows(drifted)).call().is_some());
            simulation.reconcile(shows(declared));
            simulation.advance(mins(10));
        }
        let mut minutes = 30;
        while simulation.reconcile(shows(drifted)).call().is_none() {
            let reconciled = simulation.reconcile(shows(drifted));
            assert_eq!(reconciled.summary(), "False DriftContention Stalled");
            // It is polled in between, because the model may recover without a call.
            let after = reconciled.plan.requeue.after;
            assert!(after <= mins(5), "{after:?}");
            simulation.advance(after);
            minutes = (simulation.now - started).total(Unit::Minute).unwrap() as u64;
        }
        assert_eq!(minutes, 60);
        assert_eq!(
            simulation
                .reconcile(shows(declared))
                .summary()
                .split(' ')
                .next(),
            Some("True")
        );
        // The second of the three is 50 minutes old now.
        assert_eq!(simulation.reconcile(shows(drifted)).call(), None);
        simulation.advance(mins(10));
        assert!(simulation.reconcile(shows(drifted)).call().is_some());
    }
}

#[test]
fn contention_is_over_when_the_desired_state_returns() {
    let mut simulation = declared_active();
    for _ in 0..3 {
        drift(&mut simulation);
    }
    assert_eq!(
        drift(&mut simulation).summary(),
        "False DriftContention Stalled"
    );
    assert_eq!(
        simulation.reconcile(shows(Active)).summary(),
        "True Active -"
    );
}

#[test]
fn refused_corrections_are_not_counted() {
    let mut simulation = declared_active();
    simulation.reconcile(shows(Active));
    simulation.outcome = CallOutcome::refused(HubFault::Rejected("no".into()));
    for _ in 0..12 {
        assert!(simulation.reconcile(shows(Inactive)).call().is_some());
        simulation.advance(mins(5));
    }
    assert_eq!(
        simulation.reconcile(shows(Inactive)).summary(),
        "False Rejected Stalled"
    );
}

#[test]
fn an_edit_and_a_requested_reconcile_end_the_contention() {
    let changes: [fn(&mut Simulation); 2] = [
        |it| it.edit(|object| object.spec.suspend = Some(false)),
        |it| it.request_reconcile("now"),
    ];
    for change in changes {
        let mut simulation = declared_active();
        for _ in 0..3 {
            drift(&mut simulation);
        }
        assert_eq!(drift(&mut simulation).call(), None);
        change(&mut simulation);
        assert!(simulation.reconcile(shows(Inactive)).call().is_some());
    }
}

#[test]
fn the_desired_state_renews_no_corrections_within_the_hour() {
    let mut simulation = declared_active();
    for _ in 0..3 {
        drift(&mut simulation);
    }
    for _ in 0..5 {
        assert_eq!(
            drift(&mut simulation).summary(),
            "False DriftContention Stalled"
        );
    }
    assert_eq!(
        simulation.reconcile(shows(Active)).summary(),
        "True Active -"
    );
    simulation.advance(mins(60));
    assert!(drift(&mut simulation).call().is_some());
}

#[test]
fn corrections_spread_over_hours_never_end() {
    let mut simulation = declared_active();
    for _ in 0..50 {
        assert!(drift(&mut simulation).call().is_some());
        simulation.advance(mins(20));
    }
}
