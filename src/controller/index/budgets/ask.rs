//! What the budgets of a namespace say to an activate call.

use std::sync::Arc;

use tokio::sync::{OwnedMutexGuard, watch};

use super::{super::Index, Report, Share};
use crate::{
    api::OxenModel,
    controller::guarded_budget::GuardedBudget,
    decide::{Price, Refusal, Remote},
};

/// The answer of the budgets.
pub(in crate::controller) struct Answer {
    /// Why they refuse the call, if they do.
    pub(in crate::controller) refusal: Option<Refusal>,
    /// The lock of the namespace's budgets. It is held until the call is recorded, so that no other
    /// decision counts without it.
    pub(in crate::controller) lock: Option<OwnedMutexGuard<()>>,
}

impl Index {
    /// Asks the budgets of the object's namespace whether they allow an activate call for the model
    /// that was just observed. The lock of the model is taken before the lock of the budgets, and
    /// never after it.
    pub(in crate::controller) async fn ask_budgets(
        &self,
        object: &OxenModel,
        remote: &Remote,
    ) -> Answer {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let share = |secret| Share {
            identity: Arc::new(remote.model.identity()),
            secret,
            price: Price::of(remote.pricing.as_ref()),
        };
        let asking = self.state().entries.budgets.secret(object).map(share);
        let Some(asking) = asking else {
            return Answer {
                refusal: None,
                lock: None,
            };
        };
        let mut lock = None;
        loop {
            let (refusal, limited) = self.judge(object, &asking);
            // A call that is not recorded yet only adds to the count, so a refusal needs no lock.
            if refusal.is_some() || !limited || lock.is_some() {
                return Answer { refusal, lock };
            }
            let budgets = self
                .budget_locks
                .get(namespace, tokio::sync::Mutex::default);
            lock = Some(budgets.lock_owned().await);
        }
    }

    /// Judges by the budgets, and notes an object that they refuse in the same moment, so that it
    /// misses no room. Also returns whether the namespace has a budget.
    fn judge(&self, object: &OxenModel, asking: &Share) -> (Option<Refusal>, bool) {
        let mut state = self.state();
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let entry = state.entries.get(uid);
        let known = entry.map(|it| (it.claimant.uid.clone(), it.claimant.namespace.clone()));
        let budgets = &mut state.entries.budgets;
        let refusal = budgets.refusal(namespace, uid, asking);
        let limited = budgets.has_any(namespace);
        match known.filter(|_| refusal.is_some()) {
            Some((uid, namespace)) => budgets.refused(uid, &namespace, asking.clone()),
            None => budgets.not_refused(uid, namespace),
        }
        (refusal, limited)
    }

    /// Notes that an object is due for no activate call, so that no budget refuses it.
    pub(in crate::controller) fn not_refused(&self, object: &OxenModel) {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        self.state().entries.budgets.not_refused(uid, namespace);
    }

    /// Adds a scope of budgets. Every reconcile waits for its first list, until
    /// [`stop_awaiting_budgets`](Self::stop_awaiting_budgets) is called.
    pub(in crate::controller) fn add_budget_scope(&self, namespace: Option<String>) {
        self.state().entries.budgets.add_scope(namespace);
        self.unlisted.send_modify(|unlisted| unlisted.pending += 1);
    }

    /// Lets reconciles begin, whether or not the budgets of a scope have been listed.
    pub(in crate::controller) fn stop_awaiting_budgets(&self) {
        self.unlisted.send_modify(|unlisted| unlisted.pending -= 1);
    }

    /// Notes all budgets of a namespace, or of all namespaces, and wakes the refused objects that
    /// this concerns.
    pub(in crate::controller) fn list_budgets(
        &self,
        scope: Option<&str>,
        listed: Vec<GuardedBudget>,
    ) {
        let mut state = self.state();
        state.entries.budgets.list(scope, listed);
        state.wake([]);
    }

    /// Notes that the watch shows a budget, and wakes the refused objects if it has changed.
    pub(in crate::controller) fn show_budget(&self, budget: GuardedBudget) {
        let (namespace, name) = budget.key();
        let mut state = self.state();
        state.entries.budgets.set(&namespace, name, Some(budget));
        state.wake([]);
    }

    /// Removes a budget that is gone, and wakes the refused objects.
    pub(in crate::controller) fn remove_budget(&self, budget: &GuardedBudget) {
        let (namespace, name) = budget.key();
        let mut state = self.state();
        state.entries.budgets.set(&namespace, name, None);
        state.wake([]);
    }

    /// The budgets of a namespace, or of all, whose status may have changed since the last call.
    pub(in crate::controller) fn take_changed_budgets(&self, scope: Option<&str>) -> Vec<Report> {
        self.state().entries.budgets.take_changed(scope)
    }

    /// Notes that a budget's status was not written.
    pub(in crate::controller) fn budget_not_written(&self, report: &Report) {
        let mut state = self.state();
        state.entries.budgets.on_change(&report.namespace);
    }

    /// All budgets.
    pub(in crate::controller) fn budgets(&self) -> Vec<Report> {
        self.state().entries.budgets.reports()
    }

    /// Returns a receiver that is notified when the status of a budget may have changed.
    pub(in crate::controller) fn budget_changes(&self) -> watch::Receiver<()> {
        self.state().entries.budgets.changes()
    }
}
