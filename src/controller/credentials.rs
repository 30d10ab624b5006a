//! Which API key is an object's: the Secret that it names, else the operator's own where that is
//! lent to the namespace, else the Secret `oxen-api-key`. No other key is ever tried.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;

use super::context::{Error, Scope};
use crate::{
    api::{DEFAULT_SECRET, DEFAULT_SECRET_KEY, OxenModel, SecretKeyRef},
    config::{KeySource, OperatorKey},
    decide::{Fault, Mend},
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
        Fault::CredentialsNotFound {
            mend: Mend::Create { .. },
            ..
        } if scope.context.config.operator_key.is_some() => Fault::OperatorKeyNotAllowed,
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
    let bytes = tokio::fs::read(file)
        .await
        .map_err(|error| Fault::CredentialsNotFound {
            why: format!("The operator can't read its own API key ({})", error.kind()),
            mend: Mend::Lend,
        })?;
    ApiKey::new(&bytes).map_err(|error| Fault::CredentialsInvalid {
        why: format!("The operator's own API key {error}"),
        mend: Mend::Lend,
    })
}

async fn read(
    scope: &Scope,
    namespace: &str,
    named: &SecretKeyRef,
) -> Result<Result<ApiKey, Fault>, Error> {
    let name = &named.name;
    let key = named.key.as_deref().unwrap_or(DEFAULT_SECRET_KEY);
    let (secret, entry) = (name.clone(), key.to_owned());
    let missing = |why, mend| Ok(Err(Fault::CredentialsNotFound { why, mend }));
    let found = match fetch(scope, namespace, name).await? {
        Fetched::Found(found) => found,
        Fetched::Missing => {
            let why = format!("There is no Secret {name:?} in this namespace");
            return missing(why, Mend::Create { secret, key: entry });
        }
        Fetched::Forbidden => {
            let why = format!("The operator may not read the Secret {name:?}");
            return missing(why, Mend::Allow);
        }
    };
    let mend = Mend::Fill { secret, key: entry };
    let Some(bytes) = found.data.as_ref().and_then(|data| data.get(key)) else {
        return missing(format!("The Secret {name:?} has no key {key:?}"), mend);
    };
    Ok(
        ApiKey::new(&bytes.0).map_err(|error| Fault::CredentialsInvalid {
            why: format!("The key {key:?} of the Secret {name:?} {error}"),
            mend,
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
