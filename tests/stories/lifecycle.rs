//! The process: its start, its probes, its shutdown, and an API server that stops and starts again.

use std::time::Duration;

use cluster::{Cluster, Signal};
use hub::{Endpoint, Fault, Hub, Model};
use serde_json::json;
use testkit::world::{DEADLINE, World, eventually, install_crd, status, with_crd};

#[tokio::test]
async fn a_missing_crd_is_waited_for_and_reported() {
    let cluster = Cluster::start().await.unwrap();
    let world = World::on(&cluster, Hub::builder().model(Model::custom("bot"))).await;
    let operator = world.operator();
    operator
        .until_logged("oxenmodels.oxen.ai is not installed")
        .await;
    let readyz = format!("{}/readyz", operator.url().await);
    let answer = reqwest::get(&readyz).await.unwrap();
    assert_eq!(answer.status(), 503);
    // No work has begun, so the shutdown waits for nothing.
    let mut other = world.operator();
    other
        .until_logged("oxenmodels.oxen.ai is not installed")
        .await;
    other.signal(Signal::TERM);
    assert_eq!(other.exit_code().await, Some(0));
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
        "oxen_operator_calls_total{kind=\"activate\",answer=\"accepted\"} 1",
        "oxen_operator_hub_requests_total{endpoint=\"activate\",outcome=\"200\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn two_threads_work_unless_another_number_is_set() {
    let world = World::new(Hub::builder().model(Model::custom("bot"))).await;
    for (settings, threads) in [(&[][..], 2), (&[("TOKIO_WORKER_THREADS", "5")], 5)] {
        let operator = world.operator_with(settings);
        operator.ready().await;
        eventually("the threads are as many as set", || async {
            (operator.tokio_threads() == threads).then_some(())
        })
        .await;
    }
    let mut operator = world.operator_with(&[("TOKIO_WORKER_THREADS", "many")]);
    assert_eq!(operator.exit_code().await, Some(1));
    operator
        .until_logged("TOKIO_WORKER_THREADS must be a whole number from 1, and is \"many\"")
        .await;
}

#[tokio::test]
async fn after_a_sigterm_the_work_in_flight_ends_and_no_new_work_begins() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let slow = Fault::latency(Duration::from_secs(1)).on(Endpoint::Activate);
    world.hub.inject(slow);
    // The work in flight has 15 seconds to end.
    let mut operator = world.operator_with(&[("OXEN_TIME_SCALE", "1")]);
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_called("bot", 1).await;
    operator.signal(Signal::TERM);
    operator.until_logged("no new work begins").await;
    world
        .create("late", json!({"model": "late", "state": "active"}))
        .await;
    assert_eq!(operator.exit_code().await, Some(0), "{}", operator.log());

    // The call's outcome was recorded.
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
    // The request takes longer than the test waits, and the shutdown three seconds.
    let mut operator = world.operator_with(&[("OXEN_REQUEST_TIMEOUT", "10m")]);
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    let asked = |journal: &hub::Journal| !journal.entries.is_empty();
    world.hub.wait_for(DEADLINE, asked).await.unwrap();
    operator.signal(Signal::TERM);
    assert_eq!(operator.exit_code().await, Some(0), "{}", operator.log());
}

#[tokio::test]
async fn an_api_server_that_stops_and_starts_again_is_used_again() {
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
        .until_logged("a request to the Kubernetes API failed")
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
async fn deleting_the_crd_releases_the_objects_and_changes_no_model() {
    let cluster = with_crd().await;
    let hub = Hub::builder().model(Model::custom("bot").status("active"));
    let world = World::on(&cluster, hub).await;
    let _operator = world.operator();
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_reason("bot", "Active").await;
    world.until_finalizer("bot").await;

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
