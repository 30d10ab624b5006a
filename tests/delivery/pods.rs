//! The pods that the chart renders: what podSpec and deployment merge over them, and their names.

use serde_json::{Value, json};

use crate::{
    chart::{assert_refused, helm, of_kind, rendered, rendered_as},
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
async fn replaced_values_are_refused_with_the_new_form() {
    for (name, value) in [
        ("priorityClassName", json!("high")),
        ("nodeSelector", json!({"a": "b"})),
        ("tolerations", json!([{"operator": "Exists"}])),
        ("affinity", json!({})),
        ("topologySpreadConstraints", json!([])),
        ("terminationGracePeriodSeconds", json!(60)),
    ] {
        let says = format!("write it as podSpec.{name}");
        assert_refused(&json!({name: value}), &says).await;
    }
}

#[tokio::test]
async fn what_breaks_the_release_or_its_safety_is_refused() {
    let key = json!({"name": "OXEN_API_KEY", "value": "not-a-real-key"});
    for (values, says) in [
        (
            json!({"deployment": {"kind": "DaemonSet"}}),
            "deployment.kind",
        ),
        (
            json!({"deployment": {"metadata": {"name": "a"}}}),
            "metadata.name",
        ),
        (
            json!({"deployment": {"metadata": {"namespace": "a"}}}),
            "metadata.namespace",
        ),
        (
            json!({"deployment": {"spec": {"selector": {"a": "b"}}}}),
            "spec.selector",
        ),
        (
            json!({"deployment": {"spec": {"replicas": 2}}}),
            "use the value replicas",
        ),
        (
            json!({
                "leaderElection": {"enabled": false},
                "deployment": {"spec": {"strategy": {"type": "RollingUpdate"}}},
            }),
            "strategy is not Recreate",
        ),
        (
            json!({"deployment": {"spec": null}}),
            "the operator's container",
        ),
        (
            json!({"podSpec": {"containers": []}}),
            "the operator's container",
        ),
        (
            json!({"podSpec": {"containers": [{"image": "a"}]}}),
            "the operator's container",
        ),
        (
            json!({"podSpec": {"containers": [{"name": "operator", "env": [key.clone()]}]}}),
            "OXEN_API_KEY is not allowed",
        ),
        (
            json!({"deployment": {"spec": {"template": {"spec": {
                "containers": [{"name": "another", "env": [key]}],
            }}}}}),
            "OXEN_API_KEY is not allowed",
        ),
    ] {
        assert_refused(&values, says).await;
    }
}

#[tokio::test]
async fn the_notes_name_what_the_security_context_lacks() {
    let notes = async |values: Value| {
        let install = [
            "install",
            "oxen-operator",
            "--dry-run=client",
            "--namespace",
            "x",
        ];
        let text = helm(&install, &values).await.ok().unwrap().stdout;
        text.split_once("\nNOTES:\n").unwrap().1.to_owned()
    };
    assert!(!notes(json!({})).await.contains("WARNING"));
    for (values, lacks) in [
        (
            json!({"podSpec": {"securityContext": null}}),
            "runAsNonRoot, seccompProfile",
        ),
        (
            json!({"podSpec": {"containers": [{"name": "operator", "securityContext": {}}]}}),
            "allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities",
        ),
        (
            json!({"podSecurityContext": null}),
            "runAsNonRoot, seccompProfile",
        ),
        (
            json!({"securityContext": {"runAsNonRoot": false, "readOnlyRootFilesystem": false}}),
            "runAsNonRoot, readOnlyRootFilesystem",
        ),
        (
            json!({"securityContext": {"allowPrivilegeEscalation": true, "capabilities": null}}),
            "allowPrivilegeEscalation, capabilities",
        ),
    ] {
        let notes = notes(values.clone()).await;
        let warning = format!("default security contexts: {lacks}.");
        assert!(notes.contains(&warning), "{values}: {notes}");
    }
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
