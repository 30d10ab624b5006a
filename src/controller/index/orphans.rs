//! The open operations whose object is gone. The owner of the model waits for them as for an
//! operation of its own.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::api::Identity;

/// The smallest number of models at which ended operations are removed.
const SWEPT_FROM: usize = 64;

/// The orphaned operations, by the identity of their model.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    operations: HashMap<Identity, Vec<Orphan>>,
    /// The number of models at which ended operations are removed next.
    swept_at: usize,
}

#[derive(Debug)]
struct Orphan {
    id: String,
    until: Instant,
}

impl Orphans {
    /// Adds an operation, which is kept for no longer than `patience`.
    pub(super) fn add(&mut self, identity: &Identity, id: &str, patience: Duration) {
        let now = Instant::now();
        if self.operations.len() >= self.swept_at.max(SWEPT_FROM) {
            self.operations.retain(|_, orphans| {
                orphans.retain(|orphan| orphan.until > now);
                !orphans.is_empty()
            });
            self.swept_at = 2 * self.operations.len();
        }
        let orphans = self.operations.entry(identity.clone()).or_default();
        orphans.push(Orphan {
            id: id.to_owned(),
            until: now + patience,
        });
    }

    /// Removes an operation.
    pub(super) fn remove(&mut self, identity: &Identity, id: &str) {
        if let Some(orphans) = self.operations.get_mut(identity) {
            orphans.retain(|orphan| orphan.id != id);
            if orphans.is_empty() {
                self.operations.remove(identity);
            }
        }
    }

    /// The ids of the operations of a model.
    pub(super) fn of(&self, identity: &Identity) -> impl Iterator<Item = &str> {
        let now = Instant::now();
        let orphans = self.operations.get(identity).into_iter().flatten();
        let open = orphans.filter(move |orphan| orphan.until > now);
        open.map(|orphan| orphan.id.as_str())
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }
}
