//! The documentation: every manifest in it is applied to a real API server, its links lead
//! somewhere, and it has every reason.

use std::{collections::BTreeSet, fs};

use cluster::Cluster;
use oxen_operator::decide::{DELETION_BLOCKED, Verdict};
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

/// The files of a folder whose names end like this, in alphabetical order.
pub(crate) fn files(folder: &str, end: &str) -> Vec<String> {
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
    let reasons: BTreeSet<&str> = Verdict::ALL
        .iter()
        // A released object is gone, so nobody looks this reason up.
        .filter(|verdict| **verdict != Verdict::Released)
        .map(|verdict| verdict.presentation().reason)
        .chain([DELETION_BLOCKED])
        .collect();
    assert!(reasons.len() > 30, "{reasons:?}");
    let headings: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let missing: Vec<&&str> = reasons.difference(&headings).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_readme_is_short_and_links_the_generated_pages() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= 170);
    for page in ["reasons", "configuration", "metrics"] {
        assert!(readme.contains(&format!("(docs/{page}.md)")), "{page}");
    }
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let folders = ["docs", "docs/runbooks"];
    let pages = folders.into_iter().flat_map(|folder| files(folder, ".md"));
    let own = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ];
    let mut links = 0;
    for page in pages.chain(own.map(str::to_owned)) {
        let text = read(&page);
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let folder = page.rsplit_once('/').map_or("", |split| split.0);
            let file = if file.is_empty() {
                path(&page)
            } else {
                path(folder).join(file)
            };
            assert!(file.exists(), "{page} links {target}");
            if !anchor.is_empty() {
                let linked = fs::read_to_string(&file).unwrap();
                assert!(anchors(&linked).contains(anchor), "{page} links {target}");
            }
            links += 1;
        }
    }
    assert!(links > 80, "{links}");
}

/// The anchors of a page's headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
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
