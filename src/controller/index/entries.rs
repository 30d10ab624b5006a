//! The entries of the index: what is known of each object, and the groups in which it is found.
//!
//! No question about one object reads the others. Only the members of the groups that the answer
//! comes from are read.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    budgets::{Account, Budgets},
    groups::{Groups, Uid},
};
use crate::{
    api::{Identity, OxenModel},
    controller::guarded::{Guarded, Unreadable, claimant},
    decide::{Claimant, Influence, Rules},
};

/// The Secret in the group of the objects that can't be decoded. They may use any Secret of their
/// namespace. No Secret has an empty name.
const ANY_SECRET: &str = "";

/// All entries, by UID. They are boxed, because a map has room for more of them than there are.
#[derive(Debug, Default)]
pub(super) struct Entries {
    all: HashMap<Uid, Box<Entry>>,
    /// The objects that may control a model, by its identity.
    by_identity: Groups<Arc<Identity>>,
    /// The objects that may control a model, by `spec.model`.
    by_model: Groups<Arc<str>>,
    /// Those of `by_model` that have not been observed yet.
    unobserved: Groups<Arc<str>>,
    /// The objects by their namespace and the name of their Secret.
    by_secret: Groups<(Arc<str>, Arc<str>)>,
    /// The budgets, and what counts towards them.
    pub(super) budgets: Budgets,
}

/// What is known of one object.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) claimant: Claimant,
    pub(super) unreadable: Option<Arc<Unreadable>>,
    /// The version of the object that the entry is made from.
    pub(super) version: Option<String>,
    /// This process's own write that the watch has not shown yet.
    pub(super) written: Option<Box<Written>>,
    /// The version that a release of the object was based on, if this process has released it or
    /// may have. Such an object controls no model.
    pub(super) released: Option<Option<String>>,
    /// What it means for the budgets of its namespace.
    pub(super) account: Option<Box<Account>>,
    secret: Arc<str>,
}

/// An object as this process wrote it last.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) object: Arc<OxenModel>,
    /// The versions that the write, and those before it, replaced.
    pub(super) replaced: Vec<String>,
}

/// The keys of an object's groups.
struct Keys {
    uid: Uid,
    secret: (Arc<str>, Arc<str>),
    /// Absent for a base model and for a released object, which control no model.
    model: Option<Arc<str>>,
    identity: Option<Arc<Identity>>,
    observed: bool,
}

impl Entry {
    fn keys(&self) -> Keys {
        let claimant = &self.claimant;
        let controls = !claimant.base && self.released.is_none();
        Keys {
            uid: claimant.uid.clone(),
            secret: (claimant.namespace.clone(), self.secret.clone()),
            model: controls.then(|| claimant.model.clone()),
            identity: claimant.identity.clone().filter(|_| controls),
            observed: claimant.observed || claimant.identity.is_some(),
        }
    }

    /// Returns true when this process's own write has replaced this version.
    pub(super) fn is_replaced(&self, version: Option<&String>) -> bool {
        let written = self.written.iter().zip(version);
        let mut replaced = written.map(|(written, version)| written.replaced.contains(version));
        replaced.next().unwrap_or(false)
    }
}

impl Entries {
    pub(super) fn get(&self, uid: &str) -> Option<&Entry> {
        self.all.get(uid).map(AsRef::as_ref)
    }

    pub(super) fn get_mut(&mut self, uid: &str) -> Option<&mut Entry> {
        self.all.get_mut(uid).map(AsMut::as_mut)
    }

    /// Makes or updates an entry from what the watch shows, unless this process's own write has
    /// replaced that version. Returns the objects whose ownership this concerns, or `None` if the
    /// version was replaced.
    pub(super) fn show(&mut self, object: &Guarded, rules: &Rules) -> Option<Vec<Uid>> {
        let version = &object.object.metadata.resource_version;
        let before = self.all.get(object.uid());
        if before.is_some_and(|before| before.is_replaced(version.as_ref())) {
            return None;
        }
        let unreadable = object.unreadable.as_deref();
        let known = before.map(|before| &before.claimant);
        let claimant = claimant(&object.object, unreadable, rules, known);
        let released = before.and_then(|before| before.released.clone());
        let secret = match unreadable {
            Some(_) => ANY_SECRET,
            None => object.object.secret_name(),
        };
        let entry = Entry {
            secret: secret.into(),
            account: self.budgets.account(&object.object, &claimant),
            claimant,
            unreadable: object.unreadable.clone(),
            version: version.clone(),
            written: None,
            released,
        };
        Some(self.set(entry))
    }

    /// Replaces the claimant of an entry and what it means for budgets, and says whether the object
    /// is released. Returns the objects whose ownership this concerns.
    pub(super) fn change(
        &mut self,
        uid: &str,
        claimant: Claimant,
        account: Option<Box<Account>>,
        released: Option<Option<String>>,
    ) -> Vec<Uid> {
        let Some(before) = self.take(uid) else {
            return Vec::new();
        };
        let influence = before.released.is_none().then(|| before.claimant.clone());
        self.count(before.account.as_deref(), &claimant, account.as_deref());
        let after = Entry {
            claimant,
            account,
            released,
            ..*before
        };
        self.insert(influence.as_ref(), after)
    }

    /// Adds or replaces an entry, and returns the objects whose ownership this concerns.
    fn set(&mut self, entry: Entry) -> Vec<Uid> {
        let before = self.take(&entry.claimant.uid);
        let account = before.as_ref().and_then(|before| before.account.as_deref());
        self.count(account, &entry.claimant, entry.account.as_deref());
        let before = before.filter(|before| before.released.is_none());
        self.insert(before.as_ref().map(|it| &it.claimant), entry)
    }

    /// Removes an entry. [`concerned`](Self::concerned) says which objects this concerns.
    pub(super) fn remove(&mut self, uid: &str) -> Option<Box<Entry>> {
        let entry = self.take(uid)?;
        let Claimant { uid, namespace, .. } = &entry.claimant;
        self.budgets
            .remove(uid, namespace, entry.account.as_deref());
        Some(entry)
    }

    /// Replaces what an object means for the budgets of its namespace.
    fn count(&mut self, before: Option<&Account>, of: &Claimant, after: Option<&Account>) {
        self.budgets.replace(&of.uid, &of.namespace, before, after);
    }

    /// Removes an entry from all groups.
    fn take(&mut self, uid: &str) -> Option<Box<Entry>> {
        let entry = self.all.remove(uid)?;
        let keys = entry.keys();
        if let Some(model) = keys.model {
            self.by_model.remove(model.clone(), &keys.uid);
            self.unobserved.remove(model, &keys.uid);
        }
        if let Some(identity) = keys.identity {
            self.by_identity.remove(identity, &keys.uid);
        }
        self.by_secret.remove(keys.secret, &keys.uid);
        Some(entry)
    }

    /// Adds an entry in place of one that could control a model as `before`, or couldn't. Returns
    /// the objects whose ownership this concerns.
    fn insert(&mut self, before: Option<&Claimant>, mut entry: Entry) -> Vec<Uid> {
        // Many objects have the same namespace and Secret, and share the texts.
        let secret = entry.keys().secret;
        if let Some(known) = self.by_secret.key(&secret) {
            (entry.claimant.namespace, entry.secret) = known.clone();
        }
        let keys = entry.keys();
        if let Some(model) = keys.model {
            if !keys.observed {
                self.unobserved.insert(model.clone(), &keys.uid);
            }
            self.by_model.insert(model, &keys.uid);
        }
        if let Some(identity) = keys.identity {
            self.by_identity.insert(identity, &keys.uid);
        }
        self.by_secret.insert(keys.secret, &keys.uid);
        self.all.insert(keys.uid.clone(), Box::new(entry));
        self.concerned(before, self.active(&keys.uid))
    }

    /// The claimant of an object, if it may control a model.
    fn active(&self, uid: &str) -> Option<&Claimant> {
        let entry = self.all.get(uid).filter(|entry| entry.released.is_none());
        entry.map(|entry| &entry.claimant)
    }

    /// The claimants that can make a difference for the ownership of this one.
    pub(super) fn rivals<'a>(&'a self, of: &'a Claimant) -> impl Iterator<Item = &'a Claimant> {
        let identity = of.identity.iter();
        let same = identity.flat_map(|identity| self.by_identity.of(identity));
        let all = self.unobserved.of(&of.model).chain(same);
        all.filter_map(|uid| self.active(uid))
    }

    /// The objects whose ownership changes when one claimant becomes another, or none.
    pub(super) fn concerned(
        &self,
        before: Option<&Claimant>,
        after: Option<&Claimant>,
    ) -> Vec<Uid> {
        if before == after {
            return Vec::new();
        }
        let mut candidates = BTreeSet::new();
        for of in before.into_iter().chain(after) {
            if let Some(identity) = &of.identity {
                candidates.extend(self.by_identity.of(identity).cloned());
            } else if !of.observed {
                candidates.extend(self.by_model.of(&of.model).cloned());
            }
        }
        candidates.retain(|uid| {
            let claimant = self.active(uid);
            claimant.is_some_and(|it| influence(it, before) != influence(it, after))
        });
        candidates.into_iter().collect()
    }

    /// The objects that use a Secret, or may use it.
    pub(super) fn users(&self, namespace: &str, secret: &str) -> Vec<Uid> {
        let of = |secret: &str| {
            let key = (Arc::from(namespace), Arc::from(secret));
            self.by_secret.of(&key).cloned().collect::<Vec<_>>()
        };
        [of(secret), of(ANY_SECRET)].concat()
    }

    /// The objects of a namespace, or all objects.
    pub(super) fn within(&self, namespace: Option<&str>) -> Vec<Uid> {
        let Some(namespace) = namespace else {
            return self.all.keys().cloned().collect();
        };
        let key = (Arc::from(namespace), Arc::from(ANY_SECRET));
        self.by_secret
            .starting_at(&key)
            .take_while(|((other, _), _)| **other == *namespace)
            .map(|(_, uid)| uid.clone())
            .collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
            && self.by_identity.is_empty()
            && self.by_model.is_empty()
            && self.unobserved.is_empty()
            && self.by_secret.is_empty()
            && self.budgets.is_empty()
    }
}

/// What another claimant, or none, means for the ownership of this one.
fn influence<'a>(of: &Claimant, other: Option<&'a Claimant>) -> Influence<'a> {
    other.map_or(Influence::None, |other| of.influence(other))
}
