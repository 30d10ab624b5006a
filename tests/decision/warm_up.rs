//! The learned warm-up: activations, what is learned from them, and when it changes.

use LiveStatus::{Active, Deploying, Error, Inactive};
use OperationKind::{Activate, Deactivate};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oxen_operator::{
    api::{LiveStatus, OperationKind, OxenModelSpec, OxenModelStatus, Span, State},
    decide::CallOutcome,
};
use serde_json::{Value, json};
use testkit::simulation::{Simulation, mins, secs, shows, shows_model};

use crate::schedule::{BERLIN, object, time};

/// A spec with these windows of each day in Berlin.
fn spec(windows: &[&str], warm_up: Value) -> OxenModelSpec {
    object(BERLIN, windows, &[], warm_up).spec
}

/// An object with this window, `warmUp: auto` and these activations, whose model is inactive.
fn learned(windows: &[&str], activations: &[u32], now: &str) -> Simulation {
    let mut simulation = Simulation::new(State::Inactive).with(|simulation| {
        simulation.object.spec = spec(windows, json!("auto"));
        simulation.now = time(now);
    });
    simulation.object.status = Some(OxenModelStatus {
        activations: Some(activations.to_vec()),
        ..simulation.status()
    });
    simulation.reconcile(shows(Inactive));
    simulation
}

fn rewrite(simulation: &mut Simulation, change: impl FnOnce(&mut OxenModelStatus)) {
    change(simulation.object.status.as_mut().unwrap());
}

fn warm_up(simulation: &Simulation) -> Option<u64> {
    simulation
        .status()
        .warm_up
        .map(|Span(warm_up)| warm_up.as_secs())
}

fn activations(simulation: &Simulation) -> Vec<u32> {
    simulation.status().activations.unwrap_or_default()
}

fn until(simulation: &Simulation) -> Timestamp {
    simulation.status().until.unwrap().0
}

/// Lets the model of an object that is wanted active become active after this time, by a call.
fn activate(simulation: &mut Simulation, seconds: u64) {
    let call = simulation.reconcile(shows(Inactive)).call();
    assert_eq!(call, Some(Activate));
    simulation.advance(secs(seconds / 2));
    simulation.reconcile(shows(Deploying));
    simulation.advance(secs(seconds - seconds / 2));
    simulation.reconcile(shows(Active));
}

const NINE: &[&str] = &["09:00-18:00"];

#[test]
fn the_first_window_begins_on_time_and_the_warm_up_is_learned_at_its_end() {
    let mut simulation = learned(NINE, &[], "2026-11-25T07:00:00Z");
    assert_eq!(
        (warm_up(&simulation), until(&simulation)),
        (Some(0), time("2026-11-25T08:00:00Z"))
    );
    simulation.now = until(&simulation);
    activate(&mut simulation, 120);
    assert_eq!(activations(&simulation), [120]);
    assert_eq!(warm_up(&simulation), Some(0), "it is learned at the end");
    simulation.now = until(&simulation);
    let reconciled = simulation.reconcile(shows(Active));
    assert_eq!(reconciled.call(), Some(Deactivate));
    assert_eq!(warm_up(&simulation), Some(150));
    assert_eq!(until(&simulation), time("2026-11-26T07:57:30Z"));
}

#[test]
fn a_faster_activation_does_not_interrupt_the_warm_up_that_it_ends() {
    let slow = [480, 120, 130, 120, 125];
    let mut simulation = learned(NINE, &slow, "2026-11-25T07:00:00Z");
    assert_eq!(warm_up(&simulation), Some(510));
    assert_eq!(until(&simulation), time("2026-11-25T07:51:30Z"));
    simulation.now = until(&simulation);
    activate(&mut simulation, 150);
    assert_eq!(activations(&simulation), [120, 130, 120, 125, 150]);
    assert_eq!(warm_up(&simulation), Some(510));
    // With the new warm-up, the window would begin at 08:57.
    for _ in 0..6 {
        simulation.advance(mins(1));
        let reconciled = simulation.reconcile(shows(Active));
        assert_eq!(reconciled.summary(), "True Active -");
    }
    simulation.now = time("2026-11-25T17:00:00Z");
    simulation.reconcile(shows(Active));
    assert_eq!(warm_up(&simulation), Some(180));
    assert_eq!(until(&simulation), time("2026-11-26T07:57:00Z"));
}

#[test]
fn a_longer_warm_up_does_not_turn_the_model_on_again_at_once() {
    let windows = ["08:00-12:00", "12:05-18:00"];
    let mut simulation = learned(&windows, &[60], "2026-11-25T06:00:00Z");
    assert_eq!(warm_up(&simulation), Some(90));
    simulation.now = until(&simulation);
    activate(&mut simulation, 600);
    simulation.now = until(&simulation);
    assert_eq!(simulation.now, time("2026-11-25T11:00:00Z"));
    let reconciled = simulation.reconcile(shows(Active));
    assert_eq!(reconciled.call(), Some(Deactivate));
    assert_eq!(warm_up(&simulation), Some(90));
    assert_eq!(until(&simulation), time("2026-11-25T11:03:30Z"));
    simulation.now = time("2026-11-25T17:00:00Z");
    rewrite(&mut simulation, |status| {
        status.desired = Some(State::Active)
    });
    simulation.reconcile(shows(Active));
    assert_eq!(warm_up(&simulation), Some(630));
}

#[test]
fn a_learned_warm_up_has_limits() {
    for (slowest, progress_deadline, expected) in [
        (0, json!("30m"), 30),
        (1_000, json!("30m"), 1_030),
        (1_790, json!("30m"), 1_800),
        (1_790, json!("10m"), 600),
        (3_571, json!("4h"), 3_600),
        (u32::MAX, json!("4h"), 3_600),
        (u32::MAX, Value::Null, 1_800),
    ] {
        let mut simulation = learned(NINE, &[slowest], "2026-11-25T05:00:00Z");
        simulation.object.spec.progress_deadline =
            serde_json::from_value(progress_deadline).unwrap();
        rewrite(&mut simulation, |status| status.warm_up = None);
        simulation.reconcile(shows(Inactive));
        assert_eq!(warm_up(&simulation), Some(expected), "{slowest}");
        let begin = time("2026-11-25T08:00:00Z");
        let expected = i64::try_from(expected).unwrap();
        assert_eq!(
            until(&simulation),
            begin - SignedDuration::from_secs(expected)
        );
    }
}

#[test]
fn each_activation_of_the_object_itself_counts_whatever_it_was_for() {
    // Declared active.
    let mut simulation = Simulation::new(State::Active);
    activate(&mut simulation, 100);
    assert_eq!(
        (activations(&simulation), warm_up(&simulation)),
        (vec![100], None)
    );
    // A correction, and one whose answer was lost.
    for (outcome, expected) in [
        (CallOutcome::Accepted, vec![100, 40]),
        (CallOutcome::unknown("a timeout"), vec![100, 40, 40]),
    ] {
        simulation.outcome = outcome;
        simulation.advance(mins(5));
        activate(&mut simulation, 40);
        assert_eq!(activations(&simulation), expected);
    }
    // A change of the spec to a schedule uses what is known.
    simulation.now = time("2026-11-25T05:00:00Z");
    simulation.outcome = CallOutcome::Accepted;
    simulation.edit(|object| object.spec = spec(NINE, json!("auto")));
    simulation.reconcile(shows(Active));
    assert_eq!(warm_up(&simulation), Some(130));
}

#[test]
fn only_the_last_five_activations_are_kept() {
    let mut simulation = Simulation::new(State::Active);
    for seconds in 1..=7 {
        activate(&mut simulation, 10 * seconds);
        simulation.advance(mins(60));
    }
    assert_eq!(activations(&simulation), [30, 40, 50, 60, 70]);
    rewrite(&mut simulation, |status| {
        status.activations = Some((0..9).collect())
    });
    simulation.reconcile(shows(Active));
    assert_eq!(activations(&simulation), [4, 5, 6, 7, 8]);
}

#[test]
fn what_is_no_whole_activation_of_this_object_is_not_counted() {
    // A person turned the model on.
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(shows(Deploying));
    simulation.reconcile(shows(Active));
    assert_eq!(simulation.status().activations, None);

    // The deployment failed, and somebody else repaired it.
    simulation = Simulation::new(State::Active);
    simulation.reconcile(shows(Inactive));
    for live in [Deploying, Error, Deploying, Active] {
        simulation.advance(secs(10));
        assert_eq!(simulation.reconcile(shows(live)).call(), None);
    }
    assert_eq!(simulation.status().activations, None);

    // A refused call, and a deactivation.
    simulation = Simulation::new(State::Active);
    simulation.outcome = CallOutcome::NotSent("there is no API key");
    simulation.reconcile(shows(Inactive));
    simulation.reconcile(shows(Active));
    simulation.outcome = CallOutcome::Accepted;
    simulation.edit(|object| object.spec.state = State::Inactive.into());
    assert_eq!(simulation.reconcile(shows(Active)).call(), Some(Deactivate));
    simulation.advance(secs(10));
    simulation.reconcile(shows(Inactive));
    assert_eq!(simulation.status().activations, None);
}

#[test]
fn the_retry_of_a_failed_deployment_counts_from_its_own_call() {
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(shows(Inactive));
    simulation.advance(secs(10));
    simulation.reconcile(shows(Error));
    simulation.advance(mins(5));
    assert_eq!(simulation.reconcile(shows(Error)).call(), Some(Activate));
    // The hub still shows the earlier failure.
    for live in [Error, Deploying, Active] {
        simulation.advance(secs(7));
        simulation.reconcile(shows(live));
    }
    assert_eq!(activations(&simulation), [21]);
}

#[test]
fn an_activation_in_which_the_clock_was_set_back_is_not_counted() {
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(shows(Inactive));
    simulation.now -= SignedDuration::from_hours(1);
    simulation.reconcile(shows(Active));
    let status = simulation.status();
    assert_eq!((status.activations, status.operation), (None, None));
}

#[test]
fn a_deployment_that_outlasts_its_window_still_counts() {
    let mut simulation = learned(NINE, &[], "2026-11-25T08:00:00Z");
    assert_eq!(simulation.status().desired, Some(State::Active));
    rewrite(&mut simulation, |status| status.operation = None);
    simulation.now = time("2026-11-25T16:59:00Z");
    simulation.reconcile(shows(Inactive));
    simulation.advance(mins(2));
    simulation.reconcile(shows(Deploying));
    simulation.advance(mins(2));
    let reconciled = simulation.reconcile(shows(Active));
    assert_eq!(reconciled.call(), Some(Deactivate));
    assert_eq!(activations(&simulation), [240]);
    assert_eq!(simulation.status().operation.unwrap().kind, Deactivate);
}

#[test]
fn a_fixed_warm_up_holds_at_once_and_leaves_no_learned_warm_up_behind() {
    let mut simulation = learned(NINE, &[480], "2026-11-25T07:50:00Z");
    assert_eq!(warm_up(&simulation), Some(510));
    simulation.edit(|object| object.spec = spec(NINE, json!("15m")));
    assert_eq!(simulation.reconcile(shows(Inactive)).call(), Some(Activate));
    assert_eq!(warm_up(&simulation), None);
    assert_eq!(activations(&simulation), [480]);
    // The learned warm-up would turn the model off now. A person asked for that.
    simulation.advance(mins(1));
    simulation.reconcile(shows(Active));
    simulation.edit(|object| object.spec = spec(NINE, Value::Null));
    let reconciled = simulation.reconcile(shows(Active));
    assert_eq!(reconciled.call(), Some(Deactivate));
    assert_eq!(until(&simulation), time("2026-11-25T08:00:00Z"));
}

#[test]
fn a_window_whose_warm_up_would_have_begun_already_begins_on_time() {
    // Nothing is in force, so the window begins on time, and no write says otherwise.
    let mut simulation = learned(NINE, &[480], "2026-11-25T07:55:00Z");
    let at = (warm_up(&simulation), until(&simulation));
    assert_eq!(at, (Some(0), time("2026-11-25T08:00:00Z")));
    assert_eq!(simulation.status().desired, Some(State::Inactive));
    // Within the window, the warm-up makes no difference.
    simulation.now = until(&simulation);
    rewrite(&mut simulation, |status| status.warm_up = None);
    simulation.reconcile(shows(Active));
    assert_eq!(warm_up(&simulation), Some(510));
    assert_eq!(until(&simulation), time("2026-11-25T17:00:00Z"));
}

#[test]
fn an_absurd_learned_warm_up_is_limited_and_ends_with_the_next_window() {
    let mut simulation = learned(NINE, &[60], "2026-11-25T05:00:00Z");
    rewrite(&mut simulation, |status| {
        status.warm_up = Some(Span(secs(u64::MAX)))
    });
    simulation.reconcile(shows(Inactive));
    assert_eq!(warm_up(&simulation), Some(3_600));
    assert_eq!(until(&simulation), time("2026-11-25T07:00:00Z"));
    simulation.now = time("2026-11-25T16:00:00Z");
    simulation.reconcile(shows(Active));
    simulation.now = time("2026-11-25T17:00:00Z");
    simulation.reconcile(shows(Active));
    assert_eq!(warm_up(&simulation), Some(90));
}

#[test]
fn a_settled_object_with_a_learned_warm_up_gets_no_write() {
    for (now, live) in [("05:00:00Z", Inactive), ("08:00:00Z", Active)] {
        let mut simulation = learned(NINE, &[480], &format!("2026-11-25T{now}"));
        simulation.reconcile(shows(live));
        for _ in 0..1000 {
            simulation.advance(secs(9));
            let before = simulation.status();
            simulation.reconcile(shows(live));
            assert_eq!(simulation.status(), before, "{}", simulation.now);
        }
    }
}

#[test]
fn activations_of_another_object_or_model_are_not_counted() {
    // A restored status. The warm-up in force stays until the next window ends.
    let mut simulation = learned(NINE, &[480], "2026-11-25T07:52:00Z");
    rewrite(&mut simulation, |status| {
        status.warm_up = Some(Span(secs(510)));
        status.attempts.as_mut().unwrap().uid = Some("of-another-cluster".into());
    });
    simulation.reconcile(shows(Active));
    assert_eq!(
        (activations(&simulation), warm_up(&simulation)),
        (vec![], Some(510))
    );
    assert_eq!(simulation.status().desired, Some(State::Active));

    // Another model under the same name, which a person accepts.
    let mut simulation = learned(NINE, &[480], "2026-11-25T05:00:00Z");
    let other = || shows_model(false, Inactive, "bot", "another");
    simulation.reconcile(other());
    assert_eq!(activations(&simulation), [480]);
    simulation.request_reconcile("now");
    simulation.reconcile(other());
    assert_eq!(
        (activations(&simulation), warm_up(&simulation)),
        (vec![], Some(510))
    );
}

#[test]
fn an_activation_for_an_override_counts_and_the_overrides_end_renews_the_warm_up() {
    let mut simulation = learned(NINE, &[60], "2026-11-25T05:00:00Z");
    simulation.request_override(Some("active until 2026-11-25T06:00:00Z"));
    activate(&mut simulation, 300);
    assert_eq!(
        (activations(&simulation), warm_up(&simulation)),
        (vec![60, 300], Some(90))
    );
    simulation.now = until(&simulation);
    assert_eq!(simulation.now, time("2026-11-25T06:00:00Z"));
    assert_eq!(simulation.reconcile(shows(Active)).call(), Some(Deactivate));
    assert_eq!(warm_up(&simulation), Some(330));
    assert_eq!(until(&simulation), time("2026-11-25T07:54:30Z"));
}

#[test]
fn a_deletion_turns_the_model_off_whatever_the_warm_up_is() {
    let mut simulation = learned(NINE, &[480], "2026-11-25T07:00:00Z");
    simulation.now = time("2026-11-25T07:52:00Z");
    simulation.reconcile(shows(Active));
    simulation.delete();
    assert_eq!(simulation.reconcile(shows(Active)).call(), Some(Deactivate));
    assert_eq!(simulation.status().until, None::<Time>);
}
