//! The chart, installed with helm on an API server with RBAC, and operators that run like the pods
//! of its Deployment: with its arguments, its environment and the token of its ServiceAccount.
//! There is no kubelet, so the tests start these operators and check their probes.

use std::ffi::OsString;

use cluster::{Cluster, Gate, Output};
use hub::Builder;
use kube::config::AuthInfo;
use serde_json::{Value, json};
use testkit::world::{Operator, World, eventually};

use crate::tool::path;

/// The namespace of the release.
pub const SYSTEM: &str = "oxen-system";

/// The name of the release, and therefore of the objects that the chart creates.
pub const RELEASE: &str = "oxen-operator";

/// Values that make the operator fast enough for a test. The Lease lasts eight seconds, because a
/// shorter one would be lost on a busy machine.
fn quick() -> Value {
    json!({
        "syncInterval": "500ms",
        "hub": {"requestTimeout": "3s"},
        "extraArgs": ["--time-scale=20"],
        "log": {"format": "text", "level": "info,oxen_operator=debug"},
    })
}

pub struct Installed {
    pub world: World<Box<Cluster>>,
    values: Value,
}

impl Installed {
    /// Installs the chart with the quick values and those that `values` returns for the world's
    /// namespace.
    pub async fn new(hub: Builder, values: impl FnOnce(&str) -> Value) -> Self {
        let world = World::on(Box::new(Cluster::start().await.unwrap()), hub).await;
        let mut all = quick();
        merge(&mut all, json!({"hub": {"url": world.hub.url()}}));
        merge(&mut all, values(&world.namespace));
        let installed = Self { world, values: all };
        installed.helm("install", &["--create-namespace"]).await;
        installed
            .kubectl(&["wait", "--for=condition=Established", "crd", "--all"])
            .await;
        installed
    }

    pub async fn upgrade(&mut self, values: Value) {
        merge(&mut self.values, values);
        self.helm("upgrade", &[]).await;
    }

    /// Installs a second release into the same namespace, with other values on top of the first
    /// release's.
    pub async fn second(&self, release: &str, values: Value) {
        let mut all = self.values.clone();
        merge(&mut all, values);
        self.helm_of(release, "install", &all, &[]).await;
    }

    async fn helm(&self, verb: &str, more: &[&str]) {
        self.helm_of(RELEASE, verb, &self.values, more).await;
    }

    async fn helm_of(&self, release: &str, verb: &str, values: &Value, more: &[&str]) {
        let file = self.world.cluster.folder().join("values.json");
        std::fs::write(&file, values.to_string()).unwrap();
        let chart = path("charts/oxen-operator");
        let own = [
            verb,
            release,
            chart.to_str().unwrap(),
            "--namespace",
            SYSTEM,
            "--values",
            file.to_str().unwrap(),
        ];
        let done = self.world.cluster.helm(&[&own, more].concat()).await;
        done.unwrap().ok().unwrap();
    }

    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        let done = self.world.cluster.kubectl(arguments).await;
        done.unwrap().ok().unwrap().stdout
    }

    /// Runs kubectl, and returns its output even if it fails.
    pub async fn try_kubectl(&self, arguments: &[&str]) -> Output {
        self.world.cluster.kubectl(arguments).await.unwrap()
    }

    pub async fn json(&self, arguments: &[&str]) -> Value {
        let text = self
            .kubectl(&[arguments, &["--output", "json"]].concat())
            .await;
        serde_json::from_str(&text).unwrap()
    }

    /// A client configuration with the rights of the chart's ServiceAccount.
    pub async fn account(&self) -> kube::Config {
        let token = self
            .kubectl(&["create", "token", RELEASE, "--namespace", SYSTEM])
            .await;
        let mut config = self.world.cluster.config().await.unwrap();
        config.auth_info = AuthInfo {
            token: Some(token.trim().to_owned().into()),
            ..AuthInfo::default()
        };
        config
    }

    /// A gate with the rights of the chart's ServiceAccount.
    pub async fn gate(&self) -> Gate {
        self.world
            .cluster
            .gate_with(self.account().await)
            .await
            .unwrap()
    }

    /// The container of this Deployment.
    async fn container(&self, deployment: &str) -> Value {
        let deployment = self
            .json(&["get", "deployment", deployment, "--namespace", SYSTEM])
            .await;
        deployment["spec"]["template"]["spec"]["containers"][0].clone()
    }

    /// Starts an operator like a pod of the Deployment, but on a port of its own and with a gate in
    /// front of the API server.
    pub async fn pod(&self, name: &str, gate: &Gate) -> Operator {
        self.pod_of(RELEASE, name, gate).await
    }

    /// Starts an operator like a pod of this Deployment, in the same way.
    pub async fn pod_of(&self, deployment: &str, name: &str, gate: &Gate) -> Operator {
        let container = self.container(deployment).await;
        let arguments: Vec<OsString> = list(&container["args"])
            .map(|text| text.as_str().unwrap().into())
            .collect();
        let mut environment: Vec<(OsString, OsString)> = Vec::new();
        for variable in list(&container["env"]) {
            let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
                Some("metadata.name") => name.to_owned(),
                Some("metadata.namespace") => SYSTEM.to_owned(),
                Some(other) => panic!("{other}"),
                None => variable["value"].as_str().unwrap().to_owned(),
            };
            environment.push((variable["name"].as_str().unwrap().into(), value.into()));
        }
        // All operators share the ports of this machine, and none has an in-cluster configuration.
        environment.push(("OXEN_LISTEN".into(), "127.0.0.1:0".into()));
        environment.push(("KUBECONFIG".into(), gate.kubeconfig().into()));
        Operator::start(&self.world.cluster, &arguments, &environment)
    }

    /// Waits until both probes of the Deployment succeed, as the kubelet does.
    pub async fn probes(&self, pod: &Operator) {
        let (container, url) = (self.container(RELEASE).await, pod.url().await);
        for probe in ["livenessProbe", "readinessProbe"] {
            let path = container[probe]["httpGet"]["path"].as_str().unwrap();
            eventually(probe, || async {
                let answer = reqwest::get(format!("{url}{path}")).await.ok()?;
                answer.status().is_success().then_some(())
            })
            .await;
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
