//! `kubectl oxen`: the real kubectl calls the plugin, against a real API server and the simulated
//! hub.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | completion | `complete.rs` |
//! | errors of the kubeconfig, the cluster and the rights | `errors.rs` |
//! | the hub's models, the API key, `-v` | `hub_side.rs`, `unmanaged.rs` |
//! | manifests of models that exist already | `import.rs` |
//! | proxies, certificates and credential plugins | `connection.rs` |
//! | the entries of a kubeconfig and the flags, beside kubectl | `kubeconfig.rs` |
//! | the session in README.md | `readme.rs` |
//! | the screen and the table | `screens.rs` |
//! | pipes, and terminals of any width | `pipes.rs` |
//! | what the models have cost | `cost.rs` |
//! | when the models are active | `schedule.rs` |
//! | `--watch` | `watch.rs` |
//! | a pseudo-terminal | `terminal.rs` |
//! | overrides and other changes | `steer.rs` |
//! | what is refused before it is written | `refusals.rs` |
//! | waiting for a change | `waits.rs` |
//! | the checks of an installation | `doctor.rs` |
//! | the expected output | `golden/` |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod complete;
mod connection;
mod cost;
mod doctor;
mod errors;
mod hub_side;
mod import;
mod kubeconfig;
mod pipes;
mod readme;
mod refusals;
mod schedule;
mod screens;
mod steer;
mod terminal;
mod unmanaged;
mod waits;
mod watch;

use cluster::{Cluster, Output};
use testkit::world::{World, program};

/// Runs a bash script that finds kubectl and the plugin.
async fn bash(cluster: &Cluster, script: &str) -> Output {
    let plugin = program().with_file_name("kubectl-oxen");
    assert!(plugin.is_file(), "{} is missing", plugin.display());
    let folder = plugin.parent().unwrap().display();
    let script = format!("export PATH='{folder}':$PATH\n{script}");
    cluster.bash(&script).await.unwrap()
}

/// Runs `kubectl oxen` in the world's namespace.
async fn oxen(world: &World, arguments: &str) -> Output {
    let script = format!("kubectl oxen {arguments} -n {}", world.namespace);
    bash(world.cluster, &script).await
}

/// Runs `kubectl oxen` in the world's namespace, and with the world's hub.
async fn with_hub(world: &World, arguments: &str) -> Output {
    let variables = format!(
        "unset OXEN_API_KEY\nexport OXEN_BASE_URL={}",
        world.hub.url()
    );
    let namespace = &world.namespace;
    let script = format!("{variables}\nkubectl oxen {arguments} -n {namespace}");
    bash(world.cluster, &script).await
}

/// Fails if the hub's key, or its form in a Secret, is in the output.
fn holds_no_key(output: &Output) {
    let text = format!("{}{}", output.stdout, output.stderr);
    for key in [hub::KEY, "bm90LWEtcmVhbC1rZXk"] {
        assert!(!text.contains(key), "{text}");
    }
}

/// Checks the exit code, and that standard error is exactly this.
fn fails(output: &Output, code: i32, error: &str) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert_eq!(output.stderr.trim_end(), error, "{output:?}");
    assert_eq!(output.stdout, "", "{output:?}");
}
