//! A CustomResourceDefinition of an older version.

use cluster::Cluster;
use hub::{Endpoint, Fault, Hub, Model};
use kube::api::{Patch, PatchParams};
use oxen_operator::api;
use serde_json::{Value, json};
use testkit::world::{World, eventually, install_crd, message, progress, status, with_crd};

use crate::gated::spec;

/// The CustomResourceDefinition of an older version, whose status doesn't have these fields.
fn crd_without(missing: &[&str]) -> String {
    let mut crd = serde_json::to_value(api::crd()).unwrap();
    let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";
    let fields = crd.pointer_mut(status).and_then(Value::as_object_mut);
    let fields = fields.unwrap();
    for field in missing {
        fields.remove(*field).unwrap();
    }
    crd.to_string()
}

/// Waits until the API server stores no such field of a status.
async fn until_pruned(world: &World<&Cluster>, field: &str, value: &Value) {
    world.create("probe", spec("inactive")).await;
    let status = json!({"observedGeneration": 0, "conditions": [], field: value});
    let patch = Patch::Merge(json!({ "status": status }));
    eventually("the field is pruned", || async {
        let (api, params) = (world.api(), PatchParams::default().dry_run());
        let written = api.patch_status("probe", &params, &patch).await.unwrap();
        let written = serde_json::to_value(written).unwrap();
        written["status"][field].is_null().then_some(())
    })
    .await;
    world.delete("probe").await;
    world.until_gone("probe").await;
}

#[tokio::test]
async fn a_crd_without_usage_causes_no_write_at_each_poll() {
    let cluster = with_crd().await;
    let bot = Model::custom("bot").status("active");
    let world = World::on(&cluster, Hub::builder().model(bot)).await;
    let apply = ["apply", "-f", "-"];
    let applied = cluster
        .kubectl_stdin(&apply, &crd_without(&["usage"]))
        .await;
    applied.unwrap().ok().unwrap();
    until_pruned(&world, "usage", &json!({"activeSeconds": 1})).await;
    let operator = world.operator();
    world.create("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;
    world.until_observed("bot", 2).await;
    let version = world.get("bot").await.metadata.resource_version;
    // The time of an observation differs from that of the next one but one, in whole seconds.
    world.until_observed("bot", 6).await;
    let object = world.get("bot").await;
    assert_eq!(object.metadata.resource_version, version);
    assert_eq!(status(&object).usage, None);
    operator
        .until_metric("oxen_operator_status_field_pruned{field=\"usage\"} ", 1.0)
        .await;
}

#[tokio::test]
async fn an_outdated_crd_prevents_every_call_and_is_named() {
    let cluster = with_crd().await;
    let started = "2026-01-01T00:00:00Z";
    let operation = json!({"id": "a", "kind": "activate", "from": "inactive", "started": started});
    let rows = [
        ("operation", operation),
        ("attempts", json!({"generation": 1})),
    ];
    for (field, value) in rows {
        let bot = Model::custom("bot").status("inactive");
        let world = World::on(&cluster, Hub::builder().model(bot)).await;
        let apply = ["apply", "-f", "-"];
        let applied = cluster.kubectl_stdin(&apply, &crd_without(&[field])).await;
        applied.unwrap().ok().unwrap();
        until_pruned(&world, field, &value).await;
        // The hub takes calls that change nothing.
        let accepted = json!({"id": "bot", "object": "model", "owned_by": hub::ACCOUNT});
        let taken = Fault::answering(200, accepted).on(Endpoint::Activate);
        world.hub.inject(taken);
        let operator = world.operator();
        world.create("bot", spec("active")).await;
        let object = world.until_reason("bot", "CRDOutdated").await;
        assert_eq!(progress(&object), Some(("Stalled", "CRDOutdated")));
        let text = message(&object);
        assert!(text.contains("Upgrade the CustomResource"), "{text}");
        // A try is a dry run, and writes nothing.
        world.until_observed("bot", 2).await;
        let version = world.get("bot").await.metadata.resource_version;
        world.until_observed("bot", 3).await;
        assert_eq!(world.get("bot").await.metadata.resource_version, version);
        assert_eq!(world.calls("bot"), [""; 0], "{field}");

        world.hub.clear_faults();
        install_crd(&cluster).await;
        world.until_reason("bot", "Active").await;
        assert_eq!(world.calls("bot"), ["activate"], "{field}");
        drop(operator);
    }
}

#[tokio::test]
async fn an_override_that_the_crd_does_not_store_leads_to_no_call() {
    let cluster = with_crd().await;
    let bot = Model::custom("bot").status("inactive");
    let world = World::on(&cluster, Hub::builder().model(bot)).await;
    let outdated = crd_without(&["override", "refusedOverride", "handledOverride"]);
    let applied = cluster
        .kubectl_stdin(&["apply", "-f", "-"], &outdated)
        .await;
    applied.unwrap().ok().unwrap();
    let value = "active until 2100-01-01T00:00:00Z";
    let end = json!({"value": value, "state": "active", "until": "2100-01-01T00:00:00Z"});
    until_pruned(&world, "override", &end).await;
    let _operator = world.operator();
    let mut idle = spec("inactive");
    idle["idleShutdown"] = json!("Allow");
    world.create("bot", idle).await;
    world.until_reason("bot", "Inactive").await;
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(30);
    let requested = json!({"oxen.ai/override": format!("active until {now}")});
    let annotation = json!({"metadata": {"annotations": requested}});
    world.patch("bot", annotation).await;
    let object = world.until_reason("bot", "CRDOutdated").await;
    assert_eq!(progress(&object), Some(("Stalled", "CRDOutdated")));
    world.until_observed("bot", 2).await;
    let events = world.until_last_event("bot", "CRDOutdated").await;
    world.until_observed("bot", 4).await;
    // A try is a dry run.
    let version = world.get("bot").await.metadata.resource_version;
    world.until_observed("bot", 3).await;
    assert_eq!(world.get("bot").await.metadata.resource_version, version);
    assert_eq!(world.events("bot").await, events);
    assert_eq!(world.calls("bot"), [""; 0]);

    install_crd(&cluster).await;
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}
