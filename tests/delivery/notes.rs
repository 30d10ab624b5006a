//! What Helm says after an install about settings that weaken the security of the pods.

use serde_json::{Value, json};

use crate::chart::helm;

/// The notes that Helm prints after an install with these values.
async fn notes(values: &Value) -> String {
    let install = [
        "install",
        "oxen-operator",
        "--dry-run=client",
        "--namespace",
        "x",
    ];
    let text = helm(&install, values).await.ok().unwrap().stdout;
    text.split_once("\nNOTES:\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn the_notes_name_what_the_security_context_lacks() {
    assert!(!notes(&json!({})).await.contains("WARNING"));
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
        let notes = notes(&values).await;
        let warning = format!("container does not set: {lacks}, which the chart sets by default.");
        assert!(notes.contains(&warning), "{values}: {notes}");
    }
}

#[tokio::test]
async fn the_notes_name_what_weakens_the_isolation_of_the_pods() {
    let containers = |kind: &str, security: Value| json!({"podSpec": {kind: [{"name": "a", "image": "a", "securityContext": security}]}});
    for (values, weak) in [
        (
            json!({"podSpec": {"hostNetwork": true, "hostPID": true}}),
            "hostNetwork, hostPID",
        ),
        (json!({"podSpec": {"hostIPC": true}}), "hostIPC"),
        (
            json!({"podSecurityContext": {"runAsUser": 0}}),
            "runAsUser: 0",
        ),
        (
            json!({"podSecurityContext": {"runAsNonRoot": false}}),
            "runAsNonRoot: false",
        ),
        (
            containers("initContainers", json!({"runAsUser": 0})),
            "runAsUser: 0 in the container a",
        ),
        (
            containers("containers", json!({"privileged": true})),
            "privileged in the container a",
        ),
        (
            containers("initContainers", json!({"runAsNonRoot": false})),
            "runAsNonRoot: false in the container a",
        ),
        (
            containers(
                "containers",
                json!({"capabilities": {"add": ["NET_ADMIN"]}}),
            ),
            "capabilities.add in the container a",
        ),
        (
            json!({"securityContext": {"privileged": true}}),
            "privileged in the container operator",
        ),
    ] {
        let notes = notes(&values).await;
        let warning = format!("WARNING: these settings weaken the isolation of the pods: {weak}.");
        assert!(notes.contains(&warning), "{values}: {notes}");
    }
    let strict = json!({"privileged": false, "runAsUser": 1000, "runAsNonRoot": true});
    let notes = notes(&containers("containers", strict)).await;
    assert!(!notes.contains("isolation"), "{notes}");
}
