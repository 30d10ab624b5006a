//! Empty flags, which mean the same as absent ones, as in kubectl.

use std::path::PathBuf;

use super::Global;

impl Global {
    /// The flags without those whose value is empty, as a script writes them for an unset variable.
    pub fn without_empty_values(self) -> Self {
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let path = |path: Option<PathBuf>| path.filter(|path| !path.as_os_str().is_empty());
        Self {
            namespace: text(self.namespace),
            context: text(self.context),
            kubeconfig: path(self.kubeconfig),
            cluster: text(self.cluster),
            user: text(self.user),
            impersonate: text(self.impersonate),
            as_uid: text(self.as_uid),
            as_group: (self.as_group.into_iter())
                .filter(|group| !group.is_empty())
                .collect(),
            server: text(self.server),
            token: text(self.token),
            certificate_authority: path(self.certificate_authority),
            client_certificate: path(self.client_certificate),
            client_key: path(self.client_key),
            tls_server_name: text(self.tls_server_name),
            ..self
        }
    }
}
