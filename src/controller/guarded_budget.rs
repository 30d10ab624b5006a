//! An OxenBudget of the watch that this version may be unable to decode.

use std::{borrow::Cow, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::Value;

use super::guarded::unreadable;
use crate::api::{OxenBudget, OxenBudgetSpec, OxenBudgetStatus};

/// A budget, as far as this version can decode it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GuardedBudget {
    pub(super) metadata: ObjectMeta,
    /// The limits, or the first field that can't be decoded and why.
    pub(super) spec: Result<OxenBudgetSpec, String>,
    /// The status, unless it can't be decoded.
    pub(super) status: Option<OxenBudgetStatus>,
}

impl GuardedBudget {
    /// The namespace and the name.
    pub(super) fn key(&self) -> (Arc<str>, String) {
        let namespace = self.namespace().unwrap_or_default();
        (namespace.into(), self.name_any())
    }
}

impl<'de> Deserialize<'de> for GuardedBudget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn read<T: DeserializeOwned>(raw: &Value, part: &str) -> Result<T, serde_json::Error> {
            T::deserialize(raw.get(part).unwrap_or(&Value::Null))
        }
        let raw = Value::deserialize(deserializer)?;
        let spec = match read::<OxenBudgetSpec>(&raw, "spec") {
            Ok(spec) => spec.check().map(|()| spec),
            Err(error) => Err(unreadable::<OxenBudgetSpec>(&raw, "spec")
                .unwrap_or_else(|| format!("spec: {error}"))),
        };
        Ok(Self {
            metadata: read(&raw, "metadata").map_err(D::Error::custom)?,
            spec,
            status: read(&raw, "status").ok(),
        })
    }
}

impl Resource for GuardedBudget {
    type DynamicType = ();
    type Scope = <OxenBudget as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        OxenBudget::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        OxenBudget::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        OxenBudget::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        OxenBudget::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn budget(spec: &Value, status: &Value) -> GuardedBudget {
        let budget = json!({
            "apiVersion": "oxen.ai/v1alpha1",
            "kind": "OxenBudget",
            "metadata": {"name": "team-a", "namespace": "team", "generation": 2},
            "spec": spec,
            "status": status,
        });
        serde_json::from_value(budget).unwrap()
    }

    #[test]
    fn a_sound_budget_is_decoded_whatever_its_status() {
        let spec = json!({"maxActive": 3, "maxHourlyCost": "20.00", "secretName": "team-key"});
        let sound = budget(&spec, &json!({"observedGeneration": 2, "active": 1}));
        assert_eq!(sound.spec.as_ref().unwrap().max_active, Some(3));
        assert_eq!(sound.status.map(|it| it.active), Some(1));
        let odd = budget(&spec, &json!({"observedGeneration": "two"}));
        assert_eq!((odd.spec, odd.status), (sound.spec, None));
        assert_eq!(sound.metadata.generation, Some(2));
    }

    #[test]
    fn a_budget_that_cannot_be_decoded_names_the_field() {
        for (spec, problem) in [
            (
                json!({"maxActive": "three"}),
                "spec.maxActive: invalid type",
            ),
            (
                json!({"maxHourlyCost": 20}),
                "spec.maxHourlyCost: invalid type",
            ),
            (
                json!({"maxHourlyCost": "20,00"}),
                "spec.maxHourlyCost: maxHourlyCost must be",
            ),
            (
                json!({"maxMonthlyCost": "500"}),
                "spec: a budget needs a limit",
            ),
            (json!("3"), "spec: invalid type"),
            (Value::Null, "spec: "),
        ] {
            let found = budget(&spec, &Value::Null).spec.unwrap_err();
            assert!(found.starts_with(problem), "{spec}: {found}");
        }
    }
}
