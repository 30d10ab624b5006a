//! What the keeper reads of an object.

use jiff::{SignedDuration, Timestamp};
use kube::core::{DynamicObject, ObjectMeta};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::{OxenModel, OxenModelStatus, State};

/// The owner of the annotation. Flux takes back the fields of owners that begin with `kubectl`.
pub const FIELD_MANAGER: &str = "oxen-keeper";

/// The fields of the status that the keeper reads.
const FIELDS: [&str; 6] = [
    "conditions",
    "desired",
    "handledOverride",
    "live",
    "override",
    "refusedOverride",
];

/// Returns the object as far as this version understands it. A field that has the words of a newer
/// operator is absent, and so is every field that the keeper doesn't need.
///
/// # Errors
///
/// Never, unless this version's own types don't fit together.
pub fn understood(mut object: DynamicObject) -> Result<OxenModel, serde_json::Error> {
    let name = object.metadata.name.clone().unwrap_or_default();
    let status = object.data.get_mut("status").and_then(Value::as_object_mut);
    let mut status = status.map(std::mem::take).unwrap_or_default();
    let without_fields = || Map::from_iter([("observedGeneration".to_owned(), json!(-1))]);
    let mut known = without_fields();
    for field in FIELDS {
        let Some(mut value) = status.remove(field) else {
            continue;
        };
        if field == "override" {
            leave_unknown_state(&mut value);
        }
        let mut alone = without_fields();
        alone.insert(field.to_owned(), value);
        if OxenModelStatus::deserialize(&alone).is_ok() {
            known.append(&mut alone);
        }
    }
    // No decision of the keeper depends on the spec.
    let spec = json!({"model": name, "state": "inactive"});
    let mut model = OxenModel::new(&name, serde_json::from_value(spec)?);
    model.metadata = object.metadata;
    model.status = Some(serde_json::from_value(Value::Object(known))?);
    Ok(model)
}

/// Gives an override whose state this version doesn't know the state inactive: the keeper leaves
/// such an override as it is until its end.
fn leave_unknown_state(value: &mut Value) {
    if let Some(state) = value.get_mut("state")
        && State::deserialize(&*state).is_err()
    {
        *state = json!(State::Inactive);
    }
}

/// Returns how far the clock of this process is behind the API server's, from the answer to a write
/// of the keeper that arrived at `now`. It is negative for a clock that is ahead.
pub fn behind(written: &ObjectMeta, now: Timestamp) -> Option<SignedDuration> {
    let entries = written.managed_fields.iter().flatten();
    let own = entries.filter(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.operation.as_deref() == Some("Update")
    });
    let times = own.filter_map(|entry| entry.time.as_ref());
    let last = times.map(|time| time.0).max()?;
    Some(last.duration_since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: Value) -> OxenModelStatus {
        let object = serde_json::from_value(json!({
            "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
            "metadata": {"name": "bot"}, "spec": {"state": "sometimes"}, "status": status,
        }));
        understood(object.unwrap()).unwrap().status.unwrap()
    }

    #[test]
    fn an_unknown_word_leaves_the_other_fields_readable() {
        let conditions = json!([{
            "type": "Ready", "status": "True", "reason": "Active", "message": "",
            "lastTransitionTime": "2026-11-25T10:00:00Z",
        }]);
        let request = json!({
            "value": "active until 2026-11-25T11:00:00Z", "state": "active",
            "until": "2026-11-25T11:00:00Z",
        });
        let known = json!({
            "conditions": conditions, "desired": "active", "live": "active",
            "override": request, "handledOverride": "none", "usage": "other",
        });
        let expected = read(known.clone());
        assert_eq!(expected.conditions.len(), 1);
        for (field, value) in [
            ("desired", json!("paused")),
            ("live", json!("hibernating")),
            ("conditions", json!([{"kind": "Ready"}])),
            ("refusedOverride", json!("yes")),
            ("override", json!("yes")),
        ] {
            let mut status = known.clone();
            status[field] = value;
            let seen = read(status);
            let mut without = expected.clone();
            match field {
                "desired" => without.desired = None,
                "live" => without.live = None,
                "conditions" => without.conditions = Vec::new(),
                "override" => without.override_in_force = None,
                _ => {}
            }
            assert_eq!(seen, without, "{field}");
        }
        let mut status = known;
        status["override"]["state"] = json!("paused");
        let in_force = read(status).override_in_force.unwrap();
        assert_eq!(in_force.state, State::Inactive);
        assert_eq!(read(Value::Null).desired, None);
    }

    #[test]
    fn the_last_write_of_the_keeper_shows_the_clock_of_the_api_server() {
        let now: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
        let entry = |manager: &str, time: &str| json!({"manager": manager, "operation": "Update", "apiVersion": "a/v1", "time": time});
        let written = |entries: Value| {
            let metadata = serde_json::from_value(json!({ "managedFields": entries })).unwrap();
            behind(&metadata, now).map(|it| it.as_secs())
        };
        let others = entry("oxen-operator", "2026-11-25T12:00:00Z");
        let late = entry(FIELD_MANAGER, "2026-11-25T10:05:00Z");
        let early = entry(FIELD_MANAGER, "2026-11-25T09:58:00Z");
        assert_eq!(written(json!([others, early])), Some(-120));
        assert_eq!(written(json!([late, early])), Some(300));
        assert_eq!(written(json!([others])), None);
        assert_eq!(written(Value::Null), None);
    }
}
