//! Tests of the chart with helm: the objects that it renders and the values that it rejects.

use cluster::{Cluster, Output};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    samples::all_features,
    tool::{path, read},
};

/// The cluster that all tests share, because they install nothing on it.
static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();

/// Runs a helm command about the chart with these values.
pub async fn helm(verb: &[&str], values: &Value) -> Output {
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

/// Renders the chart with these values.
pub async fn rendered(values: &Value) -> Vec<Value> {
    rendered_as("oxen-operator", values).await
}

/// Renders the chart with these values and this name of the release.
pub async fn rendered_as(release: &str, values: &Value) -> Vec<Value> {
    let template = ["template", release, "--namespace", "oxen-system"];
    let text = helm(&template, values).await.ok().unwrap().stdout;
    let documents = text
        .split("\n---\n")
        .map(|one| serde_yaml::from_str::<Value>(one).unwrap());
    documents.filter(|one| !one.is_null()).collect()
}

/// Asserts that the chart refuses these values, and what helm says about them.
pub async fn assert_refused(values: &Value, says: &str) {
    let refused = helm(&["template", "oxen-operator"], values).await;
    let words = format!("{}{}", refused.stdout, refused.stderr);
    assert!(
        !refused.status.success() && words.contains(says),
        "{values}: {words}"
    );
    assert!(!words.contains("not-a-real-key"), "{words}");
}

pub fn of_kind<'a>(all: &'a [Value], kind: &str) -> Vec<&'a Value> {
    all.iter().filter(|one| one["kind"] == kind).collect()
}

#[tokio::test]
async fn invalid_values_are_rejected_without_printing_api_keys() {
    for (values, says) in [
        (json!({"observOnly": true}), "observOnly"),
        (json!({"hub": {"ulr": "https://hub"}}), "ulr"),
        (json!({"replicas": "two"}), "replicas"),
        (json!({"syncInterval": "soon"}), "syncInterval"),
        (json!({"deletionPolicy": "Orphan"}), "deletionPolicy"),
        (json!({"hub": {"requestTimeout": "30"}}), "requestTimeout"),
        (json!({"timing": {"lease": "30s"}}), "timing"),
        (json!({"hub": {"burst": 100}}), "burst"),
        (json!({"operatorKey": {"namespaces": ["a"]}}), "operatorKey"),
        (
            json!({"replicas": 2, "leaderElection": {"enabled": false}}),
            "leaderElection",
        ),
        (json!({"namespaces": ["a", "a"]}), "namespaces"),
        (json!({"image": {"digest": "0".repeat(64)}}), "digest"),
        (json!({"image": {"digest": "sha256:0"}}), "digest"),
        (json!({"log": {"level": "info,[reconcile]=trace"}}), "level"),
        (json!({"log": {"level": "oxen_operator[{x=1}]"}}), "level"),
        (json!({"log": {"level": "inof"}}), "level"),
        (json!({"extraEnv": [{"value": "x"}]}), "name"),
        (
            json!({"extraEnv": [{"name": "OXEN_PROXY", "value": "x"}], "hub": {"proxy": "http://p"}}),
            "OXEN_PROXY",
        ),
        (
            json!({"extraEnv": [{"name": "OXEN_API_KEY", "value": "not-a-real-key"}]}),
            "existingSecret",
        ),
        (json!({"apiKey": "not-a-real-key"}), "existingSecret"),
        (
            json!({"operatorKey": {"value": "not-a-real-key"}}),
            "existingSecret",
        ),
    ] {
        assert_refused(&values, says).await;
    }
}

#[tokio::test]
async fn the_crds_match_the_rust_types_and_survive_an_uninstall() {
    let all = rendered(&json!({"budgets": {"enabled": true}})).await;
    let crds = of_kind(&all, "CustomResourceDefinition");
    assert_eq!(crds.len(), 2, "{crds:?}");
    for (crd, resource) in crds.into_iter().zip(["oxenmodels", "oxenbudgets"]) {
        assert_is_generated(crd, resource);
    }
    let all = rendered(&json!({})).await;
    let crds = of_kind(&all, "CustomResourceDefinition");
    let [crd] = crds[..] else {
        panic!("budgets are off: {crds:?}");
    };
    assert_is_generated(crd, "oxenmodels");
    let values = json!({"crds": {"enabled": false}, "budgets": {"enabled": true}});
    let without = rendered(&values).await;
    assert!(of_kind(&without, "CustomResourceDefinition").is_empty());
    assert!(!path("charts/oxen-operator/crds").exists());
}

fn assert_is_generated(crd: &Value, resource: &str) {
    let file = format!("crds/{resource}.yaml");
    let copy = format!("charts/oxen-operator/files/{resource}.yaml");
    assert_eq!(read(&copy), read(&file), "run `make crd`");
    let source: Value = serde_yaml::from_str(&read(&file)).unwrap();
    // Compare the decoded types, because a number may be written as 1 or as 1.0.
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
}

#[tokio::test]
async fn budgets_bring_their_rights_and_are_for_readers_only() {
    let rules = async |budgets: bool| {
        let all = rendered(&json!({"budgets": {"enabled": budgets}})).await;
        let mut rules = Vec::new();
        for role in of_kind(&all, "ClusterRole") {
            for rule in role["rules"].as_array().unwrap() {
                if rule["resources"].to_string().contains("oxenbudgets") {
                    let name = role["metadata"]["name"].as_str().unwrap();
                    rules.push(format!("{name} {} {}", rule["resources"], rule["verbs"]));
                }
            }
        }
        rules
    };
    assert_eq!(rules(false).await, [""; 0]);
    assert_eq!(
        rules(true).await,
        [
            r#"oxen-operator-view ["oxenmodels","oxenbudgets"] ["get","list","watch"]"#,
            r#"oxen-operator ["oxenbudgets"] ["list","watch"]"#,
            r#"oxen-operator ["oxenbudgets/status"] ["patch"]"#,
        ]
    );
}

#[tokio::test]
async fn pods_are_restricted_and_replicas_get_a_disruption_budget() {
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
async fn optional_objects_have_the_right_content() {
    let all = rendered(&all_features()).await;
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
    let monitor = of_kind(&all, "ServiceMonitor")[0];
    assert_eq!(monitor["metadata"]["namespace"], "monitoring");
    let names = &monitor["spec"]["namespaceSelector"]["matchNames"];
    assert_eq!(names, &json!(["oxen-system"]));
}
