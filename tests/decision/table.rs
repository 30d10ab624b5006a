//! Live status x desired state, suspended and observe-only objects, deadlines and ownership.

use LiveStatus::{Active, Deactivating, Deploying, Error, Inactive, None as NoDeployment, Unknown};
use OperationKind::{Activate, Deactivate};
use oxen_operator::{
    api::{LiveStatus, OperationKind, State},
    decide::{Action, Ownership},
};
use testkit::simulation::{Simulation, call, mins, progress, shows, shows_base, summary};

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
        (Unknown, State::Active, "Unknown StatusUnknown Reconciling"),
        (NoDeployment, State::Active, "False NoDeployment Stalled"),
        (Active, State::Inactive, "False WouldDeactivate -"),
        (Inactive, State::Inactive, "True Inactive -"),
        (Deploying, State::Inactive, "False WouldDeactivate -"),
        (Deactivating, State::Inactive, "False WouldDeactivate -"),
        (Error, State::Inactive, "False WouldDeactivate -"),
        (Unknown, State::Inactive, "Unknown StatusUnknown Reconciling"),
        (NoDeployment, State::Inactive, "True Inactive -"),
    ] {
        let simulation = Simulation::new(desired).without_finalizer();
        for mut simulation in [simulation.clone().suspended(), simulation.observe_only()] {
            for _ in 0..5 {
                let reconciled = simulation.reconcile(shows(live));
                assert_eq!(reconciled.summary(), expected, "{live}, {desired}");
                assert_eq!(reconciled.decided.action, Action::Nothing, "{live}, {desired}");
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

#[test]
fn the_other_deployments_are_in_the_message() {
    let mut retrieved = shows(Active);
    if let Ok(remote) = &mut retrieved {
        remote.others = vec!["error".into(), "inactive".into()];
    }
    let message = Simulation::new(State::Active).decide(retrieved).message;
    assert!(message.contains("error, inactive"), "{message}");
}

#[test]
fn a_model_that_another_object_owns_is_a_conflict_without_a_call() {
    for &live in LiveStatus::ALL {
        for desired in [State::Active, State::Inactive] {
            let mut simulation = Simulation::new(desired);
            simulation.ownership = Ownership::Lost(Some("older".into()));
            let reconciled = simulation.reconcile(shows(live));
            assert_eq!(reconciled.summary(), "False Conflict Stalled");
            let message = &reconciled.plan.message;
            assert!(message.contains("\"older\""), "{message}");
            assert_eq!(reconciled.call(), None);
        }
    }
}

#[test]
fn a_call_waits_for_another_object_of_the_same_model() {
    for &live in LiveStatus::ALL {
        for desired in [State::Active, State::Inactive] {
            let mut simulation = Simulation::new(desired);
            let owned = simulation.clone().reconcile(shows(live));
            simulation.ownership = Ownership::Pending;
            let pending = simulation.reconcile(shows(live));
            assert_eq!(pending.call(), None);
            if owned.call().is_none() {
                assert_eq!(pending.summary(), owned.summary());
                continue;
            }
            assert_eq!(pending.summary(), "False OperationInProgress Reconciling");
            assert_eq!(simulation.status().attempts.unwrap().sends, None);
            simulation.ownership = Ownership::Owned;
            assert_eq!(simulation.reconcile(shows(live)).call(), owned.call());
        }
    }
}

#[test]
fn a_transition_past_its_deadline_is_stalled_and_polled_each_minute() {
    for (live, desired) in [
        (Deploying, State::Active),
        (Deactivating, State::Active),
        (Deactivating, State::Inactive),
        (Unknown, State::Active),
        (Unknown, State::Inactive),
    ] {
        let mut simulation = Simulation::new(desired);
        simulation.reconcile(shows(live));
        simulation.advance(mins(30));
        let status = simulation.reconcile(shows(live)).plan.status;
        assert_eq!(progress(&status), "Reconciling");
        simulation.advance(mins(1));
        let reconciled = simulation.reconcile(shows(live));
        assert_eq!(
            reconciled.summary(),
            "False ProgressDeadlineExceeded Stalled"
        );
        assert_eq!(
            (reconciled.call(), reconciled.plan.requeue.after),
            (None, mins(1))
        );
    }
}

#[test]
fn the_progress_deadline_of_the_spec_overrides_the_default() {
    let mut simulation = Simulation::new(State::Active);
    simulation.object.spec.progress_deadline = "2m".parse().ok();
    simulation.reconcile(shows(Deploying));
    simulation.advance(mins(3));
    assert_eq!(
        simulation.reconcile(shows(Deploying)).summary(),
        "False ProgressDeadlineExceeded Stalled"
    );
}

#[test]
fn the_deadline_counts_from_the_last_change_of_the_live_status() {
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(shows(Deactivating));
    simulation.advance(mins(29));
    let since = simulation.reconcile(shows(Deploying)).plan.status.since;
    simulation.advance(mins(29));
    let reconciled = simulation.reconcile(shows(Deploying));
    assert_eq!(reconciled.summary(), "False Activating Reconciling");
    assert_eq!(reconciled.plan.status.since, since);
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
        (Deploying, "False ProgressDeadlineExceeded Stalled"),
        (Deactivating, "False Deactivating Reconciling"),
        (Inactive, "True Inactive -"),
    ] {
        assert_eq!(simulation.reconcile(shows(live)).summary(), expected);
    }
}
