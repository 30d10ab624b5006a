//! The manifest of the kubectl plugin for krew, by the rules of krew's own validation.

use std::{fs, process::Command};

use serde_json::Value;

use crate::tool::{path, read};

/// What is wrong with a manifest whose file has this name, as krew's `ValidatePlugin` judges it.
fn problem(file: &str, manifest: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = text(&manifest["metadata"]["name"]);
    let spec = &manifest["spec"];
    let short = text(&spec["shortDescription"]);
    let version = text(&spec["version"]);
    let numbers = version.strip_prefix('v').unwrap_or_default();
    let numbers = numbers.split(['-', '+']).next().unwrap_or_default();
    let is_semantic = numbers.split('.').count() == 3
        && numbers
            .split('.')
            .all(|number| number.parse::<u32>().is_ok());
    let none = Vec::new();
    let platforms = spec["platforms"].as_array().unwrap_or(&none);
    let kind = (&manifest["apiVersion"], &manifest["kind"]);
    if kind.0 != "krew.googlecontainertools.github.com/v1alpha2" || kind.1 != "Plugin" {
        return Some("kind".into());
    }
    if name.is_empty() || !name.chars().all(is_word) || file != format!("{name}.yaml") {
        return Some("name".into());
    }
    if short.is_empty() || short.contains(['\r', '\n']) {
        return Some("shortDescription".into());
    }
    if !is_semantic {
        return Some("version".into());
    }
    if platforms.is_empty() {
        return Some("platforms".into());
    }
    platforms.iter().find_map(platform_problem)
}

fn platform_problem(platform: &Value) -> Option<String> {
    let text = |field: &str| platform[field].as_str().unwrap_or_default();
    let (sha256, bin) = (text("sha256"), text("bin"));
    let is_sum = sha256.len() == 64 && sha256.bytes().all(|b| b"0123456789abcdef".contains(&b));
    if !text("uri").starts_with("https://") {
        return Some("uri".into());
    }
    if !is_sum {
        return Some("sha256".into());
    }
    if bin.is_empty() || bin.contains("..") {
        return Some("bin".into());
    }
    let known = |key: &String| ["os", "arch"].contains(&key.as_str());
    let labels = platform["selector"]["matchLabels"].as_object();
    let fits = labels.is_some_and(|labels| !labels.is_empty() && labels.keys().all(known));
    (!fits).then(|| "selector".into())
}

fn manifest() -> Value {
    let folder = tempfile::tempdir().unwrap();
    for architecture in ["amd64", "arm64"] {
        let archive = format!("kubectl-oxen-linux-{architecture}.tar.gz");
        fs::write(folder.path().join(archive), architecture).unwrap();
    }
    let mut command = Command::new(path("release/krew.sh"));
    let output = command.arg(folder.path()).args(["amd64", "arm64"]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_yaml::from_slice(&output.stdout).unwrap()
}

#[test]
fn krew_accepts_the_manifest_of_the_plugin() {
    let manifest = manifest();
    assert_eq!(problem("oxen.yaml", &manifest), None);
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest["spec"]["version"], version);
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    assert_eq!(platforms.len(), 2);
    for (platform, (architecture, sum)) in platforms.iter().zip([
        // The SHA-256 sums of these two words.
        (
            "amd64",
            "5861314d7fccb39c2192173240eab44fa35ca66426201ca2acd0630a6258dd51",
        ),
        (
            "arm64",
            "f69162950f235e3cdbbad33f1f912d1a504be90d8a37d002c735d6f3e3882265",
        ),
    ]) {
        assert_eq!(platform["selector"]["matchLabels"]["arch"], architecture);
        let uri = platform["uri"].as_str().unwrap();
        let file = format!("/releases/download/{version}/kubectl-oxen-linux-{architecture}.tar.gz");
        assert!(uri.ends_with(&file), "{uri}");
        assert_eq!(platform["sha256"], sum);
    }
}

#[test]
fn every_rule_of_krew_refuses_something() {
    for (pointer, value, field) in [
        ("/kind", "Plug", "kind"),
        ("/metadata/name", "other", "name"),
        ("/metadata/name", "ox en", "name"),
        ("/spec/version", "0.1.0", "version"),
        ("/spec/shortDescription", "a\nb", "shortDescription"),
        ("/spec/platforms", "", "platforms"),
        ("/spec/platforms/0/uri", "", "uri"),
        ("/spec/platforms/1/sha256", "ABC", "sha256"),
        ("/spec/platforms/0/bin", "", "bin"),
        ("/spec/platforms/1/selector", "", "selector"),
    ] {
        let mut manifest = manifest();
        *manifest.pointer_mut(pointer).unwrap() = value.into();
        assert_eq!(
            problem("oxen.yaml", &manifest).as_deref(),
            Some(field),
            "{pointer}"
        );
    }
    let mut manifest = manifest();
    let labels = "/spec/platforms/0/selector/matchLabels";
    *manifest.pointer_mut(labels).unwrap() = serde_json::json!({"os": "linux", "libc": "musl"});
    assert_eq!(problem("oxen.yaml", &manifest).as_deref(), Some("selector"));
}

/// krew requires the license in each archive, and a release puts the manifest beside them.
#[test]
fn a_release_has_the_plugin_with_its_license() {
    let script = read("release/dist.sh");
    for line in [
        "  archive \"dist/kubectl-oxen-linux-$architecture.tar.gz\" \"$built\" LICENSE kubectl-oxen\n",
        "\nrelease/krew.sh dist \"$@\" >dist/oxen.yaml\n",
    ] {
        assert!(script.contains(line), "{line}");
    }
}
