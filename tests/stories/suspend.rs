//! Suspended objects: the operator observes and reports their models, and makes no calls.

use std::time::Duration;

use hub::{Hub, Model};
use serde_json::{Value, json};
use testkit::world::{World, condition, message, progress, ready, status};

/// The model's status, the declared state, and the status and reason of Ready.
const ROWS: [(&str, &str, &str, &str); 11] = [
    ("active", "active", "True", "Active"),
    ("inactive", "inactive", "True", "Inactive"),
    ("inactive", "active", "False", "WouldActivate"),
    ("deploying", "active", "False", "WouldActivate"),
    ("deactivating", "active", "False", "WouldActivate"),
    ("error", "active", "False", "WouldActivate"),
    ("active", "inactive", "False", "WouldDeactivate"),
    ("deploying", "inactive", "False", "WouldDeactivate"),
    ("deactivating", "inactive", "False", "WouldDeactivate"),
    ("error", "inactive", "False", "WouldDeactivate"),
    ("paused", "active", "Unknown", "StatusUnknown"),
];

fn name(row: &(&str, &str, &str, &str)) -> String {
    format!("{}-as-{}", row.0, row.1)
}

async fn every_row_is_observed_and_never_called(world: &World, suspend: Value, because: &str) {
    for row @ (live, state, ..) in &ROWS {
        world.hub.add_model(Model::custom(name(row)).status(*live));
        let spec = json!({"model": name(row), "state": state, "suspend": suspend});
        world.create(&name(row), spec).await;
    }
    for row @ (live, _, ready_, reason) in &ROWS {
        let object = world.until_reason(&name(row), reason).await;
        let name = name(row);
        assert_eq!(ready(&object).unwrap().status, *ready_, "{name}");
        assert_eq!(
            condition(&object, "Synced").unwrap().status,
            "True",
            "{name}"
        );
        assert!(!object.has_finalizer(), "{name}");
        if reason.starts_with("Would") {
            assert_eq!(progress(&object), None, "{name}");
            let text = message(&object);
            assert!(text.contains(because) && text.contains(live), "{text}");
        }
    }
    for row in &ROWS {
        world.until_observed(&name(row), 2).await;
    }
    assert_eq!(world.hub.journal().posts().len(), 0);
}

#[tokio::test]
async fn a_suspended_object_reports_what_it_would_do_until_it_is_resumed() {
    let world = World::new(Hub::builder()).await;
    let _operator = world.operator();
    every_row_is_observed_and_never_called(&world, json!(true), "spec.suspend is true").await;

    let (on, off) = ("inactive-as-active", "active-as-inactive");
    world.edit(on, json!({"suspend": false})).await;
    world.edit(off, json!({"suspend": null})).await;
    assert!(world.until_reason(on, "Active").await.has_finalizer());
    world.until_reason(off, "Inactive").await;
    assert_eq!(world.calls(on), ["activate"]);
    assert_eq!(world.calls(off), ["deactivate"]);
    assert_eq!(world.hub.journal().posts().len(), 2);
}

#[tokio::test]
async fn with_observe_only_every_object_is_suspended() {
    let world = World::new(Hub::builder()).await;
    let operator = world.operator_with(&[("OXEN_OBSERVE_ONLY", "true")]);
    every_row_is_observed_and_never_called(&world, Value::Null, "--observe-only").await;
    world.delete("error-as-active").await;
    world.until_gone("error-as-active").await;
    operator.kill();

    let _operator = world.operator();
    world.until_reason("inactive-as-active", "Active").await;
    world.until_reason("active-as-inactive", "Inactive").await;
    assert_eq!(world.calls("error-as-active"), [""; 0]);
}

#[tokio::test]
async fn suspending_during_a_transition_prevents_the_next_call() {
    let slow = Model::custom("bot").activate_delay(Duration::from_secs(3600));
    let world = World::new(Hub::builder().model(slow)).await;
    let _operator = world.operator();
    let active = json!({"model": "bot", "state": "active"});
    world.create("bot", active).await;
    world.until_live("bot", "deploying").await;
    let suspended = json!({"suspend": true, "state": "inactive"});
    world.edit("bot", suspended).await;
    let object = world
        .until("bot", "free", |object| !object.has_finalizer())
        .await;
    assert_eq!(condition(&object, "Stalled"), None);

    world.hub.set_status("bot", "active").unwrap();
    let object = world.until_live("bot", "active").await;
    assert_eq!(ready(&object).unwrap().reason, "WouldDeactivate");
    assert_eq!(status(&object).operation, None);
    world.until_observed("bot", 2).await;
    assert_eq!(world.calls("bot"), ["activate"]);

    world.edit("bot", json!({"suspend": false})).await;
    world.until_reason("bot", "Inactive").await;
    assert_eq!(world.calls("bot"), ["activate", "deactivate"]);
}

#[tokio::test]
async fn deleting_a_suspended_object_leaves_its_model_as_it_is() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    let _operator = world.operator();
    let spec = json!({"model": "bot", "state": "active", "deletionPolicy": "Deactivate"});
    world.create("bot", spec).await;
    world.until_finalizer("bot").await;
    world.edit("bot", json!({"suspend": true})).await;
    world.delete("bot").await;
    world.until_gone("bot").await;
    assert_eq!(world.hub.live("bot").unwrap(), ["active"]);
    assert_eq!(world.hub.journal().posts().len(), 0);
}
