//! Which API key the hub is asked with: the key in a Secret, or else that of OXEN_API_KEY. No key
//! is ever shown.

use std::{ffi::OsString, fmt};

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use oxen_operator::{
    api::{DEFAULT_SECRET, DEFAULT_SECRET_KEY, OxenModel, SecretKeyRef},
    hub::ApiKey,
};

use crate::{
    clean,
    console::Console,
    explain::{Asked, Trouble},
    outcome::Failure,
    session::Session,
};

/// The variable that holds a key.
const VARIABLE: &str = "OXEN_API_KEY";

/// A key, and where it comes from.
#[derive(Clone, Debug)]
pub struct Key {
    pub key: ApiKey,
    pub origin: Origin,
}

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The variable OXEN_API_KEY.
    Environment,
    /// A Secret.
    Secret {
        /// The Secret's namespace.
        namespace: String,
        /// The Secret's name, and the key in its data.
        named: SecretKeyRef,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str(VARIABLE),
            Self::Secret { namespace, named } => {
                write!(f, "Secret {namespace}/{}", clean::line(&named.name))
            }
        }
    }
}

/// Why a Secret gives no key. Each text is a sentence without its full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// The user may not get the Secret.
    Forbidden(String),
    /// There is no such Secret.
    Missing(String),
    /// The Secret has no such entry, or the entry is no valid key.
    Invalid(String),
    /// The API server gave no answer.
    Unanswered(String),
}

impl NoKey {
    /// What is the case, as a sentence without its full stop.
    pub fn why(&self) -> &str {
        match self {
            Self::Forbidden(why)
            | Self::Missing(why)
            | Self::Invalid(why)
            | Self::Unanswered(why) => why,
        }
    }
}

/// The Secret that objects use which name none.
pub fn default_secret() -> SecretKeyRef {
    SecretKeyRef {
        name: DEFAULT_SECRET.into(),
        key: None,
    }
}

/// The key in the data of the Secret that is meant.
pub fn entry(named: &SecretKeyRef) -> &str {
    named.key.as_deref().unwrap_or(DEFAULT_SECRET_KEY)
}

/// Whether two references are to the same entry of the same Secret.
pub fn is_same(one: &SecretKeyRef, other: &SecretKeyRef) -> bool {
    (&one.name, entry(one)) == (&other.name, entry(other))
}

/// The key of OXEN_API_KEY, if it is set and not empty.
///
/// # Errors
///
/// The value is no valid key.
pub fn of_environment() -> Result<Option<ApiKey>, Failure> {
    let value = std::env::var_os(VARIABLE).map(OsString::into_encoded_bytes);
    let value = value.filter(|value| !value.trim_ascii().is_empty());
    let key = value.map(|value| ApiKey::new(&value)).transpose();
    key.map_err(|error| Failure::Because(format!("{VARIABLE} {error}.")))
}

impl Session {
    /// The key in a Secret.
    ///
    /// # Errors
    ///
    /// The Secret can't be read, or has no valid key.
    pub async fn key(&self, namespace: &str, named: &SecretKeyRef) -> Result<ApiKey, NoKey> {
        let name = clean::line(&named.name);
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let asked = Asked {
            verb: "get",
            what: &format!("Secret {name}"),
            namespace: Some(namespace),
            name: Some(&named.name),
        };
        match self.ask(asked, api.get(&named.name)).await {
            Ok(secret) => in_secret(&secret, namespace, named),
            Err(Trouble {
                no_such_object: true,
                ..
            }) => Err(NoKey::Missing(format!(
                "there is no Secret {name} in {namespace}"
            ))),
            Err(trouble) if trouble.forbidden => Err(NoKey::Forbidden(trouble.why)),
            Err(trouble) => Err(NoKey::Unanswered(trouble.why)),
        }
    }

    /// Whether a valid key is in the Secret that an object names.
    ///
    /// # Errors
    ///
    /// The Secret can't be read, or has no valid key.
    pub async fn check_key(&self, object: &OxenModel) -> Result<(), NoKey> {
        let named = object.spec.api_key_secret_ref.clone();
        let namespace = object.metadata.namespace.as_deref();
        let namespace = namespace.unwrap_or(&self.namespace);
        let named = named.unwrap_or_else(default_secret);
        self.key(namespace, &named).await.map(drop)
    }
}

fn in_secret(secret: &Secret, namespace: &str, named: &SecretKeyRef) -> Result<ApiKey, NoKey> {
    let (name, entry) = (clean::line(&named.name), clean::line(entry(named)));
    let data = secret.data.as_ref();
    let Some(value) = data.and_then(|data| data.get(self::entry(named))) else {
        return Err(NoKey::Invalid(format!(
            "Secret {name} in {namespace} has no key \"{entry}\""
        )));
    };
    ApiKey::new(&value.0).map_err(|error| {
        NoKey::Invalid(format!(
            "the key \"{entry}\" of Secret {name} in {namespace} {error}"
        ))
    })
}

/// Finds the key: that of the Secret if it can be read, else that of `environment`, which is the
/// one of OXEN_API_KEY. Standard error
/// says why the variable is used, and that it is not used where both are there and differ.
///
/// # Errors
///
/// There is no key.
pub async fn find(
    session: Option<&Session>,
    named: &SecretKeyRef,
    environment: Option<ApiKey>,
    console: &Console,
) -> Result<Key, Failure> {
    let in_secret = match session {
        Some(session) => session.key(&session.namespace, named).await,
        None => Err(NoKey::Unanswered("no cluster is asked".into())),
    };
    let namespace = session.map(|session| session.namespace.clone());
    let origin = Origin::Secret {
        namespace: namespace.unwrap_or_default(),
        named: named.clone(),
    };
    let found = choose(environment, in_secret, origin)?;
    if let Some(note) = &found.1 {
        console.say(note);
    }
    Ok(found.0)
}

/// Chooses between the two keys. The text says which one is used, where that is not plain.
fn choose(
    environment: Option<ApiKey>,
    in_secret: Result<ApiKey, NoKey>,
    origin: Origin,
) -> Result<(Key, Option<String>), Failure> {
    match (in_secret, environment) {
        (Ok(key), environment) => {
            let differs = environment.is_some_and(|other| other != key);
            let note = differs.then(|| {
                format!(
                    "{VARIABLE} is not used, because {origin} has another key, and the operator \
                     uses that one."
                )
            });
            Ok((Key { key, origin }, note))
        }
        (Err(no_key), Some(key)) => {
            let note = format!("{VARIABLE} is used: {}.", no_key.why());
            let origin = Origin::Environment;
            Ok((Key { key, origin }, Some(note)))
        }
        (Err(no_key), None) => {
            let remedy = match &no_key {
                NoKey::Unanswered(_) | NoKey::Forbidden(_) => format!("Set {VARIABLE}."),
                NoKey::Missing(_) => format!("Create it, or set {VARIABLE}."),
                NoKey::Invalid(_) => format!("Correct it, or set {VARIABLE}."),
            };
            let why = no_key.why();
            Err(format!("there is no API key: {why}. {remedy}").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin::Secret {
            namespace: "team-a".into(),
            named: default_secret(),
        }
    }

    fn key(text: &str) -> ApiKey {
        ApiKey::new(text.as_bytes()).unwrap()
    }

    fn secret(entry: &str, value: &str) -> Secret {
        let data = serde_json::json!({"data": {entry: k8s_openapi::ByteString(value.into())}});
        serde_json::from_value(data).unwrap()
    }

    #[test]
    fn the_key_of_the_secret_wins_and_a_different_variable_is_told() {
        let (one, two) = (key("one-secret-key"), key("two-secret-key"));
        let (found, note) = choose(Some(two.clone()), Ok(one.clone()), origin()).unwrap();
        assert_eq!((&found.key, found.origin), (&one, origin()));
        assert_eq!(
            note.unwrap(),
            "OXEN_API_KEY is not used, because Secret team-a/oxen-api-key has another key, and the \
             operator uses that one."
        );
        let (_, note) = choose(Some(one.clone()), Ok(one.clone()), origin()).unwrap();
        assert_eq!(note, None);
        let missing = || Err(NoKey::Missing("there is no Secret".into()));
        let (found, note) = choose(Some(two), missing(), origin()).unwrap();
        assert_eq!(found.origin, Origin::Environment);
        assert_eq!(note.unwrap(), "OXEN_API_KEY is used: there is no Secret.");
        let error = choose(None, missing(), origin()).err();
        let Some(Failure::Because(error)) = error else {
            panic!("{error:?}");
        };
        assert_eq!(
            error,
            "there is no API key: there is no Secret. Create it, or set OXEN_API_KEY."
        );
    }

    #[test]
    fn a_secret_without_a_valid_key_says_what_is_wrong_without_showing_it() {
        let read = |secret: &Secret| in_secret(secret, "team-a", &default_secret());
        assert_eq!(read(&secret("api-key", " k-123456\n")), Ok(key("k-123456")));
        for (secret, why) in [
            (
                secret("token", "k"),
                "Secret oxen-api-key in team-a has no key \"api-key\"",
            ),
            (
                secret("api-key", "SECRET two"),
                "the key \"api-key\" of Secret oxen-api-key in team-a contains white space or \
                 characters that no API key has: it must be one line of printable ASCII",
            ),
        ] {
            assert_eq!(read(&secret), Err(NoKey::Invalid(why.into())));
        }
    }
}
