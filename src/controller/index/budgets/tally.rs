//! The models that count towards a budget, without reading all objects.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::super::groups::Uid;
use crate::{
    api::Identity,
    decide::{Price, Total},
};

/// The models that count, and what they amount to. A model counts once, however many objects it
/// has.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The objects of each model, with the price that each shows.
    models: HashMap<Arc<Identity>, BTreeMap<Uid, Option<Price>>>,
    total: Total,
}

impl Tally {
    /// Adds an object whose model counts.
    pub(super) fn add(&mut self, identity: &Arc<Identity>, uid: &Uid, price: Option<Price>) {
        self.change(identity, |objects| {
            objects.insert(uid.clone(), price);
        });
    }

    /// Removes an object.
    pub(super) fn remove(&mut self, identity: &Arc<Identity>, uid: &Uid) {
        self.change(identity, |objects| {
            objects.remove(uid);
        });
    }

    fn change(
        &mut self,
        identity: &Arc<Identity>,
        change: impl FnOnce(&mut BTreeMap<Uid, Option<Price>>),
    ) {
        let objects = self.models.entry(identity.clone()).or_default();
        if let Some(price) = price_of(objects) {
            self.total.remove(price);
        }
        change(objects);
        match price_of(objects) {
            Some(price) => self.total.add(price),
            None => {
                self.models.remove(identity);
            }
        }
    }

    /// What all models amount to.
    pub(super) fn total(&self) -> Total {
        self.total
    }

    /// What all models but this one amount to.
    pub(super) fn without(&self, identity: &Identity) -> Total {
        let mut total = self.total;
        if let Some(price) = self.models.get(identity).and_then(price_of) {
            total.remove(price);
        }
        total
    }

    /// Returns true when no model counts.
    pub(super) fn is_empty(&self) -> bool {
        self.models.is_empty()
    }
}

/// The price of a model, which is the highest that an object of it shows, or `None` where it has no
/// object.
fn price_of(objects: &BTreeMap<Uid, Option<Price>>) -> Option<Option<Price>> {
    objects.values().copied().max()
}
