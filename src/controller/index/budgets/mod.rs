//! The budgets of each namespace, the models that count towards them, and the objects that they
//! refuse an activate call.
//!
//! A change of one object costs no more than the budgets and the refused objects of its namespace.
//!
//! | what | where |
//! |---|---|
//! | what one object means for the budgets | `account.rs` |
//! | the budgets of one namespace | `namespace.rs` |
//! | the models that one budget may limit | `group.rs` |
//! | the models that count, and what they amount to | `tally.rs` |
//! | what the index is asked and told, and the lock | `ask.rs` |

mod account;
mod ask;
mod group;
mod namespace;
mod tally;

pub(super) use account::{Account, Share};

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use tokio::sync::watch;

use self::namespace::Namespace;
use super::groups::Uid;
use crate::{
    api::{OxenBudgetStatus, OxenModel},
    config::KeyNamespaces,
    controller::guarded_budget::GuardedBudget,
    decide::{Claimant, Refusal, Total},
};

/// The budgets of all namespaces.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    /// The namespaces that may use the operator's own key, or `None` while budgets are off.
    enabled: Option<KeyNamespaces>,
    namespaces: HashMap<Arc<str>, Namespace>,
    /// The scopes whose budgets have not been listed.
    unlisted: BTreeSet<Option<String>>,
    /// The objects to wake, because there may be room for them now.
    woken: Vec<Uid>,
    /// The namespaces with a budget whose status may have changed.
    changed: BTreeSet<Arc<str>>,
    signal: watch::Sender<()>,
}

/// What a budget's status should say.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::controller) struct Report {
    pub(in crate::controller) budget: Arc<GuardedBudget>,
    pub(in crate::controller) namespace: Arc<str>,
    pub(in crate::controller) name: String,
    /// What counts towards the limits, or `None` if the budget can't be decoded.
    pub(in crate::controller) total: Option<Total>,
    pub(in crate::controller) refusing: usize,
}

impl Report {
    /// The status, or `None` if the budget can't be decoded.
    pub(in crate::controller) fn status(&self) -> Option<OxenBudgetStatus> {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let total = self.total?;
        Some(OxenBudgetStatus {
            observed_generation: self.budget.metadata.generation.unwrap_or_default(),
            active: number(total.active),
            hourly_cost: Some(total.hourly_cost()),
            unpriced: number(total.unpriced),
            refusing: number(self.refusing),
        })
    }
}

impl Budgets {
    /// Turns budgets on. `keys` are the namespaces that may use the operator's own key.
    pub(super) fn enable(&mut self, keys: KeyNamespaces) {
        self.enabled = Some(keys);
    }

    /// What an object means for the budgets, or `None` while they are off, or if it has no model
    /// that may count.
    pub(super) fn account(&self, object: &OxenModel, claimant: &Claimant) -> Option<Box<Account>> {
        let secret = self.secret(object)?;
        Account::of(object, claimant, secret).map(Box::new)
    }

    /// The Secret that an object uses. The inner `None` means the operator's own key, and the outer
    /// one that budgets are off.
    pub(super) fn secret(&self, object: &OxenModel) -> Option<Option<Arc<str>>> {
        let own = self.enabled.as_ref()?.serves(object);
        Some((!own).then(|| object.secret_name().into()))
    }

    /// Replaces what an object means for the budgets.
    pub(super) fn replace(
        &mut self,
        uid: &Uid,
        namespace: &Arc<str>,
        before: Option<&Account>,
        after: Option<&Account>,
    ) {
        if before == after {
            return;
        }
        let known = self.namespaces.entry(namespace.clone()).or_default();
        let makes_room = before.is_some_and(|before| known.remove(uid, before));
        if let Some(after) = after {
            known.add(uid, after);
        }
        if makes_room {
            self.wake_fitting(namespace);
        }
        self.on_change(namespace);
    }

    /// Forgets an object that is gone.
    pub(super) fn remove(&mut self, uid: &Uid, namespace: &Arc<str>, account: Option<&Account>) {
        self.replace(uid, namespace, account, None);
        self.not_refused(uid, namespace);
    }

    /// Notes that no budget refuses an object, because it is due for no activate call, or because
    /// it gets one.
    pub(super) fn not_refused(&mut self, uid: &str, namespace: &str) {
        let known = self.namespaces.get_key_value(namespace);
        let Some(namespace) = known.map(|(namespace, _)| namespace.clone()) else {
            return;
        };
        let known = self.namespaces.entry(namespace.clone()).or_default();
        if known.refused.remove(uid).is_some() {
            self.on_change(&namespace);
        }
    }

    /// Notes that the budgets refuse an object, which is woken when there is room.
    pub(super) fn refused(&mut self, uid: Uid, namespace: &Arc<str>, share: Share) {
        let known = self.namespaces.entry(namespace.clone()).or_default();
        known.refused.insert(uid, share);
        self.on_change(namespace);
    }

    /// Why the budgets of a namespace refuse an activate call, or `None` if they allow it.
    pub(super) fn refusal(&self, namespace: &str, uid: &str, asking: &Share) -> Option<Refusal> {
        self.enabled.as_ref()?;
        let listed = |scope: &Option<String>| !self.unlisted.contains(scope);
        if !listed(&None) || !listed(&Some(namespace.to_owned())) {
            return Some(Refusal::NotListed);
        }
        let known = self.namespaces.get(namespace)?;
        let mut budgets = known.budgets.iter();
        budgets.find_map(|(name, budget)| known.refusal(name, budget, uid, asking))
    }

    /// Returns true when the namespace has a budget.
    pub(super) fn has_any(&self, namespace: &str) -> bool {
        let known = self.namespaces.get(namespace);
        known.is_some_and(|known| !known.budgets.is_empty())
    }

    /// Adds a scope, whose budgets have not been listed.
    pub(super) fn add_scope(&mut self, scope: Option<String>) {
        self.unlisted.insert(scope);
    }

    /// Replaces all budgets of a scope by the listed ones.
    pub(super) fn list(&mut self, scope: Option<&str>, listed: Vec<GuardedBudget>) {
        let within = |namespace: &str| scope.is_none_or(|scope| scope == namespace);
        let listed: BTreeMap<_, _> = listed.into_iter().map(|it| (it.key(), it)).collect();
        let mut gone = Vec::new();
        for (namespace, known) in &self.namespaces {
            if within(namespace) {
                let names = known.budgets.keys().cloned();
                gone.extend(names.map(|name| (namespace.clone(), name)));
            }
        }
        gone.retain(|key| !listed.contains_key(key));
        for (namespace, name) in gone {
            self.set(&namespace, name, None);
        }
        for ((namespace, name), budget) in listed {
            self.set(&namespace, name, Some(budget));
        }
        if self.unlisted.remove(&scope.map(Into::into)) {
            let namespaces = self.namespaces.iter();
            let waiting = namespaces.filter(|(namespace, _)| within(namespace));
            let refused = waiting.flat_map(|(_, known)| known.refused.keys().cloned());
            self.woken.extend(refused);
        }
    }

    /// Sets a budget, or removes it. If its limits change, the refused objects of the namespace are
    /// woken.
    pub(super) fn set(
        &mut self,
        namespace: &Arc<str>,
        name: String,
        budget: Option<GuardedBudget>,
    ) {
        let known = self.namespaces.entry(namespace.clone()).or_default();
        let spec = budget.as_ref().map(|budget| budget.spec.clone());
        let before = match budget {
            Some(budget) => known.budgets.insert(name, Arc::new(budget)),
            None => known.budgets.remove(&name),
        };
        if before.map(|before| before.spec.clone()) != spec {
            self.woken.extend(known.refused.keys().cloned());
        }
        self.on_change(namespace);
    }

    /// The objects to wake since the last call.
    pub(super) fn take_woken(&mut self) -> Vec<Uid> {
        std::mem::take(&mut self.woken)
    }

    /// The reports of the budgets of a scope whose status may have changed since the last call.
    pub(super) fn take_changed(&mut self, scope: Option<&str>) -> Vec<Report> {
        let all = std::mem::take(&mut self.changed);
        let within = |namespace: &Arc<str>| scope.is_none_or(|scope| *scope == **namespace);
        let (changed, others) = all.into_iter().partition(within);
        self.changed = others;
        let changed: BTreeSet<Arc<str>> = changed;
        changed.iter().flat_map(|it| self.reports_of(it)).collect()
    }

    /// The reports of all budgets.
    pub(super) fn reports(&self) -> Vec<Report> {
        let namespaces = self.namespaces.keys();
        namespaces.flat_map(|it| self.reports_of(it)).collect()
    }

    /// Returns a receiver that is notified of every change that
    /// [`take_changed`](Self::take_changed) has.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.signal.subscribe()
    }

    /// Notes that the status of the namespace's budgets may have changed.
    pub(super) fn on_change(&mut self, namespace: &Arc<str>) {
        let Some(known) = self.namespaces.get(namespace) else {
            return;
        };
        if !known.budgets.is_empty() {
            self.changed.insert(namespace.clone());
            self.signal.send_replace(());
        } else if known.is_empty() {
            self.namespaces.remove(namespace);
        }
    }

    fn wake_fitting(&mut self, namespace: &Arc<str>) {
        let known = self.namespaces.get(namespace);
        let refused = known.into_iter().flat_map(|known| &known.refused);
        let fits = |uid: &Uid, share| self.refusal(namespace, uid, share).is_none();
        let fitting = refused.filter(|(uid, share)| fits(uid, share));
        let fitting: Vec<Uid> = fitting.map(|(uid, _)| uid.clone()).collect();
        self.woken.extend(fitting);
    }

    fn reports_of(&self, namespace: &Arc<str>) -> Vec<Report> {
        let Some(known) = self.namespaces.get(namespace) else {
            return Vec::new();
        };
        let budgets = known.budgets.iter();
        let reports = budgets.map(|(name, budget)| {
            let refuses =
                |(uid, share): &(&Uid, &Share)| known.refusal(name, budget, uid, share).is_some();
            Report {
                budget: budget.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
                total: budget.spec.as_ref().ok().map(|spec| known.total(spec)),
                refusing: known.refused.iter().filter(refuses).count(),
            }
        });
        reports.collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }
}

#[cfg(test)]
mod tests;
