//! Reports on objects at a fixed time.

use jiff::tz::TimeZone;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::*;
use crate::{overview::View, when::Now};

fn now() -> Now {
    Now {
        time: "2026-11-25T09:12:00Z".parse().unwrap(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
    }
}

fn item(name: &str, uid: &str, live: &str, price: Option<&str>, usage: Value) -> Item {
    let (namespace, name) = name.split_once('/').unwrap();
    let pricing = price.map(|price| json!({"method": "time", "costPerSecond": price}));
    let object = json!({
        "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
        "metadata": {"name": name, "namespace": namespace, "uid": uid},
        "spec": {"model": "m", "state": "active"},
        "status": {"observedGeneration": 1, "live": live, "pricing": pricing, "usage": usage},
    });
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    Item::new(object)
}

fn usage(began: &str, active: i64, cost: Option<&str>) -> Value {
    json!({"began": format!("{began}T08:00:00Z"), "activeSeconds": active, "cost": cost})
}

fn with(mut usage: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        usage[key] = value.clone();
    }
    usage
}

fn items() -> Vec<Item> {
    let open = |since: &str, price: &str| json!({"open": {"is": "active", "since": since, "costPerSecond": price}});
    let second = |hour: f64| format!("{:.9}", hour / 3600.0);
    let (bot, nightly) = (second(2.5), second(4.2));
    vec![
        item(
            "team-a/product-shots",
            "u1",
            "inactive",
            None,
            with(
                usage("2026-11-01", 11_400, None),
                json!({"unpricedSeconds": 11_400}),
            ),
        ),
        item(
            "team-a/summarizer",
            "u2",
            "inactive",
            Some("0.000333333"),
            usage("2026-11-01", 90_000, Some("30.000000000")),
        ),
        item(
            "team-a/support-bot",
            "u3",
            "active",
            Some(&bot),
            with(
                usage("2026-11-01", 412_345, Some("286.351250000")),
                open("2026-11-25T07:04:10Z", &bot),
            ),
        ),
        item(
            "team-b/invoice-reader",
            "u4",
            "deploying",
            Some("0.001"),
            with(
                usage("2026-11-20", 61_200, Some("61.200000000")),
                json!({"deployingSeconds": 960, "open":
                       {"is": "deploying", "since": "2026-11-25T09:11:00Z"}}),
            ),
        ),
        item("team-c/claude", "u5", "active", None, Value::Null),
        item(
            "team-c/nightly",
            "u6",
            "active",
            Some(&nightly),
            with(
                usage("2026-11-12", 196_861, Some("229.671166700")),
                with(
                    json!({"unseenSeconds": 2400}),
                    open("2026-11-25T09:11:22Z", &nightly),
                ),
            ),
        ),
        item(
            "team-c/translator",
            "u7",
            "inactive",
            Some("0.00025"),
            usage("2026-11-01", 205_200, Some("51.300000000")),
        ),
    ]
}

fn view(width: Option<usize>) -> View {
    View {
        wide: false,
        all_namespaces: true,
        width,
    }
}

#[test]
fn the_screen_is_the_golden_one() {
    let report = Report::new(&items(), now().time);
    let screen = tables(&report, &now(), view(Some(80)));
    let words = notes(&report, &Missing::default(), None, &now());
    crate::golden::check("cost", &format!("{screen}\n{words}\n"));
    for width in 0..100 {
        for line in tables(&report, &now(), view(Some(width))).lines() {
            assert!(crate::clean::cells(line) <= width, "{width}: {line}");
        }
    }
}

#[test]
fn sums_are_exact_and_a_difference_by_rounding_is_told() {
    let cost = |name: &str, uid: &str| {
        item(
            name,
            uid,
            "inactive",
            None,
            usage("2026-11-01", 1, Some("0.334000000")),
        )
    };
    let report = Report::new(
        &[cost("a/x", "1"), cost("a/y", "2"), cost("b/z", "3")],
        now().time,
    );
    assert_eq!(report.total.used.cost.unwrap().exact(), "1.002000000");
    let words = notes(&report, &Missing::default(), None, &now());
    assert!(words.contains("Sums are exact and rounded once"), "{words}");
    let report = Report::new(&[cost("a/x", "1"), cost("b/z", "3")], now().time);
    let words = notes(&report, &Missing::default(), None, &now());
    assert!(
        words.contains("Sums are exact"),
        "0.668 is 0.67, and 0.33 twice is 0.66: {words}"
    );
    let report = Report::new(&[cost("a/x", "1")], now().time);
    let words = notes(&report, &Missing::default(), None, &now());
    assert!(!words.contains("Sums are exact"), "{words}");
}

/// An earlier report of these objects, as it is read from a file.
fn earlier(items: &[Item], at: &str) -> earlier::Earlier {
    let report = Report::new(items, at.parse().unwrap());
    serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap()
}

#[test]
fn the_difference_to_an_earlier_report_is_exact_and_says_what_it_lacks() {
    let before = [
        item(
            "a/same",
            "1",
            "inactive",
            None,
            usage("2026-11-01", 10, Some("0.100000001")),
        ),
        item(
            "a/again",
            "2",
            "inactive",
            None,
            usage("2026-11-01", 10, Some("0.1")),
        ),
        item(
            "a/gone",
            "3",
            "inactive",
            None,
            usage("2026-11-01", 10, None),
        ),
        item(
            "a/cleared",
            "4",
            "inactive",
            None,
            usage("2026-11-01", 10, None),
        ),
        item(
            "b/other",
            "5",
            "inactive",
            None,
            usage("2026-11-01", 10, None),
        ),
    ];
    let after = [
        item(
            "a/same",
            "1",
            "inactive",
            None,
            usage("2026-11-01", 25, Some("0.300000002")),
        ),
        item(
            "a/again",
            "9",
            "inactive",
            None,
            usage("2026-11-24", 7, Some("0.7")),
        ),
        item(
            "a/cleared",
            "4",
            "inactive",
            None,
            usage("2026-11-24", 3, None),
        ),
        item("a/new", "6", "inactive", None, usage("2026-11-24", 5, None)),
        item("a/old", "7", "inactive", None, usage("2026-11-02", 5, None)),
    ];
    let earlier = earlier(&before, "2026-11-23T08:00:00Z");
    let (report, missing) = Report::new(&after, now().time).since(&earlier, Some("a"), true);
    let rows: Vec<(String, i64, Option<String>)> = (report.items.iter())
        .map(|row| {
            let cost = row.used.cost.map(Amount::exact);
            (row.full_name(), row.used.active_seconds, cost)
        })
        .collect();
    let row = |name: &str, seconds, cost: Option<&str>| {
        (name.to_owned(), seconds, cost.map(str::to_owned))
    };
    assert_eq!(
        rows,
        [
            row("a/again", 7, Some("0.700000000")),
            row("a/same", 15, Some("0.200000001")),
            row("a/new", 5, None),
            row("a/cleared", 3, None),
        ]
    );
    let began = "2026-11-24T08:00:00Z".parse().unwrap();
    assert_eq!(
        missing,
        Missing {
            gone: vec!["a/gone".into()],
            restarted: vec![("a/again".into(), began), ("a/cleared".into(), began)],
            shrunk: vec![],
            unknown: vec!["a/old".into()],
        }
    );
    let words = notes(&report, &missing, Some("monday.json"), &now());
    crate::golden::check(
        "cost-since",
        &(tables(&report, &now(), view(Some(80))) + "\n" + &words + "\n"),
    );

    // The objects that a selector left out are not gone, and neither are those of other namespaces.
    let (_, missing) = Report::new(&after, now().time).since(&earlier, Some("a"), false);
    assert_eq!(missing.gone, [""; 0]);
    let (_, missing) = Report::new(&after, now().time).since(&earlier, None, true);
    assert_eq!(missing.gone, ["a/gone", "b/other"]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["items"][1]["cost"], "0.200000001", "{json}");
    assert_eq!(json["since"], "2026-11-23T08:00:00Z");
}

#[test]
fn an_object_that_cannot_be_decoded_keeps_its_cost() {
    let mut raw = item(
        "a/x",
        "1",
        "inactive",
        None,
        usage("2026-11-01", 60, Some("1.5")),
    )
    .raw;
    raw.data["spec"] = json!({"model": "m", "state": "paused"});
    let item = Item::new(raw);
    assert!(item.object.is_err());
    let report = Report::new(&[item], now().time);
    assert_eq!(report.total.used.cost.unwrap().exact(), "1.500000000");
}

#[test]
fn a_count_that_became_smaller_adds_nothing_to_a_difference() {
    let of = |active, cost| {
        let usage = usage("2026-11-01", active, Some(cost));
        [item("a/x", "1", "inactive", None, usage)]
    };
    let earlier = earlier(&of(100, "5.0"), "2026-11-23T08:00:00Z");
    let (report, missing) =
        Report::new(&of(90, "6.5"), now().time).since(&earlier, Some("a"), true);
    let used = report.items[0].used;
    assert_eq!(used.active_seconds, 0);
    assert_eq!(used.cost.unwrap().exact(), "1.500000000");
    let shrunk = vec!["a/x".to_owned()];
    assert_eq!(
        missing,
        Missing {
            shrunk,
            ..Missing::default()
        }
    );
    let words = notes(&report, &missing, Some("monday.json"), &now());
    let told = "a/x has counted less than monday.json says: what became smaller counts as 0.";
    assert!(words.contains(told), "{words}");
}

#[test]
fn an_object_whose_status_cannot_be_read_is_named_and_not_gone() {
    let whole = item("a/x", "1", "inactive", None, usage("2026-11-01", 60, None));
    let mut raw = whole.raw.clone();
    raw.data["status"]["live"] = json!("of a later version");
    let earlier = earlier(&[whole], "2026-11-23T08:00:00Z");
    let report = Report::new(&[Item::new(raw)], now().time);
    let (report, missing) = report.since(&earlier, Some("a"), true);
    assert_eq!(missing, Missing::default());
    let words = notes(&report, &missing, Some("monday.json"), &now());
    let told = "a/x is left out: this version can't read its status.";
    assert!(words.contains(told), "{words}");
}

#[test]
fn a_model_that_two_objects_name_is_billed_once() {
    let of = |name: &str, uid: &str| {
        let usage = usage("2026-11-01", 60, None);
        let mut raw = item(name, uid, "active", Some("0.001"), usage).raw;
        raw.data["status"]["model"] = json!({"id": "bot", "owner": "acme"});
        Item::new(raw)
    };
    let report = Report::new(
        &[of("a/x", "1"), of("a/y", "2"), of("b/z", "3")],
        now().time,
    );
    for total in report.namespaces.iter().chain([&report.total]) {
        assert_eq!(total.bills.per_hour.unwrap().rounded(), "3.60", "{total:?}");
    }
}

#[test]
fn nothing_is_said_of_more_where_no_price_is_known() {
    let more = json!({"deployingSeconds": 60, "unseenSeconds": 60});
    let of = |name: &str| {
        let usage = with(usage("2026-11-01", 60, None), more.clone());
        item(name, name, "inactive", None, usage)
    };
    let report = Report::new(&[of("a/w"), of("a/x"), of("a/y"), of("a/z")], now().time);
    let words = notes(&report, &Missing::default(), None, &now());
    assert!(
        words.contains("4 models were not observed for 4m in all."),
        "{words}"
    );
    assert!(
        words.contains("4m of deploying are not in the cost."),
        "{words}"
    );
    assert!(!words.contains("0.00"), "{words}");
}
