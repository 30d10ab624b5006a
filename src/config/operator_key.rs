//! The operator's own API key, and the namespaces that may use it.

use std::{io, path::PathBuf};

use super::{args::HubArgs, error::ConfigError};
use crate::{
    api::OxenModel,
    hub::{ApiKey, KeyError},
};

/// The operator's own key and the namespaces that may use it.
#[derive(Debug)]
pub struct OperatorKey {
    /// Where the key comes from.
    pub source: KeySource,
    /// The namespaces that may use it.
    pub namespaces: KeyNamespaces,
}

/// The namespaces that may use the operator's own key. `*` stands for all.
#[derive(Clone, Debug, Default)]
pub struct KeyNamespaces(pub(super) Vec<String>);

/// Where the operator's own key comes from.
#[derive(Debug)]
pub enum KeySource {
    /// The environment variable `OXEN_API_KEY`.
    Environment(ApiKey),
    /// A file, which is read for each use.
    File(PathBuf),
}

/// Why the operator's own key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeySourceError {
    /// The file can't be read.
    #[error("OXEN_API_KEY_FILE: {} can't be read", file.display())]
    File {
        /// The file's path.
        file: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file doesn't contain a valid key.
    #[error("OXEN_API_KEY_FILE: the key {0}")]
    Key(KeyError),
}

impl KeySource {
    /// Returns the key. A file is read each time.
    ///
    /// # Errors
    ///
    /// Fails if the file can't be read or doesn't contain a valid key.
    pub async fn key(&self) -> Result<ApiKey, KeySourceError> {
        let file = match self {
            Self::Environment(key) => return Ok(key.clone()),
            Self::File(file) => file,
        };
        match tokio::fs::read(file).await {
            Ok(bytes) => ApiKey::new(&bytes).map_err(KeySourceError::Key),
            Err(source) => Err(KeySourceError::File {
                file: file.clone(),
                source,
            }),
        }
    }
}

impl KeyNamespaces {
    /// These namespaces.
    #[cfg(test)]
    pub(crate) fn of(namespaces: &[&str]) -> Self {
        Self(namespaces.iter().map(|&one| one.to_owned()).collect())
    }

    /// Returns true when an object uses the key: it names no Secret, and its namespace may use the
    /// key.
    #[must_use]
    pub fn serves(&self, object: &OxenModel) -> bool {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        object.spec.api_key_secret_ref.is_none() && self.contains(namespace)
    }

    /// Returns true when a namespace may use the key.
    #[must_use]
    pub fn contains(&self, namespace: &str) -> bool {
        let mut listed = self.0.iter();
        listed.any(|listed| listed == "*" || listed == namespace)
    }
}

impl HubArgs {
    /// Where the operator's own key comes from, if it has one. `environment` is the value of the
    /// environment variable `OXEN_API_KEY`, if it is set.
    ///
    /// # Errors
    ///
    /// Names the setting that can't be used, and why.
    pub fn key(&self, environment: Option<&[u8]>) -> Result<Option<KeySource>, ConfigError> {
        match (environment, &self.api_key_file) {
            (Some(_), Some(_)) => Err(ConfigError::new(
                "OXEN_API_KEY_FILE",
                "set either this or OXEN_API_KEY, not both",
            )),
            (Some(key), None) => {
                let key = ApiKey::new(key)
                    .map_err(|error| ConfigError::new("OXEN_API_KEY", error.to_string()))?;
                Ok(Some(KeySource::Environment(key)))
            }
            (None, file) => Ok(file.clone().map(KeySource::File)),
        }
    }
}
