//! Flux, as far as it changes who manages a field: it takes over what kubectl has set.

use kube::api::{Patch, PatchParams};
use oxen_operator::api::OxenModel;
use serde_json::{Value, json};

use crate::world::World;

/// The field manager of Flux.
const FLUX: &str = "kustomize-controller";

/// Applies the manifest of the model `bot` as Flux does: with its own field manager, after it has
/// taken over the fields of every manager whose name begins with `kubectl`.
pub async fn apply(world: &World, state: &str) -> OxenModel {
    let api = world.api();
    if let Some(object) = api.get_opt("bot").await.unwrap() {
        let fields = take_over(&serde_json::to_value(object.metadata.managed_fields).unwrap());
        let patch = json!({"metadata": {"managedFields": fields}});
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        api.patch("bot", &params, &patch).await.unwrap();
    }
    let manifest = json!({
        "apiVersion": "oxen.ai/v1alpha1",
        "kind": "OxenModel",
        "metadata": {"name": "bot"},
        "spec": {"model": "bot", "state": state},
    });
    let params = PatchParams::apply(FLUX).force();
    let applied = api.patch("bot", &params, &Patch::Apply(&manifest)).await;
    applied.unwrap()
}

/// The managed fields, with those of kubectl as a part of those that Flux applied.
fn take_over(fields: &Value) -> Value {
    let all = fields.as_array().unwrap().clone();
    let is = |entry: &Value, prefix: &str| entry["manager"].as_str().unwrap().starts_with(prefix);
    let (kubectl, mut kept): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|entry| is(entry, "kubectl"));
    let own = kept.iter_mut().find(|entry| is(entry, FLUX)).unwrap();
    for entry in kubectl {
        merge(&mut own["fieldsV1"], &entry["fieldsV1"]);
    }
    Value::Array(kept)
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(json!({})), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
