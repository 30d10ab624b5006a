//! A cluster does what a real one does, and what tests need besides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use cluster::{Cluster, Error};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::timeout;

/// One for all tests that leave it as it is: each has its own runtime, so this also tests that none is held on to.
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

/// One for the tests that stop it, one after the other.
async fn disturbed() -> &'static Mutex<Cluster> {
    static DISTURBED: OnceCell<Mutex<Cluster>> = OnceCell::const_new();
    DISTURBED
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
async fn it_answers_kubectl_helm_and_a_client() {
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
async fn a_manifest_on_standard_input_is_applied_and_a_command_that_fails_says_why() {
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
async fn a_further_user_may_do_what_rbac_grants_and_nothing_else() {
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
            "look",
            "--verb=list",
            "--resource=namespaces",
        ],
        [
            "create",
            "clusterrolebinding",
            "look",
            "--clusterrole=look",
            "--group=readers",
        ],
    ] {
        cluster.kubectl(&command).await.unwrap().ok().unwrap();
    }
    // The server's own view of its roles follows within a moment.
    let granted = async { while namespaces.list(&Default::default()).await.is_err() {} };
    timeout(Duration::from_secs(10), granted).await.unwrap();
    let error = cluster.kubeconfig_for("bob").unwrap_err();
    assert!(matches!(error, Error::UnknownUser(_)));
}

#[tokio::test]
async fn every_request_is_in_the_log_once_its_answer_is_here() {
    let cluster = shared().await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client().await.unwrap(), "default");
    let wanted = |name: &str| {
        let requests = cluster.requests().unwrap();
        let of =
            |request: &cluster::Request| request.resource == "configmaps" && request.name == name;
        requests.into_iter().filter(of).collect::<Vec<_>>()
    };
    for number in 1..=20 {
        let name = format!("counted-{number}");
        let map = ConfigMap {
            metadata: named(&name),
            ..Default::default()
        };
        maps.create(&PostParams::default(), &map).await.unwrap();
        maps.create(&PostParams::default(), &map).await.unwrap_err();
        let seen: Vec<_> = wanted(&name)
            .into_iter()
            .map(|seen| (seen.verb, seen.code, seen.user))
            .collect();
        let admin = || "admin".to_owned();
        assert_eq!(
            seen,
            [
                ("create".to_owned(), 201, admin()),
                ("create".to_owned(), 409, admin())
            ]
        );
    }
    assert!(wanted("counted-1").iter().all(cluster::Request::is_write));
}

#[tokio::test]
async fn stopped_and_started_again_it_has_the_same_address_and_the_same_data() {
    let cluster = disturbed().await.lock().await;
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
    assert_eq!(cluster.pids(), pids, "a start of what runs is none");
}

#[tokio::test]
async fn paused_it_holds_its_connections_and_says_nothing_until_it_is_resumed() {
    let cluster = disturbed().await.lock().await;
    let client = cluster.client().await.unwrap();
    client.apiserver_version().await.unwrap();
    cluster.pause_apiserver().unwrap();
    let silence = timeout(Duration::from_millis(500), client.apiserver_version()).await;
    assert!(silence.is_err(), "{silence:?}");
    cluster.resume_apiserver().unwrap();
    timeout(Duration::from_secs(30), client.apiserver_version())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn with_a_controller_manager_a_deleted_namespace_goes_with_all_that_is_in_it() {
    let cluster = shared().await;
    let _manager = cluster.controller_manager().await.unwrap();
    for command in [
        ["create", "namespace", "short", "--output=name"],
        ["create", "configmap", "inside", "--namespace=short"],
        ["delete", "namespace", "short", "--timeout=60s"],
    ] {
        cluster.kubectl(&command).await.unwrap().ok().unwrap();
    }
    let seen = ["get", "configmap", "inside", "--namespace=short"];
    let seen = cluster.kubectl(&seen).await.unwrap();
    assert!(seen.stderr.contains("NotFound"), "{seen:?}");
}

#[tokio::test]
async fn two_that_start_together_do_not_meet_and_do_not_trust_each_other() {
    let (one, two) = tokio::join!(Cluster::start(), Cluster::start());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!((one.url(), one.folder()), (two.url(), two.folder()));

    one.kubectl(&["create", "configmap", "mine"])
        .await
        .unwrap()
        .ok()
        .unwrap();
    let seen = two.kubectl(&["get", "configmap", "mine"]).await.unwrap();
    assert!(seen.stderr.contains("NotFound"), "{seen:?}");

    let mut stranger = one.config().await.unwrap();
    stranger.cluster_url = two.url().parse().unwrap();
    let stranger = kube::Client::try_from(stranger).unwrap();
    let error = format!("{:?}", stranger.apiserver_version().await.unwrap_err());
    assert!(error.contains("InvalidCertificate"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_come_up_is_an_error_with_its_last_words() {
    let error = Cluster::builder()
        .apiserver_flag("--no-such-flag")
        .start()
        .await
        .unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("kube-apiserver ended"), "{error}");
    assert!(error.contains("unknown flag: --no-such-flag"), "{error}");
}
