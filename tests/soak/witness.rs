//! The onlooker who sees each record as it is written, and each call as it comes to the hub.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};

use hub::Entry;
use oxen_operator::api::{Direction, OxenModel, State};
use serde_json::Value;

/// What was seen; clones are one.
#[derive(Clone, Default)]
pub struct Witness(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// The calls that are on record.
    recorded: HashMap<String, (Direction, i64)>,
    /// The calls that came.
    called: HashSet<String>,
    /// The latest term that a call was of.
    epoch: i64,
    writes: usize,
    calls: usize,
    wrong: Vec<String>,
}

impl Witness {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }

    /// An operator's write stands.
    pub fn wrote(&self, object: &Value) {
        let mut seen = self.seen();
        seen.writes += 1;
        // A finalizer's answer has no spec.
        let Ok(object) = serde_json::from_value::<OxenModel>(object.clone()) else {
            return;
        };
        let Some(open) = object.status.as_ref().and_then(|it| it.operation.as_ref()) else {
            return;
        };
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
        if !entry.is_post() {
            return;
        }
        let mut seen = self.seen();
        seen.calls += 1;
        let id = entry.request_id.clone().unwrap_or_default();
        let verb = entry.path.rsplit('/').next().unwrap_or_default();
        let wrong = match seen.recorded.get(&id) {
            None => "not on record",
            Some((direction, _)) if direction.to_string() != verb => "not what is on record",
            Some((_, epoch)) if *epoch < seen.epoch => "of an older term than the last",
            Some(_) if seen.called.contains(&id) => "made twice",
            Some((_, epoch)) => {
                seen.epoch = *epoch;
                seen.called.insert(id);
                return;
            }
        };
        seen.wrong.push(format!("a call {wrong}: {entry}"));
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
