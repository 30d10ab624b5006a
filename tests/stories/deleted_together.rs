//! Objects of one model that are deleted together: the last one to go turns the model off, once.

use cluster::{Gate, Held};
use hub::{Fault, Hub};
use serde_json::json;
use testkit::world::{Operator, World, eventually, status};

use crate::ownership::{create_owner, create_younger, is_settled, world};

#[tokio::test]
async fn two_objects_that_are_deleted_together_turn_the_model_off_once() {
    let world = world().await;
    let _operator = world.operator();
    for name in ["first", "second"] {
        world
            .create(name, json!({"model": "bot", "state": "active"}))
            .await;
        world
            .until(name, "observed, with the finalizer", |object| {
                object.has_finalizer() && status(object).model.is_some()
            })
            .await;
    }
    world.until_live("first", "active").await;
    // Neither is released before both are being deleted.
    let fault = world.hub.inject(Fault::status(500));
    world.delete("second").await;
    world.delete("first").await;
    world.hub.clear_fault(fault);
    world.until_gone("first").await;
    world.until_gone("second").await;
    assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
    assert_eq!(world.calls("bot"), ["activate", "deactivate"]);
}

/// Deletes objects of one model together, oldest first, and checks that the last one to go turns
/// the model off.
async fn deleted_oldest_first(names: &[&str]) {
    const ROUNDS: usize = 5;
    let world = world().await;
    let _operator = world.operator();
    for _ in 0..ROUNDS {
        for name in names {
            let spec = json!({"model": "bot", "state": "active"});
            create_younger(&world, name, spec).await;
            world
                .until(name, "settled, with the finalizer", |object| {
                    is_settled(object) && object.has_finalizer()
                })
                .await;
        }
        for name in names {
            world.delete(name).await;
        }
        for name in names {
            world.until_gone(name).await;
        }
        assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
    }
    let calls = ["activate", "deactivate"].repeat(ROUNDS);
    assert_eq!(world.calls("bot"), calls);
}

#[tokio::test]
async fn of_two_objects_that_are_deleted_oldest_first_one_turns_the_model_off() {
    deleted_oldest_first(&["first", "second"]).await;
}

#[tokio::test]
async fn of_three_objects_that_are_deleted_oldest_first_one_turns_the_model_off() {
    deleted_oldest_first(&["first", "second", "third"]).await;
}

/// Two settled objects of one model, of which the older one owns it. They may be in two namespaces.
struct Two {
    older: World,
    younger: Option<World>,
    gate: Gate,
    operator: Operator,
}

impl Two {
    async fn in_one_namespace() -> Self {
        Self::new(None).await
    }

    async fn in_two_namespaces() -> Self {
        Self::new(Some(World::new(Hub::builder()).await)).await
    }

    async fn new(younger: Option<World>) -> Self {
        let older = world().await;
        let gate = older.cluster.gate().await.unwrap();
        let mut namespaces = older.namespace.clone();
        if let Some(younger) = &younger {
            namespaces = format!("{namespaces},{}", younger.namespace);
        }
        let operator = older.operator_with(&[
            ("KUBECONFIG", gate.kubeconfig().to_str().unwrap()),
            ("OXEN_NAMESPACES", &namespaces),
        ]);
        let two = Self {
            older,
            younger,
            gate,
            operator,
        };
        create_owner(&two.older).await;
        two.older.until_finalizer("first").await;
        two.older.next_second().await;
        let active = json!({"model": "bot", "state": "active"});
        two.younger().create("second", active).await;
        two.younger().until_reason("second", "Conflict").await;
        two.younger().until_finalizer("second").await;
        two
    }

    /// The namespace of the younger object.
    fn younger(&self) -> &World {
        self.younger.as_ref().unwrap_or(&self.older)
    }

    /// Deletes the younger object, and waits until the operator knows that.
    async fn delete_younger(&self) {
        let world = self.younger();
        world.delete("second").await;
        // Events arrive in order, and an object has metrics once its event has arrived.
        let suspended = json!({"model": "marker", "state": "active", "suspend": true});
        world.create("marker", suspended).await;
        let series = format!("namespace={:?},name=\"marker\"", world.namespace);
        eventually("the operator knows of the deletion", || async {
            let metrics = self.operator.metrics().await;
            metrics.contains(&series).then_some(())
        })
        .await;
    }

    /// Waits until both objects are gone, and checks that the model was turned off once.
    async fn are_gone(&self) {
        self.older.until_gone("first").await;
        self.younger().until_gone("second").await;
        assert_eq!(self.older.hub.live("bot").unwrap(), ["inactive"]);
        assert_eq!(self.older.calls("bot"), ["activate", "deactivate"]);
    }
}

/// The write that releases the older object.
const RELEASE: (&str, &str) = ("PATCH", "oxenmodels/first?");

/// Deletes the older object, and the younger one while the release of the older one is held. The
/// older one yields to the younger one until then.
async fn deleted_in_turn(two: &Two, mut release: Held) -> Held {
    two.older.delete("first").await;
    release.arrived().await;
    two.delete_younger().await;
    release
}

/// Deletes two objects in turn, and lets the release of the older one, or its answer, pass when the
/// younger one is being deleted.
async fn deleted_during_a_release(two: &Two, hold: impl Fn(&Gate) -> Held) {
    let release = deleted_in_turn(two, hold(&two.gate)).await;
    drop(release);
    two.are_gone().await;
}

#[tokio::test]
async fn an_object_that_is_deleted_before_the_older_one_is_released_turns_the_model_off() {
    for two in [
        Two::in_one_namespace().await,
        Two::in_two_namespaces().await,
    ] {
        let hold = |gate: &Gate| gate.hold(RELEASE.0, RELEASE.1);
        deleted_during_a_release(&two, hold).await;
    }
}

#[tokio::test]
async fn an_object_that_is_deleted_before_the_older_ones_release_is_answered_turns_the_model_off() {
    for two in [
        Two::in_one_namespace().await,
        Two::in_two_namespaces().await,
    ] {
        let hold = |gate: &Gate| gate.hold_answer(RELEASE.0, RELEASE.1);
        deleted_during_a_release(&two, hold).await;
    }
}

#[tokio::test]
async fn a_release_whose_answer_is_lost_leaves_the_model_to_the_object_that_is_deleted_then() {
    for two in [
        Two::in_one_namespace().await,
        Two::in_two_namespaces().await,
    ] {
        let release = two.gate.hold_answer(RELEASE.0, RELEASE.1);
        let release = deleted_in_turn(&two, release).await;
        // The answer is given up after three seconds, and everything has to end without it.
        two.are_gone().await;
        drop(release);
    }
}

#[tokio::test]
async fn a_release_that_takes_effect_late_leaves_the_model_to_the_object_that_is_deleted_then() {
    for two in [
        Two::in_one_namespace().await,
        Two::in_two_namespaces().await,
    ] {
        let release = two.gate.hold_late(RELEASE.0, RELEASE.1);
        let release = deleted_in_turn(&two, release).await;
        two.operator
            .until_logged("a request to the Kubernetes API failed")
            .await;
        drop(release);
        two.are_gone().await;
    }
}

#[tokio::test]
async fn a_release_that_takes_effect_while_it_is_tried_again_leaves_the_model_to_the_younger_one() {
    for two in [
        Two::in_one_namespace().await,
        Two::in_two_namespaces().await,
    ] {
        let mut release = two.gate.hold_late(RELEASE.0, RELEASE.1);
        two.older.delete("first").await;
        release.arrived().await;
        // The release is given up and tried again. What precedes the next try waits here.
        let mut next = two.gate.hold("GET", "customresourcedefinitions/");
        next.arrived().await;
        two.delete_younger().await;
        eventually(
            "the younger object is released or its model deactivated",
            || async {
                let gone = two
                    .younger()
                    .api()
                    .get_opt("second")
                    .await
                    .unwrap()
                    .is_none();
                (gone || two.older.calls("bot").len() > 1).then_some(())
            },
        )
        .await;
        drop(release);
        two.older.until_gone("first").await;
        drop(next);
        two.are_gone().await;
    }
}
