//! The models that one budget may limit.

use std::{collections::BTreeMap, sync::Arc};

use super::tally::Tally;
use crate::{api::Identity, controller::index::groups::Uid, decide::Others};

/// The models of all objects of a namespace, or of the objects that use one Secret.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The models that count.
    pub(super) on: Tally,
    /// The names of the objects that were never observed.
    pub(super) unobserved: BTreeMap<Uid, Arc<str>>,
}

impl Group {
    /// Returns the group without this object and without its model.
    pub(super) fn without(&self, uid: &str, identity: &Identity) -> Others<'_> {
        let own = usize::from(self.unobserved.contains_key(uid));
        let mut others = self.unobserved.iter().filter(|(other, _)| ***other != *uid);
        Others {
            on: self.on.without(identity),
            unobserved: self.unobserved.len() - own,
            example: others.next().map(|(_, name)| name.as_ref()),
        }
    }

    /// Returns true when the group has no model.
    pub(super) fn is_empty(&self) -> bool {
        self.on.is_empty() && self.unobserved.is_empty()
    }
}
