//! The chart, installed by helm on an API server with RBAC on, and operators that run as its Deployment says: with its
//! arguments and environment, and the token of its ServiceAccount. There is no kubelet, so what one does is done here.

use std::ffi::OsString;

use cluster::{Cluster, Gate, Output};
use hub::Builder;
use kube::config::AuthInfo;
use serde_json::{Value, json};

use crate::{
    tool::path,
    world::{Operator, World},
};

/// Where it is installed.
pub const SYSTEM: &str = "oxen-system";

/// The release, and so the name of all that the chart makes.
pub const RELEASE: &str = "oxen-operator";

/// Durations for a test, as a person would set them.
fn quick() -> Value {
    json!({
        "syncInterval": "500ms",
        "timing": {
            "transitionFirst": "50ms",
            "transitionLast": "200ms",
            "operationPatience": "1s",
            "backoffFirst": "100ms",
            "backoffLast": "500ms",
            "refusedProbe": "500ms",
            "connectTimeout": "500ms",
            "requestTimeout": "1s",
            "kubeTimeout": "2s",
            "watch": "1s",
            "lease": "4s",
            "leaseRenew": "3s",
            "leaseRetry": "200ms",
            "leaseQuarantineMargin": "200ms",
        },
        "log": {"format": "text", "level": "info,oxen_operator=debug"},
    })
}

pub struct Installed {
    pub world: World<Box<Cluster>>,
    values: Value,
}

impl Installed {
    /// The chart with these values beside the quick ones. `values` is told the world's namespace.
    pub async fn new(hub: Builder, values: impl FnOnce(&str) -> Value) -> Self {
        let world = World::on(Box::new(Cluster::start().await.unwrap()), hub).await;
        let mut all = quick();
        merge(&mut all, json!({"hub": {"url": world.hub.url()}}));
        merge(&mut all, values(&world.namespace));
        let installed = Self { world, values: all };
        installed.helm("install", &["--create-namespace"]).await;
        let crd = "crd/oxenmodels.oxen.ai";
        installed
            .kubectl(&["wait", "--for=condition=Established", crd])
            .await;
        installed
    }

    pub async fn upgrade(&mut self, values: Value) {
        merge(&mut self.values, values);
        self.helm("upgrade", &[]).await;
    }

    async fn helm(&self, verb: &str, more: &[&str]) {
        let file = self.world.cluster.folder().join("values.json");
        std::fs::write(&file, self.values.to_string()).unwrap();
        let chart = path("charts/oxen-operator");
        let own = [
            verb,
            RELEASE,
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

    /// kubectl, as it went.
    pub async fn try_kubectl(&self, arguments: &[&str]) -> Output {
        self.world.cluster.kubectl(arguments).await.unwrap()
    }

    pub async fn json(&self, arguments: &[&str]) -> Value {
        let text = self
            .kubectl(&[arguments, &["--output", "json"]].concat())
            .await;
        serde_json::from_str(&text).unwrap()
    }

    /// A client's configuration with the rights of the chart's ServiceAccount.
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

    /// A gate with those rights.
    pub async fn gate(&self) -> Gate {
        self.world
            .cluster
            .gate_with(self.account().await)
            .await
            .unwrap()
    }

    /// The container of the Deployment.
    async fn container(&self) -> Value {
        let deployment = self
            .json(&["get", "deployment", RELEASE, "--namespace", SYSTEM])
            .await;
        deployment["spec"]["template"]["spec"]["containers"][0].clone()
    }

    /// A pod of the Deployment, at a port of its own, through a gate.
    pub async fn pod(&self, name: &str, gate: &Gate) -> Operator {
        let container = self.container().await;
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
        // Two pods share this machine's ports, and reach the API server by a file.
        environment.push(("OXEN_LISTEN".into(), "127.0.0.1:0".into()));
        environment.push(("KUBECONFIG".into(), gate.kubeconfig().into()));
        Operator::start(&self.world.cluster, &arguments, &environment)
    }

    /// Asks what the kubelet would: both probes of the Deployment, at the pod's port.
    pub async fn probes(&self, pod: &Operator) {
        let (container, url) = (self.container().await, pod.url().await);
        for probe in ["livenessProbe", "readinessProbe"] {
            let path = container[probe]["httpGet"]["path"].as_str().unwrap();
            crate::world::eventually(probe, || async {
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
