//! The status: what the operator saw, what it made of it, and what it must not forget.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::State;

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
// Absent fields serialize as null, so that a merge patch of the whole status removes them.
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

impl ModelStatus {
    /// A base model is always active and takes no calls. Where the hub doesn't say what kind it
    /// is, a model of its own is one.
    #[must_use]
    pub fn is_base(&self) -> bool {
        match self.type_.as_deref() {
            Some(type_) => type_ == "base",
            None => self.owner == "oxen",
        }
    }
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
