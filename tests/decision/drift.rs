//! Corrections of drift, and their limit.

use LiveStatus::{Active, Deploying, Inactive};
use OperationKind::Activate;
use oxen_operator::api::{LiveStatus, OperationKind, State};
use testkit::simulation::{Reconciled, Simulation, mins, shows};

use crate::attempts::{reconcile_without_call, stays_until_renewed};

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
fn the_fourth_correction_within_an_hour_is_withheld_for_good() {
    let mut simulation = declared_active();
    for _ in 0..3 {
        assert!(drift(&mut simulation).call().is_some());
    }
    let fourth = drift(&mut simulation);
    assert_eq!(
        (fourth.call(), fourth.summary().as_str()),
        (None, "False DriftContention Stalled")
    );
    let stalled = simulation.clone();
    simulation.advance(mins(61));
    let (summary, _) = reconcile_without_call(&mut simulation, Inactive);
    assert_eq!(summary, "False DriftContention Stalled");
    stays_until_renewed(&stalled, "False DriftContention Stalled", Inactive);
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
