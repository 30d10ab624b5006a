//! The status: what the operator observed, what it concluded, and what it must not forget.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use strum::VariantArray;

use super::{
    overrides::{Override, RefusedOverride},
    span::Span,
    state::State,
    usage::{self, Usage},
};

/// The status of a model's deployments on the hub, folded to one word: `active`, `inactive`,
/// `deploying`, `deactivating`, `error`, `unknown` or `none`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LiveStatus {
    /// The model answers requests and bills by the second.
    Active,
    /// The model neither answers requests nor bills.
    Inactive,
    /// The model is becoming active.
    Deploying,
    /// The model is becoming inactive.
    Deactivating,
    /// The hub failed to deploy the model.
    Error,
    /// The hub doesn't report a status, or uses a word that this version doesn't know.
    Unknown,
    /// The hub lists no deployment of the model.
    None,
}

impl LiveStatus {
    /// Every live status, in the order of this file.
    pub const ALL: &'static [Self] = Self::VARIANTS;
}

/// A call that changes a model's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum OperationKind {
    /// `POST /api/ai/models/:id/activate`
    Activate,
    /// `POST /api/ai/models/:id/deactivate`
    Deactivate,
}

/// What the operator observed, and what it concluded.
// Absent fields serialize as null, so that a merge patch of the whole status removes them.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {"observedGeneration": -1}))]
pub struct OxenModelStatus {
    /// The `metadata.generation` that this status is about; -1 until the operator has observed the
    /// object.
    pub observed_generation: i64,
    /// The state that the model should be in now.
    #[serde(default)]
    pub desired: Option<State>,
    /// When `desired` changes by itself. Absent if it doesn't within 400 days, and while the
    /// operator's clock and the hub's differ.
    #[serde(default)]
    pub until: Option<Time>,
    /// The override that is in force. It was requested with the annotation `oxen.ai/override`.
    #[serde(default, rename = "override")]
    pub override_in_force: Option<Override>,
    /// The override that was refused. It is removed when the annotation `oxen.ai/override` changes.
    #[serde(default)]
    pub refused_override: Option<RefusedOverride>,
    /// The last value of the annotation `oxen.ai/override` that was accepted or had no effect. It
    /// is not handled again.
    #[serde(default)]
    pub handled_override: Option<String>,
    /// The live status of the model's deployments, folded to one word.
    #[serde(default)]
    pub live: Option<LiveStatus>,
    /// When `live` last changed.
    #[serde(default)]
    pub since: Option<Time>,
    /// Since when the object has not been as declared, for this generation; absent while Ready.
    /// `progressDeadline` counts from here.
    #[serde(default)]
    pub progressing_since: Option<Time>,
    /// The model, as the hub describes it.
    #[serde(default)]
    pub model: Option<ModelStatus>,
    /// Another model that the hub has answered with under this name, until a person accepts it by
    /// requesting a reconcile.
    #[serde(default)]
    pub other_model: Option<Identity>,
    /// How the hub bills the model.
    #[serde(default)]
    pub pricing: Option<Pricing>,
    /// The open operation. It is recorded before the call goes out.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// The calls, retries and corrections that this generation has made.
    #[serde(default)]
    pub attempts: Option<Attempts>,
    /// How many seconds the model's last activations took, up to five, the newest one last: from
    /// the operator's record of its call until the operator saw the model active.
    #[serde(default, deserialize_with = "lenient")]
    #[schemars(length(max = 5))]
    pub activations: Option<Vec<u32>>,
    /// With `warmUp: auto`, how long before a window the model is turned on now. It is learned from
    /// `activations` each time that `desired` becomes `inactive`.
    #[serde(default, deserialize_with = "lenient")]
    pub warm_up: Option<Span>,
    /// `Ready` and `Synced` are always present; `Reconciling`, `Stalled` and `DeletionBlocked` only
    /// while True.
    #[serde(default)]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The last value of the annotation `oxen.ai/reconcile-requested-at` that a reconcile answered.
    #[serde(default)]
    pub last_handled_reconcile_at: Option<String>,
    /// For how long the model has been on, and what that has cost.
    #[serde(default, deserialize_with = "usage::lenient")]
    pub usage: Option<Usage>,
}

/// The schema's default: an object that was never observed.
impl Default for OxenModelStatus {
    fn default() -> Self {
        Self {
            observed_generation: -1,
            desired: None,
            until: None,
            override_in_force: None,
            refused_override: None,
            handled_override: None,
            live: None,
            since: None,
            progressing_since: None,
            model: None,
            other_model: None,
            pricing: None,
            operation: None,
            attempts: None,
            activations: None,
            warm_up: None,
            conditions: Vec::new(),
            last_handled_reconcile_at: None,
            usage: None,
        }
    }
}

/// The model, as the hub describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelStatus {
    /// The hub's identifier.
    pub id: String,
    /// The account that owns it, or `oxen` for a base model. `id` and `owner` are the model's
    /// identity.
    pub owner: String,
    /// The display name.
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
    /// The full URL that a client calls.
    #[serde(default)]
    pub url: Option<String>,
}

impl ModelStatus {
    /// The model's identity.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            id: self.id.clone(),
            owner: self.owner.clone(),
        }
    }

    /// Returns true for a base model, which is always active and takes no calls. Where the hub
    /// doesn't name the type, a model that `oxen` owns is a base model.
    #[must_use]
    pub fn is_base(&self) -> bool {
        match self.type_.as_deref() {
            Some(type_) => type_ == "base",
            None => self.owner == "oxen",
        }
    }
}

/// A model's identity.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The hub's identifier.
    pub id: String,
    /// The account that owns it.
    pub owner: String,
}

/// How the hub bills the model. Amounts are decimal strings.
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

/// The write-ahead record of an activate or deactivate call. It is in the status before the call
/// goes out, and stays until the hub shows what became of the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// The operation's own id, which the hub also gets as `X-Request-Id`.
    pub id: String,
    /// Whether it activates or deactivates.
    pub kind: OperationKind,
    /// The live status that it was recorded at.
    pub from: LiveStatus,
    /// When it was recorded.
    pub started: Time,
    /// True when the hub accepted the call in an answer that could be read. Unset while the outcome
    /// is not known.
    #[serde(default)]
    pub accepted: Option<bool>,
}

/// The calls, retries and corrections that a generation has made. A new generation, a requested
/// reconcile and reaching the desired state start them again; time and a restart don't.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// The `metadata.generation` that made them.
    pub generation: i64,
    /// The `metadata.uid` of the object that made them. A status that was restored from a backup
    /// has another one, and is not counted.
    #[serde(default)]
    pub uid: Option<String>,
    /// True when the model has reached the desired state since this generation began. Another call
    /// is a correction then.
    #[serde(default)]
    pub settled: Option<bool>,
    /// The number of calls that the hub has accepted, or may have accepted.
    #[serde(default)]
    pub calls: Option<u32>,
    /// The number of these calls that were made for a failed deployment.
    #[serde(default)]
    pub failures: Option<u32>,
    /// True when a deploying model was deactivated past the progress deadline.
    #[serde(default)]
    pub aborted: Option<bool>,
    /// The number of refused calls in a row.
    #[serde(default)]
    pub refusals: Option<u32>,
    /// The reason of the last refusal.
    #[serde(default)]
    pub refusal: Option<String>,
    /// When the last call was recorded.
    #[serde(default)]
    pub last_call: Option<Time>,
    /// When the last three corrections were made. Reaching the desired state keeps them.
    #[serde(default)]
    pub corrections: Option<Vec<Time>>,
}

/// Reads what can't be decoded as absent. The operator can learn these fields again, so they must
/// not make an object undecodable.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = serde_json::Value::deserialize(deserializer)?;
    Ok(T::deserialize(raw).ok())
}

impl OxenModelStatus {
    /// The attempts, which are none until the first call.
    pub(crate) fn attempts(&self) -> Attempts {
        self.attempts.clone().unwrap_or_default()
    }
}

impl fmt::Display for LiveStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LiveStatus::Active => "active",
            LiveStatus::Inactive => "inactive",
            LiveStatus::Deploying => "deploying",
            LiveStatus::Deactivating => "deactivating",
            LiveStatus::Error => "error",
            LiveStatus::Unknown => "unknown",
            LiveStatus::None => "none",
        })
    }
}

impl OperationKind {
    /// The kind as the hub's URLs, the status and the metrics write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OperationKind::Activate => "activate",
            OperationKind::Deactivate => "deactivate",
        }
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
