//! The samples of values against helm lint and a real API server.

use cluster::Cluster;
use serde_json::{Value, json};

use crate::{
    chart::helm,
    install::{RELEASE, SYSTEM},
    samples::{UNRESTRICTED, samples},
    tool::path,
};

/// What the samples need on a cluster: their namespaces, a RuntimeClass, and the kinds of the
/// Prometheus Operator.
fn prerequisites() -> Vec<Value> {
    let mut all: Vec<Value> = [SYSTEM, "a", "b", "monitoring"]
        .map(|name| {
            json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": name,
                    "labels": {"pod-security.kubernetes.io/warn": "restricted"},
                },
            })
        })
        .into();
    all.push(json!({
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "sandboxed"},
        "handler": "sandboxed",
    }));
    for (plural, kind) in [
        ("servicemonitors", "ServiceMonitor"),
        ("prometheusrules", "PrometheusRule"),
    ] {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        all.push(json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
            "spec": {
                "group": "monitoring.coreos.com",
                "names": {"plural": plural, "kind": kind},
                "scope": "Namespaced",
                "versions": [{
                    "name": "v1",
                    "served": true,
                    "storage": true,
                    "schema": {"openAPIV3Schema": schema},
                }],
            },
        }));
    }
    all
}

/// A cluster with two address families and the prerequisites.
async fn cluster() -> Cluster {
    let both = "--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112";
    let cluster = Cluster::builder().apiserver_flag(both).start().await;
    let cluster = cluster.unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": prerequisites()});
    let applied = cluster
        .kubectl_stdin(&["apply", "-f", "-"], &list.to_string())
        .await;
    applied.unwrap().ok().unwrap();
    let wait = ["wait", "--for=condition=Established", "crd", "--all"];
    cluster.kubectl(&wait).await.unwrap().ok().unwrap();
    cluster
}

#[tokio::test]
async fn samples_render_lint_and_are_accepted() {
    let cluster = cluster().await;
    for (what, values) in samples() {
        let lint = helm(&["lint", "--strict"], &values).await;
        assert!(lint.status.success(), "{what}: {}", lint.stdout);
        let template = ["template", RELEASE, "--namespace", SYSTEM];
        let manifests = helm(&template, &values).await.ok().unwrap().stdout;
        let dry = ["apply", "--dry-run=server", "-f", "-"];
        let applied = cluster.kubectl_stdin(&dry, &manifests).await.unwrap();
        let said = &applied.stderr;
        assert!(applied.status.success(), "{what}: {said}");
        let unrestricted = said.contains("would violate PodSecurity");
        let expected = UNRESTRICTED.contains(&what);
        assert_eq!(unrestricted, expected, "{what}: {said}");
        assert!(unrestricted || !said.contains("Warning"), "{what}: {said}");
    }
}

#[tokio::test]
async fn a_release_is_upgraded_through_all_samples_rolled_back_and_uninstalled() {
    let cluster = cluster().await;
    let chart = path("charts/oxen-operator");
    let helm = async |arguments: &[&str]| {
        let own = ["--namespace", SYSTEM];
        let done = cluster.helm(&[arguments, &own].concat()).await.unwrap();
        done.ok().unwrap_or_else(|error| panic!("{error}"))
    };
    let file = cluster.folder().join("values.json");
    for (_, values) in samples() {
        std::fs::write(&file, values.to_string()).unwrap();
        let (chart, file) = (chart.to_str().unwrap(), file.to_str().unwrap());
        let upgrade = ["upgrade", RELEASE, chart, "--install", "--history-max=0"];
        helm(&[&upgrade[..], &["--values", file]].concat()).await;
    }
    helm(&["rollback", RELEASE, "1"]).await;
    helm(&["uninstall", RELEASE]).await;
    let kinds = "deployments,services,roles,networkpolicies,poddisruptionbudgets";
    let left = ["get", kinds, "--namespace", SYSTEM, "--output", "name"];
    let left = cluster.kubectl(&left).await.unwrap().ok().unwrap().stdout;
    assert_eq!(left, "");
}
