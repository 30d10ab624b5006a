//! Overrides: a GitOps tool removes the annotation, a pipeline waits, and clocks differ.

use std::time::Duration;

use hub::{Fault, Hub, Model};
use jiff::{SignedDuration, Timestamp};
use oxen_operator::api::OxenModel;
use serde_json::json;
use testkit::{
    flux,
    world::{Operator, World, eventually, message, status},
};

/// A world with an inactive model.
async fn world() -> World {
    let bot = Model::custom("bot").status("inactive");
    World::new(Hub::builder().model(bot)).await
}

/// A world with an inactive model and its settled object.
async fn settled() -> (World, Operator) {
    let world = world().await;
    let operator = world.operator();
    let inactive = json!({"model": "bot", "state": "inactive"});
    world.create("bot", inactive).await;
    world.until_reason("bot", "Inactive").await;
    (world, operator)
}

/// The value of an override that ends this many seconds from now.
fn until(state: &str, seconds: i64) -> String {
    let end = Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap();
    format!("{state} until {end}")
}

async fn annotate(world: &World, value: &str) {
    let annotation = format!("oxen.ai/override={value}");
    let arguments = ["annotate", "oxm", "bot", "--overwrite", &annotation];
    world.kubectl(&arguments).await.ok().unwrap();
}

fn is_annotated(object: &OxenModel) -> bool {
    let annotations = object.metadata.annotations.as_ref();
    annotations.is_some_and(|all| all.contains_key("oxen.ai/override"))
}

#[tokio::test]
async fn an_override_holds_to_its_end_although_flux_removes_the_annotation() {
    let world = world().await;
    let operator = world.operator();
    flux::apply(&world, "inactive").await;
    world.until_reason("bot", "Inactive").await;
    // The tests' sync interval is short, so the operator polls while the override is in force.
    let value = until("active", 3600);
    annotate(&world, &value).await;
    let object = world.until_reason("bot", "Active").await;
    assert!(is_annotated(&object));
    assert_eq!(status(&object).override_in_force.unwrap().value, value);

    let object = flux::apply(&world, "inactive").await;
    assert!(!is_annotated(&object), "Flux removes it");
    world.until_observed("bot", 2).await;
    let object = world.get("bot").await;
    assert!(message(&object).contains("as the override says"));
    assert_eq!(world.calls("bot"), ["activate"]);
    let metrics = operator.metrics().await;
    let labels = format!(
        "{{namespace={:?},name=\"bot\",state=\"active\"}} 1",
        world.namespace
    );
    assert!(
        metrics.contains(&format!("oxen_model_override{labels}")),
        "{metrics}"
    );

    // A restart changes nothing, and neither does an earlier end.
    let value = until("active", 20);
    annotate(&world, &value).await;
    let shortened = |object: &OxenModel| {
        let in_force = status(object).override_in_force;
        in_force.is_some_and(|it| it.value == value)
    };
    let object = world.until("bot", "shortened", shortened).await;
    let end = status(&object).until.unwrap().0;
    flux::apply(&world, "inactive").await;
    operator.kill();
    let operator = world.operator();
    let object = world.until_reason("bot", "Inactive").await;
    assert!(Timestamp::now() >= end);
    assert_eq!(status(&object).override_in_force, None);
    assert_eq!(world.calls("bot"), ["activate", "deactivate"]);
    for reason in ["OverrideAccepted", "OverrideEnded"] {
        world.until_event("bot", reason).await;
    }
    let delays = operator
        .metric("oxen_operator_boundary_delay_seconds_count ")
        .await;
    assert_eq!(delays, 1.0);
}

#[tokio::test]
async fn a_pipeline_waits_as_the_documentation_says() {
    let (world, _operator) = settled().await;
    let page = include_str!("../../docs/overrides.md");
    let (_, section) = page.split_once("## In a pipeline").unwrap();
    let (_, script) = section.split_once("```sh\n").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    assert_eq!(script.matches("kubectl wait").count(), 2);
    let script = script.replace("support-bot", "bot");
    let namespace = &world.namespace;
    let script = format!(
        "set -euo pipefail\nkubectl() {{ command kubectl --namespace={namespace} \"$@\"; }}\n{script}"
    );
    world.cluster.bash(&script).await.unwrap().ok().unwrap();
    // Ready is True for the override's state: the model is active.
    let object = world.get("bot").await;
    assert_eq!(status(&object).live.unwrap().to_string(), "active");
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_mistyped_override_is_reported_once_and_changes_nothing() {
    let (world, _operator) = settled().await;
    annotate(&world, "active until 18:00").await;
    let refused = |object: &OxenModel| status(object).refused_override.is_some();
    let object = world.until("bot", "refused", refused).await;
    let why = status(&object).refused_override.unwrap().why;
    assert!(
        why.contains("\"active until 2026-11-25T18:00:00+01:00\""),
        "{why}"
    );
    world.until_event("bot", "OverrideRefused").await;
    let writes = world.writes("status");
    world.until_observed("bot", 3).await;
    assert_eq!(world.writes("status"), writes);
    assert_eq!(world.calls("bot"), [""; 0]);
    let reasons = world.events("bot").await;
    let count = reasons
        .iter()
        .filter(|reason| *reason == "OverrideRefused")
        .count();
    assert_eq!(count, 1, "{reasons:?}");
}

#[tokio::test]
async fn an_override_is_accepted_while_the_hub_is_not_asked() {
    let (world, _operator) = settled().await;
    // The hub answers 429 with a long Retry-After.
    let limited = Fault::status(429).retry_after(Duration::from_secs(600));
    world.hub.inject(limited);
    world.request_reconcile("bot", "now").await;
    world.until_fault("bot", "RateLimited").await;
    let value = until("active", 1800);
    annotate(&world, &value).await;
    let accepted = |object: &OxenModel| {
        let accepted = status(object).override_in_force;
        accepted.is_some_and(|accepted| accepted.value == value)
    };
    let object = world.until("bot", "accepted", accepted).await;
    assert_ne!(testkit::world::ready(&object).unwrap().status, "True");
    assert_eq!(world.calls("bot"), [""; 0]);
}

#[tokio::test]
async fn an_override_between_the_record_and_the_call_means_no_call() {
    let gated = crate::gated::Gated::new().await;
    let world = &gated.world;
    let _operator = gated.operator_with(&[("OXEN_TIME_SCALE", "1")]);
    world
        .create("bot", json!({"model": "bot", "state": "inactive"}))
        .await;
    world.until_finalizer("bot").await;
    world.until_reason("bot", "Inactive").await;
    let mut held = gated
        .gate
        .hold_answer(crate::gated::STATUS.0, crate::gated::STATUS.1);
    world
        .edit("bot", json!({"model": "bot", "state": "active"}))
        .await;
    held.arrived().await;
    annotate(world, &until("inactive", 1800)).await;
    // The watch shows the annotation before it shows this object.
    let other = json!({"model": "other", "state": "active"});
    world.create("other", other).await;
    world.until_observed("other", 1).await;
    drop(held);
    let in_force = |object: &OxenModel| status(object).override_in_force.is_some();
    world.until("bot", "in force", in_force).await;
    world.until_reason("bot", "Inactive").await;
    assert_eq!(world.calls("bot"), [""; 0]);
}

#[tokio::test]
async fn while_the_hubs_clock_differs_no_override_ends() {
    let (world, _operator) = settled().await;
    annotate(&world, &until("active", 45)).await;
    let object = world.until_reason("bot", "Active").await;
    let end = status(&object).override_in_force.unwrap().until.0;
    world.hub.set_clock_offset(-3600);
    let says_so = |object: &OxenModel| message(object).contains("differ by more than 5 minutes");
    world.until("bot", "the message says so", says_so).await;
    eventually("the time of the override has passed", || async {
        (Timestamp::now() > end + SignedDuration::from_secs(1)).then_some(())
    })
    .await;
    world.until_observed("bot", 2).await;
    assert_eq!(world.calls("bot"), ["activate"]);
    world.hub.set_clock_offset(0);
    world.until_reason("bot", "Inactive").await;
    assert_eq!(world.calls("bot"), ["activate", "deactivate"]);
}
