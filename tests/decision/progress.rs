//! The progress deadline: when it starts, what it replaces, and what it never holds up.

use LiveStatus::{Active, Deactivating, Deploying, Error, Inactive, None as NoDeployment, Unknown};
use OperationKind::{Activate, Deactivate};
use oxen_operator::{
    api::{LiveStatus, OperationKind, State},
    decide::{CallOutcome, HubFault, Owner, Ownership},
};
use testkit::simulation::{Retrieved, Simulation, mins, progress, secs, shows, summary};

use crate::{attempts::Change, operation::called};

const EXCEEDED: &str = "False ProgressDeadlineExceeded Stalled";

fn unreachable() -> Retrieved {
    Err(HubFault::Unreachable("reset".into()).into())
}

/// The time since when the object has not been as declared, or `None` while there is none.
fn progressing(simulation: &Simulation) -> Option<jiff::Timestamp> {
    simulation.status().progressing_since.map(|since| since.0)
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
        assert_eq!(reconciled.summary(), EXCEEDED);
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
    assert_eq!(simulation.reconcile(shows(Deploying)).summary(), EXCEEDED);
}

#[test]
fn the_deadline_counts_from_when_the_object_was_first_not_as_declared() {
    for (first, second) in [
        (Deactivating, Deploying),
        (Unknown, Deploying),
        (Error, Unknown),
        (Inactive, Deploying),
    ] {
        let mut simulation = Simulation::new(State::Active);
        simulation.reconcile(shows(first));
        let started = progressing(&simulation);
        assert_eq!(started, Some(simulation.now));
        simulation.advance(mins(29));
        simulation.reconcile(shows(second));
        simulation.advance(mins(2));
        let reconciled = simulation.reconcile(shows(second));
        assert_eq!(reconciled.summary(), EXCEEDED, "{first}, {second}");
        assert_eq!(progressing(&simulation), started);
    }
}

#[test]
fn a_status_that_alternates_with_unknown_exceeds_the_deadline() {
    for (live, desired) in [
        (Deploying, State::Active),
        (Deactivating, State::Active),
        (Deactivating, State::Inactive),
        (Deploying, State::Inactive),
    ] {
        let mut simulation = Simulation::new(desired);
        simulation.object.spec.progress_deadline = "10s".parse().ok();
        let mut summaries = Vec::new();
        for _ in 0..6 {
            for live in [live, Unknown] {
                summaries.push(simulation.reconcile(shows(live)).summary());
                simulation.advance(secs(1));
            }
        }
        let exceeded = summaries.iter().position(|summary| summary == EXCEEDED);
        assert_eq!(exceeded, Some(11), "{live}, {desired}");
        // An endless deployment that nobody wants gets its one call.
        let kind = match (live, desired) {
            (Deploying, State::Inactive) => Some(Deactivate),
            _ => None,
        };
        assert_eq!(simulation.reconcile(shows(live)).call(), kind);
    }
}

#[test]
fn a_new_generation_starts_the_deadline_again() {
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(shows(Deactivating));
    simulation.advance(mins(31));
    assert_eq!(
        simulation.reconcile(shows(Deactivating)).summary(),
        EXCEEDED
    );
    simulation.edit(|object| object.spec.suspend = Some(false));
    assert_eq!(
        simulation.reconcile(shows(Deactivating)).summary(),
        "False WaitingForDeactivation Reconciling"
    );
    assert_eq!(progressing(&simulation), Some(simulation.now));
    simulation.advance(mins(31));
    assert_eq!(
        simulation.reconcile(shows(Deactivating)).summary(),
        EXCEEDED
    );
}

#[test]
fn a_model_that_has_been_deploying_for_long_is_past_the_deadline_in_a_new_generation_too() {
    for (live, kind) in [(Deploying, Some(Deactivate)), (Deactivating, None)] {
        let mut simulation = Simulation::new(State::Active);
        simulation.reconcile(shows(live));
        simulation.advance(mins(31));
        simulation.edit(|object| object.spec.state = State::Inactive.into());
        assert_eq!(simulation.reconcile(shows(live)).call(), kind, "{live}");
    }
}

#[test]
fn what_starts_the_deadline_again() {
    let interruptions: [(&str, Change); 7] = [
        ("Ready", |it| {
            it.reconcile(shows(Active));
        }),
        ("suspended", |it| {
            it.object.spec.suspend = Some(true);
            it.reconcile(shows(Deactivating));
            it.object.spec.suspend = None;
        }),
        ("not the owner", |it| {
            it.ownership = Ownership::Lost(Owner::default());
            it.reconcile(shows(Deactivating));
            it.ownership = Ownership::Owned;
        }),
        ("Stalled", |it| {
            it.reconcile_twice(&shows(NoDeployment));
        }),
        ("Stalled by a fault", |it| {
            it.reconcile(Err(HubFault::Forbidden("no".into()).into()));
        }),
        ("unreachable for long", |it| {
            it.reconcile(unreachable());
            it.advance(mins(15));
            it.reconcile(unreachable());
        }),
        ("unreadable for long", |it| {
            let unreadable = || Err(HubFault::Unexpected("no".into()).into());
            it.reconcile(unreadable());
            it.advance(mins(15));
            it.reconcile(unreadable());
        }),
    ];
    for (name, interrupt) in interruptions {
        let mut simulation = Simulation::new(State::Active);
        simulation.reconcile(shows(Deactivating));
        simulation.advance(mins(10));
        interrupt(&mut simulation);
        assert_eq!(progressing(&simulation), None, "{name}");
        simulation.reconcile(shows(Deactivating));
        assert_eq!(progressing(&simulation), Some(simulation.now), "{name}");
    }
}

#[test]
fn what_does_not_start_the_deadline_again() {
    let continuations: [(&str, Change); 8] = [
        ("the deadline itself", |it| {
            it.advance(mins(31));
            assert_eq!(it.reconcile(shows(Deactivating)).summary(), EXCEEDED);
        }),
        ("a call", |it| {
            assert!(it.reconcile(shows(Inactive)).call().is_some());
        }),
        ("a failed deployment", |it| {
            it.reconcile(shows(Error));
        }),
        ("unreachable for a moment", |it| {
            it.reconcile(unreachable());
            it.advance(mins(14));
            it.reconcile(unreachable());
        }),
        ("one 401", |it| {
            it.reconcile(Err(HubFault::Unauthenticated.into()));
        }),
        ("a refused call", |it| {
            it.outcome = CallOutcome::refused(HubFault::Rejected("no".into()));
            it.reconcile(shows(Inactive));
        }),
        ("a call that found no connection", |it| {
            it.outcome = CallOutcome::refused(HubFault::Unreachable("no".into()));
            it.reconcile(shows(Inactive));
        }),
        ("another process", |it| {
            it.restart();
            it.reconcile(shows(Unknown));
        }),
    ];
    for (name, go_on) in continuations {
        let mut simulation = Simulation::new(State::Active);
        simulation.reconcile(shows(Deactivating));
        let started = progressing(&simulation);
        assert!(started.is_some());
        simulation.advance(mins(1));
        go_on(&mut simulation);
        assert_eq!(progressing(&simulation), started, "{name}");
    }
}

#[test]
fn a_call_that_found_no_connection_does_not_start_the_deadline_of_a_stalled_object() {
    let mut simulation = Simulation::new(State::Active);
    simulation.outcome = CallOutcome::refused(HubFault::Rejected("no".into()));
    for _ in 0..5 {
        simulation.reconcile(shows(Inactive));
        simulation.advance(mins(5));
    }
    simulation.outcome = CallOutcome::refused(HubFault::Unreachable("no".into()));
    let reconciled = simulation.reconcile(shows(Inactive));
    assert!(reconciled.call().is_some());
    assert_eq!(reconciled.summary(), "False Rejected Stalled");
    assert_eq!(progressing(&simulation), None);
}

#[test]
fn an_observation_without_an_answer_does_not_start_the_deadline() {
    for fault in [
        HubFault::Unreachable("reset".into()),
        HubFault::Unexpected("no".into()),
        HubFault::Unauthenticated,
    ] {
        let mut simulation = Simulation::new(State::Active);
        simulation.reconcile(shows(Active));
        simulation.reconcile(Err(fault.into()));
        assert_eq!(progressing(&simulation), None);
    }
}

#[test]
fn the_deadline_replaces_no_other_stalled_and_no_failed_deployment() {
    for (live, expected) in [
        (NoDeployment, "False NoDeployment Stalled"),
        (Inactive, "False CallHadNoEffect Stalled"),
        (Error, "False DeploymentFailed Stalled"),
    ] {
        let mut simulation = Simulation::new(State::Active);
        for _ in 0..90 {
            simulation.reconcile(shows(live));
            simulation.advance(mins(1));
        }
        assert_eq!(simulation.reconcile(shows(live)).summary(), expected);
    }
    let mut failing = Simulation::new(State::Active);
    failing.object.spec.progress_deadline = "1m".parse().ok();
    failing.reconcile(shows(Deploying));
    failing.advance(mins(2));
    assert_eq!(
        failing.reconcile(shows(Error)).summary(),
        "False DeploymentError Reconciling"
    );
}

#[test]
fn the_deadline_replaces_no_refusal() {
    for refusals in [1, 4, 5, 20] {
        let mut simulation = Simulation::new(State::Active);
        simulation.object.spec.progress_deadline = "1s".parse().ok();
        simulation.outcome = CallOutcome::refused(HubFault::Rejected("no".into()));
        for _ in 0..refusals {
            assert!(simulation.reconcile(shows(Inactive)).call().is_some());
            simulation.advance(mins(5));
        }
        let progress = if refusals < 5 {
            "Reconciling"
        } else {
            "Stalled"
        };
        simulation.advance(secs(1));
        let decided = simulation.reconcile(shows(Inactive)).decided;
        assert_eq!(summary(&decided), format!("False Rejected {progress}"));
    }
}

#[test]
fn calls_that_are_due_go_out_past_the_deadline() {
    for (live, desired, due, kind) in [
        (Deactivating, State::Active, Inactive, Activate),
        (Unknown, State::Active, Inactive, Activate),
        (Unknown, State::Active, Error, Activate),
        (Deactivating, State::Inactive, Active, Deactivate),
        (Unknown, State::Inactive, Active, Deactivate),
        (Unknown, State::Inactive, Deploying, Deactivate),
    ] {
        let mut simulation = Simulation::new(desired);
        simulation.reconcile(shows(live));
        simulation.advance(mins(31));
        assert_eq!(simulation.reconcile(shows(live)).summary(), EXCEEDED);
        if due == Error {
            simulation.reconcile(shows(due));
            simulation.advance(mins(1));
        }
        assert_eq!(
            simulation.reconcile(shows(due)).call(),
            Some(kind),
            "{live}, {due}"
        );
    }
}

#[test]
fn an_open_operation_past_the_deadline_is_stalled_and_followed() {
    let mut simulation = called(State::Active, Inactive, CallOutcome::Accepted);
    simulation.reconcile(shows(Deploying));
    simulation.advance(mins(31));
    assert_eq!(simulation.reconcile(shows(Deploying)).summary(), EXCEEDED);
    assert_eq!(simulation.reconcile(shows(Inactive)).summary(), EXCEEDED);
    assert_eq!(
        simulation.reconcile(shows(Active)).summary(),
        "True Active -"
    );
    assert_eq!(simulation.status().operation, None);
    assert_eq!(progressing(&simulation), None);
}

#[test]
fn a_suspended_object_has_no_deadline() {
    for live in [Deploying, Deactivating, Unknown, Inactive] {
        let mut simulation = Simulation::new(State::Active).suspended();
        simulation.reconcile(shows(live));
        simulation.advance(mins(600));
        let status = simulation.reconcile(shows(live)).plan.status;
        assert_eq!(progress(&status), "-", "{live}");
        assert_eq!(status.progressing_since, None);
    }
}
