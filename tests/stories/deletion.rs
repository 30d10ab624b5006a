//! Deleting an OxenModel: the model is turned off first, or left alone, or the deletion says why
//! it waits.

use std::time::Duration;

use hub::{Endpoint, Fault, Hub, Model};
use serde_json::json;

use crate::world::{DEADLINE, World, has_finalizer, message};

/// A world with one settled, active object.
async fn settled(spec: serde_json::Value) -> (World, crate::world::Operator) {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    let operator = world.operator();
    world.create("bot", spec).await;
    world.until_reason("bot", "Active").await;
    (world, operator)
}

fn active() -> serde_json::Value {
    json!({"model": "bot", "state": "active"})
}

#[tokio::test]
async fn deleting_deactivates_first_and_lets_go_when_it_is_inactive() {
    let (world, _operator) = settled(active()).await;
    let held = |object: &_| has_finalizer(object);
    world.until("bot", "held by the finalizer", held).await;

    world.delete("bot").await;
    world.until_gone("bot").await;

    assert_eq!(world.calls("bot"), ["deactivate"]);
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
    assert_eq!(world.events("bot").await.last().unwrap(), "LetGo");
}

#[tokio::test]
async fn retain_leaves_the_model_as_it_is() {
    let mut spec = active();
    spec["deletionPolicy"] = "Retain".into();
    let (world, _operator) = settled(spec).await;
    assert!(!has_finalizer(&world.get("bot").await));

    world.delete("bot").await;
    world.until_gone("bot").await;

    assert_eq!(world.calls("bot"), [""; 0]);
    assert_eq!(world.hub.live("bot").unwrap(), ["active"]);
}

#[tokio::test]
async fn the_finalizer_follows_the_policy() {
    let (world, _operator) = settled(active()).await;
    world.until("bot", "held", has_finalizer).await;
    world.edit("bot", json!({"deletionPolicy": "Retain"})).await;
    world
        .until("bot", "free", |object| !has_finalizer(object))
        .await;
    world.edit("bot", json!({"deletionPolicy": null})).await;
    world.until("bot", "held again", has_finalizer).await;
    world.edit("bot", json!({"suspend": true})).await;
    world
        .until("bot", "free again", |object| !has_finalizer(object))
        .await;
}

#[tokio::test]
async fn a_name_that_the_hub_does_not_know_never_holds_its_deletion() {
    let world = World::new(Hub::builder()).await;
    let _operator = world.operator();
    world
        .create("typo", json!({"model": "typo", "state": "active"}))
        .await;
    world.until_reason("typo", "ModelNotFound").await;
    world.delete("typo").await;
    world.until_gone("typo").await;
}

#[tokio::test]
async fn while_the_hub_is_down_the_deletion_waits_and_says_how_to_let_go() {
    let (world, _operator) = settled(active()).await;
    world.until("bot", "held", has_finalizer).await;
    world.hub.stop().await.unwrap();
    world.delete("bot").await;
    world
        .until("bot", "blocked, with the way out", |object| {
            message(object).contains("deletionPolicy: Retain")
        })
        .await;
    let events = world.events("bot").await;
    assert_eq!(events.last().unwrap(), "DeletionBlocked", "{events:?}");

    world.hub.restart().await.unwrap();
    world.until_gone("bot").await;
    assert_eq!(world.calls("bot"), ["deactivate"]);
}

#[tokio::test]
async fn retain_lets_a_blocked_deletion_go() {
    let (world, _operator) = settled(active()).await;
    world.until("bot", "held", has_finalizer).await;
    world.hub.stop().await.unwrap();
    world.delete("bot").await;
    world
        .until("bot", "blocked", |object| {
            message(object).contains("Retain")
        })
        .await;
    world.edit("bot", json!({"deletionPolicy": "Retain"})).await;
    world.until_gone("bot").await;
    assert_eq!(world.hub.live("bot").unwrap(), ["active"]);
}

#[tokio::test]
async fn a_post_that_was_accepted_lets_nothing_go_until_a_live_look_shows_it() {
    let late = Duration::from_millis(600);
    let model = Model::custom("bot").status("active").late_effect(late);
    let world = World::new(Hub::builder().model(model)).await;
    let _operator = world.operator();
    world.create("bot", active()).await;
    world.until("bot", "held", has_finalizer).await;
    world.delete("bot").await;
    world.until_gone("bot").await;
    assert_eq!(world.calls("bot"), ["deactivate"]);
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
}

#[tokio::test]
async fn a_secret_that_goes_with_the_object_does_not_keep_it() {
    let (world, _operator) = settled(active()).await;
    world.until("bot", "held", has_finalizer).await;
    world.delete_secret("oxen-api-key").await;
    world.until_reason("bot", "CredentialsNotFound").await;
    world.delete("bot").await;
    world.until_gone("bot").await;
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
}

#[tokio::test]
async fn a_model_that_the_hub_has_forgotten_lets_its_object_go() {
    let (world, _operator) = settled(active()).await;
    world.until("bot", "held", has_finalizer).await;
    world.hub.remove_model("bot").unwrap();
    world.delete("bot").await;
    world.until_gone("bot").await;
    assert_eq!(world.calls("bot"), [""; 0]);
}

#[tokio::test]
async fn not_found_for_another_key_is_no_reason_to_let_go() {
    let (world, _operator) = settled(active()).await;
    world.until("bot", "held", has_finalizer).await;
    world.hub.add_key("another", "anothers-key");
    world
        .secret("oxen-api-key", "api-key", "anothers-key")
        .await;
    world.until_reason("bot", "ModelNotFound").await;
    world.delete("bot").await;
    world
        .until("bot", "blocked", |object| {
            message(object).contains("Retain")
        })
        .await;
    world.until_looked("bot", 4).await;
    world.secret("oxen-api-key", "api-key", hub::KEY).await;
    world.until_gone("bot").await;
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
}

#[tokio::test]
async fn an_object_deleted_and_made_again_is_another_one() {
    let (world, _operator) = settled(active()).await;
    world.until("bot", "held", has_finalizer).await;
    world
        .hub
        .inject(Fault::status(503).on(Endpoint::Deactivate).times(1));
    world.delete("bot").await;
    world.until_gone("bot").await;
    world.create("bot", active()).await;
    world.until_reason("bot", "Active").await;
    let last = world.hub.wait_for(DEADLINE, |journal| {
        journal
            .posts_for("bot")
            .last()
            .is_some_and(|entry| entry.path.ends_with("/activate"))
    });
    last.await.unwrap();
    assert_eq!(world.hub.live("bot").unwrap(), ["active"]);
}

#[tokio::test]
async fn a_deletion_whose_call_has_no_answer_makes_it_once_and_goes_when_it_shows() {
    for fault in [
        Fault::status(502),
        Fault::cut(),
        Fault::hang(),
        Fault::truncated(),
        Fault::status(503).retry_after(Duration::from_secs(1)),
    ] {
        let (world, _operator) = settled(active()).await;
        world.until("bot", "held", has_finalizer).await;
        let lost = fault.on(Endpoint::Deactivate).times(1);
        world.hub.inject(lost.after_effect());
        world.delete("bot").await;
        world.until_gone("bot").await;
        assert_eq!(world.calls("bot"), ["deactivate"]);
        assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
    }
}
