//! The operator is killed at each step of a reconcile, many times, and it never makes a call that
//! the model's live status didn't require.

use std::time::Duration;

use hub::{Endpoint, Fault, Hub, Model};
use kube::runtime::wait::await_condition;
use oxen_operator::api::OxenModel;
use serde_json::json;
use testkit::world::{DEADLINE, World, ready, status};
use tokio::time::timeout;

/// The number of kills at each of the five steps.
const KILLS: u32 = 40;

/// How far a reconcile gets before its process is killed.
#[derive(Clone, Copy)]
enum Step {
    /// The live GET was sent.
    Observing,
    /// The operation is recorded. The call may or may not have been sent.
    Recorded,
    /// The call has reached the hub, which hasn't answered yet.
    Called,
    /// The hub has answered. The outcome may or may not be recorded.
    Answered,
    /// The outcome is recorded.
    OutcomeRecorded,
}

/// With this setting, an operation without an effect stays open for 0.3 seconds, so that a round
/// doesn't wait long for what the last process left open.
const QUICK: &[(&str, &str)] = &[("OXEN_TIME_SCALE", "400")];

/// Creates a world with slow responses, so that each step lasts long enough to be killed in.
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

/// Declares the opposite of the live status, in a new generation.
async fn declare_the_opposite(world: &World, round: u32) {
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

/// Returns true when the model is in the state that the current generation declares.
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
    let observed = world.hub.journal().count(Endpoint::Retrieve, "bot");
    match step {
        Step::Observing => {
            journaled(&|journal| journal.count(Endpoint::Retrieve, "bot") > observed).await;
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
        Step::OutcomeRecorded => {
            let recorded = |object: &OxenModel| {
                let operation = status(object).operation;
                operation.is_some_and(|operation| operation.accepted == Some(true))
            };
            shown(&|object| recorded(object) && last(object) != last(before)).await;
        }
    }
}

async fn killed_many_times(step: Step) {
    let world = slow_world().await;
    create(&world, "inactive").await;
    let mut kills = 0;
    for round in 0.. {
        declare_the_opposite(&world, round).await;
        let before = world.get("bot").await;
        let posts = world.hub.journal().posts_for("bot").len();
        let operator = world.operator_with(QUICK);
        tokio::select! {
            biased;
            () = until_step(&world, step, &before, posts) => kills += 1,
            // The last process's call reached the hub after the kill, so nothing is to be done.
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
    assert!(!calls.posts_for("bot").is_empty(), "no call was made");
    for call in calls.posts_for("bot") {
        assert!(call.effect, "a call without an effect: {call}\n{calls:#?}");
    }
}

#[tokio::test]
async fn killed_while_observing() {
    killed_many_times(Step::Observing).await;
}

#[tokio::test]
async fn killed_after_the_operation_is_recorded() {
    killed_many_times(Step::Recorded).await;
}

#[tokio::test]
async fn killed_while_the_call_is_in_flight() {
    killed_many_times(Step::Called).await;
}

#[tokio::test]
async fn killed_after_the_call_is_answered() {
    killed_many_times(Step::Answered).await;
}

#[tokio::test]
async fn killed_after_the_outcome_is_recorded() {
    killed_many_times(Step::OutcomeRecorded).await;
}

/// The first reconciles of an object add its finalizer, and the last ones release it.
#[tokio::test]
async fn killed_while_an_object_is_created_and_while_it_is_deleted() {
    const LIVES: usize = 8;
    let world = slow_world().await;
    for life in 0..LIVES {
        create(&world, "active").await;
        let operator = world.operator_with(QUICK);
        world.until_finalizer("bot").await;
        operator.kill();

        let operator = world.operator_with(QUICK);
        let before = world.until("bot", "as declared", is_as_declared).await;
        let posts = world.hub.journal().posts_for("bot").len();
        world.delete("bot").await;
        let step = [
            Step::Recorded,
            Step::Called,
            Step::Answered,
            Step::OutcomeRecorded,
        ][life % 4];
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
