//! The rate limit towards the simulated hub, whose journal shows what it received.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout // prints what was measured
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hub::{Endpoint, Entry, Model, Outcome};
use oxen_operator::{
    api::OperationKind,
    decide::{CallOutcome, HubFault},
    hub::{ApiKey, Client, LimitedClient, Limits, Priority, RateLimits},
};
use testkit::raw::hub_key as key;
use tokio::task::JoinSet;

fn limited_client(hub: &hub::Hub, limits: RateLimits) -> Arc<LimitedClient> {
    client_with(hub, Limits::default(), limits)
}

fn client_with(hub: &hub::Hub, limits: Limits, rate: RateLimits) -> Arc<LimitedClient> {
    let base: url::Url = hub.url().parse().unwrap();
    let client = Client::new(base.into(), limits, |_, _, _| ()).unwrap();
    Arc::new(LimitedClient::new(client, rate))
}

/// Starts a simulated hub with this many inactive models.
async fn start_hub(models: usize, builder: hub::Builder) -> hub::Hub {
    let all = (0..models).map(|number| Model::custom(name(number)).status("inactive"));
    all.fold(builder, hub::Builder::model)
        .start()
        .await
        .unwrap()
}

fn name(number: usize) -> String {
    format!("bot-{number}")
}

async fn observe(client: &LimitedClient, key: &ApiKey, model: &str) -> Result<(), HubFault> {
    let permit = client.permit(key, Priority::Urgent).await?;
    permit.retrieve(model, true).await.map(|_| ())
}

fn is_rate_limited(entry: &Entry) -> bool {
    entry.outcome == Outcome::Answered(429)
}

/// The largest number of requests within one second.
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
    let hub = start_hub(MODELS, hub::Hub::builder()).await;
    let (client, key) = (limited_client(&hub, RateLimits::default()), key());
    let started = Instant::now();
    let calls: JoinSet<CallOutcome> = (0..MODELS)
        .map(|number| {
            let (client, key) = (client.clone(), key.clone());
            async move {
                let permit = client
                    .permit(&key, Priority::Call(OperationKind::Activate))
                    .await
                    .unwrap();
                permit
                    .call(&name(number), OperationKind::Activate, "an-id")
                    .await
            }
        })
        .collect();
    let outcomes = calls.join_all().await;
    let elapsed = started.elapsed();
    assert!(outcomes.iter().all(|one| *one == CallOutcome::Accepted));
    assert_eq!(hub.journal().posts().len(), MODELS);
    // 100 go out in the first burst, and the others at 50 per second.
    println!("{MODELS} models in {elapsed:?}");
    assert!(elapsed < Duration::from_secs(20), "{elapsed:?}");
}

#[tokio::test]
async fn the_rate_adapts_to_a_hub_that_allows_five_requests_a_second() {
    let hub = start_hub(20, hub::Hub::builder().limit(5)).await;
    let limits = RateLimits {
        // With a tenth of the default, the rate rises ten times as often, and so do the 429s.
        rate_recovery: Duration::from_secs(1),
        // After a pause of the test's process, the burst is one second of the initial rate.
        burst: 50,
        ..RateLimits::default()
    };
    let (client, key) = (limited_client(&hub, limits), key());
    let mut observing: JoinSet<()> = (0..20)
        .map(|number| {
            let (client, key) = (client.clone(), key.clone());
            async move {
                loop {
                    // There is no wait here, so nothing but the rate limit holds requests back.
                    let _ = observe(&client, &key, &name(number)).await;
                }
            }
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(18)).await;
    observing.abort_all();
    while observing.join_next().await.is_some() {}

    let entries = hub.journal().entries;
    // The first burst and the halvings that follow it take a few seconds.
    let adapted: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.at > Duration::from_secs(8))
        .collect();
    let rejected = adapted
        .iter()
        .filter(|entry| is_rate_limited(entry))
        .count();
    let most = most_in_a_second(&adapted);
    println!(
        "{} requests, {rejected} rejected, {most} in a second",
        adapted.len()
    );
    assert!(adapted.len() >= 15, "{adapted:#?}");
    assert!(most <= 8, "{most}: {adapted:#?}");
    assert!(
        rejected * 5 <= adapted.len(),
        "{rejected} of {}",
        adapted.len()
    );
    // The first burst ends with the requests that are in flight at the first 429.
    let all: Vec<&Entry> = entries.iter().collect();
    assert!(most_in_a_second(&all) <= 5 + 2 * 16);
}

#[tokio::test]
async fn calls_go_before_waiting_observations() {
    let hub = start_hub(10, hub::Hub::builder()).await;
    hub.inject(hub::Fault::latency(Duration::from_millis(20)));
    let limits = RateLimits {
        in_flight: 1,
        ..RateLimits::default()
    };
    let (client, key) = (limited_client(&hub, limits), key());
    let mut observations = JoinSet::new();
    for number in 0..9 {
        let (client, key) = (client.clone(), key.clone());
        observations.spawn(async move { observe(&client, &key, &name(number)).await });
    }
    // One observation is in flight then, and the others wait.
    let wait = Duration::from_secs(60);
    let first = hub.wait_for(wait, |journal| !journal.entries.is_empty());
    first.await.unwrap();
    let permit = client
        .permit(&key, Priority::Call(OperationKind::Activate))
        .await
        .unwrap();
    assert_eq!(
        permit
            .call(&name(9), OperationKind::Activate, "an-id")
            .await,
        CallOutcome::Accepted
    );
    assert!(observations.join_all().await.iter().all(Result::is_ok));

    let entries = hub.journal().entries;
    let position = entries.iter().position(Entry::is_post).unwrap();
    assert!(position <= 2, "{entries:#?}");
}

#[tokio::test]
async fn slow_answers_of_one_key_delay_no_request_of_another() {
    const SLOW: Duration = Duration::from_secs(60);
    let builder = hub::Hub::builder()
        .key("slow", "the-key-of-slow")
        .key("fast", "the-key-of-fast")
        .model(Model::custom("waits").owner("slow"))
        .model(Model::custom("answers").owner("fast").status("inactive"));
    let hub = builder.start().await.unwrap();
    let patient = Limits {
        request_timeout: 2 * SLOW,
        ..Limits::default()
    };
    let client = client_with(&hub, patient, RateLimits::default());
    let [slow, fast] = ["slow", "fast"].map(|account| {
        let key = format!("the-key-of-{account}");
        ApiKey::new(key.as_bytes()).unwrap()
    });
    observe(&client, &slow, "waits").await.unwrap();
    hub.inject(hub::Fault::latency(SLOW).on_account("slow"));
    let observations: JoinSet<Result<(), HubFault>> = (0..40)
        .map(|_| {
            let (client, slow) = (client.clone(), slow.clone());
            async move { observe(&client, &slow, "waits").await }
        })
        .collect();
    // The slow key has all the requests in flight that a key may have.
    let full = hub.wait_for(SLOW, |journal| {
        journal.count(Endpoint::Retrieve, "waits") == 1 + 16
    });
    full.await.unwrap();
    let started = Instant::now();
    for _ in 0..10 {
        observe(&client, &fast, "answers").await.unwrap();
    }
    let call = Priority::Call(OperationKind::Activate);
    let permit = client.permit(&fast, call).await.unwrap();
    let called = permit.call("answers", OperationKind::Activate, "an-id");
    assert_eq!(called.await, CallOutcome::Accepted);
    let elapsed = started.elapsed();
    println!("11 requests beside a slow key in {elapsed:?}");
    let sent = hub.journal().count(Endpoint::Retrieve, "waits");
    assert!(elapsed < SLOW, "{elapsed:?}");
    assert_eq!(sent, 1 + 16, "no slow request has ended");
    drop(observations);
}

#[tokio::test]
async fn an_invalid_key_of_a_thousand_objects_makes_three_requests() {
    let hub = start_hub(1, hub::Hub::builder()).await;
    let client = limited_client(&hub, RateLimits::default());
    let invalid = ApiKey::new(b"revoked").unwrap();
    let observations: JoinSet<Result<(), HubFault>> = (0..1000)
        .map(|_| {
            let (client, invalid) = (client.clone(), invalid.clone());
            async move { observe(&client, &invalid, "bot-0").await }
        })
        .collect();
    let results = observations.join_all().await;
    assert!(
        results
            .iter()
            .all(|one| *one == Err(HubFault::Unauthenticated))
    );
    assert_eq!(hub.journal().entries.len(), 3);
    // Another key isn't affected.
    assert_eq!(observe(&client, &key(), "bot-0").await, Ok(()));
}

#[tokio::test]
async fn a_fault_of_one_model_does_not_limit_its_key() {
    let hub = start_hub(2, hub::Hub::builder()).await;
    let (client, key) = (limited_client(&hub, RateLimits::default()), key());
    for code in [402, 403] {
        let fault = hub::Fault::error(code, "not this one").on_model("bot-0");
        let fault = hub.inject(fault);
        for _ in 0..10 {
            assert!(observe(&client, &key, "bot-0").await.is_err());
        }
        assert_eq!(observe(&client, &key, "bot-1").await, Ok(()), "{code}");
        hub.clear_fault(fault);
    }
    let observations = hub.journal().count(Endpoint::Retrieve, "bot-0");
    assert_eq!(observations, 20, "every request went out");
}
