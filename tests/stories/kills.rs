//! The operator is killed at each step of a pass, again and again, and no call is ever made that
//! the model's state didn't ask for.

use std::time::Duration;

use hub::{Endpoint, Fault, Hub, Model};
use kube::runtime::wait::await_condition;
use oxen_operator::api::OxenModel;
use serde_json::json;
use tokio::time::timeout;

use crate::world::{DEADLINE, World, has_finalizer, ready, status};

/// Kills at each step; with five steps, 200 altogether.
const KILLS: u32 = 40;

/// How far a pass gets before its process dies.
#[derive(Clone, Copy)]
enum Step {
    /// The live look went out.
    Looking,
    /// The call is recorded; whether it went out is anyone's guess.
    Recorded,
    /// The call has reached the hub, and the answer is on its way.
    Called,
    /// The answer is here; whether it is recorded is anyone's guess.
    Answered,
    /// The outcome is recorded.
    Noted,
}

/// What the last process left half done doesn't keep a round waiting for long.
const QUICK: &[(&str, &str)] = &[("OXEN_OPERATION_PATIENCE", "300ms")];

/// A world with slow answers, so that each step lasts long enough to die in.
async fn slow_world() -> World {
    let bot = Model::custom("bot")
        .status("inactive")
        .activate_delay(Duration::from_millis(30))
        .deactivate_delay(Duration::from_millis(30));
    let world = World::new(Hub::builder().model(bot)).await;
    for endpoint in [Endpoint::Activate, Endpoint::Deactivate] {
        let slow = Fault::latency(Duration::from_millis(40)).on(endpoint);
        world.hub.inject(slow.after_effect());
    }
    world
}

async fn create(world: &World, state: &str) {
    let spec = json!({"model": "bot", "state": state});
    world.create("bot", spec).await;
}

/// Wants the opposite of what is, in a new generation.
async fn want_the_opposite(world: &World, round: u32) {
    let live = world.hub.live("bot").unwrap().remove(0);
    let state = if live == "active" || live == "deploying" {
        "inactive"
    } else {
        "active"
    };
    let interval = format!("{}s", 30 + round % 2);
    world
        .edit("bot", json!({"state": state, "syncInterval": interval}))
        .await;
}

/// The model is as the present generation wants it.
fn is_as_declared(object: &OxenModel) -> bool {
    let current = object.metadata.generation;
    ready(object).is_some_and(|it| it.status == "True" && it.observed_generation == current)
}

async fn until_step(world: &World, step: Step, before: &OxenModel, posts: usize) {
    let journaled = async |holds: &dyn Fn(&hub::Journal) -> bool| {
        world.hub.wait_for(DEADLINE, holds).await.unwrap();
    };
    let last = |object: &OxenModel| status(object).operation.map(|operation| operation.id);
    let shown = async |holds: &dyn Fn(&OxenModel) -> bool| {
        let condition = |object: Option<&OxenModel>| object.is_some_and(holds);
        let waiting = await_condition(world.api(), "bot", condition);
        timeout(DEADLINE, waiting).await.unwrap().unwrap();
    };
    let looks = world.hub.journal().count(Endpoint::Retrieve, "bot");
    match step {
        Step::Looking => {
            journaled(&|journal| journal.count(Endpoint::Retrieve, "bot") > looks).await;
        }
        Step::Recorded => {
            shown(&|object| last(object).is_some() && last(object) != last(before)).await;
        }
        Step::Called => journaled(&|journal| journal.posts_for("bot").len() > posts).await,
        Step::Answered => {
            let over = |journal: &hub::Journal| {
                let calls = journal.posts_for("bot");
                calls.len() > posts && calls.iter().all(|call| call.is_over())
            };
            journaled(&over).await;
        }
        Step::Noted => {
            let noted = |object: &OxenModel| {
                let operation = status(object).operation;
                operation.is_some_and(|operation| operation.accepted == Some(true))
            };
            shown(&|object| noted(object) && last(object) != last(before)).await;
        }
    }
}

async fn killed_again_and_again(step: Step) {
    let world = slow_world().await;
    create(&world, "inactive").await;
    let mut kills = 0;
    for round in 0.. {
        want_the_opposite(&world, round).await;
        let before = world.get("bot").await;
        let posts = world.hub.journal().posts_for("bot").len();
        let operator = world.operator_with(QUICK);
        tokio::select! {
            biased;
            () = until_step(&world, step, &before, posts) => kills += 1,
            // The last process's call reached the hub after its death, and left nothing to do.
            _ = world.until("bot", "as declared", is_as_declared) => {}
        }
        operator.kill();
        if kills == KILLS {
            break;
        }
    }

    let _operator = world.operator_with(QUICK);
    world.until("bot", "as declared", is_as_declared).await;
    each_call_had_its_effect(&world);
}

fn each_call_had_its_effect(world: &World) {
    let calls = world.hub.journal();
    assert!(!calls.posts_for("bot").is_empty(), "nothing was tried");
    for call in calls.posts_for("bot") {
        assert!(
            call.effect,
            "a call that changed nothing: {call}\n{calls:#?}"
        );
    }
}

#[tokio::test]
async fn killed_while_looking() {
    killed_again_and_again(Step::Looking).await;
}

#[tokio::test]
async fn killed_once_the_call_is_recorded() {
    killed_again_and_again(Step::Recorded).await;
}

#[tokio::test]
async fn killed_while_the_call_is_out() {
    killed_again_and_again(Step::Called).await;
}

#[tokio::test]
async fn killed_once_the_call_is_answered() {
    killed_again_and_again(Step::Answered).await;
}

#[tokio::test]
async fn killed_once_the_outcome_is_recorded() {
    killed_again_and_again(Step::Noted).await;
}

/// The first passes of an object, which bring its finalizer, and the last ones, which let it go.
#[tokio::test]
async fn killed_while_an_object_comes_and_while_it_goes() {
    const LIVES: usize = 8;
    let world = slow_world().await;
    for life in 0..LIVES {
        create(&world, "active").await;
        let operator = world.operator_with(QUICK);
        world.until("bot", "held", has_finalizer).await;
        operator.kill();

        let operator = world.operator_with(QUICK);
        let before = world.until("bot", "as declared", is_as_declared).await;
        let posts = world.hub.journal().posts_for("bot").len();
        world.delete("bot").await;
        let step = [Step::Recorded, Step::Called, Step::Answered, Step::Noted][life % 4];
        tokio::select! {
            biased;
            () = until_step(&world, step, &before, posts) => {}
            () = world.until_gone("bot") => {}
        }
        operator.kill();

        let _operator = world.operator_with(QUICK);
        world.until_gone("bot").await;
        assert_eq!(world.hub.live("bot").unwrap(), ["inactive"]);
    }
    each_call_had_its_effect(&world);
    assert_eq!(world.calls("bot"), ["activate", "deactivate"].repeat(LIVES));
}
