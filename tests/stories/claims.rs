//! Two objects on one remote model: one of them decides, and the hub never hears two voices.

use hub::{Fault, Hub, Model};
use serde_json::json;

use crate::world::{World, eventually, has_finalizer, message, status};

/// Creates an object that is younger than all before it: ages are whole seconds.
async fn create_younger(world: &World, name: &str, spec: serde_json::Value) {
    let ages = world.api().list(&Default::default()).await.unwrap().items;
    let youngest = ages
        .iter()
        .filter_map(kube::ResourceExt::creation_timestamp)
        .max();
    eventually("the next second", || async {
        let now = jiff::Timestamp::now().as_second();
        youngest
            .as_ref()
            .is_none_or(|time| time.0.as_second() < now)
            .then_some(())
    })
    .await;
    world.create(name, spec).await;
}

async fn world() -> World {
    World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await
}

/// The one that owns the model, settled.
async fn first_is_active(world: &World) {
    world
        .create("first", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_reason("first", "Active").await;
}

#[tokio::test]
async fn the_older_one_owns_the_model_and_the_other_one_is_told_so() {
    let world = world().await;
    let _operator = world.operator();
    first_is_active(&world).await;
    create_younger(
        &world,
        "second",
        json!({"model": "bot", "state": "inactive"}),
    )
    .await;
    let second = world.until_reason("second", "Conflict").await;
    assert!(
        message(&second).contains("\"first\""),
        "{}",
        message(&second)
    );
    world.until_looked("bot", 6).await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_name_and_a_uuid_are_one_model() {
    let world = world().await;
    let _operator = world.operator();
    let uuid = world.hub.uuid("bot").unwrap();
    first_is_active(&world).await;
    create_younger(
        &world,
        "second",
        json!({"model": uuid, "state": "inactive"}),
    )
    .await;
    world.until_reason("second", "Conflict").await;
    world.until_looked(&uuid, 4).await;
    assert_eq!(world.hub.journal().posts().len(), 1);
}

#[tokio::test]
async fn two_brand_new_objects_make_one_call() {
    let world = world().await;
    for name in ["first", "second"] {
        world
            .create(name, json!({"model": "bot", "state": "active"}))
            .await;
    }
    let _operator = world.operator();
    let settled = async |name| {
        world
            .until(name, "settled", |object| {
                let reason = crate::world::ready(object).map(|ready| ready.reason.as_str());
                matches!(reason, Some("Active" | "Conflict"))
            })
            .await
    };
    settled("first").await;
    settled("second").await;
    world.until_looked("bot", 6).await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn when_the_owner_goes_the_next_one_takes_over_without_a_cold_start() {
    let world = world().await;
    let _operator = world.operator_with(&[("OXEN_SYNC_INTERVAL", "1h")]);
    first_is_active(&world).await;
    world.until("first", "held", has_finalizer).await;
    create_younger(&world, "second", json!({"model": "bot", "state": "active"})).await;
    world.until_reason("second", "Conflict").await;

    world.delete("first").await;
    world.until_gone("first").await;
    // No sync interval ends in time for this: the change itself wakes it.
    world.until_reason("second", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_loser_that_is_deleted_makes_no_call_not_even_after_a_restart() {
    let world = world().await;
    let operator = world.operator();
    first_is_active(&world).await;
    create_younger(&world, "second", json!({"model": "bot", "state": "active"})).await;
    world.until_reason("second", "Conflict").await;
    world.until("second", "held", has_finalizer).await;
    operator.kill();
    world.delete("second").await;
    let _operator = world.operator();
    world.until_gone("second").await;
    world.until_looked("bot", 4).await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn an_owner_whose_key_fails_for_a_while_stays_the_owner() {
    let world = world().await;
    let _operator = world.operator();
    world.secret("own", "api-key", "own-key").await;
    world.hub.add_key(hub::ACCOUNT, "own-key");
    let own = json!({"model": "bot", "state": "active", "apiKeySecretRef": {"name": "own"}});
    world.create("first", own).await;
    world.until_reason("first", "Active").await;
    create_younger(
        &world,
        "second",
        json!({"model": "bot", "state": "inactive"}),
    )
    .await;
    world.until_reason("second", "Conflict").await;
    world.hub.revoke_key("own-key");
    world.until_reason("first", "Unauthenticated").await;
    world.until_looked("bot", 6).await;
    world.until_reason("second", "Conflict").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn an_object_that_the_hub_refuses_blocks_nobody() {
    let world = world().await;
    let _operator = world.operator();
    world.secret("bad", "api-key", "nobodys-key").await;
    let bad = json!({"model": "bot", "state": "inactive", "apiKeySecretRef": {"name": "bad"}});
    world.create("first", bad).await;
    world.until_reason("first", "Unauthenticated").await;
    create_younger(&world, "second", json!({"model": "bot", "state": "active"})).await;
    world.until_reason("second", "Active").await;
}

#[tokio::test]
async fn two_that_are_deleted_together_turn_the_model_off_once() {
    let world = world().await;
    let _operator = world.operator();
    for name in ["first", "second"] {
        world
            .create(name, json!({"model": "bot", "state": "active"}))
            .await;
        world
            .until(name, "known and held", |object| {
                has_finalizer(object) && status(object).model.is_some()
            })
            .await;
    }
    world
        .until("first", "active", |object| {
            status(object)
                .deployment
                .is_some_and(|now| now.to_string() == "active")
        })
        .await;
    // Nothing goes until both are on their way.
    let fault = world.hub.inject(Fault::status(500));
    world.delete("second").await;
    world.delete("first").await;
    world.hub.clear_fault(fault);
    world.until_gone("first").await;
    world.until_gone("second").await;
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
    assert_eq!(world.calls("bot"), ["activate", "deactivate"]);
}
