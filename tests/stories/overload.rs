//! More objects than the hub or the API server can serve at once.

use std::time::Duration;

use hub::{Endpoint, Entry, Fault, Journal, Outcome};
use kube::api::ListParams;
use serde_json::json;
use testkit::world::{DEADLINE, World, eventually};

use crate::rate_limit::{IN_FLIGHT, active, create, hub, name, until, until_all};

const NOT_SENT: &str = r#"oxen_operator_calls_total{kind="activate",answer="not_sent"}"#;

/// Without a bound on the reconciles, 150 observations would wait for the same slow writes, be too
/// old when their turn comes, and start over.
#[tokio::test]
async fn no_observation_becomes_too_old_at_a_slow_api_server() {
    const MODELS: usize = 150;
    let world = World::new(hub(MODELS)).await;
    create(&world, MODELS, active).await;
    let gate = world.cluster.gate().await.unwrap();
    gate.delay_all("PATCH", "/oxenmodels/", Duration::from_millis(800));
    // An observation may be six seconds old.
    let operator = world.operator_with(&[
        ("KUBECONFIG", gate.kubeconfig().to_str().unwrap()),
        ("OXEN_REQUEST_TIMEOUT", "3s"),
        ("OXEN_SYNC_INTERVAL", "1h"),
    ]);
    let called = |journal: &Journal| journal.count_all(Endpoint::Activate) == MODELS;
    world.hub.wait_for(DEADLINE, called).await.unwrap();
    // On a busy machine, a write may time out now and then, and its object is observed again.
    let not_sent = operator.metric(NOT_SENT).await;
    assert!(
        not_sent <= MODELS as f64 / 10.0,
        "{not_sent} calls were not sent"
    );
    let mut observations = 0;
    for number in 0..MODELS {
        let name = name(number);
        assert_eq!(world.calls(&name), ["activate"]);
        let requests = world.requests(&name);
        observations += requests.iter().position(Entry::is_post).unwrap();
    }
    assert!(
        observations <= MODELS * 3 / 2,
        "{observations} observations"
    );
}

/// The polls of models that are on their way wait until all other models are on their way too.
#[tokio::test]
async fn first_observations_and_calls_go_before_polls() {
    const MODELS: usize = 40;
    let world = World::new(hub(MODELS)).await;
    create(&world, MODELS, active).await;
    // The hub is slower than the API server of a busy machine. No object waits for so long that its
    // wait is reported.
    let _operator = world.operator_with(&[
        ("OXEN_HUB_RATE", "2"),
        ("OXEN_SYNC_INTERVAL", "1h"),
        ("OXEN_TIME_SCALE", "10"),
    ]);
    let called = |journal: &Journal| journal.count_all(Endpoint::Activate) == MODELS;
    world.hub.wait_for(DEADLINE, called).await.unwrap();
    let journal = world.hub.journal();
    let last_call = journal.entries.iter().rposition(Entry::is_post).unwrap();
    let before = &journal.entries[..last_call];
    let observations = before.iter().filter(|entry| entry.is_live()).count();
    // While the record of the last call is written, some polls may go out.
    assert!(observations <= MODELS + 16, "{observations} observations");
    for number in 0..MODELS {
        world.until_reason(&name(number), "Active").await;
        assert_eq!(world.calls(&name(number)), ["activate"]);
    }
}

/// An object whose turn doesn't come isn't shown as Ready because of what was seen long ago.
#[tokio::test]
async fn the_wait_of_an_object_that_is_not_admitted_counts_as_a_failed_observation() {
    // These are more than the objects of one Secret that are admitted at once.
    const MODELS: usize = 60;
    let world = World::new(hub(MODELS)).await;
    create(&world, MODELS, active).await;
    let _operator = world.operator_with(&[
        ("OXEN_SYNC_INTERVAL", "1h"),
        // Ready is kept for three seconds.
        ("OXEN_TIME_SCALE", "300"),
        ("OXEN_REQUEST_TIMEOUT", "25s"),
    ]);
    until_all(&world, MODELS, "Active").await;
    let fault = world.hub.inject(Fault::hang());
    for number in 0..MODELS {
        world.request_reconcile(&name(number), "1").await;
    }
    let all = MODELS - IN_FLIGHT..=MODELS;
    until(&world, "RateLimited", |objects| all.contains(&objects)).await;
    world.hub.clear_fault(fault);
    until_all(&world, MODELS, "Active").await;
}

/// An override is accepted although the reconcile of its object doesn't begin.
#[tokio::test]
async fn an_override_is_accepted_while_its_object_waits_for_its_slot() {
    const MODELS: usize = 60;
    let world = World::new(hub(MODELS)).await;
    create(
        &world,
        MODELS,
        |model| json!({"model": model, "state": "inactive"}),
    )
    .await;
    let _operator = world.operator_with(&[
        ("OXEN_SYNC_INTERVAL", "1h"),
        ("OXEN_REQUEST_TIMEOUT", "120s"),
    ]);
    until_all(&world, MODELS, "Inactive").await;
    world.hub.inject(Fault::hang());
    for number in 0..MODELS {
        world.request_reconcile(&name(number), "1").await;
    }
    let hanging = |journal: &Journal| {
        let entries = journal.entries.iter();
        let hanging = entries.filter(|entry| entry.outcome == Outcome::Pending);
        hanging.count() == IN_FLIGHT
    };
    world.hub.wait_for(DEADLINE, hanging).await.unwrap();
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(30);
    let requested = json!({"oxen.ai/override": format!("active until {end}")});
    for number in 0..MODELS {
        let annotations = json!({"metadata": {"annotations": requested}});
        world.patch(&name(number), annotations).await;
    }
    eventually("all but those in flight are accepted", || async {
        let objects = world.api().list(&ListParams::default()).await.unwrap();
        let accepted = objects.iter().filter(|object| {
            let status = object.status.as_ref();
            status.is_some_and(|status| status.override_in_force.is_some())
        });
        (accepted.count() >= MODELS - IN_FLIGHT).then_some(())
    })
    .await;
}

/// The hub answers no request of three keys, which have many more objects than requests in flight.
#[tokio::test]
async fn keys_whose_requests_hang_delay_no_call_of_another_key() {
    const KEYS: usize = 3;
    const SLOW: usize = 40 * KEYS;
    const QUICK: usize = 10;
    let world = World::new(hub(SLOW + QUICK)).await;
    for key in 0..KEYS {
        let name = format!("key-{key}");
        world.hub.add_key(hub::ACCOUNT, &name);
        world.secret(&name, "api-key", &name).await;
    }
    create(&world, SLOW + QUICK, |model| {
        let number: usize = model.trim_start_matches("bot-").parse().unwrap();
        let secret = if number < SLOW {
            format!("key-{}", number % KEYS)
        } else {
            "oxen-api-key".to_owned()
        };
        json!({"model": model, "state": "active", "apiKeySecretRef": {"name": secret}})
    })
    .await;
    let _operator = world.operator_with(&[
        ("OXEN_SYNC_INTERVAL", "1h"),
        ("OXEN_REQUEST_TIMEOUT", "120s"),
    ]);
    until_all(&world, SLOW + QUICK, "Active").await;
    for number in 0..SLOW {
        let name = name(number);
        world.hub.inject(Fault::hang().on_model(&name));
        world.request_reconcile(&name, "1").await;
    }
    let hanging = |journal: &Journal| {
        let entries = journal.entries.iter();
        let hanging = entries.filter(|entry| entry.outcome == Outcome::Pending);
        hanging.count() == KEYS * IN_FLIGHT
    };
    world.hub.wait_for(DEADLINE, hanging).await.unwrap();
    for number in SLOW..SLOW + QUICK {
        let name = name(number);
        let inactive = json!({"model": name, "state": "inactive"});
        world.edit(&name, inactive).await;
    }
    let called = |journal: &Journal| journal.count_all(Endpoint::Deactivate) == QUICK;
    world.hub.wait_for(DEADLINE, called).await.unwrap();
    assert!(hanging(&world.hub.journal()));
}
