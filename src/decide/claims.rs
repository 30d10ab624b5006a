//! Two objects may name one remote model, by name and by UUID, and in different namespaces. Only
//! one of them decides what happens to it: the oldest that is not being deleted. Who that is
//! follows from the objects alone, so a restart loses nothing.

use jiff::Timestamp;

use super::has_finalizer;
use crate::api::{ModelStatus, OxenModel};

/// An object's stake in a remote model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stake {
    /// The object's UID; between two of the same age the smaller one counts as older.
    pub uid: String,
    /// Where it is.
    pub namespace: String,
    /// What it is called there.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// The model as its spec has it.
    pub asked: String,
    /// `id` and `owned_by` of the model that the hub answered with, kept through faults.
    pub identity: Option<(String, String)>,
    /// The operator has looked for it, with whatever outcome.
    pub looked: bool,
    /// The hub said that it is a base model, which nobody has to own.
    pub base: bool,
    /// It is being deleted.
    pub deleting: bool,
    /// Its deletion is held by the finalizer.
    pub held: bool,
    /// A call of it is under way.
    pub calling: bool,
}

/// Whose the remote model is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// This object's.
    #[default]
    Mine,
    /// This object's, once another one has had its turn: its call is under way, and there is one
    /// open operation per remote model; or this object goes, and the other one, which may be about
    /// to decide what happens to the model, has not been looked for yet.
    MineAfterTheirs,
    /// Another object's; named only within this one's namespace.
    Theirs(Option<String>),
}

impl Stake {
    /// The stake that an object has.
    #[must_use]
    pub fn of(object: &OxenModel) -> Self {
        let metadata = &object.metadata;
        let status = object.status.as_ref();
        let model = status.and_then(|status| status.model.as_ref());
        let created = metadata.creation_timestamp.as_ref();
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            created: created.map(|time| time.0).unwrap_or_default(),
            asked: object.spec.model.clone(),
            identity: model.map(|model| (model.id.clone(), model.owner.clone())),
            looked: status.is_some_and(|status| status.observed_generation >= 0),
            base: model.is_some_and(ModelStatus::is_base),
            deleting: metadata.deletion_timestamp.is_some(),
            held: has_finalizer(object),
            calling: status.is_some_and(|status| status.operation.is_some()),
        }
    }

    /// Whether an object could be about the same remote model: cheap, since it is asked of every
    /// object again and again.
    #[must_use]
    pub fn concerns(&self, object: &OxenModel) -> bool {
        let model = object.status.as_ref().and_then(|it| it.model.as_ref());
        let same = |(id, owner): &(String, String)| {
            model.is_some_and(|model| model.id == *id && model.owner == *owner)
        };
        object.spec.model == self.asked || self.identity.as_ref().is_some_and(same)
    }

    /// Whose the model is that this stake is about, given all other stakes that there are.
    #[must_use]
    pub fn claim<'a>(&self, others: impl Iterator<Item = &'a Stake>) -> Claim {
        let mut claim = Claim::Mine;
        for other in others.filter(|other| other.uid != self.uid) {
            if self.yields_to(other) {
                let near = other.namespace == self.namespace;
                return Claim::Theirs(near.then(|| other.name.clone()));
            }
            if self.waits_for(other) {
                claim = Claim::MineAfterTheirs;
            }
        }
        claim
    }

    fn waits_for(&self, other: &Stake) -> bool {
        let about_to_decide = self.deleting && !other.deleting && !self.base && self.may_be(other);
        (other.calling && self.is(other)) || about_to_decide
    }

    fn yields_to(&self, other: &Stake) -> bool {
        if self.base || other.base || !self.may_be(other) {
            return false;
        }
        match (self.deleting, other.deleting) {
            // What becomes of the model is the living one's to decide, once it is known to be about it.
            (true, false) => self.is(other),
            (false, true) => false,
            (false, false) => other.is_older_than(self),
            // Both go: the older one turns it off.
            (true, true) => other.held && other.is_older_than(self),
        }
    }

    /// The same remote model, as far as both are known.
    fn is(&self, other: &Stake) -> bool {
        self.identity.is_some() && self.identity == other.identity
    }

    /// The same remote model; or, until the other one has been looked for, the same text.
    fn may_be(&self, other: &Stake) -> bool {
        match (&self.identity, &other.identity) {
            (Some(mine), Some(theirs)) => mine == theirs,
            (Some(_) | None, None) => !other.looked && other.asked == self.asked,
            (None, Some(_)) => false,
        }
    }

    fn is_older_than(&self, other: &Stake) -> bool {
        (self.created, &self.uid) < (other.created, &other.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Created at that second; the hub answered with `bot` of `acme`.
    fn stake(uid: &str, second: i64) -> Stake {
        Stake {
            uid: uid.into(),
            namespace: "team".into(),
            name: format!("object-{uid}"),
            created: Timestamp::from_second(second).unwrap(),
            asked: "bot".into(),
            identity: Some(("bot".into(), "acme".into())),
            looked: true,
            base: false,
            deleting: false,
            held: true,
            calling: false,
        }
    }

    fn unseen(stake: Stake) -> Stake {
        Stake {
            identity: None,
            looked: false,
            ..stake
        }
    }

    fn deleting(stake: Stake) -> Stake {
        Stake {
            deleting: true,
            ..stake
        }
    }

    fn claim(me: &Stake, other: &Stake) -> Claim {
        me.claim([me, other].into_iter())
    }

    fn theirs(other: &Stake) -> Claim {
        Claim::Theirs(Some(other.name.clone()))
    }

    #[test]
    fn the_oldest_owns_it_and_of_the_same_age_the_smaller_uid() {
        let (a, b, c) = (stake("a", 1), stake("b", 2), stake("c", 2));
        assert_eq!(claim(&a, &b), Claim::Mine);
        assert_eq!(claim(&b, &a), theirs(&a));
        assert_eq!(claim(&b, &c), Claim::Mine);
        assert_eq!(claim(&c, &b), theirs(&b));
    }

    #[test]
    fn the_identity_counts_and_not_the_text() {
        let (a, mut b) = (stake("a", 1), stake("b", 2));
        b.asked = "8f14e45f-ceea-467f-a0e6-5cd1f7ad1d7e".into();
        assert_eq!(claim(&b, &a), theirs(&a));
        b.identity = Some(("bot".into(), "other".into()));
        b.asked.clone_from(&a.asked);
        assert_eq!(claim(&b, &a), Claim::Mine);
    }

    #[test]
    fn an_older_one_that_was_never_looked_for_is_a_rival_and_one_that_was_refused_is_none() {
        let (a, b) = (unseen(stake("a", 1)), stake("b", 2));
        assert_eq!(claim(&b, &a), theirs(&a));
        let refused = Stake { looked: true, ..a };
        assert_eq!(claim(&b, &refused), Claim::Mine);
    }

    #[test]
    fn the_owner_is_named_only_within_the_namespace() {
        let (mut a, b) = (stake("a", 1), stake("b", 2));
        a.namespace = "elsewhere".into();
        assert_eq!(claim(&b, &a), Claim::Theirs(None));
    }

    #[test]
    fn base_models_have_no_owner() {
        let base = |uid, second| Stake {
            base: true,
            ..stake(uid, second)
        };
        assert_eq!(claim(&base("b", 2), &base("a", 1)), Claim::Mine);
    }

    #[test]
    fn one_that_goes_leaves_the_model_to_one_that_stays() {
        let (old, new) = (deleting(stake("a", 1)), stake("b", 2));
        assert_eq!(claim(&old, &new), theirs(&new));
        assert_eq!(claim(&new, &old), Claim::Mine);
    }

    #[test]
    fn one_that_goes_waits_for_one_that_may_be_about_to_decide_and_for_no_other() {
        let (old, new) = (deleting(stake("a", 1)), unseen(stake("b", 2)));
        assert_eq!(claim(&old, &new), Claim::MineAfterTheirs);
        let refused = Stake {
            looked: true,
            ..new.clone()
        };
        assert_eq!(claim(&old, &refused), Claim::Mine);
        let other = Stake {
            asked: "other".into(),
            ..new
        };
        assert_eq!(claim(&old, &other), Claim::Mine);
    }

    #[test]
    fn of_two_that_go_the_older_one_that_is_held_turns_it_off() {
        let (old, new) = (deleting(stake("a", 1)), deleting(stake("b", 2)));
        assert_eq!(claim(&old, &new), Claim::Mine);
        assert_eq!(claim(&new, &old), theirs(&old));
        let free = Stake { held: false, ..old };
        assert_eq!(claim(&new, &free), Claim::Mine);
    }

    #[test]
    fn anothers_call_under_way_is_waited_for() {
        let (mut old, new) = (deleting(stake("a", 1)), stake("b", 2));
        old.calling = true;
        assert_eq!(claim(&new, &old), Claim::MineAfterTheirs);
    }

    #[test]
    fn exactly_one_of_any_that_stay_owns_it() {
        let all: Vec<Stake> = ["d", "a", "c", "b"]
            .into_iter()
            .zip([3, 2, 2, 5])
            .map(|(uid, second)| stake(uid, second))
            .collect();
        let owners: Vec<&str> = all
            .iter()
            .filter(|one| one.claim(all.iter()) == Claim::Mine)
            .map(|one| one.uid.as_str())
            .collect();
        assert_eq!(owners, ["a"]);
    }
}
