//! Gathers what a decision needs: the object, its ownership, its credentials, the live GET, and
//! what the process remembers.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, CustomResourceExt, ResourceExt};
use tokio::{sync::OwnedMutexGuard, time::Instant};
use uuid::Uuid;

use super::{
    context::Scope,
    credentials::{self, Credentials},
    error::{ReconcileError, Request},
    retrieve::{Retrieved, retrieve},
    undecodable,
};
use crate::{
    api::OxenModel,
    decide::{Fault, History, Observation, Ownership, Remote, Rules, Subject},
    hub::ApiKey,
};

/// An object and what is known about it before its live GET.
pub(super) struct Prepared {
    pub(super) object: Arc<OxenModel>,
    ownership: Ownership,
    crd_terminating: bool,
    epoch: i64,
    /// The id of the operation, if one is recorded.
    pub(super) operation_id: String,
    now: Timestamp,
}

/// An object and what the hub showed of its model.
pub(super) struct Observed {
    pub(super) prepared: Prepared,
    /// The key that the request was sent with, or `None` where no request was sent.
    pub(super) key: Option<ApiKey>,
    /// When the request was sent, from which the observation's age counts.
    pub(super) sent: Instant,
    retrieved: Result<Box<Remote>, Fault>,
    history: History,
    /// Held until the end of the reconcile, so that no other reconcile decides on the same model.
    _model_lock: Option<OwnedMutexGuard<()>>,
}

impl Prepared {
    pub(super) fn subject<'a>(&'a self, rules: &'a Rules) -> Subject<'a> {
        Subject {
            object: &self.object,
            now: self.now,
            rules,
            epoch: self.epoch,
            operation_id: self.operation_id.clone(),
            ownership: self.ownership.clone(),
            crd_terminating: self.crd_terminating,
        }
    }
}

impl Observed {
    pub(super) fn observation<'a>(&'a self, rules: &'a Rules) -> Observation<'a> {
        Observation {
            subject: self.prepared.subject(rules),
            retrieved: self.retrieved.clone(),
            history: self.history.clone(),
        }
    }
}

/// Gathers what is known about an object before its live GET.
pub(super) async fn prepare(
    scope: &Scope,
    watched: &Arc<OxenModel>,
) -> Result<Prepared, ReconcileError> {
    let object = newest(scope, watched).await?;
    undecodable::learn(&scope.context).await?;
    let crd_terminating = crd_terminating(scope, &object).await?;
    Ok(Prepared {
        // Ownership is judged last, so that no await comes between it and the decision.
        ownership: ownership_before_observation(scope, &object),
        crd_terminating,
        epoch: scope.context.epoch(),
        operation_id: Uuid::new_v4().to_string(),
        now: now(),
        object,
    })
}

/// Retrieves the model, judges its ownership by the identity that the hub showed, and brings the
/// process's memory up to date.
pub(super) async fn observe(
    scope: &Scope,
    mut prepared: Prepared,
) -> Result<Observed, ReconcileError> {
    let object = prepared.object.clone();
    let (key, retrieved) = match credentials(scope, &object).await? {
        Credentials::Key(key) => {
            let retrieved = retrieve(scope, &object, &key).await?;
            (Some(key), retrieved)
        }
        Credentials::Fault(fault) => {
            let retrieved = Retrieved {
                result: Err(fault.into()),
                sent: None,
            };
            (None, retrieved)
        }
    };
    prepared.now = now();
    let model_lock = match &retrieved.result {
        Ok(remote) => {
            let index = &scope.context.index;
            let model_lock = index.lock_model(&remote.model).await;
            let identity = (remote.model.id.clone(), remote.model.owner.clone());
            let memories = &scope.context.memories;
            prepared.ownership = index.ownership(memories, &object, Some(identity));
            Some(model_lock)
        }
        Err(_) => None,
    };
    let key = key.filter(|_| retrieved.sent.is_some());
    let rules = &scope.context.config.rules;
    let history = scope.context.memories.with(&object, |memory| {
        memory.observe(&object, &retrieved.result, key.as_ref(), rules)
    });
    Ok(Observed {
        prepared,
        key,
        sent: retrieved.sent.unwrap_or_else(Instant::now),
        retrieved: retrieved.result,
        history,
        _model_lock: model_lock,
    })
}

/// The wall clock in whole seconds, because the API server stores no fractions.
fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

/// The ownership by the identity of an earlier observation. It decides only deletions.
fn ownership_before_observation(scope: &Scope, object: &OxenModel) -> Ownership {
    if object.metadata.deletion_timestamp.is_none() {
        return Ownership::Owned;
    }
    let context = &scope.context;
    context.index.ownership(&context.memories, object, None)
}

/// The object as this process last wrote it, as the watch has it, or, after a conflict, as the API
/// server has it.
async fn newest(scope: &Scope, watched: &Arc<OxenModel>) -> Result<Arc<OxenModel>, ReconcileError> {
    let memories = &scope.context.memories;
    if !memories.with(watched, |memory| memory.stale) {
        return Ok(memories.with(watched, |memory| memory.newest(watched)));
    }
    let namespace = watched.namespace().unwrap_or_default();
    let name = watched.name_any();
    let api = scope.context.objects(&namespace);
    let request = Request::new("reading the OxenModel", &namespace, &name);
    let object = Arc::new(scope.context.send(request, api.get(&name)).await?);
    memories.with(watched, |memory| {
        memory.stale = false;
        memory.record_write(watched, &object);
    });
    Ok(object)
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
async fn credentials(scope: &Scope, object: &OxenModel) -> Result<Credentials, ReconcileError> {
    let found = credentials::find(scope, object).await?;
    let missing = matches!(found, Credentials::Fault(_));
    if !missing || object.metadata.deletion_timestamp.is_none() {
        return Ok(found);
    }
    let memories = &scope.context.memories;
    let remembered = memories.with(object, |memory| memory.key.clone());
    Ok(remembered.map_or(found, Credentials::Key))
}
