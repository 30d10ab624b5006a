//! What the chart does with values that are null or misspelt, for every value of values.yaml.

use futures::{StreamExt, stream};
use serde_json::{Map, Value, json};

use crate::{
    chart::{assert_refused, rendered},
    samples::all_features,
    tool::read,
};

/// The number of helm commands that run at once.
const AT_ONCE: usize = 4;

/// A value of values.yaml.
#[derive(Debug)]
struct Entry {
    path: Vec<String>,
    is_map: bool,
    /// Whether it is a value of the chart's own. If not, it contains Kubernetes fields.
    is_own: bool,
}

impl Entry {
    /// Values that set only this entry.
    fn set(&self, value: Value) -> Value {
        let path = self.path.iter().rev();
        path.fold(value, |inner, key| json!({key: inner}))
    }
}

/// All values of values.yaml but those within Kubernetes fields.
fn entries() -> Vec<Entry> {
    fn visit(path: &[String], values: &Map<String, Value>, schema: &Value, all: &mut Vec<Entry>) {
        for (key, value) in values {
            let path = [path, std::slice::from_ref(key)].concat();
            let schema = &schema["properties"][key];
            let own_map = schema["properties"].is_object() || key == "global";
            all.push(Entry {
                path: path.clone(),
                is_map: value.is_object(),
                is_own: own_map || !value.is_object(),
            });
            if let Some(inner) = value.as_object().filter(|_| own_map) {
                visit(&path, inner, schema, all);
            }
        }
    }
    let values: Value = serde_yaml::from_str(&read("charts/oxen-operator/values.yaml")).unwrap();
    let schema = read("charts/oxen-operator/values.schema.json");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut all = Vec::new();
    visit(&[], values.as_object().unwrap(), &schema, &mut all);
    let maps = all.iter().filter(|entry| entry.is_map).count();
    assert!(all.len() > 80 && maps > 30, "{} {maps}", all.len());
    all
}

/// Values in which each map of values.yaml is null, and values in which each map within a map is.
pub fn empty_maps() -> [Value; 2] {
    let (mut outer, mut inner) = (json!({}), json!({}));
    for entry in entries().iter().filter(|entry| entry.is_map) {
        let values = if entry.path.len() == 1 {
            &mut outer
        } else {
            &mut inner
        };
        overlay(values, entry.set(Value::Null));
    }
    [outer, inner]
}

/// These values without the one of this path.
fn without(values: &Value, path: &[String]) -> Value {
    let mut values = values.clone();
    let (last, above) = path.split_last().unwrap();
    let map = above
        .iter()
        .try_fold(&mut values, |map, key| map.get_mut(key));
    if let Some(Value::Object(map)) = map {
        map.remove(last);
    }
    values
}

/// Sets what `from` has in `into`.
fn overlay(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                overlay(into.entry(key).or_insert(json!({})), value);
            }
        }
        (into, from) => *into = from,
    }
}

#[tokio::test]
async fn null_means_the_default_for_every_value_of_the_chart() {
    for base in [json!({}), all_features()] {
        let default = rendered(&base).await;
        let checks = entries().into_iter().map(|entry| {
            let (base, default) = (&base, &default);
            async move {
                let mut values = base.clone();
                overlay(&mut values, entry.set(Value::Null));
                let found = rendered(&values).await;
                if !entry.is_own {
                    return;
                }
                let unset = without(base, &entry.path);
                if &unset == base {
                    assert!(&found == default, "{entry:?}");
                } else {
                    assert!(found == rendered(&unset).await, "{entry:?}");
                }
            }
        });
        stream::iter(checks)
            .buffer_unordered(AT_ONCE)
            .collect::<()>()
            .await;
    }
}

#[tokio::test]
async fn a_misspelt_key_is_refused_at_every_level() {
    assert_refused(&json!({"misspelt": true}), "misspelt").await;
    for entry in entries() {
        let shared = entry.path == ["global"];
        if entry.is_map && entry.is_own && !shared {
            let values = entry.set(json!({"misspelt": true}));
            assert_refused(&values, "misspelt").await;
        }
    }
}

#[tokio::test]
async fn kubernetes_fields_pass_through() {
    for path in [
        "podSpec",
        "deployment",
        "resources",
        "podSecurityContext",
        "securityContext",
    ] {
        let values = json!({path: {"fieldOfTheNextVersion": {"a": 1}}});
        let text = format!("{:?}", rendered(&values).await);
        assert!(text.contains("fieldOfTheNextVersion"), "{path}");
    }
    let peers = json!([{"fieldOfTheNextVersion": {}}]);
    let values = json!({"networkPolicy": {"enabled": true, "extraEgress": peers}});
    let text = format!("{:?}", rendered(&values).await);
    assert!(text.contains("fieldOfTheNextVersion"));
}
