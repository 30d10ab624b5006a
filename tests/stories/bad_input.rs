//! Invalid input: `kubectl apply` reports what the schema refuses, the object's own status reports
//! the rest, and no other object is affected.

use hub::{Fault, Hub, Model};
use serde_json::{Value, json};
use testkit::world::{World, message, progress, status};

#[tokio::test]
async fn kubectl_apply_names_the_field_and_the_fix() {
    let world = World::new(Hub::builder()).await;
    let bad = |field: &str, value: Value| {
        let mut spec = json!({"model": "bot", "state": "active"});
        spec[field] = value;
        spec
    };
    let printable = "must not contain white space, control characters";
    for (spec, words) in [
        (
            bad("model", json!("")),
            &[
                "spec.model",
                "must not be empty: write the hub's model name",
            ][..],
        ),
        (
            bad("model", json!("support bot")),
            &["spec.model", printable],
        ),
        (
            bad("model", json!("support\u{a0}bot")),
            &["spec.model", printable],
        ),
        (bad("model", json!("bot\n")), &["spec.model", printable]),
        (bad("model", json!("bot\u{7}")), &["spec.model", printable]),
        (
            bad("model", json!("bot\u{202e}")),
            &["spec.model", printable],
        ),
        (
            bad("model", json!("support%2Fbot")),
            &["spec.model", "not as it appears in a URL"],
        ),
        (bad("model", json!("bot?live")), &["spec.model", "'?'"]),
        (bad("model", json!("bot#1")), &["spec.model", "'#'"]),
        (
            bad("model", json!(".")),
            &["spec.model", "must not be '.' or '..'"],
        ),
        (
            bad("model", json!("..")),
            &["spec.model", "must not be '.' or '..'"],
        ),
        (
            bad("model", json!("favorites")),
            &["spec.model", "write the model's UUID"],
        ),
        (
            bad("model", json!("featured")),
            &["spec.model", "write the model's UUID"],
        ),
        (
            bad("model", json!("search")),
            &["spec.model", "write the model's UUID"],
        ),
        (bad("model", json!("m".repeat(300))), &["spec.model", "253"]),
        (bad("model", json!(7)), &["spec.model", "string"]),
        (bad("model", Value::Null), &["spec.model", "Required"]),
        (json!({"model": "bot"}), &["spec.state", "Required"]),
        (
            bad("state", json!("paused")),
            &["spec.state", "\"active\", \"inactive\", \"scheduled\""],
        ),
        (
            bad("state", json!("Active")),
            &["spec.state", "\"active\", \"inactive\", \"scheduled\""],
        ),
        (
            bad("deletionPolicy", json!("Orphan")),
            &["spec.deletionPolicy", "\"Deactivate\", \"Retain\""],
        ),
        (
            bad("syncInterval", json!("5s")),
            &["spec.syncInterval", "must be at least 30s"],
        ),
        (
            bad("syncInterval", json!("soon")),
            &[
                "spec.syncInterval",
                "must be a duration such as 30s, 5m or 1h30m",
            ],
        ),
        (
            bad("syncInterval", json!("-5m")),
            &["spec.syncInterval", "must be a duration such as"],
        ),
        (
            bad("syncInterval", json!("30s1m")),
            &["spec.syncInterval", "must be a duration such as"],
        ),
        (
            bad("syncInterval", json!("1.5h30m")),
            &["spec.syncInterval", "must be a duration such as"],
        ),
        (
            bad("syncInterval", json!("5")),
            &["spec.syncInterval", "must be a duration such as"],
        ),
        (
            bad("syncInterval", json!("9".repeat(40) + "h")),
            &["spec.syncInterval", "32"],
        ),
        (
            bad("syncInterval", json!("99999999999999999999h")),
            &["spec.syncInterval"],
        ),
        (
            bad("progressDeadline", json!("0s")),
            &["spec.progressDeadline", "must be more than 0s"],
        ),
        (
            bad("progressDeadline", json!("later")),
            &["spec.progressDeadline", "must be a duration such as"],
        ),
        (bad("suspend", json!("yes")), &["spec.suspend", "boolean"]),
        (
            bad("apiKeySecretRef", json!({"key": "k"})),
            &["spec.apiKeySecretRef.name", "Required"],
        ),
        (
            bad("apiKeySecretRef", json!({"name": ""})),
            &["spec.apiKeySecretRef.name", "such as team-key"],
        ),
        (
            bad("apiKeySecretRef", json!({"name": "a/../b?c"})),
            &["spec.apiKeySecretRef.name", "such as team-key"],
        ),
        (
            bad("apiKeySecretRef", json!({"name": "k", "key": "$(id)"})),
            &["spec.apiKeySecretRef.key", "such as api-key"],
        ),
        (
            bad("sate", json!("active")),
            &["unknown field \"spec.sate\""],
        ),
    ] {
        let output = world.apply("bad", spec.clone()).await;
        assert!(!output.status.success(), "{spec} was accepted");
        for word in words {
            assert!(output.stderr.contains(word), "{spec}: {}", output.stderr);
        }
    }

    let spec = json!({"model": "bot", "state": "active"});
    world.apply("bot", spec).await.ok().unwrap();
    let output = world
        .apply("bot", json!({"model": "other", "state": "active"}))
        .await;
    for word in [
        "spec.model",
        "can't be changed: delete this OxenModel and create another",
    ] {
        assert!(output.stderr.contains(word), "{}", output.stderr);
    }
}

#[tokio::test]
async fn names_of_any_script_reach_the_hub_as_one_segment() {
    let world = World::new(Hub::builder()).await;
    let _operator = world.operator();
    let long = "m".repeat(253);
    for (n, (model, segment)) in [
        ("acme/bot", "acme%2Fbot"),
        ("../activate", "..%2Factivate"),
        ("模型-ü", "%E6%A8%A1%E5%9E%8B-%C3%BC"),
        ("bot+1&x=y;z", "bot+1&x=y;z"),
        ("a\\b", "a%5Cb"),
        (long.as_str(), long.as_str()),
    ]
    .into_iter()
    .enumerate()
    {
        world.hub.add_model(Model::custom(model).status("inactive"));
        let name = format!("bot-{n}");
        let spec = json!({"model": model, "state": "active"});
        world.apply(&name, spec).await.ok().unwrap();
        world.until_reason(&name, "Active").await;
        let paths: Vec<String> = world
            .requests(model)
            .into_iter()
            .map(|entry| entry.path)
            .collect();
        let path = format!("/api/ai/models/{segment}");
        let call = format!("{path}/activate");
        assert_eq!(paths[..3], [path.clone(), call, path], "{model}");
        assert_eq!(world.calls(model), ["activate"], "{model}");
    }
}

#[tokio::test]
async fn a_response_about_another_model_leads_to_no_call() {
    let world = World::new(
        Hub::builder()
            .model(Model::custom("asked"))
            .model(Model::custom("swapped").status("active"))
            .model(Model::custom("sound")),
    )
    .await;
    // A response about another model is retried after the same wait as a refused key.
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "500")]);
    for name in ["swapped", "sound"] {
        world
            .create(name, json!({"model": name, "state": "active"}))
            .await;
        world.until_reason(name, "Active").await;
    }
    world.hub.clear_journal();
    let other = |model: &str, patch| world.hub.inject(Fault::patch(patch).on_model(model));
    other("asked", json!({"id": "quite-another"}));
    other(
        "swapped",
        json!({"owned_by": "somebody-else", "deployments": [{"status": "inactive"}]}),
    );
    world
        .create("asked", json!({"model": "asked", "state": "active"}))
        .await;

    let object = world.until_reason("asked", "ModelMismatch").await;
    assert_eq!(progress(&object), Some(("Stalled", "ModelMismatch")));
    let text = message(&object);
    assert!(
        text.contains("\"asked\"") && text.contains("\"quite-another\""),
        "{text}"
    );
    assert!(!object.has_finalizer());

    let object = world.until_reason("swapped", "IdentityChanged").await;
    assert_eq!(progress(&object), Some(("Stalled", "IdentityChanged")));
    let text = message(&object);
    for words in [
        "swapped of acme",
        "swapped of somebody-else",
        "oxen.ai/reconcile-requested-at",
    ] {
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(
        status(&object).model.unwrap().owner,
        "acme",
        "the identity is kept"
    );
    for model in ["asked", "swapped"] {
        world.until_observed(model, 3).await;
    }
    assert_eq!(world.hub.journal().posts().len(), 0);

    world.hub.clear_faults();
    world.until_reason("asked", "Active").await;
    world.until_reason("swapped", "Active").await;
    assert_eq!(world.calls("swapped"), [""; 0]);
}

#[tokio::test]
async fn every_optional_field_may_be_null() {
    let world = World::new(Hub::builder()).await;
    let _operator = world.operator();
    // Helm and kustomize write null for a value that isn't set.
    let own = json!({"name": "oxen-api-key", "key": null});
    let nulls = [
        ("deletion-policy", json!({"deletionPolicy": null})),
        ("suspend", json!({"suspend": null})),
        ("secret", json!({"apiKeySecretRef": null})),
        ("key", json!({ "apiKeySecretRef": own })),
        ("sync-interval", json!({"syncInterval": null})),
        ("progress-deadline", json!({"progressDeadline": null})),
        ("idle-shutdown", json!({"idleShutdown": null})),
        ("schedule", json!({"schedule": null})),
        (
            "all",
            json!({
                "deletionPolicy": null, "suspend": null, "apiKeySecretRef": null,
                "syncInterval": null, "progressDeadline": null, "idleShutdown": null,
                "schedule": null,
            }),
        ),
    ];
    for (name, fields) in &nulls {
        world.hub.add_model(Model::custom(*name));
        let mut spec = json!({"model": name, "state": "active"});
        let fields = fields.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(fields);
        world.apply(name, spec.clone()).await.ok().unwrap();
        // A server-side apply and a plain request are checked separately.
        let manifest = json!({
            "apiVersion": "oxen.ai/v1alpha1",
            "kind": "OxenModel",
            "metadata": {"name": name, "namespace": world.namespace},
            "spec": spec,
        });
        let manifest = manifest.to_string();
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        let applied = world.cluster.kubectl_stdin(&apply, &manifest).await;
        applied.unwrap().ok().unwrap();
        let replaced = world.cluster.kubectl_replace(async || manifest.clone());
        replaced.await.unwrap().ok().unwrap();
    }
    for (name, _) in &nulls {
        world.until_reason(name, "Active").await;
        // Unset means the default, which is to turn the model off.
        world.delete(name).await;
        world.until_gone(name).await;
        assert_eq!(world.calls(name), ["activate", "deactivate"], "{name}");
    }
}
