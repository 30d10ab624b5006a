//! The environment of the demo: control plane, hub, operator, CRD, namespace and API key.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cluster::Cluster;
use hub::{Hub, Model};

use crate::console::Console;
use crate::operator::Operator;
use crate::{Failure, Result};

/// The namespace of the samples.
pub(crate) const NAMESPACE: &str = "models";

/// The delays of the simulated hub, which are long enough for a person to see the transitions.
const ACTIVATE_DELAY: Duration = Duration::from_secs(4);
const DEACTIVATE_DELAY: Duration = Duration::from_secs(3);

/// The paths of the operator's program and of the samples.
pub(crate) struct Paths {
    pub(crate) operator: PathBuf,
    pub(crate) examples: PathBuf,
}

/// Everything that the demo starts. Dropping it stops everything.
pub(crate) struct Environment {
    // The fields are dropped in this order: the operator first, because it uses the others.
    pub(crate) operator: Operator,
    pub(crate) hub: Hub,
    pub(crate) cluster: Cluster,
    pub(crate) console: Console,
}

impl Environment {
    /// Starts everything, without applying the samples. The default file for the operator's log is
    /// in the cluster's folder.
    pub(crate) async fn start(
        paths: &Paths,
        log: Option<PathBuf>,
        console: Console,
    ) -> Result<Self> {
        console.print_timed("starting a control plane: etcd and kube-apiserver");
        let cluster = Cluster::start().await?;
        console.print_timed(&format!(
            "the Kubernetes API server runs at {}",
            cluster.url()
        ));
        let hub = start_hub().await?;
        console.print_timed(&format!(
            "a simulated Oxen hub runs at {}: deploying takes {} s, deactivating {} s",
            hub.url(),
            ACTIVATE_DELAY.as_secs(),
            DEACTIVATE_DELAY.as_secs()
        ));
        for resource in ["oxenmodels", "oxenbudgets"] {
            console.print_timed(&format!(
                "$ oxen-operator crd {resource} | kubectl apply -f -"
            ));
            install_crd(&cluster, &paths.operator, resource).await?;
        }
        create_namespace(&cluster, console).await?;
        console.print_timed("$ oxen-operator run");
        let log = log.unwrap_or_else(|| cluster.folder().join("operator.log"));
        let operator =
            Operator::start(&paths.operator, cluster.kubeconfig(), &hub.url(), log).await?;
        Ok(Self {
            operator,
            hub,
            cluster,
            console,
        })
    }

    /// Prints a kubectl command, runs it, and returns its standard output.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        kubectl(&self.cluster, self.console, arguments).await
    }

    /// Applies every sample.
    pub(crate) async fn apply(&self, examples: &Path) -> Result<()> {
        self.kubectl(&["apply", "-f", &examples.to_string_lossy()])
            .await?;
        Ok(())
    }
}

/// Starts a hub with its sample models and those of the samples in `examples/`.
async fn start_hub() -> Result<Hub> {
    let hub = Hub::builder()
        .with_samples()
        .model(Model::custom("invoice-reader").status("active"))
        .model(Model::custom("office-bot-v1"))
        .model(Model::custom("demo-bot-v1").status("inactive"))
        .activate_delay(ACTIVATE_DELAY)
        .deactivate_delay(DEACTIVATE_DELAY);
    Ok(hub.start().await?)
}

async fn install_crd(cluster: &Cluster, operator: &Path, resource: &str) -> Result<()> {
    let printed = Command::new(operator)
        .args(["crd", resource])
        .output()
        .map_err(|error| format!("{}: {error}", operator.display()))?;
    if !printed.status.success() {
        return Err(String::from_utf8_lossy(&printed.stderr).into());
    }
    let crd = String::from_utf8(printed.stdout)?;
    cluster
        .kubectl_stdin(&["apply", "-f", "-"], &crd)
        .await?
        .ok()?;
    let name = format!("crd/{resource}.oxen.ai");
    let established = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        &name,
    ];
    cluster.kubectl(&established).await?.ok()?;
    Ok(())
}

async fn create_namespace(cluster: &Cluster, console: Console) -> Result<()> {
    let secret = format!("--from-literal=api-key={}", hub::KEY);
    for command in [
        &["create", "namespace", NAMESPACE][..],
        &[
            "config",
            "set-context",
            "--current",
            "--namespace",
            NAMESPACE,
        ],
        &["create", "secret", "generic", "oxen-api-key", &secret],
    ] {
        kubectl(cluster, console, command).await?;
    }
    Ok(())
}

async fn kubectl(cluster: &Cluster, console: Console, arguments: &[&str]) -> Result<String> {
    console.print_timed(&format!("$ kubectl {}", shell_quoted(arguments)));
    let output = cluster.kubectl(arguments).await?;
    Ok(output.ok().map_err(Failure::from)?.stdout)
}

/// Joins arguments in a form that can be pasted into a shell.
pub(crate) fn shell_quoted(arguments: &[&str]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,".contains(c);
    let quote = |argument: &&str| {
        if !argument.is_empty() && argument.chars().all(plain) {
            (*argument).to_owned()
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}
