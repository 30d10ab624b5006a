//! Why a change is refused before it is written, and who would take it back: pure functions of the
//! object.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use oxen_operator::{
    api::{Declared, State},
    decide::{READY, condition},
};

use crate::item::Item;

/// A change of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// An override for this state.
    Override(State),
    /// The end of an override.
    Auto,
    /// The spec declares another state.
    Spec(Declared),
    /// The operator is asked to reconcile.
    Reconcile,
    /// `spec.suspend` changes.
    Suspend,
}

/// Why the change is refused, and what comes first; `None` if it isn't. On a suspended object, a
/// change that turns no model on is safe and takes effect later; [`idle`] says so.
pub fn refusal(item: &Item, change: Change) -> Option<String> {
    let (full, name) = (item.full_name(), item.name());
    let here = format!("{name} -n {}", item.namespace());
    if item.raw.metadata.deletion_timestamp.is_some() {
        return Some(format!(
            "{full} is being deleted, so the operator would not act. To release it and leave its \
             model as it is: kubectl oxen release {here}"
        ));
    }
    match change {
        Change::Override(State::Active) | Change::Reconcile if item.suspended() => Some(format!(
            "{full} is suspended, so the operator would not act. To resume it: kubectl oxen resume \
             {here}"
        )),
        Change::Override(_) => lost(item),
        Change::Spec(declared) => spec_refusal(item, declared),
        Change::Auto | Change::Reconcile | Change::Suspend => None,
    }
}

/// That the operator makes no call after the change, because the object is suspended.
pub fn idle(item: &Item, change: Change) -> Option<String> {
    let applies = match change {
        Change::Override(_) | Change::Auto | Change::Spec(_) => item.suspended(),
        Change::Reconcile | Change::Suspend => false,
    };
    applies.then(|| {
        format!(
            "{} is suspended, so the operator makes no call. To resume it: kubectl oxen resume {} \
             -n {}",
            item.full_name(),
            item.name(),
            item.namespace()
        )
    })
}

/// Why the operator would refuse an override: another object controls the model.
fn lost(item: &Item) -> Option<String> {
    let conditions: Vec<Condition> = item.conditions();
    let ready = condition(&conditions, READY)?;
    (ready.reason == "Conflict").then(|| {
        format!(
            "{} does not control its model, so the operator would not act. {}",
            item.full_name(),
            crate::clean::line(&ready.message)
        )
    })
}

/// Why the API server would refuse the state.
fn spec_refusal(item: &Item, declared: Declared) -> Option<String> {
    let scheduled = item.raw.data.pointer("/spec/schedule").is_some();
    let (full, name) = (item.full_name(), item.name());
    match (declared, scheduled) {
        (Declared::Active, true) => Some(format!(
            "{full} has a schedule, which state: active does not allow. Remove the schedule, or \
             set an override: kubectl oxen on {name} -n {} --until 18:00",
            item.namespace()
        )),
        (Declared::Scheduled, false) => Some(format!(
            "{full} has no schedule, which state: scheduled requires. Add one to its spec."
        )),
        (Declared::Active | Declared::Inactive | Declared::Scheduled, _) => None,
    }
}

/// Who manages the object, and would set a changed spec back.
pub fn manager(item: &Item) -> Option<String> {
    let metadata = &item.raw.metadata;
    let label = |name: &str| metadata.labels.as_ref()?.get(name).map(String::as_str);
    let annotation = |name: &str| metadata.annotations.as_ref()?.get(name).map(String::as_str);
    for (group, kind) in [("kustomize", "Kustomization"), ("helm", "HelmRelease")] {
        let name = label(&format!("{group}.toolkit.fluxcd.io/name"));
        if let Some(name) = name {
            let namespace = label(&format!("{group}.toolkit.fluxcd.io/namespace"));
            let within = namespace.map(|it| format!(" in {it}")).unwrap_or_default();
            return Some(format!("Flux ({kind} {name}{within})"));
        }
    }
    if let Some(id) = annotation("argocd.argoproj.io/tracking-id") {
        let application = id.split(':').next().unwrap_or(id);
        return Some(format!("Argo CD (Application {application})"));
    }
    if let Some(name) = label("argocd.argoproj.io/instance") {
        return Some(format!("Argo CD (Application {name})"));
    }
    let helm = label("app.kubernetes.io/managed-by") == Some("Helm");
    let release = annotation("meta.helm.sh/release-name");
    release
        .filter(|_| helm)
        .map(|name| format!("Helm (release {name})"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn item(metadata: Value, spec: Value, reason: &str) -> Item {
        let mut object = json!({
            "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
            "metadata": {"name": "bot", "namespace": "a"},
            "spec": spec,
            "status": {"conditions": [{"type": "Ready", "status": "False", "reason": reason,
                "message": "The older OxenModel \"old\" controls this model.",
                "lastTransitionTime": "2026-11-25T09:00:00Z"}]},
        });
        for (key, value) in metadata.as_object().unwrap() {
            object["metadata"][key] = value.clone();
        }
        Item::new(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_change_on_which_the_operator_would_not_act_is_refused() {
        let spec = || json!({"model": "m", "state": "active"});
        let suspended = || json!({"model": "m", "state": "active", "suspend": true});
        let scheduled = || json!({"model": "m", "state": "inactive", "schedule": {}});
        let deleting = || json!({"deletionTimestamp": "2026-11-25T09:00:00Z"});
        let [on, off] = [State::Active, State::Inactive].map(Change::Override);
        for (metadata, spec, reason, change, words) in [
            (json!({}), spec(), "Active", on, None),
            (json!({}), suspended(), "Active", off, None),
            (json!({}), suspended(), "Active", Change::Auto, None),
            (
                json!({}),
                suspended(),
                "Active",
                Change::Spec(Declared::Active),
                None,
            ),
            (
                deleting(),
                spec(),
                "Active",
                Change::Auto,
                Some("is being deleted"),
            ),
            (json!({}), spec(), "Conflict", off, Some("\"old\" controls")),
            (json!({}), spec(), "Conflict", Change::Auto, None),
            (
                json!({}),
                suspended(),
                "Active",
                on,
                Some("oxen resume bot -n a"),
            ),
            (
                json!({}),
                suspended(),
                "Active",
                Change::Reconcile,
                Some("is suspended"),
            ),
            (json!({}), suspended(), "Active", Change::Suspend, None),
            (deleting(), spec(), "Active", on, Some("is being deleted")),
            (
                deleting(),
                spec(),
                "Active",
                Change::Suspend,
                Some("is being deleted"),
            ),
            (json!({}), spec(), "Conflict", on, Some("\"old\" controls")),
            (json!({}), spec(), "Conflict", Change::Reconcile, None),
            (
                json!({}),
                scheduled(),
                "Inactive",
                Change::Spec(Declared::Active),
                Some("or set an override: kubectl oxen on bot -n a --until 18:00"),
            ),
            (
                json!({}),
                scheduled(),
                "Inactive",
                Change::Spec(Declared::Inactive),
                None,
            ),
            (
                json!({}),
                spec(),
                "Active",
                Change::Spec(Declared::Scheduled),
                Some("no schedule"),
            ),
        ] {
            let found = refusal(&item(metadata, spec, reason), change);
            assert_eq!(
                found.is_some(),
                words.is_some(),
                "{change:?} {reason}: {found:?}"
            );
            for (found, words) in found.iter().zip(words) {
                assert!(found.contains(words), "{found}");
            }
        }
    }

    #[test]
    fn a_change_of_a_suspended_object_says_that_it_takes_effect_later() {
        let spec = |suspend: bool| json!({"model": "m", "state": "active", "suspend": suspend});
        let off = Change::Override(State::Inactive);
        for (suspend, change, said) in [
            (true, off, true),
            (true, Change::Auto, true),
            (true, Change::Spec(Declared::Inactive), true),
            (true, Change::Suspend, false),
            (false, off, false),
        ] {
            let item = item(json!({}), spec(suspend), "Active");
            let found = idle(&item, change);
            assert_eq!(found.is_some(), said, "{suspend} {change:?} {found:?}");
        }
    }

    #[test]
    fn the_tool_that_would_set_a_spec_back_is_named() {
        let spec = || json!({"model": "m", "state": "active"});
        for (metadata, expected) in [
            (json!({}), None),
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps",
                                  "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}),
                Some("Flux (Kustomization apps in flux-system)"),
            ),
            (
                json!({"labels": {"helm.toolkit.fluxcd.io/name": "apps"}}),
                Some("Flux (HelmRelease apps)"),
            ),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "web:oxen.ai/x:a/b"}}),
                Some("Argo CD (Application web)"),
            ),
            (
                json!({"labels": {"app.kubernetes.io/managed-by": "Helm"},
                       "annotations": {"meta.helm.sh/release-name": "r"}}),
                Some("Helm (release r)"),
            ),
        ] {
            let item = item(metadata, spec(), "Active");
            assert_eq!(manager(&item).as_deref(), expected);
        }
    }
}
