//! Schedules where clocks are changed, and where a zone skips a day.

use State::{Active as On, Inactive as Off};
use jiff::Timestamp;
use oxen_operator::{
    api::State,
    decide::{desired, stretches},
};
use serde_json::Value;

use crate::schedule::{BERLIN, WORK, assert_wants, object, time};

/// The stretches of a window within a few days, as `begin → end` without the seconds.
fn on(zone: &str, window: &str, from: &str, to: &str) -> Vec<String> {
    let object = object(zone, &[window], &[], Value::Null);
    let (from, to) = (time(from), time(to));
    let schedule = object.spec.schedule.as_ref().unwrap();
    let minutes = |at: Timestamp| at.strftime("%m-%dT%H:%M").to_string();
    stretches(schedule, from, to, std::time::Duration::ZERO)
        .map(|stretch| format!("{} → {}", minutes(stretch.from), minutes(stretch.to)))
        .collect()
}

#[test]
fn a_range_of_days_wraps_round_the_week() {
    assert_eq!(
        on(
            BERLIN,
            "Fri-Mon 10:00-12:00",
            "2026-11-24T00:00:00Z",
            "2026-12-01T00:00:00Z"
        ),
        [
            "11-27T09:00 → 11-27T11:00",
            "11-28T09:00 → 11-28T11:00",
            "11-29T09:00 → 11-29T11:00",
            "11-30T09:00 → 11-30T11:00",
        ]
    );
}

#[test]
fn a_boundary_that_the_clock_skips_is_the_change_itself() {
    let berlin = (
        "Europe/Berlin",
        "2026-03-28T23:00:00Z",
        "2026-03-29T21:00:00Z",
    );
    let saturday = (
        "Europe/Berlin",
        "2026-03-28T12:00:00Z",
        "2026-03-29T12:00:00Z",
    );
    let new_york = (
        "America/New_York",
        "2026-03-08T05:00:00Z",
        "2026-03-09T03:00:00Z",
    );
    let lord_howe = (
        "Australia/Lord_Howe",
        "2026-10-03T13:30:00Z",
        "2026-10-04T12:00:00Z",
    );
    for ((zone, from, to), window, expected) in [
        (berlin, "02:30-06:00", &["03-29T01:00 → 03-29T04:00"][..]),
        (berlin, "02:15-02:45", &[]),
        (berlin, "02:30-03:15", &["03-29T01:00 → 03-29T01:15"]),
        (berlin, "Sun 00:00-24:00", &["03-28T23:00 → 03-29T22:00"]),
        (saturday, "Sat 22:00-06:00", &["03-28T21:00 → 03-29T04:00"]),
        (new_york, "02:30-06:00", &["03-08T07:00 → 03-08T10:00"]),
        (new_york, "01:30-03:00", &["03-08T06:30 → 03-08T07:00"]),
        (lord_howe, "02:10-06:00", &["10-03T15:30 → 10-03T19:00"]),
        (lord_howe, "01:00-02:15", &["10-03T14:30 → 10-03T15:30"]),
    ] {
        assert_eq!(on(zone, window, from, to), expected, "{zone} {window}");
    }
}

#[test]
fn a_window_is_not_interrupted_in_an_hour_that_the_clock_shows_twice() {
    let (from, to) = ("2026-10-24T22:00:00Z", "2026-10-25T22:00:00Z");
    let saturday = "2026-10-24T12:00:00Z";
    for (window, from, expected) in [
        ("02:30-06:00", from, "10-25T00:30 → 10-25T05:00"),
        ("00:00-02:30", from, "10-24T22:00 → 10-25T00:30"),
        ("02:00-03:00", from, "10-25T00:00 → 10-25T02:00"),
        ("Sun 00:00-24:00", from, "10-24T22:00 → 10-25T23:00"),
        ("Sat 22:00-06:00", saturday, "10-24T20:00 → 10-25T05:00"),
    ] {
        assert_eq!(on(BERLIN, window, from, to), [expected], "{window}");
    }
    let late = object(BERLIN, &["02:30-06:00"], &[], Value::Null);
    for now in ["01:00", "01:10", "01:20", "01:29"] {
        let now = time(&format!("2026-10-25T{now}:00Z"));
        assert_eq!(desired(&late, now), On, "the second 02:00 to 02:30: {now}");
    }
    let early = object(BERLIN, &["00:00-02:30"], &[], Value::Null);
    assert_eq!(desired(&early, time("2026-10-25T01:15:00Z")), Off);
}

#[test]
fn a_day_that_the_zone_skips_has_no_windows() {
    // Apia went from Thursday 29 December 2011 to Saturday the 31st.
    let (from, to) = ("2011-12-27T12:00:00Z", "2012-01-02T12:00:00Z");
    for (window, expected) in [
        (
            WORK,
            &[
                "12-27T18:00 → 12-28T04:00",
                "12-28T18:00 → 12-29T04:00",
                "12-29T18:00 → 12-30T04:00",
                "01-01T18:00 → 01-02T04:00",
            ][..],
        ),
        ("Thu 22:00-06:00", &["12-30T08:00 → 12-30T10:00"]),
        ("Fri 22:00-06:00", &[]),
        ("2011-12-30 00:00-24:00", &[]),
    ] {
        assert_eq!(on("Pacific/Apia", window, from, to), expected, "{window}");
    }
    let always = object("Pacific/Apia", &["00:00-24:00"], &[], Value::Null);
    assert_wants(&always, "2011-12-30T09:59:59Z", On, "");
    assert_wants(&always, "2011-12-30T10:00:00Z", On, "");
}
