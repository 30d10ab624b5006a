//! One object, what the hub shows and answers, and passes that do with a plan what the controller
//! does. The property tests use it too.
#![allow(dead_code)] // each of its users needs a part

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::{
    api::{
        Deployment, Direction, FINALIZER, ModelStatus, OxenModel, OxenModelStatus,
        RECONCILE_ANNOTATION, State,
    },
    decide::{
        Action, Answer, Claim, Fault, Look, Mend, Observation, Past, Plan, Remote, Rules, Watched,
        answered, decide, needs_look, still_old,
    },
};

/// Every word that deployments fold to.
pub(crate) const DEPLOYMENTS: [Deployment; 7] = [
    Deployment::Active,
    Deployment::Inactive,
    Deployment::Deploying,
    Deployment::Deactivating,
    Deployment::Error,
    Deployment::Unknown,
    Deployment::None,
];

/// One object and its surroundings.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) object: OxenModel,
    pub(crate) rules: Rules,
    pub(crate) now: Timestamp,
    /// What the hub answers to a call.
    pub(crate) answer: Answer,
    pub(crate) past: Past,
    pub(crate) claim: Claim,
    pub(crate) crd_going: bool,
    watched: Option<(String, Timestamp, u32)>,
    passes: u32,
}

/// What one pass came to.
pub(crate) struct Pass {
    /// As it was decided, before any call.
    pub(crate) decided: Plan,
    /// As it was after the call's answer, if there was a call.
    pub(crate) plan: Plan,
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn mins(minutes: u64) -> Duration {
    secs(60 * minutes)
}

/// A good look at a custom model.
pub(crate) fn shows(deployment: Deployment) -> Look {
    look_at(false, deployment, "bot", "acme")
}

/// A good look at a base model.
pub(crate) fn base() -> Look {
    look_at(true, Deployment::Active, "bot", "oxen")
}

pub(crate) fn look_at(base: bool, deployment: Deployment, id: &str, owner: &str) -> Look {
    Look::Seen(Box::new(Remote {
        base,
        deployment,
        others: Vec::new(),
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

/// One fault of every kind, with these words.
pub(crate) fn faults(words: &str) -> Vec<Fault> {
    let (secret, key) = ("team-key".to_owned(), "api-key".to_owned());
    vec![
        Fault::CredentialsNotFound {
            why: words.into(),
            mend: Mend::Create {
                secret: secret.clone(),
                key: key.clone(),
            },
        },
        Fault::CredentialsInvalid {
            why: words.into(),
            mend: Mend::Fill { secret, key },
        },
        Fault::OperatorKeyNotAllowed,
        Fault::Unauthenticated,
        Fault::Forbidden(words.into()),
        Fault::PaymentRequired(words.into()),
        Fault::ModelNotFound(vec![words.into()]),
        Fault::RateLimited {
            wait: Some(secs(7)),
            whole_key: true,
        },
        Fault::Unreachable(words.into()),
        Fault::Unexpected(words.into()),
        Fault::AnotherModel(words.into()),
        Fault::Rejected(words.into()),
    ]
}

impl Bench {
    /// An object of generation 1 that wants this, holds its finalizer and was never looked at.
    pub(crate) fn wanting(state: State) -> Self {
        let spec = serde_json::json!({"model": "bot", "state": state});
        let mut object = OxenModel::new("my-bot", serde_json::from_value(spec).unwrap());
        object.metadata.namespace = Some("team".into());
        object.metadata.generation = Some(1);
        object.metadata.finalizers = Some(vec![FINALIZER.into()]);
        Self {
            object,
            rules: Rules::default(),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            answer: Answer::Accepted,
            past: Past::default(),
            claim: Claim::Mine,
            crd_going: false,
            watched: None,
            passes: 0,
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn suspended(self) -> Self {
        self.with(|bench| bench.object.spec.suspend = Some(true))
    }

    pub(crate) fn observed_only(self) -> Self {
        self.with(|bench| bench.rules.observe_only = true)
    }

    pub(crate) fn unheld(self) -> Self {
        self.with(|bench| bench.object.metadata.finalizers = None)
    }

    pub(crate) fn deleting(self) -> Self {
        self.with(Self::delete)
    }

    /// The API server bumps the generation with it.
    pub(crate) fn delete(&mut self) {
        self.object.metadata.deletion_timestamp = Some(Time(self.now));
        self.edit(|_| ());
    }

    /// A new generation of the spec.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut OxenModel)) {
        change(&mut self.object);
        self.object.metadata.generation = self.object.metadata.generation.map(|last| last + 1);
    }

    /// `kubectl annotate` with a new value.
    pub(crate) fn request(&mut self, value: &str) {
        let annotations = self.object.metadata.annotations.get_or_insert_default();
        annotations.insert(RECONCILE_ANNOTATION.into(), value.into());
    }

    pub(crate) fn later(&mut self, after: Duration) {
        self.now += SignedDuration::try_from(after).unwrap();
    }

    /// The process that watched is gone, with all that it remembered.
    pub(crate) fn restart(&mut self) {
        self.watched = None;
        self.past = Past::default();
    }

    /// A decision on this look, with nothing written.
    pub(crate) fn decide(&self, look: Look) -> Plan {
        let mut unwritten = self.clone();
        unwritten.watch(&look);
        decide(&unwritten.observation(look))
    }

    /// A decision of a process that has watched the operation for so long.
    pub(crate) fn decide_having(&self, watched: Watched, look: Look) -> Plan {
        decide(&Observation {
            watched,
            ..self.observation(look)
        })
    }

    /// A whole pass: decide, record, act on the plan, record.
    pub(crate) fn pass(&mut self, look: Look) -> Pass {
        self.passes += 1;
        self.watch(&look);
        let before = self.clone();
        let seen = before.observation(look);
        let decided = decide(&seen);
        self.object.status = Some(decided.status.clone());
        let finalizers = &mut self.object.metadata.finalizers;
        let plan = match &decided.action {
            Action::Nothing => decided.clone(),
            Action::AddFinalizer => {
                *finalizers = Some(vec![FINALIZER.into()]);
                decided.clone()
            }
            Action::RemoveFinalizer => {
                *finalizers = None;
                decided.clone()
            }
            Action::Call { .. } => {
                let plan = answered(&seen, decided.clone(), &self.answer);
                self.object.status = Some(plan.status.clone());
                plan
            }
        };
        Pass { decided, plan }
    }

    /// As `pass`, for a process that dies between the record and the answer.
    pub(crate) fn pass_and_die(&mut self, look: Look) -> Plan {
        let decided = self.decide(look);
        self.object.status = Some(decided.status.clone());
        self.restart();
        decided
    }

    pub(crate) fn status(&self) -> OxenModelStatus {
        self.object.status.clone().unwrap_or_default()
    }

    pub(crate) fn needs_look(&self) -> bool {
        needs_look(&self.object, &self.rules, &self.claim, self.crd_going)
    }

    pub(crate) fn is_held(&self) -> bool {
        crate::decide::has_finalizer(&self.object)
    }

    fn observation(&self, look: Look) -> Observation<'_> {
        Observation {
            object: &self.object,
            now: self.now,
            rules: &self.rules,
            epoch: 7,
            operation_id: format!("operation-{}", self.passes),
            look,
            watched: self.watched(),
            past: self.past,
            claim: self.claim.clone(),
            crd_going: self.crd_going,
        }
    }

    fn watched(&self) -> Watched {
        self.watched
            .as_ref()
            .map_or(Watched::default(), |watched| Watched {
                elapsed: Duration::try_from(self.now.duration_since(watched.1)).unwrap(),
                unmoved: watched.2,
            })
    }

    /// As the controller's memory does it.
    fn watch(&mut self, look: &Look) {
        let Some(operation) = self.status().operation else {
            self.watched = None;
            return;
        };
        if self
            .watched
            .as_ref()
            .is_none_or(|watched| watched.0 != operation.id)
        {
            self.watched = Some((operation.id, self.now, 0));
        }
        let late = self.watched().elapsed >= self.rules.operation_patience;
        let old =
            matches!(look, Look::Seen(remote) if still_old(operation.direction, remote.deployment));
        if let Some(watched) = &mut self.watched {
            watched.2 += u32::from(late && old);
        }
    }
}

impl Pass {
    /// The call that went out.
    pub(crate) fn call(&self) -> Option<Direction> {
        call(&self.decided)
    }

    /// What a reader sees after it.
    pub(crate) fn shown(&self) -> String {
        shown(&self.plan)
    }
}

/// The call that a plan makes.
pub(crate) fn call(plan: &Plan) -> Option<Direction> {
    match plan.action {
        Action::Call { direction, .. } => Some(direction),
        Action::Nothing | Action::AddFinalizer | Action::RemoveFinalizer => None,
    }
}

/// `Ready`'s status and reason, and the marker: `False Activating Reconciling`, `True Active -`.
pub(crate) fn shown(plan: &Plan) -> String {
    let ready = condition(&plan.status, "Ready").unwrap();
    format!("{} {} {}", ready.status, ready.reason, marker(&plan.status))
}

pub(crate) fn marker(status: &OxenModelStatus) -> &'static str {
    match ["Reconciling", "Stalled"].map(|marker| condition(status, marker)) {
        [None, None] => "-",
        [Some(_), None] => "Reconciling",
        [None, Some(_)] => "Stalled",
        [Some(_), Some(_)] => "both",
    }
}

/// `Synced`: `True`, or the reason why not.
pub(crate) fn synced(plan: &Plan) -> &str {
    let synced = condition(&plan.status, "Synced").unwrap();
    match synced.status.as_str() {
        "False" => &synced.reason,
        other => other,
    }
}

pub(crate) fn condition<'a>(status: &'a OxenModelStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|one| one.type_ == type_)
}
