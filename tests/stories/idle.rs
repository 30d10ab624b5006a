//! Idle shutdown: the hub turns a model off that had no requests, and the object says what follows.

use std::time::Duration;

use hub::{Endpoint, Hub, Model};
use oxen_operator::api::OxenModel;
use serde_json::{Value, json};
use testkit::world::{Operator, World, message, progress, ready, status};

/// Creates a world with an active model and its settled object.
async fn settled(idle_shutdown: Value) -> (World, Operator) {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    let operator = world.operator();
    let spec = json!({"model": "bot", "state": "active", "idleShutdown": idle_shutdown});
    world.create("bot", spec).await;
    world.until_reason("bot", "Active").await;
    world.until_finalizer("bot").await;
    (world, operator)
}

/// Makes the hub turn the model off, because it had no requests.
fn let_idle(world: &World) {
    world.hub.set_idle_timeout(Some(Duration::ZERO));
    // The hub notices that it is idle when the model is looked at.
    world.hub.live("bot").unwrap();
    world.hub.set_idle_timeout(None);
}

/// Creates a world with a model that the hub turned off, as its object allows.
async fn idle() -> (World, Operator) {
    let (world, operator) = settled(json!("Allow")).await;
    let_idle(&world);
    let object = world.until_reason("bot", "IdleShutdown").await;
    is_idle(&object);
    (world, operator)
}

/// Checks that the object is Ready although its model is off, and says why and how to turn it on.
fn is_idle(object: &OxenModel) {
    assert_eq!(ready(object).unwrap().status, "True");
    assert_eq!(progress(object), None);
    assert_eq!(status(object).live.unwrap().to_string(), "inactive");
    let text = message(object);
    for words in [
        "no requests for about 15 minutes",
        "spec.idleShutdown is Allow",
        "send it a request",
        "request a reconcile",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn an_idle_model_is_turned_on_again_and_the_idle_shutdown_is_named_first() {
    for idle_shutdown in [Value::Null, json!("Reactivate")] {
        let (world, operator) = settled(idle_shutdown).await;
        let_idle(&world);
        world.until_called("bot", 1).await;
        world.until_reason("bot", "Active").await;
        assert_eq!(world.calls("bot"), ["activate"]);
        let event = world.until_event("bot", "CorrectingDrift").await;
        let note = event.note.unwrap();
        let [idle, person] = ["idleShutdown: Allow", "a person"].map(|words| note.find(words));
        assert!(idle.unwrap() < person.unwrap(), "{note}");
        let corrections = operator.metric("oxen_operator_corrections_total ").await;
        assert_eq!(corrections, 1.0);
    }
}

#[tokio::test]
async fn an_allowed_idle_shutdown_stays_and_spends_nothing() {
    let (world, operator) = idle().await;
    world.until_observed("bot", 2).await;
    let before = (world.writes("status"), world.calls("bot"));
    world.until_observed("bot", 4).await;
    assert_eq!((world.writes("status"), world.calls("bot")), before);
    assert_eq!(before.1, [""; 0]);
    operator.kill();

    // A restart changes nothing.
    let operator = world.operator();
    world.until_observed("bot", 4).await;
    is_idle(&world.until_reason("bot", "IdleShutdown").await);
    assert_eq!(world.calls("bot"), [""; 0]);
    let metrics = operator.metrics().await;
    let labels = format!("{{namespace={:?},name=\"bot\"", world.namespace);
    for line in [
        format!("oxen_model_ready{labels}}} 1"),
        format!("oxen_model_stalled{labels}}} 0"),
    ] {
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    let info = format!("oxen_model_info{labels}");
    let info = metrics.lines().find(|line| line.starts_with(&info));
    assert!(
        info.unwrap().contains("reason=\"IdleShutdown\""),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_request_wakes_an_idle_model_and_the_operator_makes_no_call() {
    let (world, _operator) = idle().await;
    // A client of the model sends it a request.
    let request = reqwest::Client::new()
        .post(format!("{}/api/ai/chat/completions", world.hub.url()))
        .bearer_auth(hub::KEY)
        .json(&json!({"model": "bot", "messages": []}));
    assert_eq!(
        request.send().await.unwrap().status(),
        503,
        "it is starting"
    );
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), [""; 0]);

    // It may idle again.
    let_idle(&world);
    is_idle(&world.until_reason("bot", "IdleShutdown").await);
    world.until_observed("bot", 2).await;
    assert_eq!(world.calls("bot"), [""; 0]);
}

#[tokio::test]
async fn a_request_and_an_edit_turn_an_idle_model_on() {
    let (world, _operator) = idle().await;
    world.request_reconcile("bot", "1").await;
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);

    let_idle(&world);
    world.until_reason("bot", "IdleShutdown").await;
    world
        .edit("bot", json!({"idleShutdown": "Reactivate"}))
        .await;
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"; 2]);
}

#[tokio::test]
async fn an_idle_model_is_declared_inactive_and_deleted_without_a_call() {
    let (world, _operator) = idle().await;
    world.edit("bot", json!({"state": "inactive"})).await;
    world.until_reason("bot", "Inactive").await;
    world.edit("bot", json!({"state": "active"})).await;
    world.until_reason("bot", "Active").await;
    let_idle(&world);
    world.until_reason("bot", "IdleShutdown").await;
    world.delete("bot").await;
    world.until_gone("bot").await;
    assert_eq!(world.calls("bot"), ["activate"]);
    assert_eq!(world.hub.journal().count_all(Endpoint::Deactivate), 0);
}
