//! Objects that this version can't decode: their own status says so, their models, operations and
//! deletions are what can be read of them, and no other object is affected.

use cluster::Cluster;
use hub::{Hub, Model};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
};
use oxen_operator::api::{self, OxenModel};
use serde_json::{Value, json};
use testkit::world::{World, eventually, install_crd};

/// Starts a control plane whose CustomResourceDefinition accepts nearly anything.
pub(crate) async fn with_relaxed_crd() -> Cluster {
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

pub(crate) fn relax(value: &mut Value) {
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
pub(crate) fn raw(world: &World<&Cluster>) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<OxenModel>(&());
    Api::namespaced_with(world.client.clone(), &world.namespace, &resource)
}

pub(crate) async fn patch(world: &World<&Cluster>, name: &str, patch: Value) {
    let params = PatchParams::default();
    let patched = raw(world).patch(name, &params, &Patch::Merge(patch)).await;
    patched.unwrap();
}

/// Waits until the object is reported as invalid with these words, and its deletion as blocked
/// where it is being deleted. Returns the message of Ready.
pub(crate) async fn until_invalid(world: &World<&Cluster>, name: &str, words: &str) -> String {
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

pub(crate) async fn until_gone(world: &World<&Cluster>, name: &str) {
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
    let scheduled = |name: &str, zone: &str, window: &str| {
        let schedule = json!({"timeZone": zone, "active": [window]});
        json!({"model": name, "state": "scheduled", "schedule": schedule})
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
            "mars",
            scheduled("mars", "Mars/Olympus", "08:00-18:00"),
            "spec.schedule.timeZone",
            "Europe/Berlin",
        ),
        (
            "german",
            scheduled("german", "Europe/Berlin", "Mo-Fr 08:00-18:00"),
            "spec.schedule.active[0]",
            "Mon-Fri 08:00-18:00",
        ),
        (
            "leap",
            scheduled("leap", "Europe/Berlin", "2027-02-29 08:00-18:00"),
            "spec.schedule.active[0]",
            "date must exist",
        ),
        (
            "unscheduled",
            with("unscheduled", "state", json!("scheduled")),
            "spec.schedule",
            "needs a schedule",
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
    world.patch_status("newer", &newer).await.ok().unwrap();
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
