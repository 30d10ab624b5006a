//! The operator's own API key, and the namespaces that may use it.

use std::path::PathBuf;

use super::{args::HubArgs, error::ConfigError};
use crate::hub::ApiKey;

/// The operator's own key and the namespaces that may use it.
#[derive(Debug)]
pub struct OperatorKey {
    /// Where the key comes from.
    pub source: KeySource,
    pub(super) namespaces: Vec<String>,
}

/// Where the operator's own key comes from.
#[derive(Debug)]
pub enum KeySource {
    /// The environment variable `OXEN_API_KEY`.
    Environment(ApiKey),
    /// A file, which is read for each use.
    File(PathBuf),
}

impl OperatorKey {
    /// Returns true when a namespace may use the key.
    #[must_use]
    pub fn is_allowed_in(&self, namespace: &str) -> bool {
        self.namespaces
            .iter()
            .any(|listed| listed == "*" || listed == namespace)
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
