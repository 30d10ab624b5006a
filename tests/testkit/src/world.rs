//! What the tests with a control plane share: for each test a namespace, a simulated hub and
//! operators of its own, with short waits.

use std::{
    env,
    ffi::OsString,
    fs,
    future::Future,
    ops::Deref,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use cluster::{Cluster, Process, Signal};
use hub::{Builder, Hub};
use k8s_openapi::{
    api::{
        core::v1::{Namespace, Secret},
        events::v1::Event,
    },
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

/// The longest time that a test waits for anything. It is generous because the machine may be busy
/// with other work; on an idle one, conditions are met within seconds.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// The settings of an operator. At this time scale, polls of a transition come after 50 to 300 ms,
/// an operation without an effect is open for 1.2 s, a refused key is retried after 3 s and an
/// account that can't pay is polled after 9 s, which is also the longest Retry-After.
const SETTINGS: &[(&str, &str)] = &[
    ("OXEN_TIME_SCALE", "100"),
    ("OXEN_SYNC_INTERVAL", "500ms"),
    ("OXEN_PROGRESS_DEADLINE", "30s"),
    // With a shorter timeout, a late request on a busy machine would count as a fault of the hub.
    ("OXEN_REQUEST_TIMEOUT", "10s"),
    // A test's observations come in fractions of a second.
    ("OXEN_HUB_RATE", "1000"),
    // The scan's requests would be among those that tests count and answer with faults.
    ("OXEN_UNMANAGED_INTERVAL", "0s"),
    // Most tests have one replica.
    ("OXEN_LEADER_ELECT", "false"),
];

/// Shortens the lease durations, which follow from the request timeout.
pub const SHORT_LEASE: (&str, &str) = ("OXEN_REQUEST_TIMEOUT", "3s");

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static NAMESPACES: AtomicU32 = AtomicU32::new(0);
static OPERATORS: AtomicU32 = AtomicU32::new(0);

/// Returns the path of the operator's program, which cargo builds beside the tests.
///
/// # Panics
///
/// Panics if the program is missing, as after `cargo test --no-run` of another package.
pub fn program() -> PathBuf {
    let test = env::current_exe().unwrap();
    // The test is target/PROFILE/deps/NAME-HASH, and the program is target/PROFILE/oxen-operator.
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program = profile.join("oxen-operator");
    assert!(
        program.is_file(),
        "{} is missing; build it with `cargo build`",
        program.display()
    );
    program
}

/// Starts a control plane and installs the CustomResourceDefinitions.
pub async fn with_crd() -> Cluster {
    let cluster = Cluster::start().await.unwrap();
    install_crd(&cluster).await;
    cluster
}

/// Installs the CustomResourceDefinitions, and waits until they are established.
pub async fn install_crd(cluster: &Cluster) {
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds");
    for command in [&["apply"][..], &["wait", "--for=condition=Established"]] {
        let arguments = [command, &["-f", crds]].concat();
        cluster.kubectl(&arguments).await.unwrap().ok().unwrap();
    }
}

/// A test's own namespace and hub, on a control plane.
pub struct World<C = &'static Cluster> {
    /// The control plane.
    pub cluster: C,
    /// The simulated hub.
    pub hub: Hub,
    /// A client with the administrator's rights.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
}

impl World {
    /// Creates a world on the control plane that all tests of the binary share.
    pub async fn new(hub: Builder) -> Self {
        let cluster = CLUSTER.get_or_init(with_crd).await;
        World::on(cluster, hub).await
    }
}

impl<C: Deref<Target = Cluster>> World<C> {
    /// Creates a world on this control plane. Its namespace has the Secret `oxen-api-key` with a
    /// key that the hub accepts.
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

    /// Starts an operator that watches only this namespace.
    pub fn operator(&self) -> Operator {
        self.operator_with(&[])
    }

    /// Starts an operator that watches only this namespace, with these environment variables on top
    /// of the usual ones.
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
        let all = SETTINGS.iter().chain(&own).chain(settings);
        let environment: Vec<(OsString, OsString)> = all
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Operator::start(&self.cluster, &["run".into()], &environment)
    }

    /// Returns the API of this namespace's OxenModels.
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

    /// Waits until a new object is younger than all existing ones, because ages are whole seconds.
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

    /// Patches the spec.
    pub async fn edit(&self, name: &str, spec: Value) -> OxenModel {
        self.patch(name, json!({"spec": spec})).await
    }

    /// Patches an OxenModel with a merge patch.
    pub async fn patch(&self, name: &str, patch: Value) -> OxenModel {
        let patch = Patch::Merge(&patch);
        let patched = self
            .api()
            .patch(name, &PatchParams::default(), &patch)
            .await;
        patched.unwrap()
    }

    /// Requests a reconcile with the annotation, as a person or a GitOps tool does.
    pub async fn request_reconcile(&self, name: &str, value: &str) {
        let annotation = json!({"metadata": {"annotations": {RECONCILE_ANNOTATION: value}}});
        self.patch(name, annotation).await;
    }

    /// Deletes an OxenModel, and doesn't wait until it is gone.
    pub async fn delete(&self, name: &str) {
        let deleted = self.api().delete(name, &DeleteParams::default()).await;
        deleted.unwrap();
    }

    /// Gets an OxenModel.
    pub async fn get(&self, name: &str) -> OxenModel {
        self.api().get(name).await.unwrap()
    }

    /// Replaces or creates a Secret with one key.
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

    /// Deletes a Secret, if it exists.
    pub async fn delete_secret(&self, name: &str) {
        let _ = self.secrets().delete(name, &DeleteParams::default()).await;
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits until the condition is true for an object. `described` completes the sentence that the
    /// object was never like that.
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

    /// Waits until Ready has this reason for the current generation.
    pub async fn until_reason(&self, name: &str, reason: &str) -> OxenModel {
        self.until(name, reason, |object| {
            let ready = ready(object);
            ready.is_some_and(|ready| {
                ready.reason == reason && ready.observed_generation == object.metadata.generation
            })
        })
        .await
    }

    /// Waits until the object's live status is this word.
    pub async fn until_live(&self, name: &str, live: &str) -> OxenModel {
        self.until(name, live, |object| {
            let shown = status(object).live;
            shown.is_some_and(|shown| shown.to_string() == live)
        })
        .await
    }

    /// Waits until Synced is False for this reason, which is a fault of the hub or the key.
    pub async fn until_fault(&self, name: &str, reason: &str) -> OxenModel {
        self.until(name, reason, |object| {
            condition(object, "Synced")
                .is_some_and(|synced| synced.status == "False" && synced.reason == reason)
        })
        .await
    }

    /// Waits until the object has the finalizer.
    pub async fn until_finalizer(&self, name: &str) -> OxenModel {
        self.until(name, "given the finalizer", OxenModel::has_finalizer)
            .await
    }

    /// Waits until the object's deletion is blocked, with a message that says how to release it.
    pub async fn until_blocked(&self, name: &str) -> OxenModel {
        self.until(name, "blocked, with the way out", is_blocked)
            .await
    }

    /// Waits until a reconcile has answered the request with this value.
    pub async fn until_handled(&self, name: &str, value: &str) -> OxenModel {
        self.until(name, &format!("handled for {value:?}"), |object| {
            status(object).last_handled_reconcile_at.as_deref() == Some(value)
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

    /// Waits until the hub has answered this number of GETs of the model after this call.
    ///
    /// A GET that is answered before this call doesn't count. A story without polls therefore waits
    /// for the status that its one GET leads to, or with [`until_handled`](Self::until_handled).
    pub async fn until_observed(&self, model: &str, more: usize) {
        let answered = |journal: &hub::Journal| {
            let entries = journal.entries.iter();
            entries
                .filter(|entry| entry.model.as_deref() == Some(model) && !entry.is_post())
                .filter(|entry| entry.is_over())
                .count()
        };
        let expected = answered(&self.hub.journal()) + more;
        let waited = self
            .hub
            .wait_for(DEADLINE, |journal| answered(journal) >= expected);
        waited.await.unwrap();
    }

    /// Waits until the hub has received this number of calls for the model.
    pub async fn until_called(&self, model: &str, calls: usize) {
        let called = |journal: &hub::Journal| journal.posts_for(model).len() >= calls;
        self.hub.wait_for(DEADLINE, called).await.unwrap();
    }

    /// Returns the requests about a model, in order of arrival.
    pub fn requests(&self, model: &str) -> Vec<hub::Entry> {
        let mut entries = self.hub.journal().entries;
        entries.retain(|entry| entry.model.as_deref() == Some(model));
        entries
    }

    /// Returns the calls for a model, in order of arrival: `activate` or `deactivate`.
    pub fn calls(&self, model: &str) -> Vec<String> {
        let journal = self.hub.journal();
        let verb = |entry: &&hub::Entry| {
            let path = entry.path.as_str();
            path.rsplit('/').next().unwrap_or_default().to_owned()
        };
        journal.posts_for(model).iter().map(verb).collect()
    }

    /// Returns the number of writes of this namespace's OxenModels that reached the API server,
    /// with this subresource.
    pub fn writes(&self, subresource: &str) -> usize {
        let requests = self.cluster.requests_in(&self.namespace).unwrap();
        let writes = requests.iter().filter(|request| {
            request.resource == "oxenmodels"
                && request.subresource == subresource
                && request.is_write()
        });
        writes.count()
    }

    /// Returns an object's events, oldest first.
    pub async fn event_objects(&self, name: &str) -> Vec<Event> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut events = api.list(&ListParams::default()).await.unwrap().items;
        events.retain(|event| {
            let regarding = event.regarding.as_ref();
            regarding.and_then(|about| about.name.as_deref()) == Some(name)
        });
        events.sort_by_key(|event| event.event_time.as_ref().map(|time| time.0));
        events
    }

    /// Returns the reasons of an object's events, oldest first.
    pub async fn events(&self, name: &str) -> Vec<String> {
        let events = self.event_objects(name).await.into_iter();
        events.filter_map(|event| event.reason).collect()
    }

    /// Waits until the object's last event has this reason, and returns the reasons of all its
    /// events. An event is published after the write that it is about.
    pub async fn until_last_event(&self, name: &str, reason: &str) -> Vec<String> {
        eventually(&format!("the event {reason} of {name}"), || async {
            let events = self.events(name).await;
            (events.last()? == reason).then_some(events)
        })
        .await
    }

    /// Waits until the object has an event with this reason, which is published in the background.
    pub async fn until_event(&self, name: &str, reason: &str) -> Event {
        eventually(&format!("the event {reason} of {name}"), || async {
            let mut events = self.event_objects(name).await.into_iter();
            events.find(|event| event.reason.as_deref() == Some(reason))
        })
        .await
    }

    /// Applies an OxenModel of this namespace with `kubectl apply`. The spec need not be valid.
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

    /// Patches the status of an OxenModel with kubectl, as a person does by hand. The patch is a
    /// merge patch of the whole object.
    pub async fn patch_status(&self, name: &str, patch: &str) -> cluster::Output {
        let arguments = ["patch", "oxm", name, "--subresource=status", "--type=merge"];
        self.kubectl(&[&arguments[..], &["-p", patch]].concat())
            .await
    }

    /// Runs kubectl in this namespace.
    pub async fn kubectl(&self, arguments: &[&str]) -> cluster::Output {
        let all: Vec<&str> = ["--namespace", &self.namespace]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        self.cluster.kubectl(&all).await.unwrap()
    }
}

/// Polls until there is an answer. It is for conditions that can't be watched.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    described: &str,
    poll: impl FnMut() -> F,
) -> T {
    let answer = timeout(DEADLINE, first_answer(poll)).await;
    answer.unwrap_or_else(|_| panic!("never: {described}"))
}

async fn first_answer<T, F: Future<Output = Option<T>>>(mut poll: impl FnMut() -> F) -> T {
    loop {
        if let Some(answer) = poll().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A running operator. Dropping it kills the process.
pub struct Operator(Process);

impl Operator {
    /// Starts the program with these arguments and environment variables.
    pub fn start(
        cluster: &Cluster,
        arguments: &[OsString],
        environment: &[(OsString, OsString)],
    ) -> Self {
        let number = OPERATORS.fetch_add(1, Ordering::Relaxed);
        let name = format!("operator-{number}");
        let process = cluster.run(&name, &program(), arguments, environment);
        Self(process.unwrap())
    }

    /// Waits for a line of the log that contains these words.
    pub async fn until_logged(&self, words: &str) -> String {
        let logged = first_answer(|| async {
            let log = self.log();
            let line = log.lines().find(|line| line.contains(words));
            line.map(str::to_owned)
        });
        match timeout(DEADLINE, logged).await {
            Ok(line) => line,
            Err(_) => panic!("the operator never logged {words:?}:\n{}", self.log()),
        }
    }

    /// Returns the whole log.
    pub fn log(&self) -> String {
        self.0.log()
    }

    /// Waits until the operator listens, and returns the URL of its probes and metrics.
    pub async fn url(&self) -> String {
        let line = self.until_logged("listen=").await;
        let (_, after) = line.split_once("listen=").unwrap();
        let address: String = after.split_whitespace().next().unwrap().to_owned();
        format!("http://{address}")
    }

    /// Returns all metrics as text.
    pub async fn metrics(&self) -> String {
        let answer = reqwest::get(format!("{}/metrics", self.url().await));
        answer.await.unwrap().text().await.unwrap()
    }

    /// Returns the value of the metric whose line starts with `name`, or 0 if there is none.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0.0, |value| value.trim().parse().unwrap())
    }

    /// Waits until the metric whose line starts with `name` has at least this value.
    pub async fn until_metric(&self, name: &str, least: f64) {
        eventually(&format!("{name} is at least {least}"), || async {
            (self.metric(name).await >= least).then_some(())
        })
        .await;
    }

    /// Waits until the operator is ready.
    pub async fn ready(&self) {
        let url = self.url().await;
        eventually("the operator is ready", || async {
            let answer = reqwest::get(format!("{url}/readyz")).await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Returns the number of the process's threads that are Tokio's: its workers, and the threads
    /// of blocking tasks, which end when they have been idle for ten seconds.
    pub fn tokio_threads(&self) -> usize {
        let pid = self.0.pid().unwrap().as_raw_nonzero();
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let names =
            tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names
            .filter(|name| name.trim() == "tokio-rt-worker")
            .count()
    }

    /// Kills the process, as a crash does.
    pub fn kill(self) {
        drop(self);
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        self.0.signal(signal).unwrap();
    }

    /// Sends a signal to the process if it still runs.
    pub fn signal_if_running(&self, signal: Signal) {
        let _ = self.0.signal(signal);
    }

    /// Returns true when the process has exited.
    pub fn has_exited(&mut self) -> bool {
        self.0.ended().is_some()
    }

    /// Waits until the process exits, and returns its exit code.
    pub async fn exit_code(&mut self) -> Option<i32> {
        for _ in 0..DEADLINE.as_millis() / 10 {
            if let Some(status) = self.0.ended() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the operator never exited:\n{}", self.log());
    }
}

/// Returns the object's status, or the schema's default.
pub fn status(object: &OxenModel) -> OxenModelStatus {
    object.status.clone().unwrap_or_default()
}

/// Returns the condition of this type.
pub fn condition<'a>(object: &'a OxenModel, type_: &str) -> Option<&'a Condition> {
    oxen_operator::decide::condition(&object.status.as_ref()?.conditions, type_)
}

/// Returns the condition Ready.
pub fn ready(object: &OxenModel) -> Option<&Condition> {
    condition(object, "Ready")
}

/// Returns the type and the reason of the condition Reconciling or Stalled.
///
/// # Panics
///
/// Panics if the object has both.
pub fn progress(object: &OxenModel) -> Option<(&str, &str)> {
    let mut all = ["Reconciling", "Stalled"]
        .into_iter()
        .filter_map(|type_| condition(object, type_));
    let first = all.next();
    assert_eq!(all.next(), None, "both Reconciling and Stalled");
    first.map(|condition| (condition.type_.as_str(), condition.reason.as_str()))
}

/// Returns the message of Ready.
pub fn message(object: &OxenModel) -> &str {
    ready(object).map_or("", |ready| ready.message.as_str())
}

/// Returns true when the condition DeletionBlocked is True, and its message says how to release the
/// object.
///
/// # Panics
///
/// Panics if the condition is present and not True, or has another reason or message than Ready.
pub fn is_blocked(object: &OxenModel) -> bool {
    let Some(blocked) = condition(object, "DeletionBlocked") else {
        return false;
    };
    assert_eq!(blocked.status, "True", "{object:#?}");
    let ready = ready(object).unwrap();
    assert_eq!(
        (&blocked.reason, &blocked.message),
        (&ready.reason, &ready.message)
    );
    assert!(
        blocked.message.contains("deletionPolicy: Retain"),
        "{object:#?}"
    );
    true
}
