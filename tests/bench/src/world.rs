//! The control plane, the hub and the objects of one run.

use std::time::Instant;

use cluster::Cluster;
use futures::{StreamExt, TryStreamExt, stream};
use hub::{Fault, Hub, Model};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use oxen_operator::api::{Declared, OxenModel, OxenModelSpec, Span};
use serde_json::json;

use crate::Result;
use crate::hub_requests::Counter;
use crate::scenario::{ROUND_TRIP, Scenario, TRANSITION};

pub(crate) const NAMESPACE: &str = "bench";

/// The number of objects that are created at the same time.
const CREATED_AT_ONCE: usize = 32;

/// A control plane and a hub of their own, so that no run starts with another one's leftovers.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) cluster: Cluster,
    pub(crate) client: Client,
    pub(crate) hub: Hub,
    pub(crate) requests: Counter,
}

impl World {
    pub(crate) async fn new(scenario: Scenario) -> Result<Self> {
        // The log of requests is left out: a line for each takes time, and at 100,000 objects
        // gigabytes.
        let cluster = Cluster::builder().apiserver_flag("--audit-log-path=");
        let cluster = cluster.start().await?;
        install_crd(&cluster).await?;
        let requests = Counter::new();
        let world = Self {
            scenario,
            client: cluster.client().await?,
            hub: start_hub(scenario, requests.clone()).await?,
            cluster,
            requests,
        };
        world.create_namespace().await?;
        Ok(world)
    }

    pub(crate) fn api(&self) -> Api<OxenModel> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    async fn create_namespace(&self) -> Result<()> {
        let named = |name: &str| ObjectMeta {
            name: Some(name.into()),
            ..ObjectMeta::default()
        };
        let namespace = Namespace {
            metadata: named(NAMESPACE),
            ..Namespace::default()
        };
        let secret = Secret {
            metadata: named("oxen-api-key"),
            data: Some([("api-key".into(), ByteString(hub::KEY.into()))].into()),
            ..Secret::default()
        };
        let parameters = PostParams::default();
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.create(&parameters, &namespace).await?;
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        secrets.create(&parameters, &secret).await?;
        Ok(())
    }

    /// Creates an object for each model, which declares it active.
    pub(crate) async fn create_objects(&self) -> Result<()> {
        let api = self.api();
        let sync_interval = self.scenario.sync_interval();
        let created = stream::iter(0..self.scenario.objects()).map(|number| {
            let spec = OxenModelSpec {
                model: name(number),
                state: Declared::Active,
                schedule: None,
                deletion_policy: None,
                suspend: None,
                api_key_secret_ref: None,
                sync_interval: sync_interval.map(Span),
                progress_deadline: None,
                idle_shutdown: None,
            };
            let object = OxenModel::new(&name(number), spec);
            let api = &api;
            async move { api.create(&PostParams::default(), &object).await }
        });
        let created = created.buffer_unordered(CREATED_AT_ONCE);
        created.try_for_each(async |_| Ok(())).await?;
        Ok(())
    }

    /// Declares a model inactive. Returns when the request was sent.
    pub(crate) async fn declare_inactive(&self, name: &str) -> Result<Instant> {
        let patch = Patch::Merge(json!({ "spec": { "state": "inactive" } }));
        let sent = Instant::now();
        self.api()
            .patch(name, &PatchParams::default(), &patch)
            .await?;
        Ok(sent)
    }

    /// The CPU time of the API server and etcd, in seconds.
    pub(crate) fn control_plane_cpu(&self) -> Result<f64> {
        let mut sum = 0.0;
        for pid in self.cluster.pids() {
            sum += crate::process::cpu(pid.try_into()?)?;
        }
        Ok(sum)
    }
}

/// The name of a model and of its object.
pub(crate) fn name(number: usize) -> String {
    format!("model-{number:06}")
}

async fn install_crd(cluster: &Cluster) -> Result<()> {
    let crd = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds/oxenmodels.yaml");
    let established = "--for=condition=Established";
    for arguments in [
        ["apply", "-f", crd],
        ["wait", established, "crd/oxenmodels.oxen.ai"],
    ] {
        cluster.kubectl(&arguments).await?.ok()?;
    }
    Ok(())
}

async fn start_hub(scenario: Scenario, requests: Counter) -> Result<Hub> {
    let mut hub = Hub::builder()
        .activate_delay(TRANSITION)
        .deactivate_delay(TRANSITION)
        .without_journal()
        .on_arrival(move |entry| requests.count(entry));
    for number in 0..scenario.objects() {
        hub = hub.model(Model::custom(name(number)));
    }
    let hub = hub.start().await?;
    hub.inject(Fault::latency(ROUND_TRIP));
    Ok(hub)
}
