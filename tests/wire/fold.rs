//! From a model object to what a decision needs.

use oxen_operator::{
    api::LiveStatus,
    decide::{HubFault, Remote, may_bill},
    hub::{Model, fold},
};
use serde_json::{Value, json};

use crate::object::{fixture, model};

const UUID: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

/// A minimal model object with these fields in addition.
fn model_with(fields: Value) -> Model {
    let mut object = json!({"id": "bot", "object": "model", "created": 1, "owned_by": "acme"});
    let fields = fields.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(object).unwrap()
}

/// Folds the answer to a request for the model `asked`.
fn fold_answer(asked: &str, model: &Model) -> Result<Remote, HubFault> {
    fold(asked, model, &"https://hub.oxen.ai/api/ai".parse().unwrap())
}

/// The remote model with these deployments.
fn remote_with(deployments: Value) -> Remote {
    fold_answer("bot", &model_with(json!({"deployments": deployments}))).unwrap()
}

#[test]
fn a_deployment_folds_to_its_status_and_missing_data_to_unknown() {
    for (deployments, live) in [
        (json!([]), LiveStatus::None),
        (Value::Null, LiveStatus::Unknown),
        (json!([null]), LiveStatus::Unknown),
        (json!([{}]), LiveStatus::Unknown),
        (json!([{"region": "eu"}]), LiveStatus::Unknown),
        (json!([{"status": null}]), LiveStatus::Unknown),
        (json!([{"status": "active"}]), LiveStatus::Active),
        (json!([{"status": "inactive"}]), LiveStatus::Inactive),
        (json!([{"status": "deploying"}]), LiveStatus::Deploying),
        (
            json!([{"status": "deactivating"}]),
            LiveStatus::Deactivating,
        ),
        (json!([{"status": "error"}]), LiveStatus::Error),
        (json!([{"status": "unknown"}]), LiveStatus::Unknown),
        (json!([{"status": "hibernating"}]), LiveStatus::Unknown),
        (json!([{"status": "Inactive"}]), LiveStatus::Unknown),
        (json!([{"status": ""}]), LiveStatus::Unknown),
        (json!([{"status": "none"}]), LiveStatus::Unknown),
    ] {
        assert_eq!(remote_with(deployments.clone()).live, live, "{deployments}");
    }
    let absent = fold_answer("bot", &model_with(json!({}))).unwrap();
    assert_eq!(absent.live, LiveStatus::Unknown);
}

#[test]
fn several_deployments_fold_to_one_status_in_any_order() {
    let precedence = [
        (LiveStatus::Deploying, "deploying"),
        (LiveStatus::Deactivating, "deactivating"),
        (LiveStatus::Unknown, "hibernating"),
        (LiveStatus::Active, "active"),
        (LiveStatus::Error, "error"),
        (LiveStatus::Inactive, "inactive"),
    ];
    for (index, (live, word)) in precedence.iter().enumerate() {
        for (_, other) in &precedence[index..] {
            for pair in [[word, other], [other, word]] {
                let remote = remote_with(json!([{"status": pair[0]}, {"status": pair[1]}]));
                assert_eq!(remote.live, *live, "{pair:?}");
                let others = if word == other {
                    String::new()
                } else {
                    format!("1 {other}")
                };
                assert_eq!(remote.others_counted(), others, "{pair:?}");
            }
        }
    }
    let unclear = remote_with(json!([{"status": "inactive"}, null, {"status": "active"}]));
    assert_eq!(unclear.live, LiveStatus::Unknown);
}

#[test]
fn a_model_may_bill_if_the_status_of_any_deployment_says_so() {
    for (word, bills) in [
        ("inactive", false),
        ("error", false),
        ("deactivating", false),
        ("active", true),
        ("half inactive", true),
        ("an error", true),
    ] {
        let remote = remote_with(json!([{"status": "deactivating"}, {"status": word}]));
        assert_eq!(may_bill(&remote), bills, "{word}");
    }
}

#[test]
fn a_base_model_is_known_by_its_type_or_else_by_its_owner() {
    for (fields, base) in [
        (json!({"model_type": "base", "owned_by": "oxen"}), true),
        (json!({"model_type": "base", "owned_by": "acme"}), true),
        (json!({"owned_by": "oxen"}), true),
        (json!({"model_type": null, "owned_by": "oxen"}), true),
        (json!({"model_type": "custom", "owned_by": "oxen"}), false),
        (json!({"model_type": "hybrid", "owned_by": "oxen"}), false),
        (json!({"model_type": "custom"}), false),
        (json!({"model_type": null}), false),
        (json!({}), false),
    ] {
        let remote = fold_answer("bot", &model_with(fields.clone())).unwrap();
        assert_eq!(remote.base, base, "{fields}");
        if base {
            assert_eq!(remote.live, LiveStatus::Active, "{fields}");
        }
    }
}

#[test]
fn an_answer_about_another_model_is_a_fault() {
    for (asked, id, accepted) in [
        ("bot", "bot", true),
        ("Bot", "bot", true),
        ("acme/bot", "bot", true),
        ("ACME/bot", "bot", true),
        (UUID, "bot", true),
        ("bot", UUID, true),
        ("bot", "bot-2", false),
        ("other/bot", "bot", false),
        ("bot", "acme/bot", true),
        ("bot", "oxen:bot", true),
        ("oxen:bot", "bot", true),
        ("acme/bot", "oxen:bot", true),
        ("bot", "other/bot", false),
        ("bot", "oxen/bot", false),
        ("bot", "", false),
    ] {
        let folded = fold_answer(asked, &model_with(json!({"id": id})));
        assert_eq!(folded.is_ok(), accepted, "asked for {asked:?}, got {id:?}");
        if let Err(fault) = folded {
            assert_eq!(fault, HubFault::ModelMismatch(id.into()));
        }
    }
}

#[test]
fn the_hubs_words_are_cut() {
    let long = "x".repeat(9000);
    let folded = fold_answer("bot", &model_with(json!({"id": long})));
    let Err(HubFault::ModelMismatch(id)) = folded else {
        panic!("{folded:?}");
    };
    let deployments = ["active", "error", "deploying", &long]
        .map(|word| json!({"status": word, "status_message": format!("{word} {long}")}));
    let remote = remote_with(json!(deployments));
    assert_eq!(remote.others.len(), 3);
    assert_eq!(remote.notes.len(), 3);
    let others = remote.others.iter().map(|it| &it.counted);
    for words in others.chain(&remote.notes).chain([&id]) {
        assert!(words.len() < 250, "{}", words.len());
    }
}

#[test]
fn many_deployments_are_counted() {
    let mut deployments = vec![json!({"status": "inactive"}); 2000];
    deployments.push(json!({"status": "active"}));
    deployments.extend(vec![json!({"status": "error"}); 3]);
    let remote = remote_with(json!(deployments));
    assert_eq!(remote.live, LiveStatus::Active);
    assert_eq!(remote.others_counted(), "2000 inactive, 3 error");
}

#[test]
fn a_full_model_object_is_folded_to_what_the_status_shows() {
    let remote = fold_answer("support-bot-v2", &model("model-full")).unwrap();
    assert_eq!(
        serde_json::to_value(&remote.model).unwrap(),
        json!({
            "id": "support-bot-v2",
            "owner": "acme",
            "displayName": "Support bot",
            "type": "custom",
            "endpoint": "/chat/completions",
            "sourceModel": "qwen-3-8b",
            "url": "https://hub.oxen.ai/api/ai/chat/completions",
        })
    );
    assert_eq!(
        serde_json::to_value(&remote.pricing).unwrap(),
        json!({
            "method": "time",
            "inputCostPerToken": "0.000003",
            "outputCostPerToken": "0.000015",
            "costPerSecond": "0.00125",
            "costPerImage": "1",
            "costPerSecondHighRes": "0.5",
            "costPerSecondWithAudio": "0.75",
        })
    );
    assert_eq!(remote.live, LiveStatus::Active);
}

#[test]
fn a_field_that_the_hub_omits_is_absent_from_the_status() {
    for name in ["model-minimal", "model-nulls"] {
        let remote = fold_answer("support-bot-v2", &model(name)).unwrap();
        let mut status = serde_json::to_value(&remote.model).unwrap();
        let status = status.as_object_mut().unwrap();
        status.retain(|_, value| !value.is_null());
        assert_eq!(
            Value::from(status.clone()),
            json!({"id": "support-bot-v2", "owner": "acme"})
        );
        assert_eq!((remote.pricing, remote.base), (None, false));
    }
    assert!(fixture("model-nulls").contains("\"pricing\": null"));
}

#[test]
fn an_endpoint_is_joined_to_the_base_url_with_one_slash() {
    for (base, endpoint) in [
        ("https://hub.oxen.ai/api/ai", "/images/generate"),
        ("https://hub.oxen.ai/api/ai/", "images/generate"),
        ("https://hub.oxen.ai/api/ai/", "/images/generate"),
    ] {
        let model = model_with(json!({"endpoint": endpoint}));
        let remote = fold("bot", &model, &base.parse().unwrap()).unwrap();
        assert_eq!(
            remote.model.url.as_deref(),
            Some("https://hub.oxen.ai/api/ai/images/generate")
        );
    }
}
