//! The budgets of one namespace.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{Account, Share, group::Group};
use crate::{
    api::OxenBudgetSpec,
    controller::{guarded_budget::GuardedBudget, index::groups::Uid},
    decide::{Refusal, Total, judge},
};

/// The budgets of one namespace, and what its objects mean for them.
#[derive(Debug, Default)]
pub(super) struct Namespace {
    pub(super) budgets: BTreeMap<String, Arc<GuardedBudget>>,
    /// The models of all objects.
    all: Group,
    /// The models of the objects that use a Secret.
    by_secret: HashMap<Arc<str>, Group>,
    /// The objects that the budgets refuse an activate call.
    pub(super) refused: BTreeMap<Uid, Share>,
}

impl Namespace {
    /// Adds an object.
    pub(super) fn add(&mut self, uid: &Uid, account: &Account) {
        match account {
            Account::Unobserved { name, secret } => self.change(secret.as_ref(), |group| {
                group.unobserved.insert(uid.clone(), name.clone());
            }),
            Account::Observed { share, on, refused } => {
                if *on {
                    self.change(share.secret.as_ref(), |group| {
                        group.on.add(&share.identity, uid, share.price);
                    });
                }
                if *refused {
                    self.refused.insert(uid.clone(), share.clone());
                }
            }
        }
    }

    /// Removes an object. Returns true if the refused objects should be judged again: after a model
    /// that counted, and after the last unobserved object of a group.
    pub(super) fn remove(&mut self, uid: &Uid, account: &Account) -> bool {
        self.refused.remove(uid);
        match account {
            // While other objects are unobserved, most of the refused ones still don't fit.
            Account::Unobserved { secret, .. } => {
                let mut last = false;
                self.change(secret.as_ref(), |group| {
                    group.unobserved.remove(uid);
                    last |= group.unobserved.is_empty();
                });
                last
            }
            Account::Observed { share, on, .. } => {
                if *on {
                    self.change(share.secret.as_ref(), |group| {
                        group.on.remove(&share.identity, uid);
                    });
                }
                *on
            }
        }
    }

    /// Changes each group that has the objects of a Secret.
    fn change(&mut self, secret: Option<&Arc<str>>, mut change: impl FnMut(&mut Group)) {
        change(&mut self.all);
        if let Some(secret) = secret {
            let group = self.by_secret.entry(secret.clone()).or_default();
            change(group);
            if group.is_empty() {
                self.by_secret.remove(secret);
            }
        }
    }

    /// Why this budget refuses an activate call of this object.
    pub(super) fn refusal(
        &self,
        name: &str,
        budget: &GuardedBudget,
        uid: &str,
        asking: &Share,
    ) -> Option<Refusal> {
        let spec = match &budget.spec {
            Ok(spec) => spec,
            Err(problem) => {
                return Some(Refusal::Undecodable {
                    budget: name.to_owned(),
                    problem: problem.clone(),
                });
            }
        };
        let concerns = |secret: &String| asking.secret.as_deref() == Some(secret);
        if !spec.secret_name.as_ref().is_none_or(concerns) {
            return None;
        }
        let group = self.group(spec);
        let others = group.map(|group| group.without(uid, &asking.identity));
        judge(name, spec, &others.unwrap_or_default(), asking.price)
    }

    /// What counts towards a budget.
    pub(super) fn total(&self, spec: &OxenBudgetSpec) -> Total {
        let group = self.group(spec);
        group.map_or_else(Total::default, |group| group.on.total())
    }

    /// The models that a budget limits, if there are any.
    fn group(&self, spec: &OxenBudgetSpec) -> Option<&Group> {
        match &spec.secret_name {
            None => Some(&self.all),
            Some(secret) => self.by_secret.get(secret.as_str()),
        }
    }

    /// Returns true when the namespace has no budget and no object that means anything for one.
    pub(super) fn is_empty(&self) -> bool {
        self.budgets.is_empty()
            && self.all.is_empty()
            && self.by_secret.is_empty()
            && self.refused.is_empty()
    }
}
