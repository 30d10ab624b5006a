//! Completion, as kubectl asks for it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Instant};

use cluster::Output;
use hub::Hub;
use serde_json::json;
use testkit::world::World;

use crate::bash;

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Installs the script that `completion kubectl` prints, and completes the line with kubectl. The
/// last word is the one that is being typed.
async fn complete(world: &World, folder: &Path, variables: &str, line: &str) -> Output {
    let folder = folder.display();
    let script = format!(
        "kubectl oxen completion kubectl >{folder}/kubectl_complete-oxen
         chmod +x {folder}/kubectl_complete-oxen
         export PATH={folder}:$PATH
         export {variables}
         kubectl __complete oxen {line}"
    );
    bash(world.cluster, &script).await
}

/// Checks that completion succeeds without a word, and returns what it proposes.
fn quiet(output: &Output) -> &str {
    // kubectl itself says what it calls, and what the last line means.
    let own = |line: &&str| line.starts_with("[Debug] ") || line.starts_with("Completion ended");
    let words: Vec<&str> = output.stderr.lines().filter(|line| !own(line)).collect();
    assert!(output.status.success(), "{output:?}");
    assert!(words.is_empty(), "{output:?}");
    &output.stdout
}

#[tokio::test]
async fn kubectl_completes_names_flags_and_contexts() {
    let world = World::new(Hub::builder()).await;
    let other = World::new(Hub::builder()).await;
    for name in ["summarizer", "support-bot", "typo"] {
        let spec = json!({"model": name, "state": "inactive"});
        world.create(name, spec).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let team = &world.namespace;
    for (line, proposed) in [
        (
            format!("status -n {team} ''"),
            "summarizer\nsupport-bot\ntypo\n:4\n",
        ),
        (
            format!("--namespace={team} on su"),
            "summarizer\nsupport-bot\n:4\n",
        ),
        (format!("off summarizer -n {team} s"), "support-bot\n:4\n"),
        (format!("status -n {} ''", other.namespace), ":4\n"),
        (format!("status -n {team} --context nope ''"), ":4\n"),
        ("status --context ''".into(), "cluster\n:4\n"),
        (
            "on --unt".into(),
            "--until\tWhen it ends, such as 18:00 or 2026-11-25T18:00\n:4\n",
        ),
        (format!("status -n {team}"), &format!("{team}\n:4\n")),
    ] {
        let output = complete(&world, folder.path(), "A=a", &line).await;
        assert_eq!(quiet(&output), proposed, "{line}");
    }
}

#[tokio::test]
async fn without_a_cluster_there_is_neither_a_candidate_nor_a_word() {
    let world = World::new(Hub::builder()).await;
    let folder = tempfile::tempdir().unwrap();
    let helper = folder.path().join("helper");
    let ran = folder.path().join("ran");
    let text = format!(
        "#!/bin/sh\necho SECRET >&2\ntouch {}\nexec sleep 60\n",
        ran.display()
    );
    executable(&helper, &text);
    let slow = folder.path().join("slow");
    let config = json!({
        "clusters": [{"name": "a", "cluster": {"server": world.cluster.url()}}],
        "users": [{"name": "a", "user": {"exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": helper, "interactiveMode": "IfAvailable",
        }}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    });
    fs::write(&slow, config.to_string()).unwrap();
    for (variables, line) in [
        ("A=a".to_owned(), "status --server https://127.0.0.1:1 ''"),
        ("KUBECONFIG=/absent HOME=/absent".into(), "status ''"),
        (format!("KUBECONFIG={}", slow.display()), "status ''"),
    ] {
        let begun = Instant::now();
        let output = complete(&world, folder.path(), &variables, line).await;
        assert_eq!(quiet(&output), ":4\n", "{variables}");
        // The helper takes a minute, and completion doesn't wait for it.
        assert!(begun.elapsed().as_secs() < 30, "{variables}");
    }
    assert!(ran.exists(), "the helper has run");
}

#[tokio::test]
async fn each_shell_has_a_script_of_its_own() {
    let world = World::new(Hub::builder()).await;
    for shell in ["bash", "zsh", "fish"] {
        let script = format!("kubectl oxen completion {shell}");
        let output = bash(world.cluster, &script).await.ok().unwrap();
        assert!(output.stdout.contains("kubectl-oxen"), "{shell}");
        assert_eq!(output.stderr, "", "{shell}");
    }
    let script = "kubectl oxen completion bash | bash -n";
    bash(world.cluster, script).await.ok().unwrap();
}
