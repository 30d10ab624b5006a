//! Schedules: when a model is wanted active, and when that changes.

use jiff::Timestamp;
use oxen_operator::{
    api::{LiveStatus, OxenModel, State},
    decide::{CallOutcome, HubFault, boundary_delay, desired, next_change},
};
use serde_json::{Value, json};
use testkit::simulation::{Simulation, shows};

pub(crate) const BERLIN: &str = "Europe/Berlin";
pub(crate) const WORK: &str = "Mon-Fri 08:00-18:00";

/// A scheduled object.
pub(crate) fn object(zone: &str, windows: &[&str], except: &[&str], warm_up: Value) -> OxenModel {
    let schedule = json!({
        "timeZone": zone, "active": windows, "except": except, "warmUp": warm_up,
    });
    let spec = json!({"model": "bot", "state": "scheduled", "schedule": schedule});
    let object = OxenModel::new("my-bot", serde_json::from_value(spec).unwrap());
    assert_eq!(object.spec.check(), Ok(()));
    object
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Asserts what is wanted at a time, and when that changes. The next change can be written without
/// its date if it is on the same day in UTC.
pub(crate) fn assert_wants(object: &OxenModel, now: &str, wanted: State, next: &str) {
    let row = format!("{now} {:?}", object.spec.schedule);
    let at = time(now);
    assert_eq!(desired(object, at), wanted, "{row}");
    let next = match next.len() {
        0 => None,
        9 => Some(time(&format!("{}T{next}", &now[..10]))),
        _ => Some(time(next)),
    };
    assert_eq!(next_change(object, at), next, "{row}");
    if let Some(next) = next {
        let before = next - jiff::SignedDuration::from_secs(1);
        assert_eq!(desired(object, before), wanted, "{row}: before the change");
        assert_ne!(desired(object, next), wanted, "{row}: at the change");
    }
}

use State::{Active as On, Inactive as Off};

#[test]
fn a_window_is_on_from_its_begin_until_before_its_end() {
    for (zone, window, now, wanted, next) in [
        (BERLIN, WORK, "2026-11-25T06:59:59Z", Off, "07:00:00Z"),
        (BERLIN, WORK, "2026-11-25T07:00:00Z", On, "17:00:00Z"),
        (BERLIN, WORK, "2026-11-25T16:59:59Z", On, "17:00:00Z"),
        (
            BERLIN,
            WORK,
            "2026-11-25T17:00:00Z",
            Off,
            "2026-11-26T07:00:00Z",
        ),
        // A weekend.
        (
            BERLIN,
            WORK,
            "2026-11-27T17:00:00Z",
            Off,
            "2026-11-30T07:00:00Z",
        ),
        // Summer.
        (BERLIN, WORK, "2026-07-01T05:59:59Z", Off, "06:00:00Z"),
        (BERLIN, WORK, "2026-07-01T06:00:00Z", On, "16:00:00Z"),
        // It is Sunday in UTC, and Monday in Auckland.
        (
            "Pacific/Auckland",
            "Mon-Fri 06:30-19:30",
            "2026-11-22T17:30:00Z",
            On,
            "2026-11-23T06:30:00Z",
        ),
        // An offset of half an hour, and two days that touch.
        (
            "Asia/Kolkata",
            "Sat-Sun 00:00-24:00",
            "2026-11-27T18:30:00Z",
            On,
            "2026-11-29T18:30:00Z",
        ),
    ] {
        assert_wants(
            &object(zone, &[window], &[], Value::Null),
            now,
            wanted,
            next,
        );
    }
}

#[test]
fn a_window_runs_into_the_next_day_and_the_next_week() {
    for (window, now, wanted, next) in [
        ("Fri 22:00-06:00", "2026-11-28T02:00:00Z", On, "05:00:00Z"),
        ("Fri 22:00-06:00", "2026-11-27T02:00:00Z", Off, "21:00:00Z"),
        (
            "Mon-Fri 22:00-06:00",
            "2026-11-23T02:00:00Z",
            Off,
            "21:00:00Z",
        ),
        (
            "Mon-Fri 22:00-06:00",
            "2026-11-28T02:00:00Z",
            On,
            "05:00:00Z",
        ),
        ("Sun 20:00-04:00", "2026-11-30T02:00:00Z", On, "03:00:00Z"),
        ("00:00-24:00", "2026-11-25T22:59:59Z", On, ""),
        ("00:00-24:00", "2026-11-25T23:00:00Z", On, ""),
    ] {
        let object = object(BERLIN, &[window], &[], Value::Null);
        assert_wants(&object, now, wanted, next);
    }
}

#[test]
fn windows_that_touch_or_overlap_are_one() {
    let long = ["Mon 08:00-24:00", "Tue-Thu 00:00-24:00", "Fri 00:00-18:00"];
    let lunch = [
        "Mon-Fri 08:00-12:00",
        "Mon-Fri 12:00-18:00",
        "Mon-Fri 11:00-13:00",
    ];
    let whole = ["00:00-12:00", "12:00-24:00"];
    for (windows, now, wanted, next) in [
        (
            &long[..],
            "2026-11-23T07:00:00Z",
            On,
            "2026-11-27T17:00:00Z",
        ),
        (&long, "2026-11-24T23:00:00Z", On, "2026-11-27T17:00:00Z"),
        (&lunch, "2026-11-25T08:00:00Z", On, "17:00:00Z"),
        (&lunch, "2026-11-25T17:00:00Z", Off, "2026-11-26T07:00:00Z"),
        (&whole, "2026-11-25T10:59:59Z", On, ""),
    ] {
        let object = object(BERLIN, windows, &[], Value::Null);
        assert_wants(&object, now, wanted, next);
    }
}

#[test]
fn dates_are_those_of_the_zone() {
    let leap = "2028-02-29";
    let leap_window = &format!("{leap} 09:00-17:00");
    let holidays = "2026-12-24/2026-12-31";
    let once = "2026-12-05 10:00-16:00";
    for (zone, window, except, now, wanted, next) in [
        (
            "UTC",
            "Tue 09:00-17:00",
            &[][..],
            "2028-02-29T10:00:00Z",
            On,
            "17:00:00Z",
        ),
        (
            "UTC",
            leap_window,
            &[],
            "2027-12-01T00:00:00Z",
            Off,
            "2028-02-29T09:00:00Z",
        ),
        (
            "UTC",
            "09:00-17:00",
            &[leap],
            "2028-02-28T17:00:00Z",
            Off,
            "2028-03-01T09:00:00Z",
        ),
        (
            BERLIN,
            WORK,
            &[holidays],
            "2026-12-23T17:00:00Z",
            Off,
            "2027-01-01T07:00:00Z",
        ),
        (BERLIN, once, &[], "2026-12-05T15:00:00Z", Off, ""),
        // The window of the day before an exception goes on to its end.
        (
            "UTC",
            "22:00-06:00",
            &[leap],
            "2028-02-29T00:00:00Z",
            On,
            "06:00:00Z",
        ),
        (
            "UTC",
            "22:00-06:00",
            &[leap],
            "2028-02-29T06:00:00Z",
            Off,
            "2028-03-01T22:00:00Z",
        ),
        // Farther away than the search goes, and not quite.
        ("UTC", leap_window, &[], "2027-01-25T08:59:59Z", Off, ""),
        (
            "UTC",
            leap_window,
            &[],
            "2027-01-25T09:00:00Z",
            Off,
            "2028-02-29T09:00:00Z",
        ),
    ] {
        let object = object(zone, &[window], except, Value::Null);
        assert_wants(&object, now, wanted, next);
    }
}

#[test]
fn a_warm_up_begins_before_its_window_and_does_not_move_its_end() {
    let window = "Mon-Fri 09:00-18:00";
    let warm = |text: &str| object(BERLIN, &[window], &[], json!(text));
    for (warm_up, now, wanted, next) in [
        ("7m", "2026-11-25T07:52:59Z", Off, "07:53:00Z"),
        ("7m", "2026-11-25T07:53:00Z", On, "17:00:00Z"),
        ("2h", "2026-11-25T06:00:00Z", On, "17:00:00Z"),
        ("45s", "2026-11-25T07:59:14Z", Off, "07:59:15Z"),
        // No activation is known.
        ("auto", "2026-11-25T07:59:59Z", Off, "08:00:00Z"),
        ("auto", "2026-11-25T08:00:00Z", On, "17:00:00Z"),
    ] {
        assert_wants(&warm(warm_up), now, wanted, next);
    }
    // A warm-up can begin on the day before, and closes a gap between two windows.
    let midnight = object(BERLIN, &["Wed 00:30-02:00"], &[], json!("2h"));
    assert_wants(&midnight, "2026-11-24T21:29:59Z", Off, "21:30:00Z");
    let gap = object(BERLIN, &["08:00-12:00", "12:10-18:00"], &[], json!("10m"));
    assert_wants(&gap, "2026-11-24T09:00:00Z", On, "17:00:00Z");
    // Apia has no Friday 30 December 2011, so Saturday begins two hours after 22:00 on Thursday.
    let skipped = object(
        "Pacific/Apia",
        &["2011-12-31 00:30-06:00"],
        &[],
        json!("2h"),
    );
    assert_wants(&skipped, "2011-12-30T08:29:59Z", Off, "08:30:00Z");
    assert_wants(&skipped, "2011-12-30T08:30:00Z", On, "16:00:00Z");
}

#[test]
fn only_a_scheduled_object_follows_its_schedule() {
    let mut object = object(BERLIN, &[WORK], &[], Value::Null);
    let now = "2026-11-25T08:00:00Z";
    assert_wants(&object, now, On, "17:00:00Z");
    object.metadata.deletion_timestamp = Some(
        k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time(now)),
    );
    assert_wants(&object, now, Off, "");
    object.metadata.deletion_timestamp = None;
    object.spec.state = State::Inactive.into();
    assert_wants(&object, now, Off, "");
    object.spec.state = State::Active.into();
    object.spec.schedule = None;
    assert_wants(&object, now, On, "");
}

#[test]
fn the_end_of_the_calendar_is_no_error() {
    let object = object(BERLIN, &["22:00-06:00"], &["2026-12-24"], json!("2h"));
    for now in [Timestamp::MIN, Timestamp::MAX] {
        assert_eq!(desired(&object, now), Off);
        assert_eq!(next_change(&object, now).is_some(), now < Timestamp::MAX);
    }
}

/// An object that is scheduled in Berlin's working hours, at this time.
fn scheduled(now: &str) -> Simulation {
    Simulation::new(Off).with(|simulation| {
        simulation.object.spec = object(BERLIN, &[WORK], &[], Value::Null).spec;
        simulation.now = time(now);
    })
}

#[test]
fn a_boundary_leads_to_a_call_and_the_status_names_the_next_one() {
    let mut simulation = scheduled("2026-11-25T06:59:40Z");
    let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(reconciled.call(), None);
    assert_eq!(reconciled.summary(), "True Inactive -");
    assert!(reconciled.plan.message.contains("as the schedule says"));
    let until = |simulation: &Simulation| simulation.status().until.unwrap().0;
    assert_eq!(until(&simulation), time("2026-11-25T07:00:00Z"));

    simulation.advance(testkit::simulation::secs(20));
    let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(
        reconciled.call(),
        Some(oxen_operator::api::OperationKind::Activate)
    );
    assert_eq!(simulation.status().desired, Some(On));
    assert_eq!(until(&simulation), time("2026-11-25T17:00:00Z"));
}

#[test]
fn a_settled_poll_in_a_window_writes_nothing() {
    let mut simulation = scheduled("2026-11-25T07:00:00Z");
    simulation.reconcile(shows(LiveStatus::Active));
    for _ in 0..1000 {
        simulation.advance(testkit::simulation::secs(35));
        let plan = simulation.decide(shows(LiveStatus::Active));
        assert!(!simulation.would_write(&plan), "{}", simulation.now);
        simulation.reconcile(shows(LiveStatus::Active));
    }
}

#[test]
fn a_window_that_was_missed_is_not_made_up_for() {
    let mut simulation = scheduled("2026-11-25T06:00:00Z");
    simulation.reconcile(shows(LiveStatus::Inactive));
    simulation.now = time("2026-11-25T18:00:00Z");
    simulation.restart();
    assert_eq!(
        simulation.reconcile(shows(LiveStatus::Inactive)).call(),
        None
    );
    simulation.now = time("2026-11-26T08:00:00Z");
    simulation.restart();
    let before = simulation.status();
    let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert!(reconciled.call().is_some(), "an hour late");
    let hour = Some(testkit::simulation::mins(60));
    let after = simulation.status();
    assert_eq!(boundary_delay(&before, &after, simulation.now), hour);
}

#[test]
fn only_a_change_by_time_alone_has_a_delay() {
    let mut simulation = scheduled("2026-11-25T07:30:00Z");
    let mut delay = |change: &dyn Fn(&mut Simulation)| {
        let before = simulation.status();
        change(&mut simulation);
        simulation.reconcile(shows(LiveStatus::Active));
        boundary_delay(&before, &simulation.status(), simulation.now)
    };
    assert_eq!(delay(&|_| ()), None, "the first observation");
    let minute = testkit::simulation::mins(1);
    assert_eq!(delay(&|simulation| simulation.advance(minute)), None);
    let edit = |simulation: &mut Simulation| simulation.edit(|it| it.spec.state = Off.into());
    assert_eq!(delay(&edit), None, "the spec");
    let overrides = "active until 2026-11-25T12:00:00Z";
    let request = |simulation: &mut Simulation| simulation.request_override(Some(overrides));
    assert_eq!(delay(&request), None, "a person");
    let end = |simulation: &mut Simulation| simulation.now = time("2026-11-25T12:00:07Z");
    assert_eq!(delay(&end), Some(testkit::simulation::secs(7)));
}

#[test]
fn a_boundary_is_no_drift() {
    let mut simulation = scheduled("2026-11-25T16:59:00Z");
    simulation.reconcile(shows(LiveStatus::Active));
    simulation.now = time("2026-11-25T17:00:00Z");
    let reconciled = simulation.reconcile(shows(LiveStatus::Active));
    assert_eq!(reconciled.summary(), "False Deactivating Reconciling");
    let attempts = simulation.status().attempts.unwrap();
    assert_eq!((attempts.calls, attempts.corrections), (Some(1), None));
}

#[test]
fn any_number_of_boundaries_is_no_contention() {
    let windows: Vec<String> = (0..10)
        .map(|number| format!("2026-11-25 08:{:02}-08:{:02}", 2 * number, 2 * number + 1))
        .collect();
    let windows: Vec<&str> = windows.iter().map(String::as_str).collect();
    let mut simulation = Simulation::new(Off).with(|simulation| {
        simulation.object.spec = object(BERLIN, &windows, &[], Value::Null).spec;
        simulation.now = time("2026-11-25T06:59:00Z");
    });
    let mut live = LiveStatus::Inactive;
    simulation.reconcile(shows(live));
    for boundary in 0..20 {
        simulation.advance(testkit::simulation::secs(60));
        let reconciled = simulation.reconcile(shows(live));
        assert!(reconciled.call().is_some(), "boundary {boundary}");
        live = match live {
            LiveStatus::Inactive => LiveStatus::Active,
            _ => LiveStatus::Inactive,
        };
        simulation.reconcile(shows(live));
    }
    assert_eq!(simulation.status().attempts.unwrap().corrections, None);
}

#[test]
fn corrections_outlive_a_boundary() {
    let mut simulation = scheduled("2026-11-25T16:50:00Z");
    simulation.reconcile(shows(LiveStatus::Active));
    simulation.reconcile(shows(LiveStatus::Inactive));
    simulation.advance(testkit::simulation::mins(1));
    let corrected = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(corrected.summary(), "False CorrectingDrift Reconciling");
    simulation.reconcile(shows(LiveStatus::Active));
    simulation.now = time("2026-11-25T17:00:00Z");
    simulation.reconcile(shows(LiveStatus::Active));
    let corrections = simulation.status().attempts.unwrap().corrections;
    assert_eq!(corrections.map(|all| all.len()), Some(1));
}

#[test]
fn a_model_that_failed_yesterday_is_tried_again_today() {
    let mut simulation = scheduled("2026-11-25T07:00:00Z");
    simulation.reconcile(shows(LiveStatus::Inactive));
    for _ in 0..20 {
        simulation.advance(testkit::simulation::mins(20));
        simulation.reconcile(shows(LiveStatus::Error));
    }
    assert_eq!(simulation.reconcile(shows(LiveStatus::Error)).call(), None);
    simulation.now = time("2026-11-25T17:00:00Z");
    simulation.reconcile(shows(LiveStatus::Error));
    simulation.advance(testkit::simulation::mins(5));
    simulation.reconcile(shows(LiveStatus::Inactive));
    simulation.now = time("2026-11-26T07:00:00Z");
    let reconciled = simulation.reconcile(shows(LiveStatus::Inactive));
    assert_eq!(reconciled.summary(), "False Activating Reconciling");
    let attempts = simulation.status().attempts.unwrap();
    assert_eq!((attempts.calls, attempts.failures), (Some(1), None));
}

#[test]
fn ready_is_not_kept_for_another_desired_state() {
    let mut simulation = scheduled("2026-11-25T16:59:00Z");
    simulation.reconcile(shows(LiveStatus::Active));
    let away = || Err(HubFault::Unreachable("no route".into()).into());
    assert_eq!(simulation.reconcile(away()).summary(), "True Active -");
    simulation.now = time("2026-11-25T17:00:00Z");
    for _ in 0..2 {
        let reconciled = simulation.reconcile(away());
        assert_eq!(reconciled.call(), None);
        let ready = &simulation.status().conditions[0];
        assert_eq!(
            (ready.type_.as_str(), ready.status.as_str()),
            ("Ready", "Unknown")
        );
        simulation.advance(testkit::simulation::secs(5));
    }
}

#[test]
fn a_first_call_that_gets_no_connection_leaves_ready_false() {
    let mut simulation = scheduled("2026-11-25T16:59:00Z");
    simulation.reconcile(shows(LiveStatus::Active));
    simulation.now = time("2026-11-25T17:00:00Z");
    simulation.outcome = CallOutcome::Refused {
        fault: HubFault::Unreachable("connection refused".into()),
        wait: None,
    };
    let reconciled = simulation.reconcile(shows(LiveStatus::Active));
    assert!(reconciled.call().is_some());
    assert_eq!(
        reconciled.summary(),
        "False Deactivating Reconciling",
        "it was not observed to be as desired"
    );
}
