//! The journal: its entries, and waiting for its state.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::*;
use hub::{Endpoint, Fault, Hub, KEY, Model, Outcome};
use reqwest::Method;

async fn hub_with_bot() -> Hub {
    Hub::builder()
        .model(Model::custom("team/bot"))
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn entry_records_request_faults_effect_and_outcome() {
    let hub = hub_with_bot().await;
    hub.inject(Fault::status(503).on(Endpoint::Activate).after_effect());
    get(&hub, &live("team%2Fbot")).await;
    post(&hub, &activate("team%2Fbot")).await;
    let journal = hub.journal();
    let [retrieve, activate] = journal.entries.as_slice() else {
        panic!("{journal:?}")
    };
    assert_eq!((retrieve.seq, activate.seq), (1, 2));
    assert!(retrieve.at <= activate.at);
    assert_eq!(
        (retrieve.method.as_str(), activate.method.as_str()),
        ("GET", "POST")
    );
    assert_eq!(activate.path, "/api/ai/models/team%2Fbot/activate");
    assert_eq!(activate.model.as_deref(), Some("team/bot"));
    assert_eq!(
        (retrieve.endpoint, activate.endpoint),
        (Endpoint::Retrieve, Endpoint::Activate)
    );
    assert_eq!(
        retrieve.query,
        BTreeMap::from([("deployment_status".into(), "live".into())])
    );
    assert!(retrieve.is_live() && !activate.is_live());
    assert_eq!(retrieve.account.as_deref(), Some("acme"));
    assert_eq!(retrieve.user_agent.as_deref(), Some("hub-tests"));
    assert_eq!(
        (retrieve.outcome, activate.outcome),
        (Outcome::Answered(200), Outcome::Answered(503))
    );
    assert_eq!((retrieve.effect, activate.effect), (false, true));
    assert!(retrieve.faults.is_empty());
    assert_eq!(activate.faults, ["status 503 after the effect"]);
    let line = activate.to_string();
    let end = "acme POST /api/ai/models/team%2Fbot/activate -> 503, took effect, faults: status 503 after the effect";
    assert!(line.ends_with(end), "{line}");
}

#[tokio::test]
async fn keys_are_recorded_as_fingerprints_only() {
    let hub = hub_with_bot().await;
    for key in [KEY, "some-other-key", KEY] {
        send_as(&hub, key, Method::GET, "/api/ai/models")
            .await
            .unwrap();
    }
    let journal = hub.journal();
    let keys: Vec<_> = journal
        .entries
        .iter()
        .map(|entry| entry.key.clone().unwrap())
        .collect();
    assert!(keys[0] == keys[2] && keys[0] != keys[1]);
    assert_eq!(journal.entries[1].account, None);
    let all = format!("{journal:?}{}", serde_json::to_string(&journal).unwrap());
    assert!(!all.contains(KEY) && !all.contains("some-other-key"));
}

#[tokio::test]
async fn requests_are_counted_by_endpoint_and_model() {
    let hub = hub_with_bot().await;
    get(&hub, &retrieve("team%2Fbot")).await;
    get(&hub, &retrieve("other")).await;
    get(&hub, "/api/ai/models").await;
    post(&hub, &activate("team%2Fbot")).await;
    post(&hub, &deactivate("other")).await;
    let journal = hub.journal();
    assert_eq!(journal.count(Endpoint::Retrieve, "team/bot"), 1);
    assert_eq!(journal.count_all(Endpoint::Retrieve), 2);
    assert_eq!(
        (journal.posts().len(), journal.posts_for("team/bot").len()),
        (2, 1)
    );
}

#[tokio::test]
async fn clearing_does_not_reset_sequence_numbers() {
    let hub = hub_with_bot().await;
    get(&hub, "/api/ai/models").await;
    hub.clear_journal();
    assert!(hub.journal().entries.is_empty());
    get(&hub, "/api/ai/models").await;
    assert_eq!(hub.journal().entries[0].seq, 2);
}

#[tokio::test]
async fn request_is_pending_until_client_disconnects() {
    let hub = hub_with_bot().await;
    hub.inject(Fault::hang());
    let waiting = tokio::spawn({
        let hub = hub.clone();
        async move { send_as(&hub, KEY, Method::GET, "/api/ai/models").await }
    });
    let journal = hub
        .wait_for(SOON, |journal| journal.count_all(Endpoint::List) == 1)
        .await
        .unwrap();
    assert_eq!(journal.entries[0].outcome, Outcome::Pending);
    waiting.abort();
    hub.wait_for(SOON, |journal| {
        journal.entries[0].outcome == Outcome::Abandoned
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn wait_for_returns_journal_or_describes_it_on_timeout() {
    let hub = hub_with_bot().await;
    let path = activate("team%2Fbot");
    let (answer, journal) = tokio::join!(
        post(&hub, &path),
        hub.wait_for(SOON, |journal| journal
            .posts()
            .iter()
            .any(|post| post.effect))
    );
    assert!(answer.0.is_success());
    assert_eq!(journal.unwrap().posts_for("team/bot").len(), 1);

    let error = hub
        .wait_for(ms(20), |journal| journal.posts().len() == 2)
        .await
        .unwrap_err();
    let text = format!("{error:?}");
    assert!(
        text.starts_with(
            "the hub's journal didn't reach the expected state within 20ms; it has 1 request"
        ),
        "{text}"
    );
    assert!(
        text.contains("\n   1 ") && text.contains("POST /api/ai/models/team%2Fbot/activate -> 200"),
        "{text}"
    );
}

#[tokio::test]
async fn hub_without_journal_calls_back_and_records_nothing() {
    let arrived = Arc::new(AtomicUsize::new(0));
    let counter = arrived.clone();
    let hub = Hub::builder()
        .model(Model::custom("bot"))
        .without_journal()
        .on_arrival(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
    let hub = hub.start().await.unwrap();
    get(&hub, &live("bot")).await;
    post(&hub, &activate("bot")).await;
    assert_eq!(arrived.load(Ordering::Relaxed), 2);
    assert!(hub.journal().entries.is_empty());
}
