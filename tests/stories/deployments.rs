//! What the hub says about a model's deployments, folded to one word. Missing data is never read as
//! inactive.

use std::time::Duration;

use hub::{Fault, Hub, Model};
use serde_json::{Value, json};
use testkit::world::{World, condition, message, progress, ready, status};

/// The object's name, its model, the declared state, and what is shown: the live status, Ready, its
/// reason, and Reconciling or Stalled.
type Row = (
    &'static str,
    Model,
    &'static str,
    (
        &'static str,
        &'static str,
        &'static str,
        Option<&'static str>,
    ),
);

fn custom(name: &str) -> Model {
    Model::custom(name).status("active")
}

/// Models for which no call is ever made, whatever is declared.
fn never_called() -> Vec<Row> {
    let unknown = ("unknown", "Unknown", "StatusUnknown", Some("Reconciling"));
    let bare = |owner: &str| {
        let keep = ["id", "object", "created", "owned_by"];
        let owner = owner.to_owned();
        move |object: &mut Value| {
            object["owned_by"] = owner.as_str().into();
            let fields = object.as_object_mut().unwrap();
            fields.retain(|name, _| keep.contains(&name.as_str()));
        }
    };
    vec![
        (
            "base-on",
            Model::base("base-on"),
            "active",
            ("active", "True", "AlwaysActive", None),
        ),
        (
            "base-off",
            Model::base("base-off"),
            "inactive",
            (
                "active",
                "False",
                "BaseModelCannotDeactivate",
                Some("Stalled"),
            ),
        ),
        (
            "bare-base",
            custom("bare-base").rewrite(bare("oxen")),
            "active",
            ("active", "True", "AlwaysActive", None),
        ),
        (
            "bare-custom",
            custom("bare-custom").rewrite(bare("acme")),
            "inactive",
            unknown,
        ),
        (
            "none-on",
            custom("none-on").nothing_deployed(),
            "active",
            ("none", "False", "NoDeployment", Some("Stalled")),
        ),
        (
            "none-off",
            custom("none-off").nothing_deployed(),
            "inactive",
            ("none", "True", "Inactive", None),
        ),
        (
            "null",
            custom("null").patch(json!({"deployments": null})),
            "inactive",
            unknown,
        ),
        (
            "null-item",
            custom("null-item").patch(json!({"deployments": [null]})),
            "inactive",
            unknown,
        ),
        (
            "no-status",
            custom("no-status").patch(json!({"deployments": [{"region": "eu"}]})),
            "active",
            unknown,
        ),
        (
            "null-status",
            custom("null-status").patch(json!({"deployments": [{"status": null}]})),
            "inactive",
            unknown,
        ),
        (
            "other-word",
            custom("other-word").status("paused"),
            "active",
            unknown,
        ),
        (
            "shouted",
            custom("shouted").status("INACTIVE"),
            "active",
            unknown,
        ),
        (
            "unknown",
            custom("unknown").status("unknown"),
            "inactive",
            unknown,
        ),
        (
            "one-unknown",
            custom("one-unknown").deployments(["inactive", "paused"]),
            "active",
            unknown,
        ),
        (
            "two",
            custom("two").deployments(["inactive", "active"]),
            "active",
            ("active", "True", "Active", None),
        ),
        (
            "both-off",
            custom("both-off").deployments(["inactive", "inactive"]),
            "inactive",
            ("inactive", "True", "Inactive", None),
        ),
        (
            "one-moves",
            custom("one-moves").deployments(["active", "deploying"]),
            "active",
            ("deploying", "False", "Activating", Some("Reconciling")),
        ),
        (
            "one-stops",
            custom("one-stops").deployments(["active", "deactivating"]),
            "inactive",
            ("deactivating", "False", "Deactivating", Some("Reconciling")),
        ),
    ]
}

#[tokio::test]
async fn a_model_that_takes_no_call_or_is_not_known_is_never_called() {
    let world = World::new(Hub::builder()).await;
    // Some models are in a transition that never ends.
    let _operator = world.operator_with(&[("OXEN_PROGRESS_DEADLINE", "1h")]);
    for (name, model, state, _) in never_called() {
        world.hub.add_model(model);
        world
            .create(name, json!({"model": name, "state": state}))
            .await;
    }
    for (name, _, _, (live, ready_, reason, progress_)) in never_called() {
        let object = world.until_reason(name, reason).await;
        assert_eq!(ready(&object).unwrap().status, ready_, "{name}");
        assert_eq!(
            progress(&object),
            progress_.map(|progress| (progress, reason)),
            "{name}"
        );
        assert_eq!(
            condition(&object, "Synced").unwrap().status,
            "True",
            "{name}"
        );
        let shown = status(&object).live.unwrap().to_string();
        assert_eq!(shown, live, "{name}");
    }
    for (name, ..) in never_called() {
        world.until_observed(name, 2).await;
        let base = name.contains("base");
        assert_eq!(world.get(name).await.has_finalizer(), !base, "{name}");
    }
    assert_eq!(world.hub.journal().posts().len(), 0);

    for (name, words) in [
        ("two", "Its other deployments: 1 inactive"),
        ("base-off", "state: active"),
        ("none-on", "Deploy the model on the hub"),
    ] {
        let object = world.get(name).await;
        assert!(message(&object).contains(words), "{}", message(&object));
    }
}

#[tokio::test]
async fn two_deployments_of_which_one_is_active_are_turned_off() {
    let two = Model::custom("bot").deployments(["inactive", "active"]);
    let world = World::new(Hub::builder().model(two)).await;
    let _operator = world.operator();
    world
        .create("bot", json!({"model": "bot", "state": "inactive"}))
        .await;
    world.until_reason("bot", "Inactive").await;
    assert_eq!(world.calls("bot"), ["deactivate"]);
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive", "inactive"]);
}

#[tokio::test]
async fn an_unknown_status_in_a_transition_is_waited_for() {
    let world = World::new(Hub::builder().model(Model::custom("bot"))).await;
    let _operator = world.operator();
    let unknown = world
        .hub
        .inject(Fault::shows("reticulating").skip(2).on_model("bot"));
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_live("bot", "unknown").await;
    world.until_observed("bot", 3).await;
    assert_ne!(ready(&world.get("bot").await).unwrap().status, "True");
    world.hub.clear_fault(unknown);
    world.until_reason("bot", "Active").await;
    assert!(world.calls("bot").len() <= 1);
}

#[tokio::test]
async fn what_the_hub_says_about_the_model_is_in_the_status() {
    let pricing = json!({
        "method": "token",
        "input_cost_per_token": 3e-6,
        "output_cost_per_token": 0.000_015,
        "cost_per_second": 2,
        "cost_per_image": 0.1,
        "cost_per_second_high_res": 1.0,
        "cost_per_second_with_audio": null,
        "cost_per_blink": 1,
    });
    let model = Model::custom("bot").status("active").fields(json!({
        "display_name": "Support Bot",
        "endpoint": "/chat/completions",
        "source_model": "qwen-3-8b",
        "pricing": pricing,
        "a_new_field": {"of": ["any", "shape"]},
    }));
    let world = World::new(Hub::builder().model(model)).await;
    let _operator = world.operator();
    // A model can be retrieved by its UUID.
    let uuid = world.hub.uuid("bot").unwrap();
    world
        .create("bot", json!({"model": uuid, "state": "active"}))
        .await;
    let object = world.until_reason("bot", "Active").await;

    let status = serde_json::to_value(status(&object)).unwrap();
    let url = format!("{}/api/ai/chat/completions", world.hub.url());
    assert_eq!(
        status["model"],
        json!({
            "id": "bot", "owner": "acme", "displayName": "Support Bot", "type": "custom",
            "endpoint": "/chat/completions", "sourceModel": "qwen-3-8b", "url": url,
        })
    );
    assert_eq!(
        status["pricing"],
        json!({
            "method": "token",
            "inputCostPerToken": "0.000003", "outputCostPerToken": "0.000015",
            "costPerSecond": "2", "costPerImage": "0.1", "costPerSecondHighRes": "1",
            "costPerSecondWithAudio": null,
        })
    );
    assert_eq!(
        (&status["desired"], &status["live"]),
        (&json!("active"), &json!("active"))
    );
    assert!(status["since"].is_string());
}

#[tokio::test]
async fn a_deployment_that_goes_back_for_a_moment_gets_no_second_call() {
    // The test itself moves the model.
    let slow = Duration::from_secs(3600);
    let model = Model::custom("bot").status("inactive").activate_delay(slow);
    let world = World::new(Hub::builder().model(model)).await;
    // An operation whose transition was seen stays open for 24 seconds after that.
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "5")]);
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_live("bot", "deploying").await;

    world.hub.set_status("bot", "inactive").unwrap();
    world.until_live("bot", "inactive").await;
    world.until_observed("bot", 2).await;
    let object = world.get("bot").await;
    assert_eq!(ready(&object).unwrap().status, "False");
    assert!(status(&object).operation.is_some());
    world.hub.set_status("bot", "deploying").unwrap();
    world.until_live("bot", "deploying").await;
    world.hub.set_status("bot", "active").unwrap();
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}
