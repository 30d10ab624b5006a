//! A model whose identity changes: the hub answers with another `id` or `owned_by` than before.

use LiveStatus::{Active, Deploying, Inactive};
use OperationKind::Activate;
use oxen_operator::{
    api::{LiveStatus, OperationKind, State},
    decide::{CallOutcome, CredentialFault, Fault, HubFault, Remedy},
};
use testkit::simulation::{Retrieved, Simulation, mins, shows, shows_model, synced};

use crate::operation::{CALLS, called};

const CHANGED: &str = "False IdentityChanged Stalled";

/// A model that is active, as declared.
fn settled() -> Simulation {
    Simulation::new(State::Active).with(|simulation| {
        simulation.reconcile(shows(Active));
    })
}

/// A live GET that shows the model of another account.
fn other(live: LiveStatus) -> Retrieved {
    shows_model(false, live, "bot", "other")
}

fn owner(simulation: &Simulation) -> String {
    simulation.status().model.unwrap().owner
}

#[test]
fn a_changed_identity_stalls_until_a_reconcile_is_requested() {
    for (id, owner) in [("bot", "other"), ("bot-2", "acme")] {
        for &live in LiveStatus::ALL {
            let mut simulation = settled();
            let retrieved = shows_model(false, live, id, owner);
            let before = simulation.status();
            let reconciled = simulation.reconcile(retrieved.clone());
            assert_eq!(reconciled.summary(), CHANGED);
            assert_eq!(synced(&reconciled.plan), "IdentityChanged");
            let requeue = reconciled.plan.requeue;
            assert_eq!(requeue.after, simulation.rules.sync_interval);
            let message = &reconciled.plan.message;
            assert!(message.contains("bot of acme"), "{message}");
            let after = simulation.status();
            assert_eq!((after.model, after.live), (before.model, before.live));
            let shown = after.other_model.unwrap();
            assert_eq!((shown.id.as_str(), shown.owner.as_str()), (id, owner));
            // Neither time nor an edit accepts the new identity.
            simulation.advance(mins(600));
            simulation.edit(|object| object.spec.state = State::Inactive.into());
            assert_eq!(simulation.reconcile(retrieved.clone()).summary(), CHANGED);
            simulation.request_reconcile("now");
            simulation.reconcile(retrieved.clone());
            let status = simulation.status();
            assert_eq!(status.model.unwrap().owner, owner);
            assert_eq!(status.other_model, None);
            simulation.advance(mins(5));
            assert_ne!(simulation.reconcile(retrieved).summary(), CHANGED);
        }
    }
}

#[test]
fn the_original_identity_ends_the_stall() {
    let mut simulation = settled();
    simulation.reconcile(other(Active));
    assert_eq!(
        simulation.reconcile(shows(Active)).summary(),
        "True Active -"
    );
    assert_eq!(simulation.status().other_model, None);
}

#[test]
fn a_request_from_before_the_other_identity_was_shown_accepts_nothing() {
    let no_secret = CredentialFault::NotFound {
        why: "the Secret is gone".into(),
        remedy: Remedy::GrantAccess,
    };
    let unanswered: [Fault; 2] = [
        no_secret.into(),
        HubFault::Unreachable("reset".into()).into(),
    ];
    for fault in unanswered {
        let mut simulation = settled();
        simulation.reconcile(Err(fault.clone()));
        simulation.request_reconcile("first");
        simulation.reconcile(Err(fault));
        for _ in 0..5 {
            let reconciled = simulation.reconcile(other(Inactive));
            assert_eq!(
                (reconciled.call(), reconciled.summary().as_str()),
                (None, CHANGED)
            );
            simulation.advance(mins(5));
        }
        assert_eq!(owner(&simulation), "acme");
        // One from after it accepts the model, whose state is corrected in the same reconcile.
        simulation.request_reconcile("second");
        assert_eq!(simulation.reconcile(other(Inactive)).call(), Some(Activate));
        assert_eq!(owner(&simulation), "other");
    }
}

#[test]
fn a_request_accepts_exactly_the_identity_that_was_shown() {
    let mut simulation = settled();
    simulation.reconcile(other(Active));
    simulation.request_reconcile("now");
    let third = shows_model(false, Active, "bot", "third");
    for _ in 0..3 {
        assert_eq!(simulation.reconcile(third.clone()).summary(), CHANGED);
    }
    assert_eq!(owner(&simulation), "acme");
    let shown = simulation.status().other_model.unwrap();
    assert_eq!(shown.owner, "third");
}

#[test]
fn a_request_that_the_original_identity_answered_accepts_no_later_one() {
    let mut simulation = settled();
    simulation.reconcile(other(Active));
    simulation.request_reconcile("now");
    simulation.reconcile(shows(Active));
    for _ in 0..3 {
        assert_eq!(simulation.reconcile(other(Active)).summary(), CHANGED);
    }
    assert_eq!(owner(&simulation), "acme");
}

#[test]
fn a_request_that_meets_a_fault_accepts_the_shown_identity_once_it_is_answered() {
    let mut simulation = settled();
    simulation.reconcile(other(Active));
    simulation.request_reconcile("now");
    simulation.reconcile(Err(HubFault::Unreachable("reset".into()).into()));
    assert_eq!(
        simulation.reconcile(other(Active)).summary(),
        "True Active -"
    );
}

#[test]
fn an_open_operation_of_the_old_identity_ends_with_it() {
    for (kind, desired, before) in CALLS {
        let mut simulation = called(desired, before, CallOutcome::Accepted);
        simulation.reconcile(other(before));
        assert!(simulation.status().operation.is_some());
        simulation.request_reconcile("now");
        let reconciled = simulation.reconcile(other(before));
        assert_eq!(reconciled.call(), Some(kind));
    }
}

#[test]
fn an_accepted_model_has_been_deploying_only_since_it_was_accepted() {
    let mut simulation = Simulation::new(State::Inactive);
    simulation.reconcile(shows(Deploying));
    simulation.advance(mins(20));
    simulation.reconcile(other(Deploying));
    simulation.advance(mins(20));
    simulation.request_reconcile("now");
    for _ in 0..30 {
        assert_eq!(simulation.reconcile(other(Deploying)).call(), None);
        simulation.advance(mins(1));
    }
    simulation.advance(mins(1));
    assert!(simulation.reconcile(other(Deploying)).call().is_some());
}
