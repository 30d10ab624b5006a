use oxen_operator::{
    api::Deployment,
    decide::{Fault, Remote},
    oxen::{Model, fold},
};
use serde_json::{Value, json};

use crate::object::{fixture, model};

const UUID: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

/// A custom model with these fields.
fn with(fields: Value) -> Model {
    let mut object = json!({"id": "bot", "object": "model", "created": 1, "owned_by": "acme"});
    let fields = fields.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(object).unwrap()
}

fn folded(asked: &str, model: &Model) -> Result<Remote, Fault> {
    fold(asked, model, &"https://hub.oxen.ai/api/ai".parse().unwrap())
}

fn deployed(deployments: Value) -> Remote {
    folded("bot", &with(json!({"deployments": deployments}))).unwrap()
}

#[test]
fn one_deployment_comes_to_its_own_status_and_missing_data_is_never_off() {
    for (deployments, status) in [
        (json!([]), Deployment::None),
        (Value::Null, Deployment::Unknown),
        (json!([null]), Deployment::Unknown),
        (json!([{}]), Deployment::Unknown),
        (json!([{"region": "eu"}]), Deployment::Unknown),
        (json!([{"status": null}]), Deployment::Unknown),
        (json!([{"status": "active"}]), Deployment::Active),
        (json!([{"status": "inactive"}]), Deployment::Inactive),
        (json!([{"status": "deploying"}]), Deployment::Deploying),
        (
            json!([{"status": "deactivating"}]),
            Deployment::Deactivating,
        ),
        (json!([{"status": "error"}]), Deployment::Error),
        (json!([{"status": "unknown"}]), Deployment::Unknown),
        (json!([{"status": "hibernating"}]), Deployment::Unknown),
        (json!([{"status": "Inactive"}]), Deployment::Unknown),
        (json!([{"status": ""}]), Deployment::Unknown),
        (json!([{"status": "none"}]), Deployment::Unknown),
    ] {
        assert_eq!(
            deployed(deployments.clone()).deployment,
            status,
            "{deployments}"
        );
    }
    let absent = folded("bot", &with(json!({}))).unwrap();
    assert_eq!(absent.deployment, Deployment::Unknown);
}

#[test]
fn of_many_deployments_the_first_match_wins_in_any_order() {
    let order = [
        (Deployment::Deploying, "deploying"),
        (Deployment::Deactivating, "deactivating"),
        (Deployment::Unknown, "hibernating"),
        (Deployment::Active, "active"),
        (Deployment::Error, "error"),
        (Deployment::Inactive, "inactive"),
    ];
    for (first, (winner, one)) in order.iter().enumerate() {
        for (_, other) in &order[first..] {
            for pair in [[one, other], [other, one]] {
                let remote = deployed(json!([{"status": pair[0]}, {"status": pair[1]}]));
                assert_eq!(remote.deployment, *winner, "{pair:?}");
                let others: Vec<&str> = if one == other { vec![] } else { vec![other] };
                assert_eq!(remote.others, others, "{pair:?}");
            }
        }
    }
    let unclear = deployed(json!([{"status": "inactive"}, null, {"status": "active"}]));
    assert_eq!(unclear.deployment, Deployment::Unknown);
}

#[test]
fn base_models_are_told_by_their_type_and_where_it_is_absent_by_their_owner() {
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
        let remote = folded("bot", &with(fields.clone())).unwrap();
        assert_eq!(remote.base, base, "{fields}");
        if base {
            assert_eq!(remote.deployment, Deployment::Active, "{fields}");
        }
    }
}

#[test]
fn an_answer_about_a_model_that_nobody_asked_for_is_a_fault() {
    for (asked, id, taken) in [
        ("bot", "bot", true),
        ("Bot", "bot", true),
        ("acme/bot", "bot", true),
        ("ACME/bot", "bot", true),
        (UUID, "bot", true),
        ("bot", UUID, true),
        ("bot", "bot-2", false),
        ("other/bot", "bot", false),
        ("bot", "acme/bot", false),
        ("bot", "", false),
    ] {
        let answer = folded(asked, &with(json!({"id": id})));
        assert_eq!(answer.is_ok(), taken, "asked for {asked:?}, got {id:?}");
        if let Err(fault) = answer {
            assert_eq!(fault, Fault::AnotherModel(id.into()));
        }
    }
}

#[test]
fn the_hubs_words_are_cut_before_a_person_sees_them() {
    let long = "x".repeat(9000);
    let Err(Fault::AnotherModel(id)) = folded("bot", &with(json!({"id": long}))) else {
        panic!("taken for the model");
    };
    let others = deployed(json!([{"status": "active"}, {"status": "error"}, {"status": "deploying"}, {"status": long}])).others;
    for words in others.iter().chain([&id]) {
        assert!(words.len() < 250, "{}", words.len());
    }
}

#[test]
fn a_full_model_object_is_folded_to_what_the_status_shows() {
    let remote = folded("support-bot-v2", &model("model-full")).unwrap();
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
    assert_eq!(remote.deployment, Deployment::Active);
}

#[test]
fn what_the_hub_does_not_say_is_absent_from_the_status() {
    for name in ["model-minimal", "model-nulls"] {
        let remote = folded("support-bot-v2", &model(name)).unwrap();
        let mut shown = serde_json::to_value(&remote.model).unwrap();
        let shown = shown.as_object_mut().unwrap();
        shown.retain(|_, value| !value.is_null());
        assert_eq!(
            Value::from(shown.clone()),
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
        let model = with(json!({"endpoint": endpoint}));
        let remote = fold("bot", &model, &base.parse().unwrap()).unwrap();
        assert_eq!(
            remote.model.url.as_deref(),
            Some("https://hub.oxen.ai/api/ai/images/generate")
        );
    }
}
