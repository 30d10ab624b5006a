//! Two objects of one model: only the owner calls the hub.

use std::time::Duration;

use hub::{Hub, Model};
use oxen_operator::api::OxenModel;
use serde_json::{Value, json};
use testkit::world::{Operator, World, eventually, message, ready, status};

/// Creates an object that is younger than all existing ones.
pub(crate) async fn create_younger(world: &World, name: &str, spec: Value) {
    world.next_second().await;
    world.create(name, spec).await;
}

pub(crate) async fn world() -> World {
    World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await
}

/// Creates the object that owns the model, and waits until it is settled.
pub(crate) async fn create_owner(world: &World) {
    world
        .create("first", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_reason("first", "Active").await;
}

pub(crate) fn is_settled(object: &OxenModel) -> bool {
    let reason = ready(object).map(|ready| ready.reason.as_str());
    matches!(reason, Some("Active" | "Conflict"))
}

#[tokio::test]
async fn the_older_object_owns_the_model_and_the_other_one_reports_that() {
    let world = world().await;
    let _operator = world.operator();
    create_owner(&world).await;
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
    world.until_observed("bot", 6).await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_name_and_a_uuid_are_one_model() {
    let world = world().await;
    let _operator = world.operator();
    let uuid = world.hub.uuid("bot").unwrap();
    create_owner(&world).await;
    create_younger(
        &world,
        "second",
        json!({"model": uuid, "state": "inactive"}),
    )
    .await;
    world.until_reason("second", "Conflict").await;
    world.until_observed(&uuid, 4).await;
    assert_eq!(world.hub.journal().posts().len(), 1);
}

#[tokio::test]
async fn two_new_objects_make_one_call() {
    let world = world().await;
    for name in ["first", "second"] {
        world
            .create(name, json!({"model": "bot", "state": "active"}))
            .await;
    }
    let _operator = world.operator();
    for name in ["first", "second"] {
        world.until(name, "settled", is_settled).await;
    }
    world.until_observed("bot", 6).await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn the_next_object_takes_over_a_deleted_owners_model_as_it_is() {
    let world = world().await;
    let _operator = world.operator_with(&[("OXEN_SYNC_INTERVAL", "1h")]);
    create_owner(&world).await;
    world.until_finalizer("first").await;
    create_younger(&world, "second", json!({"model": "bot", "state": "active"})).await;
    world.until_reason("second", "Conflict").await;

    world.delete("first").await;
    world.until_gone("first").await;
    // The change wakes the second object, because no sync interval ends in time.
    world.until_reason("second", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn deleting_an_object_that_is_not_the_owner_makes_no_call() {
    let world = world().await;
    let operator = world.operator();
    create_owner(&world).await;
    create_younger(&world, "second", json!({"model": "bot", "state": "active"})).await;
    world.until_reason("second", "Conflict").await;
    world.until_finalizer("second").await;
    operator.kill();
    world.delete("second").await;
    let _operator = world.operator();
    world.until_gone("second").await;
    world.until_observed("bot", 4).await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn an_owner_whose_key_is_refused_stays_the_owner() {
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
    world.until_observed("bot", 6).await;
    world.until_reason("second", "Conflict").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn an_object_whose_key_was_never_accepted_owns_nothing() {
    let world = world().await;
    let _operator = world.operator();
    world.secret("bad", "api-key", "nobodys-key").await;
    let bad = json!({"model": "bot", "state": "inactive", "apiKeySecretRef": {"name": "bad"}});
    world.create("first", bad).await;
    world.until_reason("first", "Unauthenticated").await;
    create_younger(&world, "second", json!({"model": "bot", "state": "active"})).await;
    world.until_reason("second", "Active").await;
}

/// Creates another namespace. The operator uses this world's hub for the objects there.
async fn neighbour(world: &World) -> World {
    let other = World::new(Hub::builder()).await;
    assert_ne!(other.namespace, world.namespace);
    other
}

/// Starts an operator that watches both namespaces.
fn operator_of_both(world: &World, other: &World) -> Operator {
    let both = format!("{},{}", world.namespace, other.namespace);
    world.operator_with(&[("OXEN_NAMESPACES", &both), ("OXEN_SYNC_INTERVAL", "1h")])
}

#[tokio::test]
async fn moving_an_object_to_another_namespace_leaves_the_model_active() {
    let world = world().await;
    let other = neighbour(&world).await;
    let _operator = operator_of_both(&world, &other);
    create_owner(&world).await;
    world.until_finalizer("first").await;
    world.next_second().await;
    other
        .create("moved", json!({"model": "bot", "state": "active"}))
        .await;
    let moved = other.until_reason("moved", "Conflict").await;
    // The owner isn't named in another namespace.
    assert!(!message(&moved).contains("first"), "{}", message(&moved));

    world.delete("first").await;
    world.until_gone("first").await;
    other.until_reason("moved", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn ownership_is_not_judged_before_every_namespace_is_listed() {
    let world = world().await;
    let other = neighbour(&world).await;
    let operator = operator_of_both(&world, &other);
    create_owner(&world).await;
    world.until_finalizer("first").await;
    world.next_second().await;
    other
        .create("younger", json!({"model": "bot", "state": "active"}))
        .await;
    other.until_reason("younger", "Conflict").await;
    other.until_finalizer("younger").await;
    operator.kill();
    // The younger object is deleted while no operator runs, and the next operator lists the owner
    // late.
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
    // The other namespace is listed by then.
    eventually("the other namespace is listed", || async {
        let metrics = operator.metrics().await;
        metrics.contains(r#"name="younger""#).then_some(())
    })
    .await;
    drop(held);
    other.until_gone("younger").await;
    world.until_observed("bot", 4).await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn two_simultaneous_objects_by_name_and_by_uuid_make_one_call() {
    let world = world().await;
    let _operator = world.operator();
    let uuid = world.hub.uuid("bot").unwrap();
    let by_name = world.create("by-name", json!({"model": "bot", "state": "active"}));
    let by_uuid = world.create("by-uuid", json!({"model": uuid, "state": "active"}));
    tokio::join!(by_name, by_uuid);
    for name in ["by-name", "by-uuid"] {
        world.until(name, "settled", is_settled).await;
    }
    world.until_observed("bot", 4).await;
    assert_eq!(world.hub.journal().posts().len(), 1);
}

#[tokio::test]
async fn an_owner_that_is_deleted_between_two_watches_is_succeeded() {
    let world = world().await;
    let gate = world.cluster.gate().await.unwrap();
    let kubeconfig = gate.kubeconfig().to_str().unwrap();
    let settings = [("KUBECONFIG", kubeconfig), ("OXEN_SYNC_INTERVAL", "1h")];
    let operator = world.operator_with(&settings);
    create_owner(&world).await;
    create_younger(&world, "second", json!({"model": "bot", "state": "active"})).await;
    world.until_reason("second", "Conflict").await;

    gate.refuse(
        "GET",
        "oxenmodels?",
        cluster::StatusCode::SERVICE_UNAVAILABLE,
    );
    gate.mute_streams();
    operator
        .until_logged("the watch of OxenModels failed")
        .await;
    world
        .patch("first", json!({"metadata": {"finalizers": null}}))
        .await;
    world.delete("first").await;
    world.until_gone("first").await;
    gate.clear();
    world.until_reason("second", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

/// Creates a world in which the first object's call was sent and shows its effect only after two
/// seconds. The operator waits six seconds for it.
async fn with_open_operation(first: Value) -> (World, Operator) {
    let bot = Model::custom("bot").status("inactive");
    let late = bot.late_effect(Duration::from_secs(2));
    let world = World::new(Hub::builder().model(late)).await;
    world.create("first", first).await;
    world.next_second().await;
    let operator = world.operator_with(&[("OXEN_TIME_SCALE", "20")]);
    world.until_called("bot", 1).await;
    (world, operator)
}

#[tokio::test]
async fn a_deleted_owner_with_an_open_operation_stays_until_it_is_closed() {
    let active = json!({"model": "bot", "state": "active"});
    let (world, _operator) = with_open_operation(active.clone()).await;
    world.create("second", active).await;
    world.until_reason("second", "Conflict").await;

    world.delete("first").await;

    world.until_gone("first").await;
    world.until_reason("second", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
    assert_ne!(world.hub.live("bot").unwrap(), ["inactive"]);
}

#[tokio::test]
async fn the_call_of_a_replaced_object_is_not_repeated() {
    let retained = json!({"model": "bot", "state": "active", "deletionPolicy": "Retain"});
    let (world, _operator) = with_open_operation(retained.clone()).await;

    world.delete("first").await;
    world.until_gone("first").await;
    world.create("first", retained).await;

    world.until_reason("first", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn an_operation_that_nobody_can_end_holds_its_models_owner_up_for_a_while() {
    let never = Duration::from_secs(3600);
    let bot = Model::custom("bot").status("inactive").late_effect(never);
    let world = World::new(Hub::builder().model(bot)).await;
    world.secret("own", "api-key", "own-key").await;
    world.hub.add_key(hub::ACCOUNT, "own-key");
    let operator = world.operator_with(&[("OXEN_TIME_SCALE", "1")]);
    let own = json!({"model": "bot", "state": "active", "apiKeySecretRef": {"name": "own"}});
    world.create("first", own).await;
    world.until_called("bot", 1).await;
    operator.kill();

    // The next process never had the key.
    world.delete_secret("own").await;
    world.delete("first").await;
    let late = |model: Model| model.late_effect(Duration::ZERO);
    world.hub.change("bot", late).unwrap();
    // The first call never has an effect, and the next one has.
    world.hub.set_status("bot", "inactive").unwrap();
    // An operation that shows no effect is waited for six seconds.
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "20")]);
    world.until_blocked("first").await;
    let began = world.hub.journal().entries.len();
    let spec = json!({"model": "bot", "state": "active"});
    world.create("second", spec).await;
    world.until_reason("second", "OperationInProgress").await;
    world.until_reason("second", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"; 2]);
    let entries = world.hub.journal().entries.split_off(began);
    let call = entries.iter().position(|entry| entry.is_post()).unwrap();
    let patience = entries[0].at + Duration::from_secs(6);
    let late = entries[..call].iter().filter(|get| get.at >= patience);
    assert!(late.count() >= 2, "{entries:#?}");
    assert!(status(&world.get("first").await).operation.is_some());
}
