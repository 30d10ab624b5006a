//! Values that exist while somebody uses them, such as the locks of models.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// The smallest number of entries at which unused ones are removed.
const SWEPT_FROM: usize = 64;

/// Values by key. A value ends when nobody uses it any more.
#[derive(Debug)]
pub(super) struct InUse<K, V>(Mutex<Entries<K, V>>);

#[derive(Debug)]
struct Entries<K, V> {
    values: HashMap<K, Weak<V>>,
    /// The number of entries at which unused ones are removed next. It is twice what was left the
    /// last time, so that the cost of a removal is constant on average.
    swept_at: usize,
}

impl<K, V> Default for InUse<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Entries {
            values: HashMap::new(),
            swept_at: SWEPT_FROM,
        }))
    }
}

impl<K: Eq + Hash, V> InUse<K, V> {
    /// The value of a key, which `make` makes if nobody uses one.
    pub(super) fn get<Q>(&self, key: &Q, make: impl FnOnce() -> V) -> Arc<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        // Every change under this lock is a single insertion or removal, so a poisoned lock is
        // usable.
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = entries.values.get(key).and_then(Weak::upgrade) {
            return value;
        }
        if entries.values.len() >= entries.swept_at {
            entries.values.retain(|_, value| value.strong_count() > 0);
            entries.swept_at = (2 * entries.values.len()).max(SWEPT_FROM);
        }
        let value = Arc::new(make());
        let weak = Arc::downgrade(&value);
        entries.values.insert(key.to_owned(), weak);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shared_while_it_is_used() {
        let in_use: InUse<String, u32> = InUse::default();
        let first = in_use.get("a", || 1);
        assert_eq!(*in_use.get("a", || 2), 1);
        drop(first);
        assert_eq!(*in_use.get("a", || 3), 3);
    }

    #[test]
    fn unused_values_are_removed() {
        let in_use: InUse<String, u32> = InUse::default();
        let used: Vec<_> = (0..100)
            .map(|one| in_use.get(&format!("used-{one}"), || one))
            .collect();
        for one in 0..10_000 {
            in_use.get(&format!("unused-{one}"), || one);
        }
        assert!(in_use.0.lock().unwrap().values.len() <= 4 * used.len());
        for (one, value) in used.iter().enumerate() {
            let again = in_use.get(&format!("used-{one}"), || u32::MAX);
            assert!(Arc::ptr_eq(value, &again));
        }
    }
}
