//! A simulation of one object: what live GETs show, how calls end, and reconciles that do with a
//! plan what the controller does.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use oxen_operator::{
    api::{
        FINALIZER, LiveStatus, ModelStatus, OVERRIDE_ANNOTATION, OperationKind, OxenModel,
        OxenModelStatus, RECONCILE_ANNOTATION, State,
    },
    decide::{
        Action, Agreement, CallOutcome, Clock, CredentialFault, Fault, History, HubFault, KeyUsed,
        Observation, Ownership, Plan, READY, RECONCILING, Refusal, Remedy, Remote, Rules, STALLED,
        SYNCED, Subject, Verdict, after_call, answer_override, decide, not_permitted, not_recorded,
        unobserved,
    },
};

/// What a live GET showed, or why it showed nothing.
pub type Retrieved = Result<Box<Remote>, Fault>;

/// One object, with what a process knows and remembers of it.
#[derive(Clone)]
pub struct Simulation {
    /// The object as the API server has it.
    pub object: OxenModel,
    /// The operator's defaults, waits and limits.
    pub rules: Rules,
    /// The wall clock.
    pub now: Timestamp,
    /// Whether the hub's clock agrees with the wall clock.
    pub agreement: Agreement,
    /// The outcome of every call from now on.
    pub outcome: CallOutcome,
    /// What the process remembers of earlier observations.
    pub history: History,
    /// Which object controls the model.
    pub ownership: Ownership,
    /// Whether the CustomResourceDefinition is being deleted.
    pub crd_terminating: bool,
    /// Whether the API server stores a call's record as it is sent.
    pub stores_records: bool,
    /// Whether the hub's list shows that the API key belongs to the model's owner.
    pub listed: bool,
    /// Why the budgets of the namespace allow no activate call, if they don't.
    pub refusal: Option<Refusal>,
    /// Whether this process has retrieved the model with its API key.
    proven: bool,
    reconciles: u32,
}

/// The plans of one reconcile.
pub struct Reconciled {
    /// The plan as it was decided, before any call.
    pub decided: Plan,
    /// The plan after the call's outcome, or `decided` if there was no call.
    pub plan: Plan,
    /// Whether the finalizer held the object when the plan was recorded.
    pub held: bool,
}

/// A duration of this many seconds.
#[must_use]
pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A duration of this many minutes.
#[must_use]
pub fn mins(minutes: u64) -> Duration {
    secs(60 * minutes)
}

/// A live GET that shows a custom model with this live status.
pub fn shows(live: LiveStatus) -> Retrieved {
    shows_model(false, live, "bot", "acme")
}

/// A live GET that shows a base model.
pub fn shows_base() -> Retrieved {
    shows_model(true, LiveStatus::Active, "bot", "oxen")
}

/// A live GET that shows this model.
pub fn shows_model(base: bool, live: LiveStatus, id: &str, owner: &str) -> Retrieved {
    Ok(Box::new(Remote {
        base,
        live,
        others: Vec::new(),
        notes: Vec::new(),
        model: ModelStatus {
            id: id.into(),
            owner: owner.into(),
            display_name: None,
            type_: None,
            endpoint: None,
            source_model: None,
            url: None,
        },
        pricing: None,
    }))
}

/// One fault of every kind, with these words: those of the credentials, then those of the hub.
#[must_use]
pub fn faults(words: &str) -> Vec<Fault> {
    let credentials = credential_faults(words).into_iter().map(Fault::from);
    let hub = hub_faults(words).into_iter().map(Fault::from);
    credentials.chain(hub).collect()
}

/// One fault of every kind that credentials can have, with these words.
#[must_use]
pub fn credential_faults(words: &str) -> Vec<CredentialFault> {
    let (secret, key) = ("team-key".to_owned(), "api-key".to_owned());
    vec![
        CredentialFault::NotFound {
            why: words.into(),
            remedy: Remedy::CreateSecret {
                secret: secret.clone(),
                key: key.clone(),
            },
        },
        CredentialFault::Invalid {
            why: words.into(),
            remedy: Remedy::PatchSecret { secret, key },
        },
        CredentialFault::OperatorKeyNotAllowed,
    ]
}

/// One fault of every kind that the hub can have, with these words.
#[must_use]
pub fn hub_faults(words: &str) -> Vec<HubFault> {
    vec![
        HubFault::Unauthenticated,
        HubFault::Forbidden(words.into()),
        HubFault::PaymentRequired(words.into()),
        HubFault::ModelNotFound(vec![words.into()]),
        HubFault::RateLimited {
            wait: Some(secs(7)),
            whole_key: true,
            words: Some(words.into()),
        },
        HubFault::Unreachable(words.into()),
        HubFault::Unexpected(words.into()),
        HubFault::ModelMismatch(words.into()),
        HubFault::Rejected(words.into()),
    ]
}

impl Simulation {
    /// An object of generation 1 with this desired state, which has the finalizer and was never
    /// observed.
    #[must_use]
    pub fn new(desired: State) -> Self {
        let spec = serde_json::json!({"model": "bot", "state": desired});
        let mut object = OxenModel::new("my-bot", serde_json::from_value(spec).unwrap());
        object.metadata.namespace = Some("team".into());
        object.metadata.uid = Some("object-1".into());
        object.metadata.generation = Some(1);
        object.metadata.finalizers = Some(vec![FINALIZER.into()]);
        Self {
            object,
            rules: Rules::default(),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            agreement: Agreement::Agrees,
            outcome: CallOutcome::Accepted,
            history: History::default(),
            ownership: Ownership::Owned,
            crd_terminating: false,
            stores_records: true,
            listed: true,
            refusal: None,
            proven: false,
            reconciles: 0,
        }
    }

    /// The same simulation after this change.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The same simulation with a suspended object.
    #[must_use]
    pub fn suspended(self) -> Self {
        self.with(|simulation| simulation.object.spec.suspend = Some(true))
    }

    /// The same simulation with an operator that runs with `--observe-only`.
    #[must_use]
    pub fn observe_only(self) -> Self {
        self.with(|simulation| simulation.rules.observe_only = true)
    }

    /// The same simulation with an object that doesn't have the finalizer.
    #[must_use]
    pub fn without_finalizer(self) -> Self {
        self.with(|simulation| simulation.object.metadata.finalizers = None)
    }

    /// The same simulation with an object that is being deleted.
    #[must_use]
    pub fn deleting(self) -> Self {
        self.with(Self::delete)
    }

    /// Starts the object's deletion. The API server increments the generation with it.
    pub fn delete(&mut self) {
        self.object.metadata.deletion_timestamp = Some(Time(self.now));
        self.edit(|_| ());
    }

    /// Changes the object, which gets a new generation.
    pub fn edit(&mut self, change: impl FnOnce(&mut OxenModel)) {
        change(&mut self.object);
        self.object.metadata.generation = self.object.metadata.generation.map(|last| last + 1);
    }

    /// Sets the annotation that requests a reconcile.
    pub fn request_reconcile(&mut self, value: &str) {
        let annotations = self.object.metadata.annotations.get_or_insert_default();
        annotations.insert(RECONCILE_ANNOTATION.into(), value.into());
    }

    /// Sets the annotation that requests an override, or removes it.
    pub fn request_override(&mut self, value: Option<&str>) {
        let annotations = self.object.metadata.annotations.get_or_insert_default();
        match value {
            Some(value) => annotations.insert(OVERRIDE_ANNOTATION.into(), value.into()),
            None => annotations.remove(OVERRIDE_ANNOTATION),
        };
    }

    /// Accepts or refuses a requested override, before the live GET. Returns the plan, if the
    /// status needs an answer.
    pub fn answer_override(&mut self) -> Option<Plan> {
        let needed = self.unobserved().is_none();
        let plan = needed.then(|| answer_override(&self.subject())).flatten();
        if let Some(plan) = &plan {
            self.record(plan);
        }
        plan
    }

    /// Puts another API key into the Secret.
    pub fn change_secret(&mut self) {
        self.history.secret_changed = true;
        self.proven = false;
    }

    /// The clock that the desired state is judged by.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock {
            now: self.now,
            agreement: self.agreement,
        }
    }

    /// Lets time pass.
    pub fn advance(&mut self, by: Duration) {
        self.now += SignedDuration::try_from(by).unwrap();
        self.history.advance(by);
    }

    /// Replaces the process, which loses everything that it remembers.
    pub fn restart(&mut self) {
        self.history = History::default();
        self.proven = false;
    }

    /// The object's status, or the schema's default.
    #[must_use]
    pub fn status(&self) -> OxenModelStatus {
        self.object.status.clone().unwrap_or_default()
    }

    /// The plan where nothing is needed from the hub, or `None` where the hub has to be observed.
    #[must_use]
    pub fn unobserved(&self) -> Option<Plan> {
        unobserved(&self.subject())
    }

    /// Decides on this observation, and neither records nor remembers anything.
    #[must_use]
    pub fn decide(&self, retrieved: Retrieved) -> Plan {
        let mut discarded = self.clone();
        discarded.observe(&retrieved);
        discarded.decide_with(discarded.history.clone(), retrieved)
    }

    /// Decides as a process that remembers `history`, which includes this observation.
    #[must_use]
    pub fn decide_with(&self, history: History, retrieved: Retrieved) -> Plan {
        plan(&self.observation(history, retrieved))
    }

    /// Decides on this observation where the process may not make the call now.
    #[must_use]
    pub fn decide_unpermitted(&self, retrieved: Retrieved, why: &'static str) -> Plan {
        let plan = self.decide(retrieved.clone());
        let mut discarded = self.clone();
        discarded.observe(&retrieved);
        let seen = discarded.observation(discarded.history.clone(), retrieved);
        not_permitted(&seen, plan, why)
    }

    /// Reconciles the object: answers an override, observes, decides, records, acts, and records
    /// the outcome.
    pub fn reconcile(&mut self, retrieved: Retrieved) -> Reconciled {
        self.reconciles += 1;
        self.answer_override();
        if self.unobserved().is_none() {
            self.observe(&retrieved);
        }
        // The finalizer is changed first, and the controller then decides again.
        let changed = self.decide_with(self.history.clone(), retrieved.clone());
        match changed.action {
            Action::AddFinalizer => {
                self.object.metadata.finalizers = Some(vec![FINALIZER.into()]);
            }
            Action::RemoveFinalizer if self.object.metadata.deletion_timestamp.is_none() => {
                self.object.metadata.finalizers = None;
            }
            Action::Nothing | Action::RemoveFinalizer | Action::Call { .. } => {}
        }
        let before = self.clone();
        let seen = before.observation(before.history.clone(), retrieved);
        let mut decided = plan(&seen);
        if call(&decided).is_some() && !self.stores_records {
            decided = not_recorded(&seen, decided);
        }
        self.record(&decided);
        let plan = match &decided.action {
            Action::Nothing | Action::AddFinalizer => decided.clone(),
            Action::RemoveFinalizer => {
                self.object.metadata.finalizers = None;
                decided.clone()
            }
            Action::Call { .. } => {
                let plan = after_call(&seen, decided.clone(), &self.outcome);
                self.history.call_ended(&self.outcome);
                self.record(&plan);
                plan
            }
        };
        let held = before.object.has_finalizer();
        Reconciled {
            decided,
            plan,
            held,
        }
    }

    /// Reconciles twice with the same observation, as far apart as confirms it.
    pub fn reconcile_twice(&mut self, retrieved: &Retrieved) -> Reconciled {
        self.reconcile(retrieved.clone());
        self.advance(self.rules.confirm_after);
        self.reconcile(retrieved.clone())
    }

    /// Reconciles the object with a process that crashes between the record and the outcome.
    pub fn reconcile_and_crash(&mut self, retrieved: Retrieved) -> Plan {
        let decided = self.decide(retrieved);
        self.record(&decided);
        self.restart();
        decided
    }

    /// Returns true when the controller would write the plan's status. A released object needs
    /// none.
    #[must_use]
    pub fn would_write(&self, plan: &Plan) -> bool {
        plan.verdict != Verdict::Released && self.object.status.as_ref() != Some(&plan.status)
    }

    fn record(&mut self, plan: &Plan) {
        if self.would_write(plan) {
            self.object.status = Some(plan.status.clone());
        }
        self.history.recorded();
    }

    /// Takes an observation into account, as the controller's memory does.
    fn observe(&mut self, retrieved: &Retrieved) {
        let key = match retrieved {
            Err(Fault::Credentials(_)) => KeyUsed::None,
            Ok(_) | Err(Fault::Hub(_)) if self.proven => KeyUsed::Proven,
            Ok(_) | Err(Fault::Hub(_)) => KeyUsed::Unproven,
        };
        let rivals = self.ownership.rivals();
        self.history
            .observe(&self.object, retrieved, key, rivals, &self.rules);
        self.proven |= retrieved.is_ok();
    }

    fn observation(&self, history: History, retrieved: Retrieved) -> Observation<'_> {
        Observation {
            subject: self.subject(),
            key_proven: self.listed && history.has_lost_model(&self.rules),
            refusal: self.refusal.clone(),
            retrieved,
            history,
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            object: &self.object,
            now: self.now,
            agreement: self.agreement,
            rules: &self.rules,
            operation_id: format!("operation-{}", self.reconciles),
            ownership: self.ownership.clone(),
            crd_terminating: self.crd_terminating,
        }
    }
}

/// The plan as the controller makes it: by `unobserved` where that has one, which `decide` must
/// agree with, and by `decide` otherwise.
fn plan(seen: &Observation<'_>) -> Plan {
    match unobserved(&seen.subject) {
        Some(plan) => {
            let observed = decide(seen);
            assert_eq!(
                observed, plan,
                "an observation that nobody needs has no effect"
            );
            plan
        }
        None => decide(seen),
    }
}

impl Reconciled {
    /// The call that was made.
    #[must_use]
    pub fn call(&self) -> Option<OperationKind> {
        call(&self.decided)
    }

    /// The summary of what a reader sees after the reconcile.
    #[must_use]
    pub fn summary(&self) -> String {
        summary(&self.plan)
    }
}

/// The call that a plan makes.
#[must_use]
pub fn call(plan: &Plan) -> Option<OperationKind> {
    match plan.action {
        Action::Call { kind, .. } => Some(kind),
        Action::Nothing | Action::AddFinalizer | Action::RemoveFinalizer => None,
    }
}

/// The status and reason of `Ready`, and the other condition that kstatus reads:
/// `False Activating Reconciling`, `True Active -`.
#[must_use]
pub fn summary(plan: &Plan) -> String {
    let ready = condition(&plan.status, READY).unwrap();
    let progress = progress(&plan.status);
    format!("{} {} {progress}", ready.status, ready.reason)
}

/// The condition that kstatus reads beside `Ready`: `Reconciling`, `Stalled`, `-` for neither, and
/// `both`, which no status may have.
#[must_use]
pub fn progress(status: &OxenModelStatus) -> &'static str {
    match [RECONCILING, STALLED].map(|type_| condition(status, type_)) {
        [None, None] => "-",
        [Some(_), None] => RECONCILING,
        [None, Some(_)] => STALLED,
        [Some(_), Some(_)] => "both",
    }
}

/// The status of `Synced` where it is not `False`, and its reason where it is.
#[must_use]
pub fn synced(plan: &Plan) -> &str {
    let synced = condition(&plan.status, SYNCED).unwrap();
    match synced.status.as_str() {
        "False" => &synced.reason,
        other => other,
    }
}

/// The condition of this type.
#[must_use]
pub fn condition<'a>(status: &'a OxenModelStatus, type_: &str) -> Option<&'a Condition> {
    oxen_operator::decide::condition(&status.conditions, type_)
}
