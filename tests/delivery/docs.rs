//! Every manifest that a reader may copy is applied to a real API server.

use std::{collections::BTreeSet, fs};

use cluster::Cluster;
use serde_json::Value;
use testkit::world::with_crd;

use crate::tool::{path, read};

/// The YAML documents of the blocks of a page that this API server knows.
fn manifests(page: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for block in page.split("\n```yaml\n").skip(1) {
        let (yaml, _) = block.split_once("\n```").expect("a block ends");
        for document in yaml.split("\n---\n") {
            let value: Value = serde_yaml::from_str(document)
                .unwrap_or_else(|error| panic!("{error} in\n{document}"));
            let version = value["apiVersion"].as_str().unwrap_or_default();
            if ["oxen.ai/v1alpha1", "v1"].contains(&version) {
                all.push(value);
            }
        }
    }
    all
}

fn files(folder: &str, end: &str) -> Vec<String> {
    let mut all: Vec<String> = fs::read_dir(path(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(end))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    all.sort();
    assert!(!all.is_empty(), "{folder}");
    all
}

async fn apply(cluster: &Cluster, manifest: &str, from: &str) {
    let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let applied = cluster.kubectl_stdin(&arguments, manifest).await.unwrap();
    assert!(
        applied.status.success(),
        "{from}: {}\n{manifest}",
        applied.stderr
    );
    assert!(
        !applied.stderr.contains("Warning"),
        "{from}: {}",
        applied.stderr
    );
}

#[test]
fn every_reason_has_a_heading_that_says_what_to_do() {
    let page = read("docs/troubleshooting.md");
    let table = read("src/decide/verdict.rs");
    let reasons: BTreeSet<&str> = table
        .split("=> row(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        // Only an event has this reason.
        .filter(|reason| *reason != "Released")
        .chain(["DeletionBlocked"])
        .collect();
    assert!(reasons.len() > 30, "{reasons:?}");
    let headings: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let missing: Vec<&&str> = reasons.difference(&headings).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let readme = read("README.md");
    for reason in reasons {
        assert!(readme.contains(&format!("`{reason}`")), "{reason}");
    }
}

#[test]
fn every_setting_is_in_the_readme() {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_oxen-operator"))
        .args(["run", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let readme = read("README.md");
    let words = help.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
    let settings: BTreeSet<&str> = words
        .filter(|word| word.starts_with("--") && word.len() > 2 || word.starts_with("OXEN_"))
        .filter(|word| *word != "--help")
        .collect();
    assert!(settings.len() > 60, "{settings:?}");
    for setting in settings {
        assert!(readme.contains(&format!("`{setting}`")), "{setting}");
    }
}

#[tokio::test]
async fn every_manifest_of_the_docs_and_examples_is_taken_by_the_api_server() {
    let cluster = with_crd().await;
    for file in files("examples", ".yaml") {
        apply(&cluster, &read(&file), &file).await;
    }
    let pages = ["README.md".to_owned()]
        .into_iter()
        .chain(files("docs", ".md"));
    let mut blocks = 0;
    for page in pages.chain(files("docs/runbooks", ".md")) {
        for manifest in manifests(&read(&page)) {
            if let Some(namespace) = manifest["metadata"]["namespace"].as_str() {
                let namespace = format!(
                    r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{namespace}"}}}}"#
                );
                apply(&cluster, &namespace, &page).await;
            }
            apply(&cluster, &manifest.to_string(), &page).await;
            blocks += 1;
        }
    }
    assert!(blocks > 4, "{blocks}");
}
