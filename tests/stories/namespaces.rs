//! A namespace is deleted, and its controller deletes the contents in an order of its own. The
//! models are turned off nevertheless, or the namespace says what it waits for.

use cluster::{Cluster, Process};
use hub::{Hub, Model};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{Api, Resource, runtime::wait::await_condition};
use oxen_operator::api::FINALIZER;
use serde_json::json;
use testkit::world::{DEADLINE, Operator, World, eventually, is_blocked, ready, with_crd};
use tokio::{sync::OnceCell, time::timeout};

const NAMES: [&str; 2] = ["bot", "reader"];

/// The control plane of these stories. On that of the other ones, no controller deletes namespaces.
static CLUSTER: OnceCell<(Cluster, Process)> = OnceCell::const_new();

/// Creates a world with two settled, active objects.
async fn settled() -> (World, Operator) {
    let start = || async {
        let cluster = with_crd().await;
        let manager = cluster.controller_manager().await.unwrap();
        (cluster, manager)
    };
    let (cluster, _) = CLUSTER.get_or_init(start).await;
    let hub = NAMES.iter().fold(Hub::builder(), |hub, name| {
        hub.model(Model::custom(*name).status("active"))
    });
    let world = World::on(cluster, hub).await;
    let operator = world.operator();
    for name in NAMES {
        let spec = json!({"model": name, "state": "active"});
        world.create(name, spec).await;
    }
    for name in NAMES {
        world.until_reason(name, "Active").await;
        world.until_finalizer(name).await;
    }
    (world, operator)
}

async fn delete_namespace(world: &World) {
    let command = ["delete", "namespace", &world.namespace, "--wait=false"];
    world.kubectl(&command).await.ok().unwrap();
}

/// Waits until an object is gone.
async fn until_gone<K>(api: Api<K>, name: &str)
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let gone = |object: Option<&K>| object.is_none();
    if timeout(DEADLINE, await_condition(api.clone(), name, gone))
        .await
        .is_err()
    {
        panic!("{name} was never gone: {:#?}", api.get_opt(name).await);
    }
}

async fn until_secret_gone(world: &World) {
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    until_gone(secrets, "oxen-api-key").await;
}

async fn until_all_gone(world: &World) {
    for name in NAMES {
        world.until_gone(name).await;
    }
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    until_gone(namespaces, &world.namespace).await;
}

/// Waits until an object's deletion is blocked for this reason.
async fn until_blocked(world: &World, name: &str, reason: &str) {
    let blocked = |object: &_| {
        is_blocked(object) && ready(object).is_some_and(|ready| ready.reason == reason)
    };
    let described = format!("blocked by {reason}, with the way out");
    world.until(name, &described, blocked).await;
}

/// Waits until the namespace's own status names what it waits for.
async fn until_namespace_names_the_finalizer(world: &World) {
    eventually("the namespace names the finalizer", || async {
        let command = ["get", "namespace", &world.namespace, "-o", "yaml"];
        let yaml = world.kubectl(&command).await.ok().unwrap().stdout;
        let shown: Namespace = serde_yaml::from_str(&yaml).unwrap();
        let conditions = shown.status?.conditions?;
        let waits = conditions
            .iter()
            .find(|one| one.type_ == "NamespaceFinalizersRemaining" && one.status == "True")?;
        let message = waits.message.as_deref()?;
        message.contains(FINALIZER).then_some(())
    })
    .await;
}

/// Checks that the API server refused no request of a reconcile. In a namespace that is being
/// deleted, only events can't be written, and that fails nothing. A connection that breaks on a
/// busy machine is no refusal.
fn nothing_was_refused(operator: &Operator) {
    let log = operator.log();
    let is_refusal = |line: &str| {
        line.contains("a request to the Kubernetes API failed") && line.contains("ApiError")
    };
    let refused = log.lines().find(|line| is_refusal(line));
    assert!(refused.is_none() && !log.contains("panicked"), "{log}");
}

/// Forbids to delete OxenModels of the namespace, so that its Secret is deleted first.
async fn forbid_deletion(world: &World) {
    let name = &world.namespace;
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["oxen.ai"],
                "apiVersions": ["*"],
                "operations": ["DELETE"],
                "resources": ["oxenmodels"],
            }]},
            "validations": [{"expression": "false", "message": "not yet"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}},
        },
    });
    for manifest in [policy, binding] {
        let create = ["create", "-f", "-"];
        let created = world
            .cluster
            .kubectl_stdin(&create, &manifest.to_string())
            .await;
        created.unwrap().ok().unwrap();
    }
    eventually("the deletion is forbidden", || async {
        let tried = ["delete", "oxm", NAMES[0], "--dry-run=server"];
        let tried = world.kubectl(&tried).await;
        tried.stderr.contains("not yet").then_some(())
    })
    .await;
}

async fn allow_deletion(world: &World) {
    let kind = "validatingadmissionpolicybinding";
    let command = ["delete", kind, &world.namespace];
    world.kubectl(&command).await.ok().unwrap();
}

#[tokio::test]
async fn a_deleted_namespace_turns_its_models_off_without_its_secret() {
    let (world, operator) = settled().await;
    forbid_deletion(&world).await;
    delete_namespace(&world).await;
    until_secret_gone(&world).await;
    for name in NAMES {
        world.until_reason(name, "CredentialsNotFound").await;
    }
    assert!(NAMES.iter().all(|name| world.calls(name).is_empty()));

    allow_deletion(&world).await;
    until_all_gone(&world).await;
    for name in NAMES {
        assert_eq!(world.calls(name), ["deactivate"]);
        assert_eq!(world.hub.live(name).unwrap(), ["inactive"]);
    }
    nothing_was_refused(&operator);
}

#[tokio::test]
async fn a_deleted_namespace_without_a_key_waits_until_it_is_retained() {
    let (world, operator) = settled().await;
    operator.kill();
    delete_namespace(&world).await;
    until_secret_gone(&world).await;

    // This process never had the key.
    let operator = world.operator();
    for name in NAMES {
        until_blocked(&world, name, "CredentialsNotFound").await;
    }
    until_namespace_names_the_finalizer(&world).await;
    operator.until_logged("the event was not published").await;

    for name in NAMES {
        let patch = r#"{"spec":{"deletionPolicy":"Retain"}}"#;
        let command = ["patch", "oxm", name, "--type", "merge", "-p", patch];
        world.kubectl(&command).await.ok().unwrap();
    }
    until_all_gone(&world).await;
    for name in NAMES {
        assert_eq!(world.calls(name), [""; 0]);
        assert_eq!(world.hub.live(name).unwrap(), ["active"]);
    }
    nothing_was_refused(&operator);
}

#[tokio::test]
async fn a_namespace_that_is_deleted_while_the_hub_is_down_waits_for_it() {
    let (world, operator) = settled().await;
    world.hub.stop().await.unwrap();
    delete_namespace(&world).await;
    for name in NAMES {
        until_blocked(&world, name, "HubUnreachable").await;
    }
    until_secret_gone(&world).await;
    until_namespace_names_the_finalizer(&world).await;

    world.hub.restart().await.unwrap();
    until_all_gone(&world).await;
    for name in NAMES {
        assert_eq!(world.calls(name), ["deactivate"]);
        assert_eq!(world.hub.live(name).unwrap(), ["inactive"]);
    }
    nothing_was_refused(&operator);
}
