//! Refused calls, which the operator retries for ever, slowly.

use LiveStatus::{Active, Deploying, Error, Inactive};
use OperationKind::Activate;
use oxen_operator::{
    api::{Attempts, LiveStatus, OperationKind, State},
    decide::{CallOutcome, HubFault, STALLED},
};
use testkit::simulation::{Simulation, condition, mins, secs, shows, synced};

use crate::{
    attempts::Change,
    operation::{CALLS, called},
};

/// Every refusal that the hub has for a call, with its reason.
fn refusals() -> [(HubFault, &'static str); 9] {
    let rate_limited = |wait| HubFault::RateLimited {
        wait,
        whole_key: false,
        words: Some("the plan allows 3 active deployments".into()),
    };
    [
        (HubFault::Unauthenticated, "Unauthenticated"),
        (HubFault::Forbidden("no".into()), "Forbidden"),
        (HubFault::PaymentRequired("no".into()), "PaymentRequired"),
        (HubFault::ModelNotFound(Vec::new()), "ModelNotFound"),
        (rate_limited(None), "Rejected"),
        (rate_limited(Some(secs(1))), "Rejected"),
        (busy(), "Rejected"),
        (HubFault::Unexpected("no".into()), "Rejected"),
        (HubFault::ModelMismatch("other".into()), "Rejected"),
    ]
}

fn busy() -> HubFault {
    HubFault::Rejected("the last shutdown is not finished (409)".into())
}

fn limited(wait: u64) -> HubFault {
    HubFault::RateLimited {
        wait: Some(secs(wait)),
        whole_key: false,
        words: None,
    }
}

/// A simulation whose first call was refused.
fn refused(desired: State, before: LiveStatus, fault: HubFault) -> Simulation {
    called(desired, before, CallOutcome::refused(fault))
}

pub fn attempts(simulation: &Simulation) -> Attempts {
    simulation.status().attempts.unwrap()
}

/// Reconciles each second until a call is made, and returns how many seconds that took.
pub fn seconds_until_call(simulation: &mut Simulation, live: LiveStatus) -> u64 {
    (1..=1000)
        .find(|_| {
            simulation.advance(secs(1));
            simulation.reconcile(shows(live)).call().is_some()
        })
        .expect("a call within 1000 seconds")
}

#[test]
fn a_refused_call_is_retried_for_ever_and_stalled_from_the_fifth_refusal() {
    for (kind, desired, before) in CALLS {
        for (fault, reason) in refusals() {
            let mut simulation = Simulation::new(desired);
            simulation.outcome = CallOutcome::refused(fault.clone());
            let (mut waits, mut stalled_after) = (Vec::new(), None);
            for refusals in 1..=50 {
                let reconciled = simulation.reconcile(shows(before));
                assert_eq!(reconciled.call(), Some(kind), "{fault:?}: {refusals}");
                let progress = if refusals < 5 {
                    "Reconciling"
                } else {
                    stalled_after.get_or_insert(waits.iter().sum::<u64>());
                    "Stalled"
                };
                let expected = format!("False {reason} {progress}");
                assert_eq!(reconciled.summary(), expected, "{refusals}");
                assert_eq!(synced(&reconciled.plan), "True");
                let after = reconciled.plan.requeue.after;
                waits.push(after.as_secs());
                simulation.advance(after);
            }
            assert_eq!(waits[..7], [10, 20, 40, 80, 160, 300, 300], "{fault:?}");
            assert_eq!(waits.last(), Some(&300));
            assert_eq!(stalled_after, Some(150));
        }
    }
}

#[test]
fn the_wait_after_a_refusal_grows_to_the_sync_interval_and_at_most_15_minutes() {
    for (interval, expected) in [
        ("30s", [10, 20, 30, 30, 30, 30, 30, 30, 30]),
        ("2m", [10, 20, 40, 80, 120, 120, 120, 120, 120]),
        ("1h", [10, 20, 40, 80, 160, 320, 640, 900, 900]),
    ] {
        let mut simulation = Simulation::new(State::Active);
        simulation.object.spec.sync_interval = interval.parse().ok();
        simulation.outcome = CallOutcome::refused(busy());
        let waits = [(); 9].map(|()| {
            let reconciled = simulation.reconcile(shows(Inactive));
            assert_eq!(reconciled.call(), Some(Activate));
            simulation.advance(reconciled.plan.requeue.after);
            reconciled.plan.requeue.after.as_secs()
        });
        assert_eq!(waits, expected, "{interval}");
    }
}

#[test]
fn nothing_that_wakes_the_object_shortens_the_wait_or_changes_the_status() {
    for (_, desired, before) in CALLS {
        for (fault, _) in refusals() {
            let mut simulation = refused(desired, before, fault);
            let status = simulation.status();
            for second in 1..10 {
                simulation.advance(secs(1));
                if second % 4 == 0 {
                    simulation.restart();
                }
                assert_eq!(simulation.reconcile(shows(before)).call(), None);
                assert_eq!(simulation.status(), status);
            }
            assert_eq!(seconds_until_call(&mut simulation, before), 1);
        }
    }
}

#[test]
fn a_refused_call_gives_back_all_that_it_spent() {
    let unspent = |simulation: &Simulation| {
        let spent = attempts(simulation);
        assert_eq!(spent.refusals, Some(1));
        assert_eq!(spent.last_call.unwrap().0, simulation.now);
        (
            spent.calls,
            spent.failures,
            spent.aborted,
            spent.corrections,
        )
    };
    for (fault, _) in refusals() {
        for (_, desired, before) in CALLS {
            let simulation = refused(desired, before, fault.clone());
            assert_eq!(unspent(&simulation), (None, None, None, None));
            assert_eq!(simulation.status().operation, None);
        }
        for (desired, live, wait) in [
            (State::Active, Error, mins(1)),
            (State::Inactive, Error, mins(1)),
            (State::Inactive, Deploying, mins(31)),
        ] {
            let mut simulation = Simulation::new(desired);
            simulation.outcome = CallOutcome::refused(fault.clone());
            simulation.reconcile(shows(live));
            simulation.advance(wait);
            assert!(simulation.reconcile(shows(live)).call().is_some());
            assert_eq!(unspent(&simulation), (None, None, None, None));
        }
        let mut drifted = Simulation::new(State::Active);
        drifted.reconcile(shows(Active));
        drifted.outcome = CallOutcome::refused(fault);
        assert!(drifted.reconcile(shows(Inactive)).call().is_some());
        assert_eq!(unspent(&drifted), (None, None, None, None));
    }
}

#[test]
fn an_edit_a_request_and_another_key_retry_at_once() {
    let changes: [(&str, Change); 3] = [
        ("edit", |it| {
            it.edit(|object| object.spec.suspend = Some(false));
        }),
        ("request", |it| it.request_reconcile("now")),
        ("key", Simulation::change_secret),
    ];
    for (_, desired, before) in CALLS {
        for (name, change) in changes {
            let mut simulation = refused(desired, before, busy());
            for _ in 0..3 {
                seconds_until_call(&mut simulation, before);
            }
            simulation.advance(secs(1));
            assert_eq!(simulation.reconcile(shows(before)).call(), None);
            change(&mut simulation);
            assert!(
                simulation.reconcile(shows(before)).call().is_some(),
                "{name}"
            );
            // The change makes one call due, and not each one after it.
            simulation.advance(secs(1));
            assert_eq!(simulation.reconcile(shows(before)).call(), None, "{name}");
        }
    }
}

#[test]
fn neither_an_edit_nor_a_request_nor_another_key_retries_before_retry_after() {
    let changes: [Change; 4] = [
        |_| (),
        |it| it.edit(|object| object.spec.suspend = Some(false)),
        |it| it.request_reconcile("now"),
        Simulation::change_secret,
    ];
    let busy = CallOutcome::Refused {
        fault: busy(),
        wait: Some(secs(90)),
    };
    for (_, desired, before) in CALLS {
        for outcome in [CallOutcome::refused(limited(90)), busy.clone()] {
            for change in changes {
                let mut simulation = Simulation::new(desired);
                simulation.outcome = outcome.clone();
                let first = simulation.reconcile(shows(before));
                assert_eq!(first.plan.requeue.after, secs(90));
                change(&mut simulation);
                assert_eq!(seconds_until_call(&mut simulation, before), 90);
            }
        }
    }
}

#[test]
fn a_request_that_was_answered_retries_nothing() {
    let mut simulation = refused(State::Active, Inactive, busy());
    simulation.request_reconcile("now");
    assert!(simulation.reconcile(shows(Inactive)).call().is_some());
    simulation.request_reconcile("now");
    assert_eq!(simulation.reconcile(shows(Inactive)).call(), None);
}

#[test]
fn a_refused_retry_of_a_failed_deployment_waits_for_its_delay_too() {
    for desired in [State::Active, State::Inactive] {
        let mut simulation = Simulation::new(desired);
        simulation.outcome = CallOutcome::refused(busy());
        simulation.reconcile(shows(Error));
        let waits = [(); 8].map(|()| seconds_until_call(&mut simulation, Error));
        assert_eq!(waits, [60, 60, 60, 60, 80, 160, 300, 300], "{desired}");
        assert_eq!(attempts(&simulation).failures, None);
        let reconciled = simulation.reconcile(shows(Error));
        assert_eq!(reconciled.summary(), "False Rejected Stalled");
        simulation.outcome = CallOutcome::Accepted;
        seconds_until_call(&mut simulation, Error);
        assert_eq!(attempts(&simulation).failures, Some(1));
    }
}

#[test]
fn a_refusal_that_ends_heals_without_a_person() {
    for (_, desired, before) in CALLS {
        for (fault, _) in refusals() {
            for refusals in [3, 20] {
                let mut simulation = refused(desired, before, fault.clone());
                for _ in 1..refusals {
                    simulation.advance(mins(5));
                    simulation.reconcile(shows(before));
                }
                assert_eq!(attempts(&simulation).refusals, Some(refusals));
                simulation.outcome = CallOutcome::Accepted;
                seconds_until_call(&mut simulation, before);
                let spent = attempts(&simulation);
                assert_eq!((spent.refusals, spent.refusal), (None, None));
                assert_eq!(spent.calls, Some(1));
                let target = match desired {
                    State::Active => Active,
                    State::Inactive => Inactive,
                };
                let settled = simulation.reconcile(shows(target)).summary();
                assert!(settled.starts_with("True"), "{settled}");
            }
        }
    }
}

#[test]
fn a_retry_leaves_the_conditions_as_they_are_until_its_answer() {
    for (_, desired, before) in CALLS {
        for (fault, _) in refusals() {
            let mut simulation = refused(desired, before, fault);
            for _ in 0..8 {
                let conditions = simulation.status().conditions;
                simulation.advance(mins(5));
                let reconciled = simulation.reconcile(shows(before));
                assert!(reconciled.call().is_some());
                assert_eq!(reconciled.decided.status.conditions, conditions);
            }
        }
    }
}

#[test]
fn a_refused_call_quotes_the_hub_and_says_that_it_is_retried() {
    let mut simulation = Simulation::new(State::Active);
    for (fault, words) in [
        (busy(), "the last shutdown is not finished (409)"),
        (
            refusals()[4].0.clone(),
            "the plan allows 3 active deployments",
        ),
    ] {
        simulation.outcome = CallOutcome::refused(fault);
        for _ in 0..6 {
            simulation.advance(mins(5));
            let message = simulation.reconcile(shows(Inactive)).plan.message;
            assert!(message.contains(words), "{message}");
            assert!(message.contains("retries the call"), "{message}");
        }
        let status = simulation.status();
        let message = &condition(&status, STALLED).unwrap().message;
        assert!(message.contains(words), "{message}");
        simulation = Simulation::new(State::Active);
    }
}

#[test]
fn only_accepted_calls_count_towards_the_limit() {
    for (kind, desired, before) in CALLS {
        let mut simulation = Simulation::new(desired);
        for _ in 0..3 {
            for outcome in [CallOutcome::refused(busy()), CallOutcome::Accepted] {
                simulation.outcome = outcome;
                seconds_until_call(&mut simulation, before);
            }
        }
        for _ in 0..1000 {
            simulation.advance(secs(1));
            assert_eq!(simulation.reconcile(shows(before)).call(), None);
        }
        let reconciled = simulation.reconcile(shows(before));
        assert_eq!(
            reconciled.summary(),
            "False CallHadNoEffect Stalled",
            "{kind}"
        );
    }
}

#[test]
fn a_call_that_found_no_connection_counts_as_nothing() {
    for (kind, desired, before) in CALLS {
        let fault = HubFault::Unreachable("connection refused".into());
        let mut simulation = refused(desired, before, fault);
        for _ in 0..20 {
            let spent = attempts(&simulation);
            assert_eq!((spent.calls, spent.refusals), (None, None));
            assert_eq!(simulation.status().operation, None);
            simulation.advance(secs(30));
            let reconciled = simulation.reconcile(shows(before));
            assert_eq!(reconciled.call(), Some(kind));
            assert_eq!(reconciled.plan.requeue.after, secs(30));
        }
    }
}
