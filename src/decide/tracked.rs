//! What became of the operation that a process recorded last. The API server may not hold it: a
//! write can fail, its answer can be lost, and a person can clear or restore a status.

use super::attempts::forget_other_object;
use crate::api::{Attempts, Operation, OxenModel, OxenModelStatus};

/// The operation that a process recorded last, and what it has spent. It is empty until the process
/// records one, and again once an answered write holds the operation's end.
///
/// The next reconcile starts from it, so that no call is repeated because a write was lost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tracked {
    /// The ids that the stored status may show: the operation that was recorded last, and earlier
    /// ones whose end was in no write that was answered.
    pub ids: Vec<String>,
    /// The operation as it is now, or `None` where it has ended.
    pub operation: Option<Operation>,
    /// The attempts as they are now.
    pub attempts: Attempts,
    /// The activations as they are now, because the end of an operation adds one.
    pub activations: Option<Vec<u32>>,
}

impl Tracked {
    /// Takes into account what became of the operation with this id, as `status` has it.
    pub fn track(&mut self, id: &str, status: &OxenModelStatus) {
        if !self.ids.iter().any(|known| known == id) {
            self.ids.push(id.to_owned());
        }
        self.take(status);
    }

    /// Takes into account a write that is about to be sent, because it may take effect although its
    /// answer is lost. This is not needed for the record of a call: if its answer is lost, no call
    /// follows.
    pub fn before_write(&mut self, status: &OxenModelStatus) {
        if !self.ids.is_empty() {
            self.take(status);
        }
    }

    /// Takes into account that the API server holds this status.
    pub fn stored(&mut self, status: &OxenModelStatus) {
        if self.ids.is_empty() {
            return;
        }
        match &status.operation {
            Some(open) => {
                self.ids = vec![open.id.clone()];
                self.take(status);
            }
            None => *self = Self::default(),
        }
    }

    fn take(&mut self, status: &OxenModelStatus) {
        self.operation.clone_from(&status.operation);
        self.attempts = status.attempts();
        self.activations.clone_from(&status.activations);
    }

    /// The object's status, completed with what only this process knows, or `None` if the stored
    /// status lacks nothing.
    #[must_use]
    pub fn applied(&self, object: &OxenModel) -> Option<OxenModelStatus> {
        let mut status = object.status.clone().unwrap_or_default();
        let stored = status.operation.as_ref();
        let is_known = stored.is_some_and(|open| self.ids.contains(&open.id));
        if !is_known && self.operation.is_none() {
            return None;
        }
        let restored = forget_other_object(&mut status, object.metadata.uid.as_deref());
        status.operation.clone_from(&self.operation);
        status.activations.clone_from(&self.activations);
        if restored || self.attempts.generation >= status.attempts().generation {
            status.attempts = Some(self.attempts.clone());
        }
        Some(status)
    }
}
