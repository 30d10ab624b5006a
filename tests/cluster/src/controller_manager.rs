//! kube-controller-manager with only the namespace controller, which empties and removes deleted
//! namespaces.

use crate::{Cluster, Process, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// The time limit of a start, which needs more than five seconds: the controller waits that long
/// before it processes a deleted namespace.
const START_TIMEOUT: Duration = Duration::from_secs(120);

const POLL_INTERVAL: Duration = Duration::from_millis(50);

impl Cluster {
    /// Starts kube-controller-manager, which is killed when the returned value is dropped. Waits
    /// some seconds until it has removed a namespace. Only one may run at a time, because it runs
    /// without leader election.
    pub async fn controller_manager(&self) -> Result<Process> {
        let program = self.tools.controller_manager()?;
        let namespaces = Api::all(self.client().await?);
        let arguments = arguments(self.kubeconfig());
        let mut process = self.run("kube-controller-manager", &program, &arguments, &[])?;
        let problem = tokio::select! {
            result = timeout(START_TIMEOUT, wait_until_active(&namespaces)) => match result {
                Ok(Ok(())) => return Ok(process),
                Ok(Err(error)) => format!("could not be tested ({error})"),
                Err(_) => format!(
                    "did not remove a deleted namespace within {} s",
                    START_TIMEOUT.as_secs()
                ),
            },
            problem = process_exit(&mut process) => problem,
        };
        Err(process.not_ready(problem))
    }
}

fn arguments(kubeconfig: &Path) -> Vec<OsString> {
    let mut kubeconfig_flag = OsString::from("--kubeconfig=");
    kubeconfig_flag.push(kubeconfig);
    let flags = [
        // Other controllers would create service accounts and ConfigMaps that tests don't expect.
        "--controllers=namespace-controller",
        "--leader-elect=false",
        // Zero disables the server.
        "--secure-port=0",
    ];
    let flags = flags.into_iter().map(OsString::from);
    flags.chain([kubeconfig_flag]).collect()
}

/// Creates and deletes a namespace, and waits until it is removed.
async fn wait_until_active(namespaces: &Api<Namespace>) -> kube::Result<()> {
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
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// Waits until the process exits.
async fn process_exit(process: &mut Process) -> String {
    loop {
        if let Some(status) = process.ended() {
            return format!("exited ({status})");
        }
        sleep(POLL_INTERVAL).await;
    }
}
