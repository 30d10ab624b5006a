//! Which API key is an object's: the Secret that it names, else the operator's own where that is
//! lent to the namespace, else the Secret `oxen-api-key`. No other key is ever tried.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;

use super::context::{Error, Scope};
use crate::{
    api::{DEFAULT_SECRET, DEFAULT_SECRET_KEY, OxenModel, SecretKeyRef},
    config::{KeySource, OperatorKey},
    decide::Fault,
    oxen::ApiKey,
};

/// The object's key, or the fault that there is none.
pub(super) async fn find(
    scope: &Scope,
    object: &OxenModel,
) -> Result<Result<ApiKey, Fault>, Error> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(named) = &object.spec.api_key_secret_ref {
        return read(scope, namespace, named).await;
    }
    if let Some(operators) = lent(scope, object) {
        return Ok(own(operators).await);
    }
    let default = SecretKeyRef {
        name: DEFAULT_SECRET.into(),
        key: None,
    };
    let found = read(scope, namespace, &default).await?;
    Ok(found.map_err(|fault| match fault {
        Fault::CredentialsNotFound { .. } if scope.context.config.operator_key.is_some() => {
            Fault::OperatorKeyNotAllowed
        }
        fault => fault,
    }))
}

/// The namespace and the name of the Secret that an object's key is from; both empty where it is the operator's own.
pub(super) fn origin<'a>(scope: &Scope, object: &'a OxenModel) -> (&'a str, &'a str) {
    if lent(scope, object).is_some() {
        return ("", "");
    }
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    (namespace, secret_of(object))
}

/// The operator's own key, where the object names no Secret and its namespace may use that key.
fn lent<'a>(scope: &'a Scope, object: &OxenModel) -> Option<&'a OperatorKey> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let operators = scope.context.config.operator_key.as_ref();
    operators.filter(|key| object.spec.api_key_secret_ref.is_none() && key.is_lent_to(namespace))
}

/// The Secret that an object uses if it uses one, for the wake-up when that Secret changes.
pub(super) fn secret_of(object: &OxenModel) -> &str {
    object
        .spec
        .api_key_secret_ref
        .as_ref()
        .map_or(DEFAULT_SECRET, |named| named.name.as_str())
}

async fn own(operators: &OperatorKey) -> Result<ApiKey, Fault> {
    let file = match &operators.source {
        KeySource::Environment(key) => return Ok(key.clone()),
        KeySource::File(file) => file,
    };
    let (secret, key) = (DEFAULT_SECRET.to_owned(), DEFAULT_SECRET_KEY.to_owned());
    let bytes = tokio::fs::read(file).await.map_err(|error| {
        let why = format!("The operator can't read its own API key ({})", error.kind());
        Fault::CredentialsNotFound {
            secret: secret.clone(),
            key: key.clone(),
            why,
        }
    })?;
    ApiKey::new(&bytes).map_err(|error| Fault::CredentialsInvalid {
        secret,
        key,
        why: format!("is not used, and the operator's own API key {error}"),
    })
}

async fn read(
    scope: &Scope,
    namespace: &str,
    named: &SecretKeyRef,
) -> Result<Result<ApiKey, Fault>, Error> {
    let key = named.key.as_deref().unwrap_or(DEFAULT_SECRET_KEY);
    let missing = |why: String| Fault::CredentialsNotFound {
        secret: named.name.clone(),
        key: key.to_owned(),
        why,
    };
    let secret = match fetch(scope, namespace, &named.name).await? {
        Fetched::Found(secret) => secret,
        Fetched::Missing => {
            let why = format!("There is no Secret {:?} in this namespace", named.name);
            return Ok(Err(missing(why)));
        }
        Fetched::Forbidden => {
            let why = format!(
                "The operator may not read the Secret {:?}: let a Role grant it `get`, or use a name of the operator's --secret-names",
                named.name
            );
            return Ok(Err(missing(why)));
        }
    };
    let Some(bytes) = secret.data.as_ref().and_then(|data| data.get(key)) else {
        let why = format!("The Secret {:?} has no key {key:?}", named.name);
        return Ok(Err(missing(why)));
    };
    Ok(
        ApiKey::new(&bytes.0).map_err(|error| Fault::CredentialsInvalid {
            secret: named.name.clone(),
            key: key.to_owned(),
            why: error.to_string(),
        }),
    )
}

enum Fetched {
    Found(Arc<Secret>),
    Missing,
    Forbidden,
}

async fn fetch(scope: &Scope, namespace: &str, name: &str) -> Result<Fetched, Error> {
    if let Some(watched) = scope.secrets.get(namespace, name) {
        return Ok(watched.map_or(Fetched::Missing, Fetched::Found));
    }
    let context = &scope.context;
    let secrets = context.secrets(namespace);
    match context.ask("reading a Secret", secrets.get(name)).await {
        Ok(secret) => Ok(Fetched::Found(Arc::new(secret))),
        Err(error) => match error.code() {
            Some(404) => Ok(Fetched::Missing),
            Some(403) => Ok(Fetched::Forbidden),
            _ => Err(error),
        },
    }
}
