//! A backup restores an object, and later its old status, which an object of another cluster had.

use std::time::Duration;

use hub::{Hub, Model};
use oxen_operator::api::OxenModel;
use serde_json::{Value, json};
use testkit::world::{World, status};

/// The status of an object that had used up its attempts, with an open operation.
fn old_status() -> Value {
    json!({
        "observedGeneration": 9,
        "desired": "active",
        "live": "inactive",
        "since": "2025-01-01T00:00:00Z",
        "progressingSince": "2025-01-01T00:00:00Z",
        "model": {"id": "bot", "owner": "acme", "type": "custom"},
        "operation": {
            "id": "of-another-cluster", "kind": "activate", "from": "inactive",
            "started": "2025-01-01T00:00:00Z", "accepted": true,
        },
        "attempts": {"generation": 9, "uid": "of-another-cluster", "calls": 3, "refusals": 7},
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "DeploymentFailed", "message": "Failed.",
            "lastTransitionTime": "2025-01-01T00:00:00Z", "observedGeneration": 9,
        }],
    })
}

async fn restore(world: &World) {
    let patch = json!({"status": old_status()}).to_string();
    world.patch_status("bot", &patch).await.ok().unwrap();
}

fn is_accepted(object: &OxenModel) -> bool {
    let open = status(object).operation;
    open.is_some_and(|open| open.accepted == Some(true))
}

#[tokio::test]
async fn a_status_that_is_restored_after_the_call_leads_to_no_second_call() {
    let late = Model::custom("bot").late_effect(Duration::from_secs(3));
    let world = World::new(Hub::builder().model(late)).await;
    // An operation without an effect stays open for six seconds.
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "20")]);
    let spec = json!({"model": "bot", "state": "active"});
    world.create("bot", spec).await;
    world.until("bot", "accepted", is_accepted).await;
    restore(&world).await;
    let object = world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
    assert_eq!(status(&object).operation, None);
}

#[tokio::test]
async fn the_attempts_and_the_operation_of_a_restored_status_hold_up_nothing() {
    let world = World::new(Hub::builder().model(Model::custom("bot"))).await;
    // An operation without an effect stays open for two minutes.
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "1")]);
    let spec = json!({"model": "bot", "state": "inactive"});
    world.create("bot", spec).await;
    world.until_reason("bot", "Inactive").await;
    restore(&world).await;
    world.edit("bot", json!({"state": "active"})).await;
    world.until_called("bot", 1).await;
    let entries = world.requests("bot");
    let call = entries.iter().find(|entry| entry.is_post()).unwrap();
    let waited = call.at - entries[0].at;
    assert!(waited < Duration::from_secs(60), "{waited:?}");
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
    let attempts = status(&world.get("bot").await).attempts.unwrap();
    assert_eq!((attempts.generation, attempts.refusals), (2, None));
}
