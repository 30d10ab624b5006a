//! `-o json`, `yaml` and `name`.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{amount, item::Item, next, outcome::Failure, usage::Used, when::Now};

/// Objects as JSON or YAML, in one list for one object and for many. What the plugin computed is
/// beside each object's own fields. An absent value is absent.
pub fn list(items: &[Item], now: &Now, yaml: bool) -> Result<String, Failure> {
    let items: Vec<Value> = items.iter().map(|item| value(item, now)).collect();
    text(&json!({ "items": items }), yaml)
}

/// A value as JSON or YAML.
pub fn text(value: &impl Serialize, yaml: bool) -> Result<String, Failure> {
    let text = if yaml {
        serde_yaml::to_string(value).map_err(|error| error.to_string())
    } else {
        serde_json::to_string_pretty(value)
            .map(|text| text + "\n")
            .map_err(|error| error.to_string())
    };
    Ok(text?)
}

/// The names of the objects, as `kubectl get -o name` prints them.
pub fn names(items: &[Item]) -> String {
    let lines = items
        .iter()
        .map(|item| format!("oxenmodel.oxen.ai/{}\n", item.name()));
    lines.collect()
}

fn value(item: &Item, now: &Now) -> Value {
    let mut value = serde_json::to_value(&item.raw).unwrap_or_default();
    let Ok(object) = &item.object else {
        return value;
    };
    if let Some(change) = next::change(object, now.time) {
        value["next"] = json!({"action": change.to, "at": change.at});
    }
    if let Some(price) = amount::per_hour(&item.status()) {
        value["perHour"] = json!(price.rounded());
    }
    if let Some(used) = Used::of(&item.status(), now.time) {
        value["activeSeconds"] = json!(used.active_seconds);
        if let Some(cost) = used.cost {
            value["cost"] = json!(cost);
        }
    }
    value
}
