//! The model object and pricing, as the hub sends them.
//!
//! Only `id`, `object`, `created` and `owned_by` are required. Everything else may be absent or
//! null, there may be fields and words that this version doesn't know, and a number may be an
//! integer or a float: none of that is an error.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The response to list and search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelList {
    /// Always `list`.
    #[serde(default)]
    pub object: Option<String>,
    /// The models.
    pub data: Vec<Model>,
}

/// One model of the hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Identifier for API calls.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// When it was registered, in seconds since 1970.
    pub created: Number,
    /// `oxen` for base models, the owner's namespace for custom models.
    pub owned_by: String,
    /// Display name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Full description.
    #[serde(default)]
    pub description: Option<String>,
    /// Brief summary.
    #[serde(default)]
    pub summary: Option<String>,
    /// `base` or `custom`.
    #[serde(default)]
    pub model_type: Option<Word>,
    /// The endpoint to call, such as `/chat/completions`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Modalities.
    #[serde(default)]
    pub capabilities: Option<Capabilities>,
    /// How the model is billed.
    #[serde(default)]
    pub pricing: Option<Pricing>,
    /// How the model can be fine-tuned, if at all.
    #[serde(default)]
    pub fine_tuning: Option<FineTuning>,
    /// The model's deployments; empty for base models.
    #[serde(default)]
    pub deployments: Option<Vec<Option<DeploymentItem>>>,
    /// The developer of the model.
    #[serde(default)]
    pub developer: Option<Developer>,
    /// The base model that it was fine-tuned from.
    #[serde(default)]
    pub source_model: Option<String>,
    /// URL of an image for the model.
    #[serde(default)]
    pub image_url: Option<String>,
    /// When the model was released.
    #[serde(default)]
    pub released_at: Option<String>,
    /// JSON Schema of the parameters that a request to it takes.
    #[serde(default)]
    pub request_schema: Option<Value>,
}

/// Input and output modalities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The input modalities, such as `text` and `image`.
    #[serde(default)]
    pub input: Option<Vec<Word>>,
    /// The output modalities, such as `text`.
    #[serde(default)]
    pub output: Option<Vec<Word>>,
}

/// How a model is billed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pricing {
    /// `token`, `time`, `per_image` or `per_video_output_second`.
    #[serde(default)]
    pub method: Option<Word>,
    /// Cost per input token.
    #[serde(default)]
    pub input_cost_per_token: Option<Number>,
    /// Cost per output token.
    #[serde(default)]
    pub output_cost_per_token: Option<Number>,
    /// Cost per second.
    #[serde(default)]
    pub cost_per_second: Option<Number>,
    /// Fixed cost per image.
    #[serde(default)]
    pub cost_per_image: Option<Number>,
    /// Cost per second of high-resolution video.
    #[serde(default)]
    pub cost_per_second_high_res: Option<Number>,
    /// Cost per second of video with audio.
    #[serde(default)]
    pub cost_per_second_with_audio: Option<Number>,
}

/// How a model can be fine-tuned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FineTuning {
    /// The kinds of fine-tuning that the model supports.
    #[serde(default)]
    pub actions: Option<Vec<Value>>,
    /// Cost per second of training.
    #[serde(default)]
    pub cost_per_second: Option<Number>,
}

/// One deployment of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeploymentItem {
    /// `active`, `inactive`, `deploying`, `deactivating`, `error`, `unknown`, or a newer word.
    #[serde(default)]
    pub status: Option<Word>,
    /// All other fields.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The developer of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Developer {
    /// The developer's name, such as `Anthropic`.
    #[serde(default)]
    pub name: Option<String>,
    /// URL of the developer's logo.
    #[serde(default)]
    pub logo: Option<String>,
}

/// One of the hub's enum words. The set may grow, so a word is kept as it came, and compared where
/// it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Word(pub String);

impl Word {
    /// The word as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A number, integer or float. It prints as a plain decimal, never with an exponent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Number(pub serde_json::Number);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_f64() {
            Some(float) if self.0.is_f64() => write!(f, "{float}"),
            Some(_) | None => write!(f, "{}", self.0),
        }
    }
}
