//! The scripts and the workflows of a release.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use crate::tool::{path, read};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The files that name the version.
const NAMING: [&str; 11] = [
    "Cargo.toml",
    "README.md",
    "charts/oxen-operator/Chart.yaml",
    "docs/gitops.md",
    "docs/install.md",
    "docs/keeper.md",
    "docs/releasing.md",
    "docs/troubleshooting.md",
    "docs/upgrade.md",
    "examples/keeper/sidecar.yaml",
    "kustomize/overlays/example/kustomization.yaml",
];

fn script(root: &Path, name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(root.join("release").join(name));
    command.args(arguments).output().unwrap()
}

fn copy(from: &str, root: &Path) {
    let to = root.join(from);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(path(from), to).unwrap();
}

#[test]
fn the_tag_of_a_release_is_the_version_and_no_other() {
    let root = path("");
    for arguments in [vec![], vec![format!("v{VERSION}")]] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = script(&root, "version.sh", &arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text.trim(), VERSION, "{output:?}");
    }
    for tag in [VERSION, "v9.9.9", "v", &format!("v{VERSION}-rc.1")] {
        let output = script(&root, "version.sh", &[tag]);
        assert!(!output.status.success(), "{tag}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(&format!("the tag is {tag}")), "{error}");
    }
}

#[test]
fn a_file_with_another_version_is_named() {
    let root = tempfile::tempdir().unwrap();
    copy("release/version.sh", root.path());
    for file in NAMING {
        copy(file, root.path());
    }
    for stale in NAMING {
        let (copy, text) = (root.path().join(stale), read(stale));
        for (at, _) in text.match_indices(VERSION) {
            let (before, after) = (&text[..at], &text[at + VERSION.len()..]);
            fs::write(&copy, format!("{before}9.9.9{after}")).unwrap();
            let output = script(root.path(), "version.sh", &[]);
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{stale}: ...{after}");
            // Where Cargo.toml has another version, every other file is named for it.
            assert!(error.contains(stale) && error.contains("9.9.9"), "{error}");
        }
        assert!(text.contains(VERSION), "{stale}");
        fs::write(&copy, text).unwrap();
    }
}

#[test]
fn a_prerelease_is_read_with_all_its_hyphens() {
    let root = tempfile::tempdir().unwrap();
    copy("release/version.sh", root.path());
    for file in NAMING {
        copy(file, root.path());
        let text = read(file).replace(VERSION, "0.2.0-rc-1");
        fs::write(root.path().join(file), text).unwrap();
    }
    let output = script(root.path(), "version.sh", &["v0.2.0-rc-1"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.trim(), "0.2.0-rc-1", "{output:?}");
    let stale = read("docs/upgrade.md").replace(VERSION, "0.2.0-rc-2");
    fs::write(root.path().join("docs/upgrade.md"), stale).unwrap();
    let output = script(root.path(), "version.sh", &[]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("the version 0.2.0-rc-2"), "{output:?}");
}

#[test]
fn the_notes_of_a_release_are_its_section_of_the_changelog() {
    let root = tempfile::tempdir().unwrap();
    copy("release/notes.sh", root.path());
    let page = "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.2.3] - 2026-01-02\n\n- now, \
                see [metrics](docs/metrics.md) and [this](https://example.com/a.md)\n\n\
                ## [1.2.30] - 2026-01-01\n\n- before\n\n## [1.2.2]\n\n";
    fs::write(root.path().join("CHANGELOG.md"), page).unwrap();
    let notes = script(root.path(), "notes.sh", &["1.2.3"]);
    let text = String::from_utf8_lossy(&notes.stdout);
    assert!(notes.status.success() && text.contains("- now"), "{text}");
    assert!(
        !text.contains("later") && !text.contains("before"),
        "{text}"
    );
    assert!(text.contains("/blob/v1.2.3/docs/metrics.md)"), "{text}");
    assert!(text.contains("(https://example.com/a.md)"), "{text}");
    for missing in ["1.2.4", "1.2.2"] {
        let notes = script(root.path(), "notes.sh", &[missing]);
        let error = String::from_utf8_lossy(&notes.stderr);
        assert!(
            !notes.status.success() && error.contains(missing),
            "{error}"
        );
    }
}

fn workflow(name: &str) -> (String, Value) {
    let text = read(&format!(".github/workflows/{name}.yml"));
    let parsed = serde_yaml::from_str(&text).unwrap();
    (text, parsed)
}

#[test]
fn the_workflows_pin_actions_and_grant_each_job_only_what_it_needs() {
    let mut pinned = 0;
    for name in ["ci", "release"] {
        let (text, parsed) = workflow(name);
        assert_eq!(parsed["permissions"], serde_json::json!({}), "{name}");
        for (job, value) in parsed["jobs"].as_object().unwrap() {
            let permissions = value["permissions"].as_object();
            assert!(permissions.is_some_and(|all| !all.is_empty()), "{job}");
        }
        let lines = text.lines().filter_map(|line| line.split_once("uses: "));
        for (_, used) in lines.filter(|(_, used)| !used.starts_with("./")) {
            let (action, version) = used.split_once(" # v").unwrap();
            let (_, hash) = action.split_once('@').unwrap();
            let is_hash = hash.len() == 40 && hash.chars().all(|c| c.is_ascii_hexdigit());
            assert!(is_hash && version.split('.').count() == 3, "{used}");
            pinned += 1;
        }
    }
    assert!(pinned > 8, "{pinned}");
    let (_, release) = workflow("release");
    let jobs = &release["jobs"];
    assert_eq!(jobs["dist"]["container"], "rust:1.95-bookworm");
    let builder = "ARG RUST=rust:1.95-bookworm\n";
    assert!(read("Dockerfile").contains(builder), "{builder}");
    for (job, needed) in [
        ("publish", "ci"),
        ("publish", "dist"),
        ("dist", "check"),
        ("release", "publish"),
    ] {
        assert!(jobs[job]["needs"].to_string().contains(needed), "{job}");
    }
}

/// The commands of a job, in their order.
fn commands(job: &Value) -> String {
    let steps = job["steps"].as_array().unwrap().iter();
    let runs = steps.filter_map(|step| step["run"].as_str());
    runs.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_release_is_checked_before_and_approved_when_it_is_published() {
    let (_, release) = workflow("release");
    let check = &release["jobs"]["check"];
    assert_eq!(check["steps"][0]["with"]["fetch-depth"], 0);
    let check = commands(check);
    for needed in [
        "\ngit merge-base --is-ancestor HEAD origin/main",
        "\nversion=$(release/version.sh \"$GITHUB_REF_NAME\")\n",
        "gh release view \"$GITHUB_REF_NAME\"",
    ] {
        let lines = format!("\n{check}").replace("\nif ! ", "\n");
        assert!(lines.contains(needed), "{needed} in {check}");
    }
    for job in ["publish", "release"] {
        assert_eq!(release["jobs"][job]["environment"], "release", "{job}");
    }
    let page = read("docs/releasing.md");
    for described in [
        "environment `release`",
        "ruleset for tags",
        "verify-attestation",
    ] {
        assert!(page.contains(described), "{described}");
    }
}

/// A failed command in an argument or beside another word doesn't stop the step.
#[test]
fn the_output_of_a_command_is_assigned_before_it_is_used() {
    for name in ["ci", "release"] {
        let (_, parsed) = workflow(name);
        for job in parsed["jobs"].as_object().unwrap().values() {
            if job["steps"].is_array() {
                for line in commands(job).lines().filter(|line| line.contains("$(")) {
                    let (before, _) = line.split_once("$(").unwrap();
                    let assigned = before.trim_start().trim_start_matches("if ");
                    let name = assigned.strip_suffix('=').unwrap_or(" ");
                    assert!(!name.contains([' ', '"']), "{line}");
                }
            }
        }
    }
}

#[test]
fn both_lock_files_get_the_new_version() {
    let page = read("docs/releasing.md");
    for update in [
        "   cargo update --workspace\n",
        "   cargo update --workspace --manifest-path fuzz/Cargo.toml\n",
    ] {
        assert!(page.contains(update), "{update}");
    }
}

/// Ubuntu forbids user namespaces without root, which the check of the image needs.
#[test]
fn continuous_integration_allows_user_namespaces() {
    let (_, ci) = workflow("ci");
    let commands = commands(&ci["jobs"]["ci"]);
    let allowed = commands.find("kernel.apparmor_restrict_unprivileged_userns=0");
    assert!(allowed.unwrap() < commands.find(".ci/run").unwrap());
}

/// The annotations that Artifact Hub reads are YAML of their own.
#[test]
fn the_annotations_of_the_chart_describe_what_is_released() {
    let chart: Value = serde_yaml::from_str(&read("charts/oxen-operator/Chart.yaml")).unwrap();
    let annotation = |name: &str| {
        let text = chart["annotations"][format!("artifacthub.io/{name}")].as_str();
        serde_yaml::from_str::<Value>(text.unwrap()).unwrap()
    };
    for (described, resource) in [(0, "oxenmodels"), (1, "oxenbudgets")] {
        let described = &annotation("crds")[described];
        let crd: Value = serde_yaml::from_str(&read(&format!("crds/{resource}.yaml"))).unwrap();
        assert_eq!(described["name"], crd["metadata"]["name"]);
        assert_eq!(described["version"], crd["spec"]["versions"][0]["name"]);
    }
    let example: Value = serde_yaml::from_str(&read("examples/activate.yaml")).unwrap();
    assert_eq!(annotation("crdsExamples")[0]["spec"], example["spec"]);
    let image = annotation("images")[0].clone();
    assert_eq!(
        image["image"],
        format!("ghcr.io/oxen-ai/oxen-operator:{VERSION}")
    );
    assert_eq!(
        image["platforms"],
        serde_json::json!(["linux/amd64", "linux/arm64"])
    );
    for list in ["links", "changes"] {
        assert!(!annotation(list).as_array().unwrap().is_empty(), "{list}");
    }
}
