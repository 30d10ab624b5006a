//! Where the programs of the control plane are found: the same places as in `tests/tools/build.sh`.

use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const SUMS: &[u8] = include_bytes!("../../tools/go.sum");
const MANAGER_SUMS: &[u8] = include_bytes!("../../tools/controller-manager/go.sum");
const BUILD: &str = "run `make tools`";
const BUILD_FOR_TESTS: &str = "run `make test-tools`";
const ASSETS: &str =
    "KUBEBUILDER_ASSETS names this folder; unset it and run `make tools`, or complete the folder";

/// The programs of the control plane.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) etcd: PathBuf,
    pub(crate) apiserver: PathBuf,
    pub(crate) kubectl: PathBuf,
    /// Looked for when it is used: what doesn't use helm doesn't need it.
    helm: Vec<PathBuf>,
    /// The same for the controller manager.
    manager: Vec<PathBuf>,
}

impl Tools {
    /// Looks for them where this process's environment says.
    pub(crate) fn find() -> Result<Self> {
        Self::find_with(|name| env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn find_with(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let cache = variable("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache")))
            .map(|cache| cache.join("oxen-operator"));
        let hash = hash(SUMS);
        let built = cache
            .as_ref()
            .map(|cache| cache.join(format!("tools-{hash}")));
        let assets = variable("KUBEBUILDER_ASSETS").map(PathBuf::from);
        let fix = if assets.is_some() { ASSETS } else { BUILD };
        let folder = assets
            .clone()
            .or_else(|| built.clone())
            .ok_or(Error::NoCacheFolder)?;

        let mut helm: Vec<PathBuf> = assets.into_iter().collect();
        helm.extend(variable("PATH").iter().flat_map(env::split_paths));
        // One that the person brought is good enough only where they brought the other tools, too.
        let mut manager = if fix == BUILD { vec![] } else { helm.clone() };
        manager.extend(cache.as_ref().map(|cache| {
            let hash = self::hash(MANAGER_SUMS);
            cache.join(format!("kube-controller-manager-{hash}"))
        }));
        // A helm from the PATH comes first only where the person brought the other tools, too.
        if let (Some(built), Some(cache)) = (built, cache) {
            let place = if fix == BUILD { 0 } else { helm.len() };
            helm.insert(place, built);
            helm.push(cache.join(format!("helm-{hash}")));
        }
        let tool = |name| {
            find_in(&folder, name).ok_or(Error::ToolMissing {
                name,
                folder: folder.clone(),
                fix,
            })
        };
        Ok(Self {
            etcd: tool("etcd")?,
            apiserver: tool("kube-apiserver")?,
            kubectl: tool("kubectl")?,
            helm,
            manager,
        })
    }

    /// The helm to use.
    pub(crate) fn helm(&self) -> Result<PathBuf> {
        find_in_any(&self.helm, "helm", BUILD)
    }

    /// The controller manager to use.
    pub(crate) fn controller_manager(&self) -> Result<PathBuf> {
        find_in_any(&self.manager, "kube-controller-manager", BUILD_FOR_TESTS)
    }
}

fn find_in_any(folders: &[PathBuf], name: &'static str, fix: &'static str) -> Result<PathBuf> {
    let found = folders.iter().find_map(|folder| find_in(folder, name));
    found.ok_or_else(|| Error::ToolMissing {
        name,
        folder: folders.first().cloned().unwrap_or_default(),
        fix,
    })
}

fn find_in(folder: &Path, name: &str) -> Option<PathBuf> {
    Some(folder.join(name)).filter(|path| path.is_file())
}

/// The first 16 digits, as in `build.sh`.
fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::process::Command;

    #[test]
    fn the_folders_are_those_that_build_sh_prints() {
        let said = |what: &str| {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/build.sh");
            let said = Command::new("bash")
                .arg(script)
                .arg(what)
                .env("XDG_CACHE_HOME", "/cache")
                .env_remove("KUBEBUILDER_ASSETS")
                .output()
                .expect("bash runs");
            String::from_utf8(said.stdout).unwrap()
        };
        assert_eq!(
            said("--print-dir").trim(),
            format!("/cache/oxen-operator/tools-{}", hash(SUMS))
        );
        assert_eq!(
            said("--print-controller-manager").trim(),
            format!(
                "/cache/oxen-operator/kube-controller-manager-{}/kube-controller-manager",
                hash(MANAGER_SUMS)
            )
        );
    }

    #[test]
    fn a_controller_manager_beside_the_persons_own_tools_is_used() {
        let theirs = tempfile::tempdir().unwrap();
        for name in [
            "etcd",
            "kube-apiserver",
            "kubectl",
            "kube-controller-manager",
        ] {
            std::fs::write(theirs.path().join(name), "").unwrap();
        }
        let variable = |name: &str| match name {
            "KUBEBUILDER_ASSETS" => Some(theirs.path().into()),
            "XDG_CACHE_HOME" => Some("/cache".into()),
            _ => None,
        };
        let found = Tools::find_with(variable).unwrap().controller_manager();
        assert_eq!(
            found.unwrap(),
            theirs.path().join("kube-controller-manager")
        );
    }

    #[test]
    fn a_missing_tool_is_named_with_what_to_do() {
        let cache = |name: &str| (name == "XDG_CACHE_HOME").then(|| OsString::from("/nowhere"));
        let error = Tools::find_with(cache).unwrap_err().to_string();
        assert!(
            error.starts_with("etcd is not in /nowhere/oxen-operator/tools-"),
            "{error}"
        );
        assert!(error.ends_with("run `make tools`"), "{error}");

        let assets =
            |name: &str| (name == "KUBEBUILDER_ASSETS").then(|| OsString::from("/nowhere"));
        let error = Tools::find_with(assets).unwrap_err().to_string();
        assert!(
            error.starts_with("etcd is not in /nowhere: KUBEBUILDER_ASSETS"),
            "{error}"
        );

        assert!(matches!(
            Tools::find_with(|_| None).unwrap_err(),
            Error::NoCacheFolder
        ));
    }
}
