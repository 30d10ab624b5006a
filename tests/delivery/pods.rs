//! The pods that the chart renders: what podSpec and deployment merge over them.

use serde_json::{Value, json};

use crate::{
    chart::{of_kind, rendered},
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
async fn pod_spec_is_merged_over_the_pods_and_the_test_pod() {
    let (pod, test) = specs(&sample("a pod spec")).await;
    for spec in [&pod, &test] {
        assert_eq!(spec["priorityClassName"], "system-cluster-critical");
        assert_eq!(spec["runtimeClassName"], "sandboxed");
        let selector = json!({"kubernetes.io/os": "linux", "pool": "operators"});
        assert_eq!(spec["nodeSelector"], selector);
        assert_eq!(spec["tolerations"][0]["key"], "operators");
        assert_eq!(spec["hostAliases"][0]["ip"], "10.0.0.1");
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
        assert_eq!(spec["enableServiceLinks"], false);
        let volumes = spec["volumes"].as_array().unwrap();
        assert!(volumes.contains(&json!({"name": "tmp", "emptyDir": {}})));
    }
    assert_eq!(pod["terminationGracePeriodSeconds"], 60);
    assert_eq!(
        pod["topologySpreadConstraints"].as_array().unwrap().len(),
        1
    );
    let [operator, sidecar] = pod["containers"].as_array().unwrap().as_slice() else {
        panic!("{pod}")
    };
    assert_eq!(sidecar["name"], "sidecar");
    assert_eq!(operator["livenessProbe"]["failureThreshold"], 3);
    assert_eq!(operator["livenessProbe"]["httpGet"]["path"], "/healthz");
    assert!(operator.get("readinessProbe").is_none(), "{operator}");
    assert_eq!(operator["volumeMounts"].as_array().unwrap().len(), 2);
    assert_eq!(operator["args"], json!(["run"]));
    // The test ends, and a sidecar would not.
    assert_eq!(test["containers"].as_array().unwrap().len(), 1);
    assert_eq!(test["restartPolicy"], "Never");
    assert!(test.get("topologySpreadConstraints").is_none(), "{test}");
}

#[tokio::test]
async fn named_items_are_merged_and_empty_ones_replace() {
    let ca = json!({"hub": {"ca": {"configMapName": "ca"}}, "podSpec": {
        "volumes": [{"name": "ca", "configMap": {"optional": true}}],
        "securityContext": {},
        "containers": [{"name": "operator", "env": [{"name": "RUST_LOG", "value": "off"}]}],
    }});
    let (pod, _) = specs(&ca).await;
    let config = &pod["volumes"][0]["configMap"];
    assert_eq!(
        (&config["name"], &config["optional"]),
        (&json!("ca"), &json!(true))
    );
    assert_eq!(pod["securityContext"], json!({}));
    let environment = pod["containers"][0]["env"].as_array().unwrap();
    let logs: Vec<&Value> = environment
        .iter()
        .filter(|variable| variable["name"] == "RUST_LOG")
        .collect();
    assert_eq!(logs, [&json!({"name": "RUST_LOG", "value": "off"})]);
    assert!(environment.len() > 5, "{environment:?}");
}

#[tokio::test]
async fn deployment_is_merged_over_the_deployment() {
    let all = rendered(&sample("a Deployment")).await;
    let deployment = of_kind(&all, "Deployment")[0];
    let annotations = &deployment["metadata"]["annotations"];
    assert_eq!(annotations["reloader.stakater.com/auto"], "true");
    let spec = &deployment["spec"];
    assert_eq!(spec["revisionHistoryLimit"], 3);
    assert_eq!(spec["strategy"], json!({"type": "Recreate"}));
    let annotations = &spec["template"]["metadata"]["annotations"];
    assert_eq!(annotations["checksum"], "1");
    assert_eq!(
        annotations["kubectl.kubernetes.io/default-container"],
        "operator"
    );
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
async fn the_test_pod_keeps_its_own_account_and_gets_no_token() {
    let values = json!({
        "serviceAccount": {"name": "own"},
        "podSpec": {"automountServiceAccountToken": true, "serviceAccountName": "own"},
    });
    let (pod, test) = specs(&values).await;
    assert_eq!(pod["automountServiceAccountToken"], true);
    assert_eq!(test["automountServiceAccountToken"], false);
    assert_eq!(test["serviceAccountName"], "own");
}

#[tokio::test]
async fn null_changes_the_type_of_a_volume_a_probe_a_variable_and_the_strategy() {
    let probe = json!({"httpGet": null, "tcpSocket": {"port": "http"}});
    let source = json!({"secretKeyRef": {"name": "a", "key": "b"}});
    let variable = json!({"name": "RUST_LOG", "value": null, "valueFrom": source});
    let values = json!({
        "hub": {"ca": {"configMapName": "ca"}},
        "podSpec": {
            "volumes": [{"name": "ca", "configMap": null, "emptyDir": {}}],
            "containers": [{"name": "operator", "livenessProbe": probe, "env": [variable]}],
        },
        "deployment": {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}},
    });
    let all = rendered(&values).await;
    let spec = &of_kind(&all, "Deployment")[0]["spec"];
    assert_eq!(spec["strategy"], json!({"type": "Recreate"}));
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["volumes"], json!([{"name": "ca", "emptyDir": {}}]));
    let operator = &pod["containers"][0];
    let probe = operator["livenessProbe"].as_object().unwrap();
    assert!(probe.contains_key("tcpSocket") && !probe.contains_key("httpGet"));
    let environment = operator["env"].as_array().unwrap();
    let variable = json!({"name": "RUST_LOG", "valueFrom": source});
    assert!(environment.contains(&variable), "{environment:?}");
}
