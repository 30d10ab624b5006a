//! What the values podSpec and deployment may not change, and values that have moved.

use serde_json::{Value, json};

use crate::chart::{assert_refused, rendered};

/// Values that merge these fields into the operator's container.
fn operator(mut container: Value) -> Value {
    container["name"] = json!("operator");
    json!({"podSpec": {"containers": [container]}})
}

#[tokio::test]
async fn values_that_have_moved_are_refused_in_one_message_unless_they_are_empty() {
    let old = json!({
        "priorityClassName": "high",
        "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"podAffinity": {}},
        "topologySpreadConstraints": [{"topologyKey": "zone"}],
        "terminationGracePeriodSeconds": 60,
    });
    for (name, value) in old.as_object().unwrap() {
        let says = format!("{name} has moved: set podSpec.{name} instead");
        assert_refused(&json!({name: value}), &says).await;
        assert_refused(&old, &says).await;
    }
    // These are the defaults of the values before they moved, in a copy of the whole file.
    let empty = json!({
        "priorityClassName": "",
        "nodeSelector": {},
        "tolerations": [],
        "affinity": {},
        "topologySpreadConstraints": [],
        "terminationGracePeriodSeconds": null,
    });
    assert_eq!(rendered(&empty).await, rendered(&json!({})).await);
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
            json!({"podSpec": {"containers": []}}),
            "the operator's container",
        ),
        (
            json!({"podSpec": {"containers": [{"name": "another"}], "initContainers": null},
                "deployment": {"spec": {"template": {"spec": {"containers": []}}}}}),
            "the operator's container",
        ),
        (
            json!({"deployment": {"spec": {"template": null}}}),
            "the operator's container",
        ),
        (
            json!({"podSpec": {"containers": [{"name": "operator", "env": [key.clone()]}]}}),
            "OXEN_API_KEY is not allowed",
        ),
        (
            json!({"deployment": {"spec": {"template": {"spec": {
                "containers": [{"name": "another", "env": [key.clone()]}],
            }}}}}),
            "OXEN_API_KEY is not allowed",
        ),
        (
            json!({"podSpec": {"initContainers": [{"name": "another", "env": [key]}]}}),
            "OXEN_API_KEY is not allowed",
        ),
    ] {
        assert_refused(&values, says).await;
    }
}

#[tokio::test]
async fn fields_that_other_objects_depend_on_are_refused_whatever_their_new_value() {
    for (path, values) in [
        (
            vec!["apiVersion"],
            vec![json!("v1"), json!(null), json!(0), json!("")],
        ),
        (
            vec!["kind"],
            vec![json!("DaemonSet"), json!(null), json!(false)],
        ),
        (
            vec!["metadata", "name"],
            vec![json!("a"), json!(null), json!(0), json!("")],
        ),
        (
            vec!["metadata", "namespace"],
            vec![json!("a"), json!(null), json!("")],
        ),
        (
            vec!["spec", "replicas"],
            vec![json!(2), json!(0), json!(null)],
        ),
        (
            vec!["spec", "selector"],
            vec![json!(null), json!({}), json!({"matchLabels": null})],
        ),
    ] {
        for value in values {
            let inner = path
                .iter()
                .rev()
                .fold(value, |inner, key| json!({*key: inner}));
            let says = format!("deployment.{} can't be changed", path.join("."));
            assert_refused(&json!({"deployment": inner}), &says).await;
        }
    }
    for parent in ["metadata", "spec"] {
        for value in [json!(null), json!([]), json!("a")] {
            let says = format!("/deployment/{parent}");
            assert_refused(&json!({"deployment": {parent: value}}), &says).await;
        }
    }
    // The values that the chart renders are no change.
    let same = json!({"metadata": {"name": "oxen-operator"}, "spec": {"replicas": 1}});
    rendered(&json!({"deployment": same})).await;
}

#[tokio::test]
async fn leader_election_is_set_by_its_value_only() {
    let says = "leaderElection.enabled";
    for values in [
        json!({"extraArgs": ["--leader-elect=false"]}),
        json!({"replicas": 2, "extraArgs": ["--leader-elect", "false"]}),
        operator(json!({"args": ["run", "--leader-elect=false"]})),
        operator(json!({"command": ["/oxen-operator", "run", "--leader-elect=false"]})),
        operator(json!({"env": [{"name": "OXEN_LEADER_ELECT", "value": "false"}]})),
        operator(json!({"env": [{"name": "OXEN_LEADER_ELECT", "value": null}]})),
        operator(json!({"env": []})),
        json!({"deployment": {"spec": {"template": {"spec": {"containers": [
            {"name": "operator", "env": [{"name": "OXEN_LEADER_ELECT", "value": "false"}]},
        ]}}}}}),
    ] {
        assert_refused(&values, says).await;
    }
    rendered(&operator(
        json!({"env": [{"name": "OXEN_LEADER_ELECT", "value": "true"}]}),
    ))
    .await;
}

#[tokio::test]
async fn the_service_account_is_set_by_its_value_only() {
    let says = "use serviceAccount.name";
    for account in [json!("another"), json!(null), json!("")] {
        let values = json!({"podSpec": {"serviceAccountName": account}});
        assert_refused(&values, says).await;
    }
    let spec = json!({"serviceAccountName": "another"});
    let values = json!({"deployment": {"spec": {"template": {"spec": spec}}}});
    assert_refused(&values, says).await;
}

#[tokio::test]
async fn malformed_kubernetes_fields_are_named() {
    for (values, says) in [
        (
            json!({"podSpec": {"containers": {"name": "a"}}}),
            "/podSpec/containers",
        ),
        (
            json!({"podSpec": {"containers": ["a"]}}),
            "/podSpec/containers/0",
        ),
        (
            json!({"podSpec": {"containers": [{"image": "a"}]}}),
            "missing property 'name'",
        ),
        (
            json!({"podSpec": {"containers": [{"name": 1}]}}),
            "/podSpec/containers/0/name",
        ),
        (
            json!({"podSpec": {"initContainers": {"a": {}}}}),
            "/podSpec/initContainers",
        ),
        (
            json!({"podSpec": {"initContainers": [{"name": null}]}}),
            "/podSpec/initContainers/0/name",
        ),
        (
            operator(json!({"env": {"A": "b"}})),
            "/podSpec/containers/0/env",
        ),
        (
            operator(json!({"env": ["A"]})),
            "/podSpec/containers/0/env/0",
        ),
        (
            operator(json!({"env": [{"value": "b"}]})),
            "missing property 'name'",
        ),
        (
            operator(json!({"args": "run"})),
            "/podSpec/containers/0/args",
        ),
        (
            operator(json!({"securityContext": "none"})),
            "securityContext",
        ),
        (
            json!({"podSpec": {"securityContext": []}}),
            "/podSpec/securityContext",
        ),
        (
            json!({"deployment": {"spec": {"strategy": "Recreate"}}}),
            "/deployment/spec/strategy",
        ),
        (
            json!({"deployment": {"spec": {"template": []}}}),
            "/deployment/spec/template",
        ),
        (
            json!({"deployment": {"spec": {"template": {"spec": {"containers": "a"}}}}}),
            "/deployment/spec/template/spec/containers",
        ),
        (
            json!({"global": {"imagePullSecrets": "a"}}),
            "/global/imagePullSecrets",
        ),
        (
            json!({"global": {"imagePullSecrets": [1]}}),
            "/global/imagePullSecrets/0",
        ),
        (
            json!({"global": {"imagePullSecrets": [{"nam": "a"}]}}),
            "/global/imagePullSecrets/0",
        ),
        (
            json!({"networkPolicy": {"extraEgress": [{"ports": 1}]}}),
            "extraEgress/0/ports",
        ),
    ] {
        assert_refused(&values, says).await;
    }
    for values in [
        json!({"global": {"imagePullSecrets": null}}),
        json!({"podSpec": {"initContainers": null}}),
    ] {
        rendered(&values).await;
    }
}
