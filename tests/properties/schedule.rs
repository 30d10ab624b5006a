//! Schedules and overrides: the quick functions agree with what the zone's clock shows minute by
//! minute.

use std::time::Duration;

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oxen_operator::{
    api::{Override, OxenModel, OxenModelStatus, Schedule, State},
    decide::{desired, next_change, stretches},
};
use proptest::{collection::vec, prelude::*};
use serde_json::json;
use testkit::zones::ZONES;

use crate::cases;

/// How many days the clock is read for.
const DAYS: i64 = 9;

/// The windows that begin earlier than the readings of the clock don't reach further than this.
const KNOWN_FROM: usize = 3 * 24 * 60;

/// A zone's clock, read each minute.
struct Clock {
    begin: Timestamp,
    /// The latest time that the clock has shown by each minute. It never goes back.
    latest: Vec<DateTime>,
    shown: Vec<Date>,
}

impl Clock {
    fn read(zone: &TimeZone, begin: Timestamp) -> Self {
        let minutes = (0..DAYS * 24 * 60).map(|minute| begin + SignedDuration::from_mins(minute));
        let readings: Vec<DateTime> = minutes.map(|at| zone.to_datetime(at)).collect();
        let mut latest = readings.clone();
        for at in 1..latest.len() {
            latest[at] = latest[at].max(latest[at - 1]);
        }
        let mut shown: Vec<Date> = readings.iter().map(|time| time.date()).collect();
        shown.dedup();
        Self {
            begin,
            latest,
            shown,
        }
    }

    /// The first minute at which the clock shows the time or a later one.
    fn boundary(&self, time: DateTime) -> usize {
        self.latest.partition_point(|latest| *latest < time)
    }

    /// Whether the schedule wants its model active, for each minute.
    fn wants(&self, schedule: &Schedule, lead: usize) -> Vec<bool> {
        let mut wants = vec![false; self.latest.len()];
        let excepted = |day: &Date| schedule.except.iter().flatten().any(|it| it.contains(*day));
        for day in self.shown.iter().filter(|day| !excepted(day)) {
            for window in schedule.active.iter().filter(|it| it.begins_on(*day)) {
                let begin = self.boundary(window.start(*day));
                let end = self.boundary(window.end(*day).unwrap());
                if begin < end {
                    wants[begin.saturating_sub(lead)..end].fill(true);
                }
            }
        }
        wants
    }

    fn at(&self, minute: usize) -> Timestamp {
        self.begin + SignedDuration::from_mins(i64::try_from(minute).unwrap())
    }
}

/// A time that is often near a change of clocks, and midnight.
fn clock_time() -> impl Strategy<Value = String> {
    let hour = prop_oneof![3 => 0_u8..4, 1 => 0_u8..24, 1 => Just(23)];
    let minute = prop_oneof![Just(0_u8), Just(30), 0_u8..60];
    (hour, minute).prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"))
}

fn days() -> impl Strategy<Value = String> {
    let day = || prop::sample::select(vec!["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]);
    prop_oneof![
        3 => Just(String::new()),
        2 => (day(), day()).prop_map(|(first, last)| format!("{first}-{last} ")),
        1 => vec(day(), 1..4).prop_map(|days| days.join(",") + " "),
    ]
}

pub(crate) fn window() -> impl Strategy<Value = String> {
    let end = prop_oneof![4 => clock_time(), 1 => Just("24:00".to_owned())];
    (days(), clock_time(), end)
        .prop_filter("a window has a length", |(_, start, end)| start != end)
        .prop_map(|(days, start, end)| format!("{days}{start}-{end}"))
}

/// A whole minute a few days before a change of the zone's clock, or at any time.
fn begin(zone: &TimeZone, seconds: i64, near: bool) -> Timestamp {
    let any = Timestamp::from_second(seconds).unwrap();
    let change = zone.following(any).next().filter(|_| near);
    let begin = change.map_or(any, |it| {
        it.timestamp() - SignedDuration::from_hours(5 * 24)
    });
    // Some databases have a change to the same offset in 2038, at a second of no whole minute.
    Timestamp::from_second(begin.as_second().div_euclid(60) * 60).unwrap()
}

/// A status with an override that is in force until `end`.
fn overridden_until(active: bool, end: Timestamp) -> OxenModelStatus {
    let state = if active {
        State::Active
    } else {
        State::Inactive
    };
    OxenModelStatus {
        override_in_force: Some(Override {
            value: format!("{state} until {end}"),
            state,
            until: Time(end),
        }),
        ..OxenModelStatus::default()
    }
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn a_schedule_is_what_the_clock_shows(
        zone in prop::sample::select(&ZONES[..]),
        // The years 2001 to 2039.
        seconds in 978_307_200_i64..2_208_988_800,
        near in prop::bool::weighted(0.8),
        windows in vec(window(), 1..5),
        except in prop::option::of(0_usize..9),
        lead in prop_oneof![2 => Just(0_usize), 1 => 0_usize..=120],
        overridden in prop::option::of((any::<bool>(), 0..DAYS * 24 * 60)),
        learned in prop::bool::ANY,
    ) {
        let rules = TimeZone::get(zone).unwrap();
        let clock = Clock::read(&rules, begin(&rules, seconds, near));
        let except = except.and_then(|day| clock.shown.get(day)).map(|day| vec![day.to_string()]);
        // A learned lead is at most an hour.
        let lead = if learned { lead.min(60) } else { lead };
        let fixed = format!("{lead}m");
        let warm_up = if learned { "auto" } else { &fixed };
        let schedule = json!({
            "timeZone": zone, "active": windows, "except": except, "warmUp": warm_up,
        });
        let spec = json!({"model": "bot", "state": "scheduled", "schedule": schedule});
        let mut object = OxenModel::new("bot", serde_json::from_value(spec).unwrap());
        let schedule = object.spec.schedule.clone().unwrap();
        let scheduled = clock.wants(&schedule, lead);
        let mut wants = scheduled.clone();
        if let Some((active, end)) = overridden {
            wants[..end as usize].fill(active);
            object.status = Some(overridden_until(active, clock.at(end as usize)));
        }
        if learned {
            object.status.get_or_insert_default().warm_up = fixed.parse().ok();
        }

        // Windows that begin before or after the readings are not known to the slow definition.
        let known = KNOWN_FROM..clock.latest.len() - KNOWN_FROM;
        let later = known.clone().skip(1);
        let flips: Vec<usize> = later.filter(|at| wants[*at] != wants[at - 1]).collect();
        let sample = known.clone().step_by(7).chain(flips.iter().flat_map(|at| [at - 1, *at]));
        for minute in sample {
            let at = clock.at(minute);
            let is_active = desired(&object, at) == State::Active;
            prop_assert_eq!(is_active, wants[minute], "{} {:?}", at, schedule);
        }
        // Each change is found from all times since the one before.
        for minute in known.clone().step_by(37).chain(flips.iter().flat_map(|at| [at - 1, *at])) {
            let found = next_change(&object, clock.at(minute));
            match flips.iter().find(|flip| **flip > minute) {
                Some(flip) => prop_assert_eq!(found, Some(clock.at(*flip)), "{:?}", schedule),
                None => {
                    let last = clock.at(known.end - 1);
                    prop_assert!(found.is_none_or(|found| found > last), "{:?}", schedule);
                }
            }
        }
        let (from, to) = (clock.at(known.start), clock.at(known.end - 1));
        let flips: Vec<usize> = known.clone().skip(1)
            .filter(|at| scheduled[*at] != scheduled[at - 1])
            .collect();
        let ranges = stretches(&schedule, from, to, Duration::from_secs(60 * lead as u64));
        let edges = ranges.flat_map(|it| [it.from, it.to]).filter(|it| *it > from && *it <= to);
        let expected: Vec<Timestamp> = flips.iter().map(|flip| clock.at(*flip)).collect();
        prop_assert_eq!(edges.collect::<Vec<_>>(), expected, "{:?}", schedule);
        // The windows that begin on each of these days, the day before and the day after.
        let most = 2 * schedule.active.len() * (known.len() / (24 * 60) + 2);
        prop_assert!(flips.len() <= most, "{:?}", schedule);
    }
}
