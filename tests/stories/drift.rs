//! The hub leaves the declared state, or never gets there: what is corrected, how often, and where it ends.

use std::time::Duration;

use hub::{Endpoint, Fault, Hub, Model};
use oxen_operator::api::OxenModel;
use serde_json::{Value, json};

use crate::world::{DEADLINE, World, marker, message, status};

const CORRECTIONS: &str = "oxen_operator_corrections_total";

fn active(model: &str) -> Value {
    json!({"model": model, "state": "active"})
}

fn stalled(reason: &str) -> impl Fn(&OxenModel) -> bool {
    move |object| marker(object) == Some(("Stalled", reason))
}

/// Waits until that many calls went out; each was recorded before, so that `Ready` is no older.
async fn called(world: &World, model: &str, calls: usize) {
    let went_out = |journal: &hub::Journal| journal.posts_for(model).len() == calls;
    world.hub.wait_for(DEADLINE, went_out).await.unwrap();
}

#[tokio::test]
async fn drift_is_corrected_with_a_reason_of_its_own() {
    let world = World::new(
        Hub::builder()
            .model(Model::custom("on").status("active"))
            .model(Model::custom("off").status("inactive")),
    )
    .await;
    let operator = world.operator();
    world.create("on", active("on")).await;
    world
        .create("off", json!({"model": "off", "state": "inactive"}))
        .await;
    world.until_reason("on", "Active").await;
    world.until_reason("off", "Inactive").await;
    assert_eq!(operator.metric(CORRECTIONS).await, 0.0);

    for (name, drifted, call, reason) in [
        ("on", "inactive", "activate", "Active"),
        ("off", "active", "deactivate", "Inactive"),
    ] {
        world.hub.set_status(name, drifted).unwrap();
        called(&world, name, 1).await;
        let object = world.until_reason(name, reason).await;
        assert_eq!(status(&object).operation, None);
        assert_eq!(world.calls(name), [call]);
        assert_eq!(world.events(name).await[..2], [reason, "CorrectingDrift"]);
    }
    assert_eq!(operator.metric(CORRECTIONS).await, 2.0);
}

#[tokio::test]
async fn drift_that_keeps_coming_back_is_corrected_three_times_and_then_left_alone() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    let operator = world.operator();
    world.create("bot", active("bot")).await;
    world.until_reason("bot", "Active").await;
    // What is called for, and settles again; the number counts all calls so far.
    let corrected = async |calls: usize| {
        called(&world, "bot", calls).await;
        world.until_reason("bot", "Active").await;
    };
    let contended = async |calls: usize| {
        world.hub.set_status("bot", "inactive").unwrap();
        let given_up = stalled("DriftContention");
        world.until("bot", "given up", given_up).await;
        // The API server's log has a write once its pass goes on.
        world.until_looked("bot", 1).await;
        let writes = world.writes("status");
        world.until_looked("bot", 3).await;
        assert_eq!(world.calls("bot").len(), calls);
        assert_eq!(world.writes("status"), writes);
    };
    for calls in 1..=3 {
        world.hub.set_status("bot", "inactive").unwrap();
        corrected(calls).await;
    }
    contended(3).await;
    assert_eq!(operator.metric(CORRECTIONS).await, 3.0);

    world.request("bot", "1").await;
    corrected(4).await;
    for calls in 5..=6 {
        world.hub.set_status("bot", "inactive").unwrap();
        corrected(calls).await;
    }
    contended(6).await;

    // A new generation is a new matter.
    world.edit("bot", json!({"progressDeadline": "10m"})).await;
    corrected(7).await;
}

#[tokio::test]
async fn a_deployment_that_fails_is_tried_again_a_few_times_and_then_needs_a_person() {
    let world = World::new(
        Hub::builder()
            .model(Model::custom("failed").status("error").never_deploys())
            .model(Model::custom("fails").never_deploys())
            .model(Model::custom("mends").fails_to_deploy(1)),
    )
    .await;
    let _operator = world.operator_with(&[("OXEN_FAILURE_DELAYS", "2s,2s,2s")]);
    for name in ["failed", "fails", "mends"] {
        world.create(name, active(name)).await;
    }
    world.until_reason("mends", "Active").await;
    assert_eq!(world.calls("mends"), ["activate"; 2]);
    for name in ["failed", "fails"] {
        let object = world
            .until(name, "given up", stalled("DeploymentFailed"))
            .await;
        assert!(
            message(&object).contains("oxen.ai/reconcile-requested-at"),
            "{}",
            message(&object)
        );
        world.until_looked(name, 3).await;
        assert_eq!(world.calls(name), ["activate"; 3], "{name}");
        // Further apart than the looks; the status keeps whole seconds.
        let posts: Vec<Duration> = world
            .hub
            .journal()
            .posts_for(name)
            .iter()
            .map(|post| post.at)
            .collect();
        for pair in posts.windows(2) {
            assert!(pair[1] - pair[0] >= Duration::from_secs(1), "{posts:?}");
        }
        assert!(
            world
                .events(name)
                .await
                .contains(&"DeploymentError".to_owned())
        );
    }

    for name in ["failed", "fails"] {
        world
            .hub
            .change(name, |model| model.fails_to_deploy(0))
            .unwrap();
    }
    world.request("failed", "1").await;
    world.until_reason("failed", "Active").await;
    world.edit("fails", json!({"state": "inactive"})).await;
    world.until_reason("fails", "Inactive").await;
    assert_eq!(world.calls("fails")[3..], ["deactivate"]);
}

#[tokio::test]
async fn a_transition_past_its_deadline_is_said_and_still_watched() {
    let slow = Duration::from_secs(3600);
    let world = World::new(Hub::builder().model(Model::custom("bot").activate_delay(slow))).await;
    let _operator = world.operator();
    let spec = json!({"model": "bot", "state": "active", "progressDeadline": "1s"});
    world.create("bot", spec).await;
    let object = world.until_reason("bot", "ProgressDeadlineExceeded").await;
    assert_eq!(
        marker(&object),
        Some(("Stalled", "ProgressDeadlineExceeded"))
    );
    world.until_looked("bot", 3).await;
    assert_eq!(world.calls("bot"), ["activate"]);

    world.hub.set_status("bot", "active").unwrap();
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_deployment_that_never_ends_and_is_not_wanted_gets_one_deactivate_past_its_deadline() {
    let world = World::new(
        Hub::builder()
            .model(Model::custom("heeds").status("deploying"))
            .model(Model::custom("deaf").status("deploying")),
    )
    .await;
    // It takes the call, and goes on deploying.
    let taken = json!({"id": "deaf", "object": "model", "created": 1, "owned_by": "acme"});
    world.hub.inject(
        Fault::answering(200, taken)
            .on(Endpoint::Deactivate)
            .on_model("deaf"),
    );
    let _operator = world.operator();
    for name in ["heeds", "deaf"] {
        let spec = json!({"model": name, "state": "inactive", "progressDeadline": "2s"});
        world.create(name, spec).await;
        let object = world.until_reason(name, "WaitingForDeployment").await;
        assert_eq!(
            marker(&object),
            Some(("Reconciling", "WaitingForDeployment"))
        );
        assert_eq!(world.calls(name), [""; 0]);
    }
    world.until_reason("heeds", "Inactive").await;
    assert_eq!(world.calls("heeds"), ["deactivate"]);

    world
        .until("deaf", "given up", |object| {
            stalled("ProgressDeadlineExceeded")(object) && !world.calls("deaf").is_empty()
        })
        .await;
    // The patience is over by then.
    world.until_looked("deaf", 8).await;
    assert_eq!(world.calls("deaf"), ["deactivate"]);
}
