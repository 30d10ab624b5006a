//! The endpoints and their exact errors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod common;

use common::*;
use hub::{Hub, Model};
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn samples() -> Hub {
    Hub::builder().with_samples().start().await.unwrap()
}

#[tokio::test]
async fn list_has_base_models_and_own_custom_models() {
    let hub = samples().await;
    hub.add_model(Model::custom("secret-bot").owner("rival"));
    let (status, list) = get(&hub, "/api/ai/models").await;
    assert_eq!(status, StatusCode::OK);
    let base = [
        "claude-sonnet-4-6",
        "flux-2-dev",
        "kling-video-o3-pro-reference-to-video",
        "qwen-3-8b",
    ];
    let own = ["support-bot-v2", "flux-product-shots", "ticket-summarizer"];
    assert_eq!(ids(&list), [&base[..], &own[..]].concat());
    let models = list["data"].as_array().unwrap();
    assert!(
        models
            .iter()
            .all(|model| model["request_schema"]["type"] == "object")
    );
}

#[tokio::test]
async fn base_model_equals_the_example_in_the_reference() {
    let hub = samples().await;
    let (_, list) = get(&hub, "/api/ai/models?developer_name=anthropic").await;
    let expected = json!({
        "id": "claude-sonnet-4-6",
        "object": "model",
        "created": 1_750_000_000,
        "owned_by": "oxen",
        "display_name": "Claude Sonnet 4.6",
        "description": "Anthropic's balanced model for a wide range of tasks",
        "summary": "Balanced performance and speed",
        "model_type": "base",
        "endpoint": "/chat/completions",
        "capabilities": { "input": ["text", "image"], "output": ["text"] },
        "pricing": { "method": "token", "input_cost_per_token": 3e-6, "output_cost_per_token": 1.5e-5 },
        "fine_tuning": null,
        "deployments": [],
        "developer": { "name": "Anthropic", "logo": "https://example.com/anthropic.svg" },
        "source_model": null,
        "image_url": null,
        "released_at": "2025-06-19T00:00:00Z",
        "request_schema": {
            "type": "object",
            "required": ["messages"],
            "properties": { "messages": { "type": "array" } },
        },
    });
    assert_eq!(list, json!({ "object": "list", "data": [expected] }));
}

#[tokio::test]
async fn list_is_filtered_by_provider_developer_and_action() {
    let hub = samples().await;
    for (query, expected) in [
        ("developer_name=Qwen", vec!["qwen-3-8b"]),
        ("developer_name=black%20forest%20labs", vec!["flux-2-dev"]),
        ("developer_name=nobody", vec![]),
        (
            "provider_name=FAL",
            vec!["flux-2-dev", "kling-video-o3-pro-reference-to-video"],
        ),
        ("provider_name=nobody", vec![]),
        ("provider_name=fal&developer_name=kling&action=x", vec![]),
        ("action=text_to_image", vec!["flux-2-dev"]),
        ("action=text_to_image&developer_name=qwen", vec![]),
    ] {
        assert_eq!(
            ids(&get(&hub, &format!("/api/ai/models?{query}")).await.1),
            expected,
            "{query}"
        );
    }
    for empty in ["developer_name=", "provider_name="] {
        assert_eq!(
            ids(&get(&hub, &format!("/api/ai/models?{empty}")).await.1).len(),
            7
        );
    }
}

#[tokio::test]
async fn search_matches_parts_of_names_and_ignores_case() {
    let hub = samples().await;
    for (text, expected) in [
        ("KLING", vec!["kling-video-o3-pro-reference-to-video"]),
        ("flux", vec!["flux-2-dev", "flux-product-shots"]),
        ("Bot%20v2", vec!["support-bot-v2"]),
        ("nothing+like+it", vec![]),
    ] {
        assert_eq!(
            ids(&get(&hub, &format!("/api/ai/models/search?search={text}"))
                .await
                .1),
            expected,
            "{text}"
        );
    }
}

#[tokio::test]
async fn search_without_text_is_a_bad_request() {
    let hub = samples().await;
    for path in ["/api/ai/models/search", "/api/ai/models/search?search="] {
        let expected = invalid_params(400, "Missing required parameter: search");
        assert_eq!(get(&hub, path).await, expected);
    }
}

#[tokio::test]
async fn retrieve_returns_every_field_and_the_request_schema() {
    let hub = samples().await;
    let (status, model) = get(&hub, &retrieve("support-bot-v2")).await;
    assert_eq!(status, StatusCode::OK);
    let fields: Vec<&str> = model
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = vec![
        "id",
        "object",
        "created",
        "owned_by",
        "display_name",
        "description",
        "summary",
        "model_type",
        "endpoint",
        "capabilities",
        "pricing",
        "fine_tuning",
        "deployments",
        "developer",
        "source_model",
        "image_url",
        "released_at",
        "request_schema",
    ];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!(model["owned_by"], "acme");
    assert_eq!(model["model_type"], "custom");
    assert_eq!(model["deployments"], json!([{ "status": "inactive" }]));
    assert_eq!(
        model["pricing"],
        json!({ "method": "time", "cost_per_second": 0.00125 }),
        "a price that the model doesn't have is left out"
    );
    assert_eq!(model["request_schema"]["type"], "object");
}

#[tokio::test]
async fn custom_model_is_found_by_uuid() {
    let hub = samples().await;
    let uuid = hub.uuid("support-bot-v2").unwrap();
    assert_eq!(get(&hub, &retrieve(&uuid)).await.1["id"], "support-bot-v2");
    assert_eq!(post(&hub, &activate(&uuid)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn model_name_is_one_percent_decoded_path_segment() {
    let hub = samples().await;
    for (name, path) in [
        ("team/bot", "team%2Fbot"),
        ("büro bot", "b%C3%BCro%20bot"),
        ("a+b", "a+b"),
    ] {
        hub.add_model(Model::custom(name));
        assert_eq!(get(&hub, &retrieve(path)).await.1["id"], name);
        assert_eq!(post(&hub, &activate(path)).await.1["id"], name);
    }
}

#[tokio::test]
async fn unknown_model_gets_the_not_found_error_of_the_reference() {
    let hub = samples().await;
    let expected = not_found("no-such/bot");
    let id = "no-such%2Fbot";
    assert_eq!(get(&hub, &retrieve(id)).await, expected);
    assert_eq!(get(&hub, &live(id)).await, expected);
    assert_eq!(post(&hub, &activate(id)).await, expected);
    assert_eq!(post(&hub, &deactivate(id)).await, expected);
}

#[tokio::test]
async fn post_to_base_or_undeployed_model_is_unprocessable() {
    let hub = samples().await;
    hub.add_model(Model::custom("bare").nothing_deployed());
    assert_eq!(
        post(&hub, &deactivate("flux-2-dev")).await,
        invalid_params(422, "Base models are always active: flux-2-dev")
    );
    assert_eq!(
        post(&hub, &activate("bare")).await,
        invalid_params(422, "Model has no deployments: bare")
    );
    assert_eq!(get(&hub, &live("bare")).await.1["deployments"], json!([]));
}

#[tokio::test]
async fn switch_sends_model_not_found_with_only_a_message() {
    let hub = Hub::builder().with_samples().not_found_as_message();
    let hub = hub.start().await.unwrap();
    let expected = (
        StatusCode::NOT_FOUND,
        json!({ "error": { "message": "Model not found: typo" } }),
    );
    assert_eq!(get(&hub, &retrieve("typo")).await, expected);
    assert_eq!(get(&hub, &live("typo")).await, expected);
    assert_eq!(post(&hub, &activate("typo")).await, expected);
    assert_eq!(post(&hub, &deactivate("typo")).await, expected);
    assert_eq!(
        get(&hub, "/api/ai/models/search").await,
        invalid_params(400, "Missing required parameter: search"),
        "other errors keep their format"
    );
    hub.set_not_found_as_message(false);
    assert_eq!(get(&hub, &retrieve("typo")).await, not_found("typo"));
}

#[tokio::test]
async fn switch_adds_a_prefix_to_the_ids_of_custom_models() {
    let hub = Hub::builder().with_samples().prefixed_ids();
    let hub = hub.start().await.unwrap();
    let uuid = hub.uuid("support-bot-v2").unwrap();
    for id in ["support-bot-v2", "oxen:support-bot-v2", uuid.as_str()] {
        let (status, model) = get(&hub, &retrieve(id)).await;
        assert_eq!(
            (status, &model["id"]),
            (StatusCode::OK, &json!("oxen:support-bot-v2"))
        );
        assert_eq!(
            post(&hub, &activate(id)).await.1["id"],
            "oxen:support-bot-v2"
        );
    }
    assert_eq!(
        ids(&get(&hub, "/api/ai/models/search?search=flux").await.1),
        ["flux-2-dev", "oxen:flux-product-shots"],
        "a base model has no prefix"
    );
    let base = "oxen:flux-2-dev";
    assert_eq!(get(&hub, &retrieve(base)).await, not_found(base));
    hub.set_prefixed_ids(false);
    assert_eq!(get(&hub, &retrieve(&uuid)).await.1["id"], "support-bot-v2");
}

#[tokio::test]
async fn custom_model_is_found_with_prefix_and_owner_before_its_name() {
    let hub = samples().await;
    for id in [
        "oxen:support-bot-v2",
        "acme%2Fsupport-bot-v2",
        "oxen:acme%2Fsupport-bot-v2",
    ] {
        assert_eq!(get(&hub, &live(id)).await.1["id"], "support-bot-v2", "{id}");
        assert_eq!(post(&hub, &deactivate(id)).await.0, StatusCode::OK, "{id}");
    }
    for id in [
        "acme:support-bot-v2",
        "rival/support-bot-v2",
        "oxen:oxen:support-bot-v2",
    ] {
        let path = retrieve(&id.replace('/', "%2F"));
        assert_eq!(get(&hub, &path).await, not_found(id));
    }
}

#[tokio::test]
async fn favorites_featured_and_search_are_lists_and_no_models() {
    let hub = samples().await;
    let favorites = "/api/ai/models/favorites";
    let featured = "/api/ai/models/featured";
    assert_eq!(ids(&get(&hub, favorites).await.1), ["claude-sonnet-4-6"]);
    assert_eq!(
        ids(&get(&hub, featured).await.1),
        ["claude-sonnet-4-6", "flux-2-dev"]
    );
    for name in ["favorites", "featured", "search"] {
        hub.add_model(Model::custom(name));
        let (_, list) = get(&hub, &format!("{}?search=x", retrieve(name))).await;
        assert_eq!(list["object"], "list", "{name}");
        let uuid = hub.uuid(name).unwrap();
        assert_eq!(get(&hub, &retrieve(&uuid)).await.1["id"], name);
    }
    hub.change("favorites", Model::favorite).unwrap();
    assert_eq!(
        ids(&get(&hub, favorites).await.1),
        ["claude-sonnet-4-6", "favorites"]
    );
    assert_eq!(
        get(&hub, favorites).await.1["data"][0],
        get(&hub, &retrieve("claude-sonnet-4-6")).await.1
    );
}

#[tokio::test]
async fn other_paths_and_methods_are_not_found() {
    let hub = samples().await;
    for path in [
        "/",
        "/api/ai/models/",
        "/api/ai/modelsx",
        "/api/ai/models/a/b",
        "/api/ai/models//activate",
    ] {
        assert_eq!(
            get(&hub, path).await,
            (StatusCode::NOT_FOUND, json!({ "error": "Not found" })),
            "{path}"
        );
    }
    assert_eq!(post(&hub, "/api/ai/models").await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        get(&hub, &activate("support-bot-v2")).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn model_json_can_be_patched_and_rewritten() {
    let hub = samples().await;
    hub.add_model(
        Model::custom("patched")
            .patch(json!({ "deployments": null, "brand_new": 1, "owned_by": "other" })),
    );
    let (_, patched) = get(&hub, &retrieve("patched")).await;
    assert_eq!(patched.get("deployments"), None);
    assert_eq!(
        (&patched["brand_new"], &patched["owned_by"]),
        (&json!(1), &json!("other"))
    );
    let null = |object: &mut Value| object["deployments"] = Value::Null;
    hub.change("patched", |model| model.as_written().rewrite(null))
        .unwrap();
    assert_eq!(
        get(&hub, &retrieve("patched")).await.1.get("deployments"),
        Some(&Value::Null)
    );
    hub.change("patched", |model| model.as_written()).unwrap();
    assert_eq!(
        statuses(&get(&hub, &retrieve("patched")).await.1),
        ["inactive"]
    );
}

#[tokio::test]
async fn removed_model_is_not_found() {
    let hub = samples().await;
    hub.remove_model("support-bot-v2").unwrap();
    assert_eq!(
        get(&hub, &retrieve("support-bot-v2")).await.0,
        StatusCode::NOT_FOUND
    );
    let error = hub.remove_model("support-bot-v2").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"the simulated hub has no model "support-bot-v2""#
    );
}

#[tokio::test]
async fn changed_and_removed_models_are_found_by_their_present_ids() {
    let hub = Hub::builder()
        .model(Model::custom("first"))
        .model(Model::custom("second"))
        .model(Model::custom("first").owner("other"))
        .start()
        .await
        .unwrap();
    let uuid = hub.uuid("second").unwrap();
    hub.change("second", |model| model.owner("other")).unwrap();
    assert_ne!(hub.uuid("second").unwrap(), uuid);
    assert!(hub.live(&uuid).is_err());
    hub.remove_model("acme/first").unwrap();
    assert!(hub.live("acme/first").is_err());
    assert!(hub.live("first").is_ok() && hub.live("other/first").is_ok());
    hub.add_model(Model::custom("first").owner("other").status("active"));
    assert_eq!(hub.live("first").unwrap(), ["active"]);
}

#[tokio::test]
async fn live_models_are_counted_without_those_that_have_no_deployment() {
    let hub = Hub::builder()
        .model(Model::custom("one").status("active"))
        .model(Model::custom("both").deployments(["active", "active"]))
        .model(Model::custom("half").deployments(["active", "inactive"]))
        .model(Model::custom("none").nothing_deployed())
        .start()
        .await
        .unwrap();
    assert_eq!(
        (hub.count_live("active"), hub.count_live("inactive")),
        (2, 0)
    );
    assert!(hub.journal().entries.is_empty());
}
