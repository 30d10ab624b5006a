//! Gathers what is known about an object before its live GET: the object, its ownership, its
//! credentials and what the process remembers.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, CustomResourceExt, ResourceExt};
use uuid::Uuid;

use super::{
    context::{Context, Scope},
    credentials::{self, Credentials},
    error::{ReconcileError, Request},
    guarded::Guarded,
    record::{noting_conflicts, record},
};
use crate::{
    api::OxenModel,
    decide::{
        Clock, HubFault, Observation, Ownership, Plan, Rules, Subject, answer_override, decide,
    },
};

/// An object and what is known about it before its live GET.
pub(super) struct Prepared {
    /// The object, with what this process knows of its operation.
    pub(super) object: Arc<OxenModel>,
    /// The object as the watch has it.
    pub(super) watched: Guarded,
    /// The newest version that this process knows, without its tracked operation. The next write
    /// is based on it.
    pub(super) stored: Arc<OxenModel>,
    pub(super) ownership: Ownership,
    crd_terminating: bool,
    /// The id of the operation, if one is recorded.
    pub(super) operation_id: String,
    /// The number of changes of the object and its Secret that this takes into account.
    pub(super) changes: u64,
    pub(super) clock: Clock,
}

impl Prepared {
    /// Continues with this process's own write of the object.
    pub(super) fn wrote(&mut self, scope: &Scope, after: Arc<OxenModel>) {
        let memories = &scope.context.memories;
        self.object = memories.with(&after, |memory| memory.with_tracked(&after));
        self.stored = after;
    }

    /// Writes the plan's status, and continues with the written object.
    async fn record(&mut self, scope: &Scope, plan: &Plan) -> Result<(), ReconcileError> {
        let written = record(scope, &self.stored, plan).await;
        let after = noting_conflicts(scope, &self.stored, written)?;
        self.wrote(scope, after);
        Ok(())
    }

    pub(super) fn subject<'a>(&'a self, rules: &'a Rules) -> Subject<'a> {
        Subject {
            object: &self.object,
            now: self.clock.now,
            agreement: self.clock.agreement,
            rules,
            operation_id: self.operation_id.clone(),
            ownership: self.ownership.clone(),
            crd_terminating: self.crd_terminating,
        }
    }
}

/// Gathers what is known about an object before its live GET.
pub(super) async fn prepare(scope: &Scope, watched: &Guarded) -> Result<Prepared, ReconcileError> {
    let memories = &scope.context.memories;
    // This is read first, so that no change is missed.
    let changes = memories.with(&watched.object, |memory| memory.changes);
    let stored = newest(scope, watched).await?;
    let object = memories.with(&stored, |memory| {
        memory.start_from(&stored);
        memory.with_tracked(&stored)
    });
    let crd_terminating = crd_terminating(scope, &object).await?;
    Ok(Prepared {
        watched: watched.clone(),
        stored,
        // Ownership is judged last, so that no await comes between it and the decision.
        ownership: ownership_before_observation(scope, &object),
        crd_terminating,
        operation_id: Uuid::new_v4().to_string(),
        changes,
        clock: scope.context.clock(),
        object,
    })
}

/// Gathers it again for an object that may have changed. The reconcile starts over if the object is
/// gone, or if other fields of it can be decoded than before.
pub(super) async fn prepare_again(
    scope: &Scope,
    before: &Prepared,
) -> Result<Prepared, ReconcileError> {
    match scope.latest(&before.watched) {
        Some(latest) if latest.unreadable == before.watched.unreadable => {
            prepare(scope, &latest).await
        }
        Some(_) | None => Err(ReconcileError::Outdated),
    }
}

/// Gathers what is known about an object again, before its permit comes. Keeps the earlier number
/// of changes, so that the reconcile still notices the change when the permit comes.
pub(super) async fn prepare_with_change(
    scope: &Scope,
    prepared: &mut Prepared,
) -> Result<(), ReconcileError> {
    *prepared = Prepared {
        changes: prepared.changes,
        ..prepare_again(scope, prepared).await?
    };
    Ok(())
}

/// Accepts or refuses a requested override in the status, before the live GET.
pub(super) async fn answer_request(
    scope: &Scope,
    prepared: &mut Prepared,
) -> Result<(), ReconcileError> {
    let context = &scope.context;
    let plan = answer_override(&prepared.subject(&context.config.rules));
    // A process that no longer leads writes nothing: the new leader answers the request. If the API
    // server didn't store an earlier answer, it isn't asked again.
    let outdated = context
        .memories
        .with(&prepared.stored, |memory| memory.pruned.is_some());
    let Some(plan) = plan.filter(|_| context.authority.holds() && !outdated) else {
        return Ok(());
    };
    prepared.record(scope, &plan).await
}

/// Records that the hub could not be asked about an object for longer than the grace period, unless
/// the status already shows that the last observation failed.
pub(super) async fn record_wait(
    scope: &Scope,
    prepared: &mut Prepared,
) -> Result<(), ReconcileError> {
    let context = &scope.context;
    let rules = &context.config.rules;
    let fault = HubFault::RateLimited {
        wait: None,
        whole_key: true,
        words: None,
    };
    let retrieved = Err(fault.into());
    prepare_with_change(scope, prepared).await?;
    if prepared.subject(rules).shows_fault() {
        return Ok(());
    }
    let object = prepared.object.clone();
    let history = context.memories.with(&object, |memory| {
        memory.observe(&object, &retrieved, None, &[], rules)
    });
    let plan = decide(&Observation {
        subject: prepared.subject(rules),
        retrieved,
        history,
        key_proven: false,
        refusal: None,
    });
    prepared.record(scope, &plan).await
}

/// The ownership by the identity of an earlier observation. It decides only deletions.
fn ownership_before_observation(scope: &Scope, object: &OxenModel) -> Ownership {
    let context = &scope.context;
    if object.metadata.deletion_timestamp.is_none() {
        context.index.is_in_doubt(&context.memories, object);
        return Ownership::Owned;
    }
    context.index.ownership(&context.memories, object, None)
}

/// The object as this process last wrote it, as the watch has it, or, after a conflict, as the API
/// server has it.
pub(super) async fn newest(
    scope: &Scope,
    watched: &Guarded,
) -> Result<Arc<OxenModel>, ReconcileError> {
    let Context {
        memories, index, ..
    } = scope.context.as_ref();
    let object = &watched.object;
    if !memories.with(object, |memory| memory.stale) {
        return scope.newest(watched).ok_or(ReconcileError::Outdated);
    }
    let namespace = object.namespace().unwrap_or_default();
    let name = object.name_any();
    let api = scope.context.objects(&namespace);
    let request = Request::new("reading the OxenModel", &namespace, &name);
    let read = scope.context.send(request, api.get(&name)).await?;
    // The reconcile started with what the watch could decode. So it starts over when the watch
    // shows the change.
    if read.unreadable != watched.unreadable {
        return Err(ReconcileError::Outdated);
    }
    memories.with(object, |memory| memory.stale = false);
    index.answered(object, &read.object);
    Ok(read.object)
}

/// Returns true when the CustomResourceDefinition is being deleted, and all objects with it. An
/// operator that may not read the definition assumes that it stays.
async fn crd_terminating(scope: &Scope, object: &OxenModel) -> Result<bool, ReconcileError> {
    if object.metadata.deletion_timestamp.is_none() || !object.has_finalizer() {
        return Ok(false);
    }
    let api: Api<CustomResourceDefinition> = Api::all(scope.context.client.clone());
    let name = OxenModel::crd_name();
    let request = Request::new("reading the CustomResourceDefinition", "", name);
    match scope.context.send(request, api.get_metadata(name)).await {
        Ok(crd) => Ok(crd.metadata.deletion_timestamp.is_some()),
        Err(error) => match error.code() {
            Some(403 | 404) => Ok(false),
            _ => Err(error),
        },
    }
}

/// The object's key. A deletion whose Secret is gone uses the key that last retrieved the model.
pub(super) async fn credentials(
    scope: &Scope,
    object: &OxenModel,
) -> Result<Credentials, ReconcileError> {
    let found = credentials::find(scope, object).await?;
    let missing = matches!(found, Credentials::Fault(_));
    if !missing || object.metadata.deletion_timestamp.is_none() {
        return Ok(found);
    }
    let memories = &scope.context.memories;
    let remembered = memories.with(object, |memory| memory.key.clone());
    Ok(remembered.map_or(found, Credentials::Key))
}
