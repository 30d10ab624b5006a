//! Objects in groups that have a key in common.

use std::{collections::BTreeSet, sync::Arc};

/// The UID of an object.
pub(super) type Uid = Arc<str>;

/// The UIDs of objects by a key, which several objects may have.
#[derive(Debug)]
pub(super) struct Groups<K>(BTreeSet<(K, Uid)>);

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Clone + Ord> Groups<K> {
    pub(super) fn insert(&mut self, key: K, uid: &Uid) {
        self.0.insert((key, uid.clone()));
    }

    pub(super) fn remove(&mut self, key: K, uid: &Uid) {
        self.0.remove(&(key, uid.clone()));
    }

    /// The objects that have this key.
    pub(super) fn of(&self, key: &K) -> impl Iterator<Item = &Uid> {
        self.starting_at(key)
            .take_while(move |(other, _)| other == key)
            .map(|(_, uid)| uid)
    }

    /// The key itself, if an object has an equal one.
    pub(super) fn key(&self, key: &K) -> Option<&K> {
        let (first, _) = self.starting_at(key).next()?;
        (first == key).then_some(first)
    }

    /// All objects from the first one that has this key or a greater one, with their keys.
    pub(super) fn starting_at(&self, key: &K) -> impl Iterator<Item = &(K, Uid)> {
        self.0.range((key.clone(), Uid::default())..)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
