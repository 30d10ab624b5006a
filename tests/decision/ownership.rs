//! Which object owns a model, where several of its objects are being deleted.

use oxen_operator::{
    api::{DeletionPolicy, Identity, LiveStatus, OxenModel, State},
    decide::{Claimant, Ownership, Rules},
};
use testkit::simulation::{Simulation, shows};

type Change = fn(&mut OxenModel);

/// The claimant of an object that is being deleted, of a model that the hub has shown.
fn deleted(uid: &str, change: impl FnOnce(&mut OxenModel)) -> Claimant {
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(shows(LiveStatus::Active));
    simulation.delete();
    simulation.object.metadata.uid = Some(uid.into());
    change(&mut simulation.object);
    Claimant::of(&simulation.object, &Rules::default())
}

fn is_lost(claimant: &Claimant, other: &Claimant) -> bool {
    let ownership = claimant.ownership([claimant, other].into_iter());
    matches!(ownership, Ownership::Lost(_))
}

#[test]
fn a_deleted_object_yields_only_to_one_that_turns_the_model_off() {
    let younger = deleted("b", |_| ());
    let changes: [(&str, bool, Change); 5] = [
        ("deactivates", true, |_| ()),
        ("retains", false, |object| {
            object.spec.deletion_policy = Some(DeletionPolicy::Retain);
        }),
        ("suspended", false, |object| {
            object.spec.suspend = Some(true)
        }),
        ("not held", false, |object| {
            object.metadata.finalizers = None
        }),
        ("another model", false, |object| {
            object
                .status
                .as_mut()
                .unwrap()
                .model
                .as_mut()
                .unwrap()
                .owner = "other".into();
        }),
    ];
    for (name, yields, change) in changes {
        let older = deleted("a", change);
        assert_eq!(is_lost(&younger, &older), yields, "{name}");
        assert!(!is_lost(&older, &younger), "{name}");
    }
}

#[test]
fn one_of_two_deleted_objects_that_would_both_turn_the_model_off_owns_it() {
    let (older, younger) = (deleted("a", |_| ()), deleted("b", |_| ()));
    assert!(is_lost(&younger, &older) && !is_lost(&older, &younger));
}

#[test]
fn identities_of_any_length_are_compared_to_their_last_character() {
    let of = |uid: &str, id: String| {
        deleted(uid, |object| {
            object.metadata.deletion_timestamp = None;
            object.status.as_mut().unwrap().model.as_mut().unwrap().id = id;
        })
    };
    let long = "m".repeat(200);
    let (first, second) = (of("a", format!("{long}-a")), of("b", format!("{long}-b")));
    assert!(!is_lost(&second, &first));
    let same = of("b", format!("{long}-a"));
    assert!(is_lost(&same, &first));
    let identity = Identity {
        id: format!("{long}-a"),
        owner: "acme".into(),
    };
    assert_eq!(same.identity, Some(identity.into()));
}
