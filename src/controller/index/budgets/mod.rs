//! The budgets of each namespace, the models that count towards them, and the objects that they
//! refuse an activate call.
//!
//! A change of one object costs no more than the budgets and the refused objects of its namespace.
//!
//! | what | where |
//! |---|---|
//! | the models that count towards a budget | `tally.rs` |
//! | what the index is asked and told, and the lock | `ask.rs` |

mod ask;
mod tally;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use tokio::sync::watch;

use self::tally::Tally;
use super::groups::Uid;
use crate::{
    api::{Identity, OxenBudgetSpec, OxenBudgetStatus, OxenModel},
    config::KeyNamespaces,
    controller::guarded_budget::GuardedBudget,
    decide::{Claimant, Price, READY, Refusal, Total, Verdict, condition, counts, exceeded},
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

#[derive(Debug, Default)]
struct Namespace {
    budgets: BTreeMap<String, Arc<GuardedBudget>>,
    all: Tally,
    by_secret: HashMap<Arc<str>, Tally>,
    refused: BTreeMap<Uid, Account>,
}

/// What an object means for the budgets of its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) identity: Arc<Identity>,
    /// The Secret that the object uses, or `None` for the operator's own key.
    pub(super) secret: Option<Arc<str>>,
    pub(super) price: Option<Price>,
    /// Whether the model counts.
    pub(super) on: bool,
    /// Whether the object's status says that a budget refuses it.
    pub(super) refused: bool,
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
    /// that counts.
    pub(super) fn account(&self, object: &OxenModel, claimant: &Claimant) -> Option<Box<Account>> {
        let secret = self.secret(object)?;
        let identity = claimant.identity.as_ref().filter(|_| !claimant.base)?;
        let status = object.status.as_ref()?;
        let ready = condition(&status.conditions, READY);
        Some(Box::new(Account {
            identity: identity.clone(),
            secret,
            price: Price::of(status.pricing.as_ref()),
            on: counts(status),
            refused: ready.is_some_and(|ready| is_refusal(&ready.reason)),
        }))
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
        if let Some(before) = before {
            known.remove(uid, before);
        }
        if let Some(after) = after {
            known.add(uid, after);
        }
        if before.is_some_and(|before| before.on) {
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
    pub(super) fn refused(&mut self, uid: Uid, namespace: &Arc<str>, account: Account) {
        let known = self.namespaces.entry(namespace.clone()).or_default();
        known.refused.insert(uid, account);
        self.on_change(namespace);
    }

    /// Why the budgets of a namespace refuse an activate call, or `None` if they allow it.
    pub(super) fn refusal(&self, namespace: &str, asking: &Account) -> Option<Refusal> {
        self.enabled.as_ref()?;
        let listed = |scope: &Option<String>| !self.unlisted.contains(scope);
        if !listed(&None) || !listed(&Some(namespace.to_owned())) {
            return Some(Refusal::NotListed);
        }
        let known = self.namespaces.get(namespace)?;
        let mut budgets = known.budgets.iter();
        budgets.find_map(|(name, budget)| known.refusal(name, budget, asking))
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
        let fits = |account| self.refusal(namespace, account).is_none();
        let fitting = refused.filter(|(_, account)| fits(account));
        let fitting: Vec<Uid> = fitting.map(|(uid, _)| uid.clone()).collect();
        self.woken.extend(fitting);
    }

    fn reports_of(&self, namespace: &Arc<str>) -> Vec<Report> {
        let Some(known) = self.namespaces.get(namespace) else {
            return Vec::new();
        };
        let budgets = known.budgets.iter();
        let reports = budgets.map(|(name, budget)| {
            let refuses = |asking: &&Account| known.refusal(name, budget, asking).is_some();
            Report {
                budget: budget.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
                total: budget.spec.as_ref().ok().map(|spec| known.total(spec)),
                refusing: known.refused.values().filter(refuses).count(),
            }
        });
        reports.collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }
}

impl Namespace {
    fn add(&mut self, uid: &Uid, account: &Account) {
        if account.on {
            self.all.add(&account.identity, uid, account.price);
            if let Some(secret) = &account.secret {
                let tally = self.by_secret.entry(secret.clone()).or_default();
                tally.add(&account.identity, uid, account.price);
            }
        }
        if account.refused {
            self.refused.insert(uid.clone(), account.clone());
        }
    }

    fn remove(&mut self, uid: &Uid, account: &Account) {
        if account.on {
            self.all.remove(&account.identity, uid);
            if let Some(secret) = &account.secret
                && let Some(tally) = self.by_secret.get_mut(secret)
            {
                tally.remove(&account.identity, uid);
                if tally.is_empty() {
                    self.by_secret.remove(secret);
                }
            }
        }
        self.refused.remove(uid);
    }

    /// Why this budget refuses an activate call.
    fn refusal(&self, name: &str, budget: &GuardedBudget, asking: &Account) -> Option<Refusal> {
        let spec = match &budget.spec {
            Ok(spec) => spec,
            Err(problem) => {
                return Some(Refusal::Undecodable {
                    budget: name.to_owned(),
                    problem: problem.clone(),
                });
            }
        };
        let others = match &spec.secret_name {
            None => self.all.without(&asking.identity),
            Some(secret) if asking.secret.as_deref() == Some(secret) => {
                let tally = self.by_secret.get(secret.as_str());
                tally.map_or_else(Total::default, |it| it.without(&asking.identity))
            }
            // The budget is about other models.
            Some(_) => return None,
        };
        let limit = exceeded(spec, &others, asking.price)?;
        Some(Refusal::Exceeded {
            budget: name.to_owned(),
            limit,
        })
    }

    /// What counts towards a budget.
    fn total(&self, spec: &OxenBudgetSpec) -> Total {
        let Some(secret) = &spec.secret_name else {
            return self.all.total();
        };
        let tally = self.by_secret.get(secret.as_str());
        tally.map_or_else(Total::default, Tally::total)
    }

    fn is_empty(&self) -> bool {
        self.budgets.is_empty()
            && self.all.is_empty()
            && self.by_secret.is_empty()
            && self.refused.is_empty()
    }
}

/// Returns true when this reason says that the budgets refuse an activate call.
fn is_refusal(reason: &str) -> bool {
    let refusals = [Verdict::BudgetExceeded, Verdict::BudgetUnknown];
    let mut reasons = refusals.map(|it| it.presentation().reason).into_iter();
    reasons.any(|refusal| refusal == reason)
}

#[cfg(test)]
mod tests;
