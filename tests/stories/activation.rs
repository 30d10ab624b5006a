//! An OxenModel turns its model on and off.

use hub::{Hub, Model};
use serde_json::json;
use testkit::world::{World, message, ready, status};

#[tokio::test]
async fn an_inactive_model_is_activated_with_one_call() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let _operator = world.operator();
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;

    let object = world.until_reason("bot", "Active").await;

    assert_eq!(world.calls("bot"), ["activate"]);
    assert_eq!(ready(&object).unwrap().status, "True");
    assert!(object.has_finalizer());
    let status = status(&object);
    assert_eq!(status.operation, None);
    assert_eq!(status.observed_generation, 1);
    assert_eq!(status.model.unwrap().id, "bot");
    let events = world.until_last_event("bot", "Active").await;
    assert_eq!(events, ["Activating", "Active"], "{}", message(&object));
}

#[tokio::test]
async fn a_changed_state_turns_the_model_off_and_on_again() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    let _operator = world.operator();
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), [""; 0]);

    world.edit("bot", json!({"state": "inactive"})).await;
    world.until_reason("bot", "Inactive").await;
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);

    world.edit("bot", json!({"state": "active"})).await;
    world.until_reason("bot", "Active").await;
    assert_eq!(world.hub.live("bot").unwrap(), ["active"]);
    assert_eq!(world.calls("bot"), ["deactivate", "activate"]);
}
