//! `-o json`, `yaml` and `name`.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{clean, item::Item, next, outcome::Failure, price, usage::Used, when::Now};

/// Objects as JSON or YAML, in one list for one object and for many. What the plugin computed is
/// beside each object's own fields. An absent value is absent.
pub fn list(items: &[Item], now: &Now, yaml: bool) -> Result<String, Failure> {
    let items: Vec<Value> = items.iter().map(|item| value(item, now)).collect();
    text(&json!({ "items": items }), yaml)
}

/// A value as JSON or YAML, without characters that change the terminal. What YAML can't hold in a
/// form of its own is written as JSON, which is YAML, too.
pub fn text(value: &impl Serialize, yaml: bool) -> Result<String, Failure> {
    if yaml {
        // YAML has no form for the parts that are kept as the hub sent them.
        let plain = serde_json::to_value(value).ok();
        let plain = plain.and_then(|plain| serde_yaml::to_string(&plain).ok());
        if let Some(text) = plain.filter(|text| clean::is_safe(text)) {
            return Ok(text);
        }
    }
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    Ok(clean::json(&text) + "\n")
}

/// The names of the objects, as `kubectl get -o name` prints them.
pub fn names(items: &[Item]) -> String {
    let lines = items
        .iter()
        .map(|item| format!("oxenmodel.oxen.ai/{}\n", clean::line(&item.name())));
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
    if let Some(price) = price::per_hour(item.status().pricing.as_ref()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_changes_the_terminal_and_each_keeps_its_meaning() {
        let value = json!({"a": "\u{9b}31m\u{202e}\x1b[2J\u{85}x", "b": [1, "é\n"]});
        for yaml in [false, true] {
            let text = text(&value, yaml).ok().unwrap();
            assert!(clean::is_safe(&text), "{text:?}");
            let read: Value = serde_yaml::from_str(&text).unwrap();
            assert_eq!(read, value);
        }
        assert_eq!(text(&json!({"a": "b"}), true).ok().unwrap(), "a: b\n");
    }

    #[test]
    fn what_the_hub_sent_as_it_is_stays_as_it_is() {
        let raw = r#"{"size":1e999,"text":"\ud800"}"#;
        let raw = serde_json::value::RawValue::from_string(raw.into()).unwrap();
        for yaml in [false, true] {
            let text = text(&raw, yaml).ok().unwrap();
            assert_eq!(text.trim_end(), raw.get());
        }
    }
}
