use Deployment::{Active, Deploying, Error, Inactive};
use Direction::Activate;

use super::bench::{Bench, Pass, faults, mins, secs, shows};
use crate::{
    api::{Deployment, Direction, State},
    decide::{Answer, Fault, Look},
};

fn wanting() -> Bench {
    Bench::wanting(State::Active)
}

/// Looks that show this, a while apart, until a call is made or so many have made none.
fn until_call(bench: &mut Bench, deployment: Deployment) -> Option<Pass> {
    (0..40).find_map(|_| {
        bench.later(secs(60));
        let pass = bench.pass(shows(deployment));
        pass.call().is_some().then_some(pass)
    })
}

/// Passes at which the model keeps this status, until no call is made any more.
fn calls(bench: &mut Bench, deployment: Deployment) -> usize {
    (0..10)
        .take_while(|_| until_call(bench, deployment).is_some())
        .count()
}

/// What a reader sees of the model with this status, and all the message.
pub(super) fn end(bench: &mut Bench, deployment: Deployment) -> (String, String) {
    let pass = bench.pass(shows(deployment));
    assert_eq!(pass.call(), None);
    (pass.shown(), pass.plan.message)
}

type Change = fn(&mut Bench);

/// What refills a budget, by name.
const REFILLS: [(&str, Change); 3] = [
    ("a new generation", |bench| {
        bench.edit(|object| object.spec.suspend = Some(false))
    }),
    ("a requested reconcile", |bench| bench.request("now")),
    ("the desired state", |bench| {
        // The corrections in it are an hour old.
        bench.later(mins(61));
        bench.pass(shows(Active));
    }),
];

/// Each stalled object stays so for a year, a restart included, and goes on after each refill.
pub(super) fn stays_until_refilled(stalled: &Bench, reads: &str, deployment: Deployment) {
    let mut bench = stalled.clone();
    for _ in 0..365 {
        bench.later(mins(24 * 60));
        bench.restart();
        assert_eq!(end(&mut bench, deployment).0, reads);
    }
    for (name, refill) in REFILLS {
        let mut bench = stalled.clone();
        refill(&mut bench);
        assert!(
            until_call(&mut bench, deployment).is_some(),
            "{name} refills nothing"
        );
    }
}

#[test]
fn three_calls_without_effect_are_all_that_a_generation_may_send() {
    for answer in [Answer::Accepted, Answer::unknown("cut")] {
        let mut bench = wanting().with(|bench| bench.answer = answer);
        assert_eq!(calls(&mut bench, Inactive), 3);
        let (reads, message) = end(&mut bench, Inactive);
        assert_eq!(reads, "False CallHadNoEffect Stalled");
        assert!(
            message.contains("oxen.ai/reconcile-requested-at"),
            "{message}"
        );
        stays_until_refilled(&bench, &reads, Inactive);
    }
}

#[test]
fn calls_with_a_transition_in_between_are_counted_too() {
    let mut bench = wanting();
    for _ in 0..3 {
        assert!(until_call(&mut bench, Inactive).is_some());
        bench.pass(shows(Deploying));
    }
    assert!(until_call(&mut bench, Inactive).is_none());
    assert_eq!(end(&mut bench, Inactive).0, "False CallHadNoEffect Stalled");
}

#[test]
fn a_call_that_was_refused_is_tried_three_times() {
    let mut bench = wanting().with(|bench| {
        bench.answer = Answer::Refused(Fault::Rejected("no quota (422)".into()));
    });
    let waits = [0, 1].map(|_| {
        let pass = bench.pass(shows(Inactive));
        assert_eq!(pass.shown(), "False Rejected Reconciling");
        assert!(
            pass.plan.message.contains("no quota (422)"),
            "{}",
            pass.plan.message
        );
        bench.later(pass.plan.requeue.after);
        pass.plan.requeue.after.as_secs()
    });
    assert_eq!(waits, [10, 20]);
    let pass = bench.pass(shows(Inactive));
    assert_eq!(
        (pass.call(), pass.shown().as_str()),
        (Some(Activate), "False Rejected Stalled")
    );
    stays_until_refilled(&bench, "False Rejected Stalled", Inactive);
    // The words and what to do about them stay for all to read.
    if let Some(stalled) = super::bench::condition(&bench.status(), "Stalled") {
        assert!(
            stalled.message.contains("no quota (422)"),
            "{}",
            stalled.message
        );
        assert!(
            stalled.message.contains("oxen.ai/reconcile-requested-at"),
            "{}",
            stalled.message
        );
        assert!(
            !stalled.message.contains("tried again"),
            "{}",
            stalled.message
        );
    }
}

#[test]
fn a_last_call_that_was_not_refused_is_not_said_to_be() {
    for last in [Answer::Accepted, Answer::unknown("cut")] {
        let refusal = Answer::Refused(Fault::Rejected("no quota (422)".into()));
        let mut bench = wanting();
        for answer in [refusal.clone(), refusal, last] {
            bench.answer = answer;
            assert!(until_call(&mut bench, Inactive).is_some());
        }
        assert!(until_call(&mut bench, Inactive).is_none());
        assert_eq!(end(&mut bench, Inactive).0, "False CallHadNoEffect Stalled");
    }
}

#[test]
fn a_call_that_the_key_may_not_make_stalls_with_that_reason_and_how_to_go_on() {
    for (fault, reads) in [
        (Fault::Unauthenticated, "False Unauthenticated Stalled"),
        (Fault::Forbidden("no".into()), "False Forbidden Stalled"),
        (
            Fault::PaymentRequired("no".into()),
            "False PaymentRequired Stalled",
        ),
        (
            Fault::ModelNotFound(Vec::new()),
            "False ModelNotFound Stalled",
        ),
    ] {
        let mut bench = wanting().with(|bench| bench.answer = Answer::Refused(fault));
        assert_eq!(calls(&mut bench, Inactive), 3);
        assert_eq!(end(&mut bench, Inactive).0, reads);
        let stalled = super::bench::condition(&bench.status(), "Stalled")
            .cloned()
            .unwrap();
        assert!(
            stalled.message.contains("oxen.ai/reconcile-requested-at"),
            "{}",
            stalled.message
        );
        stays_until_refilled(&bench, reads, Inactive);
    }
}

#[test]
fn a_call_that_the_hub_had_no_time_for_is_not_spent() {
    let limited = Fault::RateLimited {
        wait: Some(secs(9)),
        whole_key: true,
    };
    let mut bench = wanting().with(|bench| bench.answer = Answer::Refused(limited));
    for _ in 0..20 {
        let pass = bench.pass(shows(Inactive));
        assert_eq!(pass.call(), Some(Activate));
        assert_eq!(super::bench::synced(&pass.plan), "RateLimited");
        assert!(!pass.shown().starts_with("True"), "{}", pass.shown());
        assert_eq!(pass.plan.requeue.after, secs(9));
        bench.later(secs(9));
    }
    assert_eq!(bench.status().attempts.unwrap().sends, None);
}

#[test]
fn a_failed_deployment_is_tried_again_after_1_5_and_15_minutes_and_then_no_more() {
    for wanted in [State::Active, State::Inactive] {
        let mut bench = Bench::wanting(wanted);
        for minutes in [1, 5, 15] {
            let pass = bench.pass(shows(Error));
            assert_eq!(pass.shown(), "False DeploymentError Reconciling");
            // It may mend itself in between.
            assert_eq!(pass.plan.requeue.after, mins(1));
            bench.later(mins(minutes) - secs(1));
            let early = bench.pass(shows(Error));
            assert_eq!(early.call(), None);
            assert!(
                early.plan.requeue.after <= secs(1),
                "{:?}",
                early.plan.requeue
            );
            bench.later(secs(1));
            assert!(
                bench.pass(shows(Error)).call().is_some(),
                "after {minutes} minutes"
            );
        }
        assert_eq!(
            bench.pass(shows(Error)).shown(),
            "False DeploymentFailed Stalled"
        );
        if wanted == State::Active {
            stays_until_refilled(&bench, "False DeploymentFailed Stalled", Error);
        }
    }
}

#[test]
fn a_deployment_that_fails_each_time_it_is_tried_is_failed_once_the_last_call_is_spent() {
    let mut bench = wanting();
    // The first call is the ordinary one, so two tries are left.
    assert!(until_call(&mut bench, Inactive).is_some());
    for _ in 0..2 {
        bench.pass(shows(Deploying));
        assert!(until_call(&mut bench, Error).is_some());
    }
    bench.pass(shows(Deploying));
    // No try is promised that never comes.
    assert_eq!(end(&mut bench, Error).0, "False DeploymentFailed Stalled");
    stays_until_refilled(&bench, "False DeploymentFailed Stalled", Error);
}

#[test]
fn refused_tries_of_a_failed_deployment_end_with_the_refusal() {
    let refusal = Fault::Rejected("no quota (422)".into());
    let mut bench = wanting().with(|bench| bench.answer = Answer::Refused(refusal));
    assert_eq!(calls(&mut bench, Error), 3);
    assert_eq!(end(&mut bench, Error).0, "False Rejected Stalled");
}

#[test]
fn a_requested_reconcile_is_acknowledged_by_a_good_look_and_refills_once() {
    let mut bench = wanting();
    assert_eq!(calls(&mut bench, Inactive), 3);
    bench.request("first");
    for fault in faults("words") {
        if !matches!(fault, Fault::ModelNotFound(_)) {
            bench.pass(Look::Failed(fault));
            assert_eq!(bench.status().last_handled_reconcile_at, None);
        }
    }
    assert_eq!(calls(&mut bench, Inactive), 3);
    assert_eq!(
        bench.status().last_handled_reconcile_at.as_deref(),
        Some("first")
    );
    bench.request("second");
    assert_eq!(calls(&mut bench, Inactive), 3);
}

#[test]
fn a_requested_reconcile_does_not_forget_an_open_operation() {
    let mut bench = wanting();
    bench.pass(shows(Inactive));
    bench.request("now");
    assert_eq!(bench.pass(shows(Inactive)).call(), None);
    assert!(bench.status().operation.is_some());
}
