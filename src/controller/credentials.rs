//! Which API key an object uses. An object that names a Secret uses the key in that Secret. Any
//! other object uses the operator's own key if its namespace may use it, and the key in the Secret
//! `oxen-api-key` if not. No other key is ever tried.

use k8s_openapi::api::core::v1::Secret;

use super::{
    admission::Lane,
    context::Scope,
    error::{ReconcileError, Request},
    memory::SecretVersion,
    secrets::{Lookup, version},
};
use crate::{
    api::{DEFAULT_SECRET, DEFAULT_SECRET_KEY, OxenModel, SecretKeyRef},
    config::{KeySourceError, OperatorKey},
    decide::{CredentialFault, Remedy},
    hub::ApiKey,
};

/// An object's API key, or why it has none.
pub(super) enum Credentials {
    Key(ApiKey),
    Fault(CredentialFault),
}

impl From<Result<ApiKey, CredentialFault>> for Credentials {
    fn from(found: Result<ApiKey, CredentialFault>) -> Self {
        match found {
            Ok(key) => Self::Key(key),
            Err(fault) => Self::Fault(fault),
        }
    }
}

/// Finds the object's API key, and remembers the version of its Secret.
pub(super) async fn find(scope: &Scope, object: &OxenModel) -> Result<Credentials, ReconcileError> {
    let (found, secret) = look_up(scope, object).await?;
    if let Some(version) = secret {
        let memories = &scope.context.memories;
        memories.with(object, |memory| memory.looked_up(version));
    }
    Ok(found)
}

/// Finds the object's API key, and the version of its Secret if the key comes from one.
pub(super) async fn look_up(
    scope: &Scope,
    object: &OxenModel,
) -> Result<(Credentials, Option<SecretVersion>), ReconcileError> {
    if let Some(named) = &object.spec.api_key_secret_ref {
        let fetched = fetch(scope, object, &named.name).await?;
        let version = fetched.version();
        return Ok((key_of(named, fetched).into(), Some(version)));
    }
    if let Some(operator_key) = allowed_operator_key(scope, object) {
        return Ok((read_operator_key(operator_key).await.into(), None));
    }
    let default = SecretKeyRef {
        name: DEFAULT_SECRET.into(),
        key: None,
    };
    let fetched = fetch(scope, object, &default.name).await?;
    let missing = matches!(fetched, Fetched::Missing);
    let version = Some(fetched.version());
    if missing && scope.context.config.operator_key.is_some() {
        let fault = Credentials::Fault(CredentialFault::OperatorKeyNotAllowed);
        return Ok((fault, version));
    }
    Ok((key_of(&default, fetched).into(), version))
}

/// The namespace and name of the Secret that an object's key comes from. Both are empty for the
/// operator's own key.
pub(super) fn origin<'a>(scope: &Scope, object: &'a OxenModel) -> (&'a str, &'a str) {
    if allowed_operator_key(scope, object).is_some() {
        return ("", "");
    }
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    (namespace, object.secret_name())
}

/// The lane in which an object's reconciles are admitted.
pub(super) fn lane(scope: &Scope, object: &OxenModel) -> Lane {
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let secret = match allowed_operator_key(scope, object) {
        Some(_) => "",
        None => object.secret_name(),
    };
    Lane {
        namespace,
        secret: secret.into(),
    }
}

/// The operator's own key, if the object names no Secret and its namespace may use that key.
fn allowed_operator_key<'a>(scope: &'a Scope, object: &OxenModel) -> Option<&'a OperatorKey> {
    let key = scope.context.config.operator_key.as_ref();
    key.filter(|key| key.namespaces.serves(object))
}

async fn read_operator_key(operator_key: &OperatorKey) -> Result<ApiKey, CredentialFault> {
    let remedy = Remedy::SetOperatorKey;
    operator_key
        .source
        .key()
        .await
        .map_err(|error| match error {
            KeySourceError::File { source, .. } => CredentialFault::NotFound {
                why: format!(
                    "The operator can't read its own API key ({})",
                    source.kind()
                ),
                remedy,
            },
            KeySourceError::Key(error) => CredentialFault::Invalid {
                why: format!("The operator's own API key {error}"),
                remedy,
            },
        })
}

fn key_of(named: &SecretKeyRef, fetched: Fetched) -> Result<ApiKey, CredentialFault> {
    let (name, key) = (
        &named.name,
        named.key.as_deref().unwrap_or(DEFAULT_SECRET_KEY),
    );
    let (secret, data_key) = (name.clone(), key.to_owned());
    let found = match fetched {
        Fetched::Found(found) => found,
        Fetched::Missing => {
            return Err(CredentialFault::NotFound {
                why: format!("There is no Secret {name:?} in this namespace"),
                remedy: Remedy::CreateSecret {
                    secret,
                    key: data_key,
                },
            });
        }
        Fetched::Forbidden => {
            return Err(CredentialFault::NotFound {
                // Where a Role lists names, the answer is the same for a Secret that doesn't exist.
                why: format!(
                    "The operator may not read the Secret {name:?}, or the Secret doesn't exist"
                ),
                remedy: Remedy::GrantAccess,
            });
        }
    };
    let remedy = Remedy::PatchSecret {
        secret,
        key: data_key,
    };
    let Some(bytes) = found.data.as_ref().and_then(|data| data.get(key)) else {
        return Err(CredentialFault::NotFound {
            why: format!("The Secret {name:?} has no key {key:?}"),
            remedy,
        });
    };
    ApiKey::new(&bytes.0).map_err(|error| CredentialFault::Invalid {
        why: format!("The key {key:?} of the Secret {name:?} {error}"),
        remedy,
    })
}

enum Fetched {
    Found(Box<Secret>),
    Missing,
    Forbidden,
}

impl Fetched {
    fn version(&self) -> SecretVersion {
        match self {
            Self::Found(secret) => version(secret),
            Self::Missing | Self::Forbidden => None,
        }
    }
}

/// Looks up the object's Secret.
async fn fetch(scope: &Scope, object: &OxenModel, name: &str) -> Result<Fetched, ReconcileError> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    match scope.secrets.get(namespace, name) {
        Lookup::Found(secret) => Ok(Fetched::Found(secret)),
        Lookup::Missing => Ok(Fetched::Missing),
        Lookup::Unwatched => read(scope, namespace, name).await,
    }
}

/// Reads a Secret that isn't watched.
async fn read(scope: &Scope, namespace: &str, name: &str) -> Result<Fetched, ReconcileError> {
    let context = &scope.context;
    let secrets = context.secrets(namespace);
    let request = Request::new("reading the Secret", namespace, name);
    match context.send(request, secrets.get(name)).await {
        Ok(secret) => Ok(Fetched::Found(Box::new(secret))),
        Err(error) => match error.code() {
            Some(404) => Ok(Fetched::Missing),
            Some(403) => Ok(Fetched::Forbidden),
            _ => Err(error),
        },
    }
}
