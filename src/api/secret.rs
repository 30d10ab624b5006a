//! A reference to an API key in a Secret.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::names::DEFAULT_SECRET_KEY;

/// A key of a Secret in the object's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name. Example: `team-key`.
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')").message(
            "name must be a Secret's: lower case letters, digits, '-' and '.', such as team-key"
        )
    )]
    #[schemars(length(max = 253))]
    pub name: String,
    /// The key in the Secret's data. Unset: `api-key`.
    #[x_kube(
        validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')").message(
            "key must be one of a Secret's data: letters, digits, '-', '_' and '.', such as api-key"
        )
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub key: Option<String>,
}

impl SecretKeyRef {
    /// Checks both names against this version's schema, because they become part of a request's
    /// path and of a command for a person to run.
    pub(super) fn check(&self) -> Result<(), String> {
        let outer = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let inner = |c: char| outer(c) || c == '-' || c == '.';
        if !self.name.starts_with(outer)
            || !self.name.ends_with(outer)
            || !self.name.chars().all(inner)
        {
            return Err(
                "spec.apiKeySecretRef.name: write a Secret's name, such as team-key".into(),
            );
        }
        let entry = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let key = self.key.as_deref().unwrap_or(DEFAULT_SECRET_KEY);
        if key.is_empty() || !key.chars().all(entry) {
            return Err(
                "spec.apiKeySecretRef.key: write a key of the Secret's data, such as api-key"
                    .into(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_secret_name_gets_the_field_and_the_fix() {
        let check = |name: &str, key: Option<&str>| {
            let (name, key) = (name.to_owned(), key.map(str::to_owned));
            SecretKeyRef { name, key }.check()
        };
        for (name, key) in [
            ("team-key", None),
            ("a", Some("api.key_1")),
            ("a.b-c1", None),
        ] {
            assert_eq!(check(name, key), Ok(()));
        }
        for name in ["", "-a", "a.", "Team", "a/../b", "a?b", "a b"] {
            let problem = check(name, None).unwrap_err();
            assert!(problem.starts_with("spec.apiKeySecretRef.name: "), "{name}");
        }
        for key in ["", "a b", "$(id)", "a/b", "\""] {
            let problem = check("team-key", Some(key)).unwrap_err();
            assert!(problem.starts_with("spec.apiKeySecretRef.key: "), "{key}");
        }
    }
}
