//! The decision under check: the production's, or one with a seeded fault, to show that the
//! checker would find it.
//!
//! A mutant alters what the production is shown, or the plan that it makes of it, or skips a step
//! of the pass. The onlooker in `rules` sees what was really the case.

use std::{borrow::Cow, cell::RefCell, collections::HashMap, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use oxen_operator::{
    api::{Deployment, FINALIZER, OxenModelStatus, State},
    decide::{Action, Answer, Claim, Observation, Plan, answered, decide},
};

use crate::{
    hub::{Failure, Glimpse},
    object::{NOW, RULES},
    world::Seen,
};

/// Which decision is under check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The one that ships.
    Production,
    /// It, with a seeded fault.
    Mutant(Mutation),
}

thread_local! {
    static KNOWN: RefCell<(Decision, HashMap<Seen, Arc<Plan>>)> =
        RefCell::new((Decision::Production, HashMap::new()));
}

/// A seeded fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Mutation {
    PostOnUnknown,
    AbsentReadAsOff,
    NoWriteAhead,
    LoserPosts,
    RepeatWhileOpen,
    GiveUpAtOnce,
    ReadyWhileStale,
    ReadyKeptForAnotherGeneration,
    ReadyOnAnAnswer,
    FinalizerDroppedEarly,
    FinalizerAfterTheCall,
    SuspensionIgnored,
    BudgetRefilledByRestart,
    CorrectionsForgotten,
    LetGoOnAnAnswer,
    GoneAtFirstSight,
    VersionIgnored,
    TermIgnored,
    BothMarkers,
    NeverGivesUp,
    Restless,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Mutation; 21] = [
        Mutation::PostOnUnknown,
        Mutation::AbsentReadAsOff,
        Mutation::NoWriteAhead,
        Mutation::LoserPosts,
        Mutation::RepeatWhileOpen,
        Mutation::GiveUpAtOnce,
        Mutation::ReadyWhileStale,
        Mutation::ReadyKeptForAnotherGeneration,
        Mutation::ReadyOnAnAnswer,
        Mutation::FinalizerDroppedEarly,
        Mutation::FinalizerAfterTheCall,
        Mutation::SuspensionIgnored,
        Mutation::BudgetRefilledByRestart,
        Mutation::CorrectionsForgotten,
        Mutation::LetGoOnAnAnswer,
        Mutation::GoneAtFirstSight,
        Mutation::VersionIgnored,
        Mutation::TermIgnored,
        Mutation::BothMarkers,
        Mutation::NeverGivesUp,
        Mutation::Restless,
    ];
}

impl Seen {
    /// As the production takes it.
    fn observation(&self) -> Observation<'_> {
        let ((late, unmoved), (silent, gone)) = (self.watched, self.past);
        let mut seen = Observation {
            object: &self.object,
            now: NOW,
            rules: &RULES,
            epoch: 1,
            operation_id: self.operation_id.clone(),
            look: self.glimpse.look(),
            watched: Default::default(),
            past: Default::default(),
            claim: self.claim.clone(),
            crd_going: false,
        };
        if late {
            seen.watched.elapsed = RULES.operation_patience;
        }
        if silent {
            seen.past.silence = RULES.stale_ready;
        }
        seen.watched.unmoved = unmoved.into();
        seen.past.gone = gone.into();
        seen
    }
}

impl Decision {
    /// What to do. The same is seen in many worlds, so the last decisions are kept.
    #[must_use]
    pub fn decide(self, seen: &Seen) -> Arc<Plan> {
        KNOWN.with_borrow_mut(|known| {
            if known.0 != self {
                *known = (self, HashMap::new());
            }
            if let Some(plan) = known.1.get(seen) {
                return plan.clone();
            }
            let shown = self.distort(seen);
            let plan = decide(&shown.observation());
            let plan = Arc::new(self.twist(seen, plan));
            known.1.insert(seen.clone(), plan.clone());
            plan
        })
    }

    /// What a call's answer makes of it.
    #[must_use]
    pub fn answered(self, seen: &Seen, plan: Plan, answer: &Answer) -> Plan {
        let shown = self.distort(seen);
        let plan = answered(&shown.observation(), plan, answer);
        let accepted = *answer == Answer::Accepted;
        match self {
            Decision::Mutant(Mutation::LetGoOnAnAnswer) if accepted && seen.object.deleting() => {
                Plan {
                    action: Action::RemoveFinalizer,
                    ..plan
                }
            }
            Decision::Mutant(Mutation::ReadyOnAnAnswer) if accepted => ready(plan),
            Decision::Production | Decision::Mutant(_) => plan,
        }
    }

    /// Whether this fault is seeded.
    #[must_use]
    pub fn is(self, mutation: Mutation) -> bool {
        self == Decision::Mutant(mutation)
    }

    /// What the mutant is shown.
    fn distort(self, seen: &Seen) -> Cow<'_, Seen> {
        let Decision::Mutant(mutation) = self else {
            return Cow::Borrowed(seen);
        };
        let mut shown = seen.clone();
        let unknown = seen.glimpse == Glimpse::Seen(Deployment::Unknown);
        match mutation {
            Mutation::PostOnUnknown if unknown => {
                shown.glimpse = Glimpse::Seen(match seen.object.wanted() {
                    State::Active => Deployment::Inactive,
                    State::Inactive => Deployment::Active,
                });
            }
            Mutation::AbsentReadAsOff if unknown => {
                shown.glimpse = Glimpse::Seen(Deployment::Inactive);
            }
            Mutation::LoserPosts => shown.claim = Claim::Mine,
            Mutation::RepeatWhileOpen => change(&mut shown, |status| status.operation = None),
            Mutation::GiveUpAtOnce => shown.watched = (true, 2),
            Mutation::ReadyKeptForAnotherGeneration => keep_ready(&mut shown),
            Mutation::FinalizerAfterTheCall if !seen.object.deleting() => {
                shown.object = shown
                    .object
                    .with(|object| object.metadata.finalizers = Some(vec![FINALIZER.into()]));
            }
            Mutation::SuspensionIgnored => {
                shown.object = shown.object.with(|object| object.spec.suspend = None);
            }
            Mutation::BudgetRefilledByRestart if seen.first => {
                change(&mut shown, |status| status.attempts = None);
            }
            Mutation::CorrectionsForgotten => change(&mut shown, |status| {
                if let Some(spent) = &mut status.attempts {
                    spent.corrections = None;
                }
            }),
            Mutation::GoneAtFirstSight => shown.past.1 = 2,
            Mutation::NeverGivesUp => shown.watched = (false, 0),
            Mutation::PostOnUnknown
            | Mutation::AbsentReadAsOff
            | Mutation::FinalizerAfterTheCall
            | Mutation::BudgetRefilledByRestart
            | Mutation::NoWriteAhead
            | Mutation::ReadyWhileStale
            | Mutation::ReadyOnAnAnswer
            | Mutation::FinalizerDroppedEarly
            | Mutation::LetGoOnAnAnswer
            | Mutation::VersionIgnored
            | Mutation::TermIgnored
            | Mutation::BothMarkers
            | Mutation::Restless => {}
        }
        Cow::Owned(shown)
    }

    /// What the mutant makes of the plan.
    fn twist(self, seen: &Seen, plan: Plan) -> Plan {
        let unreachable = seen.glimpse == Glimpse::Failed(Failure::Unreachable);
        match self {
            Decision::Mutant(Mutation::ReadyWhileStale) if unreachable => ready(plan),
            Decision::Mutant(Mutation::FinalizerDroppedEarly)
                if seen.object.deleting()
                    && seen.glimpse == Glimpse::Seen(Deployment::Deactivating) =>
            {
                Plan {
                    action: Action::RemoveFinalizer,
                    ..plan
                }
            }
            Decision::Mutant(Mutation::BothMarkers) => both_markers(plan),
            Decision::Mutant(Mutation::Restless) => restless(plan),
            Decision::Production | Decision::Mutant(_) => plan,
        }
    }
}

fn change(seen: &mut Seen, change: impl FnOnce(&mut OxenModelStatus)) {
    if seen.object.status.is_some() {
        seen.object = seen.object.with(|object| {
            if let Some(status) = &mut object.status {
                change(status);
            }
        });
    }
}

/// As if `Ready` had been judged for this generation.
fn keep_ready(seen: &mut Seen) {
    let generation = seen.object.metadata.generation;
    change(seen, |status| {
        for condition in &mut status.conditions {
            condition.observed_generation = generation;
        }
    });
}

fn ready(mut plan: Plan) -> Plan {
    for condition in &mut plan.status.conditions {
        if condition.type_ == "Ready" {
            condition.status = "True".into();
        }
    }
    plan
}

fn both_markers(mut plan: Plan) -> Plan {
    let conditions = &mut plan.status.conditions;
    let marked = conditions.iter().find(|one| one.type_ == "Reconciling");
    let second = marked.map(|marker| Condition {
        type_: "Stalled".into(),
        ..marker.clone()
    });
    conditions.extend(second);
    plan
}

/// A status that is never the same twice.
fn restless(mut plan: Plan) -> Plan {
    let last = &mut plan.status.last_handled_reconcile_at;
    *last = last.is_none().then(|| "just now".into());
    plan
}
