//! Calls whose answer was lost. One that has no effect counts as a refusal.

use LiveStatus::{Active, Deploying, Error, Inactive, None as NoDeployment};
use oxen_operator::{
    api::{LiveStatus, State},
    decide::{Action, CallOutcome},
};
use testkit::simulation::{Simulation, call, mins, secs, shows, synced};

use crate::{
    operation::{CALLS, PATIENCE, called},
    refusals::{attempts, seconds_until_call},
};

#[test]
fn a_lost_answer_without_effect_counts_as_a_refusal_and_is_retried_for_ever() {
    for (kind, desired, before) in CALLS {
        let mut simulation = called(desired, before, CallOutcome::unknown("502 Bad Gateway"));
        for refusals in 1..=12 {
            // It is open for the patience and two observations.
            let waited = seconds_until_call(&mut simulation, before);
            assert!(waited > PATIENCE && waited <= 300, "{kind}: {waited}");
            let spent = attempts(&simulation);
            assert_eq!(spent.refusals, Some(refusals), "{kind}");
            assert_eq!(spent.refusal.as_deref(), Some("OutcomeUnknown"));
            assert_eq!(spent.calls, Some(1));
            let reconciled = simulation.reconcile(shows(before));
            let progress = if refusals < 5 {
                "Reconciling"
            } else {
                "Stalled"
            };
            assert_eq!(
                reconciled.summary(),
                format!("Unknown OutcomeUnknown {progress}")
            );
            assert_eq!(synced(&reconciled.plan), "True");
        }
        simulation.outcome = CallOutcome::Accepted;
        seconds_until_call(&mut simulation, before);
        assert_eq!(attempts(&simulation).refusals, None);
    }
}

#[test]
fn a_lost_answer_that_waits_for_its_retry_says_what_became_of_the_call() {
    let mut simulation = called(State::Active, Inactive, CallOutcome::unknown("cut"));
    for _ in 0..5 {
        seconds_until_call(&mut simulation, Inactive);
    }
    simulation.reconcile(shows(Inactive));
    simulation.advance(secs(PATIENCE));
    simulation.reconcile(shows(Inactive));
    let reconciled = simulation.reconcile(shows(Inactive));
    assert_eq!(reconciled.call(), None);
    assert_eq!(reconciled.summary(), "False OutcomeUnknown Stalled");
    let message = reconciled.plan.message;
    assert!(
        message.contains("answer to the activate call was lost"),
        "{message}"
    );
}

#[test]
fn a_lost_answer_whose_effect_is_shown_is_no_refusal() {
    for ((_, desired, before), shown) in CALLS.into_iter().zip([
        [LiveStatus::Deploying, Active],
        [LiveStatus::Deactivating, NoDeployment],
    ]) {
        for live in shown {
            let mut simulation = called(desired, before, CallOutcome::unknown("cut"));
            simulation.reconcile(shows(live));
            let spent = attempts(&simulation);
            assert_eq!((spent.refusals, spent.refusal), (None, None));
        }
    }
}

#[test]
fn a_lost_answer_gives_back_a_failed_deployments_try_and_a_correction() {
    let lost = || CallOutcome::unknown("cut");
    let spent_after = |mut simulation: Simulation, live| {
        simulation.outcome = lost();
        seconds_until_call(&mut simulation, live);
        simulation.reconcile(shows(live));
        simulation.advance(secs(PATIENCE));
        simulation.reconcile(shows(live));
        let plan = simulation.decide(shows(live));
        // The retry, where it is due at once, spends its own.
        match (call(&plan), plan.action) {
            (Some(_), Action::Call { unspent, .. }) => unspent,
            _ => plan.status.attempts.unwrap(),
        }
    };
    let mut failed = Simulation::new(State::Active);
    failed.reconcile(shows(Error));
    let spent = spent_after(failed, Error);
    assert_eq!(
        (spent.failures, spent.calls, spent.refusals),
        (None, None, Some(1))
    );
    let mut drifted = Simulation::new(State::Active);
    drifted.reconcile(shows(Active));
    let spent = spent_after(drifted, Inactive);
    assert_eq!((spent.corrections, spent.refusals), (None, Some(1)));
    let mut endless = Simulation::new(State::Inactive);
    endless.reconcile(shows(Deploying));
    endless.advance(mins(30));
    let spent = spent_after(endless, Deploying);
    assert_eq!((spent.aborted, spent.refusals), (None, Some(1)));
}
