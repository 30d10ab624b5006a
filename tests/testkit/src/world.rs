//! What the stories share: one control plane, and for each story a namespace, a hub and operators
//! of its own, with short durations.

#![allow(dead_code)] // each of its users needs a part

use std::{
    ffi::OsString,
    future::Future,
    ops::Deref,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use cluster::{Cluster, Process, Signal};
use hub::{Builder, Hub};
use k8s_openapi::{
    api::core::v1::{Namespace, Secret},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    runtime::wait::await_condition,
};
use oxen_operator::api::{OxenModel, OxenModelSpec, OxenModelStatus, RECONCILE_ANNOTATION};
use serde_json::{Value, json};
use tokio::{sync::OnceCell, time::timeout};

/// No story waits longer for anything. What works comes far sooner: the time is for a machine that is busy with else.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// The durations of a story's operator.
const QUICK: &[(&str, &str)] = &[
    ("OXEN_SYNC_INTERVAL", "500ms"),
    ("OXEN_PROGRESS_DEADLINE", "30s"),
    ("OXEN_TRANSITION_FIRST", "50ms"),
    ("OXEN_TRANSITION_LAST", "200ms"),
    ("OXEN_OPERATION_PATIENCE", "1s"),
    ("OXEN_FAILURE_DELAYS", "1s,1s,1s"),
    ("OXEN_BACKOFF_FIRST", "100ms"),
    ("OXEN_BACKOFF_LAST", "500ms"),
    ("OXEN_REFUSED_PROBE", "500ms"),
    ("OXEN_PAYMENT_PROBE", "500ms"),
    ("OXEN_OVERDUE_PROBE", "300ms"),
    ("OXEN_STALE_READY", "2s"),
    ("OXEN_REQUEST_TIMEOUT", "3s"),
    // A story's looks come in fractions of a second, and so do as many of them.
    ("OXEN_HUB_RATE", "1000"),
    ("OXEN_HUB_RAISE", "100ms"),
    // One replica a story, but for those on leadership.
    ("OXEN_LEADER_ELECT", "false"),
];

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static NAMESPACES: AtomicU32 = AtomicU32::new(0);
static OPERATORS: AtomicU32 = AtomicU32::new(0);

/// A control plane with the CRD installed.
pub async fn with_crd() -> Cluster {
    let cluster = Cluster::start().await.unwrap();
    install_crd(&cluster).await;
    cluster
}

pub async fn install_crd(cluster: &Cluster) {
    let crd = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/oxenmodels.yaml");
    let established = "--for=condition=Established";
    for arguments in [
        ["apply", "-f", crd],
        ["wait", established, "crd/oxenmodels.oxen.ai"],
    ] {
        cluster.kubectl(&arguments).await.unwrap().ok().unwrap();
    }
}

/// A story's own world.
pub struct World<C = &'static Cluster> {
    pub cluster: C,
    pub hub: Hub,
    pub client: Client,
    pub namespace: String,
}

impl World {
    /// On the control plane that all stories share.
    pub async fn new(hub: Builder) -> Self {
        let cluster = CLUSTER.get_or_init(with_crd).await;
        World::on(cluster, hub).await
    }
}

impl<C: Deref<Target = Cluster>> World<C> {
    /// On a control plane of its own, for a story that stops it.
    pub async fn on(cluster: C, hub: Builder) -> Self {
        let client = cluster.client().await.unwrap();
        let number = NAMESPACES.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("story-{number}");
        let api: Api<Namespace> = Api::all(client.clone());
        let object = Namespace {
            metadata: ObjectMeta {
                name: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        api.create(&PostParams::default(), &object).await.unwrap();
        let world = World {
            hub: hub.start().await.unwrap(),
            cluster,
            client,
            namespace,
        };
        world.secret("oxen-api-key", "api-key", hub::KEY).await;
        world
    }

    /// An operator with just this namespace in view.
    pub fn operator(&self) -> Operator {
        self.operator_with(&[])
    }

    /// The same, with settings that differ.
    pub fn operator_with(&self, settings: &[(&str, &str)]) -> Operator {
        let url = self.hub.url();
        let kubeconfig = self.cluster.kubeconfig().to_str().unwrap();
        let own = [
            ("KUBECONFIG", kubeconfig),
            ("OXEN_BASE_URL", url.as_str()),
            ("OXEN_NAMESPACES", self.namespace.as_str()),
            ("OXEN_LISTEN", "127.0.0.1:0"),
            ("OXEN_LOG_FORMAT", "text"),
            ("RUST_LOG", "info,oxen_operator=debug"),
        ];
        let all = QUICK.iter().chain(&own).chain(settings);
        let environment: Vec<(OsString, OsString)> = all
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Operator::start(&self.cluster, &["run".into()], &environment)
    }

    pub fn api(&self) -> Api<OxenModel> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates an OxenModel from its spec.
    pub async fn create(&self, name: &str, spec: Value) -> OxenModel {
        let spec: OxenModelSpec = serde_json::from_value(spec).unwrap();
        let object = OxenModel::new(name, spec);
        let created = self.api().create(&PostParams::default(), &object).await;
        created.unwrap()
    }

    /// Waits until whatever is made is younger than all that there is: ages are whole seconds.
    pub async fn next_second(&self) {
        let all = self.api().list(&ListParams::default()).await.unwrap();
        let youngest = all.iter().filter_map(ResourceExt::creation_timestamp).max();
        eventually("the next second", || async {
            let now = jiff::Timestamp::now().as_second();
            let past = youngest
                .as_ref()
                .is_none_or(|time| time.0.as_second() < now);
            past.then_some(())
        })
        .await;
    }

    /// Changes the spec.
    pub async fn edit(&self, name: &str, spec: Value) -> OxenModel {
        self.patch(name, json!({"spec": spec})).await
    }

    pub async fn patch(&self, name: &str, patch: Value) -> OxenModel {
        let patch = Patch::Merge(&patch);
        let patched = self
            .api()
            .patch(name, &PatchParams::default(), &patch)
            .await;
        patched.unwrap()
    }

    /// Requests a reconcile, as a person or a GitOps tool does.
    pub async fn request(&self, name: &str, when: &str) {
        let annotation = json!({"metadata": {"annotations": {RECONCILE_ANNOTATION: when}}});
        self.patch(name, annotation).await;
    }

    pub async fn delete(&self, name: &str) {
        let deleted = self.api().delete(name, &DeleteParams::default()).await;
        deleted.unwrap();
    }

    pub async fn get(&self, name: &str) -> OxenModel {
        self.api().get(name).await.unwrap()
    }

    /// Writes a Secret with one key, over what was there.
    pub async fn secret(&self, name: &str, key: &str, value: impl AsRef<[u8]>) {
        let value = k8s_openapi::ByteString(value.as_ref().to_vec());
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.into()),
                ..ObjectMeta::default()
            },
            data: Some([(key.to_owned(), value)].into()),
            ..Secret::default()
        };
        self.delete_secret(name).await;
        let created = self.secrets().create(&PostParams::default(), &secret).await;
        created.unwrap();
    }

    pub async fn delete_secret(&self, name: &str) {
        // It need not be there.
        let _ = self.secrets().delete(name, &DeleteParams::default()).await;
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits for an object to be as described.
    pub async fn until(
        &self,
        name: &str,
        described: &str,
        holds: impl Fn(&OxenModel) -> bool,
    ) -> OxenModel {
        let condition = |object: Option<&OxenModel>| object.is_some_and(&holds);
        match timeout(DEADLINE, await_condition(self.api(), name, condition)).await {
            Ok(object) => object.unwrap().unwrap(),
            Err(_) => panic!(
                "{name} was never {described}; it is {:#?}\n{:#?}",
                self.api().get_opt(name).await,
                self.hub.journal()
            ),
        }
    }

    /// Waits for the reason of `Ready`, judged for the present generation.
    pub async fn until_reason(&self, name: &str, reason: &str) -> OxenModel {
        self.until(name, reason, |object| {
            let ready = ready(object);
            ready.is_some_and(|ready| {
                ready.reason == reason && ready.observed_generation == object.metadata.generation
            })
        })
        .await
    }

    /// Waits until the status shows the model's deployment like this.
    pub async fn until_deployment(&self, name: &str, word: &str) -> OxenModel {
        self.until(name, word, |object| {
            let shown = status(object).deployment;
            shown.is_some_and(|shown| shown.to_string() == word)
        })
        .await
    }

    /// Waits for a fault of the hub or the key: the reason of `Synced` while it is False.
    pub async fn until_fault(&self, name: &str, reason: &str) -> OxenModel {
        self.until(name, reason, |object| {
            condition(object, "Synced")
                .is_some_and(|synced| synced.status == "False" && synced.reason == reason)
        })
        .await
    }

    /// Waits until the object is gone.
    pub async fn until_gone(&self, name: &str) {
        let gone = |object: Option<&OxenModel>| object.is_none();
        if timeout(DEADLINE, await_condition(self.api(), name, gone))
            .await
            .is_err()
        {
            panic!("{name} was never gone; it is {:#?}", self.get(name).await);
        }
    }

    /// Waits for a request that the hub has answered and that isn't older than the call.
    pub async fn until_looked(&self, model: &str, more: usize) {
        let live = |journal: &hub::Journal| {
            let looks = journal.entries.iter();
            looks
                .filter(|entry| entry.model.as_deref() == Some(model) && !entry.is_post())
                .filter(|entry| entry.is_over())
                .count()
        };
        let wanted = live(&self.hub.journal()) + more;
        let waited = self
            .hub
            .wait_for(DEADLINE, |journal| live(journal) >= wanted);
        waited.await.unwrap();
    }

    /// Every request about a model, in order.
    pub fn requests(&self, model: &str) -> Vec<hub::Entry> {
        let mut entries = self.hub.journal().entries;
        entries.retain(|entry| entry.model.as_deref() == Some(model));
        entries
    }

    /// The calls that went out for a model, in order: `activate`, `deactivate`.
    pub fn calls(&self, model: &str) -> Vec<String> {
        let journal = self.hub.journal();
        let verb = |entry: &&hub::Entry| {
            let path = entry.path.as_str();
            path.rsplit('/').next().unwrap_or_default().to_owned()
        };
        journal.posts_for(model).iter().map(verb).collect()
    }

    /// Writes of this namespace's OxenModels that reached the API server, by their subresource.
    pub fn writes(&self, subresource: &str) -> usize {
        let requests = self.cluster.requests().unwrap();
        let mine = requests.iter().filter(|request| {
            request.resource == "oxenmodels"
                && request.namespace == self.namespace
                && request.subresource == subresource
                && request.is_write()
        });
        mine.count()
    }

    /// The reasons of an object's events, oldest first.
    pub async fn events(&self, name: &str) -> Vec<String> {
        use k8s_openapi::api::events::v1::Event;
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut events = api.list(&Default::default()).await.unwrap().items;
        events.retain(|event| {
            let regarding = event.regarding.as_ref();
            regarding.and_then(|about| about.name.as_deref()) == Some(name)
        });
        events.sort_by_key(|event| event.event_time.as_ref().map(|time| time.0));
        events
            .iter()
            .filter_map(|event| event.reason.clone())
            .collect()
    }

    /// `kubectl apply` of an OxenModel in this namespace, its spec as a person may write it.
    pub async fn apply(&self, name: &str, spec: Value) -> cluster::Output {
        let manifest = json!({
            "apiVersion": "oxen.ai/v1alpha1",
            "kind": "OxenModel",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        });
        let (arguments, manifest) = (["apply", "-f", "-"], manifest.to_string());
        let applied = self.cluster.kubectl_stdin(&arguments, &manifest).await;
        applied.unwrap()
    }

    /// kubectl in this namespace.
    pub async fn kubectl(&self, arguments: &[&str]) -> cluster::Output {
        let all: Vec<&str> = ["--namespace", &self.namespace]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        self.cluster.kubectl(&all).await.unwrap()
    }
}

/// Waits for anything, by asking again and again; only for what can't be watched.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    described: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let answer = timeout(DEADLINE, asking).await;
    answer.unwrap_or_else(|_| panic!("never: {described}"))
}

/// A running operator; it ends when this is dropped.
pub struct Operator(Process);

impl Operator {
    /// The program with these arguments and this environment.
    pub fn start(
        cluster: &Cluster,
        arguments: &[OsString],
        environment: &[(OsString, OsString)],
    ) -> Self {
        let number = OPERATORS.fetch_add(1, Ordering::Relaxed);
        let program = Path::new(env!("CARGO_BIN_EXE_oxen-operator"));
        let name = format!("operator-{number}");
        let process = cluster.run(&name, program, arguments, environment);
        Self(process.unwrap())
    }

    /// Waits for a line in its log.
    pub async fn says(&self, words: &str) -> String {
        eventually(
            &format!("the operator says {words:?}\n{}", self.log()),
            || async {
                let log = self.log();
                let line = log.lines().find(|line| line.contains(words));
                line.map(str::to_owned)
            },
        )
        .await
    }

    pub fn log(&self) -> String {
        self.0.log()
    }

    /// Where it serves probes and metrics.
    pub async fn url(&self) -> String {
        let line = self.says("listen=").await;
        let (_, rest) = line.split_once("listen=").unwrap();
        let address: String = rest.split_whitespace().next().unwrap().to_owned();
        format!("http://{address}")
    }

    /// Every metric, as text.
    pub async fn metrics(&self) -> String {
        let answer = reqwest::get(format!("{}/metrics", self.url().await));
        answer.await.unwrap().text().await.unwrap()
    }

    /// A metric's value; 0 while there is none.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0.0, |value| value.trim().parse().unwrap())
    }

    pub async fn ready(&self) {
        let url = self.url().await;
        eventually("the operator is ready", || async {
            let answer = reqwest::get(format!("{url}/readyz")).await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Kills it on the spot, as a crash would.
    pub fn kill(self) {
        drop(self);
    }

    pub fn signal(&self, signal: Signal) {
        self.0.signal(signal).unwrap();
    }

    /// The same for one that may have ended meanwhile.
    pub fn signal_if_running(&self, signal: Signal) {
        let _ = self.0.signal(signal);
    }

    pub fn has_ended(&mut self) -> bool {
        self.0.ended().is_some()
    }

    /// Waits for its end, and gives the exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        for _ in 0..DEADLINE.as_millis() / 10 {
            if let Some(status) = self.0.ended() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the operator never ended\n{}", self.log());
    }
}

pub fn status(object: &OxenModel) -> OxenModelStatus {
    object.status.clone().unwrap_or_default()
}

pub fn condition<'a>(object: &'a OxenModel, type_: &str) -> Option<&'a Condition> {
    let conditions = &object.status.as_ref()?.conditions;
    conditions.iter().find(|one| one.type_ == type_)
}

pub fn ready(object: &OxenModel) -> Option<&Condition> {
    condition(object, "Ready")
}

/// `Reconciling` or `Stalled`, whichever is there, with its reason.
pub fn marker(object: &OxenModel) -> Option<(&str, &str)> {
    let mut markers = ["Reconciling", "Stalled"]
        .into_iter()
        .filter_map(|type_| condition(object, type_));
    let marker = markers.next();
    assert_eq!(markers.next(), None, "both markers at once");
    marker.map(|marker| (marker.type_.as_str(), marker.reason.as_str()))
}

pub fn message(object: &OxenModel) -> &str {
    ready(object).map_or("", |ready| ready.message.as_str())
}

pub fn has_finalizer(object: &OxenModel) -> bool {
    object
        .finalizers()
        .iter()
        .any(|one| one == oxen_operator::api::FINALIZER)
}
