//! What holds for any object that an API server could have, and for any time.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};
use testkit::zones::ZONES;

use crate::{
    clean,
    console::{DIM, RED, RESET, YELLOW},
    cost::{self, Missing, Report},
    fetch::Seen,
    item::Item,
    overview,
    schedule::{self, Days, Plan},
    screen::{self, Around},
    when::Now,
};

const TEXTS: [&str; 9] = [
    "",
    "team-a",
    "active",
    "日本語 e\u{301} \u{1f402}",
    "\x1b[2J\r\n\u{202e}\u{9b}31m",
    "a-word-that-is-far-too-long-for-the-cell-of-any-table-and-for-the-width-of-a-terminal-as-well",
    "Is a sentence. It has several words, and says what to do.",
    "0.000694444",
    "99999999999999999999.9999",
];

/// The fields of a status, each with a value that is right.
fn status() -> [(&'static str, Value); 14] {
    let time = "2026-11-25T07:04:00Z";
    let condition = |type_: &str, status: &str| {
        json!({"type": type_, "status": status, "reason": "Rejected", "message": TEXTS[3],
               "lastTransitionTime": time, "observedGeneration": 1})
    };
    [
        ("observedGeneration", json!(1)),
        ("desired", json!("active")),
        ("live", json!("active")),
        ("since", json!(time)),
        ("until", json!(time)),
        ("progressingSince", json!(time)),
        ("warmUp", json!("7m")),
        (
            "model",
            json!({"id": TEXTS[4], "owner": TEXTS[3], "type": "custom", "url": TEXTS[5]}),
        ),
        (
            "pricing",
            json!({"method": "time", "costPerSecond": TEXTS[7]}),
        ),
        (
            "override",
            json!({"value": TEXTS[4], "state": "active", "until": "2026-11-26T07:00:00Z"}),
        ),
        (
            "refusedOverride",
            json!({"value": TEXTS[4], "why": TEXTS[6]}),
        ),
        (
            "attempts",
            json!({"generation": 1, "corrections": [time, time, time]}),
        ),
        (
            "usage",
            json!({"began": time, "activeSeconds": 412_345, "unseenSeconds": 60, "cost": "1.5",
                   "deployingSeconds": 60, "unpricedSeconds": 3,
                   "open": {"is": "active", "since": time, "costPerSecond": "0.001"}}),
        ),
        (
            "conditions",
            json!([
                condition("Ready", TEXTS[4]),
                condition("Stalled", "True"),
                condition("Synced", "True")
            ]),
        ),
    ]
}

/// The fields of a spec, each with a value that is right.
fn spec() -> [(&'static str, Value); 8] {
    let schedule = json!({"timeZone": "Europe/Berlin", "active": ["Mon-Fri 08:00-18:00"],
                          "except": ["2026-12-24/2026-12-31"], "warmUp": "auto"});
    [
        ("model", json!("support-bot-v2")),
        ("state", json!("scheduled")),
        ("schedule", schedule),
        ("suspend", json!(true)),
        ("syncInterval", json!("10m")),
        ("progressDeadline", json!("30m")),
        ("deletionPolicy", json!("Retain")),
        ("apiKeySecretRef", json!({"name": TEXTS[4]})),
    ]
}

/// Any value, of the right type or not.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{"type": "Ready"}])),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(TEXTS.to_vec()).prop_map(Value::from),
        select(vec!["9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z"]).prop_map(Value::from),
    ]
}

/// Some of the fields: as they are, changed, or changed within.
fn some<const N: usize>(fields: [(&'static str, Value); N]) -> impl Strategy<Value = Value> {
    let one = (0..9_usize, odd(), 0..20_usize);
    vec(one, N).prop_map(move |changes| {
        let mut object = Map::new();
        for ((name, value), (kind, odd, inner)) in fields.iter().zip(changes) {
            let value = match (kind, value.clone()) {
                (0, _) => continue,
                (1, _) => odd,
                (2, Value::Object(mut fields)) => {
                    let at = inner % fields.len();
                    if let Some(field) = fields.values_mut().nth(at) {
                        *field = odd;
                    }
                    Value::Object(fields)
                }
                (_, value) => value,
            };
            object.insert((*name).to_owned(), value);
        }
        Value::Object(object)
    })
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let annotation = option::of(select(TEXTS.to_vec()));
    let name = select(vec!["support-bot", TEXTS[3], TEXTS[4]]);
    let one = (
        some(spec()),
        some(status()),
        any::<bool>(),
        annotation,
        name,
    );
    let item = one.prop_map(|(spec, status, deleting, annotation, name)| {
        let mut object = json!({
            "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
            "metadata": {"name": name, "namespace": name, "generation": 1,
                         "creationTimestamp": "2026-11-01T08:00:00Z"},
            "spec": spec,
            "status": status,
        });
        if deleting {
            object["metadata"]["deletionTimestamp"] = json!("2026-11-25T09:00:00Z");
        }
        if let Some(text) = annotation {
            object["metadata"]["annotations"] = json!({"oxen.ai/override": text});
        }
        Item::new(serde_json::from_value(object).unwrap())
    });
    vec(item, 0..4)
}

fn nows() -> impl Strategy<Value = Now> {
    let times = select(vec![
        "2026-11-25T09:12:00Z",
        "2026-03-29T01:00:00Z",
        "1999-12-31T23:59:59Z",
    ]);
    (times, select(ZONES.to_vec())).prop_map(|(time, zone)| Now {
        time: time.parse().unwrap(),
        zone: TimeZone::get(zone).unwrap(),
    })
}

/// Checks that no line is wider than the terminal, or changes it.
fn fits(text: &str, width: usize) -> Result<(), TestCaseError> {
    let colors = [RED, YELLOW, DIM, RESET];
    let plain = (colors.iter()).fold(text.to_owned(), |text, color| text.replace(color, ""));
    for line in plain.lines() {
        let safe = line.chars().all(|c| !c.is_control() && c != '\u{202e}');
        prop_assert!(safe, "{:?}", line);
        // A character of two cells does not fit into one.
        prop_assert!(clean::cells(line) <= width.max(2), "{}: {:?}", width, line);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_object_has_a_screen_and_a_row_that_fit(
        items in items(), now in nows(), width in 0..130_usize, wide: bool, all_namespaces: bool
    ) {
        let seen = Seen { reason: TEXTS[4].into(), message: TEXTS[3..5].concat(), at: None };
        for item in &items {
            let around = Around { events: Ok(vec![seen.clone()]), key: None };
            fits(&screen::screen(item, &around, &now, Some(width)), width)?;
            let piped = screen::screen(item, &around, &now, None);
            fits(&piped, usize::MAX)?;
        }
        let view = overview::View { wide, all_namespaces, width: Some(width) };
        fits(&overview::table(&items, &now, view), width)?;
        let words = clean::lines(&overview::summary(&items, &now, Some(width)));
        fits(&clean::wrap(&words, width).join("\n"), width)?;
    }

    #[test]
    fn any_object_has_a_cost_and_a_schedule_that_fit(
        items in items(), now in nows(), width in 0..130_usize, wide: bool, all_namespaces: bool
    ) {
        let report = Report::new(&items, now.time);
        let view = overview::View { wide, all_namespaces, width: Some(width) };
        fits(&cost::tables(&report, &now, view), width)?;
        cost::notes(&report, &Missing::default(), None, &now);
        let days = Days::new(&now.zone, None, 7, now.time);
        let plan = |item: &Item| Some(Plan::new(item, item.object.as_ref().ok()?, now.time, &days));
        let all: Vec<_> = items.iter().map(|item| (item, plan(item))).collect();
        fits(&schedule::overview(&all, &days, all_namespaces, Some(width)), width)?;
        schedule::overview_summary(&all, &days);
        for item in &items {
            let (Some(plan), Ok(object)) = (plan(item), &item.object) else { continue };
            let shown = schedule::Shown { item, object, plan: &plan, days: &days, now: &now };
            let view = schedule::View { all: wide, past: wide, width: Some(width) };
            fits(&shown.screen(view), width)?;
            shown.summary(view);
        }
    }

    #[test]
    fn a_time_that_is_read_and_printed_is_the_same_instant(
        zone in select(ZONES.to_vec()),
        from in 1_300_000_000_i64..2_200_000_000,
        // Minutes before and after a change of the clock.
        before in 1..4000_i64,
        after in -300..300_i64,
    ) {
        let zone = TimeZone::get(zone).unwrap();
        let start = Timestamp::from_second(from).unwrap();
        let change = zone.following(start).next().map_or(start, |change| change.timestamp());
        let change = Timestamp::from_second(change.as_second()).unwrap();
        let now = Now { time: change - before.minutes(), zone: zone.clone() };
        let time = change + after.minutes();
        prop_assume!(time > now.time);
        prop_assert_eq!(now.until(&now.annotated(time)), Ok(time));
        // The clock may show a local time never or twice, so that it names another instant. That
        // instant is printed and read again.
        let shown = zone.to_datetime(time);
        let skipped = shown + after.minutes();
        for local in [shown, skipped] {
            let Ok(until) = now.until(&local.to_string()) else { continue };
            prop_assert_eq!(now.until(&now.annotated(until)), Ok(until));
            let again = zone.to_datetime(until);
            let exists = !zone.to_ambiguous_timestamp(local).is_ambiguous();
            prop_assert!(!exists || again == local, "{} is {}", local, again);
        }
        let unambiguous = !zone.to_ambiguous_timestamp(shown).is_ambiguous();
        prop_assert!(!unambiguous || now.until(&shown.to_string()) == Ok(time));
    }
}
