//! What the show plays on: control plane, hub, operator, CRD, namespace and key.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cluster::Cluster;
use hub::{Hub, Model};

use crate::operator::Operator;
use crate::voice::Voice;
use crate::{Failure, Result};

/// Where the samples go.
pub(crate) const NAMESPACE: &str = "models";

/// Long enough to be seen.
const ACTIVATE_DELAY: Duration = Duration::from_secs(4);
const DEACTIVATE_DELAY: Duration = Duration::from_secs(3);

/// What comes from the clone.
pub(crate) struct Props {
    pub(crate) operator: PathBuf,
    pub(crate) examples: PathBuf,
}

/// All that was started. Dropping it stops all of it.
pub(crate) struct Stage {
    // In this order they are dropped: the operator first, while there is still something to talk to.
    pub(crate) operator: Operator,
    pub(crate) hub: Hub,
    pub(crate) cluster: Cluster,
    pub(crate) voice: Voice,
}

impl Stage {
    /// Starts everything but the samples. The operator's log goes to `log`, else into the cluster's own folder.
    pub(crate) async fn set(props: &Props, log: Option<PathBuf>, voice: Voice) -> Result<Self> {
        voice.say("starting a control plane: etcd and kube-apiserver");
        let cluster = Cluster::start().await?;
        voice.say(&format!(
            "a Kubernetes API server runs at {}",
            cluster.url()
        ));
        let hub = simulator().await?;
        voice.say(&format!(
            "a simulated Oxen hub runs at {}: deploying takes {} s, deactivating {} s",
            hub.url(),
            ACTIVATE_DELAY.as_secs(),
            DEACTIVATE_DELAY.as_secs()
        ));
        voice.say("$ oxen-operator crd | kubectl apply -f -");
        install_crd(&cluster, &props.operator).await?;
        make_namespace(&cluster, voice).await?;
        voice.say("$ oxen-operator run");
        let log = log.unwrap_or_else(|| cluster.folder().join("operator.log"));
        let operator =
            Operator::start(&props.operator, cluster.kubeconfig(), &hub.url(), log).await?;
        Ok(Self {
            operator,
            hub,
            cluster,
            voice,
        })
    }

    /// Runs kubectl, and shows it.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        shown(&self.cluster, self.voice, arguments).await
    }

    /// Applies every sample.
    pub(crate) async fn apply(&self, examples: &Path) -> Result<()> {
        self.kubectl(&["apply", "-f", &examples.to_string_lossy()])
            .await?;
        Ok(())
    }
}

/// The hub with its samples, and one more model that is already in use.
async fn simulator() -> Result<Hub> {
    let hub = Hub::builder()
        .with_samples()
        .model(Model::custom("invoice-reader").status("active"))
        .activate_delay(ACTIVATE_DELAY)
        .deactivate_delay(DEACTIVATE_DELAY);
    Ok(hub.start().await?)
}

async fn install_crd(cluster: &Cluster, operator: &Path) -> Result<()> {
    let printed = Command::new(operator)
        .arg("crd")
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
    let established = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd/oxenmodels.oxen.ai",
    ];
    cluster.kubectl(&established).await?.ok()?;
    Ok(())
}

async fn make_namespace(cluster: &Cluster, voice: Voice) -> Result<()> {
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
        shown(cluster, voice, command).await?;
    }
    Ok(())
}

async fn shown(cluster: &Cluster, voice: Voice, arguments: &[&str]) -> Result<String> {
    voice.say(&format!("$ kubectl {}", quoted(arguments)));
    let done = cluster.kubectl(arguments).await?;
    Ok(done.ok().map_err(Failure::from)?.stdout)
}

/// As a person would have to write it.
pub(crate) fn quoted(arguments: &[&str]) -> String {
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
