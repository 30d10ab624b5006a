//! Observes an object: the live GET, the ownership that follows from it, and the history.

use std::time::Duration;

use tokio::{sync::OwnedMutexGuard, time::Instant};

use super::{
    admission::Slot,
    context::Scope,
    credentials::Credentials,
    error::ReconcileError,
    prepare::{Prepared, credentials},
    retrieve::{Retrieved, prove_key, retrieve, similar_names},
};
use crate::{
    decide::{Fault, History, HubFault, Observation, Refusal, Remote, Rules, SurpriseKind},
    hub::ApiKey,
};

/// An object and what the hub showed of its model.
pub(super) struct Observed {
    pub(super) prepared: Prepared,
    /// The key that the request was sent with, or `None` where no request was sent.
    pub(super) key: Option<ApiKey>,
    /// When the request was sent, from which the observation's age counts.
    pub(super) sent: Instant,
    retrieved: Result<Box<Remote>, Fault>,
    history: History,
    key_proven: bool,
    refusal: Option<Refusal>,
    /// Held until the end of the reconcile, so that no other reconcile decides on the same model.
    _model_lock: Option<OwnedMutexGuard<()>>,
}

impl Observed {
    /// When the observation is too old for a call.
    pub(super) fn expires(&self, max_age: Duration) -> Instant {
        self.sent + max_age
    }

    pub(super) fn observation<'a>(&'a self, rules: &'a Rules) -> Observation<'a> {
        Observation {
            subject: self.prepared.subject(rules),
            retrieved: self.retrieved.clone(),
            history: self.history.clone(),
            key_proven: self.key_proven,
            refusal: self.refusal.clone(),
        }
    }

    /// Asks the budgets whether they allow the activate call that is due. While the returned
    /// lock is held, no other reconcile of the namespace can get an activate call allowed.
    pub(super) async fn ask_budgets(&mut self, scope: &Scope) -> Option<OwnedMutexGuard<()>> {
        let remote = self.retrieved.as_ref().ok()?;
        let index = &scope.context.index;
        let answer = index.ask_budgets(&self.prepared.object, remote).await;
        self.refusal = answer.refusal;
        answer.lock
    }
}

/// Retrieves the model, judges its ownership by what the hub showed, and brings the process's
/// memory up to date.
pub(super) async fn observe(
    scope: &Scope,
    mut prepared: Prepared,
    slot: &Slot,
) -> Result<Observed, ReconcileError> {
    let (key, mut retrieved) = match credentials(scope, &prepared.object).await? {
        Credentials::Key(key) => {
            let retrieved = retrieve(scope, &mut prepared, &key, slot).await?;
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
    let object = prepared.object.clone();
    let model_lock = match &retrieved.result {
        Ok(remote) => {
            let index = &scope.context.index;
            let model_lock = index.lock_model(&remote.model.identity()).await;
            let memories = &scope.context.memories;
            prepared.ownership = index.ownership(memories, &object, Some(remote));
            Some(model_lock)
        }
        Err(_) => None,
    };
    // The wait for the lock may have taken long.
    prepared.clock = scope.context.clock();
    let key = key.filter(|_| retrieved.sent.is_some());
    let rules = &scope.context.config.rules;
    let rivals = prepared.ownership.rivals();
    let history = scope.context.memories.with(&object, |memory| {
        memory.observe(&object, &retrieved.result, key.as_ref(), rivals, rules)
    });
    let not_found = matches!(&retrieved.result, Err(fault) if fault.is_model_not_found());
    if let Some(key) = key.as_ref().filter(|_| not_found)
        && !history.is_unconfirmed(SurpriseKind::NotFound, rules)
    {
        let similar = similar_names(scope, &object, key).await;
        retrieved.result = Err(HubFault::ModelNotFound(similar).into());
    }
    let key_proven = match &key {
        Some(key) if history.has_lost_model(rules) => prove_key(scope, &object, key).await?,
        Some(_) | None => false,
    };
    Ok(Observed {
        prepared,
        key,
        key_proven,
        sent: retrieved.sent.unwrap_or_else(Instant::now),
        retrieved: retrieved.result,
        history,
        refusal: None,
        _model_lock: model_lock,
    })
}
