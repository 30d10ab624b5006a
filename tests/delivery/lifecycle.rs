//! Installed, upgraded, rolled back and taken off again: no call comes of it, and nothing is left behind unsaid.

use cluster::Signal;
use hub::{Hub, Model};
use serde_json::{Value, json};

use crate::{
    install::{Installed, RELEASE, SYSTEM},
    world::{Operator, has_finalizer},
};

/// One pod after another, as a rolling update does it: the new one stands by before the old one goes.
async fn roll(installed: &Installed, old: Operator, name: &str) -> Operator {
    let gate = installed.gate().await;
    let new = installed.pod(name, &gate).await;
    new.says("stands by").await;
    let mut old = old;
    old.signal(Signal::TERM);
    assert_eq!(old.ended().await, Some(0), "{}", old.log());
    new.says("the last leader was seen to let go").await;
    // The gate goes with the test.
    std::mem::forget(gate);
    new
}

#[tokio::test]
async fn an_upgrade_and_a_rollback_cause_no_call_and_an_uninstall_leaves_what_the_docs_say() {
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
    installed.world.until_looked("on", 3).await;
    let rolled = installed
        .world
        .cluster
        .helm(&["rollback", RELEASE, "1", "--namespace", SYSTEM])
        .await;
    rolled.unwrap().ok().unwrap();
    let third = roll(&installed, second, "third").await;
    installed.world.until_looked("on", 3).await;
    assert_eq!(installed.world.hub.journal().posts().len(), calls);
    installed.world.until("on", "held", has_finalizer).await;

    // The wrong order: the operator goes first.
    let gone = installed
        .world
        .cluster
        .helm(&["uninstall", RELEASE, "--namespace", SYSTEM])
        .await;
    gone.unwrap().ok().unwrap();
    drop(third);
    assert_eq!(installed.world.hub.journal().posts().len(), calls);
    assert_eq!(installed.world.hub.live("on").unwrap(), ["active"]);
    left_behind(&installed).await;

    installed.world.delete("on").await;
    let waits = installed.world.get("on").await;
    assert!(waits.metadata.deletion_timestamp.is_some());
    let_go(&installed, "on").await;
    installed.world.until_gone("on").await;
    assert_eq!(installed.world.hub.live("on").unwrap(), ["active"]);

    // And the definition last, with what nothing holds.
    let_go(&installed, "off").await;
    installed
        .kubectl(&["delete", "crd", "oxenmodels.oxen.ai", "--timeout=60s"])
        .await;
    let gone = installed
        .try_kubectl(&["get", "oxenmodels", "--all-namespaces"])
        .await;
    assert!(!gone.status.success());
}

/// The documented line that takes an object's finalizer off by hand.
async fn let_go(installed: &Installed, name: &str) {
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

/// Of the chart's objects only the definition stays, with every OxenModel.
async fn left_behind(installed: &Installed) {
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
