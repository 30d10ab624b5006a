//! The OxenModels that are known, and which models they manage.

use std::collections::{BTreeMap, BTreeSet};

use oxen_operator::{
    api::{Identity, ModelStatus, SecretKeyRef},
    decide::Managed,
};

use crate::{
    item::Item,
    key::{Origin, default_secret, is_same},
    session::Session,
};

/// The OxenModels that are known.
#[derive(Default)]
pub struct Objects {
    items: Vec<Item>,
    /// The namespaces that they are from.
    pub scope: Scope,
}

/// The namespaces whose OxenModels are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// One of them, and why there are no more.
    One { namespace: String, why: String },
    /// None, and why.
    None { why: String },
}

impl Objects {
    /// Lists the OxenModels of all namespaces, or of the session's own where that is not allowed.
    pub async fn load(session: &Session) -> Self {
        let why = match session.list(None, None).await {
            Ok(items) => {
                return Self {
                    items,
                    scope: Scope::All,
                };
            }
            Err(trouble) if trouble.forbidden => trouble.why,
            Err(trouble) => return Self::unknown(trouble.why),
        };
        let namespace = session.namespace.clone();
        match session.list(Some(&namespace), None).await {
            Ok(items) => Self {
                items,
                scope: Scope::One { namespace, why },
            },
            Err(trouble) => Self::unknown(trouble.why),
        }
    }

    /// Whether the OxenModels of at least one namespace are known.
    pub fn are_known(&self) -> bool {
        !matches!(self.scope, Scope::None { .. })
    }

    /// The objects, by namespace and name.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The namespaces and Secrets of the keys that the objects use.
    pub fn keys(&self) -> Vec<(String, SecretKeyRef)> {
        let mut keys: Vec<(String, SecretKeyRef)> = Vec::new();
        for item in &self.items {
            let (namespace, named) = (item.namespace(), secret(item));
            let known =
                |other: &(String, SecretKeyRef)| other.0 == namespace && is_same(&other.1, &named);
            if !keys.iter().any(known) {
                keys.push((namespace, named));
            }
        }
        keys
    }

    /// The Secrets that the objects of a namespace use, or the default one if there are none.
    pub fn secrets(&self, namespace: &str) -> Vec<SecretKeyRef> {
        let inside = self.keys().into_iter().filter(|(of, _)| of == namespace);
        let mut secrets: Vec<SecretKeyRef> = inside.map(|(_, named)| named).collect();
        if secrets.is_empty() {
            secrets.push(default_secret());
        }
        secrets
    }

    /// The objects that use a key.
    pub fn of_key(&self, namespace: &str, named: &SecretKeyRef) -> Vec<&Item> {
        let uses = |item: &&Item| item.namespace() == namespace && is_same(&secret(item), named);
        self.items.iter().filter(uses).collect()
    }

    /// These are all objects.
    #[cfg(test)]
    pub fn known(items: Vec<Item>) -> Self {
        Self {
            items,
            scope: Scope::All,
        }
    }

    /// No object is known, for this reason.
    pub fn unknown(why: String) -> Self {
        Self {
            items: Vec::new(),
            scope: Scope::None { why },
        }
    }

    /// What a person should know of the scope, if not all is known.
    pub fn note(&self) -> Option<String> {
        match &self.scope {
            Scope::All => None,
            Scope::One { namespace, why } => Some(format!(
                "Only the OxenModels of namespace {namespace} are known: {why}."
            )),
            Scope::None { why } => Some(format!("No OxenModels are known: {why}.")),
        }
    }

    /// The OxenModels that manage each model, by the identity in their statuses.
    pub fn by_model(&self) -> BTreeMap<Identity, Vec<&Item>> {
        let mut all: BTreeMap<Identity, Vec<&Item>> = BTreeMap::new();
        for item in &self.items {
            if let Some(model) = model(item) {
                all.entry(model.identity()).or_default().push(item);
            }
        }
        all
    }

    /// The names of the objects in a namespace.
    pub fn names(&self, namespace: &str) -> BTreeSet<String> {
        let inside = (self.items.iter()).filter(|item| item.namespace() == namespace);
        inside.map(Item::name).collect()
    }

    /// The object that manages a model, or that may once it has been observed, by the operator's
    /// own test.
    pub fn manager(&self, identity: &Identity) -> Option<&Item> {
        self.items.iter().find(|item| {
            let mut managed = Managed::default();
            let name = item.text("/spec/model").unwrap_or_default();
            managed.add(name, model(item).as_ref(), false);
            managed.manages(identity)
        })
    }

    /// What the objects manage, for the operator's own test. An object uses the key where it names
    /// the Secret that the key comes from. OXEN_API_KEY counts as the key of this namespace.
    pub fn managed(&self, origin: &Origin, namespace: &str) -> Managed {
        let mut managed = Managed::default();
        for item in &self.items {
            let same_key = match origin {
                Origin::Environment => item.namespace() == namespace,
                Origin::Secret { namespace, named } => {
                    item.namespace() == *namespace && is_same(&secret(item), named)
                }
            };
            let name = item.text("/spec/model").unwrap_or_default();
            managed.add(name, model(item).as_ref(), same_key);
        }
        managed
    }

    /// The Secret of a namespace's key: the one that all of its objects name, or else the default.
    pub fn secret(&self, namespace: &str) -> SecretKeyRef {
        self.named(namespace).unwrap_or_else(default_secret)
    }

    /// The Secret that all objects of a namespace name.
    pub fn named(&self, namespace: &str) -> Option<SecretKeyRef> {
        let inside = (self.items.iter()).filter(|item| item.namespace() == namespace);
        let mut all = inside.map(written);
        let first = all.next()??;
        all.all(|other| other.is_some_and(|other| is_same(&other, &first)))
            .then_some(first)
    }
}

/// The model that the object's status shows. An object that can't be decoded has one, too.
fn model(item: &Item) -> Option<ModelStatus> {
    let stored = item.raw.data.pointer("/status/model")?;
    serde_json::from_value(stored.clone()).ok()
}

/// The Secret that the object's key comes from, unless it uses the operator's own key.
fn secret(item: &Item) -> SecretKeyRef {
    written(item).unwrap_or_else(default_secret)
}

/// The Secret that the object names, if it names one.
pub fn written(item: &Item) -> Option<SecretKeyRef> {
    let named = item.raw.data.pointer("/spec/apiKeySecretRef")?;
    serde_json::from_value(named.clone()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// An object of a namespace, with the model that it was observed with.
    fn item(namespace: &str, name: &str, model: Option<[&str; 2]>, secret: Option<&str>) -> Item {
        let mut object = json!({
            "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"model": name, "state": "of a later version"},
        });
        if let Some([owner, id]) = model {
            object["status"] = json!({"model": {"id": id, "owner": owner}});
        }
        if let Some(secret) = secret {
            object["spec"]["apiKeySecretRef"] = json!({"name": secret});
        }
        Item::new(serde_json::from_value::<_>(object as Value).unwrap())
    }

    fn objects(items: Vec<Item>) -> Objects {
        Objects::known(items)
    }

    #[test]
    fn a_model_is_managed_by_the_identity_in_a_status() {
        let objects = objects(vec![
            item("a", "bot", Some(["acme", "bot"]), None),
            item("b", "other", Some(["acme", "bot"]), None),
            item("b", "new", None, None),
        ]);
        let identity = Identity {
            owner: "acme".into(),
            id: "bot".into(),
        };
        let by_model = objects.by_model();
        let names: Vec<String> = by_model[&identity]
            .iter()
            .map(|it| it.full_name())
            .collect();
        assert_eq!(names, ["a/bot", "b/other"]);
        assert_eq!(by_model.len(), 1);
        let manager = |owner: &str, id: &str| {
            let (owner, id) = (owner.into(), id.into());
            let item = objects.manager(&Identity { owner, id });
            item.map(Item::full_name)
        };
        assert_eq!(manager("acme", "bot").unwrap(), "a/bot");
        assert_eq!(manager("any", "oxen:NEW").unwrap(), "b/new");
        assert_eq!(manager("acme", "other"), None);
        assert_eq!(
            objects.names("b").into_iter().collect::<Vec<_>>(),
            ["new", "other"]
        );
    }

    #[test]
    fn the_owners_of_a_key_are_those_of_the_objects_that_use_it() {
        let objects = objects(vec![
            item("a", "one", Some(["acme", "one"]), None),
            item("a", "two", Some(["team", "two"]), Some("team-key")),
            item("b", "three", Some(["far", "three"]), None),
        ]);
        let secret = |name: &str| Origin::Secret {
            namespace: "a".into(),
            named: SecretKeyRef {
                name: name.into(),
                key: Some("api-key".into()),
            },
        };
        let owners = |origin: &Origin| {
            let managed = objects.managed(origin, "a");
            let of = |owner: &str| {
                let model = json!({"id": "free", "owned_by": owner, "model_type": "custom",
                                   "deployments": [{"status": "active"}]});
                let model: oxen_operator::hub::Model = serde_json::from_value(model).unwrap();
                let base = "http://hub".parse().unwrap();
                let remote = oxen_operator::hub::fold("free", &model, &base).unwrap();
                oxen_operator::decide::unmanaged(&remote, &managed)
            };
            let owners = ["acme", "team", "far"];
            owners
                .into_iter()
                .filter(|owner| of(owner))
                .collect::<Vec<_>>()
        };
        assert_eq!(owners(&secret("oxen-api-key")), ["acme"]);
        assert_eq!(owners(&secret("team-key")), ["team"]);
        assert_eq!(owners(&Origin::Environment), ["acme", "team"]);
    }

    #[test]
    fn the_key_is_in_the_secret_that_all_objects_of_the_namespace_name() {
        let name = |items: Vec<Item>| objects(items).secret("a").name;
        assert_eq!(name(vec![]), "oxen-api-key");
        let named = |secret| item("a", "one", None, secret);
        assert_eq!(name(vec![named(Some("k")), named(Some("k"))]), "k");
        let mut entry = named(Some("k"));
        entry.raw.data["spec"]["apiKeySecretRef"]["key"] = json!("api-key");
        assert_eq!(name(vec![entry, named(Some("k"))]), "k");
        assert_eq!(name(vec![named(Some("k")), named(None)]), "oxen-api-key");
        assert_eq!(
            name(vec![item("b", "one", None, Some("k"))]),
            "oxen-api-key"
        );
        let default = objects(vec![named(Some("oxen-api-key"))]);
        assert_eq!(default.named("a"), Some(default_secret()));
        assert_eq!(objects(vec![named(None)]).named("a"), None);
    }
}
