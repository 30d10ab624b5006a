//! The API keys in use, and what the objects manage as each key sees it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use tokio::task::yield_now;

use crate::{
    api::{DEFAULT_SECRET_KEY, OxenModel},
    controller::{
        context::{Context, Scope},
        credentials::{self, Credentials},
    },
    decide::Managed,
    hub::ApiKey,
};

/// The number of objects that are decoded in a row. Other tasks run between two such parts.
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
    /// What the objects manage, as this key sees it.
    pub(super) managed: Managed,
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

/// The keys that objects use. A key that several Secrets hold is listed under the first of them. A
/// key that can't be read is left out, and the conditions of its objects say why.
pub(super) async fn keys_in_use(
    context: &Context,
    scopes: &[Arc<Scope>],
) -> BTreeMap<Origin, KeyInUse> {
    let mut managed = Managed::default();
    let mut users = BTreeMap::new();
    for scope in scopes {
        for part in scope.objects.state().chunks(PART) {
            for stored in part {
                let guarded = stored.decode();
                let Some(claimant) = context.index.claimant(guarded.uid()) else {
                    continue;
                };
                managed.add_claimant(&claimant);
                // The Secret of such an object may be one of the fields that can't be decoded.
                if guarded.unreadable.is_some() {
                    continue;
                }
                let object = guarded.object;
                let users = users
                    .entry(Origin::of(scope, &object))
                    .or_insert_with(|| Users {
                        scope,
                        object,
                        owners: HashSet::new(),
                    });
                let identity = claimant.identity.filter(|_| !claimant.base);
                users.owners.extend(identity.map(|it| it.owner.clone()));
            }
            yield_now().await;
        }
    }
    let mut keys: HashMap<ApiKey, (Origin, HashSet<String>)> = HashMap::new();
    for (origin, users) in users {
        let found = credentials::look_up(users.scope, &users.object).await;
        let Ok((Credentials::Key(key), _)) = found else {
            continue;
        };
        let (_, owners) = keys.entry(key).or_insert((origin, HashSet::new()));
        owners.extend(users.owners);
    }
    let keys = keys.into_iter().map(|(key, (origin, owners))| {
        let managed = managed.with_owners(owners);
        (origin, KeyInUse { key, managed })
    });
    keys.collect()
}
