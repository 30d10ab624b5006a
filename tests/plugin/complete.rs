//! Completion, as kubectl asks for it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use cluster::Output;
use hub::Hub;
use serde_json::json;
use testkit::world::{World, eventually};

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
    ] {
        // On a busy machine, the time for an answer can end before the names are there.
        eventually(&format!("{line} proposes {proposed:?}"), || async {
            let output = complete(&world, folder.path(), "A=a", &line).await;
            (quiet(&output) == proposed).then_some(())
        })
        .await;
    }
    // The names of other tests' namespaces may begin with this one.
    eventually("the namespace is proposed", || async {
        let line = format!("status -n {team}");
        let output = complete(&world, folder.path(), "A=a", &line).await;
        let proposed = quiet(&output);
        assert!(proposed.ends_with(":4\n"), "{proposed}");
        proposed.lines().any(|it| it == team).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_a_cluster_there_is_neither_a_candidate_nor_a_word() {
    let world = World::new(Hub::builder()).await;
    let folder = tempfile::tempdir().unwrap();
    let helper = folder.path().join("helper");
    let ran = folder.path().join("ran");
    let text = format!(
        "#!/bin/sh\necho SECRET >&2\ntouch {ran}\nwhile [ -e {ran} ]; do sleep 1; done\n",
        ran = ran.display()
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
        ("A=a", "status --server https://127.0.0.1:1 ''"),
        ("KUBECONFIG=/absent HOME=/absent", "status ''"),
    ] {
        let output = complete(&world, folder.path(), variables, line).await;
        assert_eq!(quiet(&output), ":4\n", "{variables}");
    }
    // The helper doesn't end before this test does, so an answer shows that nothing waits for it.
    // On a busy machine, the time for an answer can end before the helper starts.
    let variables = format!("KUBECONFIG={}", slow.display());
    eventually("the helper has run", || async {
        let output = complete(&world, folder.path(), &variables, "status ''").await;
        assert_eq!(quiet(&output), ":4\n");
        ran.exists().then_some(())
    })
    .await;
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
