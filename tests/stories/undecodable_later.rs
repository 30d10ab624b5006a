//! Objects that can't be decoded any more, from while they own a model, wait for one, call or are
//! being deleted.

use std::time::Duration;

use cluster::Cluster;
use hub::{Hub, Model};
use kube::api::DeleteParams;
use serde_json::json;
use testkit::world::{World, eventually};

use crate::undecodable::{patch, raw, until_gone, until_invalid, with_relaxed_crd};

/// Creates the object `first` of the model `bot`, once the relaxed schema is in force.
async fn create_first(world: &World<&Cluster>) {
    eventually("the relaxed schema is in force", || async {
        let first = json!({"model": "bot", "state": "active"});
        world.apply("first", first).await.ok().ok()
    })
    .await;
}

#[tokio::test]
async fn an_owner_that_cannot_be_decoded_keeps_its_model_after_a_restart() {
    let cluster = with_relaxed_crd().await;
    let bot = Model::custom("bot").status("active");
    let world = World::on(&cluster, Hub::builder().model(bot)).await;
    let operator = world.operator();
    create_first(&world).await;
    world.until_reason("first", "Active").await;
    world.next_second().await;
    let second = json!({"model": "bot", "state": "inactive"});
    world.create("second", second).await;
    world.until_reason("second", "Conflict").await;

    // If the second object owned the model, it would turn it off.
    patch(&world, "first", json!({"spec": {"syncInterval": "soon"}})).await;
    until_invalid(&world, "first", "30s, 5m or 1h30m").await;
    world.until_observed("bot", 4).await;
    operator.kill();
    let _operator = world.operator();
    world.until_observed("bot", 4).await;
    world.until_reason("second", "Conflict").await;
    assert_eq!(world.calls("bot"), [""; 0]);

    patch(&world, "first", json!({"spec": {"syncInterval": null}})).await;
    world.until_reason("first", "Active").await;
    assert_eq!(world.calls("bot"), [""; 0]);
}

#[tokio::test]
async fn an_owner_that_becomes_undecodable_is_deleted_and_succeeded() {
    let cluster = with_relaxed_crd().await;
    let bot = Model::custom("bot").status("active");
    let world = World::on(&cluster, Hub::builder().model(bot)).await;
    let _operator = world.operator();
    create_first(&world).await;
    world.until_reason("first", "Active").await;
    world.until_finalizer("first").await;
    world.next_second().await;
    let second = json!({"model": "bot", "state": "active"});
    world.create("second", second).await;
    world.until_reason("second", "Conflict").await;

    patch(&world, "first", json!({"spec": {"syncInterval": "soon"}})).await;
    until_invalid(&world, "first", "30s, 5m or 1h30m").await;
    let params = DeleteParams::default();
    raw(&world).delete("first", &params).await.unwrap();
    until_gone(&world, "first").await;
    world.until_reason("second", "Active").await;
    assert_eq!(world.calls("bot"), [""; 0]);
}

#[tokio::test]
async fn an_object_that_becomes_undecodable_after_its_call_keeps_its_operation() {
    let cluster = with_relaxed_crd().await;
    let late = Duration::from_secs(3);
    let bot = Model::custom("bot").status("inactive").late_effect(late);
    let world = World::on(&cluster, Hub::builder().model(bot)).await;
    // An operation without an effect stays open for 12 seconds.
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "10")]);
    create_first(&world).await;
    world.until_called("bot", 1).await;
    patch(&world, "first", json!({"spec": {"syncInterval": "soon"}})).await;
    until_invalid(&world, "first", "30s, 5m or 1h30m").await;

    // If the operation were forgotten, the model would be activated once its object is gone.
    let params = DeleteParams::default();
    raw(&world).delete("first", &params).await.unwrap();
    until_gone(&world, "first").await;
    assert_eq!(world.calls("bot"), ["activate", "deactivate"]);
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
}

/// Creates two objects of one model: the owner, and one that waits for the model.
async fn with_one_that_waits(world: &World<&Cluster>) {
    create_first(world).await;
    world.until_reason("first", "Active").await;
    world.until_finalizer("first").await;
    world.next_second().await;
    let second = json!({"model": "bot", "state": "active"});
    world.create("second", second).await;
    world.until_reason("second", "Conflict").await;
    world.until_finalizer("second").await;
}

async fn delete(world: &World<&Cluster>, name: &str) {
    let params = DeleteParams::default();
    raw(world).delete(name, &params).await.unwrap();
}

#[tokio::test]
async fn an_object_that_becomes_undecodable_while_it_waits_turns_the_model_off_in_the_end() {
    let cluster = with_relaxed_crd().await;
    let bot = Model::custom("bot").status("active");
    let world = World::on(&cluster, Hub::builder().model(bot)).await;
    let _operator = world.operator();
    with_one_that_waits(&world).await;
    patch(&world, "second", json!({"spec": {"syncInterval": "soon"}})).await;
    until_invalid(&world, "second", "30s, 5m or 1h30m").await;

    // The owner leaves the model to it, and makes no call.
    delete(&world, "first").await;
    until_gone(&world, "first").await;
    until_invalid(&world, "second", "30s, 5m or 1h30m").await;
    assert_eq!(world.calls("bot"), [""; 0]);
    delete(&world, "second").await;
    until_gone(&world, "second").await;
    assert_eq!(world.calls("bot"), ["deactivate"]);
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
}

#[tokio::test]
async fn an_object_that_becomes_undecodable_while_it_waits_takes_over_once_it_is_corrected() {
    let cluster = with_relaxed_crd().await;
    let bot = Model::custom("bot").status("active");
    let world = World::on(&cluster, Hub::builder().model(bot)).await;
    let _operator = world.operator();
    with_one_that_waits(&world).await;
    let typo = json!({"spec": {"state": "paused", "deletionPolicy": "Orphan"}});
    patch(&world, "second", typo).await;
    until_invalid(&world, "second", "spec.deletionPolicy").await;
    delete(&world, "first").await;
    until_gone(&world, "first").await;
    // Nothing is guessed while it can't be decoded.
    until_invalid(&world, "second", "spec.deletionPolicy").await;
    assert_eq!(world.calls("bot"), [""; 0]);

    let corrected = json!({"spec": {"state": "inactive", "deletionPolicy": null}});
    patch(&world, "second", corrected).await;
    world.until_reason("second", "Inactive").await;
    assert_eq!(world.calls("bot"), ["deactivate"]);
}

/// Creates an object whose deletion waits for a hub that is down.
async fn with_deletion_that_waits(world: &World<&Cluster>) {
    create_first(world).await;
    world.until_reason("first", "Active").await;
    world.until_finalizer("first").await;
    world.hub.stop().await.unwrap();
    delete(world, "first").await;
    world.until_blocked("first").await;
}

#[tokio::test]
async fn an_object_that_becomes_undecodable_while_it_is_deleted_is_deleted_with_what_can_be_read() {
    let cluster = with_relaxed_crd().await;
    let bot = Model::custom("bot").status("active");
    let world = World::on(&cluster, Hub::builder().model(bot)).await;
    let _operator = world.operator();
    with_deletion_that_waits(&world).await;
    patch(&world, "first", json!({"spec": {"syncInterval": "soon"}})).await;
    world.hub.restart().await.unwrap();
    until_gone(&world, "first").await;
    assert_eq!(world.calls("bot"), ["deactivate"]);
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
}

#[tokio::test]
async fn a_deletion_whose_policy_becomes_undecodable_is_blocked_until_it_is_corrected() {
    let cluster = with_relaxed_crd().await;
    let bot = Model::custom("bot").status("active");
    let world = World::on(&cluster, Hub::builder().model(bot)).await;
    let _operator = world.operator();
    with_deletion_that_waits(&world).await;
    patch(
        &world,
        "first",
        json!({"spec": {"deletionPolicy": "Orphan"}}),
    )
    .await;
    until_invalid(&world, "first", "deletionPolicy: Retain").await;
    world.hub.restart().await.unwrap();
    // Another object of the model waits, and nothing is released or called meanwhile.
    world.hub.add_model(Model::custom("sound"));
    let sound = json!({"model": "sound", "state": "active"});
    world.create("sound", sound).await;
    world.until_reason("sound", "Active").await;
    until_invalid(&world, "first", "deletionPolicy: Retain").await;
    assert_eq!(world.calls("bot"), [""; 0]);

    patch(&world, "first", json!({"spec": {"deletionPolicy": null}})).await;
    until_gone(&world, "first").await;
    assert_eq!(world.calls("bot"), ["deactivate"]);
}

#[tokio::test]
async fn an_object_that_becomes_undecodable_between_its_record_and_its_call_is_not_called() {
    let cluster = with_relaxed_crd().await;
    let bot = Model::custom("bot").status("inactive");
    let world = World::on(&cluster, Hub::builder().model(bot)).await;
    let gate = cluster.gate().await.unwrap();
    let kubeconfig = gate.kubeconfig().to_str().unwrap();
    // A write may take ten seconds.
    let settings = [("KUBECONFIG", kubeconfig), ("OXEN_TIME_SCALE", "1")];
    let operator = world.operator_with(&settings);
    eventually("the relaxed schema is in force", || async {
        let first = json!({"model": "bot", "state": "inactive"});
        world.apply("first", first).await.ok().ok()
    })
    .await;
    world.until_reason("first", "Inactive").await;
    world.until_finalizer("first").await;

    let mut held = gate.hold_answer("PATCH", "/status");
    world.edit("first", json!({"state": "active"})).await;
    held.arrived().await;
    patch(&world, "first", json!({"spec": {"syncInterval": "soon"}})).await;
    let series = format!(
        "oxen_model_info{{namespace={:?},name=\"first\"",
        world.namespace
    );
    eventually(
        "the operator knows that it can't decode the object",
        || async {
            let metrics = operator.metrics().await;
            let shown = metrics.lines().find(|line| line.starts_with(&series));
            shown?.contains("InvalidSpec").then_some(())
        },
    )
    .await;
    drop(held);
    until_invalid(&world, "first", "30s, 5m or 1h30m").await;
    assert_eq!(world.calls("bot"), [""; 0]);

    // It is called once it is corrected, long before the operation without an effect would end.
    patch(&world, "first", json!({"spec": {"syncInterval": null}})).await;
    let called = tokio::time::timeout(Duration::from_secs(60), world.until_called("bot", 1));
    called.await.unwrap();
}
