//! What an observation shows and nothing had led to: it is believed when it is shown twice.

use LiveStatus::{Active, Deactivating, Deploying, Error, Inactive, None as NoDeployment, Unknown};
use oxen_operator::{
    api::{FINALIZER, LiveStatus, State},
    decide::{CallOutcome, CredentialFault, Fault, HubFault},
};
use testkit::simulation::{Retrieved, Simulation, call, mins, secs, shows, summary, synced};

use crate::operation::called;

/// A model that is active, as declared.
fn settled() -> Simulation {
    Simulation::new(State::Active).with(|simulation| {
        simulation.reconcile(shows(Active));
    })
}

fn unauthenticated() -> Retrieved {
    Err(HubFault::Unauthenticated.into())
}

fn not_found() -> Retrieved {
    Err(HubFault::ModelNotFound(Vec::new()).into())
}

fn unreachable() -> Retrieved {
    Err(HubFault::Unreachable("reset".into()).into())
}

/// The faults that are believed only when they are shown twice, with what is shown then.
fn surprising_faults() -> [(Retrieved, &'static str); 2] {
    [
        (unauthenticated(), "False Unauthenticated Stalled"),
        (not_found(), "False ModelNotFound Stalled"),
    ]
}

#[test]
fn one_401_or_404_after_good_answers_changes_nothing_and_is_asked_again_within_seconds() {
    for (fault, _) in surprising_faults() {
        let mut simulation = settled();
        for _ in 0..5 {
            let reconciled = simulation.reconcile(fault.clone());
            assert_eq!(reconciled.summary(), "True Active -");
            assert_eq!(synced(&reconciled.plan), "HubUnreachable");
            assert_eq!(reconciled.plan.requeue.after, secs(5));
            simulation.advance(secs(5));
            assert_eq!(
                simulation.reconcile(shows(Active)).summary(),
                "True Active -"
            );
            simulation.advance(mins(5));
        }
    }
}

#[test]
fn a_401_or_404_is_believed_when_a_second_one_follows_seconds_later() {
    for (fault, expected) in surprising_faults() {
        let mut simulation = settled();
        for _ in 0..2 {
            let reconciled = simulation.reconcile(fault.clone());
            assert_eq!(reconciled.summary(), "True Active -");
            simulation.advance(secs(1));
        }
        let reconciled = simulation.reconcile(fault);
        assert_eq!(reconciled.summary(), expected);
    }
}

#[test]
fn only_two_such_faults_in_a_row_are_believed() {
    for (fault, _) in surprising_faults() {
        for other in [shows(Active), unreachable()] {
            let mut simulation = settled();
            for _ in 0..5 {
                for retrieved in [fault.clone(), other.clone()] {
                    let summary = simulation.reconcile(retrieved).summary();
                    assert_eq!(summary, "True Active -", "{other:?}");
                    simulation.advance(secs(5));
                }
            }
        }
    }
    let mut simulation = settled();
    for _ in 0..5 {
        for (fault, _) in surprising_faults() {
            assert_eq!(simulation.reconcile(fault).summary(), "True Active -");
            simulation.advance(secs(5));
        }
    }
}

#[test]
fn a_reconcile_without_a_request_neither_confirms_nor_refutes() {
    for (fault, expected) in surprising_faults() {
        let mut simulation = settled();
        simulation.reconcile(fault.clone());
        simulation.advance(secs(5));
        let no_key = CredentialFault::OperatorKeyNotAllowed;
        simulation.reconcile(Err(Fault::Credentials(no_key)));
        assert_eq!(simulation.reconcile(fault).summary(), expected);
    }
}

#[test]
fn a_key_that_has_not_retrieved_the_model_is_believed_at_once() {
    for (fault, expected) in surprising_faults() {
        let plan = Simulation::new(State::Active).decide(fault.clone());
        assert_eq!(summary(&plan), expected);
        let mut replaced = settled();
        replaced.change_secret();
        assert_eq!(summary(&replaced.decide(fault.clone())), expected);
        let mut restarted = settled();
        restarted.restart();
        assert_eq!(summary(&restarted.decide(fault)), expected);
    }
}

#[test]
fn a_403_and_a_402_are_believed_at_once() {
    for (fault, expected) in [
        (HubFault::Forbidden("no".into()), "False Forbidden Stalled"),
        (
            HubFault::PaymentRequired("no".into()),
            "False PaymentRequired Stalled",
        ),
    ] {
        assert_eq!(summary(&settled().decide(Err(fault.into()))), expected);
    }
}

#[test]
fn an_empty_list_after_another_word_is_unknown_until_a_second_one_follows() {
    for before in [Active, Inactive, Deploying, Error, Unknown] {
        for (desired, confirmed) in [
            (State::Active, "False NoDeployment Stalled"),
            (State::Inactive, "True Inactive -"),
        ] {
            let mut simulation = Simulation::new(desired).suspended();
            simulation.reconcile(shows(before));
            simulation.object.spec.suspend = None;
            for _ in 0..2 {
                let reconciled = simulation.reconcile(shows(NoDeployment));
                assert_eq!(
                    reconciled.summary(),
                    "Unknown StatusUnknown Reconciling",
                    "{before}"
                );
                assert_eq!(simulation.status().live, Some(Unknown));
                assert!(reconciled.plan.requeue.after <= secs(10));
                // Another process has to see it twice too.
                simulation.restart();
                simulation.advance(secs(5));
            }
            simulation.reconcile(shows(NoDeployment));
            simulation.advance(secs(1));
            let reconciled = simulation.reconcile(shows(NoDeployment));
            assert!(reconciled.summary().starts_with("Unknown"), "{before}");
            simulation.advance(secs(1));
            let reconciled = simulation.reconcile(shows(NoDeployment));
            assert_eq!(reconciled.summary(), confirmed, "{before}");
            assert_eq!(simulation.status().live, Some(NoDeployment));
        }
    }
}

#[test]
fn an_empty_list_is_forgotten_when_the_hub_lists_deployments_again() {
    for &live in LiveStatus::ALL {
        if live == NoDeployment {
            continue;
        }
        let mut simulation = settled().suspended();
        for _ in 0..3 {
            let unconfirmed = simulation.reconcile(shows(NoDeployment)).summary();
            assert_eq!(unconfirmed, "Unknown StatusUnknown -", "{live}");
            simulation.advance(secs(5));
            simulation.reconcile(shows(live));
            assert_eq!(simulation.status().live, Some(live));
            simulation.advance(secs(5));
            if live == Deactivating {
                break;
            }
        }
    }
}

#[test]
fn an_empty_list_that_something_led_to_is_believed_at_once() {
    let none = || shows(NoDeployment);
    let mut deactivating = settled().suspended();
    deactivating.reconcile(shows(Deactivating));
    let deactivated = called(State::Inactive, Active, CallOutcome::Accepted);
    let never_observed = Simulation::new(State::Inactive);
    let mut confirmed = settled();
    confirmed.reconcile_twice(&none());
    for simulation in [deactivating, deactivated, never_observed, confirmed] {
        let live = simulation.decide(none()).status.live;
        assert_eq!(live, Some(NoDeployment));
    }
    // An activate call leads to no empty list.
    let activated = called(State::Active, Inactive, CallOutcome::Accepted);
    assert_eq!(activated.decide(none()).status.live, Some(Unknown));
}

#[test]
fn an_inactive_model_needs_no_second_observation_unless_a_release_depends_on_it() {
    for &before in LiveStatus::ALL {
        let mut simulation = Simulation::new(State::Active).suspended();
        simulation.reconcile(shows(before));
        simulation.object.spec.suspend = None;
        simulation.object.metadata.finalizers = Some(vec![FINALIZER.into()]);
        let plan = simulation.decide(shows(Inactive));
        assert!(call(&plan).is_some(), "{before}");
    }
}
