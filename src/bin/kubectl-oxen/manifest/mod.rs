//! Manifests of models that exist already: pure functions of the models and of the names that are
//! taken.

use std::collections::{BTreeMap, BTreeSet};

use oxen_operator::{
    api::{LiveStatus, OxenModelSpec, SecretKeyRef, State},
    decide::{Remote, may_bill},
};
use serde_json::json;

use crate::clean;

/// The longest name that is made. A label's value may be this long, too.
const LONGEST_NAME: usize = 63;

/// A model for which a manifest is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    pub owner: String,
    pub id: String,
    /// The name under which the hub knows it, for `spec.model`.
    pub asked: String,
    /// The state that it was observed in.
    pub state: State,
    /// The Secret with the key, if it has to be named.
    pub secret: Option<SecretKeyRef>,
}

/// The names of the objects that exist.
pub enum Taken {
    /// These.
    Known(BTreeSet<String>),
    /// They are not known, so every name gets a hash, in order that no object of another model is
    /// replaced.
    Unknown,
}

/// What the manifests have in common.
pub struct Common<'a> {
    /// The namespace, if there is one.
    pub namespace: Option<&'a str>,
    /// Whether the operator may act at once.
    pub act: bool,
}

impl Adopted {
    /// The model, if an OxenModel can declare it.
    ///
    /// # Errors
    ///
    /// Says why none can.
    pub fn new(remote: &Remote, asked: &str, secret: Option<SecretKeyRef>) -> Result<Self, String> {
        let spec = json!({"model": asked, "state": "inactive"});
        let spec: OxenModelSpec =
            serde_json::from_value(spec).map_err(|error| error.to_string())?;
        spec.check_model()?;
        let state = match remote.live {
            LiveStatus::Active | LiveStatus::Deploying => State::Active,
            LiveStatus::Deactivating if may_bill(remote) => {
                return Err(
                    "it is deactivating, and another deployment of it may be active".into(),
                );
            }
            LiveStatus::Inactive
            | LiveStatus::Deactivating
            | LiveStatus::Error
            | LiveStatus::None => State::Inactive,
            LiveStatus::Unknown => {
                return Err("the hub does not say whether it is active".into());
            }
        };
        Ok(Self {
            owner: remote.model.owner.clone(),
            id: remote.model.id.clone(),
            asked: asked.to_owned(),
            state,
            secret,
        })
    }
}

/// Each model once, by owner and id.
pub fn unique(models: &[Adopted]) -> Vec<&Adopted> {
    let mut models: Vec<&Adopted> = models.iter().collect();
    models.sort_by_key(|model| (&model.owner, &model.id, &model.asked));
    models.dedup_by_key(|model| (&model.owner, &model.id));
    models
}

/// The manifests of models that [`unique()`] returned, as YAML. Every text of the hub, and every
/// name that is made of one, is within a quoted value.
pub fn yaml(models: &[&Adopted], taken: &Taken, common: &Common<'_>) -> String {
    let names = names(models, taken);
    let documents = models.iter().zip(names);
    documents
        .map(|(model, name)| document(model, &name, common))
        .collect()
}

fn document(model: &Adopted, name: &str, common: &Common<'_>) -> String {
    let mut text = String::from("---\napiVersion: oxen.ai/v1alpha1\nkind: OxenModel\nmetadata:\n");
    text += &format!("  name: {}\n", quoted(name));
    if let Some(namespace) = common.namespace {
        text += &format!("  namespace: {}\n", quoted(namespace));
    }
    text += &format!("spec:\n  model: {}\n", quoted(&model.asked));
    text += &format!("  state: {}\n", model.state);
    if let Some(secret) = &model.secret {
        text += &format!("  apiKeySecretRef:\n    name: {}\n", quoted(&secret.name));
        if let Some(key) = &secret.key {
            text += &format!("    key: {}\n", quoted(key));
        }
    }
    if !common.act {
        text += "  suspend: true\n";
    }
    text
}

/// The text as a JSON string, which is a quoted value of YAML, too.
fn quoted(text: &str) -> String {
    clean::json(&json!(text).to_string())
}

/// A name for each model, in their order. It is made of the id, and of a hash of owner and id where
/// two models would have the same name, or where the name is taken or may be. So it depends neither
/// on the order of the models nor on when it is made.
fn names(models: &[&Adopted], taken: &Taken) -> Vec<String> {
    let (fewest, taken) = match taken {
        Taken::Known(names) => (0, names),
        Taken::Unknown => (8, &BTreeSet::new()),
    };
    let mut digits = vec![fewest; models.len()];
    loop {
        let names: Vec<String> = models
            .iter()
            .zip(&digits)
            .map(|(model, digits)| name(model, *digits))
            .collect();
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        for name in &names {
            *uses.entry(name).or_default() += 1;
        }
        let clashes = |name: &String| uses[name.as_str()] > 1 || taken.contains(name);
        let mut changed = false;
        for (digits, name) in digits.iter_mut().zip(&names) {
            if clashes(name) && *digits < 16 {
                *digits += 8;
                changed = true;
            }
        }
        if !changed {
            return names;
        }
    }
}

/// The id in lower case, with a hyphen in place of what no name may contain, and this number of
/// digits of the hash.
fn name(model: &Adopted, digits: usize) -> String {
    let id = model.id.to_ascii_lowercase();
    let parts = id.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit());
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let plain = parts.join("-");
    let (plain, digits) = match plain.as_str() {
        "" => ("model", digits.max(8)),
        plain if plain.len() > LONGEST_NAME => (plain, digits.max(8)),
        plain => (plain, digits),
    };
    if digits == 0 {
        return plain.to_owned();
    }
    let hash = format!("{:016x}", hash(&model.owner, &model.id));
    let room = LONGEST_NAME - digits - 1;
    let kept = &plain[..plain.len().min(room)];
    format!("{}-{}", kept.trim_end_matches('-'), &hash[..digits])
}

/// FNV-1a of owner and id, with a byte between them that is in no text.
fn hash(owner: &str, id: &str) -> u64 {
    let bytes = owner.bytes().chain([0xff]).chain(id.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
