//! The default fields of a model object, and the JSON merge patch.

use serde_json::{Value, json};

/// Applies a JSON merge patch (RFC 7396).
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(fields) = target else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// The default fields of a custom model. They include every field of the reference. A price that
/// the model doesn't have is left out, as in the reference's example.
pub(crate) fn custom_fields() -> Value {
    json!({
        "object": "model",
        "created": 1_760_000_000,
        "description": null,
        "summary": null,
        "model_type": "custom",
        "endpoint": "/chat/completions",
        "capabilities": { "input": ["text"], "output": ["text"] },
        "pricing": { "method": "time", "cost_per_second": 0.00125 },
        "fine_tuning": null,
        "developer": null,
        "source_model": "qwen-3-8b",
        "image_url": null,
        "released_at": null,
        "request_schema": {
            "type": "object",
            "required": ["messages"],
            "properties": { "messages": { "type": "array" }, "max_tokens": { "type": "integer", "minimum": 1 } },
        },
    })
}

/// The default fields of a base model. The prices are those of the reference's example.
pub(crate) fn base_fields() -> Value {
    json!({
        "object": "model",
        "created": 1_750_000_000,
        "description": null,
        "summary": null,
        "model_type": "base",
        "endpoint": "/chat/completions",
        "capabilities": { "input": ["text"], "output": ["text"] },
        "pricing": { "method": "token", "input_cost_per_token": 3e-6, "output_cost_per_token": 1.5e-5 },
        "fine_tuning": null,
        "developer": { "name": "Oxen", "logo": "https://example.com/oxen.svg" },
        "source_model": null,
        "image_url": null,
        "released_at": "2025-06-19T00:00:00Z",
        "request_schema": {
            "type": "object",
            "required": ["messages"],
            "properties": { "messages": { "type": "array" } },
        },
    })
}
