//! Whose observation somebody waits for.

use std::time::Duration;

use oxen_operator::{
    api::{
        LiveStatus::{Active, Deploying, Inactive},
        State,
    },
    decide::{CallOutcome, HubFault, is_urgent},
};
use testkit::simulation::{Retrieved, Simulation, secs, shows};

fn unreachable() -> Retrieved {
    Err(HubFault::Unreachable("no route".into()).into())
}

#[test]
fn a_model_that_was_never_observed_stays_urgent_through_faults() {
    let mut new = Simulation::new(State::Active);
    assert!(is_urgent(&new.object, new.now));
    for _ in 0..3 {
        new.reconcile(unreachable());
        assert!(is_urgent(&new.object, new.now));
        new.advance(secs(300));
    }
}

#[test]
fn a_settled_model_is_polled_routinely_also_after_a_fault() {
    let mut settled = Simulation::new(State::Active);
    settled.reconcile(shows(Active));
    assert!(!is_urgent(&settled.object, settled.now));
    settled.reconcile(unreachable());
    assert!(!is_urgent(&settled.object, settled.now));
}

#[test]
fn an_edit_that_meets_a_fault_stays_urgent() {
    let mut edited = Simulation::new(State::Active);
    edited.reconcile(shows(Active));
    edited.edit(|object| object.spec.state = State::Inactive.into());
    assert!(is_urgent(&edited.object, edited.now));
    edited.reconcile(unreachable());
    assert!(is_urgent(&edited.object, edited.now));
}

#[test]
fn a_transition_that_was_seen_is_polled_routinely() {
    let mut new = Simulation::new(State::Active);
    new.reconcile(shows(Inactive));
    assert!(
        is_urgent(&new.object, new.now),
        "its transition was not seen yet"
    );
    new.reconcile(shows(Deploying));
    assert!(!is_urgent(&new.object, new.now));
}

#[test]
fn a_call_that_was_not_sent_stays_urgent() {
    let mut new = Simulation::new(State::Active)
        .with(|simulation| simulation.outcome = CallOutcome::NotSent("it was too late"));
    new.reconcile(shows(Inactive));
    assert!(is_urgent(&new.object, new.now));
    new.advance(Duration::from_secs(5));
    assert!(is_urgent(&new.object, new.now));
}

#[test]
fn a_suspended_model_is_polled_routinely() {
    let mut suspended = Simulation::new(State::Active).suspended();
    suspended.reconcile(shows(Inactive));
    assert!(!is_urgent(&suspended.object, suspended.now));
}
