//! Suspended objects: the operator looks, says truthfully what is the case, and never calls.

use hub::{Hub, Model};
use serde_json::{Value, json};

use crate::world::{World, condition, has_finalizer, marker, message, ready, status};

/// The model's status, the declared state, and what is shown of both.
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

async fn every_row_is_looked_at_and_never_called(world: &World, suspend: Value, because: &str) {
    for row @ (deployment, state, ..) in &ROWS {
        world
            .hub
            .add_model(Model::custom(name(row)).status(*deployment));
        let spec = json!({"model": name(row), "state": state, "suspend": suspend});
        world.create(&name(row), spec).await;
    }
    for row @ (deployment, _, ready_, reason) in &ROWS {
        let object = world.until_reason(&name(row), reason).await;
        let name = name(row);
        assert_eq!(ready(&object).unwrap().status, *ready_, "{name}");
        assert_eq!(
            condition(&object, "Synced").unwrap().status,
            "True",
            "{name}"
        );
        assert!(!has_finalizer(&object), "{name}");
        if reason.starts_with("Would") {
            assert_eq!(marker(&object), None, "{name}");
            let said = message(&object);
            assert!(
                said.contains(because) && said.contains(deployment),
                "{said}"
            );
        }
    }
    for row in &ROWS {
        world.until_looked(&name(row), 2).await;
    }
    assert_eq!(world.hub.journal().posts().len(), 0);
}

#[tokio::test]
async fn a_suspended_object_says_what_it_would_do_and_acts_once_it_is_let_go() {
    let world = World::new(Hub::builder()).await;
    let _operator = world.operator();
    every_row_is_looked_at_and_never_called(&world, json!(true), "spec.suspend is true").await;

    let (on, off) = ("inactive-as-active", "active-as-inactive");
    world.edit(on, json!({"suspend": false})).await;
    world.edit(off, json!({"suspend": null})).await;
    assert!(has_finalizer(&world.until_reason(on, "Active").await));
    world.until_reason(off, "Inactive").await;
    assert_eq!(world.calls(on), ["activate"]);
    assert_eq!(world.calls(off), ["deactivate"]);
    assert_eq!(world.hub.journal().posts().len(), 2);
}

#[tokio::test]
async fn with_observe_only_every_object_is_suspended() {
    let world = World::new(Hub::builder()).await;
    let operator = world.operator_with(&[("OXEN_OBSERVE_ONLY", "true")]);
    every_row_is_looked_at_and_never_called(&world, Value::Null, "--observe-only").await;
    world.delete("error-as-active").await;
    world.until_gone("error-as-active").await;
    operator.kill();

    let _operator = world.operator();
    world.until_reason("inactive-as-active", "Active").await;
    world.until_reason("active-as-inactive", "Inactive").await;
    assert_eq!(world.calls("error-as-active"), [""; 0]);
}

#[tokio::test]
async fn suspending_in_mid_transition_freezes_what_comes_after_it() {
    let slow = Model::custom("bot").activate_delay(std::time::Duration::from_secs(3));
    let world = World::new(Hub::builder().model(slow)).await;
    let _operator = world.operator();
    let active = json!({"model": "bot", "state": "active"});
    world.create("bot", active).await;
    world.until_deployment("bot", "deploying").await;
    let frozen = json!({"suspend": true, "state": "inactive"});
    world.edit("bot", frozen).await;
    let object = world
        .until("bot", "let go of", |object| !has_finalizer(object))
        .await;
    assert_eq!(marker(&object).filter(|marker| marker.0 == "Stalled"), None);

    let object = world.until_deployment("bot", "active").await;
    assert_eq!(ready(&object).unwrap().reason, "WouldDeactivate");
    assert_eq!(status(&object).operation, None);
    world.until_looked("bot", 2).await;
    assert_eq!(world.calls("bot"), ["activate"]);

    world.edit("bot", json!({"suspend": false})).await;
    world.until_reason("bot", "Inactive").await;
    assert_eq!(world.calls("bot"), ["activate", "deactivate"]);
}

#[tokio::test]
async fn deleting_a_suspended_object_leaves_its_model_alone() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    let _operator = world.operator();
    let spec = json!({"model": "bot", "state": "active", "deletionPolicy": "Deactivate"});
    world.create("bot", spec).await;
    world.until("bot", "held", has_finalizer).await;
    world.edit("bot", json!({"suspend": true})).await;
    world.delete("bot").await;
    world.until_gone("bot").await;
    assert_eq!(world.hub.live("bot").unwrap(), ["active"]);
    assert_eq!(world.hub.journal().posts().len(), 0);
}
