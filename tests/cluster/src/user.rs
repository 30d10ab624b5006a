//! The users of the cluster, with their tokens and kubeconfigs.

use crate::Result;
use crate::folder::Folder;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::path::PathBuf;
use uuid::Uuid;

/// The name of the administrator, who has all permissions.
pub(crate) const ADMIN: &str = "admin";

/// A user with a token.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    groups: Vec<String>,
    token: String,
}

impl User {
    pub(crate) fn new(name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(ToString::to_string).collect();
        Self {
            name: name.to_owned(),
            groups,
            token: Uuid::new_v4().to_string(),
        }
    }

    pub(crate) fn admin() -> Self {
        Self::new(ADMIN, &["system:masters"])
    }

    /// Returns the user's line in the token file.
    fn line(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        format!(
            "{},{},{},{}\n",
            self.token,
            quoted(&self.name),
            quoted(&self.name),
            quoted(&self.groups.join(","))
        )
    }

    /// Returns the content of a kubeconfig that refers to no other file. It is JSON, which is valid
    /// YAML and simplifies quoting.
    pub(crate) fn kubeconfig(&self, url: &str, authority: &[u8]) -> String {
        let authority = STANDARD.encode(authority);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "cluster",
            "clusters": [{"name": "cluster", "cluster": {"server": url, "certificate-authority-data": authority}}],
            "users": [{"name": self.name, "user": {"token": self.token}}],
            "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": self.name}}],
        });
        format!("{config:#}\n")
    }
}

/// Writes the token file, which the API server reads when it starts.
pub(crate) fn write_tokens(folder: &Folder, users: &[User]) -> Result<PathBuf> {
    folder.write(
        "tokens.csv",
        users.iter().map(User::line).collect::<String>(),
    )
}
