//! API keys: what they can see and change, and what works without one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod common;

use common::*;
use hub::{Builder, Hub, KEY, Model};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const LISTS: [&str; 3] = [
    "/api/ai/models",
    "/api/ai/models/search?search=bot",
    "/api/ai/models/featured",
];

async fn get_without_key(hub: &Hub, path: &str) -> (StatusCode, Value) {
    send_without_key(hub, Method::GET, path).await
}

async fn samples() -> Hub {
    Hub::builder().with_samples().start().await.unwrap()
}

#[tokio::test]
async fn lists_and_base_models_need_no_key() {
    let hub = samples().await;
    let (status, list) = get_without_key(&hub, "/api/ai/models").await;
    assert_eq!(status, StatusCode::OK);
    let base = [
        "claude-sonnet-4-6",
        "flux-2-dev",
        "kling-video-o3-pro-reference-to-video",
        "qwen-3-8b",
    ];
    assert_eq!(ids(&list), base);
    for (path, expected) in [
        ("search?search=flux", vec!["flux-2-dev"]),
        ("featured", vec!["claude-sonnet-4-6", "flux-2-dev"]),
        ("favorites", vec![]),
    ] {
        let (status, list) = get_without_key(&hub, &retrieve(path)).await;
        assert_eq!((status, ids(&list)), (StatusCode::OK, expected), "{path}");
    }
    let (status, model) = get_without_key(&hub, &live("qwen-3-8b")).await;
    assert_eq!(
        (status, &model["id"]),
        (StatusCode::OK, &json!("qwen-3-8b"))
    );
    assert_eq!(hub.journal().entries[0].account, None);
    assert_eq!(hub.journal().entries[0].key, None);
}

#[tokio::test]
async fn custom_model_is_not_found_without_a_key() {
    let hub = samples().await;
    let uuid = hub.uuid("support-bot-v2").unwrap();
    for id in ["support-bot-v2", uuid.as_str(), "typo"] {
        assert_eq!(get_without_key(&hub, &live(id)).await, not_found(id));
        let activated = send_without_key(&hub, Method::POST, &activate(id)).await;
        assert_eq!(activated, not_found(id));
    }
    let activated = send_without_key(&hub, Method::POST, &activate("qwen-3-8b")).await;
    assert_eq!(activated, unauthenticated());
    assert_eq!(hub.live("support-bot-v2").unwrap(), ["inactive"]);
}

#[tokio::test]
async fn unknown_or_revoked_key_is_unauthenticated() {
    let hub = samples().await;
    for path in LISTS.into_iter().chain(["/api/ai/models/qwen-3-8b", "/"]) {
        assert_eq!(
            get_as(&hub, "wrong", path).await,
            unauthenticated(),
            "{path}"
        );
    }
    assert_eq!(
        get_as(&hub, "wrong", &retrieve("no-such-bot")).await,
        unauthenticated()
    );
    hub.revoke_key(KEY);
    assert_eq!(
        post(&hub, &activate("support-bot-v2")).await,
        unauthenticated()
    );
    assert_eq!(hub.live("support-bot-v2").unwrap(), ["inactive"]);
    hub.add_key("acme", KEY);
    assert_eq!(get(&hub, "/api/ai/models").await.0, StatusCode::OK);
}

#[tokio::test]
async fn other_authorization_scheme_is_an_invalid_key() {
    let hub = samples().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .get(hub.url() + "/api/ai/models")
        .basic_auth("acme", Some(KEY));
    let response = request.send().await.unwrap();
    assert_eq!(read(response).await, unauthenticated());
}

#[tokio::test]
async fn switch_makes_an_invalid_key_count_as_none() {
    let hub = Hub::builder().with_samples().invalid_key_is_none();
    let hub = hub.start().await.unwrap();
    for path in LISTS {
        let with_invalid_key = get_as(&hub, "wrong", path).await;
        assert_eq!(with_invalid_key.0, StatusCode::OK);
        assert_eq!(with_invalid_key, get_without_key(&hub, path).await);
    }
    let base = get_as(&hub, "wrong", &retrieve("qwen-3-8b")).await;
    assert_eq!(base.0, StatusCode::OK);

    let id = "support-bot-v2";
    assert_eq!(get(&hub, &live(id)).await.0, StatusCode::OK);
    hub.revoke_key(KEY);
    assert_eq!(get(&hub, &live(id)).await, not_found(id));
    assert_eq!(post(&hub, &deactivate(id)).await, not_found(id));
    hub.set_invalid_key_is_none(false);
    assert_eq!(get(&hub, &live(id)).await, unauthenticated());
}

#[tokio::test]
async fn accounts_with_same_model_name_see_their_own_model() {
    let hub = samples().await;
    hub.add_key("rival", "rivals-key");
    hub.add_model(
        Model::custom("support-bot-v2")
            .owner("rival")
            .status("active"),
    );
    let (_, of_rival) = get_as(&hub, "rivals-key", &retrieve("support-bot-v2")).await;
    assert_eq!(
        (&of_rival["owned_by"], statuses(&of_rival)),
        (&json!("rival"), vec!["active"])
    );
    assert_eq!(
        get(&hub, &retrieve("support-bot-v2")).await.1["owned_by"],
        "acme"
    );
    let hidden = get_as(&hub, "rivals-key", &retrieve("ticket-summarizer")).await;
    assert_eq!(hidden, not_found("ticket-summarizer"));
}

fn with_rival(model: Model) -> Builder {
    Hub::builder()
        .key("acme", KEY)
        .key("rival", "rivals-key")
        .model(model)
}

#[tokio::test]
async fn public_model_is_visible_to_all_but_only_its_owner_can_change_it() {
    let hub = with_rival(Model::custom("bot").public())
        .start()
        .await
        .unwrap();
    let uuid = hub.uuid("bot").unwrap();
    for id in ["bot", uuid.as_str()] {
        let (status, model) = get_as(&hub, "rivals-key", &live(id)).await;
        assert_eq!(
            (status, &model["owned_by"]),
            (StatusCode::OK, &json!("acme"))
        );
    }
    assert_eq!(
        ids(&get_as(&hub, "rivals-key", "/api/ai/models").await.1),
        ["bot"]
    );
    assert_eq!(
        ids(&get_without_key(&hub, "/api/ai/models").await.1),
        ["bot"]
    );
    assert_eq!(get_without_key(&hub, &live("bot")).await.0, StatusCode::OK);

    let refused = post_as(&hub, "rivals-key", &activate("bot")).await;
    let words = "Model belongs to another account: bot";
    let body = error("unknown_error", "Unknown error", words);
    assert_eq!(refused, (StatusCode::FORBIDDEN, body));
    let without_key = send_without_key(&hub, Method::POST, &activate("bot")).await;
    assert_eq!(without_key, unauthenticated());
    assert_eq!(hub.live("bot").unwrap(), ["inactive"]);
    assert_eq!(post(&hub, &activate("bot")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn own_model_comes_before_a_public_one_of_the_same_name() {
    let hub = with_rival(Model::custom("bot").public())
        .start()
        .await
        .unwrap();
    let owner = async || get_as(&hub, "rivals-key", &retrieve("bot")).await.1["owned_by"].clone();
    assert_eq!(owner().await, "acme");
    hub.add_model(Model::custom("bot").owner("rival"));
    assert_eq!(owner().await, "rival");
    assert_eq!(
        get_without_key(&hub, &retrieve("bot")).await.1["owned_by"],
        "acme"
    );
}

#[tokio::test]
async fn key_of_two_accounts_sees_two_models_of_one_name() {
    let hub = Hub::builder()
        .key_of(["acme", "team"], KEY)
        .model(Model::custom("bot").owner("team").status("active"))
        .model(Model::custom("bot").owner("acme"))
        .model(Model::custom("other").owner("team"));
    let hub = hub.start().await.unwrap();
    let owner = async |id: &str| get(&hub, &live(id)).await.1["owned_by"].clone();
    assert_eq!(
        ids(&get(&hub, "/api/ai/models").await.1),
        ["bot", "bot", "other"]
    );
    assert_eq!(
        owner("bot").await,
        "acme",
        "the first account has precedence"
    );
    assert_eq!(owner("team%2Fbot").await, "team");
    assert_eq!(owner(&hub.uuid("team/bot").unwrap()).await, "team");
    assert_eq!(owner("other").await, "team");
    assert_eq!(hub.journal().entries[0].account.as_deref(), Some("acme"));

    post(&hub, &activate("bot")).await;
    assert_ne!(hub.live("acme/bot").unwrap(), ["inactive"]);
    assert_eq!(
        post(&hub, &deactivate("team%2Fbot")).await.0,
        StatusCode::OK
    );
    assert_ne!(hub.live("team/bot").unwrap(), ["active"]);

    hub.add_key_of(["team", "acme"], KEY);
    assert_eq!(owner("bot").await, "team");
    hub.remove_model("team/bot").unwrap();
    assert_eq!(owner("bot").await, "acme");
    hub.add_key("team", KEY);
    assert_eq!(get(&hub, &retrieve("bot")).await, not_found("bot"));
}
