//! Two replicas: one works. Whatever happens to it, the other makes no call before the calls of the
//! first can have ended, and waits for nothing where it has seen the first let go.
//!
//! Each replica has a hub's key of its own, so that the journal tells whose a request is.
#![allow(clippy::print_stdout)] // what was measured, for a person

use std::{
    ops::Deref,
    time::{Duration, Instant},
};

use cluster::{Cluster, Signal, StatusCode};
use hub::{Endpoint, Entry, Fault, Hub, Journal, Model};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::world::{DEADLINE, Operator, World, message, status, with_crd};

/// The Lease's durations, as long as a busy machine may take to renew it.
const QUICK: &[(&str, &str)] = &[
    ("OXEN_LEADER_ELECT", "true"),
    ("OXEN_LEASE", "4s"),
    ("OXEN_LEASE_RENEW", "3s"),
    ("OXEN_LEASE_RETRY", "200ms"),
    ("OXEN_LEASE_QUARANTINE_MARGIN", "200ms"),
    ("OXEN_REQUEST_TIMEOUT", "1s"),
    ("OXEN_CONNECT_TIMEOUT", "500ms"),
    ("OXEN_KUBE_TIMEOUT", "1s"),
    ("OXEN_OPERATOR_KEY_NAMESPACES", "*"),
];

/// A replica with this makes no call in a story, unless it has seen the last leader let go.
const WAITS_LONG: (&str, &str) = ("OXEN_LEASE_QUARANTINE_MARGIN", "1h");

const KEYS: [&str; 2] = ["key-of-the-first", "key-of-the-second"];

fn bot() -> Model {
    Model::custom("bot")
        .status("inactive")
        .late_effect(Duration::from_millis(300))
}

fn replica<C: Deref<Target = Cluster>>(
    world: &World<C>,
    key: &str,
    settings: &[(&str, &str)],
) -> Operator {
    world.hub.add_key(hub::ACCOUNT, key);
    let own = [
        ("OXEN_LEASE_NAMESPACE", world.namespace.as_str()),
        ("OXEN_API_KEY", key),
    ];
    let all: Vec<(&str, &str)> = [QUICK, &own, settings].concat();
    world.operator_with(&all)
}

/// A replica that leads and has activated the bot, as of the epoch that comes with it.
async fn at_work<C: Deref<Target = Cluster>>(
    world: &World<C>,
    settings: &[(&str, &str)],
) -> (Operator, i64) {
    let first = replica(world, KEYS[0], settings);
    let spec = json!({"model": "bot", "state": "active"});
    world.create("bot", spec).await;
    let epoch = epoch_of_call(world, 0).await;
    world.until_reason("bot", "Active").await;
    (first, epoch)
}

/// The epoch of the next call that is recorded, where an earlier one had that epoch.
async fn epoch_of_call<C: Deref<Target = Cluster>>(world: &World<C>, last: i64) -> i64 {
    let epoch = |object: &_| status(object).operation.map(|it| it.epoch);
    let called = world.until("bot", "called", |object| epoch(object) > Some(last));
    epoch(&called.await).unwrap()
}

async fn standby<C: Deref<Target = Cluster>>(
    world: &World<C>,
    settings: &[(&str, &str)],
) -> Operator {
    let second = replica(world, KEYS[1], settings);
    second.says("stands by").await;
    second
}

/// Whose the calls were, in order: 0 is who made the first request of all.
fn callers(journal: &Journal) -> Vec<usize> {
    let mut keys: Vec<&Option<String>> = Vec::new();
    for entry in &journal.entries {
        if !keys.contains(&&entry.key) {
            keys.push(&entry.key);
        }
    }
    let caller = |call: &&Entry| keys.iter().position(|key| *key == &call.key).unwrap();
    journal.posts().iter().map(caller).collect()
}

/// Waits for the call that corrects the drift, and sees that it stays the only one.
async fn corrected_by_the_second<C: Deref<Target = Cluster>>(world: &World<C>) {
    let called = |journal: &Journal| journal.posts().len() > 1;
    world.hub.wait_for(DEADLINE, called).await.unwrap();
    world.until_reason("bot", "Active").await;
    world.until_looked("bot", 3).await;
    assert_eq!(callers(&world.hub.journal()), [0, 1]);
}

fn leases<C: Deref<Target = Cluster>>(world: &World<C>) -> Api<Lease> {
    Api::namespaced(world.client.clone(), &world.namespace)
}

#[tokio::test]
async fn a_sigterm_with_nothing_in_flight_hands_over_without_a_wait() {
    let world = World::new(Hub::builder().model(bot())).await;
    let (mut first, epoch) = at_work(&world, &[]).await;
    let second = standby(&world, &[WAITS_LONG]).await;
    second.ready().await;
    assert_eq!(first.metric("oxen_operator_leader ").await, 1.0);
    assert_eq!(second.metric("oxen_operator_leader ").await, 0.0);
    world.until_looked("bot", 3).await;
    let keys = world.hub.journal().entries.into_iter().map(|it| it.key);
    let mut keys: Vec<_> = keys.collect();
    keys.dedup();
    assert_eq!(keys.len(), 1, "a standby asks the hub nothing");

    let told = Instant::now();
    first.signal(Signal::TERM);
    second.says("the last leader was seen to let go").await;
    println!("handed over in {:?}", told.elapsed());
    assert_eq!(first.ended().await, Some(0));
    world.hub.set_status("bot", "inactive").unwrap();
    assert!(epoch_of_call(&world, epoch).await > epoch);
    corrected_by_the_second(&world).await;
    second.ready().await;
    assert_eq!(second.metric("oxen_operator_leader ").await, 1.0);
}

#[tokio::test]
async fn a_leader_that_stops_with_a_call_in_flight_does_not_let_go() {
    let world = World::new(Hub::builder().model(bot())).await;
    let (mut first, _) = at_work(&world, &[("OXEN_DRAIN", "100ms")]).await;
    let second = standby(&world, &[]).await;
    world.hub.inject(Fault::hang().on(Endpoint::Deactivate));
    world
        .edit("bot", json!({"model": "bot", "state": "inactive"}))
        .await;
    let called = |journal: &Journal| journal.posts().len() > 1;
    world.hub.wait_for(DEADLINE, called).await.unwrap();
    first.signal(Signal::TERM);
    assert_eq!(first.ended().await, Some(0));
    second.says("the last leader was not seen to let go").await;
}

#[tokio::test]
async fn a_dead_leader_is_followed_once_its_lease_and_its_calls_have_ended() {
    let world = World::new(Hub::builder().model(bot())).await;
    let (first, epoch) = at_work(&world, &[]).await;
    let second = standby(&world, &[]).await;
    let killed = Instant::now();
    first.kill();
    world.hub.set_status("bot", "inactive").unwrap();
    second.says("the last leader was not seen to let go").await;
    assert!(epoch_of_call(&world, epoch).await > epoch);
    // Twice the Lease and the margin, but for the age of the last renewal.
    let waited = killed.elapsed();
    assert!(waited > Duration::from_secs(7), "{waited:?}");
    corrected_by_the_second(&world).await;
}

#[tokio::test]
async fn a_leader_that_froze_between_record_and_call_does_not_call_when_it_goes_on() {
    let others = ["one", "other"];
    let models = others.map(|name| Model::custom(name).status("active"));
    let hub = models.into_iter().fold(Hub::builder(), hub::Builder::model);
    let world = World::new(hub.model(bot())).await;
    let long = [
        ("OXEN_LEASE", "6s"),
        ("OXEN_LEASE_RENEW", "5s"),
        ("OXEN_REQUEST_TIMEOUT", "3s"),
    ];
    // The call waits, recorded, for the one turn that slow looks at the others keep taken, and
    // nothing but the Lease tells it later that it is too late.
    let slow = [
        ("OXEN_IN_FLIGHT", "1"),
        ("OXEN_SYNC_INTERVAL", "50ms"),
        ("OXEN_FRESHNESS", "1h"),
    ];
    let (mut first, epoch) = at_work(&world, &[long, slow].concat()).await;
    let second = standby(&world, &long).await;
    for name in others {
        let spec = json!({"model": name, "state": "active"});
        world.create(name, spec).await;
        world.until_reason(name, "Active").await;
    }
    let latency = Fault::latency(Duration::from_millis(2500)).on(Endpoint::Retrieve);
    for name in others {
        world.hub.inject(latency.clone().on_model(name));
        world.until_looked(name, 1).await;
    }
    let recorded = |object: &_| status(object).operation.is_some();
    world.hub.set_status("bot", "inactive").unwrap();
    world.until("bot", "recorded", recorded).await;
    first.signal(Signal::STOP);
    assert_eq!(world.calls("bot").len(), 1, "it froze too late");
    world.hub.clear_faults();

    second.says("the last leader was not seen to let go").await;
    first.signal(Signal::CONT);
    assert_eq!(first.ended().await, Some(1));
    let log = first.log();
    assert!(log.contains("leadership is lost"), "{log}");
    assert!(epoch_of_call(&world, epoch).await > epoch);
    corrected_by_the_second(&world).await;
}

#[tokio::test]
async fn a_leader_that_is_cut_off_stops_working_and_goes_on_where_nobody_has_followed() {
    let world = World::on(Box::new(with_crd().await), Hub::builder().model(bot())).await;
    let (first, _) = at_work(&world, &[]).await;
    world.cluster.pause_apiserver().unwrap();
    world.hub.set_status("bot", "inactive").unwrap();
    first.says("no passes until it is").await;
    // What had begun before has ended by then.
    sleep(Duration::from_millis(2500)).await;
    let requests = world.hub.journal().entries.len();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.hub.journal().entries.len(), requests);
    assert_eq!(world.calls("bot"), ["activate"]);

    world.cluster.resume_apiserver().unwrap();
    first.says("leads again").await;
    let called = |journal: &Journal| journal.posts().len() > 1;
    world.hub.wait_for(DEADLINE, called).await.unwrap();
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate", "activate"]);
}

#[tokio::test]
async fn a_leader_that_alone_is_cut_off_makes_no_call_beside_its_successor() {
    let world = World::new(Hub::builder().model(bot())).await;
    let gate = world.cluster.gate().await.unwrap();
    let kubeconfig = ("KUBECONFIG", gate.kubeconfig().to_str().unwrap());
    let (first, epoch) = at_work(&world, &[kubeconfig]).await;
    let second = standby(&world, &[]).await;
    for method in ["GET", "PUT", "PATCH", "POST"] {
        gate.refuse(method, "", StatusCode::SERVICE_UNAVAILABLE);
    }
    gate.mute_streams();
    world.hub.set_status("bot", "inactive").unwrap();
    first.says("no passes until it is").await;
    second.says("the last leader was not seen to let go").await;
    assert!(epoch_of_call(&world, epoch).await > epoch);
    corrected_by_the_second(&world).await;
    // It hears of it, and ends.
    let mut first = first;
    gate.clear();
    assert_eq!(first.ended().await, Some(1));
}

#[tokio::test]
async fn a_renewal_whose_answer_is_lost_costs_nothing() {
    let world = World::new(Hub::builder().model(bot())).await;
    let gate = world.cluster.gate().await.unwrap();
    let kubeconfig = ("KUBECONFIG", gate.kubeconfig().to_str().unwrap());
    let (first, epoch) = at_work(&world, &[kubeconfig]).await;
    let mut lost = gate.hold_answer("PUT", "/leases/");
    lost.arrived().await;
    first.says("the Lease can't be written").await;
    drop(lost);
    world.hub.set_status("bot", "inactive").unwrap();
    assert_eq!(epoch_of_call(&world, epoch - 1).await, epoch);
    let called = |journal: &Journal| journal.posts().len() > 1;
    world.hub.wait_for(DEADLINE, called).await.unwrap();
    world.until_reason("bot", "Active").await;
    assert!(
        !first.log().contains("leadership is lost"),
        "{}",
        first.log()
    );
}

/// The first ends, and the second looks but makes no call, and says so.
async fn meddled_with(how: impl AsyncFnOnce(&Api<Lease>)) {
    let world = World::new(Hub::builder().model(bot())).await;
    let (mut first, _) = at_work(&world, &[]).await;
    let second = standby(&world, &[WAITS_LONG]).await;
    how(&leases(&world)).await;
    assert_eq!(first.ended().await, Some(1));
    second.says("the last leader was not seen to let go").await;
    world.hub.set_status("bot", "inactive").unwrap();
    world
        .until("bot", "seen and left alone", |object| {
            message(object).contains("activate is due and was not called")
        })
        .await;
    assert_eq!(status(&world.get("bot").await).operation, None);
    assert_eq!(world.calls("bot"), ["activate"]);
}

async fn edited(leases: &Api<Lease>, spec: Value) {
    let patch = Patch::Merge(json!({ "spec": spec }));
    let params = PatchParams::default();
    let edited = leases.patch("oxen-operator", &params, &patch).await;
    edited.unwrap();
}

#[tokio::test]
async fn a_lease_that_is_deleted_ends_its_leader_and_is_no_reason_to_hurry() {
    meddled_with(async |leases| {
        let params = DeleteParams::default();
        leases.delete("oxen-operator", &params).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_is_emptied_by_hand_ends_its_leader_and_is_no_reason_to_hurry() {
    meddled_with(async |leases| edited(leases, json!({"holderIdentity": null})).await).await;
}

#[tokio::test]
async fn a_lease_that_is_given_to_a_stranger_ends_its_leader_and_runs_out() {
    meddled_with(async |leases| edited(leases, json!({"holderIdentity": "stranger"})).await).await;
}

#[tokio::test]
async fn what_people_put_on_the_lease_stays_and_costs_nothing() {
    let world = World::new(Hub::builder().model(bot())).await;
    let (first, _) = at_work(&world, &[]).await;
    let leases = leases(&world);
    let before = leases.get("oxen-operator").await.unwrap().spec.unwrap();
    let patch = Patch::Merge(json!({"metadata": {"labels": {"team": "models"}}}));
    let params = PatchParams::default();
    let labelled = leases.patch("oxen-operator", &params, &patch).await;
    labelled.unwrap();
    world.hub.set_status("bot", "inactive").unwrap();
    let called = |journal: &Journal| journal.posts().len() > 1;
    world.hub.wait_for(DEADLINE, called).await.unwrap();
    let lease = leases.get("oxen-operator").await.unwrap();
    let after = lease.spec.unwrap();
    assert!(before.renew_time < after.renew_time);
    assert_eq!(
        (
            &before.holder_identity,
            before.lease_transitions,
            &before.acquire_time
        ),
        (
            &after.holder_identity,
            after.lease_transitions,
            &after.acquire_time
        )
    );
    assert_eq!(lease.metadata.labels.unwrap()["team"], "models");
    assert!(!first.log().contains("leadership is lost"));
}

#[tokio::test]
async fn the_only_replica_needs_no_lease() {
    let world = World::new(Hub::builder().model(bot())).await;
    let own = ("OXEN_LEASE_NAMESPACE", world.namespace.as_str());
    let operator = world.operator_with(&[("OXEN_LEADER_ELECT", "false"), own]);
    let spec = json!({"model": "bot", "state": "active"});
    world.create("bot", spec).await;
    world.until_reason("bot", "Active").await;
    assert_eq!(operator.metric("oxen_operator_leader ").await, 1.0);
    let leases = leases(&world).list(&Default::default()).await.unwrap();
    assert!(leases.items.is_empty());
}
