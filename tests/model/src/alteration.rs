//! What each mutant alters of the production's input, of its plan, or of a call's outcome.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use oxen_operator::{
    api::{Attempts, FINALIZER, LiveStatus, OperationKind, OxenModelStatus, State},
    decide::{
        Action, CallOutcome, OperationWatch, Owner, Ownership, Plan, READY, RECONCILING, REFUSALS,
        STALLED, Surprise, SurpriseKind,
    },
};

use crate::{
    hub::{HubFailure, Retrieved},
    mutation::Mutation,
    object::RULES,
    reconcile::calls,
    world::Snapshot,
};

/// What the production's functions get instead of the snapshot.
pub(crate) fn altered_input(mutation: Mutation, snapshot: &Snapshot) -> Snapshot {
    let mut input = snapshot.clone();
    let deleting = snapshot.object.deleting();
    if snapshot.retrieved == Some(Retrieved::Custom(LiveStatus::Unknown)) {
        input.retrieved = Some(Retrieved::Custom(read_unknown(mutation, snapshot)));
    }
    match mutation {
        Mutation::CallWithoutOwnership => input.ownership = Ownership::Owned,
        Mutation::YieldsToNobody if deleting => {
            input.ownership = Ownership::Lost(Owner::default());
        }
        Mutation::ReadyKeptForNewGeneration => judge_this_generation(&mut input),
        Mutation::CallBeforeFinalizer if !deleting => {
            input.object = input
                .object
                .with(|object| object.metadata.finalizers = Some(vec![FINALIZER.into()]));
        }
        Mutation::SuspensionIgnored => {
            input.object = input.object.with(|object| object.spec.suspend = None);
        }
        // Another mutation alters nothing of the spec and the ownership.
        _ => alter_memory(mutation, snapshot, &mut input),
    }
    input
}

/// The live status that takes the place of an unknown one.
fn read_unknown(mutation: Mutation, snapshot: &Snapshot) -> LiveStatus {
    match (mutation, snapshot.object.desired()) {
        (Mutation::CallOnUnknown, State::Active) => LiveStatus::Inactive,
        (Mutation::CallOnUnknown, State::Inactive) => LiveStatus::Active,
        (Mutation::UnknownReadAsInactive, _) => LiveStatus::Inactive,
        (_, State::Active | State::Inactive) => LiveStatus::Unknown,
    }
}

/// Alters what is known of earlier observations and calls.
fn alter_memory(mutation: Mutation, snapshot: &Snapshot, input: &mut Snapshot) {
    let history = &mut input.history;
    match mutation {
        Mutation::OperationExpiresAtOnce => {
            history.operation = Some(expired(&input.operation_id));
        }
        Mutation::OperationNeverExpires => history.operation = None,
        Mutation::RivalExpiresAtOnce => {
            let rivals = snapshot.ownership.rivals();
            history.rivals = rivals.iter().map(|id| expired(id)).collect();
        }
        Mutation::RivalNeverExpires => history.rivals.clear(),
        Mutation::RetryAfterForgotten => history.call_wait = Default::default(),
        Mutation::ReleaseOnFirstNotFound => {
            input.key_proven = true;
            history.surprise = Some(Surprise {
                kind: SurpriseKind::NotFound,
                elapsed: RULES.confirm_after,
            });
        }
        // Another mutation alters nothing of the history.
        _ => alter_status(mutation, snapshot, input),
    }
}

/// Alters the stored status.
fn alter_status(mutation: Mutation, snapshot: &Snapshot, input: &mut Snapshot) {
    let shown = snapshot.retrieved.and_then(|it| it.result().ok());
    let shown = shown.map(|remote| remote.model.identity());
    let uid = snapshot.object.metadata.uid.clone();
    let deleting = snapshot.object.deleting();
    let desired = snapshot.object.desired();
    let answered = shown.is_some();
    match mutation {
        Mutation::AttemptsKeptForNewDesired if answered => {
            change_status(input, |status| status.desired = Some(desired));
        }
        Mutation::ReadyKeptForNewDesired if !answered => {
            change_status(input, |status| status.desired = Some(desired));
        }
        Mutation::CallWhileOperationOpen => {
            change_status(input, |status| status.operation = None);
        }
        Mutation::ReleasedWhileOpen if deleting => {
            change_status(input, |status| status.operation = None);
        }
        Mutation::AttemptsRenewedByRestart if snapshot.first => {
            change_status(input, |status| status.attempts = None);
        }
        Mutation::CorrectionsForgotten => change_attempts(input, |spent| spent.corrections = None),
        Mutation::RefusalsNotSpaced => change_attempts(input, |spent| spent.last_call = None),
        Mutation::RestoredStatusBelieved => change_attempts(input, |spent| spent.uid = uid),
        Mutation::PendingRequestAcceptsIdentity => {
            change_status(input, |status| status.other_model = shown);
        }
        Mutation::AnyIdentityAccepted => change_status(input, |status| {
            if status.other_model.is_some() {
                status.other_model = shown;
            }
        }),
        // Another mutation alters nothing of the input.
        _ => {}
    }
}

/// What the production is told of a call's outcome.
pub(crate) fn altered_outcome(mutation: Mutation, outcome: &CallOutcome) -> Cow<'_, CallOutcome> {
    match outcome {
        CallOutcome::NotSent(why) if mutation == Mutation::UnsentStaysOpen => {
            Cow::Owned(CallOutcome::unknown(*why))
        }
        CallOutcome::NotSent(_)
        | CallOutcome::Accepted
        | CallOutcome::Refused { .. }
        | CallOutcome::Unknown { .. } => Cow::Borrowed(outcome),
    }
}

/// What the mutant has instead of the production's plan after a call.
pub(crate) fn altered_plan_after(
    mutation: Mutation,
    snapshot: &Snapshot,
    plan: Plan,
    outcome: &CallOutcome,
) -> Plan {
    let accepted = *outcome == CallOutcome::Accepted;
    match mutation {
        Mutation::ReleaseOnAcceptedCall if accepted && snapshot.object.deleting() => Plan {
            action: Action::RemoveFinalizer,
            ..plan
        },
        Mutation::ReadyOnAcceptedCall if accepted => ready(plan),
        _ => plan,
    }
}

/// What the mutant has instead of the production's plan.
pub(crate) fn altered_plan(mutation: Mutation, snapshot: &Snapshot, plan: Plan) -> Plan {
    let retrieved = snapshot.retrieved;
    let unreachable = retrieved == Some(Retrieved::Failed(HubFailure::Unreachable));
    let deactivating = retrieved == Some(Retrieved::Custom(LiveStatus::Deactivating));
    let refusals = refusals(snapshot);
    let deactivates = matches!(
        plan.action,
        Action::Call {
            kind: OperationKind::Deactivate,
            ..
        }
    );
    match mutation {
        Mutation::ReadyWhileUnreachable if unreachable => ready(plan),
        Mutation::FinalizerRemovedWhileDeactivating
            if snapshot.object.deleting() && deactivating =>
        {
            Plan {
                action: Action::RemoveFinalizer,
                ..plan
            }
        }
        Mutation::ReconcilingAndStalled => reconciling_and_stalled(plan),
        Mutation::StatusAlwaysChanges => always_changing(plan),
        Mutation::TransitionEndsOperation if !calls(&plan) && in_transition(snapshot) => {
            without_operation(plan)
        }
        Mutation::RefusalsEnd if calls(&plan) && refusals >= REFUSALS => unchanged(snapshot, plan),
        Mutation::RefusalBlocksDeactivation if deactivates && refusals > 0 => {
            unchanged(snapshot, plan)
        }
        _ => plan,
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

/// A watch of an operation that has been waited for long enough.
fn expired(id: &str) -> OperationWatch {
    OperationWatch {
        id: id.to_owned(),
        elapsed: RULES.operation_patience,
        unmoved: 2,
    }
}

/// A plan that does nothing.
fn unchanged(snapshot: &Snapshot, plan: Plan) -> Plan {
    Plan {
        action: Action::Nothing,
        status: snapshot.object.status_or_default(),
        ..plan
    }
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

fn change_attempts(input: &mut Snapshot, change: impl FnOnce(&mut Attempts)) {
    change_status(input, |status| {
        if let Some(spent) = &mut status.attempts {
            change(spent);
        }
    });
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
