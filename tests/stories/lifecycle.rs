//! The process itself: its start, its probes, its end, and an API server that comes and goes.

use std::time::Duration;

use cluster::{Cluster, Signal};
use hub::{Endpoint, Fault, Hub, Model};
use serde_json::json;

use crate::world::{DEADLINE, World, eventually, has_finalizer, install_crd, status, with_crd};

#[tokio::test]
async fn a_crd_that_is_missing_is_waited_for_and_said() {
    let cluster = Cluster::start().await.unwrap();
    let world = World::on(&cluster, Hub::builder().model(Model::custom("bot"))).await;
    let operator = world.operator();
    operator.says("is not installed; waiting for it").await;
    let readyz = format!("{}/readyz", operator.url().await);
    let answer = reqwest::get(&readyz).await.unwrap();
    assert_eq!(answer.status(), 503);
    // Nothing has begun, so nothing has to end.
    let mut other = world.operator();
    other.says("is not installed; waiting for it").await;
    other.signal(Signal::TERM);
    assert_eq!(other.ended().await, Some(0));
    let log = other.log();
    assert!(!log.contains("did not end in time"), "{log}");

    install_crd(&cluster).await;
    operator.ready().await;
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_reason("bot", "Active").await;
}

#[tokio::test]
async fn probes_and_metrics_are_on_one_port() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let operator = world.operator();
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_reason("bot", "Active").await;
    operator.ready().await;
    let url = operator.url().await;
    let healthz = reqwest::get(format!("{url}/healthz")).await.unwrap();
    assert_eq!(healthz.status(), 200);
    let metrics = reqwest::get(format!("{url}/metrics")).await.unwrap();
    let text = metrics.text().await.unwrap();
    for line in [
        "oxen_operator_calls_total{direction=\"activate\",answer=\"accepted\"} 1",
        "oxen_operator_hub_requests_total{endpoint=\"activate\",outcome=\"200\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_sigterm_lets_what_is_in_flight_end_and_starts_nothing_new() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let slow = Fault::latency(Duration::from_secs(1)).on(Endpoint::Activate);
    world.hub.inject(slow);
    let mut operator = world.operator();
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    let called = |journal: &hub::Journal| journal.posts_for("bot").len() == 1;
    world.hub.wait_for(DEADLINE, called).await.unwrap();
    operator.signal(Signal::TERM);
    world
        .create("late", json!({"model": "late", "state": "active"}))
        .await;
    assert_eq!(operator.ended().await, Some(0), "{}", operator.log());

    // The call's outcome was still recorded.
    let recorded = status(&world.get("bot").await).operation.unwrap();
    assert_eq!(recorded.accepted, Some(true));
    assert_eq!(
        world.get("late").await.status.unwrap().observed_generation,
        -1
    );
}

#[tokio::test]
async fn a_sigterm_does_not_wait_for_a_hub_that_never_answers() {
    let world = World::new(Hub::builder().model(Model::custom("bot"))).await;
    world.hub.inject(Fault::hang());
    let settings = [("OXEN_DRAIN", "500ms"), ("OXEN_REQUEST_TIMEOUT", "60s")];
    let mut operator = world.operator_with(&settings);
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    let asked = |journal: &hub::Journal| !journal.entries.is_empty();
    world.hub.wait_for(DEADLINE, asked).await.unwrap();
    operator.signal(Signal::TERM);
    assert_eq!(operator.ended().await, Some(0), "{}", operator.log());
}

#[tokio::test]
async fn an_api_server_that_goes_and_comes_back_is_taken_up_again() {
    let cluster = with_crd().await;
    let hub = Hub::builder().model(Model::custom("bot").status("active"));
    let world = World::on(&cluster, hub).await;
    let operator = world.operator();
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_reason("bot", "Active").await;

    cluster.stop_apiserver().await.unwrap();
    world.hub.set_status("bot", "inactive").unwrap();
    operator
        .says("a request to the Kubernetes API failed")
        .await;
    assert_eq!(
        world.calls("bot"),
        [""; 0],
        "a call went out that wasn't recorded"
    );

    cluster.start_apiserver().await.unwrap();
    eventually("the drift is corrected", || async {
        (world.calls("bot") == ["activate"]).then_some(())
    })
    .await;
    world.until_reason("bot", "Active").await;
}

#[tokio::test]
async fn when_the_definition_is_deleted_its_objects_go_and_the_models_stay_as_they_are() {
    let cluster = with_crd().await;
    let hub = Hub::builder().model(Model::custom("bot").status("active"));
    let world = World::on(&cluster, hub).await;
    let _operator = world.operator();
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_reason("bot", "Active").await;
    world.until("bot", "held", has_finalizer).await;

    let crd = "crd/oxenmodels.oxen.ai";
    let deleted = cluster.kubectl(&["delete", crd, "--wait=false"]).await;
    deleted.unwrap().ok().unwrap();
    eventually("the definition is gone", || async {
        let answer = cluster.kubectl(&["get", crd]).await.unwrap();
        answer.stderr.contains("NotFound").then_some(())
    })
    .await;
    assert_eq!(world.calls("bot"), [""; 0]);
    assert_eq!(world.hub.live("bot").unwrap(), ["active"]);
}
