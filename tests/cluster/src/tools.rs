//! The search for the programs of the control plane, in the same folders as `tests/tools/build.sh`.

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
    /// The folders to search for helm. They are searched on use, because most callers don't need
    /// helm.
    helm: Vec<PathBuf>,
    /// The folders to search for the controller manager. They are searched on use, because few
    /// callers need it.
    manager: Vec<PathBuf>,
}

impl Tools {
    /// Searches the folders that the environment variables of this process define.
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
        // A controller manager of the user is only used together with the user's other tools.
        let mut manager = if fix == BUILD { vec![] } else { helm.clone() };
        manager.extend(cache.as_ref().map(|cache| {
            let hash = self::hash(MANAGER_SUMS);
            cache.join(format!("kube-controller-manager-{hash}"))
        }));
        // A helm on the PATH takes precedence only together with the user's other tools.
        if let (Some(built), Some(cache)) = (built, cache) {
            let index = if fix == BUILD { 0 } else { helm.len() };
            helm.insert(index, built);
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

    /// Returns the path of helm.
    pub(crate) fn helm(&self) -> Result<PathBuf> {
        find_in_any(&self.helm, "helm", BUILD)
    }

    /// Returns the path of the controller manager.
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

/// Returns the first 16 hexadecimal digits of the hash, as `build.sh` does.
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
    fn folders_are_those_that_build_sh_prints() {
        let output_of = |flag: &str| {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/build.sh");
            let output = Command::new("bash")
                .arg(script)
                .arg(flag)
                .env("XDG_CACHE_HOME", "/cache")
                .env_remove("KUBEBUILDER_ASSETS")
                .output()
                .expect("bash can be started");
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(
            output_of("--print-dir").trim(),
            format!("/cache/oxen-operator/tools-{}", hash(SUMS))
        );
        assert_eq!(
            output_of("--print-controller-manager").trim(),
            format!(
                "/cache/oxen-operator/kube-controller-manager-{}/kube-controller-manager",
                hash(MANAGER_SUMS)
            )
        );
    }

    #[test]
    fn controller_manager_of_the_user_is_used() {
        let assets = tempfile::tempdir().unwrap();
        for name in [
            "etcd",
            "kube-apiserver",
            "kubectl",
            "kube-controller-manager",
        ] {
            std::fs::write(assets.path().join(name), "").unwrap();
        }
        let variable = |name: &str| match name {
            "KUBEBUILDER_ASSETS" => Some(assets.path().into()),
            "XDG_CACHE_HOME" => Some("/cache".into()),
            _ => None,
        };
        let found = Tools::find_with(variable).unwrap().controller_manager();
        assert_eq!(
            found.unwrap(),
            assets.path().join("kube-controller-manager")
        );
    }

    #[test]
    fn missing_tool_is_reported_with_its_fix() {
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
