//! Budgets that are not known: nothing is activated, everything else goes on, and the reason says
//! what to do.

use hub::{Hub, Model};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use oxen_operator::api::{self, OxenBudget};
use serde_json::{Value, json};
use testkit::world::{World, message};

use crate::undecodable::{relax, with_relaxed_crd};

/// The API of the budgets as they are stored, whether or not they can be decoded.
fn raw(world: &World<&cluster::Cluster>) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<OxenBudget>(&());
    Api::namespaced_with(world.client.clone(), &world.namespace, &resource)
}

#[tokio::test]
async fn nothing_is_activated_before_the_budgets_are_known() {
    // This control plane has no CustomResourceDefinition of budgets.
    let cluster = with_relaxed_crd().await;
    let hub = Hub::builder()
        .model(Model::custom("off").status("inactive"))
        .model(Model::custom("on").status("active"));
    let world = World::on(&cluster, hub).await;
    let operator = world.operator_with(&[("OXEN_BUDGETS", "true")]);
    world
        .create("off", json!({"model": "off", "state": "active"}))
        .await;
    world
        .create("on", json!({"model": "on", "state": "inactive"}))
        .await;
    world.until_reason("on", "Inactive").await;
    let refused = world.until_reason("off", "BudgetUnknown").await;
    assert!(message(&refused).contains("have not been listed"));
    operator
        .until_logged("the CustomResourceDefinition oxenbudgets.oxen.ai is not installed")
        .await;

    // The definition is installed, and no budget limits the namespace.
    let mut crd = serde_json::to_value(api::budget_crd()).unwrap();
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    relax(crd.pointer_mut(spec).unwrap());
    let spec = crd
        .pointer_mut(spec)
        .and_then(Value::as_object_mut)
        .unwrap();
    spec.remove("properties");
    spec.insert("x-kubernetes-preserve-unknown-fields".into(), json!(true));
    let crd = crd.to_string();
    let applied = cluster.kubectl_stdin(&["apply", "-f", "-"], &crd);
    applied.await.unwrap().ok().unwrap();
    world.until_reason("off", "Active").await;

    // A budget can't be decoded.
    let wait = [
        "wait",
        "--for=condition=Established",
        "crd/oxenbudgets.oxen.ai",
    ];
    cluster.kubectl(&wait).await.unwrap().ok().unwrap();
    let odd = json!({
        "apiVersion": "oxen.ai/v1alpha1",
        "kind": "OxenBudget",
        "metadata": {"name": "odd"},
        "spec": {"maxActive": "three"},
    });
    let odd: DynamicObject = serde_json::from_value(odd).unwrap();
    raw(&world)
        .create(&PostParams::default(), &odd)
        .await
        .unwrap();
    operator.until_logged("can't decode the OxenBudget").await;
    world.edit("on", json!({"state": "active"})).await;
    let refused = world.until_reason("on", "BudgetUnknown").await;
    let words = "can't decode the OxenBudget \"odd\", so it is not known whether it allows it: \
                 spec.maxActive: ";
    assert!(message(&refused).contains(words), "{}", message(&refused));
    let labels = format!("{{namespace=\"{}\",name=\"odd\"}}", world.namespace);
    operator
        .until_metric(&format!("oxen_budget_refusing{labels}"), 1.0)
        .await;
    world.edit("off", json!({"state": "inactive"})).await;
    world.until_reason("off", "Inactive").await;

    // The field is corrected.
    let patch = Patch::Merge(json!({"spec": {"maxActive": 3}}));
    let params = PatchParams::default();
    raw(&world).patch("odd", &params, &patch).await.unwrap();
    world.until_reason("on", "Active").await;
}
