//! A running control plane: commands, clients, users, the request log, stop, pause and restart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use cluster::{Cluster, Error};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::timeout;

/// The cluster of the tests that don't stop it. Each test has its own runtime, so this also tests
/// that a cluster doesn't depend on the runtime that started it.
async fn shared() -> &'static Cluster {
    static SHARED: OnceCell<Cluster> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            Cluster::builder()
                .user("alice", &["readers"])
                .start()
                .await
                .unwrap()
        })
        .await
}

/// The cluster of the tests that stop or pause it. The lock makes them run one after the other.
async fn exclusive() -> &'static Mutex<Cluster> {
    static EXCLUSIVE: OnceCell<Mutex<Cluster>> = OnceCell::const_new();
    EXCLUSIVE
        .get_or_init(|| async { Mutex::new(Cluster::start().await.unwrap()) })
        .await
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..Default::default()
    }
}

#[tokio::test]
async fn kubectl_helm_and_clients_can_connect() {
    let cluster = shared().await;
    let out = cluster
        .kubectl(&["get", "--raw", "/readyz"])
        .await
        .unwrap()
        .ok()
        .unwrap();
    assert_eq!(out.stdout, "ok");
    let version = cluster
        .client()
        .await
        .unwrap()
        .apiserver_version()
        .await
        .unwrap();
    assert_eq!(version.major, "1");
    cluster.helm(&["list"]).await.unwrap().ok().unwrap();
}

#[tokio::test]
async fn kubectl_applies_standard_input_and_reports_failures() {
    let cluster = shared().await;
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: from-stdin}, data: {a: b}}";
    let out = cluster
        .kubectl_stdin(&["apply", "-f", "-"], manifest)
        .await
        .unwrap()
        .ok()
        .unwrap();
    assert_eq!(out.stdout, "configmap/from-stdin created\n");

    let out = cluster
        .kubectl(&["get", "configmap", "no-such"])
        .await
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    let error = out.ok().unwrap_err().to_string();
    assert!(
        error.starts_with("kubectl get configmap no-such failed: Error from server (NotFound)"),
        "{error}"
    );
}

#[tokio::test]
async fn user_has_only_the_permissions_that_rbac_grants() {
    let cluster = shared().await;
    let alice = cluster.client_for("alice").await.unwrap();
    let namespaces: Api<Namespace> = Api::all(alice);
    let error = namespaces
        .list(&Default::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(r#"User "alice" cannot list resource "namespaces""#),
        "{error}"
    );

    for command in [
        [
            "create",
            "clusterrole",
            "namespace-lister",
            "--verb=list",
            "--resource=namespaces",
        ],
        [
            "create",
            "clusterrolebinding",
            "namespace-lister",
            "--clusterrole=namespace-lister",
            "--group=readers",
        ],
    ] {
        cluster.kubectl(&command).await.unwrap().ok().unwrap();
    }
    // The authorizer reads roles from a cache, so a new role takes effect with a delay.
    let granted = async { while namespaces.list(&Default::default()).await.is_err() {} };
    timeout(Duration::from_secs(10), granted).await.unwrap();
    let error = cluster.kubeconfig_for("bob").unwrap_err();
    assert!(matches!(error, Error::UnknownUser(_)));
}

#[tokio::test]
async fn request_is_logged_before_its_response_is_complete() {
    let cluster = shared().await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client().await.unwrap(), "default");
    let requests_for = |name: &str| {
        let requests = cluster.requests().unwrap();
        let matches =
            |request: &cluster::Request| request.resource == "configmaps" && request.name == name;
        requests.into_iter().filter(matches).collect::<Vec<_>>()
    };
    for number in 1..=20 {
        let name = format!("counted-{number}");
        let map = ConfigMap {
            metadata: named(&name),
            ..Default::default()
        };
        maps.create(&PostParams::default(), &map).await.unwrap();
        maps.create(&PostParams::default(), &map).await.unwrap_err();
        let logged: Vec<_> = requests_for(&name)
            .into_iter()
            .map(|request| (request.verb, request.code, request.user))
            .collect();
        let admin = || "admin".to_owned();
        assert_eq!(
            logged,
            [
                ("create".to_owned(), 201, admin()),
                ("create".to_owned(), 409, admin())
            ]
        );
    }
    assert!(
        requests_for("counted-1")
            .iter()
            .all(cluster::Request::is_write)
    );
}

#[tokio::test]
async fn restarted_api_server_keeps_its_address_and_data() {
    let cluster = exclusive().await.lock().await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client().await.unwrap(), "default");
    let map = ConfigMap {
        metadata: named("kept"),
        ..Default::default()
    };
    maps.create(&PostParams::default(), &map).await.unwrap();
    let url = cluster.url();

    cluster.stop_apiserver().await.unwrap();
    maps.get("kept").await.unwrap_err();
    assert!(matches!(
        cluster.pause_apiserver().unwrap_err(),
        Error::Stopped
    ));
    cluster.start_apiserver().await.unwrap();

    assert_eq!(cluster.url(), url);
    maps.get("kept").await.unwrap();
    cluster
        .kubectl(&["get", "configmap", "kept"])
        .await
        .unwrap()
        .ok()
        .unwrap();
    let pids = cluster.pids();
    cluster.start_apiserver().await.unwrap();
    assert_eq!(cluster.pids(), pids, "a running API server was restarted");
}

#[tokio::test]
async fn paused_api_server_does_not_respond_until_resumed() {
    let cluster = exclusive().await.lock().await;
    let client = cluster.client().await.unwrap();
    client.apiserver_version().await.unwrap();
    cluster.pause_apiserver().unwrap();
    let response = timeout(Duration::from_millis(500), client.apiserver_version()).await;
    assert!(response.is_err(), "{response:?}");
    cluster.resume_apiserver().unwrap();
    timeout(Duration::from_secs(30), client.apiserver_version())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn controller_manager_removes_a_deleted_namespace() {
    let cluster = shared().await;
    let _manager = cluster.controller_manager().await.unwrap();
    for command in [
        ["create", "namespace", "short", "--output=name"],
        ["create", "configmap", "inside", "--namespace=short"],
        ["delete", "namespace", "short", "--timeout=60s"],
    ] {
        cluster.kubectl(&command).await.unwrap().ok().unwrap();
    }
    let command = ["get", "configmap", "inside", "--namespace=short"];
    let output = cluster.kubectl(&command).await.unwrap();
    assert!(output.stderr.contains("NotFound"), "{output:?}");
}

#[tokio::test]
async fn concurrent_clusters_are_independent() {
    let (one, two) = tokio::join!(Cluster::start(), Cluster::start());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!((one.url(), one.folder()), (two.url(), two.folder()));

    one.kubectl(&["create", "configmap", "of-one"])
        .await
        .unwrap()
        .ok()
        .unwrap();
    let output = two.kubectl(&["get", "configmap", "of-one"]).await.unwrap();
    assert!(output.stderr.contains("NotFound"), "{output:?}");

    let mut config = one.config().await.unwrap();
    config.cluster_url = two.url().parse().unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let error = format!("{:?}", client.apiserver_version().await.unwrap_err());
    assert!(error.contains("InvalidCertificate"), "{error}");
}

#[tokio::test]
async fn failed_start_is_reported_with_the_end_of_the_log() {
    let error = Cluster::builder()
        .apiserver_flag("--no-such-flag")
        .start()
        .await
        .unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("kube-apiserver exited"), "{error}");
    assert!(error.contains("unknown flag: --no-such-flag"), "{error}");
}
