//! How deployments move, what the cache shows of it, and what a live retrieve refreshes.
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

/// Delays of a minute, which only [`jump`] gets past.
async fn slow(model: Model) -> Hub {
    let minute = Duration::from_secs(60);
    Hub::builder()
        .model(model)
        .activate_delay(minute)
        .deactivate_delay(minute)
        .start()
        .await
        .unwrap()
}

async fn jump(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

async fn shown(hub: &Hub, path: &str) -> String {
    statuses(&get(hub, path).await.1).join(",")
}

async fn posted(hub: &Hub, path: &str) -> String {
    let (status, object) = post(hub, path).await;
    assert_eq!(status, StatusCode::OK);
    statuses(&object).join(",")
}

#[tokio::test]
async fn a_model_goes_up_and_down_and_only_live_retrieves_see_the_end_of_it() {
    let hub = slow(Model::custom("bot")).await;
    assert_eq!(posted(&hub, &activate("bot")).await, "deploying");
    assert_eq!(shown(&hub, &retrieve("bot")).await, "deploying");
    jump(30).await;
    assert_eq!(shown(&hub, &live("bot")).await, "deploying");
    jump(30).await;
    assert_eq!(
        shown(&hub, &retrieve("bot")).await,
        "deploying",
        "the cache has not been refreshed"
    );
    assert_eq!(shown(&hub, &live("bot")).await, "active");
    assert_eq!(shown(&hub, &retrieve("bot")).await, "active");

    assert_eq!(posted(&hub, &deactivate("bot")).await, "deactivating");
    jump(60).await;
    assert_eq!(
        shown(&hub, "/api/ai/models/bot?deployment_status=dead").await,
        "deactivating"
    );
    assert_eq!(shown(&hub, &live("bot")).await, "inactive");
}

#[tokio::test]
async fn lists_and_searches_show_the_cache() {
    let hub = slow(Model::custom("bot")).await;
    hub.set_status("bot", "active").unwrap();
    for path in ["/api/ai/models", "/api/ai/models/search?search=bot"] {
        assert_eq!(statuses(&get(&hub, path).await.1["data"][0]), ["inactive"]);
    }
    assert_eq!(shown(&hub, &live("bot")).await, "active");
    assert_eq!(
        statuses(&get(&hub, "/api/ai/models").await.1["data"][0]),
        ["active"]
    );
}

#[tokio::test]
async fn real_time_moves_a_model_as_well() {
    let model = Model::custom("bot").activate_delay(ms(50));
    let hub = slow(model).await;
    posted(&hub, &activate("bot")).await;
    tokio::time::sleep(ms(60)).await;
    assert_eq!(shown(&hub, &live("bot")).await, "active");
}

#[tokio::test]
async fn a_second_call_changes_nothing_and_does_not_start_anew() {
    let hub = slow(Model::custom("bot")).await;
    posted(&hub, &activate("bot")).await;
    jump(40).await;
    assert_eq!(posted(&hub, &activate("bot")).await, "deploying");
    jump(20).await;
    assert_eq!(posted(&hub, &activate("bot")).await, "active");
    let effects: Vec<bool> = hub
        .journal()
        .posts_for("bot")
        .iter()
        .map(|entry| entry.effect)
        .collect();
    assert_eq!(effects, [true, false, false]);
}

#[tokio::test]
async fn the_last_call_wins_over_a_transition() {
    let hub = slow(Model::custom("bot")).await;
    posted(&hub, &activate("bot")).await;
    jump(30).await;
    assert_eq!(posted(&hub, &deactivate("bot")).await, "deactivating");
    jump(30).await;
    assert_eq!(hub.live("bot").unwrap(), ["deactivating"]);
    jump(30).await;
    assert_eq!(hub.live("bot").unwrap(), ["inactive"]);
}

#[tokio::test]
async fn a_late_effect_is_answered_at_once_and_seen_later() {
    let hub = slow(Model::custom("bot").late_effect(Duration::from_secs(10))).await;
    assert_eq!(posted(&hub, &activate("bot")).await, "deploying");
    assert_eq!(shown(&hub, &live("bot")).await, "inactive");
    jump(5).await;
    assert_eq!(
        posted(&hub, &activate("bot")).await,
        "deploying",
        "the second call does not put it off"
    );
    jump(5).await;
    assert_eq!(shown(&hub, &live("bot")).await, "deploying");
    jump(60).await;
    assert_eq!(shown(&hub, &live("bot")).await, "active");
}

#[tokio::test]
async fn a_deploy_can_fail_so_many_times_or_always() {
    let hub = slow(Model::custom("bot").fails_to_deploy(1)).await;
    for end in ["error", "active"] {
        assert_eq!(posted(&hub, &activate("bot")).await, "deploying");
        jump(60).await;
        assert_eq!(shown(&hub, &live("bot")).await, end);
    }
    hub.change("bot", |model| model.never_deploys().status("inactive"))
        .unwrap();
    for _ in 0..3 {
        posted(&hub, &activate("bot")).await;
        jump(60).await;
        assert_eq!(shown(&hub, &live("bot")).await, "error");
    }
    posted(&hub, &deactivate("bot")).await;
    jump(60).await;
    assert_eq!(shown(&hub, &live("bot")).await, "inactive");
}

#[tokio::test]
async fn a_model_can_drift_now_or_later_behind_the_caches_back() {
    let hub = slow(
        Model::custom("bot")
            .status("active")
            .drifts_to("inactive", Duration::from_secs(30)),
    )
    .await;
    assert_eq!(shown(&hub, &live("bot")).await, "active");
    jump(30).await;
    assert_eq!(shown(&hub, &retrieve("bot")).await, "active");
    assert_eq!(shown(&hub, &live("bot")).await, "inactive");
    hub.set_status("bot", "hibernating").unwrap();
    assert_eq!(shown(&hub, &live("bot")).await, "hibernating");
}

#[tokio::test]
async fn a_call_moves_those_of_several_deployments_that_need_it() {
    let hub = slow(Model::custom("bot").deployments(["active", "inactive", "error"])).await;
    assert_eq!(
        posted(&hub, &activate("bot")).await,
        "active,deploying,deploying"
    );
    jump(60).await;
    assert_eq!(shown(&hub, &live("bot")).await, "active,active,active");
}
