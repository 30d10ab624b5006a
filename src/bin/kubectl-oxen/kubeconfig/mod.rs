//! The kubeconfig, read as kubectl reads it. kube's own loader differs in points that users meet:
//! a missing file in KUBECONFIG, an empty current-context, an empty namespace.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use kube::config::{
    AuthInfo, Cluster, Kubeconfig, KubeconfigError, LoadDataError, NamedAuthInfo, NamedCluster,
    NamedContext,
};

use crate::cli::Global;

/// What the environment says of the kubeconfig.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// KUBECONFIG.
    pub kubeconfig: Option<OsString>,
    /// The home folder.
    pub home: Option<PathBuf>,
    /// Whether the process runs in a pod.
    pub in_pod: bool,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self {
            kubeconfig: std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()),
            home: std::env::home_dir(),
            in_pod: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        }
    }
}

/// Where the configuration comes from.
#[derive(Debug)]
pub enum Source {
    /// The files, merged.
    Files(Box<Kubeconfig>),
    /// The account of the pod.
    Pod,
}

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

/// Reads and merges the files. Those of KUBECONFIG that don't exist are skipped.
///
/// # Errors
///
/// There is no file and nothing else to use, or a file can't be read.
pub fn read(flags: &Global, environment: &Environment) -> Result<Source, String> {
    if let Some(path) = &flags.kubeconfig {
        if !path.exists() {
            return Err(format!(
                "--kubeconfig {}: there is no such file.",
                path.display()
            ));
        }
        return merge(std::slice::from_ref(path));
    }
    let listed: Vec<PathBuf> = (environment.kubeconfig.iter())
        .flat_map(std::env::split_paths)
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    let usual = environment
        .home
        .as_ref()
        .map(|home| home.join(".kube/config"));
    let paths = if listed.is_empty() {
        usual.into_iter().collect()
    } else {
        listed.clone()
    };
    let existing: Vec<PathBuf> = paths.into_iter().filter(|path| path.exists()).collect();
    if !existing.is_empty() {
        return merge(&existing);
    }
    let named = [&flags.context, &flags.cluster, &flags.user];
    if flags.server.is_some() && named.iter().all(|flag| flag.is_none()) {
        return Ok(Source::Files(Box::default()));
    }
    if environment.in_pod && named.iter().all(|flag| flag.is_none()) {
        return Ok(Source::Pod);
    }
    Err(absent(&listed))
}

fn absent(listed: &[PathBuf]) -> String {
    let why = if listed.is_empty() {
        "KUBECONFIG is not set and ~/.kube/config does not exist".into()
    } else {
        let names: Vec<String> = listed
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let verb = if names.len() == 1 { "does" } else { "do" };
        format!(
            "KUBECONFIG names {}, which {verb} not exist",
            names.join(" and ")
        )
    };
    format!("there is no kubeconfig: {why}. Pass --kubeconfig FILE.")
}

fn merge(paths: &[PathBuf]) -> Result<Source, String> {
    let mut merged = Kubeconfig::default();
    for path in paths {
        let mut one = Kubeconfig::read_from(path).map_err(|error| unreadable(path, &error))?;
        // kubectl takes an empty name for an unset one. In kube's merge, it would win.
        one.current_context = one.current_context.filter(|name| !name.is_empty());
        merged = merged
            .merge(one)
            .map_err(|error| unreadable(path, &error))?;
    }
    Ok(Source::Files(Box::new(merged)))
}

/// The sentence for a kubeconfig that can't be read. kube's own text of a parse error can quote the
/// file, which holds secrets.
fn unreadable(path: &Path, error: &KubeconfigError) -> String {
    let path = path.display();
    match error {
        KubeconfigError::ReadConfig(cause, _) => {
            format!("the kubeconfig {path} can't be read: {cause}.")
        }
        _ => format!(
            "the kubeconfig {path} is not valid. Check it with: kubectl config view --kubeconfig \
             {path}"
        ),
    }
}

/// Chooses the context, the cluster and the user, and puts the flags over them.
///
/// # Errors
///
/// A name is not in the kubeconfig, or there is no name.
pub fn select(config: &Kubeconfig, flags: &Global) -> Result<Target, String> {
    let name = flags.context.as_ref().or(config.current_context.as_ref());
    let mut target = Target::default();
    let (mut cluster, mut user) = (flags.cluster.clone(), flags.user.clone());
    match name {
        Some(name) => {
            let found = config.contexts.iter().find(|one| one.name == *name);
            let context = found.and_then(|one| one.context.clone()).ok_or_else(|| {
                let known = config.contexts.iter().map(|one| one.name.as_str());
                unknown("context", name, known)
            })?;
            cluster = cluster.or(Some(context.cluster));
            user = user.or(context.user);
            target.context = Some(name.clone());
            target.namespace = context.namespace.filter(|name| !name.is_empty());
        }
        None if flags.server.is_none() && cluster.is_none() => return Err(no_context(config)),
        None => {}
    }
    if let Some(name) = cluster.filter(|name| !name.is_empty()) {
        let found = config.clusters.iter().find(|one| one.name == name);
        let found = found.and_then(|one| one.cluster.clone());
        let known = config.clusters.iter().map(|one| one.name.as_str());
        target.cluster = found.ok_or_else(|| unknown("cluster", &name, known))?;
        target.cluster_name = name;
    }
    if let Some(name) = user.filter(|name| !name.is_empty()) {
        let found = config.auth_infos.iter().find(|one| one.name == name);
        let found = found.and_then(|one| one.auth_info.clone());
        if found.is_none() && flags.user.is_some() {
            let known = config.auth_infos.iter().map(|one| one.name.as_str());
            return Err(unknown("user", &name, known));
        }
        // kubectl takes a user that is missing for one without credentials.
        target.user = found.unwrap_or_default();
        target.user_name = name;
    }
    overlay(&mut target, flags);
    Ok(target)
}

fn no_context(config: &Kubeconfig) -> String {
    let known = config.contexts.iter().map(|one| one.name.as_str());
    let known: Vec<&str> = known.collect();
    if known.is_empty() {
        return "the kubeconfig has no context. Pass another one with --kubeconfig FILE.".into();
    }
    format!(
        "the kubeconfig has no current context. Pass --context NAME. It has: {}.",
        known.join(", ")
    )
}

fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    let known = if known.is_empty() {
        "It has none.".into()
    } else {
        format!("It has: {}.", known.join(", "))
    };
    format!("the kubeconfig has no {kind} \"{name}\". {known}")
}

/// Puts the flags over the entries, as kubectl does.
fn overlay(target: &mut Target, flags: &Global) {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let cluster = &mut target.cluster;
    if flags.server.is_some() {
        cluster.server.clone_from(&flags.server);
    }
    if flags.certificate_authority.is_some() {
        cluster.certificate_authority = path(&flags.certificate_authority);
        cluster.certificate_authority_data = None;
    }
    if flags.insecure_skip_tls_verify {
        cluster.insecure_skip_tls_verify = Some(true);
        cluster.certificate_authority = None;
        cluster.certificate_authority_data = None;
    }
    if flags.tls_server_name.is_some() {
        cluster.tls_server_name.clone_from(&flags.tls_server_name);
    }
    let user = &mut target.user;
    if let Some(token) = &flags.token {
        user.token = Some(token.clone().into());
        user.token_file = None;
        user.exec = None;
    }
    if flags.client_certificate.is_some() {
        user.client_certificate = path(&flags.client_certificate);
        user.client_certificate_data = None;
    }
    if flags.client_key.is_some() {
        user.client_key = path(&flags.client_key);
        user.client_key_data = None;
    }
    act_as(user, flags);
}

/// Puts the flags for impersonation over a user's entry.
pub fn act_as(user: &mut AuthInfo, flags: &Global) {
    if flags.impersonate.is_some() {
        user.impersonate.clone_from(&flags.impersonate);
    }
    if flags.as_uid.is_some() {
        user.impersonate_uid.clone_from(&flags.as_uid);
    }
    if !flags.as_group.is_empty() {
        user.impersonate_groups = Some(flags.as_group.clone());
    }
    for pair in &flags.as_user_extra {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let extra = user.impersonate_user_extra.get_or_insert_default();
        extra.entry(key.into()).or_default().push(value.into());
    }
}

impl Target {
    /// A kubeconfig with nothing but this target, which kube turns into certificates and a URL.
    /// `proxy` is set always, so that kube reads no proxy from the environment.
    pub fn into_kubeconfig(mut self, proxy: &str) -> Kubeconfig {
        let compact = |data: &str| data.chars().filter(|c| !c.is_whitespace()).collect();
        let data = &mut self.cluster.certificate_authority_data;
        *data = data
            .as_deref()
            .map(compact)
            .filter(|data: &String| !data.is_empty());
        let data = &mut self.user.client_certificate_data;
        *data = data.as_deref().map(compact);
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

/// The sentence for an entry of the kubeconfig that can't be used. It quotes no value that may be
/// secret.
pub fn unusable(target: &Target, error: &KubeconfigError) -> String {
    let (cluster, user) = (&target.cluster_name, &target.user_name);
    let data = |entry: &str, error: &LoadDataError| match error {
        LoadDataError::DecodeBase64(_) => format!("{entry} is no valid base64."),
        LoadDataError::ReadFile(cause, path) => {
            format!("{entry} can't be read from {}: {cause}.", path.display())
        }
        LoadDataError::NoBase64DataOrFile => format!("{entry} is missing."),
    };
    match error {
        KubeconfigError::MissingClusterUrl => {
            format!("cluster \"{cluster}\" of the kubeconfig has no server.")
        }
        KubeconfigError::ParseClusterUrl(_) => {
            format!("the server of cluster \"{cluster}\" of the kubeconfig is no URL.")
        }
        KubeconfigError::ParseProxyUrl(_) => {
            format!("the proxy-url of cluster \"{cluster}\" of the kubeconfig is no URL.")
        }
        KubeconfigError::LoadCertificateAuthority(cause) => data(
            &format!("the certificate authority of cluster \"{cluster}\" of the kubeconfig"),
            cause,
        ),
        KubeconfigError::LoadClientCertificate(cause) => data(
            &format!("the client certificate of user \"{user}\" of the kubeconfig"),
            cause,
        ),
        KubeconfigError::LoadClientKey(cause) => data(
            &format!("the client key of user \"{user}\" of the kubeconfig"),
            cause,
        ),
        KubeconfigError::ParseCertificates(_) => format!(
            "the certificate authority of cluster \"{cluster}\" of the kubeconfig is no PEM text."
        ),
        KubeconfigError::ParseNoProxy(_) => {
            "NO_PROXY has an entry that is no host, network or address.".into()
        }
        // These are about choosing and merging, which this program does itself.
        KubeconfigError::CurrentContextNotSet
        | KubeconfigError::KindMismatch
        | KubeconfigError::ApiVersionMismatch
        | KubeconfigError::LoadContext(_)
        | KubeconfigError::LoadClusterOfContext(_)
        | KubeconfigError::FindPath
        | KubeconfigError::ReadConfig(..)
        | KubeconfigError::Parse(_) => "the kubeconfig is not valid.".into(),
    }
}

#[cfg(test)]
mod tests;
