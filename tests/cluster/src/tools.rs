//! Where the programs of the control plane are found: the same places as in `tests/tools/build.sh`.

use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const SUMS: &[u8] = include_bytes!("../../tools/go.sum");
const BUILD: &str = "run `make tools`";
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
        })
    }

    /// The helm to use.
    pub(crate) fn helm(&self) -> Result<PathBuf> {
        let found = self.helm.iter().find_map(|folder| find_in(folder, "helm"));
        found.ok_or_else(|| Error::ToolMissing {
            name: "helm",
            folder: self.helm.first().cloned().unwrap_or_default(),
            fix: BUILD,
        })
    }
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
    fn the_folder_is_the_one_that_build_sh_prints() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/build.sh");
        let said = Command::new("bash")
            .arg(script)
            .arg("--print-dir")
            .env("XDG_CACHE_HOME", "/cache")
            .env_remove("KUBEBUILDER_ASSETS")
            .output()
            .expect("bash runs");
        let said = String::from_utf8(said.stdout).unwrap();
        assert_eq!(
            said.trim(),
            format!("/cache/oxen-operator/tools-{}", hash(SUMS))
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
