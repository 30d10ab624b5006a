//! The credentials of a user that are used, chosen as client-go chooses them. kube has another
//! order, and sends credentials to a server without TLS, too.

use http::{HeaderValue, Uri, uri::Scheme};
use kube::config::AuthInfo;

use super::Target;

impl Target {
    /// Returns true when the connection to the server is encrypted.
    pub(super) fn is_secure(&self) -> bool {
        let server = self.cluster.server.as_ref();
        let server = server.and_then(|server| server.parse::<Uri>().ok());
        server.is_some_and(|server| server.scheme() == Some(&Scheme::HTTPS))
    }

    /// Removes the credentials of the user's entry that are not used. Without TLS, it removes all,
    /// because anyone on the network could read them, and keeps only the impersonation.
    ///
    /// # Errors
    ///
    /// The file of the token can't be read, or the entry has a token and also a username or a
    /// password.
    pub(super) fn keep_used_credentials(&mut self) -> Result<(), String> {
        if !self.is_secure() {
            let all = std::mem::take(&mut self.user);
            self.user = AuthInfo {
                impersonate: all.impersonate,
                impersonate_uid: all.impersonate_uid,
                impersonate_groups: all.impersonate_groups,
                impersonate_user_extra: all.impersonate_user_extra,
                ..AuthInfo::default()
            };
            return Ok(());
        }
        self.read_token_file()?;
        let user = &mut self.user;
        if user.token.is_some() && (user.username.is_some() || user.password.is_some()) {
            return Err(format!(
                "user \"{}\" of the kubeconfig has a token and also a username or a password. Remove one of \
                 the two.",
                self.user_name
            ));
        }
        if user.username.is_some() {
            user.password.get_or_insert_with(|| "".into());
        }
        if user.token.is_some() || user.username.is_some() {
            user.exec = None;
            user.auth_provider = None;
        }
        let certificate =
            user.client_certificate.is_some() || user.client_certificate_data.is_some();
        let key = user.client_key.is_some() || user.client_key_data.is_some();
        if certificate && key {
            user.exec = None;
        }
        Ok(())
    }

    /// Refuses a token that no header of a request can hold. kube would end the program for it.
    ///
    /// # Errors
    ///
    /// The token has a line break or another control character.
    pub fn check_token(&self) -> Result<(), String> {
        // The text of kube's type of a token can be read only by serializing it.
        let user = serde_json::to_value(&self.user).unwrap_or_default();
        let token = user["token"].as_str().unwrap_or_default();
        HeaderValue::from_str(token).map(drop).map_err(|_| {
            format!(
                "the token of user \"{}\" has a line break or another control character. Write it \
                 in one line.",
                self.user_name
            )
        })
    }

    /// Replaces the file of a token with the token that it holds. kube would send the line break at
    /// its end, too. If the file can't be read, a token beside it is used.
    fn read_token_file(&mut self) -> Result<(), String> {
        let Some(file) = self.user.token_file.take() else {
            return Ok(());
        };
        let why = match std::fs::read_to_string(&file) {
            Ok(token) if token.trim().is_empty() => "it is empty".into(),
            Ok(token) => {
                self.user.token = Some(token.trim().into());
                return Ok(());
            }
            Err(error) => error.to_string(),
        };
        if self.user.token.is_some() {
            return Ok(());
        }
        let user = &self.user_name;
        Err(format!(
            "the token of user \"{user}\" of the kubeconfig can't be read from {file}: {why}."
        ))
    }
}
