//! One object of the cluster, decoded or not.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ManagedFieldsEntry};
use kube::{ResourceExt, core::DynamicObject};
use oxen_operator::{
    api::{OxenModel, OxenModelStatus, State},
    decide::{READY, RECONCILING, STALLED, condition, is_true},
};
use serde_json::Value;

use crate::clean;

/// An object. One that this version can't decode is shown as far as it goes, and hides no other.
#[derive(Debug)]
pub struct Item {
    /// The object as the API server sent it, without its managed fields.
    pub raw: DynamicObject,
    /// The decoded object, or why it can't be decoded.
    pub object: Result<OxenModel, String>,
    /// When the annotation of an override was written, if it still has it.
    pub override_written: Option<Timestamp>,
}

impl Item {
    /// Decodes an object.
    pub fn new(mut raw: DynamicObject) -> Self {
        let managed = raw.metadata.managed_fields.take();
        let override_written = managed.iter().flatten().find_map(written);
        let object = raw.clone().try_parse().map_err(|error| error.to_string());
        Self {
            raw,
            object,
            override_written,
        }
    }

    /// The namespace.
    pub fn namespace(&self) -> String {
        self.raw.namespace().unwrap_or_default()
    }

    /// The name.
    pub fn name(&self) -> String {
        self.raw.name_any()
    }

    /// The namespace and the name, as they are shown.
    pub fn full_name(&self) -> String {
        clean::line(&format!("{}/{}", self.namespace(), self.name()))
    }

    /// The status, also of an object whose spec can't be decoded. It is empty where there is none.
    pub fn status(&self) -> OxenModelStatus {
        let status = match &self.object {
            Ok(object) => object.status.clone(),
            Err(_) => {
                let raw = self.raw.data.get("status").cloned();
                raw.and_then(|raw| serde_json::from_value(raw).ok())
            }
        };
        status.unwrap_or_default()
    }

    /// Whether there is no status, or [`Item::status()`] is what it says.
    pub fn is_status_read(&self) -> bool {
        let raw = self.raw.data.get("status").cloned();
        let read = |raw| serde_json::from_value::<Option<OxenModelStatus>>(raw).is_ok();
        self.object.is_ok() || raw.is_none_or(read)
    }

    /// The conditions, also of an object that can't be decoded.
    pub fn conditions(&self) -> Vec<Condition> {
        let stored: Option<&Value> = self.raw.data.pointer("/status/conditions");
        let stored = stored.and_then(Value::as_array).into_iter().flatten();
        stored
            .filter_map(|one| serde_json::from_value(one.clone()).ok())
            .collect()
    }

    /// Whether the object is suspended.
    pub fn suspended(&self) -> bool {
        self.raw.data.pointer("/spec/suspend") == Some(&Value::Bool(true))
    }

    /// The text of a field, or nothing.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.raw.data.pointer(pointer).and_then(Value::as_str)
    }
}

/// When the entry's manager wrote the annotation `oxen.ai/override`, if it is one of its fields.
fn written(entry: &ManagedFieldsEntry) -> Option<Timestamp> {
    let fields = &entry.fields_v1.as_ref()?.0;
    fields.pointer("/f:metadata/f:annotations/f:oxen.ai~1override")?;
    entry.time.as_ref().map(|time| time.0)
}

/// The one word for the conditions: `Stalled`, `Reconciling`, `Ready`, `Not ready` or `Unknown`.
pub fn word(conditions: &[Condition]) -> &'static str {
    let ready = condition(conditions, READY).map(|ready| ready.status.as_str());
    match ready {
        _ if is_true(conditions, STALLED) => "Stalled",
        Some("True") => "Ready",
        _ if is_true(conditions, RECONCILING) => "Reconciling",
        Some("False") => "Not ready",
        _ => "Unknown",
    }
}

/// The call that leads to a state.
pub fn verb(state: State) -> &'static str {
    match state {
        State::Active => "activates",
        State::Inactive => "deactivates",
    }
}
