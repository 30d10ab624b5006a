//! Scheduled models.

use std::time::Duration;

use cluster::Cluster;
use hub::{Hub, Model};
use jiff::{SignedDuration, Timestamp};
use oxen_operator::api::{OxenModel, Span};
use serde_json::{Value, json};
use testkit::world::{World, eventually, message, ready, status, with_crd};

use crate::gated::{Gated, STATUS};

/// A spec whose model is wanted active from this time on, for half an hour at least. Windows begin
/// at full minutes, and a warm-up begins at any second.
fn from(begin: Timestamp) -> Value {
    let second = begin.as_second();
    let window = Timestamp::from_second(second + (60 - second.rem_euclid(60))).unwrap();
    let clock = |at: Timestamp| at.strftime("%H:%M").to_string();
    let end = window + SignedDuration::from_mins(30);
    json!({"model": "bot", "state": "scheduled", "schedule": {
        "timeZone": "UTC",
        "active": [format!("{}-{}", clock(window), clock(end))],
        "warmUp": format!("{}s", window.as_second() - second),
    }})
}

/// A whole second that comes this many seconds from now.
fn soon(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap()
}

#[tokio::test]
async fn a_model_is_turned_on_at_its_boundary_whatever_the_sync_interval() {
    let bot = Model::custom("bot").status("inactive");
    let world = World::new(Hub::builder().model(bot)).await;
    let _operator = world.operator_with(&[("OXEN_SYNC_INTERVAL", "1h")]);
    let inactive = json!({"model": "bot", "state": "inactive"});
    world.create("bot", inactive).await;
    world.until_reason("bot", "Inactive").await;
    let begin = soon(15);
    world.edit("bot", from(begin)).await;
    let scheduled = |object: &OxenModel| message(object).contains("as the schedule says");
    let object = world.until("bot", "scheduled", scheduled).await;
    assert_eq!(ready(&object).unwrap().reason, "Inactive");
    assert_eq!(status(&object).until.map(|until| until.0), Some(begin));
    assert_eq!(world.calls("bot"), [""; 0]);

    let object = world.until_reason("bot", "Active").await;
    assert!(Timestamp::now() >= begin);
    assert_eq!(world.calls("bot"), ["activate"]);
    let end = status(&object).until.unwrap().0;
    let length = end.duration_since(begin);
    assert!(length >= SignedDuration::from_mins(30), "{length}");
}

#[tokio::test]
async fn a_boundary_between_the_record_and_the_call_means_no_call() {
    let bot = Model::custom("bot").status("active");
    let world = World::new(Hub::builder().model(bot)).await;
    let gate = world.cluster.gate().await.unwrap();
    let gated = Gated { world, gate };
    // The time limits of the real operator, so that the record may take some seconds.
    let _operator = gated.operator_with(&[("OXEN_TIME_SCALE", "1")]);
    let world = &gated.world;
    let declared = json!({"model": "bot", "state": "active"});
    world.create("bot", declared).await;
    world.until_finalizer("bot").await;
    world.until_reason("bot", "Active").await;

    // The model is wanted inactive until the boundary, so a deactivate call is due now. Where the
    // boundary passes before the record, there is none, and a later boundary is tried.
    let (begin, held) = loop {
        let mut held = gated.gate.hold_answer(STATUS.0, STATUS.1);
        let begin = soon(8);
        world.edit("bot", from(begin)).await;
        held.arrived().await;
        let recorded = status(&world.get("bot").await).operation;
        if let Some(open) = recorded {
            assert_eq!(open.kind.as_str(), "deactivate");
            break (begin, held);
        }
        assert!(Timestamp::now() >= begin, "a deactivate call was due");
    };
    eventually("the boundary has passed", || async {
        (Timestamp::now() >= begin).then_some(())
    })
    .await;
    drop(held);

    let object = world.until_reason("bot", "Active").await;
    assert_eq!(status(&object).operation, None);
    assert_eq!(world.calls("bot"), [""; 0]);
}

#[tokio::test]
async fn the_warm_up_of_a_schedule_follows_from_activations() {
    let bot = Model::custom("bot").status("inactive");
    let world = World::new(Hub::builder().model(bot)).await;
    // A warm-up is no longer than the progress deadline.
    let operator = world.operator_with(&[("OXEN_PROGRESS_DEADLINE", "10m")]);
    let declared = json!({"model": "bot", "state": "active"});
    world.create("bot", declared).await;
    let object = world.until_reason("bot", "Active").await;
    let seconds = status(&object).activations.unwrap();
    let [seconds] = seconds[..] else {
        panic!("{seconds:?}")
    };
    let labels = format!("{{namespace={:?},name=\"bot\"}}", world.namespace);
    let line = format!("oxen_model_activation_seconds{labels} {seconds}");
    eventually(&line, || async {
        operator.metrics().await.contains(&line).then_some(())
    })
    .await;

    let begin = Timestamp::now() + SignedDuration::from_hours(6);
    let begin = Timestamp::from_second(begin.as_second() / 60 * 60).unwrap();
    let end = begin + SignedDuration::from_hours(1);
    let clock = |at: Timestamp| at.strftime("%H:%M").to_string();
    let scheduled = json!({"model": "bot", "state": "scheduled", "schedule": {
        "timeZone": "UTC",
        "active": [format!("{}-{}", clock(begin), clock(end))],
        "warmUp": "auto",
    }});
    world.edit("bot", scheduled).await;
    let status = status(&world.until_reason("bot", "Inactive").await);
    let lead = Duration::from_secs((seconds + 30).into());
    assert_eq!(status.warm_up, Some(Span(lead)));
    assert_eq!(status.until.map(|until| until.0), Some(begin - lead));
    assert_eq!(status.activations, Some(vec![seconds]));
}

/// A scheduled spec with this field of its schedule.
fn with(field: &str, value: Value) -> Value {
    let mut schedule = json!({"timeZone": "Europe/Berlin", "active": ["Mon-Fri 08:00-18:00"]});
    schedule[field] = value;
    json!({"model": "bot", "state": "scheduled", "schedule": schedule})
}

fn windows(all: &[&str]) -> Value {
    with("active", json!(all))
}

/// Asserts that `kubectl apply` names the field and the fix.
async fn assert_refused(world: &World<&Cluster>, spec: Value, words: &[&str]) {
    let output = world.apply("refused", spec.clone()).await;
    assert!(!output.status.success(), "{spec} was accepted");
    for word in words {
        assert!(output.stderr.contains(word), "{spec}: {}", output.stderr);
    }
}

#[tokio::test]
async fn kubectl_apply_names_the_field_and_the_fix_of_a_schedule() {
    let cluster = with_crd().await;
    let world = World::on(&cluster, Hub::builder()).await;
    let form = [
        "spec.schedule.active[0]",
        "a window is written Mon-Fri 08:00-18:00",
    ];
    for window in [
        "Mo-Fr 08:00-18:00",
        "mon-fri 08:00-18:00",
        "Mon-Fri 8:00-18:00",
        "Mon-Fri  08:00-18:00",
        "Mon,,Tue 08:00-09:00",
        "08:00",
        "24:00-08:00",
        "08:00-24:30",
        "Mon-Fri 08:00-18:00 Europe/Berlin",
        "",
    ] {
        assert_refused(&world, windows(&[window]), &form).await;
    }
    let second = ["spec.schedule.active[1]", "must not start when it ends"];
    let empty = windows(&["08:00-18:00", "Mon-Fri 23:00-23:00"]);
    assert_refused(&world, empty, &second).await;
    for day in [
        "2027-02-29",
        "2100-02-29",
        "2026-04-31",
        "2026-01-32",
        "2026-13-01",
        "2026-05-00",
    ] {
        let missing = windows(&[&format!("{day} 08:00-18:00")]);
        let words = ["spec.schedule.active[0]", "a window's date must exist"];
        assert_refused(&world, missing, &words).await;
    }
    assert_refused(
        &world,
        windows(&[]),
        &["spec.schedule.active", "at least 1"],
    )
    .await;
    assert_refused(
        &world,
        windows(&["08:00-09:00"; 17]),
        &["spec.schedule.active", "16"],
    )
    .await;
    let long = format!("{}Mon 08:00-09:00", "Mon,".repeat(16));
    assert_refused(
        &world,
        windows(&[&long]),
        &["spec.schedule.active[0]", "64"],
    )
    .await;

    for (except, words) in [
        ("2027-02-29", "days must exist"),
        ("2026-12-31/2026-12-24", "the earlier one first"),
        ("2026-12-24/2027-02-29", "days must exist"),
        ("25.12.2026", "2026-12-25, or 2026-12-24/2026-12-31"),
        (
            "2026-12-24-2026-12-31",
            "2026-12-25, or 2026-12-24/2026-12-31",
        ),
    ] {
        let spec = with("except", json!([except]));
        assert_refused(&world, spec, &["spec.schedule.except[0]", words]).await;
    }
    let many = with("except", json!(vec!["2026-12-25"; 65]));
    assert_refused(&world, many, &["spec.schedule.except", "64"]).await;

    for zone in [
        "Europe/Berln",
        "CEST",
        "Local",
        "+01:00",
        "europe/berlin",
        "",
    ] {
        let words = [
            "spec.schedule.timeZone",
            "such as Europe/Berlin, America/New_York or UTC",
        ];
        assert_refused(&world, with("timeZone", json!(zone)), &words).await;
    }
    for (warm_up, words) in [
        ("later", "must be auto, or a duration such as 10m"),
        ("2h1s", "must be at most 2h"),
        ("99999999999999999999h", "warmUp"),
    ] {
        let spec = with("warmUp", json!(warm_up));
        assert_refused(&world, spec, &["spec.schedule.warmUp", words]).await;
    }
    for (field, words) in [
        ("timeZone", "spec.schedule.timeZone"),
        ("active", "spec.schedule.active"),
    ] {
        assert_refused(&world, with(field, Value::Null), &[words, "Required"]).await;
    }
    let unscheduled = json!({"model": "bot", "state": "scheduled"});
    assert_refused(
        &world,
        unscheduled,
        &["spec.schedule", "needs a schedule: add"],
    )
    .await;
    let null = json!({"model": "bot", "state": "scheduled", "schedule": null});
    assert_refused(&world, null, &["spec.schedule", "needs a schedule: add"]).await;
    let mut active = windows(&["08:00-18:00"]);
    active["state"] = json!("active");
    assert_refused(
        &world,
        active,
        &["spec.schedule", "state: active is always on"],
    )
    .await;
}

#[tokio::test]
async fn a_schedule_of_the_right_form_is_taken() {
    let cluster = with_crd().await;
    let world = World::on(&cluster, Hub::builder()).await;
    let mut inactive = windows(&["08:00-18:00"]);
    inactive["state"] = json!("inactive");
    let null = json!({"model": "bot", "state": "active", "schedule": null});
    let mut specs = vec![
        inactive,
        null,
        windows(&[
            "Mon-Fri 08:00-18:00",
            "Mon,Wed,Fri 22:00-06:00",
            "00:00-24:00",
            "2028-02-29 09:00-17:00",
            "Fri-Mon 10:00-12:00",
        ]),
        windows(&["08:00-09:00"; 16]),
        windows(&[
            "2000-02-29 08:00-18:00",
            "2400-02-29 08:00-18:00",
            "2026-01-31 08:00-18:00",
            "2026-09-30 08:00-18:00",
            "2027-02-28 08:00-18:00",
            "0000-01-01 08:00-18:00",
        ]),
        with("except", json!(["2026-12-25", "2026-12-24/2026-12-31"])),
        with("except", json!(vec!["2026-12-24/2026-12-31"; 64])),
        with("except", Value::Null),
        with("warmUp", Value::Null),
        with("warmUp", json!("auto")),
        with("warmUp", json!("2h")),
    ];
    for zone in [
        "America/Port-au-Prince",
        "Etc/GMT+5",
        "UTC",
        "CET",
        "Pacific/Apia",
        "Australia/Lord_Howe",
    ] {
        specs.push(with("timeZone", json!(zone)));
    }
    for spec in specs {
        let output = world.apply("taken", spec.clone()).await;
        assert!(output.status.success(), "{spec}: {}", output.stderr);
        // What the API server takes, the operator can decode.
        let object = world.get("taken").await;
        assert_eq!(object.spec.check(), Ok(()), "{spec}");
    }
}
