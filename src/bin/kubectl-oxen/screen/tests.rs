//! No text of the hub or the cluster upsets a screen.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::*;
use crate::overview::{self, View};

/// An object with everything that a hub or a cluster could say to upset a terminal.
fn item(spec: Value) -> Item {
    let nasty = "日本語 e\u{301} \u{1f402} \x1b[2J\r\u{202e}and-a-very-long-word-that-does-not-fit";
    let one = |type_: &str| {
        json!({"type": type_, "status": "True", "reason": "ModelNotFound", "message": nasty,
               "observedGeneration": 1, "lastTransitionTime": "2026-11-25T07:04:00Z"})
    };
    let object = json!({
        "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
        "metadata": {"name": "support-bot", "namespace": "team-a", "generation": 1},
        "spec": spec,
        "status": {
            "observedGeneration": 1, "desired": "active", "live": "active",
            "since": "2026-11-25T07:04:00Z",
            "model": {"id": nasty, "owner": nasty, "type": "custom", "url": nasty},
            "pricing": {"method": "time", "costPerSecond": "0.000694444"},
            "refusedOverride": {"value": nasty, "why": nasty},
            "conditions": [one("Ready"), one("Stalled"), one("Synced")],
        },
    });
    Item::new(serde_json::from_value(object).unwrap())
}

fn items() -> [Item; 2] {
    let schedule = json!({"timeZone": "Europe/Berlin", "active": ["Mon-Fri 08:00-18:00"]});
    [
        item(json!({"model": "m", "state": "scheduled", "schedule": schedule})),
        item(json!({"model": "m", "state": "\x1b[31mpaused"})),
    ]
}

fn now() -> Now {
    Now {
        time: "2026-11-25T09:12:00Z".parse().unwrap(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
    }
}

fn around() -> Around {
    Around {
        events: Ok(vec![Seen {
            reason: "Active".into(),
            message: "\x1b[2J日本語".repeat(20),
            at: None,
        }]),
        key: Some(Err(NoKey::Invalid("日本語 ".repeat(20)))),
    }
}

#[test]
fn no_screen_is_wider_than_the_terminal_or_changes_it() {
    for item in items() {
        for width in [Some(1), Some(20), Some(60), Some(80), Some(200), None] {
            let text = screen(&item, &around(), &now(), width);
            for line in text.lines() {
                let safe = line.chars().all(|c| !c.is_control() && c != '\u{202e}');
                assert!(safe, "{line:?}");
                let cells = clean::cells(line);
                // A character of two cells does not fit into one.
                let limit = width.map(|width| width.max(2));
                assert!(limit.is_none_or(|limit| cells <= limit), "{line:?}");
            }
        }
    }
}

#[test]
fn no_table_is_wider_than_the_terminal_or_changes_it() {
    for width in [Some(0), Some(20), Some(60), Some(80), None] {
        for wide in [false, true] {
            let view = View {
                wide,
                all_namespaces: true,
                width,
            };
            let text = overview::table(&items(), &now(), view);
            let text = text.replace("\x1b[31m", "").replace("\x1b[0m", "");
            for line in text.lines() {
                let safe = line.chars().all(|c| !c.is_control() && c != '\u{202e}');
                assert!(safe, "{line:?}");
                assert!(
                    width.is_none_or(|width| clean::cells(line) <= width),
                    "{line:?}"
                );
            }
        }
    }
}

#[test]
fn a_scheduled_model_has_the_screen_of_the_documentation() {
    let mut item = items().into_iter().next().unwrap();
    let status = &mut item.object.as_mut().unwrap().status.as_mut().unwrap();
    status.refused_override = None;
    let object = item.object.as_ref().unwrap();
    assert_eq!(
        desired(object, &item.status(), &now()),
        "active until 18:00 +01:00 today (in 7h48m), then inactive: schedule"
    );
    assert_eq!(
        live(&item.status(), &now()).unwrap(),
        "active since 08:04 today (128m)"
    );
    assert_eq!(
        price(&item.status()).unwrap(),
        "2.50 an hour (0.000694444 a second)"
    );
    assert_eq!(
        schedule(object).unwrap(),
        "Mon-Fri 08:00-18:00 Europe/Berlin"
    );
}

#[test]
fn the_key_row_says_what_the_secret_says() {
    let [scheduled, _] = items();
    let object = scheduled.object.unwrap();
    let row = |found: Result<(), NoKey>| key(&object, Some(&found));
    let own = ", or the operator's own key if allowed";
    for (found, expected) in [
        (Ok(()), "Secret oxen-api-key"),
        (
            Err(NoKey::Forbidden("x".into())),
            "Secret oxen-api-key (not readable by you)",
        ),
        (
            Err(NoKey::Missing("x".into())),
            "Secret oxen-api-key (there is none)",
        ),
        (
            Err(NoKey::Invalid("it is empty".into())),
            "Secret oxen-api-key (not usable: it is empty)",
        ),
    ] {
        assert_eq!(row(found), format!("{expected}{own}"));
    }
}
