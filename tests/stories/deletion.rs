//! Deleting an OxenModel: the model is turned off first or left as it is, or the deletion is
//! blocked and says how to release the object.

use std::time::Duration;

use hub::{Endpoint, Fault, Hub, Model};
use oxen_operator::api::OxenModel;
use serde_json::{Value, json};
use testkit::world::{DEADLINE, Operator, World, condition, eventually, is_blocked};

/// Creates a world with one settled, active object.
async fn settled(spec: Value) -> (World, Operator) {
    settled_with(Model::custom("bot").status("active"), spec).await
}

async fn settled_with(model: Model, spec: Value) -> (World, Operator) {
    let world = World::new(Hub::builder().model(model)).await;
    let operator = world.operator();
    world.create("bot", spec).await;
    world.until_reason("bot", "Active").await;
    (world, operator)
}

fn active() -> Value {
    json!({"model": "bot", "state": "active"})
}

fn is_free(object: &OxenModel) -> bool {
    !object.has_finalizer()
}

/// Waits until the metric of the blocked deletion has this value.
async fn until_metric(world: &World, operator: &Operator, blocked: u32) {
    let namespace = &world.namespace;
    let labels = format!(r#"namespace="{namespace}",name="bot""#);
    let line = format!("oxen_model_deletion_blocked{{{labels}}} {blocked}");
    eventually(&line, || async {
        let metrics = operator.metrics().await;
        metrics.lines().any(|one| one == line).then_some(())
    })
    .await;
}

#[tokio::test]
async fn deleting_deactivates_first_and_releases_when_it_is_inactive() {
    let (world, _operator) = settled(active()).await;
    world.until_finalizer("bot").await;

    world.delete("bot").await;
    world.until_gone("bot").await;

    assert_eq!(world.calls("bot"), ["deactivate"]);
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
    let events = world.until_last_event("bot", "Released").await;
    assert!(!events.contains(&"DeletionBlocked".into()), "{events:?}");
}

#[tokio::test]
async fn retain_leaves_the_model_as_it_is() {
    let mut spec = active();
    spec["deletionPolicy"] = "Retain".into();
    let (world, _operator) = settled(spec).await;
    assert!(is_free(&world.get("bot").await));

    world.delete("bot").await;
    world.until_gone("bot").await;

    assert_eq!(world.calls("bot"), [""; 0]);
    assert_eq!(world.hub.live("bot").unwrap(), ["active"]);
}

#[tokio::test]
async fn the_finalizer_follows_the_policy() {
    let (world, _operator) = settled(active()).await;
    world.until_finalizer("bot").await;
    world.edit("bot", json!({"deletionPolicy": "Retain"})).await;
    world.until("bot", "free", is_free).await;
    world.edit("bot", json!({"deletionPolicy": null})).await;
    world.until_finalizer("bot").await;
    world.edit("bot", json!({"suspend": true})).await;
    world.until("bot", "free again", is_free).await;
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
async fn while_the_hub_is_down_the_deletion_is_blocked_and_says_so() {
    // The deactivation lasts until the test ends it.
    let slow = Duration::from_secs(3600);
    let model = Model::custom("bot").status("active").deactivate_delay(slow);
    let mut spec = active();
    spec["progressDeadline"] = "1h".into();
    let (world, operator) = settled_with(model, spec).await;
    let object = world.until_finalizer("bot").await;
    assert_eq!(condition(&object, "DeletionBlocked"), None);
    until_metric(&world, &operator, 0).await;

    world.hub.stop().await.unwrap();
    world.delete("bot").await;
    let object = world.until_blocked("bot").await;
    let blocked = condition(&object, "DeletionBlocked").unwrap();
    assert_eq!(blocked.reason, "HubUnreachable");
    until_metric(&world, &operator, 1).await;
    world.until_last_event("bot", "DeletionBlocked").await;

    world.hub.restart().await.unwrap();
    let object = world.until_reason("bot", "Deactivating").await;
    assert_eq!(condition(&object, "DeletionBlocked"), None);
    until_metric(&world, &operator, 0).await;

    world.hub.set_status("bot", "inactive").unwrap();
    world.until_gone("bot").await;
    assert_eq!(world.calls("bot"), ["deactivate"]);
}

#[tokio::test]
async fn retain_releases_an_object_whose_deletion_is_blocked() {
    let (world, _operator) = settled(active()).await;
    world.until_finalizer("bot").await;
    world.hub.stop().await.unwrap();
    world.delete("bot").await;
    world.until_blocked("bot").await;
    world.edit("bot", json!({"deletionPolicy": "Retain"})).await;
    world.until_gone("bot").await;
    assert_eq!(world.hub.live("bot").unwrap(), ["active"]);
}

#[tokio::test]
async fn an_accepted_call_releases_nothing_before_a_live_get_shows_it() {
    let late = Duration::from_millis(600);
    let model = Model::custom("bot").status("active").late_effect(late);
    let (world, _operator) = settled_with(model, active()).await;
    world.until_finalizer("bot").await;
    world.delete("bot").await;
    world.until_gone("bot").await;
    assert_eq!(world.calls("bot"), ["deactivate"]);
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
}

#[tokio::test]
async fn a_secret_that_is_deleted_first_does_not_hold_the_object() {
    let (world, _operator) = settled(active()).await;
    world.until_finalizer("bot").await;
    world.delete_secret("oxen-api-key").await;
    world.until_reason("bot", "CredentialsNotFound").await;
    world.delete("bot").await;
    world.until_gone("bot").await;
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
}

#[tokio::test]
async fn a_model_that_the_hub_no_longer_knows_releases_its_object() {
    let (world, _operator) = settled(active()).await;
    world.until_finalizer("bot").await;
    // Another model of the account proves the key.
    world.hub.add_model(Model::custom("other"));
    world.hub.remove_model("bot").unwrap();
    world.delete("bot").await;
    world.until_gone("bot").await;
    assert_eq!(world.calls("bot"), [""; 0]);
}

#[tokio::test]
async fn a_revoked_key_that_counts_as_none_releases_no_object() {
    let (world, _operator) = settled(active()).await;
    world.until_finalizer("bot").await;
    world.hub.add_model(Model::custom("other"));
    // A custom model is not found then.
    world.hub.set_invalid_key_is_none(true);
    world.hub.revoke_key(hub::KEY);
    world.delete("bot").await;
    world.until_blocked("bot").await;
    world.until_observed("bot", 4).await;
    assert!(is_blocked(&world.get("bot").await));
    assert_eq!(world.hub.live("bot").unwrap(), ["active"]);
    world.hub.add_key(hub::ACCOUNT, hub::KEY);
    world.until_gone("bot").await;
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
    assert_eq!(world.calls("bot"), ["deactivate"]);
}

#[tokio::test]
async fn not_found_with_another_key_does_not_release_the_object() {
    let (world, _operator) = settled(active()).await;
    world.until_finalizer("bot").await;
    world.hub.add_key("another", "anothers-key");
    world
        .secret("oxen-api-key", "api-key", "anothers-key")
        .await;
    world.until_reason("bot", "ModelNotFound").await;
    world.delete("bot").await;
    world.until_blocked("bot").await;
    world.until_observed("bot", 4).await;
    assert!(is_blocked(&world.get("bot").await));
    world.secret("oxen-api-key", "api-key", hub::KEY).await;
    world.until_gone("bot").await;
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
}

#[tokio::test]
async fn an_object_that_is_deleted_and_created_again_is_another_object() {
    let (world, _operator) = settled(active()).await;
    world.until_finalizer("bot").await;
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
async fn a_deletion_whose_call_gets_no_answer_calls_once() {
    for fault in [
        Fault::status(502),
        Fault::cut(),
        Fault::hang(),
        Fault::truncated(),
        Fault::status(503).retry_after(Duration::from_secs(1)),
    ] {
        let (world, _operator) = settled(active()).await;
        world.until_finalizer("bot").await;
        let lost = fault.on(Endpoint::Deactivate).times(1);
        world.hub.inject(lost.after_effect());
        world.delete("bot").await;
        world.until_gone("bot").await;
        assert_eq!(world.calls("bot"), ["deactivate"]);
        assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
    }
}

#[tokio::test]
async fn an_object_that_is_applied_again_does_not_wait_for_the_last_one() {
    let model = Model::custom("bot").status("active");
    let world = World::new(Hub::builder().model(model)).await;
    // An operation without an effect stays open for two minutes.
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "1")]);
    world.create("bot", active()).await;
    world.until_reason("bot", "Active").await;
    world.until_finalizer("bot").await;
    world.delete("bot").await;
    world.until_gone("bot").await;
    world.create("bot", active()).await;
    world.until_called("bot", 2).await;

    assert_eq!(world.calls("bot"), ["deactivate", "activate"]);
    let requests = world.requests("bot");
    let posts = requests.iter().filter(|entry| entry.is_post());
    let times: Vec<Duration> = posts.map(|post| post.at).collect();
    assert!(times[1] - times[0] < Duration::from_secs(60), "{times:?}");
    let events = world.events("bot").await;
    let waited = events.contains(&"OperationInProgress".to_owned());
    assert!(!waited, "{events:?}");
}
