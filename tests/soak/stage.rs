//! Where it happens: the cluster with its gate, the hub, two operators.

use std::{
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
use tokio::time::sleep;

use crate::{
    rest::rest,
    script::{Event, MODELS, OBJECTS},
    witness::Witness,
    world::{Operator, World, eventually, has_finalizer, with_crd},
};

/// Short enough that terms, deadlines and budgets come to their end in a minute.
const SETTINGS: &[(&str, &str)] = &[
    ("OXEN_LEADER_ELECT", "true"),
    ("OXEN_LEASE", "3s"),
    ("OXEN_LEASE_RENEW", "2s"),
    ("OXEN_LEASE_RETRY", "200ms"),
    ("OXEN_LEASE_QUARANTINE_MARGIN", "200ms"),
    ("OXEN_REQUEST_TIMEOUT", "1s"),
    ("OXEN_CONNECT_TIMEOUT", "500ms"),
    ("OXEN_KUBE_TIMEOUT", "1s"),
    ("OXEN_WATCH", "2s"),
    ("OXEN_SYNC_INTERVAL", "2s"),
    ("OXEN_PROGRESS_DEADLINE", "5s"),
    ("OXEN_CORRECTION_WINDOW", "10s"),
    ("OXEN_SECRET_NAMES", "oxen-api-key,second"),
    ("OXEN_LONGEST_REST", "2s"),
    // What a machine writes in an hour of this is nobody's to read.
    ("RUST_LOG", "warn"),
];

const SECOND_KEY: &str = "another-key";

pub struct Stage {
    pub witness: Witness,
    world: World<Box<Cluster>>,
    gate: Gate,
    operators: Vec<Operator>,
    /// When an operator that stands still goes on.
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

impl Stage {
    pub async fn set() -> Self {
        let witness = Witness::default();
        let journal = witness.clone();
        let builder = (0..MODELS)
            .map(model)
            .fold(Hub::builder(), hub::Builder::model);
        let builder = builder
            .key(hub::ACCOUNT, hub::KEY)
            .key(hub::ACCOUNT, SECOND_KEY)
            .on_arrival(move |entry| journal.came(entry));
        let world = World::on(Box::new(with_crd().await), builder).await;
        world.secret("second", "api-key", SECOND_KEY).await;
        let gate = world.cluster.gate().await.unwrap();
        let records = witness.clone();
        gate.show_writes(move |object| records.wrote(object));
        let mut stage = Self {
            witness,
            world,
            gate,
            operators: Vec::new(),
            frozen: [None, None],
            refused_until: None,
            requests: 0,
        };
        stage.operators = vec![stage.operator(), stage.operator()];
        for number in 0..OBJECTS {
            stage.play(Event::Declare(number, number % 2 == 0)).await;
        }
        stage
    }

    fn operator(&self) -> Operator {
        let own = [
            ("KUBECONFIG", self.gate.kubeconfig().to_str().unwrap()),
            ("OXEN_LEASE_NAMESPACE", self.world.namespace.as_str()),
        ];
        self.world.operator_with(&[SETTINGS, &own].concat())
    }

    /// An object's spec but for its state: its model by name or UUID, and its key.
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

    pub async fn play(&mut self, event: Event) {
        self.go_on();
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
            // The hub may have forgotten it.
            Event::Drift(number, status) => drop(hub.set_status(&name(number), status)),
            Event::Know(number, true) if hub.uuid(&name(number)).is_err() => {
                hub.add_model(model(number))
            }
            Event::Know(_, true) => {}
            Event::Know(number, false) => drop(hub.remove_model(&name(number))),
            Event::Trouble(times, which) => drop(hub.inject(trouble(which).times(times))),
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
            Event::Breath => {}
        }
    }

    /// What has stood still or been refused for long enough goes on, and who has ended begins anew.
    fn go_on(&mut self) {
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
            if self.operators[who].has_ended() {
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
        // One that is being deleted is still there.
        let _ = self.objects().create(&PostParams::default(), &object).await;
    }

    /// Whether it was there.
    async fn patch(&self, number: usize, patch: Value) -> bool {
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        let patched = self.objects().patch(&name(number), &params, &patch).await;
        patched.is_ok()
    }

    async fn delete(&self, number: usize) {
        let name = name(number);
        if let Ok(object) = self.objects().get(&name).await
            && !has_finalizer(&object)
        {
            self.witness.goes(&object.metadata.uid.unwrap_or_default());
        }
        // It need not be there.
        let _ = self.objects().delete(&name, &DeleteParams::default()).await;
    }

    async fn request(&mut self, number: usize) {
        self.requests += 1;
        let when = self.requests.to_string();
        let asked = json!({"metadata": {"annotations": {RECONCILE_ANNOTATION: when}}});
        self.patch(number, asked).await;
    }

    /// From now on nothing goes wrong.
    pub async fn calm(&mut self) {
        for who in 0..self.operators.len() {
            self.frozen[who] = Some(Instant::now());
        }
        self.refused_until = Some(Instant::now());
        self.go_on();
        self.world.hub.clear_faults();
        for number in 0..MODELS {
            self.play(Event::Know(number, true)).await;
        }
        self.play(Event::Key(true)).await;
    }

    /// Waits until every object rests and nothing is heard while each is looked at twice more.
    pub async fn rest(&mut self, patience: Duration) -> Result<String, String> {
        let deadline = Instant::now() + patience;
        loop {
            self.go_on();
            let (unrest, account) = self.unrest().await;
            if unrest.is_none() && self.is_silent().await {
                return Ok(account);
            }
            if Instant::now() > deadline {
                let why = unrest.unwrap_or_else(|| "it is never silent".into());
                return Err(format!("{why}\n{account}"));
            }
            sleep(Duration::from_millis(300)).await;
        }
    }

    /// An object that doesn't rest, if there is one, and how many rest in which way.
    async fn unrest(&self) -> (Option<String>, String) {
        let all = self.objects().list(&ListParams::default()).await.unwrap();
        let (mut unrest, mut ways) = (None, BTreeMap::<String, usize>::new());
        for object in &all {
            match rest(&self.world.hub, &all.items, object) {
                Ok(way) => *ways.entry(way).or_default() += 1,
                Err(why) => {
                    let name = object.metadata.name.as_deref().unwrap_or_default();
                    unrest = Some(format!("{name}: {why}: {object:#?}"));
                    *ways.entry(why).or_default() += 1;
                }
            }
        }
        (unrest, format!("at rest: {ways:?}"))
    }

    async fn is_silent(&self) -> bool {
        let all = self.objects().list(&ListParams::default()).await.unwrap();
        let models: Vec<&str> = all.iter().map(|it| it.spec.model.as_str()).collect();
        self.world.hub.clear_journal();
        let before = self.witness.noise();
        eventually("every object is looked at twice", || async {
            let journal = self.world.hub.journal();
            let mut looks = BTreeMap::<&str, usize>::new();
            let entries = journal.entries.iter();
            for model in entries.filter_map(|entry| entry.model.as_deref()) {
                *looks.entry(model).or_default() += 1;
            }
            let looked = |model: &&str| looks.get(model).is_some_and(|looks| *looks >= 2);
            let noisy = self.witness.noise() != before;
            (noisy || models.iter().all(looked)).then_some(())
        })
        .await;
        self.witness.noise() == before
    }
}

/// A fault of the table at some endpoint.
fn trouble(which: usize) -> Fault {
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
    let (fault, rest) = (which % faults.len(), which / faults.len());
    let fault = faults[fault].clone().on(endpoints[rest % endpoints.len()]);
    match rest / endpoints.len() % 2 {
        0 => fault.after_effect(),
        _ => fault,
    }
}
