//! Invalid input: `kubectl apply` reports what the schema refuses, the object's own status reports
//! the rest, and no other object is affected.

use std::time::Duration;

use cluster::Cluster;
use hub::{Fault, Hub, Model};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
};
use oxen_operator::api::{self, OxenModel};
use serde_json::{Value, json};
use testkit::world::{World, eventually, install_crd, message, progress, status};

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
            &["spec.state", "\"active\", \"inactive\""],
        ),
        (
            bad("state", json!("Active")),
            &["spec.state", "\"active\", \"inactive\""],
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
        let paths_: Vec<&str> = paths.iter().map(String::as_str).collect();
        assert_eq!(paths_[..2], [path.as_str(); 2], "{model}");
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

/// Starts a control plane whose CustomResourceDefinition accepts nearly anything.
async fn with_relaxed_crd() -> Cluster {
    let cluster = Cluster::start().await.unwrap();
    let relaxed = relaxed();
    let applied = cluster.kubectl_stdin(&["apply", "-f", "-"], &relaxed);
    applied.await.unwrap().ok().unwrap();
    cluster
}

/// The CustomResourceDefinition of a version with hardly any rules.
fn relaxed() -> String {
    let mut crd = serde_json::to_value(api::crd()).unwrap();
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties";
    for part in ["spec", "status/properties/live"] {
        relax(crd.pointer_mut(&format!("{schema}/{part}")).unwrap());
    }
    crd.to_string()
}

fn relax(value: &mut Value) {
    let rules = [
        "x-kubernetes-validations",
        "enum",
        "maxLength",
        "minLength",
        "required",
    ];
    if let Value::Object(fields) = value {
        fields.retain(|name, _| !rules.contains(&name.as_str()));
        fields.values_mut().for_each(relax);
    }
}

/// The API of the objects as they are stored, whether or not they can be decoded.
fn raw(world: &World<&Cluster>) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<OxenModel>(&());
    Api::namespaced_with(world.client.clone(), &world.namespace, &resource)
}

async fn patch(world: &World<&Cluster>, name: &str, patch: Value) {
    let params = PatchParams::default();
    let patched = raw(world).patch(name, &params, &Patch::Merge(patch)).await;
    patched.unwrap();
}

/// Waits until the object is reported as invalid with these words, and its deletion as blocked
/// where it is being deleted. Returns the message of Ready.
async fn until_invalid(world: &World<&Cluster>, name: &str, words: &str) -> String {
    eventually(&format!("{name} is reported with {words:?}"), || async {
        let object = raw(world).get(name).await.unwrap();
        let conditions = object.data.pointer("/status/conditions")?;
        let conditions: Vec<Condition> = serde_json::from_value(conditions.clone()).unwrap();
        let of = |type_: &str| conditions.iter().find(|one| one.type_ == type_);
        let (ready, stalled) = (of("Ready")?, of("Stalled")?);
        let blocked = of("DeletionBlocked").map(|blocked| blocked.status.as_str());
        let deleting = object.metadata.deletion_timestamp.is_some();
        let reported = ready.status == "False"
            && (ready.reason.as_str(), stalled.reason.as_str()) == ("InvalidSpec", "InvalidSpec")
            && ready.message.contains(words)
            && blocked == deleting.then_some("True");
        reported.then(|| ready.message.clone())
    })
    .await
}

async fn until_gone(world: &World<&Cluster>, name: &str) {
    eventually(&format!("{name} is gone"), || async {
        let found = raw(world).get_opt(name).await.unwrap();
        found.is_none().then_some(())
    })
    .await;
}

/// Objects that today's schema would refuse: the name, the spec, the field, and what the message
/// says about it.
fn refused_today() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let with = |name: &str, field: &str, value: Value| {
        let mut spec = json!({"model": name, "state": "active"});
        spec[field] = value;
        spec
    };
    vec![
        (
            "paused",
            with("paused", "state", json!("paused")),
            "spec.state",
            "active",
        ),
        ("no-model", json!({"state": "active"}), "spec", "model"),
        (
            "empty",
            with("empty", "model", json!("")),
            "spec.model",
            "write the hub's model name",
        ),
        (
            "blank",
            with("blank", "model", json!("a b")),
            "spec.model",
            "as the hub lists it",
        ),
        (
            "frequent",
            with("frequent", "syncInterval", json!("5s")),
            "spec.syncInterval",
            "at least 30s",
        ),
        (
            "soon",
            with("soon", "syncInterval", json!("soon")),
            "spec.syncInterval",
            "30s, 5m or 1h30m",
        ),
        (
            "late",
            with("late", "progressDeadline", json!("0s")),
            "spec.progressDeadline",
            "more than 0s",
        ),
        (
            "orphan",
            with("orphan", "deletionPolicy", json!("Orphan")),
            "spec.deletionPolicy",
            "Retain",
        ),
        (
            "newer",
            with("newer", "suspend", Value::Null),
            "status.live",
            "resting",
        ),
    ]
}

#[tokio::test]
async fn an_object_that_the_schema_would_refuse_affects_no_other_object() {
    let cluster = with_relaxed_crd().await;
    let world = World::on(&cluster, Hub::builder().model(Model::custom("sound"))).await;
    for (name, spec, ..) in refused_today() {
        world.hub.add_model(Model::custom(name).status("active"));
        eventually("the relaxed schema is in force", || async {
            world.apply(name, spec.clone()).await.ok().ok()
        })
        .await;
        // As if it had been valid before.
        let held = json!({"metadata": {"finalizers": [api::FINALIZER]}});
        patch(&world, name, held).await;
    }
    let newer = json!({"status": {"observedGeneration": 1, "live": "resting"}}).to_string();
    let arguments = [
        "patch",
        "oxm",
        "newer",
        "--subresource=status",
        "--type=merge",
        "-p",
        &newer,
    ];
    world.kubectl(&arguments).await.ok().unwrap();
    install_crd(&cluster).await;
    eventually("the rules are back in force", || async {
        let output = world
            .apply("refused", json!({"model": "", "state": "active"}))
            .await;
        (!output.status.success()).then_some(())
    })
    .await;

    let _operator = world.operator();
    world
        .create("sound", json!({"model": "sound", "state": "active"}))
        .await;
    world.until_reason("sound", "Active").await;
    for (name, _, field, words) in refused_today() {
        let text = until_invalid(&world, name, words).await;
        assert!(text.contains(field), "{name}: {text}");
    }
    // Once they are reported, nothing is written any more.
    world.until_observed("sound", 1).await;
    let writes = world.writes("status");
    world.until_observed("sound", 4).await;
    assert_eq!(world.writes("status"), writes);
    assert_eq!(world.hub.journal().posts().len(), 1, "the call for sound");

    // The fix that the message names is enough.
    patch(&world, "frequent", json!({"spec": {"syncInterval": "30s"}})).await;
    world.until_reason("frequent", "Active").await;
    patch(&world, "soon", json!({"spec": {"syncInterval": null}})).await;
    world.until_reason("soon", "Active").await;

    // A deletion follows its policy, as far as that can be read.
    for name in ["paused", "late", "frequent", "newer"] {
        raw(&world)
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
        until_gone(&world, name).await;
        assert_eq!(world.calls(name), ["deactivate"], "{name}");
        assert_eq!(world.hub.live(name).unwrap(), ["inactive"]);
    }
    for name in ["no-model", "empty", "blank", "orphan"] {
        raw(&world)
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
        until_invalid(&world, name, "deletionPolicy: Retain").await;
        let mut retain = json!({"deletionPolicy": "Retain"});
        if name == "no-model" {
            // The API server accepts no other change while a required field is missing.
            retain["model"] = json!(name);
        }
        patch(&world, name, json!({"spec": retain})).await;
        until_gone(&world, name).await;
        assert_eq!(world.calls(name), [""; 0], "{name}");
    }
    world.edit("sound", json!({"state": "inactive"})).await;
    world.until_reason("sound", "Inactive").await;
}

#[tokio::test]
async fn an_owner_that_cannot_be_decoded_keeps_its_model_after_a_restart() {
    let cluster = with_relaxed_crd().await;
    let bot = Model::custom("bot").status("active");
    let world = World::on(&cluster, Hub::builder().model(bot)).await;
    let operator = world.operator();
    eventually("the relaxed schema is in force", || async {
        let first = json!({"model": "bot", "state": "active"});
        world.apply("first", first).await.ok().ok()
    })
    .await;
    world.until_reason("first", "Active").await;
    world.next_second().await;
    let second = json!({"model": "bot", "state": "inactive"});
    world.create("second", second).await;
    world.until_reason("second", "Conflict").await;

    // If the second object owned the model, it would turn it off.
    patch(&world, "first", json!({"spec": {"syncInterval": "soon"}})).await;
    until_invalid(&world, "first", "30s, 5m or 1h30m").await;
    world.until_observed("bot", 4).await;
    operator.kill();
    let _operator = world.operator();
    world.until_observed("bot", 4).await;
    world.until_reason("second", "Conflict").await;
    assert_eq!(world.calls("bot"), [""; 0]);

    patch(&world, "first", json!({"spec": {"syncInterval": null}})).await;
    world.until_reason("first", "Active").await;
    assert_eq!(world.calls("bot"), [""; 0]);
}

#[tokio::test]
async fn an_owner_that_becomes_undecodable_is_deleted_and_succeeded() {
    let cluster = with_relaxed_crd().await;
    let bot = Model::custom("bot").status("active");
    let world = World::on(&cluster, Hub::builder().model(bot)).await;
    let _operator = world.operator();
    eventually("the relaxed schema is in force", || async {
        let first = json!({"model": "bot", "state": "active"});
        world.apply("first", first).await.ok().ok()
    })
    .await;
    world.until_reason("first", "Active").await;
    world.until_finalizer("first").await;
    world.next_second().await;
    let second = json!({"model": "bot", "state": "active"});
    world.create("second", second).await;
    world.until_reason("second", "Conflict").await;

    patch(&world, "first", json!({"spec": {"syncInterval": "soon"}})).await;
    until_invalid(&world, "first", "30s, 5m or 1h30m").await;
    let params = DeleteParams::default();
    raw(&world).delete("first", &params).await.unwrap();
    until_gone(&world, "first").await;
    world.until_reason("second", "Active").await;
    assert_eq!(world.calls("bot"), [""; 0]);
}

#[tokio::test]
async fn an_object_that_becomes_undecodable_after_its_call_keeps_its_operation() {
    let cluster = with_relaxed_crd().await;
    let late = Duration::from_secs(3);
    let bot = Model::custom("bot").status("inactive").late_effect(late);
    let world = World::on(&cluster, Hub::builder().model(bot)).await;
    // An operation without an effect stays open for 12 seconds.
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "10")]);
    eventually("the relaxed schema is in force", || async {
        let first = json!({"model": "bot", "state": "active"});
        world.apply("first", first).await.ok().ok()
    })
    .await;
    world.until_called("bot", 1).await;
    patch(&world, "first", json!({"spec": {"syncInterval": "soon"}})).await;
    until_invalid(&world, "first", "30s, 5m or 1h30m").await;

    // If the operation were forgotten, the model would be activated once its object is gone.
    let params = DeleteParams::default();
    raw(&world).delete("first", &params).await.unwrap();
    until_gone(&world, "first").await;
    assert_eq!(world.calls("bot"), ["activate", "deactivate"]);
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
}
