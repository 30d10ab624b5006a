//! Tests of install, upgrade, rollback and uninstall: none of them causes a call, and an uninstall
//! leaves only what the docs say.

use cluster::Signal;
use hub::{Hub, Model};
use serde_json::{Value, json};
use testkit::world::Operator;

use crate::install::{Installed, RELEASE, SYSTEM};

/// Replaces a pod as a rolling update does: the new pod stands by before the old one is stopped.
async fn roll(installed: &Installed, old: Operator, name: &str) -> Operator {
    let gate = installed.gate().await;
    let new = installed.pod(name, &gate).await;
    new.until_logged("standby: another replica leads").await;
    let mut old = old;
    old.signal(Signal::TERM);
    assert_eq!(old.exit_code().await, Some(0), "{}", old.log());
    new.until_logged("the last leader released the Lease").await;
    // The new pod needs the gate until the end of the test.
    std::mem::forget(gate);
    new
}

#[tokio::test]
async fn upgrade_and_rollback_cause_no_call_and_uninstall_keeps_the_crd() {
    let hub = Hub::builder()
        .model(Model::custom("on").status("inactive"))
        .model(Model::custom("off").status("active"));
    let mut installed = Installed::new(hub, |_| json!({})).await;
    let gate = installed.gate().await;
    let first = installed.pod("first", &gate).await;
    for (name, state) in [("on", "active"), ("off", "inactive")] {
        let spec = json!({"model": name, "state": state});
        installed.world.create(name, spec).await;
    }
    installed.world.until_reason("on", "Active").await;
    installed.world.until_reason("off", "Inactive").await;
    let calls = installed.world.hub.journal().posts().len();
    assert_eq!(calls, 2);

    let changed = json!({"replicas": 2, "syncInterval": "300ms", "log": {"level": "info"}, "deletionPolicy": "Retain"});
    installed.upgrade(changed).await;
    let second = roll(&installed, first, "second").await;
    installed.world.until_observed("on", 3).await;
    let rolled = installed
        .world
        .cluster
        .helm(&["rollback", RELEASE, "1", "--namespace", SYSTEM])
        .await;
    rolled.unwrap().ok().unwrap();
    let third = roll(&installed, second, "third").await;
    installed.world.until_observed("on", 3).await;
    assert_eq!(installed.world.hub.journal().posts().len(), calls);
    installed.world.until_finalizer("on").await;

    // Uninstall in the wrong order: the operator before the objects.
    let gone = installed
        .world
        .cluster
        .helm(&["uninstall", RELEASE, "--namespace", SYSTEM])
        .await;
    gone.unwrap().ok().unwrap();
    drop(third);
    assert_eq!(installed.world.hub.journal().posts().len(), calls);
    assert_eq!(installed.world.hub.live("on").unwrap(), ["active"]);
    assert_only_the_crd_is_left(&installed).await;

    installed.world.delete("on").await;
    let waits = installed.world.get("on").await;
    assert!(waits.metadata.deletion_timestamp.is_some());
    remove_finalizer(&installed, "on").await;
    installed.world.until_gone("on").await;
    assert_eq!(installed.world.hub.live("on").unwrap(), ["active"]);

    // Delete the CustomResourceDefinition last, when no finalizer is left.
    remove_finalizer(&installed, "off").await;
    installed
        .kubectl(&["delete", "crd", "oxenmodels.oxen.ai", "--timeout=60s"])
        .await;
    let gone = installed
        .try_kubectl(&["get", "oxenmodels", "--all-namespaces"])
        .await;
    assert!(!gone.status.success());
}

/// Removes the finalizer by hand.
async fn remove_finalizer(installed: &Installed, name: &str) {
    let patch = r#"{"metadata":{"finalizers":null}}"#;
    let line = [
        "patch",
        "oxenmodel",
        name,
        "--type",
        "merge",
        "--patch",
        patch,
    ];
    installed.world.kubectl(&line).await.ok().unwrap();
}

/// Asserts that the CustomResourceDefinition is the only object of the chart that is left.
async fn assert_only_the_crd_is_left(installed: &Installed) {
    let kinds = installed
        .kubectl(&["api-resources", "--verbs=list", "--output", "name"])
        .await;
    let kinds: Vec<&str> = kinds
        .lines()
        .filter(|kind| !kind.starts_with("events"))
        .collect();
    let selector = "app.kubernetes.io/instance=oxen-operator";
    let left = installed
        .json(&[
            "get",
            &kinds.join(","),
            "--all-namespaces",
            "--selector",
            selector,
        ])
        .await;
    let left: Vec<&Value> = left["items"].as_array().unwrap().iter().collect();
    let names: Vec<&str> = left
        .iter()
        .map(|object| object["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["oxenmodels.oxen.ai"]);
}

#[tokio::test]
async fn a_second_release_in_one_namespace_says_that_another_one_leads() {
    let namespaces = |namespace: &str| json!({"namespaces": [namespace]});
    let installed = Installed::new(Hub::builder(), namespaces).await;
    let gate = installed.world.cluster.gate().await.unwrap();
    let first = installed.pod("first", &gate).await;
    first.until_logged("leading").await;
    let mut values = namespaces("default");
    values["crds"] = json!({"enabled": false});
    installed.second("second", values).await;
    let second = installed
        .pod_of("second-oxen-operator", "second", &gate)
        .await;
    let words = format!("different namespaces ({})", installed.world.namespace);
    second.until_logged(&words).await;
    second.ready().await;
    let answer = reqwest::get(format!("{}/readyz", second.url().await)).await;
    let text = answer.unwrap().text().await.unwrap();
    assert!(text.contains(&words), "{text}");
}
