//! An object in the form in which the store of the watch keeps it: as compressed text, without the
//! fields that no decision needs. It is decoded for each use.
//!
//! Most of the memory of an operator with many objects would otherwise be decoded objects, which
//! need ten times as much.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use lz4_flex::block;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::value::RawValue;

use super::guarded::Guarded;
use crate::api::{ANNOTATIONS, OxenModel};

/// The text of a typical object. What an object has in common with it is not stored again. Another
/// text changes the size of the compressed objects, and nothing else.
const TYPICAL: &[u8] = include_bytes!("typical.json");

/// A compressed object. Its clones share the text.
#[derive(Clone, Debug)]
pub(super) struct Compact(Arc<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    /// The name and the namespace. In an object that comes from kube's watcher, also the UID and
    /// the version.
    meta: ObjectMeta,
    uid: Box<str>,
    version: Option<Box<str>>,
    text: Box<[u8]>,
}

/// The fields that are kept. The spec and the status stay as the API server wrote them.
#[derive(Deserialize, Serialize)]
struct Kept<'a> {
    metadata: Metadata,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    spec: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    status: Option<&'a RawValue>,
}

/// The fields of the metadata that are kept.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Compact {
    /// The object's UID.
    pub(super) fn uid(&self) -> &str {
        &self.0.uid
    }

    /// The object's resource version.
    pub(super) fn version(&self) -> Option<&str> {
        self.0.version.as_deref()
    }

    /// Decodes the object.
    #[expect(
        clippy::expect_used,
        reason = "the text was made by this module, and `Kept` was decoded from it"
    )]
    pub(super) fn decode(&self) -> Guarded {
        let text = block::decompress_size_prepended_with_dict(&self.0.text, TYPICAL)
            .expect("the text was compressed with the same dictionary");
        let text = str::from_utf8(&text).expect("the text is JSON");
        Guarded::from_text(text).expect("the metadata can be decoded")
    }

    /// Removes what only kube's watcher needs. kube would copy it into each reference to the
    /// object.
    pub(super) fn watched(&mut self) {
        let meta = self.meta_mut();
        meta.uid = None;
        meta.resource_version = None;
    }

    /// Returns true when both are the same version of the same object.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl<'de> Deserialize<'de> for Compact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let mut kept: Kept<'_> = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        if let Some(annotations) = &mut kept.metadata.annotations {
            annotations.retain(|name, _| ANNOTATIONS.contains(&name.as_str()));
        }
        let text = serde_json::to_vec(&kept).map_err(D::Error::custom)?;
        let text = block::compress_prepend_size_with_dict(&text, TYPICAL);
        let metadata = kept.metadata;
        let version = metadata.resource_version.clone();
        Ok(Self(Arc::new(Parts {
            uid: metadata.uid.clone().unwrap_or_default().into(),
            version: version.map(Into::into),
            meta: ObjectMeta {
                name: metadata.name,
                namespace: metadata.namespace,
                uid: metadata.uid,
                resource_version: metadata.resource_version,
                ..ObjectMeta::default()
            },
            text: text.into(),
        })))
    }
}

impl Resource for Compact {
    type DynamicType = ();
    type Scope = <OxenModel as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        OxenModel::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        OxenModel::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        OxenModel::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        OxenModel::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.0.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut Arc::make_mut(&mut self.0).meta
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object() -> Value {
        json!({
            "apiVersion": "oxen.ai/v1alpha1",
            "kind": "OxenModel",
            "metadata": {
                "name": "bot",
                "namespace": "team",
                "uid": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
                "resourceVersion": "98765",
                "generation": 3,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "deletionTimestamp": "2026-01-02T00:00:00Z",
                "deletionGracePeriodSeconds": 0,
                "finalizers": ["oxen.ai/deactivate", "example.com/other"],
                "annotations": {
                    "oxen.ai/reconcile-requested-at": "now",
                    "kubectl.kubernetes.io/last-applied-configuration": "{}",
                },
                "labels": {"app": "bot"},
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"},
                ],
                "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
            },
            "spec": {"model": "bot", "state": "active", "syncInterval": "30s"},
            "status": {"observedGeneration": 2, "live": "active", "conditions": []},
        })
    }

    fn compact(object: &Value) -> Compact {
        serde_json::from_value(object.clone()).unwrap()
    }

    #[test]
    fn an_object_is_decoded_as_it_was_but_for_metadata_that_no_decision_needs() {
        let compact = compact(&object());
        let mut expected: OxenModel = serde_json::from_value(object()).unwrap();
        let meta = &mut expected.metadata;
        meta.deletion_grace_period_seconds = None;
        meta.labels = None;
        meta.owner_references = None;
        meta.managed_fields = None;
        let annotations = meta.annotations.as_mut().unwrap();
        annotations.retain(|name, _| ANNOTATIONS.contains(&name.as_str()));
        let decoded = compact.decode();
        assert_eq!(decoded.unreadable, None);
        assert_eq!(*decoded.object, expected);
        assert_eq!(compact.uid(), decoded.uid());
        assert_eq!(compact.version(), decoded.version());
    }

    #[test]
    fn what_cannot_be_decoded_is_found_at_each_use() {
        for (part, value) in [
            ("spec", json!("a string")),
            ("spec", Value::Null),
            ("status", json!("a string")),
        ] {
            let mut odd = object();
            odd[part] = value;
            let text = odd.to_string();
            let decoded = Guarded::from_text(&text).unwrap();
            assert_eq!(compact(&odd).decode().unreadable, decoded.unreadable);
            assert!(decoded.unreadable.is_some());
        }
        let bare = compact(&json!({"metadata": {"name": "bare"}}));
        assert_eq!((bare.uid(), bare.version()), ("", None));
        assert!(bare.decode().unreadable.is_some());
    }

    #[test]
    fn an_object_without_metadata_is_refused() {
        for metadata in [json!("a string"), json!({"name": 7})] {
            let odd = serde_json::from_value::<Compact>(json!({"metadata": metadata}));
            assert!(odd.is_err(), "{metadata}");
        }
    }

    #[test]
    fn versions_of_an_object_are_told_apart() {
        let (one, same) = (compact(&object()), compact(&object()));
        let mut later = object();
        later["metadata"]["resourceVersion"] = json!("98766");
        assert!(one.is(&same));
        assert!(!one.is(&compact(&later)));
    }

    #[test]
    fn an_object_costs_little_more_than_what_differs_from_a_typical_one() {
        let typical = str::from_utf8(TYPICAL).unwrap();
        let text = typical
            .replace("support-bot", "translator")
            .replace(
                "0f8fad5b-d9cb-469f-a165-70867728950e",
                "7c9e6679-7425-40de-944b-e07fc1f90ae7",
            )
            .replace("04:11:12", "05:33:44");
        let object: Value = serde_json::from_str(&text).unwrap();
        let size = compact(&object).0.text.len();
        assert!(size < text.len() / 4, "{size} of {} bytes", text.len());
    }
}
