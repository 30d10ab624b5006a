//! Errors of the kubeconfig, the cluster and the rights.

use std::{fs, time::Instant};

use cluster::Cluster;
use hub::{Hub, Model};
use serde_json::json;
use testkit::world::{World, install_crd};

use crate::{bash, fails, oxen};

#[tokio::test]
async fn a_kubeconfig_is_found_as_kubectl_finds_it() {
    let world = World::new(Hub::builder()).await;
    let home = tempfile::tempdir().unwrap();
    let home = home.path().display();
    let output = bash(
        world.cluster,
        &format!("unset KUBECONFIG; HOME={home} kubectl oxen status"),
    )
    .await;
    fails(
        &output,
        1,
        "error: there is no kubeconfig: KUBECONFIG is not set and ~/.kube/config does not exist. \
         Pass --kubeconfig FILE.",
    );
    let output = bash(
        world.cluster,
        &format!(
            "echo '{{current-context: \"\"}}' >{home}/first\n\
             KUBECONFIG={home}/absent:{home}/first:$KUBECONFIG kubectl oxen status -n {}",
            world.namespace
        ),
    )
    .await;
    let none = format!("No OxenModels in namespace {}.", world.namespace);
    fails(&output, 0, &none);
    fails(
        &oxen(&world, "status --context nope").await,
        1,
        "error: the kubeconfig has no context \"nope\". It has: cluster.",
    );
    // Usage errors have the code 1, and 2 means "stalled".
    assert_eq!(oxen(&world, "status a b").await.status.code(), Some(1));
    assert_eq!(oxen(&world, "--help").await.status.code(), Some(0));
}

#[tokio::test]
async fn an_api_server_that_cannot_be_reached_is_told_at_once() {
    let world = World::new(Hub::builder()).await;
    let begun = Instant::now();
    fails(
        &oxen(&world, "status --server https://127.0.0.1:1").await,
        1,
        "error: the API server https://127.0.0.1:1 (context cluster) cannot be reached: connection \
         refused. Is the cluster running?",
    );
    assert!(begun.elapsed().as_secs() < 10, "there is no retry");
    // A proxy is never for this machine.
    let none = format!("No OxenModels in namespace {}.", world.namespace);
    let script = format!(
        "HTTPS_PROXY=http://127.0.0.1:1 kubectl oxen status -n {}",
        world.namespace
    );
    fails(&bash(world.cluster, &script).await, 0, &none);

    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("ca.pem");
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(&other, params.self_signed(&key).unwrap().pem()).unwrap();
    let arguments = format!("status --certificate-authority {}", other.display());
    fails(
        &oxen(&world, &arguments).await,
        1,
        &format!(
            "error: the certificate of {} is not signed by the certificate authority that the \
             kubeconfig has for cluster cluster. Fetch the kubeconfig again.",
            world.cluster.url()
        ),
    );
}

#[tokio::test]
async fn missing_rights_and_a_missing_definition_are_told() {
    let cluster = Cluster::builder().user("dev", &[]).start().await.unwrap();
    for command in ["status", "on x --for 1h"] {
        fails(
            &bash(&cluster, &format!("kubectl oxen {command}")).await,
            1,
            "error: OxenModels are not installed in this cluster (context cluster). Install the \
             operator, or choose another context.",
        );
    }
    let doctor = bash(&cluster, "kubectl oxen doctor -o json").await;
    assert_eq!(doctor.status.code(), Some(1), "{doctor:?}");
    let data: serde_json::Value = serde_json::from_str(&doctor.stdout).unwrap();
    let checks = data["checks"].as_array().unwrap();
    let crd = checks.iter().find(|check| check["id"] == "crd").unwrap();
    let fix = crd["fix"][0].as_str().unwrap_or_default();
    assert_eq!(crd["result"], "fail", "{crd}");
    assert!(
        fix.starts_with("helm install oxen-operator oci://"),
        "{fix}"
    );
    install_crd(&cluster).await;
    let role = "kubectl create clusterrole reader --verb=get,list,watch \
                --resource=oxenmodels.oxen.ai,events >/dev/null\n\
                kubectl create clusterrolebinding reader --clusterrole=reader --user=dev >/dev/null";
    bash(&cluster, role).await.ok().unwrap();
    let world = World::on(&cluster, Hub::builder().model(Model::custom("bot"))).await;
    let spec = json!({"model": "bot", "state": "inactive"});
    world.create("support-bot", spec).await;
    let as_dev = async |arguments: &str| {
        let config = cluster.kubeconfig_for("dev").unwrap().display();
        let namespace = &world.namespace;
        let script = format!("KUBECONFIG={config} kubectl oxen {arguments} -n {namespace}");
        bash(&cluster, &script).await
    };
    let shown = as_dev("status support-bot").await.ok().unwrap();
    assert!(
        shown.stdout.contains("support-bot: not observed yet"),
        "{shown:?}"
    );
    assert!(!shown.stdout.contains("not shown"), "{shown:?}");
    let before = world.get("support-bot").await;
    fails(
        &as_dev("on support-bot --for 1h").await,
        1,
        &format!(
            "error: user dev may not patch OxenModels in {}. Ask for the verbs get and patch on \
             oxenmodels.oxen.ai there.",
            world.namespace
        ),
    );
    let after = world.get("support-bot").await;
    assert_eq!(
        before.metadata.resource_version,
        after.metadata.resource_version
    );
    fails(
        &as_dev("status suport-bot").await,
        1,
        &format!(
            "error: there is no OxenModel \"suport-bot\" in namespace {}. Did you mean \
             support-bot?",
            world.namespace
        ),
    );
    let no_events = "kubectl delete clusterrole reader >/dev/null\n\
                     kubectl create clusterrole reader --verb=get,list \
                     --resource=oxenmodels.oxen.ai >/dev/null";
    bash(&cluster, no_events).await.ok().unwrap();
    testkit::world::eventually("the right is gone", || async {
        let shown = as_dev("status support-bot").await;
        let expected = format!(
            "not shown: events (user dev may not list events in {})",
            world.namespace
        );
        (shown.status.success() && shown.stdout.contains(&expected)).then_some(())
    })
    .await;
}
