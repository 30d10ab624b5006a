//! Plans and screens at a fixed time, and bars beside the operator's own function.

use kube::core::DynamicObject;
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use testkit::zones::ZONES;

use super::*;
use crate::{clean, golden};

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn now(time: &str) -> Now {
    Now {
        time: time.parse().unwrap(),
        zone: zone("Europe/Berlin"),
    }
}

fn item(name: &str, spec: Value, status: Value) -> Item {
    let mut object = json!({
        "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
        "metadata": {"name": name, "namespace": "team-a"},
        "spec": {"model": "m", "state": "scheduled"},
        "status": {"observedGeneration": 1,
                   "pricing": {"method": "time", "costPerSecond": "0.000694444"}},
    });
    for (into, from) in [("spec", spec), ("status", status)] {
        for (key, value) in from.as_object().unwrap() {
            object[into][key] = value.clone();
        }
    }
    let raw: DynamicObject = serde_json::from_value(object).unwrap();
    let item = Item::new(raw);
    assert!(item.object.is_ok(), "{:?}", item.object);
    item
}

fn office() -> Value {
    json!({"schedule": {"timeZone": "Europe/Berlin", "active": ["Mon-Fri 08:00-18:00"]}})
}

fn over(state: &str, until: &str) -> Value {
    json!({"override": {"value": format!("{state} until {until}"), "state": state, "until": until}})
}

/// The screen and the words of an object.
fn shown(item: &Item, now: &Now, first: Option<&str>, days: u16, view: View) -> String {
    let object = item.object.as_ref().unwrap();
    let first = first.map(|first| first.parse().unwrap());
    let days = Days::new(&super::zone(object, now), first, days, now.time);
    let shown = Shown {
        item,
        object,
        plan: &Plan::new(item, object, now.time, &days),
        days: &days,
        now,
    };
    format!("{}\n{}\n", shown.screen(view), shown.summary(view))
}

fn view(width: Option<usize>) -> View {
    View {
        all: false,
        past: false,
        width,
    }
}

#[test]
fn the_screen_of_a_week_is_the_golden_one() {
    let item = item("support-bot", office(), json!({}));
    let text = shown(&item, &now("2026-11-25T09:12:00Z"), None, 7, view(Some(80)));
    golden::check("schedule", &text);
    let all = View {
        all: true,
        ..view(None)
    };
    let text = shown(&item, &now("2026-11-25T09:12:00Z"), None, 7, all);
    assert_eq!(text.matches("window begins").count(), 4, "{text}");
    let late = shown(&item, &now("2026-11-25T22:50:00Z"), None, 1, view(Some(61)));
    assert!(
        late.contains("                                                 23:50 now ^\n"),
        "{late}"
    );
}

#[test]
fn an_override_is_drawn_from_when_it_was_written() {
    let now = now("2026-11-28T13:05:00Z");
    let mut item = item(
        "support-bot",
        office(),
        over("active", "2026-11-28T17:00:00Z"),
    );
    let value = "active until 2026-11-28T17:00:00Z";
    let annotations = [(OVERRIDE_ANNOTATION.to_owned(), value.to_owned())];
    item.object.as_mut().unwrap().metadata.annotations = Some(annotations.into());
    item.override_written = Some("2026-11-28T13:02:00Z".parse().unwrap());
    golden::check(
        "schedule-override",
        &shown(&item, &now, None, 7, view(Some(80))),
    );
    // Another annotation is a request that the operator has not accepted.
    let annotations = item.object.as_mut().unwrap().metadata.annotations.as_mut();
    annotations
        .unwrap()
        .insert(OVERRIDE_ANNOTATION.into(), "none".into());
    let text = shown(&item, &now, None, 1, view(None));
    assert!(text.contains("!!!!!!!!............  14:05-18:00"), "{text}");
}

#[test]
fn days_on_which_the_clock_is_changed_are_drawn_by_the_clock() {
    let spec = json!({"schedule": {"timeZone": "Europe/Berlin",
                                   "active": ["00:00-02:15", "02:30-06:00"], "warmUp": "5m"}});
    let item = item("nights", spec, json!({}));
    let now = Now {
        zone: zone("America/New_York"),
        ..now("2026-03-28T09:12:00Z")
    };
    let spring = shown(&item, &now, None, 3, view(Some(80)));
    let autumn = shown(&item, &now, Some("2026-10-24"), 3, view(Some(80)));
    golden::check("schedule-clock", &format!("{spring}\n{autumn}"));
}

#[test]
fn objects_without_a_schedule_and_deleted_ones_are_drawn_too() {
    let now = now("2026-11-25T09:12:00Z");
    let active = item(
        "a",
        json!({"state": "active"}),
        over("inactive", "2026-11-25T17:00:00Z"),
    );
    let text = shown(&active, &now, None, 1, view(None));
    for words in [
        "team-a/a: active, without a schedule\nInactive now by an override, until 18:00 today",
        "####################!!!!!!!!!!!!!!!!############",
        "# active   ! inactive by override",
        "active  Wed 25 Nov 18:00 +01:00  7h48m  override ends",
        "1 day from Wed 25 Nov: 16.2h of 24h (68%), about 40.50; always on: 60.00.",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let mut deleted = item("a", office(), over("active", "2026-11-25T17:00:00Z"));
    let object = deleted.object.as_mut().unwrap();
    object.metadata.deletion_timestamp = Some(
        k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now.time),
    );
    let text = shown(&deleted, &now, None, 1, view(None));
    assert!(
        text.contains("Inactive now because it is being deleted; no change"),
        "{text}"
    );
    assert!(!text.contains(['#', '!']), "{text}");
    let auto = json!({"schedule": {"timeZone": "Europe/Berlin", "active": ["Mon-Fri 08:00-18:00"],
                                   "warmUp": "auto"}});
    let auto = item("a", auto, json!({"warmUp": "7m"}));
    let text = shown(&auto, &now, None, 2, view(None));
    for words in [
        "Turned on 7m before each window, as learned.",
        "active    Thu 26 Nov 07:53 +01:00  21h    warm-up begins",
        "+ active for a part",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn the_rows_of_all_objects_are_the_golden_ones() {
    let now = now("2026-11-25T09:12:00Z");
    let days = Days::new(&now.zone, None, 7, now.time);
    let nights = json!({"schedule": {"timeZone": "Europe/Berlin", "active": ["22:30-06:00"]}});
    let mut broken = item("broken", office(), json!({}));
    broken.object = Err("spec.state: no such state".into());
    let items = [
        broken,
        item(
            "claude",
            json!({"state": "active"}),
            json!({"pricing": null}),
        ),
        item("nights", nights, json!({})),
        item(
            "off",
            json!({"state": "inactive"}),
            over("active", "2026-11-26T17:00:00Z"),
        ),
        item("support-bot", office(), json!({})),
    ];
    let plan = |item: &Item| {
        let object = item.object.as_ref().ok()?;
        Some(Plan::new(item, object, now.time, &days))
    };
    let all: Vec<Planned<'_>> = items.iter().map(|item| (item, plan(item))).collect();
    let text = overview(&all, &days, false, Some(80));
    let words = overview_summary(&all, &days);
    golden::check("schedule-all", &format!("{text}\n{words}\n"));
    for full_names in [false, true] {
        for width in 0..120 {
            for line in overview(&all, &days, full_names, Some(width)).lines() {
                assert!(clean::cells(line) <= width, "{width}: {line}");
            }
        }
    }
    let data = serde_json::to_value(data(&all, &days)).unwrap();
    assert_eq!(data["items"][3]["activeSeconds"], 50 * 3600);
    assert_eq!(data["items"][3]["cost"], "124.999920000");
    assert_eq!(data["items"][3]["changes"][0]["at"], "2026-11-25T07:00:00Z");
}

/// An instant between 2011, when Apia skipped a day, and 2040.
fn instants() -> impl Strategy<Value = Timestamp> {
    let range = 1_300_000_000_i64..2_200_000_000;
    range.prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn windows() -> impl Strategy<Value = String> {
    let days = prop::sample::select(vec!["", "Mon-Fri ", "Sat,Sun ", "Fri ", "Sun-Wed "]);
    (days, 0..24 * 4_u32, 1..24 * 4_u32).prop_map(|(days, begin, length)| {
        let end = (begin + length) % (24 * 4);
        let time = |quarter: u32| format!("{:02}:{:02}", quarter / 4, quarter % 4 * 15);
        format!("{days}{}-{}", time(begin), time(end))
    })
}

fn items() -> impl Strategy<Value = (Item, Now)> {
    let zones = || prop::sample::select(ZONES.to_vec());
    let state = || prop::sample::select(vec!["active", "inactive"]);
    let requested = prop::option::of((state(), 1..200_000_i64));
    let warm_up = prop::option::of(prop::sample::select(vec!["7m", "1h30m"]));
    (
        vec(windows(), 1..4),
        zones(),
        warm_up,
        requested,
        instants(),
        zones(),
    )
        .prop_map(|(active, name, warm_up, requested, time, here)| {
            let mut schedule = json!({"timeZone": name, "active": active});
            if let Some(warm_up) = warm_up {
                schedule["warmUp"] = json!(warm_up);
            }
            let status = requested.map_or_else(
                || json!({}),
                |(state, seconds)| {
                    let until = Timestamp::from_second(time.as_second() + seconds).unwrap();
                    over(state, &until.to_string())
                },
            );
            let item = item("support-bot", json!({"schedule": schedule}), status);
            let zone = zone(here);
            (item, Now { time, zone })
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_bar_agrees_with_the_operators_own_function((item, now) in items(), count in 0..4_usize) {
        let count = [48, 24, 8, 4][count];
        let object = item.object.as_ref().unwrap();
        let days = Days::new(&super::zone(object, &now), None, 5, now.time);
        let plan = Plan::new(&item, object, now.time, &days);
        let mut end = days.from();
        for day in &days.days {
            prop_assert_eq!(day.from, end);
            for cell in bar::cells(&days.zone, day.date, count) {
                // The cells of a day follow each other, and leave nothing out.
                prop_assert_eq!(cell.from, end);
                end = cell.to;
                let sign = bar::sign(&plan.parts, cell);
                if cell.from == cell.to {
                    prop_assert_eq!(sign, bar::SKIPPED);
                    continue;
                }
                let last = Timestamp::from_second(cell.to.as_second() - 1).unwrap();
                let status = object.status.as_ref().unwrap();
                let over = status.override_in_force.as_ref();
                let by_override = over.is_some_and(|over| over.until.0 > cell.from && cell.to > now.time);
                prop_assert_eq!(sign == bar::OVERRIDE, by_override, "{:?} {}", cell, sign);
                if by_override {
                    continue;
                }
                let declared = super::declared(object);
                let ends = [cell.from, last].map(|at| desired(&declared, at) == State::Active);
                match sign {
                    bar::ACTIVE => prop_assert_eq!(ends, [true; 2]),
                    bar::INACTIVE => prop_assert_eq!(ends, [false; 2]),
                    _ => prop_assert_eq!(sign, bar::PARTLY),
                }
            }
            prop_assert_eq!(end, day.to);
        }
    }

    #[test]
    fn every_plan_from_now_on_is_the_operators_own((item, now) in items(), later in 0..400_000_i64) {
        let object = item.object.as_ref().unwrap();
        let days = Days::new(&super::zone(object, &now), None, 6, now.time);
        let plan = Plan::new(&item, object, now.time, &days);
        let at = Timestamp::from_second(now.time.as_second() + later).unwrap();
        let part = plan.parts.iter().find(|part| part.from <= at && at < part.to).unwrap();
        prop_assert_eq!(part.state, desired(object, at));
        let change = plan.changes.iter().find(|change| change.at > at).map(|change| change.at);
        let next = next_change(object, at).filter(|next| *next < days.to());
        prop_assert_eq!(change, next, "after {}", at);
    }

    #[test]
    fn no_screen_is_wider_than_the_terminal((item, now) in items(), width in 0..130_usize, days in 1..9_u16) {
        let view = View { all: true, past: true, width: Some(width) };
        let object = item.object.as_ref().unwrap();
        let days = Days::new(&super::zone(object, &now), None, days, now.time);
        let plan = Plan::new(&item, object, now.time, &days);
        let (item, now) = (&item, &now);
        let shown = Shown { item, object, plan: &plan, days: &days, now };
        for line in shown.screen(view).lines() {
            prop_assert!(clean::cells(line) <= width.max(1), "{}: {}", width, line);
        }
    }
}
