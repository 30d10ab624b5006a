//! The pace towards the hub: quick where it allows it, slow where it doesn't, and a bad key costs
//! next to nothing.
#![allow(clippy::print_stdout)] // what was measured, for a person

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use hub::{Endpoint, Hub, Model, Outcome};
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::world::{DEADLINE, World, eventually, ready};

/// Nothing looks by itself, so that every request has a reason.
const STILL: (&str, &str) = ("OXEN_SYNC_INTERVAL", "1h");

fn name(number: usize) -> String {
    format!("bot-{number}")
}

fn hub(models: usize) -> hub::Builder {
    let all = (0..models).map(|number| Model::custom(name(number)).status("inactive"));
    all.fold(Hub::builder(), hub::Builder::model)
}

async fn create(world: &World, objects: usize, spec: impl Fn(&str) -> Value) {
    stream::iter(0..objects)
        .for_each_concurrent(16, |number| {
            let (name, spec) = (name(number), spec(&name(number)));
            async move {
                world.create(&name, spec).await;
            }
        })
        .await;
}

fn active(model: &str) -> Value {
    json!({"model": model, "state": "active"})
}

/// Waits until so many objects have this reason.
async fn until_all(world: &World, objects: usize, reason: &str) {
    eventually(&format!("{objects} objects are {reason}"), || async {
        // The list is long, and the machine has other things to do.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let all = world.api().list(&ListParams::default()).await.ok()?;
        let there = all
            .iter()
            .filter(|object| ready(object).is_some_and(|ready| ready.reason == reason));
        (there.count() == objects).then_some(())
    })
    .await;
}

#[tokio::test]
async fn five_hundred_models_change_state_with_one_call_each() {
    const MODELS: usize = 500;
    let world = World::new(hub(MODELS)).await;
    create(&world, MODELS, active).await;
    let started = Instant::now();
    let _operator = world.operator_with(&[STILL]);
    let called = world.hub.wait_for(DEADLINE, |journal| {
        journal.count_all(Endpoint::Activate) == MODELS
    });
    called.await.unwrap();
    println!("{MODELS} calls in {:?}", started.elapsed());
    until_all(&world, MODELS, "Active").await;
    println!("{MODELS} models in {:?}", started.elapsed());

    let journal = world.hub.journal();
    assert_eq!(journal.count_all(Endpoint::Activate), MODELS);
    for number in 0..MODELS {
        assert_eq!(world.hub.live(&name(number)).unwrap(), ["active"]);
    }
}

#[tokio::test]
async fn a_bad_key_makes_a_handful_of_requests_and_a_new_one_is_tried_at_once() {
    const MODELS: usize = 1000;
    let builder = hub(MODELS)
        .key(hub::ACCOUNT, hub::KEY)
        .key(hub::ACCOUNT, "another-key")
        .model(Model::custom("other").status("inactive"));
    let world = World::new(builder).await;
    world.secret("bad", "api-key", "no-longer-a-key").await;
    create(&world, MODELS, |model| {
        let named = json!({"name": "bad"});
        json!({"model": model, "state": "inactive", "apiKeySecretRef": named})
    })
    .await;
    let _operator = world.operator_with(&[
        STILL,
        ("OXEN_REFUSED_PROBE", "1h"),
        ("OXEN_SECRET_NAMES", "oxen-api-key,bad"),
    ]);
    until_all(&world, MODELS, "Unauthenticated").await;
    world.create("other", active("other")).await;
    world.until_reason("other", "Active").await;
    // Nor does asking for a look make one.
    world.request(&name(0), "1").await;
    world.request("other", "1").await;
    world.until_looked("other", 1).await;

    let refused = |journal: &hub::Journal| {
        let entries = journal.entries.iter();
        entries.filter(|entry| entry.account.is_none()).count()
    };
    assert_eq!(refused(&world.hub.journal()), 3);

    world.secret("bad", "api-key", "another-key").await;
    until_all(&world, MODELS, "Inactive").await;
    assert_eq!(refused(&world.hub.journal()), 3);
}

#[tokio::test]
async fn a_hub_with_a_limit_is_heeded_and_every_model_gets_its_turn() {
    const MODELS: usize = 10;
    let world = World::new(hub(MODELS).limit(5)).await;
    create(&world, MODELS, active).await;
    let _operator = world.operator_with(&[
        STILL,
        ("OXEN_HUB_RATE", "50"),
        ("OXEN_HUB_RAISE", "1s"),
        ("OXEN_TRANSITION_FIRST", "500ms"),
        ("OXEN_TRANSITION_LAST", "1s"),
    ]);
    until_all(&world, MODELS, "Active").await;

    let entries = world.hub.journal().entries;
    for number in 0..MODELS {
        let model = name(number);
        let effects = entries
            .iter()
            .filter(|entry| entry.effect && entry.model.as_ref() == Some(&model));
        assert_eq!(effects.count(), 1, "{model}");
    }
    // Once the first burst has been told off.
    let learning = entries[0].at + Duration::from_secs(2);
    let learned = || entries.iter().filter(|entry| entry.at > learning);
    let refused = learned().filter(|entry| entry.outcome == Outcome::Answered(429));
    let (refused, all) = (refused.count(), learned().count());
    println!(
        "{refused} of {all} requests refused, {} in all",
        entries.len()
    );
    assert!(refused * 4 <= all, "{refused} of {all}: {entries:#?}");
}

#[tokio::test]
async fn a_call_whose_turn_comes_after_its_look_is_out_of_date_is_not_made() {
    let world = World::new(hub(1)).await;
    let slow = [("OXEN_HUB_RATE", "1"), ("OXEN_HUB_BURST", "1")];
    let hasty = [("OXEN_FRESHNESS", "500ms"), STILL];
    let operator = world.operator_with(&[slow, hasty].concat());
    create(&world, 1, active).await;
    let bot = name(0);
    world.until_looked(&bot, 3).await;

    assert_eq!(world.calls(&bot), [""; 0]);
    let not_sent = r#"oxen_operator_calls_total{direction="activate",answer="not_sent"}"#;
    assert!(operator.metric(not_sent).await >= 1.0);
    assert!(
        operator
            .metric("oxen_operator_hub_wait_seconds_count")
            .await
            >= 3.0
    );
    drop(operator);

    let _operator = world.operator_with(&slow);
    world.until_reason(&bot, "Active").await;
    assert_eq!(world.calls(&bot), ["activate"]);
}

#[tokio::test]
async fn a_wait_for_a_turn_outlives_no_object_and_delays_no_stop() {
    const MODELS: usize = 8;
    let world = World::new(hub(MODELS)).await;
    let slow = [("OXEN_HUB_RATE", "1"), ("OXEN_HUB_BURST", "1"), STILL];
    let mut operator = world.operator_with(&slow);
    // One look each, and nothing else.
    for number in 0..MODELS {
        let model = name(number);
        let spec = json!({"model": model, "state": "active", "suspend": true});
        world.create(&model, spec).await;
    }
    let (last, gone) = (name(MODELS - 2), name(MODELS - 1));
    world.delete(&gone).await;
    world.until_looked(&last, 1).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(world.hub.journal().count(Endpoint::Retrieve, &gone), 0);

    for number in 0..MODELS - 1 {
        world.request(&name(number), "1").await;
    }
    let started = Instant::now();
    operator.signal(cluster::Signal::TERM);
    assert_eq!(operator.ended().await, Some(0));
    let took = started.elapsed();
    assert!(
        took < Duration::from_secs(5),
        "{took:?}\n{}",
        operator.log()
    );
}
