//! The hub's models, with an index that finds one by its id among any number.

use std::collections::HashMap;

use crate::caller::Caller;
use crate::model::{Model, PREFIX};

/// The models, in the order in which they were added.
#[derive(Default)]
pub(crate) struct Models {
    all: Vec<Model>,
    /// The positions of the models with this name or UUID.
    positions: HashMap<String, Vec<usize>>,
}

impl Models {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Model> {
        self.all.iter()
    }

    /// Every model, for a change of anything but its name or its owner.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Model> {
        self.all.iter_mut()
    }

    /// Adds a model, in place of an earlier one with the same owner and name.
    pub(crate) fn insert(&mut self, model: Model) {
        let same = |old: &Model| (old.name(), old.owned_by()) == (model.name(), model.owned_by());
        let named = self.positions.get(model.name()).into_iter().flatten();
        if named.copied().any(|position| same(&self.all[position])) {
            self.retain(|old| !same(old));
        }
        self.add_to_index(&model, self.all.len());
        self.all.push(model);
    }

    /// Keeps the models for which the predicate is true.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Model) -> bool) {
        self.all.retain(keep);
        self.rebuild_index();
    }

    /// Replaces a model, and keeps its position.
    pub(crate) fn replace(&mut self, position: usize, model: Model) {
        self.all[position] = model;
        self.rebuild_index();
    }

    pub(crate) fn get(&self, position: usize) -> &Model {
        &self.all[position]
    }

    /// A model, for a change of anything but its name or its owner.
    pub(crate) fn get_mut(&mut self, position: usize) -> &mut Model {
        &mut self.all[position]
    }

    /// The position of the oldest model with this id, of any account.
    pub(crate) fn oldest(&self, id: &str) -> Option<usize> {
        self.with_id(id).into_iter().min()
    }

    /// The position of the model that the caller means by this id, if the caller can see it. Of
    /// several, the one with the highest precedence counts, and of those with the same precedence
    /// the oldest.
    pub(crate) fn visible(&self, caller: &Caller, id: &str) -> Option<usize> {
        let named = self.with_id(id).into_iter();
        let visible = named.filter_map(|position| {
            let precedence = caller.precedence(&self.all[position])?;
            Some((precedence, position))
        });
        visible.min().map(|(_, position)| position)
    }

    /// The positions of the models with this id. A name may follow the prefix, or an owner and a
    /// slash, and both a name and an owner may contain a slash.
    fn with_id(&self, id: &str) -> Vec<usize> {
        let name = id.strip_prefix(PREFIX).unwrap_or(id);
        let after_slashes = name.match_indices('/').map(|(at, _)| &name[at + 1..]);
        let keys = [id, name].into_iter().chain(after_slashes);
        let found = keys.filter_map(|key| self.positions.get(key)).flatten();
        found
            .copied()
            .filter(|position| self.all[*position].has_id(id))
            .collect()
    }

    fn rebuild_index(&mut self) {
        self.positions.clear();
        let all = std::mem::take(&mut self.all);
        for (position, model) in all.iter().enumerate() {
            self.add_to_index(model, position);
        }
        self.all = all;
    }

    fn add_to_index(&mut self, model: &Model, position: usize) {
        for id in [model.name().to_owned(), model.uuid()] {
            self.positions.entry(id).or_default().push(position);
        }
    }
}
