//! The monitor, which sees each record when it is written and each request when it reaches the hub.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use hub::Entry;
use oxen_operator::{
    api::{Declared, OperationKind, OxenModel},
    decide::CALLS,
};
use serde_json::Value;

/// The maximum age of an observation that leads to a call: the operator's limit, which is the
/// request timeout and three seconds at this time scale, and three seconds in which the call
/// reaches the hub on a busy machine.
const MAX_AGE: Duration = Duration::from_secs(7);

/// What the account begins with that an operator process's own key belongs to before any other.
/// Objects without a key of their own are observed and called with that key.
pub const OPERATOR: &str = "operator-";

/// What was observed, and which rules were broken. Clones share it.
#[derive(Clone, Default)]
pub struct Monitor(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The recorded operations by id, with their kind.
    recorded: HashMap<String, OperationKind>,
    /// The ids of the operations whose call has arrived.
    called: HashSet<String>,
    /// The objects with an open operation by UID, with the model and the operation's id.
    open: HashMap<String, ((String, String), String)>,
    /// When each model was last observed, by the text in the path.
    observed: HashMap<String, Duration>,
    /// The processes that have made calls with their own key, in order, by that key's account. The
    /// last one is the present leader.
    callers: Vec<String>,
    writes: usize,
    calls: usize,
    violations: Vec<String>,
}

impl State {
    /// Returns true when another object has an open operation on the same model.
    fn is_beside_another(&self, id: &str) -> bool {
        let open = || self.open.values();
        let Some((model, _)) = open().find(|(_, open)| open == id) else {
            return false;
        };
        open().any(|(other, open)| other == model && open != id)
    }

    /// Returns true when another process has made a call since the last one of this call's process.
    /// A process that has lost the Lease to another one never leads again.
    fn was_succeeded(&self, call: &Entry) -> bool {
        let before = self.callers.split_last();
        before
            .is_some_and(|(_, before)| before.iter().any(|one| call.account.as_ref() == Some(one)))
    }

    fn note_caller(&mut self, call: &Entry) {
        let account = call.account.as_ref();
        let own = account.filter(|account| account.starts_with(OPERATOR));
        if let Some(account) = own.filter(|account| self.callers.last() != Some(*account)) {
            self.callers.push(account.clone());
        }
    }
}

impl Monitor {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Takes the result of an operator's write.
    pub fn written(&self, object: &Value) {
        let mut state = self.state();
        state.writes += 1;
        // The response to a write of the finalizers has no spec. A deleted object without
        // finalizers is gone.
        let Ok(object) = serde_json::from_value::<OxenModel>(object.clone()) else {
            let metadata = &object["metadata"];
            if metadata.get("finalizers").is_none() && metadata.get("deletionTimestamp").is_some() {
                state
                    .open
                    .remove(metadata["uid"].as_str().unwrap_or_default());
            }
            return;
        };
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let status = object.status.clone().unwrap_or_default();
        let Some(open) = &status.operation else {
            state.open.remove(&uid);
            return;
        };
        let model = status.model.as_ref();
        let model = model.map(|model| (model.id.clone(), model.owner.clone()));
        let model = model.unwrap_or_default();
        state.open.insert(uid, (model, open.id.clone()));
        if status.attempts.as_ref().and_then(|spent| spent.calls) > Some(CALLS) {
            state
                .violations
                .push(format!("one call too many: {object:?}"));
        }
        if state.recorded.insert(open.id.clone(), open.kind).is_some() {
            return;
        }
        // The write that recorded the operation had a response that nobody waited for any more.
        if object.metadata.generation != Some(status.observed_generation) {
            return;
        }
        let deleting = object.metadata.deletion_timestamp.is_some();
        let kind = match object.spec.state {
            Declared::Active if !deleting => OperationKind::Activate,
            Declared::Active | Declared::Inactive | Declared::Scheduled => {
                OperationKind::Deactivate
            }
        };
        if object.spec.suspend == Some(true) || kind != open.kind {
            state
                .violations
                .push(format!("recorded against the spec: {object:?}"));
        }
    }

    /// Takes a request that reached the hub.
    pub fn arrived(&self, entry: &Entry) {
        let mut state = self.state();
        let model = entry.model.clone().unwrap_or_default();
        if !entry.is_post() {
            if entry.is_live() {
                state.observed.insert(model, entry.at);
            }
            return;
        }
        state.calls += 1;
        let id = entry.request_id.clone().unwrap_or_default();
        let age = state.observed.get(&model).map(|then| entry.at - *then);
        let recent = age.is_some_and(|age| age <= MAX_AGE);
        let verb = entry.path.rsplit('/').next().unwrap_or_default();
        let violation = match state.recorded.get(&id) {
            None => "that is not recorded",
            Some(kind) if kind.to_string() != verb => "of another kind than recorded",
            Some(_) if state.was_succeeded(entry) => "of a leader that has a successor",
            Some(_) if state.called.contains(&id) => "made twice",
            Some(_) if !recent => "without a recent observation",
            Some(_) if state.is_beside_another(&id) => "beside another one on the same model",
            Some(_) => {
                state.note_caller(entry);
                state.called.insert(id);
                return;
            }
        };
        state
            .violations
            .push(format!("a call {violation}: {entry}"));
    }

    /// Notes that a person is about to delete an object without a finalizer. Its open operation
    /// belongs to no object then.
    pub fn deleting(&self, uid: &str) {
        self.state().open.remove(uid);
    }

    /// Returns the number of writes and calls so far.
    pub fn activity(&self) -> (usize, usize) {
        let state = self.state();
        (state.writes, state.calls)
    }

    /// Returns what was observed, for people.
    pub fn summary(&self) -> String {
        let state = self.state();
        let unsent = state.recorded.len() - state.called.len();
        format!(
            "{} writes, {} calls by {} leaders, {unsent} operations recorded and never sent",
            state.writes,
            state.calls,
            state.callers.len()
        )
    }

    /// Panics if a rule was broken.
    pub fn assert_no_violation(&self, seed: u64) {
        let state = self.state();
        assert!(
            state.violations.is_empty(),
            "seed {seed}: {:#?}",
            state.violations
        );
    }
}
