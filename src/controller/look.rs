//! A look at the hub: once it is the object's turn, and unless the hub asked to be left alone.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    context::{Error, Scope},
    credentials,
};
use crate::{
    api::OxenModel,
    decide::{Fault, Look, Verdict, doubled},
    oxen::{ApiKey, Lane, Turn, fold},
};

/// Names that come near a model that isn't found, at most.
const NEAR_NAMES: usize = 5;

/// What became of a look.
pub(super) struct Looked {
    pub(super) found: Look,
    /// When it was sent; none where the hub wasn't asked.
    pub(super) sent: Option<Instant>,
}

/// Looks at the model once it is this object's turn.
pub(super) async fn look(scope: &Scope, object: &OxenModel, key: &ApiKey) -> Result<Looked, Error> {
    let turn = match resting(scope, object) {
        Some(fault) => Err(fault),
        None => turn(scope, object, key).await?,
    };
    let turn = match turn {
        Ok(turn) => turn,
        Err(fault) => {
            return Ok(Looked {
                found: Look::Failed(fault),
                sent: None,
            });
        }
    };
    // Counted from here and not from before the wait, which may be long.
    let sent = Some(turn.came());
    let asked = &object.spec.model;
    let model = turn.retrieve(asked, true).await;
    let api_base = scope.context.hub.api_base();
    let found = match model.and_then(|model| fold(asked, &model, &api_base)) {
        Ok(remote) => {
            let (namespace, secret) = credentials::origin(scope, object);
            scope.context.metrics.answered(namespace, secret);
            Look::Seen(Box::new(remote))
        }
        Err(Fault::ModelNotFound(_)) => {
            Look::Failed(Fault::ModelNotFound(near(scope, object, key).await))
        }
        Err(fault) => Look::Failed(rest(scope, object, fault)),
    };
    Ok(Looked { found, sent })
}

/// Waits for the turn of a look, for as long as there is no reason to start over. What is known
/// to come of it without asking the hub is a fault.
async fn turn<'a>(
    scope: &'a Scope,
    object: &OxenModel,
    key: &'a ApiKey,
) -> Result<Result<Turn<'a>, Fault>, Error> {
    let context = &scope.context;
    let changed = context
        .memories
        .with(object, |memory| memory.changed.clone());
    tokio::select! {
        () = context.stop.wait() => Err(Error::Outdated),
        () = changed.notified() => Err(Error::Outdated),
        turn = context.hub.turn(key, Lane::Look) => Ok(turn.inspect(|turn| {
            context.metrics.waited(turn.waited());
        })),
    }
}

/// The hub asked to be left alone about this object, and that time isn't over, whatever woke the
/// pass. Of the whole key its pace knows.
fn resting(scope: &Scope, object: &OxenModel) -> Option<Fault> {
    let until = scope.context.memories.with(object, |memory| memory.rest)?;
    let left = until.duration_since(Instant::now());
    (!left.is_zero()).then_some(Fault::RateLimited {
        wait: Some(left),
        whole_key: false,
    })
}

/// Heeds the hub's wish to be left alone about an object, with a time of the operator's own where
/// it names none. A wish about the whole key has been heeded where the request ended.
pub(super) fn rest(scope: &Scope, object: &OxenModel, fault: Fault) -> Fault {
    let Fault::RateLimited {
        wait,
        whole_key: false,
    } = fault
    else {
        return fault;
    };
    let rules = &scope.context.config.rules;
    let memories = &scope.context.memories;
    let failures = memories.with(object, |memory| memory.failures);
    let wait = wait.unwrap_or_else(|| doubled(rules.backoff_first, failures, rules.backoff_last));
    leave_alone(scope, object, wait);
    Fault::RateLimited {
        wait: Some(wait),
        whole_key: false,
    }
}

/// Asks the hub nothing about the object for so long.
pub(super) fn leave_alone(scope: &Scope, object: &OxenModel, wait: Duration) {
    let until = Some(Instant::now() + wait);
    let memories = &scope.context.memories;
    memories.with(object, |memory| memory.rest = until);
}

/// Names that come near the one that isn't found, from one search, made once for the matter.
async fn near(scope: &Scope, object: &OxenModel, key: &ApiKey) -> Vec<String> {
    let said = object.status.iter().flat_map(|status| &status.conditions);
    let mut said = said.filter(|one| {
        one.reason == Verdict::ModelNotFound.row().reason
            && one.observed_generation == object.metadata.generation
    });
    if said.next().is_some() || object.metadata.deletion_timestamp.is_some() {
        return Vec::new();
    }
    // The part before the first separator finds the siblings of a name with a typo at its end.
    let asked = object.spec.model.as_str();
    let stem = asked.split(['-', '_', '.', '/']).next().unwrap_or(asked);
    let Ok(Ok(turn)) = turn(scope, object, key).await else {
        return Vec::new();
    };
    match turn.search(stem).await {
        Ok(found) => {
            let names = found.into_iter().map(|model| model.id);
            names.take(NEAR_NAMES).collect()
        }
        Err(fault) => {
            // A wish to be left alone holds, whatever request it answers.
            rest(scope, object, fault);
            Vec::new()
        }
    }
}
