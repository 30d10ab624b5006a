//! The kustomize base and the example overlay, built with kubectl and applied to a real API server.

use cluster::Cluster;
use serde_json::{Value, json};

use crate::{
    chart::{of_kind, rendered},
    tool::{path, read, run},
};

const EXAMPLE: &str = "kustomize/overlays/example";

/// Builds a kustomization. Returns its text and its objects.
fn build(folder: &str) -> (String, Vec<Value>) {
    let text = run("kubectl", &["kustomize", folder], "").unwrap();
    let documents = text.split("\n---\n");
    let objects = documents.map(|one| serde_yaml::from_str(one).unwrap());
    let objects = objects.collect();
    (text, objects)
}

async fn apply(cluster: &Cluster, manifests: &str) {
    let arguments = ["apply", "--server-side", "-f", "-"];
    let applied = cluster.kubectl_stdin(&arguments, manifests).await.unwrap();
    assert!(applied.status.success(), "{}", applied.stderr);
    assert!(!applied.stderr.contains("Warning"), "{}", applied.stderr);
}

#[tokio::test]
async fn the_base_and_the_example_are_accepted_by_the_api_server() {
    let cluster = Cluster::start().await.unwrap();
    let (text, base) = build("kustomize/base");
    apply(&cluster, &text).await;
    for object in &base {
        let labels = object["metadata"]["labels"].to_string();
        assert!(!labels.to_lowercase().contains("helm"), "{object}");
    }
    let crd = &of_kind(&base, "CustomResourceDefinition")[0]["metadata"];
    let crd = format!("crd/{}", crd["name"].as_str().unwrap());
    let wait = ["wait", "--for=condition=Established", &crd];
    cluster.kubectl(&wait).await.unwrap().ok().unwrap();
    // The example contains the base, with another image and observe-only.
    let (text, _) = build(EXAMPLE);
    apply(&cluster, &text).await;
}

/// The component does what the chart does with `budgets.enabled=true`.
#[tokio::test]
async fn the_budgets_component_is_what_the_chart_renders() {
    let folder = tempfile::tempdir().unwrap();
    // kustomize takes no absolute paths.
    let up = folder.path().components().count() - 1;
    let part = |name: &str| format!("{}{}", "../".repeat(up), path(name).display());
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [part("kustomize/base")],
        "components": [part("kustomize/components/budgets")],
    });
    let file = folder.path().join("kustomization.yaml");
    std::fs::write(file, kustomization.to_string()).unwrap();
    let (_, built) = build(folder.path().to_str().unwrap());
    let rendered = rendered(&json!({"budgets": {"enabled": true}})).await;
    let content = |all: &[Value]| {
        let mut content = Vec::new();
        for kind in ["ClusterRole", "CustomResourceDefinition", "Deployment"] {
            for one in of_kind(all, kind) {
                let name = &one["metadata"]["name"];
                let mut rules = one["rules"].as_array().cloned().unwrap_or_default();
                rules.sort_by_key(Value::to_string);
                let container = &one["spec"]["template"]["spec"]["containers"][0];
                let mut env: Vec<Value> = container["env"].as_array().cloned().unwrap_or_default();
                env.sort_by_key(|one| one["name"].to_string());
                content.push(json!([kind, name, rules, env, one["spec"]["versions"]]));
            }
        }
        content.sort_by_key(Value::to_string);
        content
    };
    assert_eq!(content(&built), content(&rendered));
}

#[test]
fn the_generated_name_of_a_secret_reaches_the_model_and_the_role() {
    let (_, objects) = build(EXAMPLE);
    let declared: Value =
        serde_yaml::from_str(&read(&format!("{EXAMPLE}/support-bot.yaml"))).unwrap();
    let reference = |model: &Value| model["spec"]["apiKeySecretRef"]["name"].clone();
    assert_eq!(reference(&declared), "support-bot-key");

    let secret = of_kind(&objects, "Secret")[0]["metadata"].clone();
    let name = secret["name"].as_str().unwrap();
    let hash = name.strip_prefix("support-bot-key-").unwrap();
    assert!(hash.len() >= 10, "{name}");
    let model = of_kind(&objects, "OxenModel")[0];
    assert_eq!(reference(model), name);
    assert_eq!(model["metadata"]["namespace"], secret["namespace"]);
    let roles = of_kind(&objects, "Role");
    let mut roles = roles.iter();
    let role = roles.find(|role| role["metadata"]["namespace"] == secret["namespace"]);
    let rules = &role.unwrap()["rules"];
    assert_eq!(rules[0]["resourceNames"], json!([name]));

    // The Secret of the default name keeps its name, wherever the operator reads it.
    let cluster_roles = of_kind(&objects, "ClusterRole");
    let named = cluster_roles
        .iter()
        .filter(|role| role["rules"].to_string().contains("\"oxen-api-key\""));
    assert!(named.count() > 0, "{cluster_roles:?}");
}

#[test]
fn the_example_changes_the_operator_and_adds_no_container() {
    let container = |objects: &[Value]| {
        let spec = &of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"];
        let containers = spec["containers"].as_array().unwrap();
        assert_eq!(containers.len(), 1, "{containers:?}");
        containers[0].clone()
    };
    let observe_only = |container: &Value| {
        let environment = container["env"].as_array().unwrap();
        let mut variables = environment.iter();
        let found = variables.find(|one| one["name"] == "OXEN_OBSERVE_ONLY");
        found.unwrap()["value"].clone()
    };
    let base = container(&build("kustomize/base").1);
    let example = container(&build(EXAMPLE).1);
    assert_eq!(observe_only(&base), "false");
    assert_eq!(observe_only(&example), "true");
    assert_eq!(base["args"], example["args"]);
}

#[test]
fn the_documentation_has_the_files_of_the_example() {
    let page = read("docs/gitops.md");
    let file = read(&format!("{EXAMPLE}/name-reference.yaml"));
    let (_, configuration) = file.split_once("nameReference:").unwrap();
    assert!(page.contains(&format!("nameReference:{configuration}")));
}
