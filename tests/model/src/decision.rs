//! The decision under check: the production's, or one with a seeded fault, which shows that the
//! checker finds that fault.
//!
//! A mutant alters the production's input or its plan, or skips a step of the reconcile. The
//! observer in `observer.rs` sees the unaltered input.

use std::{borrow::Cow, cell::RefCell, collections::HashMap, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use oxen_operator::{
    api::{FINALIZER, LiveStatus, OxenModelStatus, State},
    decide::{
        Action, CallOutcome, Observation, OperationWatch, Owner, Ownership, Plan, READY,
        RECONCILING, REFUSALS, STALLED, Subject, Surprise, SurpriseKind, after_call, decide,
        not_recorded, unobserved,
    },
};

use crate::{
    hub::{HubFailure, Retrieved},
    object::{NOW, RULES},
    reconcile::calls,
    world::Snapshot,
};

/// Which decision is under check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The decision that ships.
    Production,
    /// The decision that ships, with a seeded fault.
    Mutant(Mutation),
}

/// The plans that were made for snapshots.
type Plans = HashMap<Snapshot, Option<Arc<Plan>>>;

thread_local! {
    static KNOWN: RefCell<(Decision, Plans)> =
        RefCell::new((Decision::Production, HashMap::new()));
}

/// A seeded fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say what is wrong
pub enum Mutation {
    CallOnUnknown,
    UnknownReadAsInactive,
    CallBeforeRecord,
    CallWithoutOwnership,
    CallWhileOperationOpen,
    OperationExpiresAtOnce,
    ReadyWhileUnreachable,
    ReadyKeptForNewGeneration,
    ReadyOnAcceptedCall,
    FinalizerRemovedWhileDeactivating,
    CallBeforeFinalizer,
    SuspensionIgnored,
    AttemptsRenewedByRestart,
    CorrectionsForgotten,
    ReleaseOnAcceptedCall,
    ReleaseOnFirstNotFound,
    ResourceVersionIgnored,
    LeadershipIgnored,
    ReconcilingAndStalled,
    OperationNeverExpires,
    StatusAlwaysChanges,
    YieldsToNobody,
    TransitionEndsOperation,
    TrackedOperationForgotten,
    RivalNeverExpires,
    PendingRequestAcceptsIdentity,
    OutdatedSpecIgnored,
    RefusalsEnd,
    PrunedRecordIgnored,
}

impl Mutation {
    /// All seeded faults.
    pub const ALL: [Mutation; 29] = [
        Mutation::CallOnUnknown,
        Mutation::UnknownReadAsInactive,
        Mutation::CallBeforeRecord,
        Mutation::CallWithoutOwnership,
        Mutation::CallWhileOperationOpen,
        Mutation::OperationExpiresAtOnce,
        Mutation::ReadyWhileUnreachable,
        Mutation::ReadyKeptForNewGeneration,
        Mutation::ReadyOnAcceptedCall,
        Mutation::FinalizerRemovedWhileDeactivating,
        Mutation::CallBeforeFinalizer,
        Mutation::SuspensionIgnored,
        Mutation::AttemptsRenewedByRestart,
        Mutation::CorrectionsForgotten,
        Mutation::ReleaseOnAcceptedCall,
        Mutation::ReleaseOnFirstNotFound,
        Mutation::ResourceVersionIgnored,
        Mutation::LeadershipIgnored,
        Mutation::ReconcilingAndStalled,
        Mutation::OperationNeverExpires,
        Mutation::StatusAlwaysChanges,
        Mutation::YieldsToNobody,
        Mutation::TransitionEndsOperation,
        Mutation::TrackedOperationForgotten,
        Mutation::RivalNeverExpires,
        Mutation::PendingRequestAcceptsIdentity,
        Mutation::OutdatedSpecIgnored,
        Mutation::RefusalsEnd,
        Mutation::PrunedRecordIgnored,
    ];
}

impl Snapshot {
    /// The production's subject.
    fn subject(&self) -> Subject<'_> {
        Subject {
            object: &self.object,
            now: NOW,
            rules: &RULES,
            operation_id: self.operation_id.clone(),
            ownership: self.ownership.clone(),
            crd_terminating: false,
        }
    }

    /// The production's observation of what was retrieved.
    fn observation(&self, retrieved: Retrieved) -> Observation<'_> {
        Observation {
            subject: self.subject(),
            retrieved: retrieved.result(),
            history: self.history.clone(),
            key_proven: self.key_proven,
        }
    }

    /// The production's plan, or `None` where the hub has to be observed first.
    fn plan(&self) -> Option<Plan> {
        match self.retrieved {
            None => unobserved(&self.subject()),
            Some(retrieved) => Some(decide(&self.observation(retrieved))),
        }
    }
}

impl Decision {
    /// The plan, or `None` where the hub has to be observed first.
    #[must_use]
    pub fn plan(self, snapshot: &Snapshot) -> Option<Arc<Plan>> {
        // Many worlds have the same snapshot.
        KNOWN.with_borrow_mut(|known| {
            if known.0 != self {
                *known = (self, HashMap::new());
            }
            if let Some(plan) = known.1.get(snapshot) {
                return plan.clone();
            }
            let plan = self.altered_input(snapshot).plan();
            let plan = plan.map(|plan| Arc::new(self.altered_plan(snapshot, plan)));
            known.1.insert(snapshot.clone(), plan.clone());
            plan
        })
    }

    /// The plan that follows from what became of a plan's call.
    #[must_use]
    pub fn after_call(self, snapshot: &Snapshot, plan: Plan, outcome: &CallOutcome) -> Plan {
        let input = self.altered_input(snapshot);
        let Some(retrieved) = input.retrieved else {
            return plan;
        };
        let plan = after_call(&input.observation(retrieved), plan, outcome);
        let accepted = *outcome == CallOutcome::Accepted;
        match self {
            Decision::Mutant(Mutation::ReleaseOnAcceptedCall)
                if accepted && snapshot.object.deleting() =>
            {
                Plan {
                    action: Action::RemoveFinalizer,
                    ..plan
                }
            }
            Decision::Mutant(Mutation::ReadyOnAcceptedCall) if accepted => ready(plan),
            Decision::Production | Decision::Mutant(_) => plan,
        }
    }

    /// The plan that follows where the API server doesn't store a plan's operation.
    #[must_use]
    pub fn not_recorded(self, snapshot: &Snapshot, plan: Plan) -> Plan {
        match snapshot.retrieved {
            Some(retrieved) => not_recorded(&snapshot.observation(retrieved), plan),
            None => plan,
        }
    }

    /// Returns true when this fault is seeded.
    #[must_use]
    pub fn is(self, mutation: Mutation) -> bool {
        self == Decision::Mutant(mutation)
    }

    /// What the production's functions get instead of the snapshot.
    fn altered_input(self, snapshot: &Snapshot) -> Cow<'_, Snapshot> {
        let Decision::Mutant(mutation) = self else {
            return Cow::Borrowed(snapshot);
        };
        let mut input = snapshot.clone();
        let unknown = snapshot.retrieved == Some(Retrieved::Custom(LiveStatus::Unknown));
        match mutation {
            Mutation::CallOnUnknown if unknown => {
                input.retrieved = Some(Retrieved::Custom(match snapshot.object.desired() {
                    State::Active => LiveStatus::Inactive,
                    State::Inactive => LiveStatus::Active,
                }));
            }
            Mutation::UnknownReadAsInactive if unknown => {
                input.retrieved = Some(Retrieved::Custom(LiveStatus::Inactive));
            }
            Mutation::CallWithoutOwnership => input.ownership = Ownership::Owned,
            Mutation::CallWhileOperationOpen => {
                change_status(&mut input, |status| status.operation = None);
            }
            Mutation::OperationExpiresAtOnce => {
                input.history.operation = Some(OperationWatch {
                    id: input.operation_id.clone(),
                    elapsed: RULES.operation_patience,
                    unmoved: 2,
                });
            }
            Mutation::ReadyKeptForNewGeneration => judge_this_generation(&mut input),
            Mutation::CallBeforeFinalizer if !snapshot.object.deleting() => {
                input.object = input
                    .object
                    .with(|object| object.metadata.finalizers = Some(vec![FINALIZER.into()]));
            }
            Mutation::SuspensionIgnored => {
                input.object = input.object.with(|object| object.spec.suspend = None);
            }
            Mutation::AttemptsRenewedByRestart if snapshot.first => {
                change_status(&mut input, |status| status.attempts = None);
            }
            Mutation::CorrectionsForgotten => change_status(&mut input, |status| {
                if let Some(spent) = &mut status.attempts {
                    spent.corrections = None;
                }
            }),
            Mutation::ReleaseOnFirstNotFound => {
                input.key_proven = true;
                input.history.surprise = Some(Surprise {
                    kind: SurpriseKind::NotFound,
                    elapsed: RULES.confirm_after,
                });
            }
            Mutation::YieldsToNobody if snapshot.object.deleting() => {
                input.ownership = Ownership::Lost(Owner::default());
            }
            Mutation::RivalNeverExpires => input.history.rivals.clear(),
            Mutation::PendingRequestAcceptsIdentity => {
                let shown = snapshot.retrieved.and_then(|it| it.result().ok());
                let shown = shown.map(|remote| remote.model.identity());
                change_status(&mut input, |status| status.other_model = shown);
            }
            Mutation::OperationNeverExpires => input.history.operation = None,
            Mutation::CallOnUnknown
            | Mutation::UnknownReadAsInactive
            | Mutation::CallBeforeFinalizer
            | Mutation::AttemptsRenewedByRestart
            | Mutation::CallBeforeRecord
            | Mutation::ReadyWhileUnreachable
            | Mutation::ReadyOnAcceptedCall
            | Mutation::FinalizerRemovedWhileDeactivating
            | Mutation::ReleaseOnAcceptedCall
            | Mutation::ResourceVersionIgnored
            | Mutation::LeadershipIgnored
            | Mutation::ReconcilingAndStalled
            | Mutation::StatusAlwaysChanges
            | Mutation::YieldsToNobody
            | Mutation::TransitionEndsOperation
            | Mutation::TrackedOperationForgotten
            | Mutation::OutdatedSpecIgnored
            | Mutation::RefusalsEnd
            | Mutation::PrunedRecordIgnored => {}
        }
        Cow::Owned(input)
    }

    /// What the mutant has instead of the production's plan.
    fn altered_plan(self, snapshot: &Snapshot, plan: Plan) -> Plan {
        let retrieved = snapshot.retrieved;
        let unreachable = retrieved == Some(Retrieved::Failed(HubFailure::Unreachable));
        let deactivating = retrieved == Some(Retrieved::Custom(LiveStatus::Deactivating));
        match self {
            Decision::Mutant(Mutation::ReadyWhileUnreachable) if unreachable => ready(plan),
            Decision::Mutant(Mutation::FinalizerRemovedWhileDeactivating)
                if snapshot.object.deleting() && deactivating =>
            {
                Plan {
                    action: Action::RemoveFinalizer,
                    ..plan
                }
            }
            Decision::Mutant(Mutation::ReconcilingAndStalled) => reconciling_and_stalled(plan),
            Decision::Mutant(Mutation::StatusAlwaysChanges) => always_changing(plan),
            Decision::Mutant(Mutation::TransitionEndsOperation)
                if !calls(&plan) && in_transition(snapshot) =>
            {
                without_operation(plan)
            }
            Decision::Mutant(Mutation::RefusalsEnd)
                if calls(&plan) && refusals(snapshot) >= REFUSALS =>
            {
                Plan {
                    action: Action::Nothing,
                    status: snapshot.object.status_or_default(),
                    ..plan
                }
            }
            Decision::Production | Decision::Mutant(_) => plan,
        }
    }
}

/// Returns true when the model is becoming active or inactive.
fn in_transition(snapshot: &Snapshot) -> bool {
    let live = snapshot.retrieved.and_then(Retrieved::live);
    matches!(live, Some(LiveStatus::Deploying | LiveStatus::Deactivating))
}

fn refusals(snapshot: &Snapshot) -> u32 {
    let spent = snapshot.object.status_or_default().attempts;
    spent.and_then(|spent| spent.refusals).unwrap_or_default()
}

fn without_operation(mut plan: Plan) -> Plan {
    plan.status.operation = None;
    plan
}

fn change_status(input: &mut Snapshot, change: impl FnOnce(&mut OxenModelStatus)) {
    if input.object.status.is_some() {
        input.object = input.object.with(|object| {
            if let Some(status) = &mut object.status {
                change(status);
            }
        });
    }
}

/// Makes all conditions look as if this generation had been judged.
fn judge_this_generation(input: &mut Snapshot) {
    let generation = input.object.metadata.generation;
    change_status(input, |status| {
        for condition in &mut status.conditions {
            condition.observed_generation = generation;
        }
    });
}

fn ready(mut plan: Plan) -> Plan {
    for condition in &mut plan.status.conditions {
        if condition.type_ == READY {
            condition.status = "True".into();
        }
    }
    plan
}

fn reconciling_and_stalled(mut plan: Plan) -> Plan {
    let conditions = &mut plan.status.conditions;
    let reconciling = conditions.iter().find(|one| one.type_ == RECONCILING);
    let stalled = reconciling.map(|reconciling| Condition {
        type_: STALLED.into(),
        ..reconciling.clone()
    });
    conditions.extend(stalled);
    plan
}

/// A plan whose status differs from each status before it.
fn always_changing(mut plan: Plan) -> Plan {
    let last = &mut plan.status.last_handled_reconcile_at;
    *last = last.is_none().then(|| "just now".into());
    plan
}
