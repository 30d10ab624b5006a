//! The idle time-out, and the requests for inference that keep a model active or start it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod common;

use std::time::Duration;

use common::*;
use hub::{Endpoint, Hub, Model};
use reqwest::{Method, StatusCode};
use serde_json::json;

const TIMEOUT: Duration = Duration::from_secs(900);

/// A hub with a time-out of 15 minutes and an activate delay of a minute.
async fn idle_hub(model: Model) -> Hub {
    Hub::builder()
        .model(model)
        .activate_delay(Duration::from_secs(60))
        .idle_timeout(TIMEOUT)
        .start()
        .await
        .unwrap()
}

fn active() -> Model {
    Model::custom("bot").status("active")
}

async fn live_status(hub: &Hub) -> String {
    statuses(&get(hub, &live("bot")).await.1).join(",")
}

#[tokio::test]
async fn active_model_without_requests_becomes_inactive() {
    let hub = idle_hub(active()).await;
    jump(600).await;
    assert_eq!(live_status(&hub).await, "active");
    jump(300).await;
    assert_eq!(
        statuses(&get(&hub, &retrieve("bot")).await.1),
        ["active"],
        "the cache has not been refreshed"
    );
    assert_eq!(live_status(&hub).await, "inactive");
    assert_eq!(statuses(&get(&hub, &retrieve("bot")).await.1), ["inactive"]);
    assert!(hub.journal().entries.iter().all(|entry| !entry.effect));
}

#[tokio::test]
async fn model_stays_active_without_a_timeout() {
    let hub = Hub::builder().model(active()).start().await.unwrap();
    jump(100_000).await;
    assert_eq!(hub.live("bot").unwrap(), ["active"]);
}

#[tokio::test]
async fn timeout_counts_from_the_end_of_the_activation() {
    let hub = idle_hub(Model::custom("bot")).await;
    jump(1000).await;
    post(&hub, &activate("bot")).await;
    jump(60).await;
    assert_eq!(live_status(&hub).await, "active");
    jump(600).await;
    assert_eq!(post(&hub, &activate("bot")).await.0, StatusCode::OK);
    assert_eq!(live_status(&hub).await, "active");
    jump(300).await;
    assert_eq!(
        live_status(&hub).await,
        "inactive",
        "a POST that changes nothing is no request for inference"
    );
    assert_eq!(
        statuses(&post(&hub, &activate("bot")).await.1),
        ["deploying"]
    );
    jump(60).await;
    assert_eq!(live_status(&hub).await, "active");
}

#[tokio::test]
async fn only_active_deployments_time_out() {
    let model = Model::custom("bot").deployments(["active", "inactive", "error", "paused"]);
    let hub = idle_hub(model).await;
    jump(900).await;
    assert_eq!(live_status(&hub).await, "inactive,inactive,error,paused");
}

#[tokio::test]
async fn touch_keeps_an_active_model_active() {
    let hub = idle_hub(active()).await;
    for _ in 0..3 {
        jump(800).await;
        hub.touch("bot").unwrap();
        assert_eq!(hub.live("bot").unwrap(), ["active"]);
    }
    jump(600).await;
    assert_eq!(live_status(&hub).await, "active");
    jump(300).await;
    hub.touch("bot").unwrap();
    assert_eq!(
        hub.live("bot").unwrap(),
        ["deploying"],
        "the touch came too late"
    );
    hub.touch("typo").unwrap_err();
}

#[tokio::test]
async fn request_keeps_an_active_model_active() {
    let hub = idle_hub(active()).await;
    let body = json!({ "model": "oxen:bot", "messages": [] });
    jump(600).await;
    let (status, completion) = complete(&hub, &body).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(completion["object"], "chat.completion");
    assert_eq!(completion["model"], "oxen:bot");
    assert_eq!(completion["choices"][0]["message"]["role"], "assistant");
    jump(600).await;
    assert_eq!(live_status(&hub).await, "active");
    jump(300).await;
    assert_eq!(live_status(&hub).await, "inactive");
}

#[tokio::test]
async fn request_starts_an_idle_model() {
    let hub = idle_hub(active()).await;
    let body = json!({ "model": "bot", "messages": [] });
    let starting = error("unknown_error", "Unknown error", "Model is starting: bot");
    jump(900).await;
    for _ in 0..2 {
        let response = complete(&hub, &body).await;
        assert_eq!(
            response,
            (StatusCode::SERVICE_UNAVAILABLE, starting.clone())
        );
        assert_eq!(live_status(&hub).await, "deploying");
        jump(30).await;
    }
    assert_eq!(complete(&hub, &body).await.0, StatusCode::OK);
    jump(900).await;
    assert_eq!(live_status(&hub).await, "inactive", "it times out again");
}

#[tokio::test]
async fn start_by_a_request_can_fail() {
    let hub = idle_hub(active().fails_to_deploy(1)).await;
    jump(900).await;
    hub.touch("bot").unwrap();
    jump(60).await;
    assert_eq!(hub.live("bot").unwrap(), ["error"]);
    post(&hub, &activate("bot")).await;
    jump(60).await;
    assert_eq!(hub.live("bot").unwrap(), ["active"]);
}

#[tokio::test]
async fn request_does_not_start_a_model_that_is_off_for_another_reason() {
    let hub = idle_hub(active()).await;
    let body = json!({ "model": "bot", "messages": [] });
    let expected = invalid_params(422, "Model is not active: bot");
    post(&hub, &deactivate("bot")).await;
    jump(1).await;
    assert_eq!(complete(&hub, &body).await, expected);
    assert_eq!(live_status(&hub).await, "inactive");

    hub.set_status("bot", "active").unwrap();
    jump(900).await;
    assert_eq!(live_status(&hub).await, "inactive");
    hub.set_status("bot", "inactive").unwrap();
    assert_eq!(complete(&hub, &body).await, expected);
    hub.change("bot", Model::nothing_deployed).unwrap();
    assert_eq!(complete(&hub, &body).await, expected);
}

#[tokio::test]
async fn model_can_have_its_own_timeout() {
    let hub = idle_hub(active().idle_timeout(Duration::from_secs(30))).await;
    hub.add_model(Model::custom("other").status("active"));
    jump(30).await;
    assert_eq!(hub.live("bot").unwrap(), ["inactive"]);
    assert_eq!(hub.live("other").unwrap(), ["active"]);
}

#[tokio::test]
async fn timeout_can_change_at_run_time() {
    let hub = Hub::builder().model(active()).start().await.unwrap();
    jump(1000).await;
    hub.set_idle_timeout(Some(Duration::from_secs(1010)));
    assert_eq!(hub.live("bot").unwrap(), ["active"]);
    jump(10).await;
    hub.set_idle_timeout(None);
    assert_eq!(
        hub.live("bot").unwrap(),
        ["inactive"],
        "the model had timed out before the change"
    );
    hub.set_idle_timeout(Some(Duration::MAX));
    hub.set_status("bot", "active").unwrap();
    jump(100_000).await;
    assert_eq!(hub.live("bot").unwrap(), ["active"]);
}

#[tokio::test]
async fn drift_and_timeout_follow_each_other() {
    let minute = Duration::from_secs(60);
    let model = Model::custom("bot").drifts_to("active", minute);
    let hub = idle_hub(model).await;
    jump(660).await;
    assert_eq!(hub.live("bot").unwrap(), ["active"]);
    jump(300).await;
    assert_eq!(hub.live("bot").unwrap(), ["inactive"]);
    hub.touch("bot").unwrap();
    assert_eq!(hub.live("bot").unwrap(), ["deploying"]);
}

#[tokio::test]
async fn request_before_the_activation_does_not_shorten_the_timeout() {
    let hub = idle_hub(Model::custom("bot")).await;
    hub.touch("bot").unwrap();
    jump(500).await;
    post(&hub, &activate("bot")).await;
    jump(60 + 600).await;
    assert_eq!(live_status(&hub).await, "active");
    jump(300).await;
    assert_eq!(live_status(&hub).await, "inactive");
}

#[tokio::test]
async fn timeout_continues_until_a_late_effect() {
    let later = Duration::from_secs(100);
    let model = Model::custom("bot").drifts_to("active", later);
    let hub = idle_hub(model.late_effect(Duration::from_secs(10_000))).await;
    jump(500).await;
    post(&hub, &deactivate("bot")).await;
    jump(200).await;
    assert_eq!(live_status(&hub).await, "active");
    jump(300).await;
    assert_eq!(live_status(&hub).await, "inactive");
}

#[tokio::test]
async fn request_for_inference_needs_a_key_and_a_model() {
    let hub = idle_hub(active()).await;
    hub.add_model(Model::base("flux-2-dev"));
    let path = "/api/ai/chat/completions";
    let without_key = send_without_key(&hub, Method::POST, path).await;
    assert_eq!(without_key, unauthenticated());
    hub.set_invalid_key_is_none(true);
    assert_eq!(post_as(&hub, "wrong", path).await, unauthenticated());
    let missing = invalid_params(400, "Missing required parameter: model");
    assert_eq!(post(&hub, path).await, missing);
    assert_eq!(complete(&hub, &json!({ "model": 7 })).await, missing);
    let typo = complete(&hub, &json!({ "model": "typo" })).await;
    assert_eq!(typo, not_found("typo"));
    let base = complete(&hub, &json!({ "model": "flux-2-dev" })).await;
    assert_eq!(base.0, StatusCode::OK);
    assert_eq!(get(&hub, path).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn request_for_inference_is_in_the_journal_but_not_among_the_posts() {
    let hub = idle_hub(active()).await;
    jump(900).await;
    complete(&hub, &json!({ "model": "bot", "messages": [] })).await;
    post(&hub, &activate("bot")).await;
    let journal = hub.journal();
    let [request, call] = journal.entries.as_slice() else {
        panic!("{journal:?}")
    };
    assert_eq!(request.endpoint, Endpoint::Completions);
    assert_eq!(request.inference.as_deref(), Some("bot"));
    assert_eq!(request.model, None);
    assert!(request.effect, "it started a transition");
    assert!(!request.is_post() && call.is_post());
    assert_eq!(journal.posts().len(), 1);
    assert_eq!(journal.posts_for("bot").len(), 1);
}
