//! `doctor`: the screens of a sound installation and of one with faults, and its data.

use cluster::Cluster;
use hub::{Endpoint, Fault, Hub, Model};
use serde_json::{Value, json};
use testkit::world::{World, eventually, install_crd};

use crate::{bash, screens::golden};

/// A cluster with an operator's Deployment and Lease, whose namespace is `oxen-system`, and a user
/// who may see and not change.
async fn installed() -> Cluster {
    let cluster = Cluster::builder().user("dev", &[]).start().await.unwrap();
    install_crd(&cluster).await;
    let script = "kubectl create namespace oxen-system\n\
        kubectl apply -f - <<'END'\n\
        apiVersion: apps/v1\n\
        kind: Deployment\n\
        metadata:\n\
        \x20 name: oxen-operator\n\
        \x20 namespace: oxen-system\n\
        \x20 labels: {app.kubernetes.io/name: oxen-operator, app.kubernetes.io/version: 0.1.0}\n\
        spec:\n\
        \x20 replicas: 2\n\
        \x20 selector: {matchLabels: {app: oxen}}\n\
        \x20 template:\n\
        \x20   metadata: {labels: {app: oxen}}\n\
        \x20   spec: {containers: [{name: a, image: a}]}\n\
        ---\n\
        apiVersion: coordination.k8s.io/v1\n\
        kind: Lease\n\
        metadata: {name: oxen-operator, namespace: oxen-system}\n\
        spec:\n\
        \x20 holderIdentity: oxen-operator-0\n\
        \x20 leaseDurationSeconds: 36000\n\
        \x20 renewTime: \"$(date -u +%Y-%m-%dT%H:%M:%S.000000Z)\"\n\
        END\n\
        kubectl create clusterrole seer --verb=get,list,watch \
        --resource=oxenmodels.oxen.ai,events,secrets\n\
        kubectl create clusterrolebinding seer --clusterrole=seer --user=dev"
        .replace("'END'", "END");
    bash(&cluster, &script).await.ok().unwrap();
    ready(&cluster, 2).await;
    cluster
}

/// Shows this number of the operator's replicas as ready.
async fn ready(cluster: &Cluster, replicas: u32) {
    let script = format!(
        "kubectl -n oxen-system patch deployment oxen-operator --subresource=status \
         -p '{{\"status\": {{\"replicas\": 2, \"readyReplicas\": {replicas}}}}}'"
    );
    bash(cluster, &script).await.ok().unwrap();
}

/// The text with times, versions, addresses and the namespace replaced.
fn masked(world: &World<&Cluster>, text: &str) -> String {
    let text = text.replace(&world.hub.url(), "HUB");
    let text = text.replace(&world.cluster.url(), "SERVER");
    let text = text.replace(&world.namespace, "NAMESPACE");
    let line = |line: &str| {
        // What follows is a time, and its day where that is another one.
        let line = match line.split_once(" 401 since ") {
            Some((before, _)) => format!("{before} 401 since TIME"),
            None => line.to_owned(),
        };
        let words: Vec<&str> = line.split(' ').collect();
        let word = |at: usize| {
            let (word, next) = (words[at], words.get(at + 1).copied().unwrap_or_default());
            match word {
                _ if next.starts_with("ms") => word.replace(|c: char| c.is_ascii_digit(), ""),
                word if word.starts_with("v1.") => "VERSION".into(),
                word => word.to_owned(),
            }
        };
        (0..words.len()).map(word).collect::<Vec<_>>().join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

fn results(output: &str) -> Vec<(String, String)> {
    let data: Value = serde_json::from_str(output).unwrap();
    let checks = data["checks"].as_array().unwrap();
    let text = |check: &Value, field: &str| check[field].as_str().unwrap().to_owned();
    let results = checks
        .iter()
        .map(|check| (text(check, "id"), text(check, "result")));
    results.collect()
}

#[tokio::test]
async fn a_sound_installation_and_one_with_faults_have_the_golden_screens() {
    let cluster = installed().await;
    let model = |name: &str| Model::custom(name).status("active");
    let hub = Hub::builder().model(model("bot")).model(model("other"));
    let world = World::on(&cluster, hub).await;
    world.hub.add_key("acme", "other-secret-key");
    world
        .secret("other-key", "api-key", "other-secret-key")
        .await;
    let _operator = world.operator();
    for (name, spec) in [
        ("bot", json!({"model": "bot", "state": "active"})),
        (
            "other",
            json!({"model": "other", "state": "active",
                   "apiKeySecretRef": {"name": "other-key"}}),
        ),
    ] {
        world.create(name, spec).await;
        world.until_reason(name, "Active").await;
    }
    let doctor = async |user: &str, arguments: &str| {
        let config = match user {
            "admin" => cluster.kubeconfig(),
            user => cluster.kubeconfig_for(user).unwrap(),
        };
        let script = format!(
            "unset OXEN_API_KEY; export KUBECONFIG={} OXEN_BASE_URL={}\n\
             kubectl oxen doctor {arguments} -n {}",
            config.display(),
            world.hub.url(),
            world.namespace
        );
        bash(&cluster, &script).await
    };
    let sound = doctor("admin", "").await;
    assert_eq!(sound.status.code(), Some(0), "{sound:?}");
    golden("doctor", &masked(&world, &sound.stdout));
    let data = doctor("admin", "-o json").await;
    let results_ = results(&data.stdout);
    assert!(
        results_.iter().all(|(_, result)| result == "ok"),
        "{results_:?}"
    );

    // Objects that are stalled are no fault of the installation.
    world
        .create("typo", json!({"model": "typo", "state": "active"}))
        .await;
    world.until_reason("typo", "ModelNotFound").await;
    let stalled = doctor("admin", "").await;
    assert_eq!(stalled.status.code(), Some(2), "{stalled:?}");

    world.hub.revoke_key("other-secret-key");
    world.hub.add_model(model("free"));
    world.until_reason("other", "Unauthenticated").await;
    ready(&cluster, 0).await;
    let faulty = doctor("admin", "").await;
    assert_eq!(faulty.status.code(), Some(1), "{faulty:?}");
    golden("doctor-faults", &masked(&world, &faulty.stdout));
    assert!(!faulty.stdout.contains("secret-key"), "{faulty:?}");

    // A model that can't be read is counted.
    let refusal = Fault::status(403).body(json!({"error": "not yours"}));
    let fault = refusal.on_model("free").on(Endpoint::Retrieve);
    let fault = world.hub.inject(fault);
    let unread = doctor("admin", "-v").await;
    let words = "  warn  1 model can't be read, so whether it needs an OxenModel is not known\n";
    assert!(unread.stdout.contains(words), "{unread:?}");
    let told = unread
        .stderr
        .lines()
        .filter(|line| line.starts_with("key of "));
    let told: Vec<&str> = told.collect();
    assert!(
        told.iter().all(|line| line.starts_with("key of Secret ")),
        "{told:?}"
    );
    assert!(
        !told.is_empty() && !unread.stderr.contains("secret-key"),
        "{unread:?}"
    );
    world.hub.clear_fault(fault);

    // What may not be checked is skipped. The order and the names are the same.
    let restricted = doctor("dev", "-o json").await;
    assert_eq!(restricted.status.code(), Some(1), "{restricted:?}");
    let found = results(&restricted.stdout);
    for expected in [
        ("api-server", "ok"),
        ("crd", "skip"),
        ("operator-deployment", "skip"),
        ("operator-lease", "skip"),
        ("operator-keeps-up", "ok"),
        ("rights-show", "ok"),
        ("rights-change", "warn"),
        ("key-accepted", "fail"),
    ] {
        let expected = (expected.0.to_owned(), expected.1.to_owned());
        assert!(found.contains(&expected), "{expected:?}: {found:?}");
    }
    let ids = |results: Vec<(String, String)>| {
        let mut ids: Vec<String> = results.into_iter().map(|(id, _)| id).collect();
        ids.dedup();
        ids
    };
    assert_eq!(ids(found), ids(results_));

    // Where the user may look only in oxen-system, a Deployment that is not there may be elsewhere.
    let grant = "kubectl -n oxen-system create role looker --verb=get,list \
                 --resource=deployments.apps,leases.coordination.k8s.io\n\
                 kubectl -n oxen-system create rolebinding looker --role=looker --user=dev";
    bash(&cluster, grant).await.ok().unwrap();
    let deployment = async || {
        let found = results(&doctor("dev", "-o json").await.stdout);
        let found = found.into_iter().find(|it| it.0 == "operator-deployment");
        found.unwrap().1
    };
    // The API server's authorizer knows a new RoleBinding a little later.
    eventually("the Deployment is looked up", || async {
        (deployment().await == "fail").then_some(())
    })
    .await;
    let delete = "kubectl -n oxen-system delete deployment oxen-operator";
    bash(&cluster, delete).await.ok().unwrap();
    assert_eq!(deployment().await, "skip");

    // The lines that grant missing rights need none of the chart's roles.
    let delete = "kubectl delete clusterrolebinding seer";
    bash(&cluster, delete).await.ok().unwrap();
    let rights = ["rights-show", "rights-events", "rights-change"];
    let restricted = doctor("dev", "-o json").await;
    let fixes = fixes(&restricted.stdout, &rights);
    bash(&cluster, &fixes.join("\n")).await.ok().unwrap();
    let found = results(&doctor("dev", "-o json").await.stdout);
    for id in rights {
        assert!(found.contains(&(id.into(), "ok".into())), "{id}: {found:?}");
    }
}

/// The lines that repair these checks, each of which has some.
fn fixes(output: &str, ids: &[&str]) -> Vec<String> {
    let data: Value = serde_json::from_str(output).unwrap();
    let checks = data["checks"].as_array().unwrap();
    let of_id = |id: &&str| {
        let check = checks.iter().find(|check| check["id"] == **id).unwrap();
        let lines = check["fix"].as_array().unwrap_or_else(|| panic!("{check}"));
        let lines = lines.iter().map(|line| line.as_str().unwrap().to_owned());
        lines.collect::<Vec<_>>()
    };
    ids.iter().flat_map(of_id).collect()
}

#[tokio::test]
async fn a_hub_and_a_cluster_that_cannot_be_reached_are_told_apart() {
    let world = World::new(Hub::builder()).await;
    let doctor = async |hub: &str, arguments: &str| {
        let script = format!(
            "OXEN_BASE_URL={hub} kubectl oxen doctor -o json {arguments} -n {}",
            world.namespace
        );
        let output = bash(world.cluster, &script).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        results(&output.stdout)
    };
    let without_cluster = doctor(&world.hub.url(), "--server https://127.0.0.1:1").await;
    for (id, result) in without_cluster {
        let expected = match id.as_str() {
            "plugin-shadowed" | "hub-reachable" => "ok",
            "api-server" => "fail",
            _ => "skip",
        };
        assert_eq!(result, expected, "{id}");
    }
    let without_hub = doctor("http://127.0.0.1:1", "").await;
    let has = |id: &str, result: &str| without_hub.contains(&(id.into(), result.into()));
    assert!(
        has("hub-reachable", "fail") && has("api-server", "ok"),
        "{without_hub:?}"
    );
}
