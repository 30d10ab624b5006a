//! Models that the hub turns off because they had no requests.

use LiveStatus::{Active, Deactivating, Deploying, Error, Inactive, None as NoDeployment, Unknown};
use OperationKind::Activate;
use oxen_operator::{
    api::{IdleShutdown, LiveStatus, OperationKind, State},
    decide::{CallOutcome, HubFault},
};
use testkit::simulation::{Simulation, mins, secs, shows};

use crate::operation::PATIENCE;

const IDLE: &str = "True IdleShutdown -";

/// An active model whose object says this about idle shutdowns.
fn active(idle_shutdown: Option<IdleShutdown>) -> Simulation {
    Simulation::new(State::Active).with(|simulation| {
        simulation.object.spec.idle_shutdown = idle_shutdown;
        simulation.reconcile(shows(Active));
    })
}

/// A model that the hub turned off because it was idle, as its object allows.
fn idle() -> Simulation {
    active(Some(IdleShutdown::Allow)).with(|simulation| {
        assert_eq!(simulation.reconcile(shows(Inactive)).summary(), IDLE);
    })
}

#[test]
fn an_idle_shutdown_is_corrected_unless_the_object_allows_it() {
    for idle_shutdown in [None, Some(IdleShutdown::Reactivate)] {
        let reconciled = active(idle_shutdown).reconcile(shows(Inactive));
        assert_eq!(reconciled.call(), Some(Activate));
        assert_eq!(reconciled.summary(), "False CorrectingDrift Reconciling");
    }
    let reconciled = active(Some(IdleShutdown::Allow)).reconcile(shows(Inactive));
    assert_eq!(reconciled.call(), None);
    assert_eq!(reconciled.summary(), IDLE);
    assert_eq!(reconciled.plan.requeue.after, mins(5));
}

#[test]
fn an_allowed_idle_shutdown_stays_for_ever_and_spends_nothing() {
    let mut simulation = idle();
    let status = simulation.status();
    for _ in 0..100 {
        simulation.advance(mins(60));
        simulation.restart();
        let reconciled = simulation.reconcile(shows(Inactive));
        assert_eq!(reconciled.call(), None);
        assert_eq!(simulation.status(), status);
    }
}

#[test]
fn an_idle_shutdown_that_shows_its_transition_is_one_too() {
    for between in [Deactivating, Unknown] {
        let mut simulation = active(Some(IdleShutdown::Allow));
        let message = simulation.reconcile(shows(between)).plan.message;
        assert!(!message.contains("activates it"), "{message}");
        assert_eq!(simulation.reconcile(shows(Inactive)).summary(), IDLE);
    }
    let message = active(None).reconcile(shows(Deactivating)).plan.message;
    assert!(message.contains("activates it"), "{message}");
}

#[test]
fn an_edit_and_a_requested_reconcile_turn_an_idle_model_on() {
    let changes: [fn(&mut Simulation); 2] = [
        |it| it.edit(|object| object.spec.idle_shutdown = Some(IdleShutdown::Reactivate)),
        |it| it.request_reconcile("now"),
    ];
    for change in changes {
        let mut simulation = idle();
        change(&mut simulation);
        assert_eq!(simulation.reconcile(shows(Inactive)).call(), Some(Activate));
        simulation.reconcile(shows(Active));
        simulation.object.spec.idle_shutdown = Some(IdleShutdown::Allow);
        assert_eq!(simulation.reconcile(shows(Inactive)).summary(), IDLE);
    }
}

#[test]
fn a_requested_activation_that_is_refused_is_retried() {
    let mut simulation = idle();
    simulation.request_reconcile("now");
    simulation.outcome = CallOutcome::refused(HubFault::Rejected("no".into()));
    for _ in 0..8 {
        assert_eq!(simulation.reconcile(shows(Inactive)).call(), Some(Activate));
        simulation.advance(mins(5));
    }
}

#[test]
fn a_request_that_wakes_the_model_makes_it_active_again() {
    let mut simulation = idle();
    assert_eq!(
        simulation.reconcile(shows(Deploying)).summary(),
        "False Activating Reconciling"
    );
    assert_eq!(
        simulation.reconcile(shows(Active)).summary(),
        "True Active -"
    );
    assert_eq!(simulation.reconcile(shows(Inactive)).summary(), IDLE);
}

#[test]
fn a_model_that_was_not_active_before_is_no_idle_shutdown() {
    for before in [Inactive, Deploying, Error, Unknown] {
        let mut simulation = Simulation::new(State::Active);
        simulation.object.spec.idle_shutdown = Some(IdleShutdown::Allow);
        if before != Inactive {
            simulation.reconcile(shows(before));
        }
        assert_eq!(
            simulation.reconcile(shows(Inactive)).call(),
            Some(Activate),
            "{before}"
        );
    }
}

#[test]
fn a_model_that_became_inactive_after_a_call_is_no_idle_shutdown() {
    let mut simulation = active(Some(IdleShutdown::Allow));
    simulation.reconcile(shows(Error));
    simulation.advance(mins(1));
    assert_eq!(simulation.reconcile(shows(Error)).call(), Some(Activate));
    simulation.reconcile(shows(Inactive));
    simulation.advance(secs(PATIENCE));
    simulation.reconcile(shows(Inactive));
    assert_eq!(simulation.reconcile(shows(Inactive)).call(), Some(Activate));
}

#[test]
fn only_an_inactive_model_is_an_idle_shutdown() {
    for (live, expected) in [
        (Error, "False DeploymentError Reconciling"),
        (NoDeployment, "False NoDeployment Stalled"),
        (Unknown, "Unknown StatusUnknown Reconciling"),
    ] {
        let mut simulation = active(Some(IdleShutdown::Allow));
        let reconciled = simulation.reconcile_twice(&shows(live));
        assert_eq!(reconciled.summary(), expected);
    }
}

#[test]
fn a_model_declared_inactive_that_becomes_active_is_corrected_whatever_idle_shutdowns_may_do() {
    let mut simulation = Simulation::new(State::Inactive);
    simulation.object.spec.idle_shutdown = Some(IdleShutdown::Allow);
    simulation.reconcile(shows(Inactive));
    let reconciled = simulation.reconcile(shows(Active));
    assert_eq!(reconciled.call(), Some(OperationKind::Deactivate));
}

#[test]
fn drift_names_the_idle_shutdown_before_a_person() {
    let corrected = active(None).reconcile(shows(Inactive)).decided.message;
    let idle = idle().decide(shows(Inactive)).message;
    let position = |text: &str| corrected.find(text).expect("a cause");
    assert!(position("no requests") < position("person"));
    assert!(idle.contains("spec.idleShutdown"), "{idle}");
}
