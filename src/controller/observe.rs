//! Gathers what a decision needs: the object, its credentials, the live look, and what the
//! process remembers.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, CustomResourceExt, ResourceExt};
use tokio::{sync::OwnedMutexGuard, time::Instant};
use uuid::Uuid;

use super::{
    context::{Error, Scope},
    credentials, invalid,
    look::look,
    memory::Memory,
};
use crate::{
    api::OxenModel,
    decide::{
        Claim, Fault, Look, Observation, Past, Rules, Watched, has_finalizer, needs_look, still_old,
    },
    oxen::ApiKey,
};

/// What was gathered for one decision.
pub(super) struct Observed {
    pub(super) object: Arc<OxenModel>,
    /// The key that the look was made with, for the call; none where the hub wasn't asked.
    pub(super) key: Option<ApiKey>,
    /// When the look was sent: how old what it showed may be.
    pub(super) looked: Instant,
    look: Look,
    watched: Watched,
    past: Past,
    claim: Claim,
    crd_going: bool,
    epoch: i64,
    /// The name of the call, should there be one.
    pub(super) operation_id: String,
    now: Timestamp,
    /// Held until the end of the pass: no other one decides upon the same remote model meanwhile.
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Observed {
    pub(super) fn observation<'a>(&'a self, rules: &'a Rules) -> Observation<'a> {
        Observation {
            object: &self.object,
            now: self.now,
            rules,
            epoch: self.epoch,
            operation_id: self.operation_id.clone(),
            look: self.look.clone(),
            watched: self.watched,
            past: self.past,
            claim: self.claim.clone(),
            crd_going: self.crd_going,
        }
    }
}

pub(super) async fn observe(scope: &Scope, watched: &Arc<OxenModel>) -> Result<Observed, Error> {
    let object = newest(scope, watched).await?;
    invalid::learn(&scope.context).await?;
    let crd_going = crd_going(scope, &object).await?;
    let rules = &scope.context.config.rules;
    let claim = claim_unseen(scope, &object);
    let mut observed = Observed {
        key: None,
        looked: Instant::now(),
        look: Look::Unneeded,
        watched: Watched::default(),
        past: Past::default(),
        claim,
        crd_going,
        _turn: None,
        epoch: scope.context.epoch(),
        operation_id: Uuid::new_v4().to_string(),
        now: now(),
        object,
    };
    if !needs_look(&observed.object, rules, &observed.claim, crd_going) {
        return Ok(observed);
    }
    match key(scope, &observed.object).await? {
        Err(fault) => observed.look = Look::Failed(fault),
        Ok(key) => {
            let looked = look(scope, &observed.object, &key).await?;
            observed.look = looked.found;
            observed.now = now();
            if let Some(sent) = looked.sent {
                observed.looked = sent;
                observed.key = Some(key);
            }
        }
    }
    claim_seen(scope, &mut observed).await;
    remember(scope, &mut observed);
    Ok(observed)
}

/// The API server keeps whole seconds.
fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

/// Only a deletion may be decided without a look, by the identity of an earlier one.
fn claim_unseen(scope: &Scope, object: &OxenModel) -> Claim {
    if object.metadata.deletion_timestamp.is_none() {
        return Claim::Mine;
    }
    let (claims, memories) = (&scope.context.claims, &scope.context.memories);
    claims.of(memories, object, None)
}

/// Judges the claim by the identity that the look showed, once it is this pass's turn.
async fn claim_seen(scope: &Scope, observed: &mut Observed) {
    let Look::Seen(remote) = &observed.look else {
        return;
    };
    let (claims, memories) = (&scope.context.claims, &scope.context.memories);
    let turn = claims.turn(&remote.model).await;
    let identity = (remote.model.id.clone(), remote.model.owner.clone());
    observed.claim = claims.of(memories, &observed.object, Some(identity));
    observed._turn = Some(turn);
}

/// The object as this process last wrote it, as the watch has it, or, after a conflict, as the
/// API server has it.
async fn newest(scope: &Scope, watched: &Arc<OxenModel>) -> Result<Arc<OxenModel>, Error> {
    let memories = &scope.context.memories;
    if !memories.with(watched, |memory| memory.stale) {
        return Ok(memories.with(watched, |memory| memory.newest(watched)));
    }
    let api = scope
        .context
        .objects(&watched.namespace().unwrap_or_default());
    let name = watched.name_any();
    let read = api.get(&name);
    let object = Arc::new(scope.context.ask("reading the object", read).await?);
    memories.with(watched, |memory| {
        memory.stale = false;
        memory.wrote(watched, &object);
    });
    Ok(object)
}

/// Whether all objects go because their definition does. Where the operator may not know, they
/// don't.
async fn crd_going(scope: &Scope, object: &OxenModel) -> Result<bool, Error> {
    if object.metadata.deletion_timestamp.is_none() || !has_finalizer(object) {
        return Ok(false);
    }
    let api: Api<CustomResourceDefinition> = Api::all(scope.context.client.clone());
    let read = api.get_metadata(OxenModel::crd_name());
    match scope.context.ask("reading the CRD", read).await {
        Ok(crd) => Ok(crd.metadata.deletion_timestamp.is_some()),
        Err(error) => match error.code() {
            Some(403 | 404) => Ok(false),
            _ => Err(error),
        },
    }
}

/// The object's key; for a deletion whose Secret is gone, the one that last worked.
async fn key(scope: &Scope, object: &OxenModel) -> Result<Result<ApiKey, Fault>, Error> {
    let found = credentials::find(scope, object).await?;
    if found.is_ok() || object.metadata.deletion_timestamp.is_none() {
        return Ok(found);
    }
    let remembered = scope
        .context
        .memories
        .with(object, |memory| memory.key.clone());
    Ok(remembered.map_or(found, Ok))
}

/// Brings the memory up to date with the look, and the observation with the memory.
fn remember(scope: &Scope, observed: &mut Observed) {
    let patience = scope.context.config.rules.operation_patience;
    let object = observed.object.clone();
    scope.context.memories.with(&object, |memory| {
        observed.past = past(memory, &observed.look, observed.key.as_ref());
        let operation = object.status.as_ref().and_then(|s| s.operation.as_ref());
        if let Some(operation) = operation {
            let unmoved = |elapsed| {
                elapsed >= patience
                    && matches!(&observed.look, Look::Seen(remote) if still_old(operation.direction, remote.deployment))
            };
            let (elapsed, unmoved) = memory.watch_operation(&operation.id, unmoved);
            observed.watched = Watched { elapsed, unmoved };
        }
    });
}

fn past(memory: &mut Memory, look: &Look, key: Option<&ApiKey>) -> Past {
    let failures = memory.failures;
    match look {
        Look::Unneeded => {}
        Look::Seen(_) => {
            memory.failures = 0;
            memory.gone = 0;
            memory.answered = Instant::now();
            memory.key = key.cloned();
        }
        Look::Failed(Fault::ModelNotFound(_)) if key.is_some() && key == memory.key.as_ref() => {
            memory.gone += 1;
        }
        Look::Failed(_) if key.is_none() => {}
        Look::Failed(_) => {
            memory.failures = memory.failures.saturating_add(1);
            memory.gone = 0;
        }
    }
    Past {
        failures,
        silence: memory.answered.elapsed(),
        gone: memory.gone,
    }
}
