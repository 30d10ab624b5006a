//! The pace towards the hub, against the simulator: the journal shows what the hub had to bear.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout, // what was measured, for a person
    missing_docs
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hub::{Endpoint, Entry, Model, Outcome};
use oxen_operator::{
    api::Direction,
    decide::{Answer, Fault},
    oxen::{ApiKey, Bounds, Client, Hub, Lane, Limits},
};
use tokio::task::JoinSet;

fn key() -> ApiKey {
    ApiKey::new(hub::KEY.as_bytes()).unwrap()
}

fn paced(simulator: &hub::Hub, bounds: Bounds) -> Arc<Hub> {
    let base: url::Url = simulator.url().parse().unwrap();
    let client = Client::new(base.into(), Limits::default(), |_, _, _| ()).unwrap();
    Arc::new(Hub::new(client, bounds))
}

async fn simulator(models: usize, builder: hub::Builder) -> hub::Hub {
    let all = (0..models).map(|number| Model::custom(name(number)).status("inactive"));
    all.fold(builder, hub::Builder::model)
        .start()
        .await
        .unwrap()
}

fn name(number: usize) -> String {
    format!("bot-{number}")
}

async fn look(hub: &Hub, key: &ApiKey, model: &str) -> Result<(), Fault> {
    let turn = hub.turn(key, Lane::Look).await?;
    turn.retrieve(model, true).await.map(|_| ())
}

fn limited(entry: &Entry) -> bool {
    entry.outcome == Outcome::Answered(429)
}

/// The most requests in any one second.
fn most_in_a_second(entries: &[&Entry]) -> usize {
    let within = |first: &Entry| {
        let end = first.at + Duration::from_secs(1);
        let later = entries.iter().filter(|entry| entry.at >= first.at);
        later.filter(|entry| entry.at < end).count()
    };
    entries.iter().map(|entry| within(entry)).max().unwrap_or(0)
}

#[tokio::test]
async fn five_hundred_models_change_state_in_seconds() {
    const MODELS: usize = 500;
    let simulator = simulator(MODELS, hub::Hub::builder()).await;
    let (hub, key) = (paced(&simulator, Bounds::default()), key());
    let started = Instant::now();
    let calls: JoinSet<Answer> = (0..MODELS)
        .map(|number| {
            let (hub, key) = (hub.clone(), key.clone());
            async move {
                let turn = hub.turn(&key, Lane::Call).await.unwrap();
                turn.call(&name(number), Direction::Activate, "a-call")
                    .await
            }
        })
        .collect();
    let answers = calls.join_all().await;
    let took = started.elapsed();
    assert!(answers.iter().all(|answer| *answer == Answer::Accepted));
    assert_eq!(simulator.journal().posts().len(), MODELS);
    // A burst of 100, and the others at 50 a second.
    println!("{MODELS} models in {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test]
async fn a_hub_that_allows_five_requests_a_second_is_not_driven_harder_for_long() {
    let simulator = simulator(20, hub::Hub::builder().limit(5)).await;
    let bounds = Bounds {
        // Ten times as quick to try for more as what is shipped, and so ten times as often told no.
        raise: Duration::from_secs(1),
        ..Bounds::default()
    };
    let (hub, key) = (paced(&simulator, bounds), key());
    let mut looking: JoinSet<()> = (0..20)
        .map(|number| {
            let (hub, key) = (hub.clone(), key.clone());
            async move {
                loop {
                    // What the hub refuses is asked again at once: the pace is all that holds it back.
                    let _ = look(&hub, &key, &name(number)).await;
                }
            }
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(18)).await;
    looking.abort_all();
    while looking.join_next().await.is_some() {}

    let entries = simulator.journal().entries;
    // Time to learn: the first burst, and the halvings after it.
    let learned: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.at > Duration::from_secs(8))
        .collect();
    let refused = learned.iter().filter(|entry| limited(entry)).count();
    let most = most_in_a_second(&learned);
    println!(
        "{} requests, {refused} refused, {most} in a second",
        learned.len()
    );
    assert!(learned.len() >= 15, "{learned:#?}");
    assert!(most <= 8, "{most}: {learned:#?}");
    assert!(
        refused * 5 <= learned.len(),
        "{refused} of {}",
        learned.len()
    );
    // The first burst is no longer than what is in flight when the first 429 comes.
    let burst: Vec<&Entry> = entries.iter().collect();
    assert!(most_in_a_second(&burst) <= 5 + 2 * 16);
}

#[tokio::test]
async fn calls_go_ahead_of_looks_that_wait() {
    let simulator = simulator(10, hub::Hub::builder()).await;
    simulator.inject(hub::Fault::latency(Duration::from_millis(20)));
    let bounds = Bounds {
        in_flight: 1,
        ..Bounds::default()
    };
    let (hub, key) = (paced(&simulator, bounds), key());
    let mut looks = JoinSet::new();
    for number in 0..9 {
        let (hub, key) = (hub.clone(), key.clone());
        looks.spawn(async move { look(&hub, &key, &name(number)).await });
    }
    // The first look is with the hub, and the others wait.
    let wait = Duration::from_secs(5);
    let begun = simulator.wait_for(wait, |journal| !journal.entries.is_empty());
    begun.await.unwrap();
    let turn = hub.turn(&key, Lane::Call).await.unwrap();
    assert_eq!(
        turn.call(&name(9), Direction::Activate, "a-call").await,
        Answer::Accepted
    );
    assert!(looks.join_all().await.iter().all(Result::is_ok));

    let entries = simulator.journal().entries;
    let place = entries.iter().position(Entry::is_post).unwrap();
    assert!(place <= 2, "{entries:#?}");
}

#[tokio::test]
async fn a_bad_key_on_a_thousand_objects_makes_a_handful_of_requests() {
    let simulator = simulator(1, hub::Hub::builder()).await;
    let hub = paced(&simulator, Bounds::default());
    let bad = ApiKey::new(b"revoked").unwrap();
    let looks: JoinSet<Result<(), Fault>> = (0..1000)
        .map(|_| {
            let (hub, bad) = (hub.clone(), bad.clone());
            async move { look(&hub, &bad, "bot-0").await }
        })
        .collect();
    let found = looks.join_all().await;
    assert!(found.iter().all(|one| *one == Err(Fault::Unauthenticated)));
    assert_eq!(simulator.journal().entries.len(), 3);
    // Another key isn't kept from anything.
    assert_eq!(look(&hub, &key(), "bot-0").await, Ok(()));
}

#[tokio::test]
async fn what_is_refused_to_one_model_leaves_the_key_alone() {
    let simulator = simulator(2, hub::Hub::builder()).await;
    let (hub, key) = (paced(&simulator, Bounds::default()), key());
    for code in [402, 403] {
        let fault = hub::Fault::error(code, "not this one").on_model("bot-0");
        let fault = simulator.inject(fault);
        for _ in 0..10 {
            assert!(look(&hub, &key, "bot-0").await.is_err());
        }
        assert_eq!(look(&hub, &key, "bot-1").await, Ok(()), "{code}");
        simulator.clear_fault(fault);
    }
    let looks = simulator.journal().count(Endpoint::Retrieve, "bot-0");
    assert_eq!(looks, 20, "each was asked");
}
