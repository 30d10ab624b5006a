//! `OxenModel`, the one resource: what a person declares, what the operator reports, and the
//! schema that the API server checks both against.
//!
//! Defaults live in code and never in the stored spec, and the operator never writes a spec:
//! a GitOps tool would take either for drift.

mod secret;
mod span;
mod status;

use std::{collections::BTreeMap, fmt, time::Duration};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::{CustomResource, CustomResourceExt, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use secret::SecretKeyRef;
pub use span::Span;
pub use status::{
    Attempts, Deployment, Direction, ModelStatus, Operation, OxenModelStatus, Pricing,
};

/// Held on an object until its model is known to be inactive, or may be left alone.
pub const FINALIZER: &str = "oxen.ai/deactivate";

/// Setting this annotation to a new value asks for a look right now and refills spent budgets.
pub const RECONCILE_ANNOTATION: &str = "oxen.ai/reconcile-requested-at";

/// The Secret that an object without `apiKeySecretRef` uses.
pub const DEFAULT_SECRET: &str = "oxen-api-key";

/// The key in that Secret's data.
pub const DEFAULT_SECRET_KEY: &str = "api-key";

/// What the schema takes as a span of time, and [`Span`] reads: each unit once, the larger ones first, a fraction of the last.
const SPAN: &str = r"^(([0-9]+h)?([0-9]+m)?[0-9]+(\.[0-9]{1,9})?s|([0-9]+h)?[0-9]+(\.[0-9]{1,9})?m|[0-9]+(\.[0-9]{1,9})?h)$";

/// The shortest `syncInterval` that the schema takes.
pub const SHORTEST_SYNC_INTERVAL: Duration = Duration::from_secs(30);

/// One model of Oxen.ai and the state that it should be in.
#[allow(clippy::duplicated_attributes)] // the columns' types and priorities
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "oxen.ai",
    version = "v1alpha1",
    kind = "OxenModel",
    namespaced,
    shortname = "oxm",
    category = "oxen",
    status = "OxenModelStatus",
    derive = "PartialEq",
    doc = "An OxenModel turns one custom model deployment of Oxen.ai on or off. An active deployment bills by the second and answers requests; an inactive one does neither.",
    selectable = ".spec.state",
    selectable = ".spec.model",
    printcolumn(name = "Desired", type_ = "string", json_path = ".status.desired"),
    printcolumn(name = "Live", type_ = "string", json_path = ".status.deployment"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Since", type_ = "date", json_path = ".status.since"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Model",
        type_ = "string",
        json_path = ".spec.model",
        priority = 1
    ),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        json_path = ".status.model.endpoint",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct OxenModelSpec {
    /// The hub's model name or UUID, as `GET /api/ai/models` lists it. Example: `support-bot-v2`.
    /// It can't be changed: create another OxenModel instead.
    #[x_kube(
        validation = Rule::new("self.size() > 0")
            .message("model must not be empty: write the hub's model name, such as support-bot-v2"),
        validation = Rule::new(r"!self.matches('[\\s\\p{Z}\\p{C}?#%]')").message(
            "model must not hold white space, control characters, '?', '#' or '%': write the name as the hub lists it, not as it stands in a URL"
        ),
        validation = Rule::new("self != '.' && self != '..'")
            .message("model must not be '.' or '..': write the hub's model name, such as support-bot-v2"),
        validation = Rule::new("self == oldSelf")
            .message("model can't be changed: delete this OxenModel and create another")
    )]
    #[schemars(length(max = 253))]
    pub model: String,

    /// The desired state, in the hub's words: `active` (answers requests, bills by the second) or `inactive`.
    pub state: State,

    // The schema shows the enum's own description here.
    /// What deleting this object does: `Deactivate`, `Retain`, or the operator's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// `true` keeps looking and reports truthfully, but never calls activate or deactivate, and deleting the
    /// object leaves the model alone: the way to adopt a model, to try out a change, and to freeze one. Example: `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// The Secret of this namespace that holds the API key. Unset: the operator's own key where the operator is
    /// configured to lend it to this namespace, else the Secret `oxen-api-key`. Example: `{name: team-key, key: api-key}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_secret_ref: Option<SecretKeyRef>,

    /// How often a settled model is looked at; at least `30s`. Unset: the operator's own, which is `5m` unless it
    /// was configured otherwise. Example: `10m`.
    #[x_kube(
        validation = Rule::new(format!("self.matches(r'{SPAN}')"))
            .message("syncInterval must be a duration such as 30s, 5m or 1h30m"),
        validation = Rule::new(format!(
            "!self.matches(r'{SPAN}') || duration(self) >= duration('30s')"
        ))
        .message("syncInterval must be at least 30s")
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_interval: Option<Span>,

    /// How long a transition may take before it is called stalled. Unset: `30m`. Example: `1h`.
    #[x_kube(
        validation = Rule::new(format!("self.matches(r'{SPAN}')"))
            .message("progressDeadline must be a duration such as 10m, 30m or 1h30m"),
        validation = Rule::new(format!(
            "!self.matches(r'{SPAN}') || duration(self) > duration('0s')"
        ))
        .message("progressDeadline must be more than 0s")
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<Span>,
}

impl OxenModelSpec {
    /// What the schema would refuse in this spec today, as `field: what to write instead`.
    ///
    /// The schema speaks first, at `kubectl apply`. This is for an object that was stored under
    /// another schema and decodes all the same.
    ///
    /// # Errors
    ///
    /// The first field that doesn't hold, and the mend.
    pub fn check(&self) -> Result<(), String> {
        self.check_model()?;
        if self
            .sync_interval
            .is_some_and(|span| span.0 < SHORTEST_SYNC_INTERVAL)
        {
            return Err("spec.syncInterval: must be at least 30s".into());
        }
        if self.progress_deadline.is_some_and(|span| span.0.is_zero()) {
            return Err("spec.progressDeadline: must be more than 0s".into());
        }
        self.api_key_secret_ref
            .as_ref()
            .map_or(Ok(()), SecretKeyRef::check)
    }

    /// The part of [`check`](Self::check) without which the hub can't be asked at all.
    ///
    /// # Errors
    ///
    /// As `check`.
    pub fn check_model(&self) -> Result<(), String> {
        let model = self.model.as_str();
        let bad = |c: char| c.is_whitespace() || c.is_control() || "?#%".contains(c);
        if model.is_empty() || model == "." || model == ".." {
            return Err("spec.model: write the hub's model name, such as support-bot-v2".into());
        }
        if model.contains(bad) {
            return Err(
                "spec.model: holds white space, a control character, '?', '#' or '%'; \
                 write the name as the hub lists it"
                    .into(),
            );
        }
        if model.chars().count() > 253 {
            return Err(
                "spec.model: longer than 253 characters; write the name as the hub lists it".into(),
            );
        }
        Ok(())
    }
}

/// What is wanted of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum State {
    /// It answers requests and bills by the second.
    Active,
    /// It does neither.
    Inactive,
}

/// What deleting this object does: `Deactivate` turns the model off first, `Retain` leaves it as it is.
/// Unset: the operator's default, which is `Deactivate` unless it was configured otherwise. Example: `Retain`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[schemars(inline)]
#[value(rename_all = "PascalCase")]
pub enum DeletionPolicy {
    /// Turn it off first: billing stops, and applying the manifest again turns it back on.
    Deactivate,
    /// Leave it as it is.
    Retain,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Active => "active",
            State::Inactive => "inactive",
        })
    }
}

impl fmt::Display for DeletionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The CustomResourceDefinition, as `crds/oxenmodels.yaml` holds it.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    let mut crd = OxenModel::crd();
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut();
        if let Some(schema) = schema.and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy(schema);
        }
    }
    crd
}

/// `kubectl explain` breaks lines by itself, so a paragraph of a doc comment becomes one line; and
/// the API server warns of a format that it doesn't know.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.format.take_if(|format| format == "uint32");
    if let Some(description) = &mut schema.description {
        let paragraphs = description
            .split("\n\n")
            .map(|part| part.replace('\n', " "));
        *description = paragraphs.collect::<Vec<_>>().join("\n\n");
    }
    for property in schema.properties.iter_mut().flat_map(BTreeMap::values_mut) {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_from_another_schema_is_told_the_field_and_the_mend() {
        let spec = |model: &str| OxenModelSpec {
            model: model.into(),
            state: State::Active,
            deletion_policy: None,
            suspend: None,
            api_key_secret_ref: None,
            sync_interval: None,
            progress_deadline: None,
        };
        for good in ["support-bot-v2", "acme/bot", "模型", &"m".repeat(253)] {
            assert_eq!(spec(good).check(), Ok(()));
        }
        for bad in [
            "",
            ".",
            "..",
            "a b",
            "a\tb",
            "a?b",
            "a#b",
            "a%b",
            &"m".repeat(254),
        ] {
            let problem = spec(bad).check().unwrap_err();
            assert!(problem.starts_with("spec.model:"), "{bad:?}: {problem}");
        }
        let mut hasty = spec("m");
        hasty.sync_interval = "5s".parse().ok();
        assert!(hasty.check().unwrap_err().contains("at least 30s"));
    }
}
