//! The cluster with its gate, the hub and the two operators that the events apply to.

use std::{
    cell::Cell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use cluster::{Cluster, Gate, Signal, StatusCode};
use hub::{Endpoint, Fault, Hub, Model};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use oxen_operator::api::{OxenModel, RECONCILE_ANNOTATION};
use serde_json::{Value, json};
use testkit::world::{Operator, World, eventually, with_crd};
use tokio::time::sleep;

use crate::{
    monitor::{Monitor, OPERATOR},
    script::{Event, MODELS, OBJECTS},
    settled::settled,
};

/// With these settings, leases, deadlines, windows and attempts end within a minute.
const SETTINGS: &[(&str, &str)] = &[
    ("OXEN_LEADER_ELECT", "true"),
    ("OXEN_REQUEST_TIMEOUT", "1s"),
    ("OXEN_SYNC_INTERVAL", "2s"),
    ("OXEN_PROGRESS_DEADLINE", "5s"),
    ("OXEN_SECRET_NAMES", "oxen-api-key,second"),
    ("OXEN_OPERATOR_KEY_NAMESPACES", "*"),
    // Nobody reads the log of an hour.
    ("RUST_LOG", "warn"),
];

const SECOND_KEY: &str = "another-key";

pub struct Environment {
    pub monitor: Monitor,
    world: World<Box<Cluster>>,
    gate: Gate,
    operators: Vec<Operator>,
    /// The number of operators that have been started.
    started: Cell<usize>,
    /// When a frozen operator continues.
    frozen: [Option<Instant>; 2],
    refused_until: Option<Instant>,
    requests: u64,
}

fn model(number: usize) -> Model {
    let millis = |number: usize| Duration::from_millis(20 + 37 * (number % 9) as u64);
    let model = Model::custom(name(number))
        .status("inactive")
        .activate_delay(millis(number))
        .deactivate_delay(millis(number / 9));
    match number % 10 {
        0 => model.late_effect(Duration::from_millis(400)),
        1 => model.fails_to_deploy(2),
        _ => model,
    }
}

fn name(number: usize) -> String {
    format!("bot-{number}")
}

impl Environment {
    /// Starts the cluster, the hub and the operators, and creates all objects.
    pub async fn start() -> Self {
        let monitor = Monitor::default();
        let requests = monitor.clone();
        let builder = (0..MODELS)
            .map(model)
            .fold(Hub::builder(), hub::Builder::model);
        let builder = builder
            .key(hub::ACCOUNT, hub::KEY)
            .key(hub::ACCOUNT, SECOND_KEY)
            .on_arrival(move |entry| requests.arrived(entry));
        let world = World::on(Box::new(with_crd().await), builder).await;
        world.secret("second", "api-key", SECOND_KEY).await;
        let gate = world.cluster.gate().await.unwrap();
        let writes = monitor.clone();
        gate.show_writes(move |object| writes.written(object));
        let mut environment = Self {
            monitor,
            world,
            gate,
            operators: Vec::new(),
            started: Cell::new(0),
            frozen: [None, None],
            refused_until: None,
            requests: 0,
        };
        environment.operators = vec![environment.operator(), environment.operator()];
        for number in 0..OBJECTS {
            let event = Event::Declare(number, number % 2 == 0);
            environment.apply(event).await;
        }
        environment
    }

    /// Starts an operator with an API key of its own.
    fn operator(&self) -> Operator {
        let number = self.started.replace(self.started.get() + 1);
        let (account, key) = (format!("{OPERATOR}{number}"), format!("key-of-{number}"));
        let accounts = [account, hub::ACCOUNT.to_owned()];
        self.world.hub.add_key_of(accounts, &key);
        let own = [
            ("OXEN_API_KEY", key.as_str()),
            ("KUBECONFIG", self.gate.kubeconfig().to_str().unwrap()),
            ("POD_NAMESPACE", self.world.namespace.as_str()),
        ];
        self.world.operator_with(&[SETTINGS, &own].concat())
    }

    /// Returns an object's spec. Its number says which model and key it has, and whether it names
    /// the model by its UUID.
    fn spec(&self, number: usize, active: bool) -> Value {
        let name = name(number % MODELS);
        let state = if active { "active" } else { "inactive" };
        let mut spec = json!({"model": name, "state": state});
        if number.is_multiple_of(7)
            && let Ok(uuid) = self.world.hub.uuid(&name)
        {
            spec["model"] = uuid.into();
        }
        if number.is_multiple_of(4) {
            spec["apiKeySecretRef"] = json!({"name": "second"});
        }
        spec
    }

    /// Applies an event.
    pub async fn apply(&mut self, event: Event) {
        self.end_expired();
        let hub = &self.world.hub;
        match event {
            Event::Declare(number, active) => self.declare(number, active).await,
            Event::Suspend(number, on) => {
                let spec = json!({"spec": {"suspend": on.then_some(true)}});
                self.patch(number, spec).await;
            }
            Event::Retain(number, on) => {
                let spec = json!({"spec": {"deletionPolicy": on.then_some("Retain")}});
                self.patch(number, spec).await;
            }
            Event::Delete(number) => self.delete(number).await,
            Event::Request(number) => self.request(number).await,
            // The hub need not know the model.
            Event::Drift(number, status) => drop(hub.set_status(&name(number), status)),
            Event::Know(number, true) if hub.uuid(&name(number)).is_err() => {
                hub.add_model(model(number))
            }
            Event::Know(_, true) => {}
            Event::Know(number, false) => drop(hub.remove_model(&name(number))),
            Event::Fault(times, which) => drop(hub.inject(fault(which).times(times))),
            Event::Key(true) => hub.add_key(hub::ACCOUNT, SECOND_KEY),
            Event::Key(false) => hub.revoke_key(SECOND_KEY),
            Event::Kill(who) => self.operators[who] = self.operator(),
            Event::Terminate(who) => self.operators[who].signal_if_running(Signal::TERM),
            Event::Freeze(who, millis) => {
                self.operators[who].signal_if_running(Signal::STOP);
                self.frozen[who] = Some(Instant::now() + Duration::from_millis(millis));
            }
            Event::Mute => self.gate.mute_streams(),
            Event::Refuse(millis) => {
                self.gate
                    .refuse("PATCH", "/status", StatusCode::SERVICE_UNAVAILABLE);
                self.refused_until = Some(Instant::now() + Duration::from_millis(millis));
            }
            Event::Pause => {}
        }
    }

    /// Ends what has lasted long enough, and starts operators that have exited.
    fn end_expired(&mut self) {
        let over = |until: Option<Instant>| until.is_some_and(|until| until <= Instant::now());
        if over(self.refused_until) {
            self.gate.clear();
            self.refused_until = None;
        }
        for who in 0..self.operators.len() {
            if over(self.frozen[who]) {
                self.operators[who].signal_if_running(Signal::CONT);
                self.frozen[who] = None;
            }
            if self.operators[who].has_exited() {
                self.operators[who] = self.operator();
            }
        }
    }

    fn objects(&self) -> Api<OxenModel> {
        self.world.api()
    }

    async fn declare(&self, number: usize, active: bool) {
        let spec = self.spec(number, active);
        let state = spec["state"].clone();
        if self.patch(number, json!({"spec": {"state": state}})).await {
            return;
        }
        let object = OxenModel::new(&name(number), serde_json::from_value(spec).unwrap());
        // An object that is being deleted still exists.
        let _ = self.objects().create(&PostParams::default(), &object).await;
    }

    /// Returns false if the object doesn't exist.
    async fn patch(&self, number: usize, patch: Value) -> bool {
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        let patched = self.objects().patch(&name(number), &params, &patch).await;
        patched.is_ok()
    }

    async fn delete(&self, number: usize) {
        let name = name(number);
        if let Ok(object) = self.objects().get(&name).await
            && !object.has_finalizer()
        {
            self.monitor
                .deleting(&object.metadata.uid.unwrap_or_default());
        }
        // The object need not exist.
        let _ = self.objects().delete(&name, &DeleteParams::default()).await;
    }

    async fn request(&mut self, number: usize) {
        self.requests += 1;
        let when = self.requests.to_string();
        let annotation = json!({"metadata": {"annotations": {RECONCILE_ANNOTATION: when}}});
        self.patch(number, annotation).await;
    }

    /// Ends all faults.
    pub async fn end_faults(&mut self) {
        for who in 0..self.operators.len() {
            self.frozen[who] = Some(Instant::now());
        }
        self.refused_until = Some(Instant::now());
        self.end_expired();
        self.world.hub.clear_faults();
        for number in 0..MODELS {
            self.apply(Event::Know(number, true)).await;
        }
        self.apply(Event::Key(true)).await;
    }

    /// Waits until all objects have settled and nothing is written or called while each is observed
    /// twice more. Returns how many settled in which way, or why one didn't.
    pub async fn settle(&mut self, limit: Duration) -> Result<String, String> {
        let deadline = Instant::now() + limit;
        loop {
            self.end_expired();
            let (problem, summary) = self.unsettled().await;
            if problem.is_none() && self.is_inactive().await {
                return Ok(summary);
            }
            if Instant::now() > deadline {
                let problem = problem.unwrap_or_else(|| "writes or calls go on".into());
                return Err(format!("{problem}\n{summary}"));
            }
            sleep(Duration::from_millis(300)).await;
        }
    }

    /// Returns an object that hasn't settled, if there is one, and how many objects are in which
    /// state.
    async fn unsettled(&self) -> (Option<String>, String) {
        let all = self.objects().list(&ListParams::default()).await.unwrap();
        let (mut problem, mut states) = (None, BTreeMap::<String, usize>::new());
        for object in &all {
            match settled(&self.world.hub, &all.items, object) {
                Ok(state) => *states.entry(state).or_default() += 1,
                Err(why) => {
                    let name = object.metadata.name.as_deref().unwrap_or_default();
                    problem = Some(format!("{name} {why}: {object:#?}"));
                    *states.entry(why).or_default() += 1;
                }
            }
        }
        (problem, format!("the objects: {states:?}"))
    }

    /// Returns true when nothing is written or called while each object is observed twice.
    async fn is_inactive(&self) -> bool {
        let all = self.objects().list(&ListParams::default()).await.unwrap();
        let models: Vec<&str> = all.iter().map(|it| it.spec.model.as_str()).collect();
        self.world.hub.clear_journal();
        let before = self.monitor.activity();
        eventually("every object is observed twice", || async {
            let journal = self.world.hub.journal();
            let mut observed = BTreeMap::<&str, usize>::new();
            let entries = journal.entries.iter();
            for model in entries.filter_map(|entry| entry.model.as_deref()) {
                *observed.entry(model).or_default() += 1;
            }
            let twice = |model: &&str| observed.get(model).is_some_and(|times| *times >= 2);
            let active = self.monitor.activity() != before;
            (active || models.iter().all(twice)).then_some(())
        })
        .await;
        self.monitor.activity() == before
    }
}

/// Returns the fault with this number: a fault of the table at some endpoint, before or after the
/// effect.
fn fault(which: usize) -> Fault {
    let second = Duration::from_secs(1);
    let faults = [
        Fault::status(500),
        Fault::status(503).retry_after(second),
        Fault::status(429).retry_after(second),
        Fault::status(402),
        Fault::status(403),
        Fault::status(404),
        Fault::error(422, "not today"),
        Fault::html(502),
        Fault::cut(),
        Fault::cut_in_body(),
        Fault::hang(),
        Fault::latency(Duration::from_millis(700)),
        Fault::latency(Duration::from_millis(1500)),
        Fault::truncated(),
        Fault::wrong_shape(),
        Fault::empty(),
        Fault::shows("paused"),
        Fault::patch(json!({"deployments": null})),
        Fault::patch(json!({"owned_by": "another"})),
        Fault::patch(json!({"id": "another"})),
    ];
    let endpoints = [
        Endpoint::Retrieve,
        Endpoint::Activate,
        Endpoint::Deactivate,
        Endpoint::Search,
    ];
    let (fault, which) = (which % faults.len(), which / faults.len());
    let fault = faults[fault].clone().on(endpoints[which % endpoints.len()]);
    match which / endpoints.len() % 2 {
        0 => fault.after_effect(),
        _ => fault,
    }
}
