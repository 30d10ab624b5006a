//! The index against the definition: a scan of all objects.

use std::collections::BTreeSet;

use futures::FutureExt;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::decide::Influence;

/// What happens to one of a few objects.
#[derive(Clone, Debug)]
enum Step {
    /// The watch shows a new version of the object, which exists from then on.
    Show(Shape),
    /// This process writes the object's status, and the watch doesn't show that yet.
    Write(Shape),
    /// The watch shows the version that the last write replaced.
    ShowReplaced(Shape),
    /// This process releases the object, or tries to.
    Release,
    /// A read shows that the release had no effect.
    Refute(Shape),
    /// The watch shows that the object is gone.
    Remove,
}

/// What an object looks like to the others.
#[derive(Clone, Debug)]
struct Shape {
    model: usize,
    /// The account of the observed model, and whether it is a base model.
    observed: Option<(usize, bool)>,
    /// Whether there was an observation that failed.
    failed: bool,
    open: bool,
    deleting: bool,
    retains: bool,
    held: bool,
    odd: bool,
}

const OBJECTS: usize = 5;

fn shape() -> impl Strategy<Value = Shape> {
    let observed = proptest::option::weighted(0.7, (0..2_usize, proptest::bool::weighted(0.2)));
    let flags = any::<[bool; 6]>();
    (0..2_usize, observed, flags).prop_map(|(model, observed, flags)| {
        let [failed, open, deleting, retains, held, odd] = flags;
        Shape {
            model,
            observed,
            failed,
            open,
            deleting,
            retains,
            held,
            odd,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => shape().prop_map(Step::Show),
        2 => shape().prop_map(Step::Write),
        1 => shape().prop_map(Step::ShowReplaced),
        1 => Just(Step::Release),
        1 => shape().prop_map(Step::Refute),
        1 => Just(Step::Remove),
    ]
}

/// The object with this number, in this version. The numbers are the order of their creation, but
/// for the last two, which are equally old.
fn object(number: usize, version: u64, shape: &Shape) -> Guarded {
    let second = number.min(OBJECTS - 2);
    let namespace = ["team", "other"][number % 2];
    let deleted = shape.deleting.then_some("2026-01-02T00:00:00Z");
    let held = if shape.held {
        vec!["oxen.ai/deactivate"]
    } else {
        vec![]
    };
    let model = shape.observed.map(|(owner, base)| {
        let kind = if base { "base" } else { "custom" };
        json!({
            "id": format!("model-{}", shape.model),
            "owner": if base { String::new() } else { format!("account-{owner}") },
            "type": kind,
        })
    });
    let operation = shape.open.then(|| {
        json!({
            "id": format!("operation-{number}-{version}"),
            "kind": "activate",
            "from": "inactive",
            "started": "2026-01-01T00:00:00Z",
        })
    });
    let observed = shape.failed || shape.observed.is_some();
    let object = json!({
        "apiVersion": "oxen.ai/v1alpha1",
        "kind": "OxenModel",
        "metadata": {
            "name": format!("object-{number}"),
            "namespace": namespace,
            "uid": format!("uid-{number}"),
            "resourceVersion": version.to_string(),
            "creationTimestamp": format!("2026-01-01T00:00:0{second}Z"),
            "deletionTimestamp": deleted,
            "finalizers": held,
        },
        "spec": {
            "model": format!("model-{}", shape.model),
            "state": if shape.odd { "paused" } else { "active" },
            "deletionPolicy": if shape.retains { "Retain" } else { "Deactivate" },
        },
        "status": {
            "observedGeneration": if observed { 1 } else { -1 },
            "model": model,
            "operation": operation,
            "conditions": [],
        },
    });
    serde_json::from_value(object).unwrap()
}

/// The objects as the definition sees them.
#[derive(Default)]
struct Definition {
    /// The newest known version of each object that exists.
    known: [Option<Guarded>; OBJECTS],
    /// The last version of each object that the watch showed.
    watched: [Option<u64>; OBJECTS],
    /// The version that the release of an object was based on.
    released: [Option<u64>; OBJECTS],
}

fn version(object: &Guarded) -> u64 {
    let version = object.object.metadata.resource_version.as_ref();
    version.unwrap().parse().unwrap()
}

impl Definition {
    fn claimants(&self) -> Vec<Option<Claimant>> {
        let known = self.known.iter().zip(self.released);
        let rules = Rules::default();
        known
            .map(|(known, released)| {
                let known = known.as_ref().filter(|_| released.is_none())?;
                let unreadable = known.unreadable.as_deref();
                Some(claimant(&known.object, unreadable, &rules, None))
            })
            .collect()
    }

    /// The names of the objects whose ownership differs between the two.
    fn concerned(before: &[Option<Claimant>], after: &[Option<Claimant>]) -> BTreeSet<String> {
        let mut concerned = BTreeSet::new();
        for of in after.iter().flatten() {
            for (before, after) in before.iter().zip(after) {
                let influence = |other: &Option<Claimant>| match other {
                    Some(other) => format!("{:?}", of.influence(other)),
                    None => format!("{:?}", Influence::None),
                };
                let other = after.as_ref().or(before.as_ref());
                if other.is_some_and(|other| other.uid != of.uid)
                    && influence(before) != influence(after)
                {
                    concerned.insert(of.name.to_string());
                }
            }
        }
        concerned
    }
}

proptest! {
    #[test]
    fn the_index_agrees_with_a_scan(steps in proptest::collection::vec((0..OBJECTS, step()), 1..40)) {
        let index = Index::new(Rules::default());
        let (_wake, mut woken) = index.add_scope(None);
        let mut all = Definition::default();
        let mut version_now = 0;
        for (number, step) in steps {
            version_now += 1;
            let before = all.claimants();
            match step {
                Step::Show(shape) => {
                    let shown = object(number, version_now, &shape);
                    prop_assert!(index.show(&shown));
                    all.known[number] = Some(shown);
                    all.watched[number] = Some(version_now);
                }
                Step::Write(shape) => {
                    let Some(known) = all.known[number].clone() else { continue };
                    let unreadable = known.unreadable.is_some();
                    let written = object(number, version_now, &Shape { odd: unreadable, ..shape });
                    index.answered(&known.object, &written.object);
                    if written.object.has_finalizer() {
                        all.released[number] = None;
                    }
                    all.known[number] = Some(written);
                }
                Step::ShowReplaced(shape) => {
                    let watched = all.watched[number];
                    let behind = all.known[number].as_ref().map(version) != watched;
                    if let Some(watched) = watched.filter(|_| behind) {
                        prop_assert!(!index.show(&object(number, watched, &shape)));
                    }
                }
                Step::Release => {
                    let Some(known) = &all.known[number] else { continue };
                    index.release(&known.object, None);
                    all.released[number] = Some(version(known));
                }
                Step::Refute(shape) => {
                    let Some(known) = all.known[number].clone() else { continue };
                    let unreadable = known.unreadable.is_some();
                    let shape = Shape { odd: unreadable, held: true, ..shape };
                    let read = object(number, version_now, &shape);
                    index.answered(&known.object, &read.object);
                    all.released[number] = None;
                    all.known[number] = Some(read);
                }
                Step::Remove => {
                    let Some(known) = all.known[number].take() else { continue };
                    index.remove(&known);
                    all.watched[number] = None;
                    all.released[number] = None;
                    // The answer to an earlier write may come later.
                    index.answered(&known.object, &object(number, version_now, &Shape {
                        held: true, ..shape_of_nothing()
                    }).object);
                }
            }
            let after = all.claimants();
            let mut names = BTreeSet::new();
            while let Some(Some(one)) = woken.next().now_or_never() {
                names.insert(one.name);
            }
            prop_assert_eq!(names, Definition::concerned(&before, &after));
            let state = index.state();
            for claimant in after.iter().flatten() {
                let scanned = claimant.ownership(after.iter().flatten());
                let indexed = claimant.ownership(state.entries.rivals(claimant));
                prop_assert_eq!(indexed, scanned);
            }
        }
        for known in all.known.iter().flatten() {
            index.remove(known);
        }
        prop_assert!(index.state().entries.is_empty());
    }
}

fn shape_of_nothing() -> Shape {
    Shape {
        model: 0,
        observed: None,
        failed: false,
        open: false,
        deleting: false,
        retains: false,
        held: false,
        odd: false,
    }
}

#[test]
fn nothing_is_kept_of_objects_that_are_gone() {
    let index = Index::new(Rules::default());
    let shape = Shape {
        observed: Some((0, false)),
        ..shape_of_nothing()
    };
    for version in 0..10_000 {
        let shown = object(0, version, &shape);
        assert!(index.show(&shown));
        index.release(&shown.object, Some("operation".into()));
        index.remove(&shown);
        let identity = Claimant::of(&shown.object, &Rules::default()).identity;
        index.never_sent(&identity.unwrap(), "operation");
    }
    let state = index.state();
    assert!(state.entries.is_empty());
    assert!(state.orphans.is_empty());
}

#[test]
fn the_users_of_a_secret_are_found_with_those_that_may_use_any() {
    let index = Index::new(Rules::default());
    let odd = Shape {
        odd: true,
        ..shape_of_nothing()
    };
    index.show(&object(0, 1, &shape_of_nothing()));
    index.show(&object(1, 1, &shape_of_nothing()));
    index.show(&object(2, 1, &odd));
    let users = |namespace: &str, secret: &str| {
        let users = index.users(namespace, secret).into_iter();
        let mut names: Vec<String> = users.map(|(_, object)| object.name).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(users("team", "oxen-api-key"), "object-0 object-2");
    assert_eq!(users("team", "another"), "object-2");
    assert_eq!(users("other", "oxen-api-key"), "object-1");
    assert_eq!(users("third", "oxen-api-key"), "");
    let mut within: Vec<_> = index.state().entries.within(Some("team"));
    within.sort();
    assert_eq!(within, ["uid-0".into(), "uid-2".into()]);
}

#[test]
fn an_answer_that_comes_after_a_newer_event_changes_nothing() {
    let index = Index::new(Rules::default());
    let version = |version, deleting| {
        let shape = Shape {
            deleting,
            held: true,
            ..shape_of_nothing()
        };
        object(0, version, &shape)
    };
    for (number, deleting) in [(1, false), (2, false), (3, true)] {
        assert!(index.show(&version(number, deleting)));
    }
    let (before, after) = (version(1, false), version(2, false));
    index.answered(&before.object, &after.object);
    let state = index.state();
    let entry = state.entries.get("uid-0").unwrap();
    assert!(entry.claimant.deleting);
    assert_eq!(entry.version.as_deref(), Some("3"));
}

#[test]
fn base_models_wake_nobody() {
    let index = Index::new(Rules::default());
    let (_wake, mut woken) = index.add_scope(None);
    let base = Shape {
        observed: Some((0, true)),
        ..shape_of_nothing()
    };
    for number in 0..OBJECTS {
        index.show(&object(number, 1, &base));
    }
    for version in 2..5 {
        let deleting = version == 4;
        index.show(&object(
            0,
            version,
            &Shape {
                deleting,
                ..base.clone()
            },
        ));
    }
    assert!(woken.next().now_or_never().is_none());
    let rivals = |index: &Index| {
        let state = index.state();
        let claimant = state.entries.get("uid-1").unwrap().claimant.clone();
        state.entries.rivals(&claimant).count()
    };
    assert_eq!(rivals(&index), 0, "base models are in no group");
}
