//! Overrides: which one is in force, what it changes, and how it ends.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oxen_operator::{
    api::{IdleShutdown, LiveStatus, OperationKind, Override, OxenModelStatus, State},
    decide::{
        Agreement, CallOutcome, HubFault, Owner, Ownership, desired, next_change, override_events,
    },
};
use serde_json::Value;
use testkit::simulation::{Simulation, mins, secs, shows};

use crate::schedule::{BERLIN, WORK, object, time};

const NOW: &str = "2026-11-25T18:00:00Z";
const EVENING: &str = "active until 2026-11-25T22:00:00+01:00";
const EVENING_END: &str = "2026-11-25T21:00:00Z";
const NIGHT: &str = "inactive until 2026-11-26T01:00:00Z";

/// A settled object that is scheduled in Berlin's working hours, at this time.
fn settled(now: &str, live: LiveStatus) -> Simulation {
    let mut simulation = Simulation::new(State::Inactive).with(|simulation| {
        simulation.object.spec = object(BERLIN, &[WORK], &[], Value::Null).spec;
        simulation.now = time(now);
    });
    assert!(
        simulation
            .reconcile(shows(live))
            .summary()
            .starts_with("True")
    );
    simulation
}

/// A settled object whose window is over.
fn off() -> Simulation {
    settled(NOW, LiveStatus::Inactive)
}

/// An object whose window is over, with an override in force that keeps its model active.
fn overridden() -> Simulation {
    let mut simulation = off();
    simulation.request_override(Some(EVENING));
    simulation.reconcile(shows(LiveStatus::Active));
    simulation
}

fn in_force(simulation: &Simulation) -> Option<String> {
    let status = simulation.status();
    status.override_in_force.map(|accepted| accepted.value)
}

fn until(simulation: &Simulation) -> Option<jiff::Timestamp> {
    simulation.status().until.map(|until| until.0)
}

/// The reasons of the events of a write.
fn events(before: &OxenModelStatus, after: &OxenModelStatus) -> Vec<&'static str> {
    let events = override_events(before, after);
    events.iter().map(|event| event.reason).collect()
}

#[test]
fn an_accepted_override_is_recorded_before_the_hub_is_asked() {
    let mut simulation = off();
    let before = simulation.status();
    simulation.request_override(Some(EVENING));
    let plan = simulation.answer_override().unwrap();
    assert_eq!(
        testkit::simulation::summary(&plan),
        "False Activating Reconciling"
    );
    assert!(plan.transition);
    let status = simulation.status();
    let accepted = Override {
        value: EVENING.into(),
        state: State::Active,
        until: Time(time(EVENING_END)),
    };
    assert_eq!(status.override_in_force, Some(accepted));
    assert_eq!(
        (status.desired, status.live),
        (Some(State::Active), before.live)
    );
    assert_eq!(until(&simulation), Some(time(EVENING_END)));
    assert_eq!(events(&before, &status), ["OverrideAccepted"]);
    assert_eq!(simulation.answer_override(), None, "it is answered");

    let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(reconciled.call(), Some(OperationKind::Activate));
    assert_eq!(reconciled.summary(), "False Activating Reconciling");
    let attempts = simulation.status().attempts.unwrap();
    assert_eq!((attempts.calls, attempts.corrections), (Some(1), None));
    let reconciled = simulation.reconcile(shows(LiveStatus::Active));
    assert_eq!(reconciled.summary(), "True Active -");
    let message = reconciled.plan.message;
    assert!(message.contains("as the override says"), "{message}");
    assert!(message.contains("oxen.ai/override to none"), "{message}");
}

#[test]
fn an_override_holds_to_its_end_without_the_annotation() {
    let mut simulation = off();
    simulation.request_override(Some(EVENING));
    simulation.reconcile(shows(LiveStatus::Inactive));
    simulation.reconcile(shows(LiveStatus::Active));
    simulation.request_override(None);
    simulation.restart();
    for _ in 0..100 {
        let plan = simulation.decide(shows(LiveStatus::Active));
        assert_eq!(testkit::simulation::summary(&plan), "True Active -");
        assert!(!simulation.would_write(&plan), "{}", simulation.now);
        simulation.advance(mins(1));
    }
    simulation.now = time(EVENING_END);
    let before = simulation.status();
    let reconciled = simulation.reconcile(shows(LiveStatus::Active));
    assert_eq!(reconciled.summary(), "False Deactivating Reconciling");
    assert_eq!(reconciled.call(), Some(OperationKind::Deactivate));
    assert_eq!(in_force(&simulation), None);
    assert_eq!(events(&before, &simulation.status()), ["OverrideEnded"]);
}

#[test]
fn an_annotation_whose_time_has_passed_changes_nothing() {
    let mut simulation = overridden();
    simulation.now = time(EVENING_END);
    let reconciled = simulation.reconcile(shows(LiveStatus::Active));
    assert_eq!(reconciled.call(), Some(OperationKind::Deactivate));
    simulation.reconcile(shows(LiveStatus::Inactive));
    let plan = simulation.decide(shows(LiveStatus::Inactive));
    assert!(!simulation.would_write(&plan));
    let status = simulation.status();
    assert_eq!(
        (status.override_in_force, status.refused_override),
        (None, None)
    );
}

#[test]
fn none_ends_an_override_at_once() {
    let mut simulation = overridden();
    simulation.request_override(Some("none"));
    let reconciled = simulation.reconcile(shows(LiveStatus::Active));
    assert_eq!(reconciled.call(), Some(OperationKind::Deactivate));
    assert_eq!(reconciled.summary(), "False Deactivating Reconciling");
    assert_eq!(in_force(&simulation), None);
    let next = time("2026-11-26T07:00:00Z");
    assert_eq!(until(&simulation), Some(next));
}

#[test]
fn an_expired_request_leaves_the_override_in_force() {
    let mut simulation = overridden();
    let conditions = simulation.status().conditions;
    simulation.request_override(Some("inactive until 2026-11-25T18:00:00Z"));
    simulation.answer_override().unwrap();
    assert_eq!(simulation.status().conditions, conditions);
    assert_eq!(simulation.answer_override(), None);
    simulation.reconcile(shows(LiveStatus::Active));
    assert_eq!(in_force(&simulation).as_deref(), Some(EVENING));
}

#[test]
fn a_valid_request_replaces_the_override_in_force() {
    let mut simulation = overridden();
    let before = simulation.status();
    simulation.request_override(Some(NIGHT));
    let reconciled = simulation.reconcile(shows(LiveStatus::Active));
    assert_eq!(reconciled.call(), Some(OperationKind::Deactivate));
    assert_eq!(in_force(&simulation).as_deref(), Some(NIGHT));
    assert_eq!(events(&before, &simulation.status()), ["OverrideAccepted"]);
}

#[test]
fn a_renewal_is_one_write_without_an_event() {
    let mut simulation = overridden();
    simulation.reconcile(shows(LiveStatus::Active));
    let before = simulation.status();
    simulation.request_override(Some("active until 2026-11-26T03:00:00Z"));
    let plan = simulation.answer_override().unwrap();
    assert!(!plan.transition);
    let after = simulation.status();
    assert_eq!(events(&before, &after), Vec::<&str>::new());
    assert_eq!(until(&simulation), Some(time("2026-11-26T03:00:00Z")));
    assert_eq!(after.conditions, before.conditions);
    let plan = simulation.decide(shows(LiveStatus::Active));
    assert!(!simulation.would_write(&plan), "{:?}", plan.status);
}

#[test]
fn a_request_with_a_new_spec_leaves_the_end_of_the_observed_state() {
    let mut simulation = overridden();
    simulation.reconcile(shows(LiveStatus::Active));
    let before = simulation.status();
    simulation.edit(|object| {
        object.spec.state = oxen_operator::api::Declared::Active;
        object.spec.schedule = None;
    });
    simulation.request_override(Some("active until 2026-11-26T03:00:00Z"));
    simulation.answer_override().unwrap();
    let after = simulation.status();
    assert_eq!(after.observed_generation, before.observed_generation);
    assert_eq!(after.until, before.until);
}

#[test]
fn a_refused_request_is_reported_once_and_changes_nothing_else() {
    let far = "active until 2062-11-25T22:00:00Z";
    let long = "x".repeat(100_000);
    for (value, why) in [
        ("active until 18:00", "needs a date"),
        ("on until 2026-11-25T22:00:00Z", "Write"),
        ("active until 2026-11-25T22:00:00", "an offset"),
        (far, "31 days"),
        ("", "Write"),
        (&long, "Write"),
    ] {
        for overridden in [false, true] {
            let mut simulation = off();
            let live = if overridden {
                simulation.request_override(Some(EVENING));
                simulation.reconcile(shows(LiveStatus::Active));
                LiveStatus::Active
            } else {
                LiveStatus::Inactive
            };
            let before = simulation.status();
            simulation.request_override(Some(value));
            simulation.answer_override().unwrap();
            let refused = simulation.status().refused_override.unwrap();
            assert!(refused.why.contains(why), "{value}: {}", refused.why);
            assert!(refused.value.len() < 300);
            let expected = OxenModelStatus {
                refused_override: Some(refused),
                ..before.clone()
            };
            assert_eq!(simulation.status(), expected);
            assert_eq!(events(&before, &expected), ["OverrideRefused"]);
            for _ in 0..3 {
                simulation.advance(mins(1));
                assert_eq!(simulation.answer_override(), None, "{value}");
                let plan = simulation.decide(shows(live));
                assert!(!simulation.would_write(&plan), "{value}");
            }
            simulation.request_override(None);
            simulation.answer_override().unwrap();
            assert_eq!(simulation.status(), before);
        }
    }
}

#[test]
fn a_refused_request_stays_refused_when_its_end_comes_near() {
    let mut simulation = off();
    simulation.request_override(Some("active until 2027-01-01T00:00:00Z"));
    simulation.reconcile(shows(LiveStatus::Inactive));
    simulation.now = time("2026-12-24T22:00:00Z");
    let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(reconciled.call(), None);
    assert!(simulation.status().refused_override.is_some());
}

#[test]
fn until_is_the_first_time_at_which_the_desired_state_changes() {
    for (now, value, wanted, next) in [
        // The override ends within a window, and after one.
        (
            "2026-11-25T10:00:00Z",
            "inactive until 2026-11-25T12:00:00Z",
            State::Inactive,
            "2026-11-25T12:00:00Z",
        ),
        (
            "2026-11-25T10:00:00Z",
            "inactive until 2026-11-25T20:00:00Z",
            State::Inactive,
            "2026-11-26T07:00:00Z",
        ),
        (NOW, EVENING, State::Active, EVENING_END),
        (
            NOW,
            "active until 2026-11-26T08:00:00Z",
            State::Active,
            "2026-11-26T17:00:00Z",
        ),
        // The override ends when the window ends, or when the next window begins.
        (
            "2026-11-25T10:00:00Z",
            "active until 2026-11-25T17:00:00Z",
            State::Active,
            "2026-11-25T17:00:00Z",
        ),
        (
            NOW,
            "active until 2026-11-26T07:00:00Z",
            State::Active,
            "2026-11-26T17:00:00Z",
        ),
    ] {
        let live = if desired(&settled_object(now), time(now)) == State::Active {
            LiveStatus::Active
        } else {
            LiveStatus::Inactive
        };
        let mut simulation = settled(now, live);
        simulation.request_override(Some(value));
        simulation.reconcile(shows(live));
        let status = simulation.status();
        assert_eq!(status.desired, Some(wanted), "{value}");
        assert_eq!(until(&simulation), Some(time(next)), "{value}");
        assert_eq!(next_change(&simulation.object, time(now)), Some(time(next)));
    }
    // Without a schedule: the spec declares the override's state, or the other one.
    for (declared, value, next) in [
        (State::Active, EVENING, None),
        (State::Inactive, EVENING, Some(EVENING_END)),
    ] {
        let mut simulation = Simulation::new(declared).with(|it| it.now = time(NOW));
        simulation.request_override(Some(value));
        simulation.reconcile(shows(LiveStatus::Active));
        assert_eq!(until(&simulation), next.map(time), "{declared}");
    }
}

fn settled_object(now: &str) -> oxen_operator::api::OxenModel {
    let simulation = Simulation::new(State::Inactive).with(|simulation| {
        simulation.object.spec = object(BERLIN, &[WORK], &[], Value::Null).spec;
        simulation.now = time(now);
    });
    simulation.object
}

#[test]
fn an_override_of_the_state_that_is_declared_is_confirmed_by_an_observation() {
    let mut simulation = Simulation::new(State::Active).with(|it| it.now = time(NOW));
    simulation.reconcile(shows(LiveStatus::Active));
    let before = simulation.status();
    simulation.request_override(Some(EVENING));
    let plan = simulation.answer_override().unwrap();
    // A pipeline that waits for Ready must not see the condition of an earlier observation.
    assert_eq!(
        testkit::simulation::summary(&plan),
        "False Activating Reconciling"
    );
    assert!(!plan.transition, "the desired state is the same");
    let synced = |status: &OxenModelStatus| {
        let synced = testkit::simulation::condition(status, "Synced");
        synced.cloned()
    };
    assert_eq!(
        synced(&plan.status),
        synced(&before),
        "the hub was not asked"
    );
    let reconciled = simulation.reconcile(shows(LiveStatus::Active));
    assert_eq!(reconciled.call(), None);
    assert_eq!(reconciled.summary(), "True Active -");

    // A longer time for the same state changes nothing else.
    let before = simulation.status();
    simulation.request_override(Some("active until 2026-11-25T23:00:00Z"));
    let plan = simulation.answer_override().unwrap();
    assert_eq!(plan.status.conditions, before.conditions);
    assert_eq!(plan.status.attempts, before.attempts);
}

#[test]
fn an_override_of_the_state_that_is_declared_resets_the_attempts() {
    let mut simulation = Simulation::new(State::Active).with(|it| it.now = time(NOW));
    simulation.reconcile(shows(LiveStatus::Active));
    for _ in 0..3 {
        simulation.advance(mins(1));
        let drifted = simulation.reconcile(shows(LiveStatus::Inactive));
        assert_eq!(drifted.call(), Some(OperationKind::Activate));
        simulation.reconcile(shows(LiveStatus::Active));
    }
    let stalled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(stalled.summary(), "False DriftContention Stalled");
    simulation.request_override(Some(EVENING));
    let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(reconciled.call(), Some(OperationKind::Activate));
    assert_eq!(reconciled.summary(), "False Activating Reconciling");
    let corrections = simulation.status().attempts.unwrap().corrections;
    assert_eq!(corrections.map(|all| all.len()), Some(3));
}

#[test]
fn an_override_with_a_new_spec_leaves_the_old_conditions_until_the_observation() {
    let mut simulation = off();
    let before = simulation.status();
    simulation.edit(|object| object.spec.sync_interval = "1m".parse().ok());
    simulation.request_override(Some(EVENING));
    simulation.answer_override().unwrap();
    let status = simulation.status();
    assert_eq!(status.observed_generation, before.observed_generation);
    assert_eq!(status.conditions, before.conditions);
    assert_eq!(in_force(&simulation).as_deref(), Some(EVENING));
    let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(reconciled.call(), Some(OperationKind::Activate));
}

#[test]
fn drift_is_measured_against_the_override() {
    let mut simulation = off();
    simulation.request_override(Some(EVENING));
    simulation.reconcile(shows(LiveStatus::Inactive));
    simulation.reconcile(shows(LiveStatus::Active));
    simulation.advance(mins(5));
    let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(reconciled.summary(), "False CorrectingDrift Reconciling");
    assert_eq!(reconciled.call(), Some(OperationKind::Activate));
}

#[test]
fn a_correction_that_turns_a_model_off_names_the_override() {
    let mut simulation = off();
    for number in 0..3 {
        let reconciled = simulation.reconcile(shows(LiveStatus::Active));
        assert_eq!(
            reconciled.call(),
            Some(OperationKind::Deactivate),
            "{number}"
        );
        let message = reconciled.decided.message;
        assert!(
            message.contains("the annotation oxen.ai/override"),
            "{message}"
        );
        simulation.reconcile(shows(LiveStatus::Inactive));
        simulation.advance(mins(1));
    }
    let reconciled = simulation.reconcile(shows(LiveStatus::Active));
    assert_eq!(reconciled.summary(), "False DriftContention Stalled");
    let message = reconciled.plan.message;
    assert!(
        message.contains("the annotation oxen.ai/override"),
        "{message}"
    );
    assert!(!message.contains("idle"), "{message}");
}

#[test]
fn no_override_makes_a_call_for_a_suspended_or_deleted_object() {
    for suspended in [Simulation::suspended, Simulation::observe_only] {
        let mut simulation = suspended(off());
        simulation.reconcile(shows(LiveStatus::Inactive));
        simulation.request_override(Some(EVENING));
        let plan = simulation.answer_override().unwrap();
        assert_eq!(testkit::simulation::summary(&plan), "False WouldActivate -");
        let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
        assert_eq!(reconciled.call(), None);
        assert_eq!(reconciled.summary(), "False WouldActivate -");
        assert_eq!(in_force(&simulation).as_deref(), Some(EVENING));
    }
    let mut deleting = off().deleting();
    deleting.request_override(Some(EVENING));
    assert_eq!(deleting.answer_override(), None);
    let reconciled = deleting.reconcile(shows(LiveStatus::Active));
    assert_eq!(reconciled.call(), Some(OperationKind::Deactivate));
    assert_eq!(in_force(&deleting), None);
    assert_eq!(until(&deleting), None);
}

#[test]
fn an_object_that_does_not_own_its_model_refuses_an_override() {
    let mut simulation = off();
    simulation.ownership = Ownership::Lost(Owner {
        name: Some("older".into()),
        open: false,
    });
    let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(reconciled.summary(), "False Conflict Stalled");
    simulation.request_override(Some(EVENING));
    let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(reconciled.summary(), "False Conflict Stalled");
    let refused = simulation.status().refused_override.unwrap();
    assert!(refused.why.contains("Another OxenModel"), "{}", refused.why);
    assert_eq!(in_force(&simulation), None);
}

#[test]
fn an_override_turns_on_a_model_that_an_idle_shutdown_turned_off() {
    let mut simulation = Simulation::new(State::Active).with(|simulation| {
        simulation.now = time(NOW);
        simulation.object.spec.idle_shutdown = Some(IdleShutdown::Allow);
    });
    simulation.reconcile(shows(LiveStatus::Active));
    let idle = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(idle.summary(), "True IdleShutdown -");
    simulation.request_override(Some(EVENING));
    let plan = simulation.answer_override().unwrap();
    assert_eq!(
        testkit::simulation::summary(&plan),
        "False Activating Reconciling"
    );
    let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(reconciled.call(), Some(OperationKind::Activate));
    assert_eq!(reconciled.summary(), "False Activating Reconciling");
    // The hub may turn the idle model off again.
    simulation.reconcile(shows(LiveStatus::Active));
    simulation.advance(mins(20));
    let idle = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(idle.summary(), "True IdleShutdown -");
}

#[test]
fn an_override_at_an_unreachable_hub_is_accepted_and_shown() {
    let mut simulation = off();
    simulation.request_override(Some(EVENING));
    let away = Err(HubFault::Unreachable("no route".into()).into());
    let reconciled = simulation.reconcile(away);
    assert_eq!(reconciled.call(), None);
    assert_eq!(in_force(&simulation).as_deref(), Some(EVENING));
    let ready = &simulation.status().conditions[0];
    assert_ne!(
        ready.status, "True",
        "it was judged for another desired state"
    );
}

#[test]
fn a_clock_that_goes_back_leaves_an_override_in_force() {
    let mut simulation = overridden();
    simulation.now -= SignedDuration::from_hours(1);
    let reconciled = simulation.reconcile(shows(LiveStatus::Active));
    assert_eq!(
        (reconciled.call(), reconciled.summary().as_str()),
        (None, "True Active -")
    );
    assert_eq!(in_force(&simulation).as_deref(), Some(EVENING));
    simulation.advance(secs(1));
    let plan = simulation.decide(shows(LiveStatus::Active));
    assert!(!simulation.would_write(&plan));
}

#[test]
fn while_the_clocks_differ_time_changes_nothing() {
    // A boundary, and the end of an override.
    let mut overridden = overridden();
    overridden.now = time(EVENING_END) + SignedDuration::from_hours(1);
    let mut scheduled = settled("2026-11-25T16:00:00Z", LiveStatus::Active);
    scheduled.now = time("2026-11-25T18:00:00Z");
    for mut simulation in [overridden, scheduled] {
        let before = simulation.status();
        simulation.agreement = Agreement::Differs;
        let reconciled = simulation.reconcile(shows(LiveStatus::Active));
        assert_eq!(reconciled.call(), None);
        assert_eq!(reconciled.summary(), "True Active -");
        let message = &reconciled.plan.message;
        assert!(
            message.contains("differ by more than 5 minutes"),
            "{message}"
        );
        let status = simulation.status();
        assert_eq!(status.override_in_force, before.override_in_force);
        assert_eq!(status.until, None);
        let plan = simulation.decide(shows(LiveStatus::Active));
        assert!(!simulation.would_write(&plan));
        // The hub's clock has been corrected.
        simulation.agreement = Agreement::Agrees;
        let reconciled = simulation.reconcile(shows(LiveStatus::Active));
        assert_eq!(reconciled.call(), Some(OperationKind::Deactivate));
        let message = &reconciled.plan.message;
        assert!(!message.contains("differ by"), "{message}");
    }
}

#[test]
fn while_the_clocks_differ_overrides_and_edits_take_effect() {
    let mut simulation = settled("2026-11-25T16:00:00Z", LiveStatus::Active);
    simulation.agreement = Agreement::Differs;
    simulation.reconcile(shows(LiveStatus::Active));
    simulation.request_override(Some(NIGHT));
    let reconciled = simulation.reconcile(shows(LiveStatus::Active));
    assert_eq!(reconciled.call(), Some(OperationKind::Deactivate));
    simulation.reconcile(shows(LiveStatus::Inactive));
    simulation.request_override(Some("none"));
    let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(reconciled.call(), Some(OperationKind::Activate));
    simulation.reconcile(shows(LiveStatus::Active));
    simulation.edit(|object| {
        object.spec.state = State::Inactive.into();
    });
    let reconciled = simulation.reconcile(shows(LiveStatus::Active));
    assert_eq!(reconciled.call(), Some(OperationKind::Deactivate));
    // An object without a schedule or an override has no note about the clocks.
    let mut plain = Simulation::new(State::Active);
    plain.agreement = Agreement::Differs;
    let reconciled = plain.reconcile(shows(LiveStatus::Active));
    assert!(!reconciled.plan.message.contains("differ by"));
}

#[test]
fn an_annotation_that_stays_is_handled_once_whatever_the_clock_shows() {
    let ended = |value: &str, live| {
        let mut simulation = off();
        simulation.request_override(Some(value));
        simulation.reconcile(shows(live));
        simulation.now = time("2026-11-26T02:00:00Z");
        simulation.reconcile(shows(LiveStatus::Inactive));
        simulation.reconcile(shows(LiveStatus::Inactive));
        simulation
    };
    let old = |value: &str| {
        let mut simulation = off();
        simulation.now = time("2026-11-26T02:00:00Z");
        simulation.request_override(Some(value));
        simulation.reconcile(shows(LiveStatus::Inactive));
        simulation
    };
    for simulation in [
        ended(EVENING, LiveStatus::Active),
        ended(NIGHT, LiveStatus::Inactive),
        old(EVENING),
        old(NIGHT),
    ] {
        for agreement in [Agreement::Agrees, Agreement::Differs, Agreement::Unknown] {
            // The clock goes back to a time before the override's end.
            let mut simulation = simulation.clone();
            simulation.now = time("2026-11-25T19:00:00Z");
            simulation.agreement = agreement;
            assert_eq!(simulation.answer_override(), None, "{agreement:?}");
            let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
            assert_eq!(reconciled.call(), None, "{agreement:?}");
            assert_eq!(in_force(&simulation), None);
        }
    }
}

#[test]
fn a_value_can_be_requested_again_after_another_one() {
    let mut simulation = off();
    for value in [EVENING, "none", EVENING] {
        simulation.request_override(Some(value));
        simulation.reconcile(shows(LiveStatus::Inactive));
    }
    assert_eq!(in_force(&simulation).as_deref(), Some(EVENING));
}

#[test]
fn a_process_that_the_hub_has_not_answered_ends_nothing() {
    let mut overridden = overridden();
    overridden.request_override(None);
    let scheduled = settled("2026-11-25T16:30:00Z", LiveStatus::Active);
    for mut simulation in [overridden, scheduled] {
        // The new process has a clock that is wrong by some hours.
        let (before, now) = (simulation.status(), simulation.now);
        simulation.restart();
        simulation.now = now + SignedDuration::from_hours(5);
        simulation.agreement = Agreement::Unknown;
        let away = Err(HubFault::Unreachable("no route".into()).into());
        simulation.reconcile(away);
        let status = simulation.status();
        assert_eq!(status.desired, before.desired);
        assert_eq!(status.override_in_force, before.override_in_force);
        assert_eq!(status.until, before.until);
        simulation.agreement = Agreement::Differs;
        let reconciled = simulation.reconcile(shows(LiveStatus::Active));
        assert_eq!(reconciled.call(), None);
        // The clock was right after all.
        simulation.agreement = Agreement::Agrees;
        let reconciled = simulation.reconcile(shows(LiveStatus::Active));
        assert_eq!(reconciled.call(), Some(OperationKind::Deactivate));
    }
}

#[test]
fn while_the_clocks_differ_an_end_that_cannot_be_judged_is_refused() {
    for value in [
        "active until 2026-11-25T17:59:00Z",
        "active until 2027-03-01T00:00:00Z",
    ] {
        let mut simulation = off();
        simulation.agreement = Agreement::Differs;
        simulation.request_override(Some(value));
        simulation.answer_override().unwrap();
        let refused = simulation.status().refused_override.unwrap();
        assert!(refused.why.contains("clock"), "{}", refused.why);
        assert_eq!(simulation.answer_override(), None);
        // The clock was ahead, or behind.
        simulation.agreement = Agreement::Agrees;
        let end = value.strip_prefix("active until ").unwrap();
        simulation.now = time(end) - SignedDuration::from_hours(1);
        simulation.reconcile(shows(LiveStatus::Inactive));
        assert_eq!(in_force(&simulation).as_deref(), Some(value));
        assert_eq!(simulation.status().refused_override, None);
    }
}

#[test]
fn while_the_clocks_differ_the_object_is_observed_each_minute_and_at_its_boundary() {
    let mut simulation = settled("2026-11-25T16:30:00Z", LiveStatus::Active);
    simulation.agreement = Agreement::Differs;
    let plan = simulation.reconcile(shows(LiveStatus::Active)).plan;
    assert!(plan.requeue.after <= mins(1));
    assert_eq!(plan.status.until, None);
    assert_eq!(plan.change, Some(time("2026-11-25T17:00:00Z")));
}

#[test]
fn the_note_about_the_clocks_ends_with_the_difference() {
    let mut simulation = settled("2026-11-25T16:59:00Z", LiveStatus::Active);
    simulation.agreement = Agreement::Differs;
    simulation.outcome = CallOutcome::refused(HubFault::PaymentRequired("pay".into()));
    simulation.request_override(Some(NIGHT));
    let refused = simulation.reconcile(shows(LiveStatus::Active)).plan.message;
    assert!(!refused.contains("differ by"), "{refused}");
    simulation.agreement = Agreement::Agrees;
    simulation.advance(secs(1));
    let later = simulation.reconcile(shows(LiveStatus::Active));
    let message = &later.plan.status.conditions[0].message;
    assert!(!message.contains("differ by"), "{message}");
}

#[test]
fn a_conflict_that_has_ended_refuses_nothing() {
    let mut simulation = off();
    simulation.ownership = Ownership::Lost(Owner {
        name: Some("older".into()),
        open: false,
    });
    simulation.reconcile(shows(LiveStatus::Inactive));
    simulation.request_override(Some(EVENING));
    simulation.reconcile(shows(LiveStatus::Inactive));
    assert!(simulation.status().refused_override.is_some());
    simulation.ownership = Ownership::Owned;
    simulation.reconcile(shows(LiveStatus::Inactive));
    simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(in_force(&simulation).as_deref(), Some(EVENING));
    assert_eq!(simulation.status().refused_override, None);
}

#[test]
fn an_end_that_cannot_be_judged_yet_waits_for_the_first_observation() {
    let mut simulation = off();
    simulation.restart();
    simulation.agreement = Agreement::Unknown;
    simulation.request_override(Some("active until 2026-11-25T17:59:00Z"));
    assert_eq!(simulation.answer_override(), None);
    let away = Err(HubFault::Unreachable("no route".into()).into());
    simulation.reconcile(away);
    assert_eq!(simulation.status().refused_override, None);
    simulation.agreement = Agreement::Agrees;
    simulation.reconcile(shows(LiveStatus::Inactive));
    let status = simulation.status();
    assert_eq!(
        (status.refused_override, status.override_in_force),
        (None, None)
    );
    assert!(status.handled_override.is_some());
}
