//! A model leaves the declared state, or never reaches it: what is corrected, how often, and when
//! the operator stops.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use hub::{Endpoint, Fault, Hub, Model};
use oxen_operator::api::OxenModel;
use serde_json::{Value, json};
use testkit::world::{World, message, progress, status};

const CORRECTIONS: &str = "oxen_operator_corrections_total";

fn active(model: &str) -> Value {
    json!({"model": model, "state": "active"})
}

/// Returns a condition for an object that is Stalled for this reason.
fn stalled(reason: &str) -> impl Fn(&OxenModel) -> bool {
    move |object| progress(object) == Some(("Stalled", reason))
}

#[tokio::test]
async fn drift_is_corrected_with_its_own_reason() {
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
        // The call was recorded before, so Ready is no older.
        world.until_called(name, 1).await;
        let object = world.until_reason(name, reason).await;
        assert_eq!(status(&object).operation, None);
        assert_eq!(world.calls(name), [call]);
        world.until_event(name, "CorrectingDrift").await;
        assert_eq!(world.events(name).await[..2], [reason, "CorrectingDrift"]);
    }
    assert_eq!(operator.metric(CORRECTIONS).await, 2.0);
}

#[tokio::test]
async fn drift_that_comes_back_is_corrected_three_times_and_then_reported() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    // The correction window is 15 minutes, which no busy machine exceeds.
    let operator = world.operator_with(&[("OXEN_TIME_SCALE", "4")]);
    world.create("bot", active("bot")).await;
    world.until_reason("bot", "Active").await;
    // Waits for the correction; `calls` is the number of all calls so far.
    let corrected = async |calls: usize| {
        world.until_called("bot", calls).await;
        world.until_reason("bot", "Active").await;
    };
    let contended = async |calls: usize| {
        world.hub.set_status("bot", "inactive").unwrap();
        let contended = stalled("DriftContention");
        world.until("bot", "contended", contended).await;
        // The API server logs a write after the operator has its answer.
        world.until_observed("bot", 1).await;
        let writes = world.writes("status");
        world.until_observed("bot", 3).await;
        assert_eq!(world.calls("bot").len(), calls);
        assert_eq!(world.writes("status"), writes);
    };
    for calls in 1..=3 {
        world.hub.set_status("bot", "inactive").unwrap();
        corrected(calls).await;
    }
    contended(3).await;
    assert_eq!(operator.metric(CORRECTIONS).await, 3.0);

    world.request_reconcile("bot", "1").await;
    corrected(4).await;
    for calls in 5..=6 {
        world.hub.set_status("bot", "inactive").unwrap();
        corrected(calls).await;
    }
    contended(6).await;

    // A new generation has all its attempts again.
    world.edit("bot", json!({"progressDeadline": "10m"})).await;
    corrected(7).await;
}

#[tokio::test]
async fn a_failed_deployment_is_retried_until_the_attempts_are_exhausted() {
    let world = World::new(
        Hub::builder()
            .model(Model::custom("failed").status("error").never_deploys())
            .model(Model::custom("fails").never_deploys())
            .model(Model::custom("recovers").fails_to_deploy(1)),
    )
    .await;
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "30")]);
    for name in ["failed", "fails", "recovers"] {
        world.create(name, active(name)).await;
    }
    world.until_reason("recovers", "Active").await;
    assert_eq!(world.calls("recovers"), ["activate"; 2]);
    // Two of the delays of 2, 10 and 30 seconds lie between the three calls.
    for (name, delays) in [("failed", [10, 30]), ("fails", [2, 10])] {
        let object = world
            .until(name, "Stalled", stalled("DeploymentFailed"))
            .await;
        assert!(
            message(&object).contains("oxen.ai/reconcile-requested-at"),
            "{}",
            message(&object)
        );
        world.until_observed(name, 3).await;
        assert_eq!(world.calls(name), ["activate"; 3], "{name}");
        let posts: Vec<Duration> = world
            .hub
            .journal()
            .posts_for(name)
            .iter()
            .map(|post| post.at)
            .collect();
        for (pair, delay) in posts.windows(2).zip(delays) {
            // The status has whole seconds.
            let least = Duration::from_secs(delay - 1);
            assert!(pair[1] - pair[0] >= least, "{posts:?}");
        }
        world.until_event(name, "DeploymentError").await;
    }

    for name in ["failed", "fails"] {
        world
            .hub
            .change(name, |model| model.fails_to_deploy(0))
            .unwrap();
    }
    world.request_reconcile("failed", "1").await;
    world.until_reason("failed", "Active").await;
    world.edit("fails", json!({"state": "inactive"})).await;
    world.until_reason("fails", "Inactive").await;
    assert_eq!(world.calls("fails")[3..], ["deactivate"]);
}

#[tokio::test]
async fn a_transition_past_its_deadline_is_reported_and_still_polled() {
    let slow = Duration::from_secs(3600);
    let world = World::new(Hub::builder().model(Model::custom("bot").activate_delay(slow))).await;
    let _operator = world.operator();
    let spec = json!({"model": "bot", "state": "active", "progressDeadline": "1s"});
    world.create("bot", spec).await;
    let object = world.until_reason("bot", "ProgressDeadlineExceeded").await;
    assert_eq!(
        progress(&object),
        Some(("Stalled", "ProgressDeadlineExceeded"))
    );
    world.until_observed("bot", 3).await;
    assert_eq!(world.calls("bot"), ["activate"]);

    world.hub.set_status("bot", "active").unwrap();
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn an_endless_deployment_gets_one_deactivate_past_its_deadline() {
    let world = World::new(
        Hub::builder()
            .model(Model::custom("reacts").status("deploying"))
            .model(Model::custom("ignores").status("deploying")),
    )
    .await;
    // The hub accepts the call, and the model continues to deploy.
    let accepted = json!({"id": "ignores", "object": "model", "created": 1, "owned_by": "acme"});
    world.hub.inject(
        Fault::answering(200, accepted)
            .on(Endpoint::Deactivate)
            .on_model("ignores"),
    );
    let _operator = world.operator();
    for name in ["reacts", "ignores"] {
        let spec = json!({"model": name, "state": "inactive", "progressDeadline": "6s"});
        world.create(name, spec).await;
        let object = world.until_reason(name, "WaitingForDeployment").await;
        assert_eq!(
            progress(&object),
            Some(("Reconciling", "WaitingForDeployment"))
        );
        assert_eq!(world.calls(name), [""; 0]);
    }
    world.until_reason("reacts", "Inactive").await;
    assert_eq!(world.calls("reacts"), ["deactivate"]);

    // Past the deadline again, the operation has been closed without an effect.
    world
        .until("ignores", "Stalled after its call", |object| {
            stalled("ProgressDeadlineExceeded")(object) && !world.calls("ignores").is_empty()
        })
        .await;
    world.until_observed("ignores", 8).await;
    assert_eq!(world.calls("ignores"), ["deactivate"]);
}

#[tokio::test]
async fn a_status_that_changes_all_the_time_does_not_hide_that_nothing_is_reached() {
    let observations = AtomicUsize::new(0);
    let model = Model::custom("bot")
        .status("deploying")
        .rewrite(move |object| {
            let words = ["deploying", "paused"];
            let word = words[observations.fetch_add(1, Ordering::Relaxed) % 2];
            object["deployments"] = json!([{ "status": word }]);
        });
    let world = World::new(Hub::builder().model(model)).await;
    let _operator = world.operator();
    let spec = json!({"model": "bot", "state": "active", "progressDeadline": "3s"});
    world.create("bot", spec).await;
    let exceeded = stalled("ProgressDeadlineExceeded");
    world.until("bot", "past its deadline", exceeded).await;
    assert_eq!(world.calls("bot"), [""; 0]);
}
