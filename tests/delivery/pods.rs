//! The pods that the chart renders: their labels, probes and names.

use serde_json::{Value, json};

use crate::{
    chart::{assert_refused, of_kind, rendered, rendered_as},
    samples::samples,
};

fn sample(name: &str) -> Value {
    let found = samples().into_iter().find(|(what, _)| *what == name);
    found.unwrap().1
}

/// The spec of the Deployment's pods, and that of the test pod.
async fn specs(values: &Value) -> (Value, Value) {
    let all = rendered(values).await;
    let deployment = of_kind(&all, "Deployment")[0];
    (
        deployment["spec"]["template"]["spec"].clone(),
        of_kind(&all, "Pod")[0]["spec"].clone(),
    )
}

#[tokio::test]
async fn the_test_pod_has_the_pods_labels_and_can_be_turned_off() {
    let all = rendered(&sample("labels and annotations")).await;
    let test = &of_kind(&all, "Pod")[0]["metadata"];
    assert_eq!(test["labels"]["cost-center"], "7");
    assert_eq!(test["labels"]["app.kubernetes.io/component"], "check");
    assert_eq!(test["annotations"]["sidecar.istio.io/inject"], "false");
    assert_eq!(test["annotations"]["helm.sh/hook"], "test");
    let account = &of_kind(&all, "ServiceAccount")[0]["metadata"];
    assert_eq!(account["labels"]["azure.workload.identity/use"], "true");
    for object in &all {
        let labels = object["metadata"]["labels"].as_object().unwrap();
        assert_eq!(labels["team"], "ml", "{object}");
        assert!(!labels.contains_key("removed"), "{object}");
    }
    let without = rendered(&json!({"test": {"enabled": false}})).await;
    assert!(of_kind(&without, "Pod").is_empty());
}

#[tokio::test]
async fn pull_secrets_are_the_charts_own_and_the_global_ones() {
    let (pod, test) = specs(&sample("pull Secrets of a parent chart")).await;
    let expected = json!([{"name": "own"}, {"name": "global"}]);
    assert_eq!(
        (&pod["imagePullSecrets"], &test["imagePullSecrets"]),
        (&expected, &expected)
    );
}

#[tokio::test]
async fn the_liveness_probe_is_patient() {
    let (pod, _) = specs(&json!({})).await;
    let probe = &pod["containers"][0]["livenessProbe"];
    let seconds = |field: &str| probe[field].as_u64().unwrap();
    // These are the durations of Kubernetes' own controllers and of cert-manager.
    assert_eq!(
        (seconds("periodSeconds"), seconds("failureThreshold")),
        (10, 8)
    );
    assert_eq!(
        (seconds("initialDelaySeconds"), seconds("timeoutSeconds")),
        (10, 15)
    );
}

#[tokio::test]
async fn names_are_those_that_a_service_takes() {
    for (release, name) in [
        ("oxen-operator", "oxen-operator"),
        ("a", "a-oxen-operator"),
        ("1st", "oxen-operator-1st"),
        ("1st.test", "oxen-operator-1st-test"),
        ("oxen.v2", "oxen-v2-oxen-operator"),
        ("2-oxen-operator", "oxen-operator-2-oxen-operator"),
    ] {
        let all = rendered_as(release, &json!({})).await;
        let service = &of_kind(&all, "Service")[0]["metadata"];
        assert_eq!(service["name"], name, "{release}");
        let deployment = of_kind(&all, "Deployment")[0];
        assert_eq!(deployment["metadata"]["name"], name, "{release}");
    }
    for name in ["1st", "a.b", "A", "a-", &"a".repeat(64)] {
        assert_refused(&json!({"fullnameOverride": name}), "fullnameOverride").await;
    }
    let long = "a".repeat(63);
    let all = rendered(&json!({"fullnameOverride": long})).await;
    assert_eq!(of_kind(&all, "Service")[0]["metadata"]["name"], long);
}
