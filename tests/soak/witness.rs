//! The onlooker who sees each record as it is written, and each call as it comes to the hub.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use hub::Entry;
use oxen_operator::{
    api::{Direction, OxenModel, State},
    decide::CALLS,
};
use serde_json::Value;

/// The operator's own bound, and what lies between its clock and the hub's.
const FRESHNESS: Duration = Duration::from_secs(11);

/// What was seen; clones are one.
#[derive(Clone, Default)]
pub struct Witness(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// The calls that are on record.
    recorded: HashMap<String, (Direction, i64)>,
    /// The calls that came.
    called: HashSet<String>,
    /// Objects with a call under way, by UID, with the model that it is about and its name.
    open: HashMap<String, ((String, String), String)>,
    /// When each model, by the text in its path, was last looked at.
    looks: HashMap<String, Duration>,
    /// The latest term that a call was of.
    epoch: i64,
    writes: usize,
    calls: usize,
    wrong: Vec<String>,
}

impl Seen {
    /// Whether another object's call of the same model is under way.
    fn beside_another(&self, id: &str) -> bool {
        let open = || self.open.values();
        let Some((model, _)) = open().find(|(_, open)| open == id) else {
            return false;
        };
        open().any(|(other, open)| other == model && open != id)
    }
}

impl Witness {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }

    /// An operator's write stands.
    pub fn wrote(&self, object: &Value) {
        let mut seen = self.seen();
        seen.writes += 1;
        // A finalizer's answer has no spec. Without one, a deleted object is gone.
        let Ok(object) = serde_json::from_value::<OxenModel>(object.clone()) else {
            let metadata = &object["metadata"];
            if metadata.get("finalizers").is_none() && metadata.get("deletionTimestamp").is_some() {
                seen.open
                    .remove(metadata["uid"].as_str().unwrap_or_default());
            }
            return;
        };
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let status = object.status.clone().unwrap_or_default();
        let Some(open) = &status.operation else {
            seen.open.remove(&uid);
            return;
        };
        let model = status.model.map(|model| (model.id, model.owner));
        let model = model.unwrap_or_default();
        seen.open.insert(uid, (model, open.id.clone()));
        if open.sends > CALLS {
            seen.wrong.push(format!("one call too many: {object:?}"));
        }
        let call = (open.direction, open.epoch);
        if seen.recorded.insert(open.id.clone(), call).is_some() {
            return;
        }
        // The write that recorded it had an answer that nobody waited for any more.
        if object.metadata.generation != Some(open.generation) {
            return;
        }
        let deleting = object.metadata.deletion_timestamp.is_some();
        let wanted = match object.spec.state {
            State::Active if !deleting => Direction::Activate,
            State::Active | State::Inactive => Direction::Deactivate,
        };
        if object.spec.suspend == Some(true) || wanted != open.direction {
            seen.wrong
                .push(format!("recorded against the spec: {object:?}"));
        }
    }

    /// A request came to the hub.
    pub fn came(&self, entry: &Entry) {
        let mut seen = self.seen();
        let model = entry.model.clone().unwrap_or_default();
        if !entry.is_post() {
            if entry.is_live() {
                seen.looks.insert(model, entry.at);
            }
            return;
        }
        seen.calls += 1;
        let id = entry.request_id.clone().unwrap_or_default();
        let looked = seen.looks.get(&model).map(|look| entry.at - *look);
        let fresh = looked.is_some_and(|age| age <= FRESHNESS);
        let verb = entry.path.rsplit('/').next().unwrap_or_default();
        let wrong = match seen.recorded.get(&id) {
            None => "not on record",
            Some((direction, _)) if direction.to_string() != verb => "not what is on record",
            Some((_, epoch)) if *epoch < seen.epoch => "of an older term than the last",
            Some(_) if seen.called.contains(&id) => "made twice",
            Some(_) if !fresh => "without a fresh look",
            Some(_) if seen.beside_another(&id) => "beside another one on the same model",
            Some((_, epoch)) => {
                seen.epoch = *epoch;
                seen.called.insert(id);
                return;
            }
        };
        seen.wrong.push(format!("a call {wrong}: {entry}"));
    }

    /// A person is about to delete it, and nothing holds it: what it has under way is nobody's any more.
    pub fn goes(&self, uid: &str) {
        self.seen().open.remove(uid);
    }

    /// Writes and calls so far.
    pub fn noise(&self) -> (usize, usize) {
        let seen = self.seen();
        (seen.writes, seen.calls)
    }

    /// For a person.
    pub fn account(&self) -> String {
        let seen = self.seen();
        let lost = seen.recorded.len() - seen.called.len();
        format!(
            "{} writes; {} calls in {} terms at least; {lost} recorded and never made",
            seen.writes, seen.calls, seen.epoch
        )
    }

    /// Panics if anything was wrong.
    pub fn verdict(&self, seed: u64) {
        let seen = self.seen();
        assert!(seen.wrong.is_empty(), "seed {seed}: {:#?}", seen.wrong);
    }
}
