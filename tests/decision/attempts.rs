//! The calls and retries that a generation may make, and what renews them.

use LiveStatus::{Active, Deploying, Error, Inactive};
use OperationKind::Activate;
use oxen_operator::{
    api::{LiveStatus, OperationKind, RECONCILE_ANNOTATION, State},
    decide::{CallOutcome, HubFault, STALLED},
};
use testkit::simulation::{Reconciled, Simulation, condition, faults, mins, secs, shows, synced};

fn declared_active() -> Simulation {
    Simulation::new(State::Active)
}

/// A simulation of a model declared active whose calls the hub refuses.
fn refusing(fault: HubFault) -> Simulation {
    declared_active().with(|simulation| simulation.outcome = CallOutcome::Refused(fault))
}

fn no_quota() -> HubFault {
    HubFault::Rejected("no quota (422)".into())
}

/// Reconciles once a minute with this live status, until a call is made or 40 minutes have passed.
fn reconcile_until_call(simulation: &mut Simulation, live: LiveStatus) -> Option<Reconciled> {
    (0..40).find_map(|_| {
        simulation.advance(secs(60));
        let reconciled = simulation.reconcile(shows(live));
        reconciled.call().is_some().then_some(reconciled)
    })
}

/// The number of calls that are made while the model keeps this live status, at most 10.
fn count_calls(simulation: &mut Simulation, live: LiveStatus) -> usize {
    (0..10)
        .take_while(|_| reconcile_until_call(simulation, live).is_some())
        .count()
}

/// Reconciles without a call, and returns the summary and the message.
pub fn reconcile_without_call(simulation: &mut Simulation, live: LiveStatus) -> (String, String) {
    let reconciled = simulation.reconcile(shows(live));
    assert_eq!(reconciled.call(), None);
    (reconciled.summary(), reconciled.plan.message)
}

type Change = fn(&mut Simulation);

/// What renews the attempts, by name.
const RENEWALS: [(&str, Change); 3] = [
    ("a new generation", |simulation| {
        simulation.edit(|object| object.spec.suspend = Some(false));
    }),
    ("a requested reconcile", |simulation| {
        simulation.request_reconcile("now");
    }),
    ("the desired state", |simulation| {
        // Corrections count for an hour, whatever else is renewed.
        simulation.advance(mins(61));
        simulation.reconcile(shows(Active));
    }),
];

/// Checks that a stalled object stays so for a year of restarts, and that each renewal leads to
/// another call.
pub fn stays_until_renewed(stalled: &Simulation, summary: &str, live: LiveStatus) {
    let mut simulation = stalled.clone();
    for _ in 0..365 {
        simulation.advance(mins(24 * 60));
        simulation.restart();
        assert_eq!(reconcile_without_call(&mut simulation, live).0, summary);
    }
    for (name, renew) in RENEWALS {
        let mut simulation = stalled.clone();
        renew(&mut simulation);
        assert!(
            reconcile_until_call(&mut simulation, live).is_some(),
            "{name} renews nothing"
        );
    }
}

#[test]
fn a_generation_sends_at_most_three_calls_without_effect() {
    for outcome in [CallOutcome::Accepted, CallOutcome::unknown("cut")] {
        let mut simulation = declared_active().with(|simulation| simulation.outcome = outcome);
        assert_eq!(count_calls(&mut simulation, Inactive), 3);
        let (summary, message) = reconcile_without_call(&mut simulation, Inactive);
        assert_eq!(summary, "False CallHadNoEffect Stalled");
        assert!(message.contains(RECONCILE_ANNOTATION), "{message}");
        stays_until_renewed(&simulation, &summary, Inactive);
    }
}

#[test]
fn calls_with_a_transition_in_between_are_counted_too() {
    let mut simulation = declared_active();
    for _ in 0..3 {
        assert!(reconcile_until_call(&mut simulation, Inactive).is_some());
        simulation.reconcile(shows(Deploying));
    }
    assert!(reconcile_until_call(&mut simulation, Inactive).is_none());
    let (summary, _) = reconcile_without_call(&mut simulation, Inactive);
    assert_eq!(summary, "False CallHadNoEffect Stalled");
}

#[test]
fn a_refused_call_is_sent_three_times() {
    let mut simulation = refusing(no_quota());
    let waits = [0, 1].map(|_| {
        let reconciled = simulation.reconcile(shows(Inactive));
        assert_eq!(reconciled.summary(), "False Rejected Reconciling");
        let message = &reconciled.plan.message;
        assert!(message.contains("no quota (422)"), "{message}");
        assert!(message.contains("retries the call"), "{message}");
        simulation.advance(reconciled.plan.requeue.after);
        reconciled.plan.requeue.after.as_secs()
    });
    assert_eq!(waits, [10, 20]);
    let reconciled = simulation.reconcile(shows(Inactive));
    assert_eq!(
        (reconciled.call(), reconciled.summary().as_str()),
        (Some(Activate), "False Rejected Stalled")
    );
    stays_until_renewed(&simulation, "False Rejected Stalled", Inactive);
    // The condition keeps the hub's words, and no longer promises a retry.
    let status = simulation.status();
    let message = &condition(&status, STALLED).unwrap().message;
    assert!(message.contains("no quota (422)"), "{message}");
    assert!(message.contains(RECONCILE_ANNOTATION), "{message}");
    assert!(!message.contains("retries the call"), "{message}");
}

#[test]
fn a_last_call_that_was_not_refused_is_not_reported_as_refused() {
    for last in [CallOutcome::Accepted, CallOutcome::unknown("cut")] {
        let refused = CallOutcome::Refused(no_quota());
        let mut simulation = declared_active();
        for outcome in [refused.clone(), refused, last] {
            simulation.outcome = outcome;
            assert!(reconcile_until_call(&mut simulation, Inactive).is_some());
        }
        assert!(reconcile_until_call(&mut simulation, Inactive).is_none());
        let (summary, _) = reconcile_without_call(&mut simulation, Inactive);
        assert_eq!(summary, "False CallHadNoEffect Stalled");
    }
}

#[test]
fn a_call_that_the_key_may_not_make_stalls_with_its_reason_and_fix() {
    for (fault, summary) in [
        (HubFault::Unauthenticated, "False Unauthenticated Stalled"),
        (HubFault::Forbidden("no".into()), "False Forbidden Stalled"),
        (
            HubFault::PaymentRequired("no".into()),
            "False PaymentRequired Stalled",
        ),
        (
            HubFault::ModelNotFound(Vec::new()),
            "False ModelNotFound Stalled",
        ),
    ] {
        let mut simulation = refusing(fault);
        assert_eq!(count_calls(&mut simulation, Inactive), 3);
        assert_eq!(reconcile_without_call(&mut simulation, Inactive).0, summary);
        let status = simulation.status();
        let message = &condition(&status, STALLED).unwrap().message;
        assert!(message.contains(RECONCILE_ANNOTATION), "{message}");
        stays_until_renewed(&simulation, summary, Inactive);
    }
}

#[test]
fn a_rate_limited_call_spends_no_attempt() {
    let mut simulation = refusing(HubFault::RateLimited {
        wait: Some(secs(9)),
        whole_key: true,
    });
    for _ in 0..20 {
        let reconciled = simulation.reconcile(shows(Inactive));
        assert_eq!(reconciled.call(), Some(Activate));
        assert_eq!(synced(&reconciled.plan), "RateLimited");
        let summary = reconciled.summary();
        assert!(!summary.starts_with("True"), "{summary}");
        assert_eq!(reconciled.plan.requeue.after, secs(9));
        simulation.advance(secs(9));
    }
    assert_eq!(simulation.status().attempts.unwrap().sends, None);
}

#[test]
fn a_failed_deployment_is_retried_after_1_5_and_15_minutes() {
    for desired in [State::Active, State::Inactive] {
        let mut simulation = Simulation::new(desired);
        for minutes in [1, 5, 15] {
            let reconciled = simulation.reconcile(shows(Error));
            assert_eq!(reconciled.summary(), "False DeploymentError Reconciling");
            // It is polled in between, because the model may recover without a call.
            assert_eq!(reconciled.plan.requeue.after, mins(1));
            simulation.advance(mins(minutes) - secs(1));
            let early = simulation.reconcile(shows(Error));
            assert_eq!(early.call(), None);
            let requeue = early.plan.requeue;
            assert!(requeue.after <= secs(1), "{requeue:?}");
            simulation.advance(secs(1));
            assert!(
                simulation.reconcile(shows(Error)).call().is_some(),
                "after {minutes} minutes"
            );
        }
        let reconciled = simulation.reconcile(shows(Error));
        assert_eq!(reconciled.summary(), "False DeploymentFailed Stalled");
        if desired == State::Active {
            stays_until_renewed(&simulation, "False DeploymentFailed Stalled", Error);
        }
    }
}

#[test]
fn a_deployment_that_fails_after_the_last_call_is_failed() {
    let mut simulation = declared_active();
    // The call for an inactive model counts too, so two retries are left.
    assert!(reconcile_until_call(&mut simulation, Inactive).is_some());
    for _ in 0..2 {
        simulation.reconcile(shows(Deploying));
        assert!(reconcile_until_call(&mut simulation, Error).is_some());
    }
    simulation.reconcile(shows(Deploying));
    // `DeploymentError` would promise a retry that never comes.
    let (summary, _) = reconcile_without_call(&mut simulation, Error);
    assert_eq!(summary, "False DeploymentFailed Stalled");
    stays_until_renewed(&simulation, "False DeploymentFailed Stalled", Error);
}

#[test]
fn refused_retries_of_a_failed_deployment_end_with_the_refusal() {
    let mut simulation = refusing(no_quota());
    assert_eq!(count_calls(&mut simulation, Error), 3);
    let (summary, _) = reconcile_without_call(&mut simulation, Error);
    assert_eq!(summary, "False Rejected Stalled");
}

#[test]
fn a_requested_reconcile_renews_the_attempts_once_it_is_answered() {
    let mut simulation = declared_active();
    assert_eq!(count_calls(&mut simulation, Inactive), 3);
    simulation.request_reconcile("first");
    for fault in faults("words") {
        simulation.reconcile(Err(fault));
        assert_eq!(simulation.status().last_handled_reconcile_at, None);
    }
    assert_eq!(count_calls(&mut simulation, Inactive), 3);
    let handled = simulation.status().last_handled_reconcile_at;
    assert_eq!(handled.as_deref(), Some("first"));
    simulation.request_reconcile("second");
    assert_eq!(count_calls(&mut simulation, Inactive), 3);
}

#[test]
fn a_requested_reconcile_keeps_an_open_operation() {
    let mut simulation = declared_active();
    simulation.reconcile(shows(Inactive));
    simulation.request_reconcile("now");
    assert_eq!(simulation.reconcile(shows(Inactive)).call(), None);
    assert!(simulation.status().operation.is_some());
}
