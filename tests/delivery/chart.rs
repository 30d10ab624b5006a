//! The chart as helm reads it: what it makes of values, and what it refuses.

use cluster::{Cluster, Output};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::tool::{path, read};

/// Any cluster will do: nothing is installed.
static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();

async fn helm(verb: &[&str], values: &Value) -> Output {
    let cluster = CLUSTER
        .get_or_init(async || Cluster::start().await.unwrap())
        .await;
    let file = cluster
        .folder()
        .join(format!("{}.json", uuid::Uuid::new_v4()));
    std::fs::write(&file, values.to_string()).unwrap();
    let chart = path("charts/oxen-operator");
    let own = [chart.to_str().unwrap(), "--values", file.to_str().unwrap()];
    cluster.helm(&[verb, &own].concat()).await.unwrap()
}

/// The objects that come of the values.
pub async fn rendered(values: &Value) -> Vec<Value> {
    let template = helm(
        &["template", "oxen-operator", "--namespace", "oxen-system"],
        values,
    )
    .await;
    let text = template.ok().unwrap().stdout;
    let documents = text
        .split("\n---\n")
        .map(|one| serde_yaml::from_str::<Value>(one).unwrap());
    documents.filter(|one| !one.is_null()).collect()
}

pub fn of_kind<'a>(all: &'a [Value], kind: &str) -> Vec<&'a Value> {
    all.iter().filter(|one| one["kind"] == kind).collect()
}

/// Values as teams write them.
fn samples() -> Vec<(&'static str, Value)> {
    vec![
        ("as it comes", json!({})),
        ("a list of namespaces", json!({"namespaces": ["a", "b"]})),
        ("two replicas", json!({"replicas": 2})),
        (
            "a digest",
            json!({"image": {"digest": format!("sha256:{}", "0".repeat(64))}}),
        ),
        (
            "a key to lend",
            json!({"operatorKey": {"existingSecret": {"name": "key"}, "namespaces": ["a"]}}),
        ),
        ("alone", json!({"leaderElection": {"enabled": false}})),
        (
            "everything on",
            json!({
                "replicas": 2,
                "observeOnly": true,
                "hub": {"proxy": "http://proxy:3128", "ca": {"configMapName": "ca"}},
                "serviceMonitor": {"enabled": true},
                "prometheusRule": {"enabled": true},
                "dashboard": {"enabled": true},
                "networkPolicy": {"enabled": true},
            }),
        ),
    ]
}

#[tokio::test]
async fn what_teams_write_is_taken_without_a_complaint() {
    for (what, values) in samples() {
        let lint = helm(&["lint", "--strict"], &values).await;
        assert!(lint.status.success(), "{what}: {}", lint.stdout);
        assert!(!rendered(&values).await.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_a_key_as_a_value_is_not_shown() {
    for (values, says) in [
        (json!({"observOnly": true}), "observOnly"),
        (json!({"hub": {"ulr": "https://hub"}}), "ulr"),
        (json!({"replicas": "two"}), "replicas"),
        (json!({"syncInterval": "soon"}), "syncInterval"),
        (json!({"deletionPolicy": "Orphan"}), "deletionPolicy"),
        (json!({"timing": {"lease": "30"}}), "lease"),
        (json!({"operatorKey": {"namespaces": ["a"]}}), "operatorKey"),
        (
            json!({"replicas": 2, "leaderElection": {"enabled": false}}),
            "leaderElection",
        ),
        (json!({"apiKey": "not-a-real-key"}), "existingSecret"),
        (
            json!({"operatorKey": {"value": "not-a-real-key"}}),
            "existingSecret",
        ),
    ] {
        let refused = helm(&["template", "oxen-operator"], &values).await;
        let words = format!("{}{}", refused.stdout, refused.stderr);
        assert!(
            !refused.status.success() && words.contains(says),
            "{values}: {words}"
        );
        assert!(!words.contains("not-a-real-key"), "{words}");
    }
}

#[tokio::test]
async fn the_definition_is_the_one_of_the_types_and_outlives_the_release() {
    let source: Value = serde_yaml::from_str(&read("crds/oxenmodels.yaml")).unwrap();
    assert_eq!(
        read("charts/oxen-operator/files/oxenmodels.yaml"),
        read("crds/oxenmodels.yaml"),
        "run `make crd`"
    );
    let all = rendered(&json!({})).await;
    let crd = of_kind(&all, "CustomResourceDefinition")[0];
    // As the API server reads it: a number is a number, with a point or without.
    let read = |crd: &Value| {
        serde_json::from_value::<CustomResourceDefinition>(crd.clone())
            .unwrap()
            .spec
    };
    assert_eq!(read(crd), read(&source));
    assert_eq!(
        crd["metadata"]["annotations"]["helm.sh/resource-policy"],
        "keep"
    );
    let without = rendered(&json!({"crds": {"enabled": false}})).await;
    assert!(of_kind(&without, "CustomResourceDefinition").is_empty());
    assert!(!path("charts/oxen-operator/crds").exists());
}

#[tokio::test]
async fn a_pod_is_as_restricted_as_pods_can_be() {
    let all = rendered(&json!({})).await;
    let pod = &of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    let container = &pod["containers"][0];
    let security = &container["securityContext"];
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
    assert!(of_kind(&all, "PodDisruptionBudget").is_empty());
    let two = rendered(&json!({"replicas": 2})).await;
    assert_eq!(of_kind(&two, "PodDisruptionBudget").len(), 1);
}

#[tokio::test]
async fn what_is_switched_on_has_what_it_needs() {
    let all = rendered(&samples().pop().unwrap().1).await;
    let rules = of_kind(&all, "PrometheusRule")[0];
    let file: Value =
        serde_yaml::from_str(&read("charts/oxen-operator/files/alerts.yaml")).unwrap();
    assert_eq!(rules["spec"]["groups"], file["groups"]);
    let dashboard = of_kind(&all, "ConfigMap")[0]["data"].as_object().unwrap();
    let (_, board) = dashboard.iter().next().unwrap();
    let board: Value = serde_json::from_str(board.as_str().unwrap()).unwrap();
    let file: Value =
        serde_json::from_str(&read("charts/oxen-operator/files/dashboard.json")).unwrap();
    assert_eq!(board, file);
    let endpoints = &of_kind(&all, "ServiceMonitor")[0]["spec"]["endpoints"];
    assert_eq!(endpoints[0]["honorLabels"], true);
    assert_eq!(of_kind(&all, "Service").len(), 1);
    assert_eq!(of_kind(&all, "NetworkPolicy").len(), 1);
}
