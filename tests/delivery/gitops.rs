//! Tests of how Flux and Argo CD read live objects: Flux with kstatus, and Argo CD with the health
//! script.

use std::time::Duration;

use hub::{Fault, Hub, Model};
use kube::api::{DeleteParams, Patch, PatchParams};
use oxen_operator::api::{OxenModel, RECONCILE_ANNOTATION};
use serde_json::{Value, json};
use testkit::world::{World, eventually, status};

use crate::{argocd, tool::run};

/// The object as the API server returns it to a GitOps tool.
async fn live(world: &World, name: &str) -> Value {
    let got = world
        .kubectl(&["get", "oxenmodel", name, "--output", "json"])
        .await;
    serde_json::from_str(&got.ok().unwrap().stdout).unwrap()
}

/// The status that Flux and Argo CD derive from the object.
async fn read(world: &World, name: &str) -> (String, String) {
    let object = live(world, name).await;
    let line = run("kstatus", &[], &object.to_string()).unwrap();
    let (flux, _) = line.split_once('\t').unwrap();
    let argo = argocd::health(&object)["status"]
        .as_str()
        .unwrap()
        .to_owned();
    (flux.to_owned(), argo)
}

async fn reads(world: &World, name: &str, flux: &str, argo: &str) {
    let both = read(world, name).await;
    assert_eq!(
        (both.0.as_str(), both.1.as_str()),
        (flux, argo),
        "{name}: {}",
        live(world, name).await
    );
}

fn spec(model: &str, state: &str) -> Value {
    json!({"model": model, "state": state})
}

fn suspended(model: &str, state: &str) -> Value {
    let mut spec = spec(model, state);
    spec["suspend"] = true.into();
    spec
}

/// A budget has no conditions. It is current when the operator has observed its generation.
#[tokio::test]
async fn flux_waits_until_a_budget_has_been_observed() {
    let world = World::new(Hub::builder()).await;
    let flux = async || {
        let got = world.kubectl(&["get", "oxb", "team", "-o", "json"]).await;
        let budget = got.ok().unwrap().stdout;
        let line = run("kstatus", &[], &budget).unwrap();
        line.split_once('\t').unwrap().0.to_owned()
    };
    let apply = async |most: u32| {
        let budget = json!({"apiVersion": "oxen.ai/v1alpha1", "kind": "OxenBudget",
            "metadata": {"name": "team"}, "spec": {"maxActive": most}});
        let arguments = ["apply", "--namespace", &world.namespace, "-f", "-"];
        let budget = budget.to_string();
        let applied = world.cluster.kubectl_stdin(&arguments, &budget);
        applied.await.unwrap().ok().unwrap();
    };
    apply(1).await;
    assert_eq!(flux().await, "InProgress");
    let operator = world.operator_with(&[("OXEN_BUDGETS", "true")]);
    let current = || async { (flux().await == "Current").then_some(()) };
    eventually("the budget is current", current).await;
    operator.kill();
    apply(2).await;
    assert_eq!(flux().await, "InProgress");
    let _operator = world.operator_with(&[("OXEN_BUDGETS", "true")]);
    eventually("the budget is current again", current).await;
}

#[tokio::test]
async fn flux_and_argo_cd_derive_the_right_status() {
    let slow = |name: &str| {
        let model = Model::custom(name).status("inactive");
        model
            .activate_delay(Duration::from_secs(3600))
            .deactivate_delay(Duration::from_secs(3600))
    };
    let hub = Hub::builder()
        .model(Model::custom("on").status("active"))
        .model(Model::custom("off").status("inactive"))
        .model(Model::base("base"))
        .model(slow("slow"))
        .model(slow("going").status("active"))
        .model(Model::custom("stuck").status("active"));
    let world = World::new(hub).await;
    for (name, spec) in [
        ("on", spec("on", "active")),
        ("off", spec("off", "inactive")),
        ("base", spec("base", "active")),
        ("slow", spec("slow", "active")),
        ("typo", spec("no-such-model", "active")),
        ("going", spec("going", "active")),
        ("stuck", spec("stuck", "active")),
    ] {
        world.create(name, spec).await;
        // No operator has observed the object yet.
        reads(&world, name, "InProgress", "Progressing").await;
    }
    let _operator = world.operator();
    for (name, reason, flux, argo) in [
        ("on", "Active", "Current", "Healthy"),
        ("off", "Inactive", "Current", "Healthy"),
        ("base", "AlwaysActive", "Current", "Healthy"),
        ("slow", "Activating", "InProgress", "Progressing"),
        ("typo", "ModelNotFound", "Failed", "Degraded"),
    ] {
        world.until_reason(name, reason).await;
        reads(&world, name, flux, argo).await;
    }
    // Delete these objects, because two objects for one model would conflict.
    for name in ["on", "off"] {
        world
            .patch(name, json!({"spec": {"deletionPolicy": "Retain"}}))
            .await;
        world.delete(name).await;
        world.until_gone(name).await;
    }
    world.create("watched", suspended("off", "active")).await;
    world.create("adopted", suspended("on", "active")).await;
    world.until_reason("watched", "WouldActivate").await;
    reads(&world, "watched", "InProgress", "Suspended").await;
    world.until_reason("adopted", "Active").await;
    reads(&world, "adopted", "Current", "Suspended").await;

    // A change is in progress until the operator has observed it.
    world.hub.inject(Fault::hang());
    world.edit("base", spec("base", "inactive")).await;
    reads(&world, "base", "InProgress", "Progressing").await;
    world.hub.clear_faults();
    world
        .until_reason("base", "BaseModelCannotDeactivate")
        .await;
    reads(&world, "base", "Failed", "Degraded").await;

    for name in ["going", "stuck"] {
        world.until_finalizer(name).await;
    }
    world.delete("going").await;
    world.until_reason("going", "Deactivating").await;
    reads(&world, "going", "Terminating", "Progressing").await;
    world.hub.inject(Fault::status(403).on_model("stuck"));
    world.delete("stuck").await;
    world.until_blocked("stuck").await;
    reads(&world, "stuck", "Terminating", "Degraded").await;
}

#[tokio::test]
async fn the_actions_of_argo_cd_work_on_live_objects() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    let _operator = world.operator();
    world.create("bot", spec("bot", "active")).await;
    world.until_reason("bot", "Active").await;
    world.until_finalizer("bot").await;
    let act = async |action: &str| {
        let manifest = async || {
            let mut object = live(&world, "bot").await;
            // A manifest has no managed fields, and the status belongs to the operator.
            object["metadata"]["managedFields"].take();
            object["status"].take();
            argocd::run(&format!("actions/{action}/action.lua"), &object).to_string()
        };
        let replaced = world.cluster.kubectl_replace(manifest).await;
        replaced.unwrap().ok().unwrap();
    };
    act("suspend").await;
    world.hub.set_status("bot", "inactive").unwrap();
    world.until_reason("bot", "WouldActivate").await;
    act("resume").await;
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
    act("reconcile").await;
    let asked = |object: &OxenModel| {
        let annotations = object.metadata.annotations.clone().unwrap_or_default();
        annotations.get(RECONCILE_ANNOTATION).cloned()
    };
    let handled = |object: &OxenModel| status(object).last_handled_reconcile_at;
    world
        .until("bot", "reconciled as requested", |object| {
            asked(object).is_some() && asked(object) == handled(object)
        })
        .await;
}

#[tokio::test]
async fn the_operator_changes_no_field_of_a_manifest() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let _operator = world.operator();
    let manifest = |state: &str| {
        json!({
            "apiVersion": "oxen.ai/v1alpha1",
            "kind": "OxenModel",
            "metadata": {"name": "bot", "namespace": world.namespace, "labels": {"team": "chat"}},
            "spec": {"model": "bot", "state": state},
        })
    };
    // Flux and Argo CD use server-side apply, and a dry run of it to detect drift.
    let file = |state: &str| {
        let path = world
            .cluster
            .folder()
            .join(format!("{}-{state}.json", world.namespace));
        std::fs::write(&path, manifest(state).to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let apply = async |state: &str| {
        let file = file(state);
        let arguments = [
            "apply",
            "--server-side",
            "--field-manager",
            "git",
            "-f",
            &file,
        ];
        world.kubectl(&arguments).await.ok().unwrap();
    };
    let diff = async |state: &str| {
        let file = file(state);
        let arguments = [
            "diff",
            "--server-side",
            "--field-manager",
            "git",
            "-f",
            &file,
        ];
        world.kubectl(&arguments).await
    };
    for (state, reason) in [
        ("active", "Active"),
        ("inactive", "Inactive"),
        ("active", "Active"),
    ] {
        apply(state).await;
        world.until_reason("bot", reason).await;
        let drift = diff(state).await;
        assert_eq!(
            (drift.status.code(), drift.stdout.as_str()),
            (Some(0), ""),
            "{drift:?}"
        );
    }
    // The diff does detect a change.
    let changed = diff("inactive").await;
    assert_eq!(changed.status.code(), Some(1), "{changed:?}");

    let object: OxenModel = world.get("bot").await;
    assert_eq!(
        serde_json::to_value(&object.spec).unwrap()["state"],
        "active"
    );
    let stamped = Patch::Merge(json!({"spec": {"state": "inactive"}}));
    world
        .api()
        .patch("bot", &PatchParams::default(), &stamped)
        .await
        .unwrap();
    world
        .api()
        .delete("bot", &DeleteParams::default())
        .await
        .unwrap();
    world.until_gone("bot").await;
}
