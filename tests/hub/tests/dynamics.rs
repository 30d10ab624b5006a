//! Deployment statuses over time, the cached status, and its refresh by a live retrieve.
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
use hub::{Hub, Model};
use reqwest::StatusCode;

/// A hub with delays of a minute, which the tests skip with [`jump`].
async fn slow_hub(model: Model) -> Hub {
    let minute = Duration::from_secs(60);
    Hub::builder()
        .model(model)
        .activate_delay(minute)
        .deactivate_delay(minute)
        .start()
        .await
        .unwrap()
}

async fn get_status(hub: &Hub, path: &str) -> String {
    statuses(&get(hub, path).await.1).join(",")
}

async fn post_status(hub: &Hub, path: &str) -> String {
    let (status, object) = post(hub, path).await;
    assert_eq!(status, StatusCode::OK);
    statuses(&object).join(",")
}

#[tokio::test]
async fn only_live_retrieve_shows_the_end_of_a_transition() {
    let hub = slow_hub(Model::custom("bot")).await;
    assert_eq!(post_status(&hub, &activate("bot")).await, "deploying");
    assert_eq!(get_status(&hub, &retrieve("bot")).await, "deploying");
    jump(30).await;
    assert_eq!(get_status(&hub, &live("bot")).await, "deploying");
    jump(30).await;
    assert_eq!(
        get_status(&hub, &retrieve("bot")).await,
        "deploying",
        "the cache has not been refreshed"
    );
    assert_eq!(get_status(&hub, &live("bot")).await, "active");
    assert_eq!(get_status(&hub, &retrieve("bot")).await, "active");

    assert_eq!(post_status(&hub, &deactivate("bot")).await, "deactivating");
    jump(60).await;
    assert_eq!(
        get_status(&hub, "/api/ai/models/bot?deployment_status=dead").await,
        "deactivating"
    );
    assert_eq!(get_status(&hub, &live("bot")).await, "inactive");
}

#[tokio::test]
async fn list_and_search_show_the_cached_status() {
    let hub = slow_hub(Model::custom("bot")).await;
    hub.set_status("bot", "active").unwrap();
    for path in ["/api/ai/models", "/api/ai/models/search?search=bot"] {
        assert_eq!(statuses(&get(&hub, path).await.1["data"][0]), ["inactive"]);
    }
    assert_eq!(get_status(&hub, &live("bot")).await, "active");
    assert_eq!(
        statuses(&get(&hub, "/api/ai/models").await.1["data"][0]),
        ["active"]
    );
}

#[tokio::test]
async fn transition_ends_in_real_time() {
    let model = Model::custom("bot").activate_delay(ms(50));
    let hub = slow_hub(model).await;
    post_status(&hub, &activate("bot")).await;
    tokio::time::sleep(ms(60)).await;
    assert_eq!(get_status(&hub, &live("bot")).await, "active");
}

#[tokio::test]
async fn repeated_post_does_not_restart_the_transition() {
    let hub = slow_hub(Model::custom("bot")).await;
    post_status(&hub, &activate("bot")).await;
    jump(40).await;
    assert_eq!(post_status(&hub, &activate("bot")).await, "deploying");
    jump(20).await;
    assert_eq!(post_status(&hub, &activate("bot")).await, "active");
    let effects: Vec<bool> = hub
        .journal()
        .posts_for("bot")
        .iter()
        .map(|entry| entry.effect)
        .collect();
    assert_eq!(effects, [true, false, false]);
}

#[tokio::test]
async fn last_post_wins_over_an_open_transition() {
    let hub = slow_hub(Model::custom("bot")).await;
    post_status(&hub, &activate("bot")).await;
    jump(30).await;
    assert_eq!(post_status(&hub, &deactivate("bot")).await, "deactivating");
    jump(30).await;
    assert_eq!(hub.live("bot").unwrap(), ["deactivating"]);
    jump(30).await;
    assert_eq!(hub.live("bot").unwrap(), ["inactive"]);
}

#[tokio::test]
async fn late_effect_is_visible_after_its_delay() {
    let hub = slow_hub(Model::custom("bot").late_effect(Duration::from_secs(10))).await;
    assert_eq!(post_status(&hub, &activate("bot")).await, "deploying");
    assert_eq!(get_status(&hub, &live("bot")).await, "inactive");
    jump(5).await;
    assert_eq!(
        post_status(&hub, &activate("bot")).await,
        "deploying",
        "the second POST doesn't postpone the effect"
    );
    jump(5).await;
    assert_eq!(get_status(&hub, &live("bot")).await, "deploying");
    jump(60).await;
    assert_eq!(get_status(&hub, &live("bot")).await, "active");
}

#[tokio::test]
async fn deployment_fails_a_number_of_times_or_always() {
    let hub = slow_hub(Model::custom("bot").fails_to_deploy(1)).await;
    for end in ["error", "active"] {
        assert_eq!(post_status(&hub, &activate("bot")).await, "deploying");
        jump(60).await;
        assert_eq!(get_status(&hub, &live("bot")).await, end);
    }
    hub.change("bot", |model| model.never_deploys().status("inactive"))
        .unwrap();
    for _ in 0..3 {
        post_status(&hub, &activate("bot")).await;
        jump(60).await;
        assert_eq!(get_status(&hub, &live("bot")).await, "error");
    }
    post_status(&hub, &deactivate("bot")).await;
    jump(60).await;
    assert_eq!(get_status(&hub, &live("bot")).await, "inactive");
}

#[tokio::test]
async fn drift_changes_the_live_status_but_not_the_cache() {
    let hub = slow_hub(
        Model::custom("bot")
            .status("active")
            .drifts_to("inactive", Duration::from_secs(30)),
    )
    .await;
    assert_eq!(get_status(&hub, &live("bot")).await, "active");
    jump(30).await;
    assert_eq!(get_status(&hub, &retrieve("bot")).await, "active");
    assert_eq!(get_status(&hub, &live("bot")).await, "inactive");
    hub.set_status("bot", "hibernating").unwrap();
    assert_eq!(get_status(&hub, &live("bot")).await, "hibernating");
}

#[tokio::test]
async fn post_changes_only_deployments_in_other_states() {
    let hub = slow_hub(Model::custom("bot").deployments(["active", "inactive", "error"])).await;
    assert_eq!(
        post_status(&hub, &activate("bot")).await,
        "active,deploying,deploying"
    );
    jump(60).await;
    assert_eq!(get_status(&hub, &live("bot")).await, "active,active,active");
}
