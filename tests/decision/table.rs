//! Live status x desired state, suspended and observe-only objects.

use LiveStatus::{Active, Deactivating, Deploying, Error, Inactive, None as NoDeployment, Unknown};
use OperationKind::{Activate, Deactivate};
use oxen_operator::{
    api::{LiveStatus, OperationKind, State},
    decide::{Action, Jitter},
};
use testkit::simulation::{Simulation, call, mins, shows, shows_base, summary};

#[test]
#[rustfmt::skip] // a table is easier to read on one line per row
fn every_live_status_and_desired_state_follow_the_table() {
    for (live, desired, expected, kind) in [
        (Active, State::Active, "True Active -", None),
        (Inactive, State::Active, "False Activating Reconciling", Some(Activate)),
        (Deploying, State::Active, "False Activating Reconciling", None),
        (Deactivating, State::Active, "False WaitingForDeactivation Reconciling", None),
        (Error, State::Active, "False DeploymentError Reconciling", None),
        (Unknown, State::Active, "Unknown StatusUnknown Reconciling", None),
        (NoDeployment, State::Active, "False NoDeployment Stalled", None),
        (Active, State::Inactive, "False Deactivating Reconciling", Some(Deactivate)),
        (Inactive, State::Inactive, "True Inactive -", None),
        (Deploying, State::Inactive, "False WaitingForDeployment Reconciling", None),
        (Deactivating, State::Inactive, "False Deactivating Reconciling", None),
        (Error, State::Inactive, "False DeploymentError Reconciling", None),
        (Unknown, State::Inactive, "Unknown StatusUnknown Reconciling", None),
        (NoDeployment, State::Inactive, "True Inactive -", None),
    ] {
        let plan = Simulation::new(desired).decide(shows(live));
        assert_eq!(
            (summary(&plan).as_str(), call(&plan)),
            (expected, kind),
            "{live}, {desired}"
        );
        assert_eq!(plan.status.live, Some(live));
        assert_eq!(plan.status.desired, Some(desired));
    }
}

#[test]
fn a_base_model_is_ready_if_declared_active_and_stalled_if_inactive() {
    for (desired, expected) in [
        (State::Active, "True AlwaysActive -"),
        (State::Inactive, "False BaseModelCannotDeactivate Stalled"),
    ] {
        let simulation = Simulation::new(desired).without_finalizer();
        let plan = simulation.decide(shows_base());
        assert_eq!(summary(&plan), expected);
        assert_eq!(plan.action, Action::Nothing);
    }
}

#[test]
#[rustfmt::skip] // a table is easier to read on one line per row
fn a_suspended_object_shows_what_would_be_done_and_does_nothing() {
    for (live, desired, expected) in [
        (Active, State::Active, "True Active -"),
        (Inactive, State::Active, "False WouldActivate -"),
        (Deploying, State::Active, "False WouldActivate -"),
        (Deactivating, State::Active, "False WouldActivate -"),
        (Error, State::Active, "False WouldActivate -"),
        (Unknown, State::Active, "Unknown StatusUnknown -"),
        (NoDeployment, State::Active, "False NoDeployment Stalled"),
        (Active, State::Inactive, "False WouldDeactivate -"),
        (Inactive, State::Inactive, "True Inactive -"),
        (Deploying, State::Inactive, "False WouldDeactivate -"),
        (Deactivating, State::Inactive, "False WouldDeactivate -"),
        (Error, State::Inactive, "False WouldDeactivate -"),
        (Unknown, State::Inactive, "Unknown StatusUnknown -"),
        (NoDeployment, State::Inactive, "True Inactive -"),
    ] {
        let simulation = Simulation::new(desired).without_finalizer();
        for mut simulation in [simulation.clone().suspended(), simulation.observe_only()] {
            for _ in 0..5 {
                let reconciled = simulation.reconcile(shows(live));
                assert_eq!(reconciled.summary(), expected, "{live}, {desired}");
                assert_eq!(reconciled.decided.action, Action::Nothing, "{live}, {desired}");
                let requeue = reconciled.plan.requeue;
                assert_eq!((requeue.after, requeue.jitter), (mins(5), Jitter::Tenth), "{live}");
                simulation.advance(mins(20));
            }
        }
    }
}

#[test]
fn a_suspended_object_says_what_suspends_it() {
    let simulation = Simulation::new(State::Active);
    for (simulation, cause) in [
        (simulation.clone().suspended(), "spec.suspend is true"),
        (simulation.observe_only(), "--observe-only"),
    ] {
        let message = simulation.decide(shows(Inactive)).message;
        assert!(message.contains(cause), "{message}");
    }
}

#[test]
fn an_unknown_status_never_leads_to_a_call() {
    for desired in [State::Active, State::Inactive] {
        let mut simulation = Simulation::new(desired);
        for _ in 0..50 {
            assert_eq!(simulation.reconcile(shows(Unknown)).call(), None);
            simulation.advance(mins(10));
        }
    }
}
