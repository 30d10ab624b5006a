//! Two objects on one remote model: one of them decides, and the hub never hears two voices.

use std::time::Duration;

use hub::{Fault, Hub, Model};
use serde_json::json;

use crate::world::{DEADLINE, World, eventually, has_finalizer, message, status};

/// Creates an object that is younger than all before it.
async fn create_younger(world: &World, name: &str, spec: serde_json::Value) {
    world.next_second().await;
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

/// One more namespace, with the key.
async fn neighbour(world: &World) -> World {
    let hub = Hub::builder();
    let other = World::new(hub).await;
    // The objects there are about this world's hub, because the operator is.
    other.secret("oxen-api-key", "api-key", hub::KEY).await;
    assert_ne!(other.namespace, world.namespace);
    other
}

fn over_both(world: &World, other: &World) -> crate::world::Operator {
    let both = format!("{},{}", world.namespace, other.namespace);
    world.operator_with(&[("OXEN_NAMESPACES", &both), ("OXEN_SYNC_INTERVAL", "1h")])
}

#[tokio::test]
async fn moving_to_another_namespace_costs_no_cold_start() {
    let world = world().await;
    let other = neighbour(&world).await;
    let _operator = over_both(&world, &other);
    first_is_active(&world).await;
    world.until("first", "held", has_finalizer).await;
    world.next_second().await;
    other
        .create("moved", json!({"model": "bot", "state": "active"}))
        .await;
    let moved = other.until_reason("moved", "Conflict").await;
    // Who it is, is nobody's business there.
    assert!(!message(&moved).contains("first"), "{}", message(&moved));

    world.delete("first").await;
    world.until_gone("first").await;
    other.until_reason("moved", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_start_judges_no_claim_before_every_namespace_is_listed() {
    let world = world().await;
    let other = neighbour(&world).await;
    let operator = over_both(&world, &other);
    first_is_active(&world).await;
    world.until("first", "held", has_finalizer).await;
    world.next_second().await;
    other
        .create("younger", json!({"model": "bot", "state": "active"}))
        .await;
    other.until_reason("younger", "Conflict").await;
    other.until("younger", "held", has_finalizer).await;
    operator.kill();
    // The younger one goes while nobody looks, and the next operator hears of the owner late.
    other.delete("younger").await;
    let gate = world.cluster.gate().await.unwrap();
    let list = format!("namespaces/{}/oxenmodels?", world.namespace);
    let mut held = gate.hold("GET", &list);
    let both = format!("{},{}", world.namespace, other.namespace);
    let kubeconfig = gate.kubeconfig().to_str().unwrap();
    let settings = [
        ("OXEN_NAMESPACES", both.as_str()),
        ("KUBECONFIG", kubeconfig),
    ];
    let operator = world.operator_with(&settings);
    held.arrived().await;
    // The other namespace is listed by then, and its Secrets.
    eventually("the other namespace is listed", || async {
        let metrics = operator.metrics().await;
        metrics.contains(r#"name="younger""#).then_some(())
    })
    .await;
    drop(held);
    other.until_gone("younger").await;
    world.until_looked("bot", 4).await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn two_made_in_the_same_instant_by_name_and_by_uuid_make_one_call() {
    let world = world().await;
    let _operator = world.operator();
    let uuid = world.hub.uuid("bot").unwrap();
    let by_name = world.create("by-name", json!({"model": "bot", "state": "active"}));
    let by_uuid = world.create("by-uuid", json!({"model": uuid, "state": "active"}));
    tokio::join!(by_name, by_uuid);
    for name in ["by-name", "by-uuid"] {
        world
            .until(name, "settled", |object| {
                let reason = crate::world::ready(object).map(|ready| ready.reason.as_str());
                matches!(reason, Some("Active" | "Conflict"))
            })
            .await;
    }
    world.until_looked("bot", 4).await;
    assert_eq!(world.hub.journal().posts().len(), 1);
}

#[tokio::test]
async fn an_owner_that_goes_while_nobody_watches_still_hands_over() {
    let world = world().await;
    let gate = world.cluster.gate().await.unwrap();
    let kubeconfig = gate.kubeconfig().to_str().unwrap();
    let quiet = [
        ("KUBECONFIG", kubeconfig),
        ("OXEN_WATCH", "2s"),
        ("OXEN_SYNC_INTERVAL", "1h"),
    ];
    let operator = world.operator_with(&quiet);
    first_is_active(&world).await;
    create_younger(&world, "second", json!({"model": "bot", "state": "active"})).await;
    world.until_reason("second", "Conflict").await;

    gate.refuse(
        "GET",
        "oxenmodels?",
        cluster::StatusCode::SERVICE_UNAVAILABLE,
    );
    gate.mute_streams();
    operator.says("the watch of OxenModels failed").await;
    world
        .patch("first", json!({"metadata": {"finalizers": null}}))
        .await;
    world.delete("first").await;
    world.until_gone("first").await;
    gate.clear();
    world.until_reason("second", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

/// A hub that shows a call late, and an operator that waits for it.
async fn with_a_call_under_way(first: serde_json::Value) -> (World, crate::world::Operator) {
    let bot = Model::custom("bot").status("inactive");
    let late = bot.late_effect(Duration::from_secs(2));
    let world = World::new(Hub::builder().model(late)).await;
    world.create("first", first).await;
    world.next_second().await;
    let operator = world.operator_with(&[("OXEN_OPERATION_PATIENCE", "30s")]);
    let called = |journal: &hub::Journal| journal.posts_for("bot").len() == 1;
    world.hub.wait_for(DEADLINE, called).await.unwrap();
    (world, operator)
}

#[tokio::test]
async fn an_owner_that_goes_with_a_call_under_way_stays_until_it_shows() {
    let active = json!({"model": "bot", "state": "active"});
    let (world, _operator) = with_a_call_under_way(active.clone()).await;
    world.create("second", active).await;
    world.until_reason("second", "Conflict").await;

    world.delete("first").await;

    world.until_gone("first").await;
    world.until_reason("second", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
    assert_ne!(world.hub.live("bot").unwrap(), ["inactive"]);
}

#[tokio::test]
async fn a_call_whose_object_was_retained_and_made_anew_is_not_repeated_beside_it() {
    let retained = json!({"model": "bot", "state": "active", "deletionPolicy": "Retain"});
    let (world, _operator) = with_a_call_under_way(retained.clone()).await;

    world.delete("first").await;
    world.until_gone("first").await;
    world.create("first", retained).await;

    world.until_reason("first", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}
