//! The model object and pricing, as the hub sends them.
//!
//! Decisions depend only on `id`, `owned_by`, `model_type` and `deployments`. `id` and `owned_by`
//! are required, and a `model_type` of the wrong type is an error. Every other field is read
//! leniently: a field of a wrong type counts as absent, and a decimal in a string is a number.
//! Fields and words that this version doesn't know are no error. If `deployments`, or an item of
//! it, is of a wrong type, the model's status is not known.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Value, value::RawValue};

use super::{
    fields::{Fields, lenient, parse},
    key::ApiKey,
};

/// The largest size of an identifier that can be compared and stored, in bytes.
const LONGEST_IDENTIFIER: usize = 512;

/// The words of `model_type` and of a deployment's status that are compared.
const KNOWN_WORDS: [&str; 8] = [
    "active",
    "base",
    "custom",
    "deactivating",
    "deploying",
    "error",
    "inactive",
    "unknown",
];

/// One model of the hub.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// The identifier for API calls, exactly as the hub sent it.
    pub id: String,
    /// Always `model`.
    pub object: Option<String>,
    /// When it was registered, in seconds since 1970.
    pub created: Option<Number>,
    /// `oxen` for base models, the owner's namespace for custom models, exactly as the hub sent it.
    pub owned_by: String,
    /// Display name.
    pub display_name: Option<String>,
    /// Full description.
    pub description: Option<String>,
    /// Brief summary.
    pub summary: Option<String>,
    /// `base` or `custom`.
    pub model_type: Option<Word>,
    /// The endpoint to call, such as `/chat/completions`.
    pub endpoint: Option<String>,
    /// Modalities.
    pub capabilities: Option<Capabilities>,
    /// How the model is billed.
    pub pricing: Option<Pricing>,
    /// How the model can be fine-tuned, if at all.
    pub fine_tuning: Option<FineTuning>,
    /// The model's deployments; empty for base models. `None` stands for deployments, or for
    /// an item of them, that the hub didn't send or that can't be read.
    pub deployments: Option<Vec<Option<DeploymentItem>>>,
    /// The developer of the model.
    pub developer: Option<Developer>,
    /// The base model that it was fine-tuned from.
    pub source_model: Option<String>,
    /// URL of an image for the model.
    pub image_url: Option<String>,
    /// When the model was released.
    pub released_at: Option<String>,
    /// JSON Schema of the parameters that a request to it takes.
    pub request_schema: Option<Unread>,
}

/// Input and output modalities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The input modalities, such as `text` and `image`.
    #[serde(default, deserialize_with = "lenient")]
    pub input: Option<Vec<Word>>,
    /// The output modalities, such as `text`.
    #[serde(default, deserialize_with = "lenient")]
    pub output: Option<Vec<Word>>,
}

/// How a model is billed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pricing {
    /// `token`, `time`, `per_image` or `per_video_output_second`.
    #[serde(default, deserialize_with = "lenient")]
    pub method: Option<Word>,
    /// Cost per input token.
    #[serde(default, deserialize_with = "lenient")]
    pub input_cost_per_token: Option<Number>,
    /// Cost per output token.
    #[serde(default, deserialize_with = "lenient")]
    pub output_cost_per_token: Option<Number>,
    /// Cost per second.
    #[serde(default, deserialize_with = "lenient")]
    pub cost_per_second: Option<Number>,
    /// Fixed cost per image.
    #[serde(default, deserialize_with = "lenient")]
    pub cost_per_image: Option<Number>,
    /// Cost per second of high-resolution video.
    #[serde(default, deserialize_with = "lenient")]
    pub cost_per_second_high_res: Option<Number>,
    /// Cost per second of video with audio.
    #[serde(default, deserialize_with = "lenient")]
    pub cost_per_second_with_audio: Option<Number>,
}

/// How a model can be fine-tuned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FineTuning {
    /// The kinds of fine-tuning that the model supports.
    #[serde(default, deserialize_with = "lenient")]
    pub actions: Option<Vec<Value>>,
    /// Cost per second of training.
    #[serde(default, deserialize_with = "lenient")]
    pub cost_per_second: Option<Number>,
}

/// One deployment of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DeploymentItem {
    /// `active`, `inactive`, `deploying`, `deactivating`, `error`, `unknown`, or a newer word.
    pub status: Option<Word>,
    /// All other fields.
    #[serde(flatten)]
    pub more: BTreeMap<String, Unread>,
}

/// The developer of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Developer {
    /// The developer's name, such as `Anthropic`.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// URL of the developer's logo.
    #[serde(default, deserialize_with = "lenient")]
    pub logo: Option<String>,
}

/// One of the hub's enum words. The set may grow, so a word is kept as it came, and compared where
/// it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Word(pub String);

/// A number, integer or float. It prints as a plain decimal, never with an exponent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Number(pub serde_json::Number);

/// JSON that is kept as the hub sent it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unread(pub Box<RawValue>);

impl Model {
    /// Reads a model object.
    ///
    /// # Errors
    ///
    /// Names the field that can't be read. The error quotes nothing else of the JSON.
    pub(super) fn read(json: &str) -> Result<Self, String> {
        let fields = Fields::read(json)?;
        let not_a_model = |problem| format!("JSON that is not a model object: {problem}");
        Ok(Self {
            id: fields.required("id").map_err(not_a_model)?,
            owned_by: fields.required("owned_by").map_err(not_a_model)?,
            model_type: fields.optional("model_type").map_err(not_a_model)?,
            deployments: fields.unambiguous("deployments").map(deployments),
            object: fields.lenient("object"),
            created: fields.lenient("created"),
            display_name: fields.lenient("display_name"),
            description: fields.lenient("description"),
            summary: fields.lenient("summary"),
            endpoint: fields.lenient("endpoint"),
            capabilities: fields.lenient_object("capabilities"),
            pricing: fields.lenient_object("pricing"),
            fine_tuning: fields.lenient_object("fine_tuning"),
            developer: fields.lenient_object("developer"),
            source_model: fields.lenient("source_model"),
            image_url: fields.lenient("image_url"),
            released_at: fields.lenient("released_at"),
            request_schema: fields.lenient("request_schema"),
        })
    }

    /// Checks that the identity can be compared and stored exactly as the hub sent it. `asked` is
    /// the model that the request was about, and may contain the key.
    ///
    /// # Errors
    ///
    /// Names the field that can't be used. The error doesn't quote its value.
    pub(super) fn check_identity(&self, asked: &str, key: &ApiKey) -> Result<(), String> {
        if self.id.is_empty() {
            return Err("the field id is empty".into());
        }
        for (field, identifier) in [("id", &self.id), ("owned_by", &self.owned_by)] {
            if identifier.len() > LONGEST_IDENTIFIER {
                return Err(format!(
                    "the field {field} is longer than {LONGEST_IDENTIFIER} bytes"
                ));
            }
            if key.is_in(identifier) && !key.is_in(asked) {
                return Err(format!("the field {field} contains the API key"));
            }
        }
        Ok(())
    }

    /// Hides the key in every text that a status or a message shows, in case the hub quotes the
    /// key. The identity and the known words are compared, so they stay as the hub sent them.
    pub(super) fn hide(&mut self, key: &ApiKey) {
        let texts = [
            &mut self.display_name,
            &mut self.endpoint,
            &mut self.source_model,
        ];
        for text in texts.into_iter().flatten() {
            *text = key.hide(text);
        }
        let method = self.pricing.iter_mut().filter_map(|it| it.method.as_mut());
        let items = self.deployments.iter_mut().flatten().flatten();
        let statuses = items.filter_map(|item| {
            item.hide(key);
            item.status.as_mut()
        });
        for word in method.chain(&mut self.model_type).chain(statuses) {
            if !KNOWN_WORDS.contains(&word.as_str()) {
                word.0 = key.hide(&word.0);
            }
        }
    }

    /// Returns true when the hub says that the model is a custom model.
    pub(super) fn is_custom(&self) -> bool {
        self.model_type.as_ref().is_some_and(|it| it.0 == "custom")
    }
}

/// The deployments of a model. An item that can't be read is `None`.
fn deployments(items: Vec<&RawValue>) -> Vec<Option<DeploymentItem>> {
    items.into_iter().map(DeploymentItem::read).collect()
}

impl DeploymentItem {
    /// Reads one deployment. A status of a wrong type, or one that is present more than once,
    /// counts as absent.
    fn read(item: &RawValue) -> Option<Self> {
        let fields = Fields::read(item.get()).ok()?;
        let more = fields.iter().filter(|(name, _)| *name != "status");
        Some(Self {
            status: fields.unambiguous("status"),
            more: more
                .map(|(name, value)| (name.to_owned(), Unread(value.to_owned())))
                .collect(),
        })
    }

    /// The texts that say what the deployment's status is about: those under a name that contains
    /// `error`, `message` or `reason`.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let speaking = self.more.iter().filter(|(name, _)| {
            let name = name.to_lowercase();
            ["error", "message", "reason"]
                .iter()
                .any(|part| name.contains(part))
        });
        speaking.filter_map(|(_, value)| parse(&value.0))
    }

    fn hide(&mut self, key: &ApiKey) {
        for value in self.more.values_mut() {
            let shown = parse::<String>(&value.0).filter(|text| key.is_in(text));
            let hidden = shown.map(|text| serde_json::value::to_raw_value(&key.hide(&text)));
            if let Some(Ok(hidden)) = hidden {
                value.0 = hidden;
            }
        }
    }
}

impl<'de> Deserialize<'de> for Model {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Self::read(json.get()).map_err(D::Error::custom)
    }
}

impl PartialEq for Unread {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Word {
    /// The word as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(serde_json::Number),
            Text(String),
        }

        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self(number)),
            Written::Text(text) => text.trim().parse().map(Self).map_err(D::Error::custom),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_f64() {
            Some(float) if self.0.is_f64() => write!(f, "{float}"),
            Some(_) | None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A model with this field and the two that every model has.
    fn with(field: &str, value: Value) -> Result<Model, String> {
        let mut model = json!({"id": "bot", "owned_by": "acme"});
        model[field] = value;
        Model::read(&model.to_string())
    }

    #[test]
    fn a_field_of_a_wrong_type_reads_as_absent() {
        let minimal = Model::read(r#"{"id":"bot","owned_by":"acme"}"#).unwrap();
        for (field, odd) in [
            ("object", json!(1)),
            ("created", json!("2025-06-19T00:00:00Z")),
            ("created", json!({"at": 1})),
            ("display_name", json!(["Bot"])),
            ("description", json!(false)),
            ("endpoint", json!({})),
            ("capabilities", json!("text")),
            ("pricing", json!("free")),
            ("fine_tuning", json!([])),
            ("pricing", json!(["time", 1])),
            ("deployments", json!({"status": "active"})),
            ("developer", json!("Acme")),
            ("source_model", json!(1.5)),
            ("released_at", json!(2025)),
            ("image_url", json!(null)),
            ("model_type", json!(null)),
        ] {
            assert_eq!(
                with(field, odd.clone()),
                Ok(minimal.clone()),
                "{field}: {odd}"
            );
        }
    }

    #[test]
    fn an_odd_part_of_a_field_is_absent_alone() {
        let pricing = json!({"method": 7, "cost_per_image": "much", "cost_per_second": "0.00125"});
        let pricing = with("pricing", pricing).unwrap().pricing.unwrap();
        assert_eq!((pricing.method, pricing.cost_per_image), (None, None));
        assert_eq!(pricing.cost_per_second.unwrap().to_string(), "0.00125");
        let capabilities = json!({"input": ["text", 1], "output": ["text"]});
        let capabilities = with("capabilities", capabilities).unwrap().capabilities;
        let capabilities = capabilities.unwrap();
        assert_eq!(capabilities.input, None);
        assert_eq!(capabilities.output, Some(vec![Word("text".into())]));
    }

    #[test]
    fn a_decimal_in_a_string_is_a_number() {
        for (written, decimal) in [
            (json!("0.00125"), Some("0.00125")),
            (json!(" 3e-6 "), Some("0.000003")),
            (json!("12"), Some("12")),
            (json!(1.5e-5), Some("0.000015")),
            (json!("1e999"), None),
            (json!("NaN"), None),
            (json!("0x10"), None),
            (json!(""), None),
            (json!("1,5"), None),
            (json!([1]), None),
        ] {
            let created = with("created", written.clone()).unwrap().created;
            let created = created.map(|number| number.to_string());
            assert_eq!(created.as_deref(), decimal, "{written}");
        }
    }

    #[test]
    fn a_field_that_decides_and_cannot_be_read_is_named() {
        for (field, odd, problem) in [
            ("id", json!(7), "the field id is of the wrong type"),
            ("id", json!(null), "the field id is missing"),
            (
                "owned_by",
                json!(["acme"]),
                "the field owned_by is of the wrong type",
            ),
            (
                "model_type",
                json!(true),
                "the field model_type is of the wrong type",
            ),
        ] {
            let words = format!("JSON that is not a model object: {problem}");
            assert_eq!(with(field, odd).unwrap_err(), words);
        }
        for (field, json) in [
            ("id", r#"{"id":"a","owned_by":"acme","id":"b"}"#),
            (
                "owned_by",
                r#"{"id":"a","owned_by":"acme","owned_by":"acme"}"#,
            ),
            (
                "model_type",
                r#"{"id":"a","owned_by":"b","model_type":"base","model_type":"custom"}"#,
            ),
        ] {
            let problem = Model::read(json).unwrap_err();
            assert!(
                problem.ends_with(&format!("{field} is present more than once")),
                "{problem}"
            );
        }
        let twice = r#"{"id":"a","owned_by":"b","summary":"x","summary":"y"}"#;
        assert_eq!(Model::read(twice).unwrap().summary.as_deref(), Some("y"));
    }

    #[test]
    fn what_is_not_read_is_written_as_it_came() {
        let json = json!({
            "id": "bot", "owned_by": "acme",
            "deployments": [{"status": "active", "region": "eu", "scale": {"to": 2}}, null],
            "request_schema": {"type": "object", "required": ["messages"]},
        });
        let written = serde_json::to_value(Model::read(&json.to_string()).unwrap()).unwrap();
        for field in ["id", "owned_by", "deployments", "request_schema"] {
            assert_eq!(written[field], json[field], "{field}");
        }
        let read: Model = serde_json::from_value(json).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), written);
    }
}
