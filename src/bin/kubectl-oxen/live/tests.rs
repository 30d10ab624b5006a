//! Frames of a fixed size.

use jiff::tz::TimeZone;
use serde_json::json;

use super::{follow::Update, frame::Known, terminal::difference};
use crate::{clean, fetch::Scope, item::Item, when::Now};

fn item(name: &str, live: &str) -> Item {
    let object = json!({
        "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
        "metadata": {"name": name, "namespace": "team-a"},
        "spec": {"model": "m", "state": "active"},
        "status": {"observedGeneration": 1, "live": live},
    });
    Item::new(serde_json::from_value(object).unwrap())
}

fn now() -> Now {
    Now {
        time: "2026-11-25T09:12:00Z".parse().unwrap(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
    }
}

fn known(name: Option<&str>, objects: usize) -> Known<'_> {
    let scope = Scope {
        namespace: Some("team-a"),
        selector: None,
        name,
    };
    let mut known = Known::new(scope, false);
    let items = (0..objects).map(|at| item(&format!("model-{at:02}"), "active"));
    known.apply(Update::All(items.collect()));
    known
}

#[test]
fn a_frame_fits_the_window_and_says_what_it_leaves_out() {
    let mut known = known(None, 30);
    let frame = known.frame(&now(), (80, 10));
    assert_eq!(frame.len(), 10);
    assert_eq!(frame[8].split(' ').next(), Some("model-07"));
    assert_eq!(frame[9], "22 more");
    known.apply(Update::Lost("the API server\x1b[2J went away".into()));
    let frame = known.frame(&now(), (80, 10));
    assert_eq!(frame[8], "23 more");
    assert_eq!(
        frame[9],
        "connection lost, retrying (the API server [2J went away)"
    );
    known.apply(Update::Changed(Box::new(item("a", "error"))));
    known.apply(Update::Gone(Box::new(item("model-00", "error"))));
    let frame = known.frame(&now(), (80, 10));
    assert!(
        frame[1].starts_with("a ") && frame[2].starts_with("model-01"),
        "{frame:?}"
    );
    known.apply(Update::All(vec![item("b", "active")]));
    let frame = known.frame(&now(), (80, 10));
    assert_eq!(frame.len(), 4);
    assert_eq!(frame[3], "1 model; none bills by time now.");
}

#[test]
fn a_model_that_two_objects_name_is_billed_once() {
    let of = |name: &str, id: &str| {
        let mut raw = item(name, "active").raw;
        raw.data["status"]["model"] = json!({"id": id, "owner": "acme"});
        raw.data["status"]["pricing"] = json!({"method": "time", "costPerSecond": "0.001"});
        Item::new(raw)
    };
    let mut known = known(None, 0);
    known.apply(Update::All(vec![of("a", "x"), of("b", "x"), of("c", "y")]));
    let frame = known.frame(&now(), (80, 10));
    assert_eq!(frame[5], "3 models; 2 bill by time now: 7.20 an hour.");
}

#[test]
fn no_frame_is_larger_than_its_window() {
    let mut few = known(None, 2);
    few.apply(Update::Lost(
        "a reason that is far too long for one line of a window".into(),
    ));
    let gone = known(Some("model-07"), 0);
    assert_eq!(gone.frame(&now(), (80, 10)), ["model-07 is gone."]);
    for known in [
        known(None, 0),
        few,
        known(None, 30),
        known(Some("model-00"), 1),
        gone,
    ] {
        for (columns, rows) in [(80, 24), (80, 3), (20, 5), (7, 2), (3, 1), (1, 1), (0, 0)] {
            let frame = known.frame(&now(), (columns, rows));
            assert!(frame.len() <= rows, "{rows}: {frame:?}");
            for line in frame {
                let plain = anstream::adapter::strip_str(&line).to_string();
                let fits = clean::cells(&plain) <= columns.max(1);
                assert!(fits, "{columns}: {line}");
            }
        }
    }
}

#[test]
fn only_lines_that_differ_are_written() {
    let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (lines("a b c d"), lines("a x c"));
    let same = difference(&before, &before, false);
    assert_eq!(same, "");
    let changed = difference(&before, &after, false);
    assert_eq!(changed, "\x1b[2;1H\x1b[Kx\x1b[4;1H\x1b[K");
    let cleared = difference(&[], &lines("a b"), true);
    assert_eq!(cleared, "\x1b[2J\x1b[1;1H\x1b[Ka\x1b[2;1H\x1b[Kb");
}
