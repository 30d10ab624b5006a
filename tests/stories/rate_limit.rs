//! The rate of requests to the hub: as high as the hub allows, and next to nothing for a key that
//! it refuses.
#![allow(clippy::print_stdout)] // measurements, for people

use std::time::{Duration, Instant};

use cluster::Signal;
use futures::{StreamExt, stream};
use hub::{Endpoint, Entry, Fault, Hub, Journal, Model, Outcome};
use kube::api::ListParams;
use serde_json::{Value, json};
use testkit::world::{DEADLINE, World, eventually, ready};
use tokio::time::sleep;

/// With this setting, settled objects are observed on request only.
const NO_POLLS: (&str, &str) = ("OXEN_SYNC_INTERVAL", "1h");

/// The number of requests of one key that the operator sends at once.
pub(crate) const IN_FLIGHT: usize = 16;

pub(crate) fn name(number: usize) -> String {
    format!("bot-{number}")
}

pub(crate) fn hub(models: usize) -> hub::Builder {
    let all = (0..models).map(|number| Model::custom(name(number)).status("inactive"));
    all.fold(Hub::builder(), hub::Builder::model)
}

pub(crate) async fn create(world: &World, objects: usize, spec: impl Fn(&str) -> Value) {
    stream::iter(0..objects)
        .for_each_concurrent(16, |number| {
            let (name, spec) = (name(number), spec(&name(number)));
            async move {
                world.create(&name, spec).await;
            }
        })
        .await;
}

pub(crate) fn active(model: &str) -> Value {
    json!({"model": model, "state": "active"})
}

/// Waits until this number of objects has this reason.
pub(crate) async fn until_all(world: &World, objects: usize, reason: &str) {
    until(world, reason, |number| number == objects).await;
}

/// Waits until a sufficient number of objects has this reason.
pub(crate) async fn until(world: &World, reason: &str, enough: impl Fn(usize) -> bool) {
    eventually(&format!("enough objects are {reason}"), || async {
        // Each poll lists hundreds of objects.
        sleep(Duration::from_millis(300)).await;
        let all = world.api().list(&ListParams::default()).await.ok()?;
        let there = all
            .iter()
            .filter(|object| ready(object).is_some_and(|ready| ready.reason == reason));
        enough(there.count()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn five_hundred_models_are_activated_with_one_call_each() {
    const MODELS: usize = 500;
    let world = World::new(hub(MODELS)).await;
    create(&world, MODELS, active).await;
    let started = Instant::now();
    // On a busy machine, the writes of so many objects take long. A write may take ten seconds, and
    // an observation may be 45 seconds old.
    let _operator = world.operator_with(&[
        NO_POLLS,
        ("OXEN_TIME_SCALE", "1"),
        ("OXEN_REQUEST_TIMEOUT", "30s"),
    ]);
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
async fn a_refused_key_sends_three_requests_and_a_new_one_is_tried_at_once() {
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
    // A refused key is retried after five minutes.
    let _operator = world.operator_with(&[
        NO_POLLS,
        ("OXEN_TIME_SCALE", "1"),
        ("OXEN_SECRET_NAMES", "oxen-api-key,bad"),
    ]);
    until_all(&world, MODELS, "Unauthenticated").await;
    world.create("other", active("other")).await;
    world.until_reason("other", "Active").await;
    // A requested reconcile sends no request either.
    world.request_reconcile(&name(0), "1").await;
    world.request_reconcile("other", "1").await;
    world.until_handled("other", "1").await;

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
async fn the_rate_limit_of_a_hub_is_followed_and_every_model_is_activated() {
    const MODELS: usize = 40;
    let world = World::new(hub(MODELS).limit(5)).await;
    create(&world, MODELS, active).await;
    // The rate is raised by a step after each second without a 429.
    let _operator =
        world.operator_with(&[NO_POLLS, ("OXEN_HUB_RATE", "50"), ("OXEN_TIME_SCALE", "10")]);
    until_all(&world, MODELS, "Active").await;

    let entries = world.hub.journal().entries;
    for number in 0..MODELS {
        let model = name(number);
        let effects = entries
            .iter()
            .filter(|entry| entry.effect && entry.model.as_ref() == Some(&model));
        assert_eq!(effects.count(), 1, "{model}");
    }
    // The first burst shows the operator that there is a limit.
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
async fn a_call_whose_observation_became_too_old_is_not_made() {
    // As many other objects as there are requests at once, and some more.
    let others: Vec<String> = (1..IN_FLIGHT + 4).map(name).collect();
    let world = World::new(hub(1 + others.len())).await;
    // An observation may be 23 seconds old.
    let operator = world.operator_with(&[NO_POLLS, ("OXEN_REQUEST_TIMEOUT", "20s")]);
    let bot = name(0);
    world
        .create(&bot, json!({"model": bot, "state": "inactive"}))
        .await;
    world.until_finalizer(&bot).await;
    world.until_reason(&bot, "Inactive").await;
    for name in &others {
        let spec = json!({"model": name, "state": "active", "suspend": true});
        world.create(name, spec).await;
        world.until_reason(name, "WouldActivate").await;
    }

    // The observation takes 15 seconds. Four seconds after its start, requests that hang for 20
    // seconds take all other permits, so the call gets one after 24 seconds.
    let slow = Fault::latency(Duration::from_secs(15));
    world.hub.inject(slow.on_model(&bot).times(1));
    world.hub.clear_journal();
    world.edit(&bot, json!({"state": "active"})).await;
    let observing = |journal: &Journal| journal.count(Endpoint::Retrieve, &bot) == 1;
    world.hub.wait_for(DEADLINE, observing).await.unwrap();
    sleep(Duration::from_secs(4)).await;
    for name in &others {
        world.hub.inject(Fault::hang().on_model(name));
    }
    // All at once, because they must have the permits before the observation ends.
    let requests = others.iter().map(|name| world.request_reconcile(name, "1"));
    futures::future::join_all(requests).await;
    let not_sent = r#"oxen_operator_calls_total{kind="activate",answer="not_sent"}"#;
    operator.until_metric(not_sent, 1.0).await;

    // The call is made after another observation.
    world.hub.clear_faults();
    world.until_reason(&bot, "Active").await;
    assert_eq!(world.calls(&bot), ["activate"]);
    let requests = world.requests(&bot);
    let call = requests.iter().position(Entry::is_post).unwrap();
    assert!(call >= 2, "{requests:#?}");
    let waits = "oxen_operator_hub_wait_seconds_count";
    assert!(operator.metric(waits).await >= 3.0);
}

#[tokio::test]
async fn a_wait_for_a_permit_ends_with_its_object_and_delays_no_shutdown() {
    const MODELS: usize = 8;
    let (first, last, gone) = (name(0), name(MODELS - 2), name(MODELS - 1));
    let world = World::new(hub(MODELS)).await;
    // The first request of a key is sent alone, and all others wait until it has ended.
    let slow = Fault::latency(Duration::from_secs(15));
    world.hub.inject(slow.on_model(&first).times(1));
    // The work in flight has 15 seconds to end after a SIGTERM.
    let mut operator = world.operator_with(&[
        NO_POLLS,
        ("OXEN_HUB_RATE", "1"),
        ("OXEN_REQUEST_TIMEOUT", "20s"),
        ("OXEN_TIME_SCALE", "1"),
    ]);
    let create = async |name: &str| {
        let spec = json!({"model": name, "state": "active", "suspend": true});
        world.create(name, spec).await;
    };
    create(&first).await;
    let sent = |journal: &Journal| journal.count(Endpoint::Retrieve, &first) == 1;
    world.hub.wait_for(DEADLINE, sent).await.unwrap();
    for number in 1..MODELS {
        create(&name(number)).await;
    }
    let series = format!("name={gone:?}");
    let is_watched = async || operator.metrics().await.contains(&series);
    eventually("the operator has the object", async || {
        is_watched().await.then_some(())
    })
    .await;
    world.delete(&gone).await;
    eventually("the operator knows that the object is gone", async || {
        (!is_watched().await).then_some(())
    })
    .await;
    // Requests are sent in the order in which they began to wait.
    world.until_reason(&last, "WouldActivate").await;
    world.request_reconcile(&first, "1").await;
    world.until_handled(&first, "1").await;
    assert_eq!(world.hub.journal().count(Endpoint::Retrieve, &gone), 0);

    for number in 0..MODELS - 1 {
        world.request_reconcile(&name(number), "2").await;
    }
    let signalled = Instant::now();
    operator.signal(Signal::TERM);
    assert_eq!(operator.exit_code().await, Some(0));
    let took = signalled.elapsed();
    assert!(
        took < Duration::from_secs(10),
        "{took:?}\n{}",
        operator.log()
    );
}
