//! What writes nothing, and when to reconcile next.

use LiveStatus::{Active, Deploying, Error, Inactive, Unknown};
use oxen_operator::{
    api::{LiveStatus, State},
    decide::{CallOutcome, Fault, HubFault, Jitter, READY, Verdict},
};
use testkit::simulation::{
    Retrieved, Simulation, call, condition, faults, mins, progress, secs, shows, shows_base,
    shows_model,
};

/// Every kind of observation.
fn observations() -> Vec<Retrieved> {
    let shown = LiveStatus::ALL.iter().copied().map(shows);
    let odd = [shows_base(), shows_model(false, Active, "bot", "other")];
    let failed = faults("words").into_iter().map(Err);
    shown.chain(odd).chain(failed).collect()
}

/// Every kind of object, before its first observation and after it has settled.
fn simulations() -> Vec<Simulation> {
    let mut all = Vec::new();
    for desired in [State::Active, State::Inactive] {
        let new = Simulation::new(desired);
        let settled = new.clone().with(|simulation| {
            simulation.reconcile(shows(Inactive));
            simulation.reconcile(shows(Active));
        });
        for simulation in [new, settled] {
            all.extend([
                simulation.clone(),
                simulation.clone().without_finalizer(),
                simulation.clone().suspended(),
                simulation.clone().observe_only(),
                simulation.deleting(),
            ]);
        }
    }
    all
}

/// Each of these objects with each of these observations.
fn pairs() -> impl Iterator<Item = (Simulation, Retrieved)> {
    simulations().into_iter().flat_map(|simulation| {
        observations()
            .into_iter()
            .map(move |retrieved| (simulation.clone(), retrieved))
    })
}

#[test]
fn the_same_observation_again_writes_nothing() {
    for (mut simulation, retrieved) in pairs() {
        // The finalizer, the call and the open operation take one reconcile each.
        for _ in 0..3 {
            simulation.reconcile(retrieved.clone());
        }
        let plan = simulation.decide(retrieved.clone());
        assert_eq!(call(&plan), None, "{retrieved:?}");
        assert!(!simulation.would_write(&plan), "{retrieved:?}");
        assert!(
            !plan.transition || plan.verdict == Verdict::Released,
            "{retrieved:?}"
        );
    }
}

#[test]
fn the_passing_of_time_writes_nothing() {
    for (mut simulation, retrieved) in pairs() {
        // All attempts are spent, and every deadline has passed, before time alone goes by.
        for _ in 0..120 {
            simulation.reconcile(retrieved.clone());
            simulation.advance(mins(1));
        }
        let before = simulation.status();
        for hours in [1, 24, 24 * 365] {
            simulation.advance(mins(60 * hours));
            simulation.restart();
            let reconciled = simulation.reconcile(retrieved.clone());
            assert_eq!(
                (reconciled.call(), &simulation.status()),
                (None, &before),
                "{retrieved:?}"
            );
        }
    }
}

#[test]
fn quoted_words_that_change_with_each_answer_write_nothing() {
    for simulation in simulations() {
        for (first, second) in faults("req-1").into_iter().zip(faults("req-2")) {
            // The words about credentials are the operator's own.
            if matches!(first, Fault::Credentials(_)) {
                continue;
            }
            let mut simulation = simulation.clone();
            simulation.reconcile(Err(first));
            let before = simulation.status();
            simulation.advance(secs(1));
            simulation.reconcile(Err(second.clone()));
            assert_eq!(simulation.status(), before, "{second:?}");
        }
    }
}

#[test]
fn a_requested_reconcile_that_the_hub_cannot_answer_writes_nothing() {
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(shows(Active));
    simulation.request_reconcile("now");
    let unexpected = |words: &str| Err(HubFault::Unexpected(words.into()).into());
    simulation.reconcile(unexpected("req-1"));
    let before = simulation.status();
    simulation.reconcile(unexpected("req-2"));
    assert_eq!(simulation.status(), before);
}

#[test]
fn the_operators_own_words_are_kept_up_to_date() {
    let mut simulation = Simulation::new(State::Active);
    let pairs = faults("before").into_iter().zip(faults("after"));
    for (before, after) in pairs.take(2) {
        for (fault, words) in [(before, "before"), (after, "after")] {
            simulation.reconcile(Err(fault));
            let status = simulation.status();
            let message = &condition(&status, READY).unwrap().message;
            assert!(message.contains(words), "{message}");
        }
    }
}

#[test]
fn the_words_of_a_call_outcome_stay_while_the_reason_is_the_same() {
    let mut simulation = Simulation::new(State::Active);
    simulation.outcome = CallOutcome::unknown("502 Bad Gateway");
    simulation.reconcile(shows(Inactive));
    let before = simulation.status();
    simulation.advance(secs(5));
    simulation.reconcile(shows(Inactive));
    assert_eq!(simulation.status(), before);
}

#[test]
fn a_condition_keeps_its_time_while_its_status_is_the_same() {
    let mut simulation = Simulation::new(State::Active);
    let time = |simulation: &Simulation| {
        condition(&simulation.status(), READY).map(|ready| ready.last_transition_time.0)
    };
    simulation.reconcile(shows(Inactive));
    let first = simulation.now;
    for retrieved in [
        shows(Deploying),
        Err(HubFault::Unauthenticated.into()),
        shows(Error),
    ] {
        simulation.advance(secs(9));
        simulation.reconcile(retrieved);
        assert_eq!(time(&simulation), Some(first), "still False");
    }
    simulation.advance(secs(9));
    simulation.reconcile(shows(Active));
    let settled = simulation.now;
    assert_eq!(time(&simulation), Some(settled));
    simulation.edit(|object| object.spec.suspend = Some(false));
    simulation.advance(secs(9));
    simulation.reconcile(shows(Active));
    assert_eq!(
        time(&simulation),
        Some(settled),
        "a new generation is no transition"
    );
}

#[test]
fn since_changes_only_with_the_live_status() {
    for mut simulation in simulations() {
        for retrieved in observations() {
            let before = simulation.status();
            simulation.advance(secs(9));
            simulation.reconcile(retrieved);
            let after = simulation.status();
            assert_eq!(before.since == after.since, before.live == after.live);
        }
    }
}

#[test]
fn every_requeue_comes_after_1_second_to_15_minutes() {
    for (mut simulation, retrieved) in pairs() {
        for _ in 0..90 {
            let requeue = simulation.reconcile(retrieved.clone()).plan.requeue;
            assert!(requeue.after >= secs(1), "{retrieved:?}: {requeue:?}");
            assert!(requeue.after <= mins(15), "{retrieved:?}: {requeue:?}");
            simulation.advance(requeue.after);
        }
    }
}

#[test]
fn a_settled_model_is_polled_each_sync_interval_with_jitter() {
    for (own, after) in [
        (None, mins(5)),
        (Some("10m"), mins(10)),
        (Some("30s"), secs(30)),
    ] {
        let mut simulation = Simulation::new(State::Active);
        simulation.object.spec.sync_interval = own.and_then(|text| text.parse().ok());
        let requeue = simulation.decide(shows(Active)).requeue;
        assert_eq!((requeue.after, requeue.jitter), (after, Jitter::Tenth));
    }
}

#[test]
fn a_transition_is_polled_after_5_seconds_growing_to_30() {
    let mut simulation = Simulation::new(State::Active);
    let first = simulation.reconcile(shows(Inactive)).plan.requeue.after;
    assert_eq!(first, secs(5));
    simulation.advance(secs(5));
    let mut last = secs(0);
    for _ in 0..20 {
        let after = simulation.reconcile(shows(Deploying)).plan.requeue.after;
        assert!(
            after >= secs(5).max(last) && after <= secs(30),
            "{last:?}, {after:?}"
        );
        last = after;
        simulation.advance(after);
    }
    assert_eq!(last, secs(30));
}

#[test]
fn only_a_change_of_the_reason_is_a_transition() {
    let unreachable = |words: &str| Err(HubFault::Unreachable(words.into()).into());
    let mut simulation = Simulation::new(State::Active);
    #[rustfmt::skip] // a table is easier to read on one line per row
    let rows = [
        (shows(Inactive), true),
        (shows(Deploying), false), // the reason is still `Activating`
        (shows(Active), true),
        (shows(Active), false),
        (unreachable("reset"), true),
        (unreachable("DNS"), false),
        (shows(Active), true),
        (shows(Unknown), true),
        (shows(Active), true),
    ];
    for (retrieved, transition) in rows {
        let plan = simulation.reconcile(retrieved.clone()).decided;
        assert_eq!(plan.transition, transition, "{retrieved:?}");
    }
}

#[test]
fn no_progress_condition_remains_from_an_earlier_verdict() {
    for simulation in simulations() {
        for first in observations() {
            for second in observations() {
                let mut simulation = simulation.clone();
                simulation.reconcile(first.clone());
                let status = simulation.reconcile(second.clone()).plan.status;
                assert_ne!(progress(&status), "both", "{first:?}, {second:?}");
                assert!(condition(&status, READY).is_some());
            }
        }
    }
}
