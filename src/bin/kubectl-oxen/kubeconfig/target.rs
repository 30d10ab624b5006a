//! The one cluster and user that are used, and what the flags change in them.

use std::{collections::BTreeMap, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Uri;
use kube::{
    Config,
    config::{AuthInfo, Cluster, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext},
};

use crate::cli::Global;

/// The one cluster and user that are used, with the flags over them. No other user is touched.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// The context's name, if one is used.
    pub context: Option<String>,
    /// The context's namespace.
    pub namespace: Option<String>,
    /// The name of the cluster's entry.
    pub cluster_name: String,
    /// The cluster's entry.
    pub cluster: Cluster,
    /// The name of the user's entry.
    pub user_name: String,
    /// The user's entry.
    pub user: AuthInfo,
}

/// Replaces values of the entries by those of the flags, as kubectl does. Only `--token` replaces
/// more than with kubectl.
///
/// # Errors
///
/// There is a certificate authority together with insecure-skip-tls-verify, or the flags or the
/// user's entry name a group, a UID or an extra attribute to impersonate, but no user.
pub(super) fn overlay(target: &mut Target, flags: &Global) -> Result<(), String> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let cluster = &mut target.cluster;
    if let Some(server) = &flags.server {
        cluster.server = Some(server.clone());
        // The name belongs to the server of the entry.
        cluster.tls_server_name = None;
    }
    if flags.tls_server_name.is_some() {
        cluster.tls_server_name.clone_from(&flags.tls_server_name);
    }
    cluster.server = cluster.server.take().map(with_scheme);
    // Either flag replaces all settings of the kubeconfig about the check of the certificate.
    if flags.certificate_authority.is_some() || flags.insecure_skip_tls_verify {
        cluster.certificate_authority = path(&flags.certificate_authority);
        cluster.certificate_authority_data = None;
        cluster.insecure_skip_tls_verify = Some(flags.insecure_skip_tls_verify);
    }
    let user = &mut target.user;
    if let Some(token) = &flags.token {
        user.token = Some(token.clone().into());
        user.token_file = None;
        user.exec = None;
        // A token beside a username or a password is refused.
        user.username = None;
        user.password = None;
    }
    if flags.client_certificate.is_some() {
        user.client_certificate = path(&flags.client_certificate);
        user.client_certificate_data = None;
    }
    if flags.client_key.is_some() {
        user.client_key = path(&flags.client_key);
        user.client_key_data = None;
    }
    act_as(user, flags)?;
    refuse_contradiction(target, flags)
}

/// Refuses a certificate authority together with insecure-skip-tls-verify, as kubectl does.
fn refuse_contradiction(target: &Target, flags: &Global) -> Result<(), String> {
    let cluster = &target.cluster;
    let checked =
        cluster.certificate_authority.is_some() || cluster.certificate_authority_data.is_some();
    let unchecked = cluster.insecure_skip_tls_verify == Some(true);
    if !(target.is_secure() && checked && unchecked) {
        return Ok(());
    }
    let whose = if flags.insecure_skip_tls_verify {
        "the command line".into()
    } else {
        format!("cluster \"{}\" of the kubeconfig", target.cluster_name)
    };
    Err(format!(
        "{whose} has both a certificate authority and insecure-skip-tls-verify. Leave one of them \
         out."
    ))
}

/// The URL of a server, which may be written without its scheme, as in `localhost:8001`. kubectl
/// uses no TLS then, whatever else is set.
fn with_scheme(server: String) -> String {
    if server.contains("://") || server.is_empty() {
        server
    } else {
        format!("http://{server}")
    }
}

/// Puts the flags for impersonation over a user's entry.
///
/// # Errors
///
/// A group, a UID or an extra attribute is to be impersonated without a user.
pub fn act_as(user: &mut AuthInfo, flags: &Global) -> Result<(), String> {
    if flags.impersonate.is_some() {
        user.impersonate.clone_from(&flags.impersonate);
    }
    if flags.as_uid.is_some() {
        user.impersonate_uid.clone_from(&flags.as_uid);
    }
    if !flags.as_group.is_empty() {
        user.impersonate_groups = Some(flags.as_group.clone());
    }
    let mut given = BTreeMap::<_, Vec<_>>::new();
    let pairs = flags.as_user_extra.iter();
    for (key, value) in pairs.filter_map(|pair| pair.split_once('=')) {
        given.entry(key.into()).or_default().push(value.into());
    }
    if !given.is_empty() {
        let extra = user.impersonate_user_extra.get_or_insert_default();
        extra.extend(given);
    }
    let groups = user.impersonate_groups.as_ref();
    let extra = user.impersonate_user_extra.as_ref();
    let more = user.impersonate_uid.is_some()
        || groups.is_some_and(|groups| !groups.is_empty())
        || extra.is_some_and(|extra| !extra.is_empty());
    if more && user.impersonate.is_none() {
        return Err(
            "a group, a UID or an extra attribute can be impersonated only with a user. Pass \
             --as USER."
                .into(),
        );
    }
    Ok(())
}

impl Target {
    /// A kubeconfig with nothing but this target, which kube turns into certificates and a URL.
    /// `proxy` is set always, so that kube reads no proxy from the environment.
    pub fn into_kubeconfig(mut self, proxy: &str) -> Kubeconfig {
        self.cluster.proxy_url = Some(proxy.into());
        Kubeconfig {
            clusters: vec![NamedCluster {
                name: "one".into(),
                cluster: Some(self.cluster),
                ..NamedCluster::default()
            }],
            auth_infos: vec![NamedAuthInfo {
                name: "one".into(),
                auth_info: Some(self.user),
                ..NamedAuthInfo::default()
            }],
            contexts: vec![NamedContext {
                name: "one".into(),
                context: Some(kube::config::Context {
                    cluster: "one".into(),
                    user: Some("one".into()),
                    namespace: self.namespace,
                    ..kube::config::Context::default()
                }),
                ..NamedContext::default()
            }],
            current_context: Some("one".into()),
            ..Kubeconfig::default()
        }
    }
}

impl Target {
    /// The configuration that kube makes of [`Target::into_kubeconfig()`], without the proxy. kube
    /// has read the certificate authority before, so an error of that is none here.
    pub fn config(&self, server: Uri) -> Config {
        let cluster = &self.cluster;
        let file = cluster.certificate_authority.as_ref();
        let pem = match &cluster.certificate_authority_data {
            Some(data) => STANDARD.decode(data).ok(),
            None => file.and_then(|file| std::fs::read(file).ok()),
        };
        let mut config = Config::new(server);
        config.root_cert = pem.map(|pem| certificates(&String::from_utf8_lossy(&pem)));
        config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or_default();
        config.disable_compression = cluster.disable_compression.unwrap_or_default();
        config.tls_server_name.clone_from(&cluster.tls_server_name);
        config.auth_info = self.user.clone();
        config
    }
}

/// The certificates of a PEM text that kube has read without an error.
fn certificates(pem: &str) -> Vec<Vec<u8>> {
    let blocks = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    let encoded = blocks.filter_map(|block| block.split_once("-----END CERTIFICATE-----"));
    let decode = |(text, _): (&str, &str)| {
        let text: String = text.split_whitespace().collect();
        STANDARD.decode(text).ok()
    };
    encoded.filter_map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_scheme_has_no_tls() {
        for (server, url) in [
            ("localhost:8001", "http://localhost:8001"),
            ("https://a", "https://a"),
            ("http://a", "http://a"),
            ("", ""),
        ] {
            assert_eq!(with_scheme(server.into()), url);
        }
    }
}
