//! Which object controls a hub model. Two objects may name the same model, by name and by UUID, and
//! in different namespaces. Only the owner makes calls: the oldest object that is not being
//! deleted. Ownership follows from the objects alone, so a restart loses nothing.

use std::sync::Arc;

use jiff::Timestamp;

use super::rules::Rules;
use crate::api::{DeletionPolicy, Identity, ModelStatus, OxenModel};

/// What ownership of a hub model depends on, for one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// The object's UID. Of two objects of the same age, the one with the smaller UID counts as
    /// older.
    pub uid: Arc<str>,
    /// The object's namespace.
    pub namespace: Arc<str>,
    /// The object's name.
    pub name: Arc<str>,
    /// When the object was created.
    pub created: Timestamp,
    /// `spec.model`.
    pub model: Arc<str>,
    /// `id` and `owned_by` of the model that the hub answered with. It is kept through faults.
    pub identity: Option<Arc<Identity>>,
    /// Whether the operator has observed the object before, with whatever outcome.
    pub observed: bool,
    /// Whether the hub said that it is a base model, which has no owner.
    pub base: bool,
    /// Whether the object is being deleted.
    pub deleting: bool,
    /// Whether the finalizer holds the object's deletion.
    pub held: bool,
    /// Whether deleting the object deactivates its model: its deletion policy is `Deactivate`, and
    /// it isn't suspended.
    pub deactivates: bool,
    /// The id of the object's open operation.
    pub open: Option<String>,
}

/// Which object controls the model, as one object sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ownership {
    /// This object controls the model.
    #[default]
    Owned,
    /// This object controls the model, but has to wait for another object first.
    Pending(Pending),
    /// Another object controls the model.
    Lost(Owner),
}

/// What another claimant means for a claimant's ownership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Influence<'a> {
    /// It makes no difference.
    None,
    /// It controls the model.
    Owns {
        /// Whether it has an open operation.
        open: bool,
    },
    /// Its open operation, with this id, has to be waited for.
    Open(&'a str),
    /// It may control the model of an object that is being deleted, and has not been observed yet.
    Unobserved,
}

/// What an owner waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pending {
    /// The ids of the open operations that other objects of the model have, or had when they were
    /// deleted, in ascending order.
    pub operations: Vec<String>,
    /// Whether this object is being deleted, and another object may control the model and has not
    /// been observed yet.
    pub unobserved: bool,
}

/// The object that controls a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Its name, or `None` if it is in another namespace.
    pub name: Option<String>,
    /// Whether it has an open operation.
    pub open: bool,
}

impl Ownership {
    /// The ids of the other objects' open operations that the owner waits for.
    #[must_use]
    pub fn rivals(&self) -> &[String] {
        match self {
            Self::Pending(pending) => &pending.operations,
            Self::Owned | Self::Lost(_) => &[],
        }
    }
}

impl From<Pending> for Ownership {
    /// The ownership of an object whose model no other object controls.
    fn from(mut pending: Pending) -> Self {
        if pending == Pending::default() {
            return Self::Owned;
        }
        pending.operations.sort();
        Self::Pending(pending)
    }
}

impl Claimant {
    /// Makes a claimant of an object, under the operator's rules.
    #[must_use]
    pub fn of(object: &OxenModel, rules: &Rules) -> Self {
        let metadata = &object.metadata;
        let status = object.status.as_ref();
        let model = status.and_then(|status| status.model.as_ref());
        let created = metadata.creation_timestamp.as_ref();
        let policy = object.spec.deletion_policy.unwrap_or(rules.deletion_policy);
        let suspended = rules.observe_only || object.spec.suspend == Some(true);
        let text = |field: &Option<String>| field.as_deref().unwrap_or_default().into();
        Self {
            uid: text(&metadata.uid),
            namespace: text(&metadata.namespace),
            name: text(&metadata.name),
            created: created.map(|time| time.0).unwrap_or_default(),
            model: object.spec.model.as_str().into(),
            identity: model.map(|model| Arc::new(model.identity())),
            observed: status.is_some_and(|status| status.observed_generation >= 0),
            base: model.is_some_and(ModelStatus::is_base),
            deleting: metadata.deletion_timestamp.is_some(),
            held: object.has_finalizer(),
            deactivates: policy == DeletionPolicy::Deactivate && !suspended,
            open: status.and_then(|status| Some(status.operation.as_ref()?.id.clone())),
        }
    }

    /// Which object controls this claimant's model, given all other claimants.
    #[must_use]
    pub fn ownership<'a>(&self, others: impl Iterator<Item = &'a Claimant>) -> Ownership {
        let mut pending = Pending::default();
        let mut owner: Option<&Claimant> = None;
        for other in others {
            match self.influence(other) {
                Influence::None => {}
                // Of several, the one that the others yield to is the owner.
                Influence::Owns { .. } => match owner {
                    Some(known) if known.precedence() < other.precedence() => {}
                    Some(_) | None => owner = Some(other),
                },
                Influence::Open(id) => pending.operations.push(id.to_owned()),
                Influence::Unobserved => pending.unobserved = true,
            }
        }
        match owner {
            Some(owner) => Ownership::Lost(Owner {
                name: (owner.namespace == self.namespace).then(|| owner.name.to_string()),
                open: owner.open.is_some(),
            }),
            None => pending.into(),
        }
    }

    /// What another claimant means for this one's ownership.
    #[must_use]
    pub fn influence<'a>(&self, other: &'a Claimant) -> Influence<'a> {
        // Base models have no owner, and take no calls.
        if other.uid == self.uid || self.base || other.base || !self.may_be(other) {
            return Influence::None;
        }
        match &other.open {
            open if self.yields_to(other) => Influence::Owns {
                open: open.is_some(),
            },
            Some(id) if self.is(other) => Influence::Open(id),
            Some(_) | None if self.deleting && !other.deleting => Influence::Unobserved,
            Some(_) | None => Influence::None,
        }
    }

    /// Returns true when the other claimant takes precedence over this one, where both may be of
    /// the same model.
    fn yields_to(&self, other: &Claimant) -> bool {
        match (self.deleting, other.deleting) {
            // The object that isn't being deleted decides, once it is known to have the same model.
            (true, false) => self.is(other) && (other.held || !other.deactivates),
            (false, true) => false,
            (false, false) => other.is_older_than(self),
            // Both are being deleted: the older one turns the model off, if it will.
            (true, true) => {
                self.is(other) && other.held && other.deactivates && other.is_older_than(self)
            }
        }
    }

    /// Returns true when both identities are known and the same.
    fn is(&self, other: &Claimant) -> bool {
        self.identity.is_some() && self.identity == other.identity
    }

    /// Returns true when both have the same identity, or the same `spec.model` where the other one
    /// has not been observed yet.
    fn may_be(&self, other: &Claimant) -> bool {
        match (&self.identity, &other.identity) {
            (Some(own), Some(others)) => own == others,
            (Some(_) | None, None) => !other.observed && other.model == self.model,
            (None, Some(_)) => false,
        }
    }

    fn is_older_than(&self, other: &Claimant) -> bool {
        (self.created, &self.uid) < (other.created, &other.uid)
    }

    /// The order in which claimants of one model control it. An object that isn't being deleted
    /// comes before all that are.
    fn precedence(&self) -> (bool, Timestamp, &str) {
        (self.deleting, self.created, &self.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object that was created at that second, of the model `bot` of `acme`.
    fn claimant(uid: &str, second: i64) -> Claimant {
        Claimant {
            uid: uid.into(),
            namespace: "team".into(),
            name: format!("object-{uid}").into(),
            created: Timestamp::from_second(second).unwrap(),
            model: "bot".into(),
            identity: Some(identity("acme").into()),
            observed: true,
            base: false,
            deleting: false,
            held: true,
            deactivates: true,
            open: None,
        }
    }

    fn unobserved(claimant: Claimant) -> Claimant {
        Claimant {
            identity: None,
            observed: false,
            ..claimant
        }
    }

    fn deleting(claimant: Claimant) -> Claimant {
        Claimant {
            deleting: true,
            ..claimant
        }
    }

    fn ownership(me: &Claimant, other: &Claimant) -> Ownership {
        me.ownership([me, other].into_iter())
    }

    fn lost(other: &Claimant) -> Ownership {
        Ownership::Lost(Owner {
            name: Some(other.name.to_string()),
            open: false,
        })
    }

    fn identity(owner: &str) -> Identity {
        Identity {
            id: "bot".into(),
            owner: owner.into(),
        }
    }

    #[test]
    fn the_oldest_owns_it_and_then_the_smaller_uid() {
        let (a, b, c) = (claimant("a", 1), claimant("b", 2), claimant("c", 2));
        assert_eq!(ownership(&a, &b), Ownership::Owned);
        assert_eq!(ownership(&b, &a), lost(&a));
        assert_eq!(ownership(&b, &c), Ownership::Owned);
        assert_eq!(ownership(&c, &b), lost(&b));
    }

    #[test]
    fn the_identity_counts_and_not_the_text() {
        let (a, mut b) = (claimant("a", 1), claimant("b", 2));
        b.model = "8f14e45f-ceea-467f-a0e6-5cd1f7ad1d7e".into();
        assert_eq!(ownership(&b, &a), lost(&a));
        b.identity = Some(identity("other").into());
        b.model.clone_from(&a.model);
        assert_eq!(ownership(&b, &a), Ownership::Owned);
    }

    #[test]
    fn an_older_object_is_a_rival_until_its_first_observation_failed() {
        let (a, b) = (unobserved(claimant("a", 1)), claimant("b", 2));
        assert_eq!(ownership(&b, &a), lost(&a));
        let refused = Claimant {
            observed: true,
            ..a
        };
        assert_eq!(ownership(&b, &refused), Ownership::Owned);
    }

    #[test]
    fn of_several_older_objects_the_oldest_is_named() {
        let (a, b, c) = (claimant("a", 1), claimant("b", 2), claimant("c", 3));
        assert_eq!(c.ownership([&b, &a].into_iter()), lost(&a));
        assert_eq!(c.ownership([&a, &b].into_iter()), lost(&a));
        let gone = deleting(a);
        let last = deleting(c);
        assert_eq!(last.ownership([&gone, &b].into_iter()), lost(&b));
    }

    #[test]
    fn the_owner_is_named_only_within_the_namespace() {
        let (mut a, b) = (claimant("a", 1), claimant("b", 2));
        a.namespace = "elsewhere".into();
        assert_eq!(ownership(&b, &a), Ownership::Lost(Owner::default()));
    }

    #[test]
    fn base_models_have_no_owner() {
        let base = |uid, second| Claimant {
            base: true,
            ..claimant(uid, second)
        };
        assert_eq!(ownership(&base("b", 2), &base("a", 1)), Ownership::Owned);
    }

    #[test]
    fn a_deleted_object_leaves_the_model_to_one_that_stays() {
        let (old, new) = (deleting(claimant("a", 1)), claimant("b", 2));
        assert_eq!(ownership(&old, &new), lost(&new));
        assert_eq!(ownership(&new, &old), Ownership::Owned);
    }

    #[test]
    fn a_deleted_object_waits_for_one_that_was_never_observed() {
        let (old, new) = (deleting(claimant("a", 1)), unobserved(claimant("b", 2)));
        assert_eq!(
            ownership(&old, &new),
            Ownership::Pending(Pending {
                unobserved: true,
                ..Pending::default()
            })
        );
        let refused = Claimant {
            observed: true,
            ..new.clone()
        };
        assert_eq!(ownership(&old, &refused), Ownership::Owned);
        let other = Claimant {
            model: "other".into(),
            ..new
        };
        assert_eq!(ownership(&old, &other), Ownership::Owned);
    }

    #[test]
    fn of_two_deleted_objects_the_older_held_one_turns_it_off() {
        let (old, new) = (deleting(claimant("a", 1)), deleting(claimant("b", 2)));
        assert_eq!(ownership(&old, &new), Ownership::Owned);
        assert_eq!(ownership(&new, &old), lost(&old));
        let free = Claimant { held: false, ..old };
        assert_eq!(ownership(&new, &free), Ownership::Owned);
    }

    #[test]
    fn a_deleted_object_leaves_the_model_to_no_deleted_one_that_was_never_observed() {
        let (old, new) = (deleting(claimant("a", 1)), deleting(claimant("b", 2)));
        assert_eq!(ownership(&new, &unobserved(old.clone())), Ownership::Owned);
        assert_eq!(ownership(&unobserved(new), &old), Ownership::Owned);
    }

    #[test]
    fn the_owner_waits_for_an_open_operation_of_another_object() {
        let (mut old, new) = (deleting(claimant("a", 1)), claimant("b", 2));
        old.open = Some("operation".into());
        let pending = Pending {
            operations: vec!["operation".into()],
            ..Pending::default()
        };
        assert_eq!(ownership(&new, &old), Ownership::Pending(pending));
    }

    #[test]
    fn exactly_one_object_that_stays_owns_the_model() {
        let all: Vec<Claimant> = ["d", "a", "c", "b"]
            .into_iter()
            .zip([3, 2, 2, 5])
            .map(|(uid, second)| claimant(uid, second))
            .collect();
        let owners: Vec<&str> = all
            .iter()
            .filter(|one| one.ownership(all.iter()) == Ownership::Owned)
            .map(|one| &*one.uid)
            .collect();
        assert_eq!(owners, ["a"]);
    }
}
