//! Tests of the operator's RBAC rules: it has every right that it needs, and it uses every right
//! that it has.

use std::collections::BTreeSet;

use cluster::StatusCode;
use hub::{Hub, Model};
use serde_json::{Value, json};
use testkit::world::{DEADLINE, message};

use crate::install::{Installed, RELEASE, SYSTEM};

/// A right: verb, API group, and resource with its subresource.
type Right = (String, String, String);

fn right(verb: &str, group: &str, resource: &str) -> Right {
    (verb.into(), group.into(), resource.into())
}

/// The rights that the chart's roles of this kind grant to the operator.
async fn granted(installed: &Installed, kind: &str) -> BTreeSet<Right> {
    let roles = installed
        .json(&[
            "get",
            kind,
            "--all-namespaces",
            "--selector",
            "app.kubernetes.io/instance=oxen-operator",
        ])
        .await;
    let mut all = BTreeSet::new();
    for role in roles["items"].as_array().unwrap() {
        // The aggregated roles are for people, not for the operator.
        if role["metadata"]["labels"]
            .as_object()
            .unwrap()
            .keys()
            .any(|label| label.contains("aggregate-to"))
        {
            continue;
        }
        for rule in role["rules"].as_array().unwrap() {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    for verb in texts(&rule["verbs"]) {
                        assert!(![group, resource, verb].contains(&"*"), "{rule}");
                        all.insert(right(verb, group, resource));
                    }
                }
            }
        }
    }
    all
}

fn texts(value: &Value) -> impl Iterator<Item = &str> + Clone {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
}

/// The rights that the chart's ServiceAccount used, and those that it was refused.
fn asked(installed: &Installed) -> (BTreeSet<Right>, BTreeSet<Right>) {
    let account = format!("system:serviceaccount:{SYSTEM}:{RELEASE}");
    let (mut used, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for request in installed.world.cluster.requests().unwrap() {
        if request.user != account {
            continue;
        }
        let resource = match request.subresource.as_str() {
            "" => request.resource.clone(),
            subresource => format!("{}/{subresource}", request.resource),
        };
        let right = right(&request.verb, &request.group, &resource);
        let set = if request.code == 403 {
            &mut refused
        } else {
            &mut used
        };
        set.insert(right);
    }
    (used, refused)
}

fn spec(state: &str) -> Value {
    json!({"model": "bot", "state": state})
}

fn bot() -> hub::Builder {
    Hub::builder().model(Model::custom("bot").status("inactive"))
}

/// Activates, deactivates and activates the model, and deletes the object.
async fn life(installed: &Installed) {
    let world = &installed.world;
    world.until_reason("bot", "Active").await;
    for (state, reason) in [("inactive", "Inactive"), ("active", "Active")] {
        world.edit("bot", spec(state)).await;
        world.until_reason("bot", reason).await;
    }
    world.until_finalizer("bot").await;
    world.delete("bot").await;
    world.until_gone("bot").await;
    assert_eq!(
        world.calls("bot"),
        ["activate", "deactivate", "activate", "deactivate"]
    );
}

#[tokio::test]
async fn every_right_is_used_and_no_other_is_needed() {
    let values = json!({"replicas": 2, "budgets": {"enabled": true}});
    let installed = Installed::new(bot(), |_| values.clone()).await;
    let world = &installed.world;
    let gate = installed.gate().await;
    // Some rights are used only in special cases: a Secret is read while its watch has not started,
    // and an object is read after a conflict.
    let slow = gate.hold("GET", "/api/v1/secrets?");
    gate.refuse_once("PATCH", "/bot/status", StatusCode::CONFLICT);
    let wide = json!({"apiVersion": "oxen.ai/v1alpha1", "kind": "OxenBudget",
        "metadata": {"name": "wide", "namespace": world.namespace}, "spec": {"maxActive": 9}});
    let (apply, wide) = (["apply", "-f", "-"], wide.to_string());
    let applied = world.cluster.kubectl_stdin(&apply, &wide);
    applied.await.unwrap().ok().unwrap();
    world.create("bot", spec("active")).await;
    let first = installed.pod("first", &gate).await;
    first.until_logged("leading").await;
    world
        .until("bot", "observed", |object| !message(object).is_empty())
        .await;
    drop(slow);
    let second = installed.pod("second", &gate).await;
    second.until_logged("standby: another replica leads").await;
    for pod in [&first, &second] {
        installed.probes(pod).await;
    }
    life(&installed).await;

    let mut granted = granted(&installed, "clusterroles").await;
    granted.extend(self::granted(&installed, "roles").await);
    // The API server logs a watch when it ends, and a standby's watches end with its process.
    drop(second);
    let unused = || -> Vec<Right> {
        let (used, _) = asked(&installed);
        granted.difference(&used).cloned().collect()
    };
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !unused().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", unused());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let (used, refused) = asked(&installed);
    assert_eq!(
        (used.difference(&granted).count(), refused.len()),
        (0, 0),
        "{used:?} {refused:?}"
    );
}

#[tokio::test]
async fn with_a_list_of_namespaces_there_are_no_rights_in_others() {
    let installed = Installed::new(bot(), |namespace| json!({"namespaces": [namespace]})).await;
    let world = &installed.world;
    let cluster_wide = granted(&installed, "clusterroles").await;
    assert!(cluster_wide.is_empty(), "{cluster_wide:?}");
    let bindings = installed
        .json(&[
            "get",
            "clusterrolebindings",
            "--selector",
            "app.kubernetes.io/instance=oxen-operator",
        ])
        .await;
    assert_eq!(bindings["items"], json!([]));

    let gate = installed.gate().await;
    world.create("bot", spec("active")).await;
    let _pod = installed.pod("only", &gate).await;
    life(&installed).await;
    let (_, refused) = asked(&installed);
    // The operator can't see whether the CustomResourceDefinition is being deleted, so it assumes
    // that it is not.
    let crd = right("get", "apiextensions.k8s.io", "customresourcedefinitions");
    assert_eq!(refused, [crd].into());
}

#[tokio::test]
async fn only_secrets_with_listed_names_may_be_read() {
    let installed = Installed::new(bot(), |_| json!({})).await;
    let account = format!("--as=system:serviceaccount:{SYSTEM}:{RELEASE}");
    let may = async |arguments: &[&str]| {
        let get = ["get", "secrets", &account];
        installed
            .try_kubectl(&[&get, arguments].concat())
            .await
            .status
            .success()
    };
    assert!(!may(&["--all-namespaces"]).await);
    assert!(!may(&["--namespace", SYSTEM]).await);
    assert!(
        !may(&[
            "--all-namespaces",
            "--field-selector",
            "metadata.name=other"
        ])
        .await
    );
    assert!(
        may(&[
            "--all-namespaces",
            "--field-selector",
            "metadata.name=oxen-api-key"
        ])
        .await
    );
    for (verb, resource) in [
        ("create", "oxenmodels"),
        ("delete", "oxenmodels"),
        ("update", "oxenmodels"),
        ("create", "secrets"),
        ("get", "configmaps"),
        ("get", "pods"),
        ("delete", "leases.coordination.k8s.io"),
        ("patch", "customresourcedefinitions"),
    ] {
        let asked = [
            "auth",
            "can-i",
            verb,
            resource,
            &account,
            "--all-namespaces",
        ];
        let answer = installed.try_kubectl(&asked).await;
        assert_eq!(answer.stdout.trim(), "no", "{verb} {resource}");
    }
}
