//! The API keys in use, and what the objects manage as each key sees it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use tokio::task::yield_now;

use crate::{
    api::{DEFAULT_SECRET_KEY, OxenModel},
    controller::{
        context::{Context, Scope},
        credentials::{self, Credentials},
    },
    decide::{Claimant, Managed},
    hub::ApiKey,
};

/// The number of objects that are decoded before other tasks may run.
const PART: usize = 256;

/// Where a key comes from. `namespace` and `secret` are empty for the operator's own key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) namespace: String,
    pub(super) secret: String,
    data_key: String,
}

/// A key that objects use.
pub(super) struct KeyInUse {
    pub(super) key: ApiKey,
    /// The origins of the key, each with what the objects manage. An owner of models of several
    /// origins belongs to the first of them only, so that each model is found once. A later origin
    /// without an owner of its own is left out.
    pub(super) origins: BTreeMap<Origin, Managed>,
}

/// The keys that objects use.
pub(super) struct Keys {
    /// The keys that could be read.
    pub(super) in_use: Vec<KeyInUse>,
    /// The origins whose key is not known now.
    pub(super) unknown: BTreeSet<Origin>,
}

/// All objects, as far as the scan needs them.
pub(super) struct Objects<'a> {
    /// What they manage.
    pub(super) managed: Managed,
    users: BTreeMap<Origin, Users<'a>>,
}

/// The objects of one origin.
struct Users<'a> {
    scope: &'a Scope,
    /// One of them. All of them have the same key.
    object: Arc<OxenModel>,
    owners: HashSet<String>,
}

impl Origin {
    fn of(scope: &Scope, object: &OxenModel) -> Self {
        let (namespace, secret) = credentials::origin(scope, object);
        let named = object.spec.api_key_secret_ref.as_ref();
        let data_key = named.and_then(|named| named.key.as_deref());
        Self {
            namespace: namespace.into(),
            secret: secret.into(),
            data_key: data_key.unwrap_or(DEFAULT_SECRET_KEY).into(),
        }
    }
}

impl<'a> Objects<'a> {
    /// Reads the objects of all scopes. It sends no request.
    pub(super) async fn read(context: &Context, scopes: &'a [Arc<Scope>]) -> Self {
        let mut objects = Self {
            managed: Managed::default(),
            users: BTreeMap::new(),
        };
        for scope in scopes {
            for part in scope.objects.state().chunks(PART) {
                for stored in part {
                    let guarded = stored.decode();
                    // The store has a new object before the index.
                    let known = context.index.claimant(guarded.uid());
                    let rules = &context.config.rules;
                    let claimant = known.unwrap_or_else(|| Claimant::of(&guarded.object, rules));
                    objects.managed.add_claimant(&claimant);
                    // The Secret of such an object may be one of the fields that can't be decoded.
                    if guarded.unreadable.is_none() {
                        objects.add_user(scope, guarded.object, &claimant);
                    }
                }
                yield_now().await;
            }
        }
        objects
    }

    fn add_user(&mut self, scope: &'a Scope, object: Arc<OxenModel>, claimant: &Claimant) {
        let origin = Origin::of(scope, &object);
        let users = self.users.entry(origin).or_insert_with(|| Users {
            scope,
            object,
            owners: HashSet::new(),
        });
        let identity = claimant.identity.as_ref().filter(|_| !claimant.base);
        users.owners.extend(identity.map(|it| it.owner.clone()));
    }

    /// Looks up the keys that the objects use.
    pub(super) async fn keys(self) -> Keys {
        let mut found: HashMap<ApiKey, BTreeMap<Origin, HashSet<String>>> = HashMap::new();
        let mut unknown = BTreeSet::new();
        for (origin, users) in self.users {
            let looked_up = credentials::look_up(users.scope, &users.object).await;
            match looked_up {
                Ok((Credentials::Key(key), _)) => {
                    let origins = found.entry(key).or_default();
                    let mut owners = users.owners;
                    owners.retain(|owner| !origins.values().any(|known| known.contains(owner)));
                    if origins.is_empty() || !owners.is_empty() {
                        origins.insert(origin, owners);
                    }
                }
                Ok((Credentials::Fault(_), _)) | Err(_) => _ = unknown.insert(origin),
            }
        }
        let in_use = found.into_iter().map(|(key, origins)| {
            let origins = origins.into_iter();
            let managed = |owners| self.managed.with_owners(owners);
            let origins = origins.map(|(origin, owners)| (origin, managed(owners)));
            KeyInUse {
                key,
                origins: origins.collect(),
            }
        });
        Keys {
            in_use: in_use.collect(),
            unknown,
        }
    }
}
