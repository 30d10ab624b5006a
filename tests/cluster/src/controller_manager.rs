//! kube-controller-manager with one controller: the one that empties a deleted namespace and lets it go.

use crate::{Cluster, Process, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// Far more than it takes: it begins with a namespace five seconds after that was deleted.
const LIMIT: Duration = Duration::from_secs(120);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

impl Cluster {
    /// Starts kube-controller-manager beside the control plane; it ends when it is dropped. Returns when it has
    /// been seen to act, which takes some seconds. One at a time: it does not look for others.
    pub async fn controller_manager(&self) -> Result<Process> {
        let program = self.tools.controller_manager()?;
        let namespaces = Api::all(self.client().await?);
        let arguments = arguments(self.kubeconfig());
        let mut process = self.run("kube-controller-manager", &program, &arguments, &[])?;
        let how = tokio::select! {
            acted = timeout(LIMIT, acts(&namespaces)) => match acted {
                Ok(Ok(())) => return Ok(process),
                Ok(Err(error)) => format!("was not seen to act ({error})"),
                Err(_) => format!("did not act within {} s", LIMIT.as_secs()),
            },
            how = ends(&mut process) => how,
        };
        Err(process.not_ready(how))
    }
}

fn arguments(kubeconfig: &Path) -> Vec<OsString> {
    let mut kubeconfig_flag = OsString::from("--kubeconfig=");
    kubeconfig_flag.push(kubeconfig);
    let flags = [
        // The others would make accounts and ConfigMaps that no test asked for.
        "--controllers=namespace-controller",
        "--leader-elect=false",
        // It serves nothing.
        "--secure-port=0",
    ];
    let flags = flags.into_iter().map(OsString::from);
    flags.chain([kubeconfig_flag]).collect()
}

/// Returns when a namespace that was deleted is gone.
async fn acts(namespaces: &Api<Namespace>) -> kube::Result<()> {
    let name = format!("deleted-{}", Uuid::new_v4());
    let namespace = Namespace {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    namespaces.delete(&name, &DeleteParams::default()).await?;
    while namespaces.get_opt(&name).await?.is_some() {
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Returns when the process is gone.
async fn ends(process: &mut Process) -> String {
    loop {
        if let Some(status) = process.ended() {
            return format!("ended ({status})");
        }
        sleep(PAUSE).await;
    }
}
