//! `OxenModel`, the one resource: what a person declares, what the operator reports, and the
//! schema that the API server checks both against.
//!
//! Defaults live in code and never in the stored spec, and the operator never writes a spec:
//! a GitOps tool would take either for drift.

use std::{fmt, str::FromStr, time::Duration};

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::{CustomResource, CustomResourceExt, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Held on an object until its model is known to be inactive, or may be left alone.
pub const FINALIZER: &str = "oxen.ai/deactivate";

/// Setting this annotation to a new value asks for a look right now and refills spent budgets.
pub const RECONCILE_ANNOTATION: &str = "oxen.ai/reconcile-requested-at";

/// The Secret that an object without `apiKeySecretRef` uses.
pub const DEFAULT_SECRET: &str = "oxen-api-key";

/// The key in that Secret's data.
pub const DEFAULT_SECRET_KEY: &str = "api-key";

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
        validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(h|m|s))+$')")
            .message("syncInterval must be a duration such as 30s, 5m or 1h30m"),
        validation = Rule::new(
            "!self.matches('^([0-9]+(\\\\.[0-9]+)?(h|m|s))+$') || duration(self) >= duration('30s')"
        )
        .message("syncInterval must be at least 30s")
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_interval: Option<Span>,

    /// How long a transition may take before it is called stalled. Unset: `30m`. Example: `1h`.
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(h|m|s))+$')")
            .message("progressDeadline must be a duration such as 10m, 30m or 1h30m"),
        validation = Rule::new(
            "!self.matches('^([0-9]+(\\\\.[0-9]+)?(h|m|s))+$') || duration(self) > duration('0s')"
        )
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
        Ok(())
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

/// The state that a person can declare.
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

/// An entry of a Secret in the object's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name. Example: `team-key`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in the Secret's data. Unset: `api-key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
}

/// What the hub's deployments of a model come to, folded to one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Deployment {
    /// It answers requests and bills by the second.
    Active,
    /// It does neither.
    Inactive,
    /// On its way to active.
    Deploying,
    /// On its way to inactive.
    Deactivating,
    /// The hub could not deploy it.
    Error,
    /// The hub doesn't say, or says something that this version doesn't know.
    Unknown,
    /// The hub lists no deployment for it.
    None,
}

/// A call that changes a model's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Direction {
    /// `POST /api/ai/models/:id/activate`
    Activate,
    /// `POST /api/ai/models/:id/deactivate`
    Deactivate,
}

/// What the operator saw, and what it made of it.
///
/// Absent fields serialize as null, so that a merge patch of the whole status removes them.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {"observedGeneration": -1}))]
pub struct OxenModelStatus {
    /// The `metadata.generation` that this status is about; -1 until the operator has seen the object.
    pub observed_generation: i64,
    /// What is wanted now.
    #[serde(default)]
    pub desired: Option<State>,
    /// What the hub last said of the model's deployments.
    #[serde(default)]
    pub deployment: Option<Deployment>,
    /// When `deployment` last changed; `progressDeadline` counts from here.
    #[serde(default)]
    pub since: Option<Time>,
    /// The model that the hub's answer was about.
    #[serde(default)]
    pub model: Option<ModelStatus>,
    /// How the hub bills the model.
    #[serde(default)]
    pub pricing: Option<Pricing>,
    /// The call that is under way, written down before it is made.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// What this generation has spent of its budgets.
    #[serde(default)]
    pub attempts: Option<Attempts>,
    /// `Ready` and `Synced` always; `Reconciling` and `Stalled` only while True.
    #[serde(default)]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The value of the annotation `oxen.ai/reconcile-requested-at` that was last acted upon.
    #[serde(default)]
    pub last_handled_reconcile_at: Option<String>,
}

/// Just what the schema's default says: never looked at.
impl Default for OxenModelStatus {
    fn default() -> Self {
        Self {
            observed_generation: -1,
            desired: None,
            deployment: None,
            since: None,
            model: None,
            pricing: None,
            operation: None,
            attempts: None,
            conditions: Vec::new(),
            last_handled_reconcile_at: None,
        }
    }
}

/// What the hub says of the model itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelStatus {
    /// The hub's identifier.
    pub id: String,
    /// The account that owns it, or `oxen` for a base model. With `id`, the model's identity.
    pub owner: String,
    /// Its name for people.
    #[serde(default)]
    pub display_name: Option<String>,
    /// `base` or `custom`.
    #[serde(default, rename = "type")]
    pub type_: Option<String>,
    /// The endpoint that serves it, such as `/chat/completions`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The base model that it was fine-tuned from.
    #[serde(default)]
    pub source_model: Option<String>,
    /// The whole URL that a client calls.
    #[serde(default)]
    pub url: Option<String>,
}

/// The hub's pricing, amounts as decimal strings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pricing {
    /// `token`, `time`, `per_image` or `per_video_output_second`.
    #[serde(default)]
    pub method: Option<String>,
    /// Cost per input token.
    #[serde(default)]
    pub input_cost_per_token: Option<String>,
    /// Cost per output token.
    #[serde(default)]
    pub output_cost_per_token: Option<String>,
    /// Cost per second.
    #[serde(default)]
    pub cost_per_second: Option<String>,
    /// Fixed cost per image.
    #[serde(default)]
    pub cost_per_image: Option<String>,
    /// Cost per second of high-resolution video.
    #[serde(default)]
    pub cost_per_second_high_res: Option<String>,
    /// Cost per second of video with audio.
    #[serde(default)]
    pub cost_per_second_with_audio: Option<String>,
}

/// The write-ahead record of a call: it stands in the status before the call goes out, and stays
/// until the hub shows what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Tells this call from every other.
    pub id: String,
    /// Which call.
    pub direction: Direction,
    /// The `metadata.generation` that it serves.
    pub generation: i64,
    /// The term of the process that made it: grows with each new process.
    pub epoch: i64,
    /// When it was recorded.
    pub started: Time,
    /// How many calls this one makes for its generation.
    pub sends: u32,
    /// The hub took the call, in an answer that could be read. Unset: nothing is known of it.
    #[serde(default)]
    pub accepted: Option<bool>,
}

/// What a generation has spent of its budgets. They are refilled by a new generation, a
/// requested reconcile, or the hub reaching the desired state; never by time or a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// The `metadata.generation` that the rest is about.
    pub generation: i64,
    /// The desired state was reached since this generation began: another call is a correction.
    #[serde(default)]
    pub settled: Option<bool>,
    /// Calls sent.
    #[serde(default)]
    pub sends: Option<u32>,
    /// Calls made from a failed deployment.
    #[serde(default)]
    pub failures: Option<u32>,
    /// Calls that the hub refused.
    #[serde(default)]
    pub rejections: Option<u32>,
    /// The reason of the last refusal.
    #[serde(default)]
    pub refusal: Option<String>,
    /// When the last call was recorded.
    #[serde(default)]
    pub last_call: Option<Time>,
    /// When the last three corrections were made. Reaching the desired state doesn't clear them.
    #[serde(default)]
    pub corrections: Option<Vec<Time>>,
    /// A fourth correction within the hour was withheld.
    #[serde(default)]
    pub contended: Option<bool>,
}

/// A span of time as manifests and flags write it: `30s`, `5m`, `1h30m`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    // The length keeps the cost of the CEL rules bounded.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "maxLength": 32})
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Not kube's own Duration, which panics on a number too large to hold.
        let problem = || format!("{text:?} is no duration: write one such as 30s, 5m or 1h30m");
        let compact = text.starts_with(|c: char| c.is_ascii_digit())
            && text.ends_with(|c: char| c.is_ascii_alphabetic());
        let span: jiff::SignedDuration = text.parse().map_err(|_| problem())?;
        match Duration::try_from(span) {
            Ok(span) if compact => Ok(Self(span)),
            _ => Err(problem()),
        }
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if h > 0 {
            write!(f, "{h}h")?;
        }
        if m > 0 {
            write!(f, "{m}m")?;
        }
        if millis > 0 && h + m + s == 0 {
            write!(f, "{millis}ms")
        } else if millis > 0 {
            write!(f, "{s}.{millis:03}s")
        } else if s > 0 || h + m == 0 {
            write!(f, "{s}s")
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Active => "active",
            State::Inactive => "inactive",
        })
    }
}

impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Deployment::Active => "active",
            Deployment::Inactive => "inactive",
            Deployment::Deploying => "deploying",
            Deployment::Deactivating => "deactivating",
            Deployment::Error => "error",
            Deployment::Unknown => "unknown",
            Deployment::None => "none",
        })
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Activate => "activate",
            Direction::Deactivate => "deactivate",
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
    OxenModel::crd()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_manifests_write_them() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h30m", 5400), ("90s", 90)] {
            assert_eq!(text.parse::<Span>().map(|s| s.0.as_secs()), Ok(seconds));
        }
        for text in [
            "",
            "soon",
            "5",
            "-5m",
            "P1D",
            "99999999999999999999h",
            "5m ago",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn spans_print_as_they_are_read() {
        for text in ["30s", "5m", "1h30m", "1m30s", "250ms", "1.500s", "0s"] {
            assert_eq!(text.parse::<Span>().map(|s| s.to_string()), Ok(text.into()));
        }
    }

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
