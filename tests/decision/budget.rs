//! Activate calls that an OxenBudget refuses.

use LiveStatus::{Active, Deploying, Error, Inactive};
use OperationKind::{Activate, Deactivate};
use oxen_operator::{
    api::{LiveStatus, OperationKind, State},
    decide::{CallOutcome, HubFault, Limit, Refusal},
};
use testkit::simulation::{Simulation, mins, shows, shows_base};

const REFUSED: &str = "False BudgetExceeded Stalled";

fn exceeded() -> Refusal {
    Refusal::Exceeded {
        budget: "team-a".into(),
        limit: Limit::Active(3),
    }
}

/// A simulation whose namespace has no room in its budget.
fn full(state: State) -> Simulation {
    Simulation::new(state).with(|simulation| simulation.refusal = Some(exceeded()))
}

#[test]
fn a_refused_activation_names_the_budget_and_the_limit_and_is_tried_each_minute() {
    let mut simulation = full(State::Active);
    let reconciled = simulation.reconcile(shows(Inactive));
    assert_eq!(
        (reconciled.call(), reconciled.summary().as_str()),
        (None, REFUSED)
    );
    assert_eq!(reconciled.plan.requeue.after, mins(1));
    assert!(reconciled.plan.transition, "a refusal has an event");
    let message = &reconciled.plan.message;
    assert!(
        message.contains("\"team-a\" allows 3 active models (maxActive)"),
        "{message}"
    );
    let spent = simulation.status().attempts.unwrap();
    assert_eq!((spent.calls, spent.last_call), (None, None));
    assert_eq!(simulation.status().operation, None);
}

#[test]
fn a_refusal_writes_once_and_spends_nothing() {
    let mut simulation = full(State::Active);
    simulation.reconcile(shows(Inactive));
    let status = simulation.status();
    for _ in 0..100 {
        simulation.advance(mins(1));
        let reconciled = simulation.reconcile(shows(Inactive));
        assert_eq!(
            (reconciled.call(), reconciled.summary().as_str()),
            (None, REFUSED)
        );
        assert_eq!(simulation.status(), status);
    }
    simulation.refusal = None;
    let reconciled = simulation.reconcile(shows(Inactive));
    assert_eq!(reconciled.call(), Some(Activate));
    assert_eq!(
        simulation.reconcile(shows(Active)).summary(),
        "True Active -"
    );
}

#[test]
fn an_activation_is_refused_for_whatever_reason_it_is_due() {
    // Drift.
    let mut drifted = Simulation::new(State::Active);
    drifted.reconcile(shows(Active));
    drifted.refusal = Some(exceeded());
    assert_eq!(drifted.reconcile(shows(Inactive)).summary(), REFUSED);
    drifted.refusal = None;
    let corrected = drifted.reconcile(shows(Inactive));
    assert_eq!(corrected.summary(), "False CorrectingDrift Reconciling");
    // A failed deployment.
    let mut failed = full(State::Active);
    assert_eq!(
        failed.reconcile(shows(Error)).summary(),
        "False DeploymentError Reconciling"
    );
    failed.advance(mins(1));
    assert_eq!(failed.reconcile(shows(Error)).summary(), REFUSED);
    // A refused call.
    let mut refused = Simulation::new(State::Active);
    refused.outcome = CallOutcome::Refused {
        fault: HubFault::PaymentRequired("no".into()),
        wait: None,
    };
    refused.reconcile(shows(Inactive));
    refused.advance(mins(5));
    refused.refusal = Some(exceeded());
    assert_eq!(refused.reconcile(shows(Inactive)).summary(), REFUSED);
    // An override.
    let mut overridden = full(State::Inactive);
    overridden.request_override(Some("active until 2026-01-01T10:00:00Z"));
    assert_eq!(overridden.reconcile(shows(Inactive)).summary(), REFUSED);
    assert!(overridden.status().override_in_force.is_some());
    // A requested reconcile.
    let mut requested = full(State::Active);
    requested.request_reconcile("now");
    assert_eq!(requested.reconcile(shows(Inactive)).summary(), REFUSED);
}

#[test]
fn nothing_but_an_activation_is_refused() {
    let off = full(State::Inactive).reconcile(shows(Active));
    assert_eq!(off.call(), Some(Deactivate));
    let on = full(State::Active).reconcile(shows(Active));
    assert_eq!(on.summary(), "True Active -");
    let deploying = full(State::Active).reconcile(shows(Deploying));
    assert_eq!(deploying.summary(), "False Activating Reconciling");
    let base = full(State::Active).reconcile(shows_base());
    assert_eq!(base.summary(), "True AlwaysActive -");
    let suspended = full(State::Active).suspended().reconcile(shows(Inactive));
    assert_eq!(suspended.summary(), "False WouldActivate -");
    let deleting = full(State::Active).deleting().reconcile(shows(Active));
    assert_eq!(deleting.call(), Some(Deactivate));
}

#[test]
fn a_refused_object_gets_the_finalizer() {
    let mut simulation = full(State::Active).without_finalizer();
    assert!(simulation.reconcile(shows(Inactive)).held);
}

#[test]
fn budgets_that_are_not_known_refuse_an_activation() {
    let undecodable = Refusal::Undecodable {
        budget: "team-a".into(),
        problem: "spec.maxHourlyCost: must be a decimal".into(),
    };
    for (refusal, words) in [
        (Refusal::NotListed, "have not been listed"),
        (
            undecodable,
            "\"team-a\", so it is not known whether it allows it: spec.maxHourlyCost",
        ),
    ] {
        let mut simulation = Simulation::new(State::Active);
        simulation.refusal = Some(refusal);
        let reconciled = simulation.reconcile(shows(Inactive));
        assert_eq!(reconciled.call(), None);
        assert_eq!(reconciled.summary(), "False BudgetUnknown Stalled");
        let message = &reconciled.plan.message;
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn the_progress_deadline_counts_from_the_end_of_the_refusal() {
    let mut simulation = full(State::Active);
    simulation.reconcile(shows(Inactive));
    simulation.advance(mins(120));
    assert_eq!(simulation.reconcile(shows(Inactive)).summary(), REFUSED);
    simulation.refusal = None;
    simulation.reconcile(shows(Inactive));
    simulation.advance(mins(20));
    let deploying = simulation.reconcile(shows(Deploying));
    assert_eq!(deploying.summary(), "False Activating Reconciling");
}

#[test]
fn an_activation_waits_until_the_others_have_been_observed() {
    let mut simulation = Simulation::new(State::Active);
    simulation.refusal = Some(Refusal::Unobserved {
        budget: "team-a".into(),
        object: "other".into(),
    });
    let reconciled = simulation.reconcile(shows(Inactive));
    assert_eq!(reconciled.call(), None);
    assert_eq!(reconciled.summary(), "False BudgetPending Reconciling");
    assert_eq!(reconciled.plan.requeue.after, mins(1));
    let message = &reconciled.plan.message;
    let words = "The OxenModel \"other\" of the namespace has not been observed yet";
    assert!(message.contains(words), "{message}");
    assert!(message.contains("\"team-a\""), "{message}");
    simulation.refusal = None;
    assert_eq!(simulation.reconcile(shows(Inactive)).call(), Some(Activate));
}
