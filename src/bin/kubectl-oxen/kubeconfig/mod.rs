//! The kubeconfig, read as kubectl reads it. kube's own loader differs in points that users meet:
//! a missing file in KUBECONFIG, an empty current-context, an empty namespace.

use std::{ffi::OsString, path::PathBuf};

use kube::config::Kubeconfig;

mod credentials;
mod file;
mod target;
mod unusable;

pub use target::{Target, act_as};
pub use unusable::{no_authority, unusable, unusable_for_tls};

use crate::cli::Global;
use target::overlay;

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
        let mut one = file::read(path)?;
        // kubectl takes an empty name for an unset one. In kube's merge, it would win.
        one.current_context = one.current_context.filter(|name| !name.is_empty());
        merged = merged.merge(one).map_err(|_| {
            let path = path.display();
            format!("the kubeconfig {path} is of another kind than the ones before it.")
        })?;
    }
    Ok(Source::Files(Box::new(merged)))
}

/// Chooses the context, the cluster and the user, and puts the flags over them.
///
/// # Errors
///
/// A name is not in the kubeconfig, there is no name, or what is chosen can't be used together.
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
            let named = Some(context.cluster).filter(|name| !name.is_empty());
            cluster = cluster.or(named);
            if cluster.is_none() && flags.server.is_none() {
                return Err(format!(
                    "context \"{name}\" of the kubeconfig names no cluster. Pass --cluster NAME, or \
                     --server URL."
                ));
            }
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
    overlay(&mut target, flags)?;
    target.keep_used_credentials()?;
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

#[cfg(test)]
mod tests;
