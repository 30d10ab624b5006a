//! Two replicas, of which one works. Whatever happens to it, the other one makes no call before the
//! calls of the first can have ended, and doesn't wait where it has observed the release or the
//! expiry of the Lease.
//!
//! Each replica has its own key of the hub, so that the journal shows who sent a request.
#![allow(clippy::print_stdout)] // a measurement, for people

use std::{
    ops::Deref,
    time::{Duration, Instant},
};

use cluster::{Cluster, Signal, StatusCode};
use futures::future::join_all;
use hub::{Endpoint, Entry, Fault, Hub, Journal, Model};
use k8s_openapi::api::{coordination::v1::Lease, events::v1::Event};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use testkit::world::{
    DEADLINE, Operator, SHORT_LEASE, World, eventually, message, status, with_crd,
};
use tokio::time::sleep;

/// With these settings, a Lease is renewed after 0.2 seconds, has a renew deadline of seven seconds
/// and lasts eight. A shorter one would be lost on a busy machine.
const SETTINGS: &[(&str, &str)] = &[
    ("OXEN_LEADER_ELECT", "true"),
    ("OXEN_TIME_SCALE", "20"),
    SHORT_LEASE,
    ("OXEN_OPERATOR_KEY_NAMESPACES", "*"),
];

/// With this setting, a replica that observed neither a release nor an expiry makes no call for 25
/// seconds, which is longer than a test needs to check that.
const LONG_TAKEOVER: (&str, &str) = ("OXEN_TIME_SCALE", "1");

const KEYS: [&str; 2] = ["key-of-the-first", "key-of-the-second"];

/// What the account begins with that a replica's key belongs to before any other.
const REPLICA: &str = "replica-";

/// What a new leader logs where it makes calls at once.
const RELEASED: &str = "leading: the last leader released the Lease";

/// What a new leader logs where it makes calls at once, because the Lease expired.
const EXPIRED: &str = "leading: the Lease of the last leader expired";

/// What a new leader logs where it has to wait for the calls of the last one.
const UNOBSERVED: &str = "leading, but making no call for";

/// What a call message says during that wait.
const WAITING: &str = "became the leader without observing that its predecessor released the Lease";

/// What a leader logs when its authority has ended.
const LAPSED: &str = "no reconciles until it is";

/// What a leader logs when it ends because it no longer leads.
const LOST: &str = "lost leadership";

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
    let number = KEYS.iter().position(|known| *known == key).unwrap();
    let accounts = [format!("{REPLICA}{number}"), hub::ACCOUNT.to_owned()];
    world.hub.add_key_of(accounts, key);
    let own = [
        ("POD_NAMESPACE", world.namespace.as_str()),
        ("OXEN_API_KEY", key),
    ];
    let all: Vec<(&str, &str)> = [SETTINGS, &own, settings].concat();
    world.operator_with(&all)
}

/// Starts the first replica, which leads and has activated the bot.
async fn leader<C: Deref<Target = Cluster>>(
    world: &World<C>,
    settings: &[(&str, &str)],
) -> Operator {
    let first = replica(world, KEYS[0], settings);
    let spec = json!({"model": "bot", "state": "active"});
    world.create("bot", spec).await;
    world.until_reason("bot", "Active").await;
    assert_eq!(callers(&world.hub.journal()), [0]);
    first
}

async fn standby<C: Deref<Target = Cluster>>(
    world: &World<C>,
    settings: &[(&str, &str)],
) -> Operator {
    let second = replica(world, KEYS[1], settings);
    second.until_logged("standby: another replica leads").await;
    second
}

/// Waits until the leader has renewed its Lease once more.
async fn until_renewed<C: Deref<Target = Cluster>>(world: &World<C>) {
    let renewed = async || {
        let lease = leases(world).get("oxen-operator").await.unwrap();
        lease.spec.unwrap().renew_time
    };
    let before = renewed().await;
    eventually("the Lease is renewed", || async {
        (renewed().await > before).then_some(())
    })
    .await;
}

/// Returns which replica sent a request, by its key's account.
fn sender(entry: &Entry) -> usize {
    let account = entry.account.as_deref().unwrap_or_default();
    let sender = account.strip_prefix(REPLICA);
    let sender = sender.and_then(|number| number.parse().ok());
    sender.unwrap_or_else(|| panic!("a request with the key of no replica: {entry}"))
}

/// Returns which replica made each call, in order.
fn callers(journal: &Journal) -> Vec<usize> {
    journal.posts().into_iter().map(sender).collect()
}

/// Waits for the call that corrects the drift, and checks that it is the only one and the second
/// replica's.
async fn corrected_by_the_second<C: Deref<Target = Cluster>>(world: &World<C>) {
    world.until_called("bot", 2).await;
    world.until_reason("bot", "Active").await;
    world.until_observed("bot", 3).await;
    assert_eq!(callers(&world.hub.journal()), [0, 1]);
}

/// Waits until a replica leads, and checks that it has observed the expiry of the Lease.
async fn until_leading_after_expiry(replica: &Operator) {
    replica.until_metric("oxen_operator_leader ", 1.0).await;
    let log = replica.log();
    assert!(!log.contains(RELEASED), "{log}");
    // A replica whose acquisition got no response in time leads after a renewal, and waits.
    let lost = log.contains("the Lease can't be written") && log.contains(UNOBSERVED);
    assert!(log.contains(EXPIRED) || lost, "{log}");
}

/// Waits until an object's call is due and was not sent, because the leader waits.
async fn until_call_waits<C: Deref<Target = Cluster>>(world: &World<C>, kind: &str) {
    let due = format!("The {kind} call is due and was not sent");
    let waits = |object: &_| {
        let message = message(object);
        message.contains(&due) && message.contains(WAITING)
    };
    let waiting = world.until("bot", "observed and not called", waits).await;
    assert_eq!(status(&waiting).operation, None);
}

/// Waits until the log and an event say that the hub accepted a call.
async fn until_call_is_reported<C: Deref<Target = Cluster>>(
    world: &World<C>,
    replica: &Operator,
    kind: &str,
) {
    let words = format!("The hub accepted the {kind} call");
    replica.until_logged(&words).await;
    let api: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    eventually("the event of the call", || async {
        let events = api.list(&ListParams::default()).await.unwrap();
        let mut notes = events.items.iter().filter_map(|event| event.note.as_ref());
        notes.any(|note| note.contains(&words)).then_some(())
    })
    .await;
}

fn leases<C: Deref<Target = Cluster>>(world: &World<C>) -> Api<Lease> {
    Api::namespaced(world.client.clone(), &world.namespace)
}

#[tokio::test]
async fn a_sigterm_with_nothing_in_flight_hands_over_without_a_wait() {
    let world = World::new(Hub::builder().model(bot())).await;
    let mut first = leader(&world, &[]).await;
    let second = standby(&world, &[LONG_TAKEOVER]).await;
    second.ready().await;
    assert_eq!(first.metric("oxen_operator_leader ").await, 1.0);
    assert_eq!(second.metric("oxen_operator_leader ").await, 0.0);
    world.until_observed("bot", 3).await;
    let journal = world.hub.journal();
    let first_sent = |entry: &Entry| sender(entry) == 0;
    assert!(
        journal.entries.iter().all(first_sent),
        "a standby sends the hub no requests: {journal:#?}"
    );

    let signalled = Instant::now();
    first.signal(Signal::TERM);
    second.until_logged(RELEASED).await;
    println!("handed over in {:?}", signalled.elapsed());
    assert_eq!(first.exit_code().await, Some(0));
    world.hub.set_status("bot", "inactive").unwrap();
    corrected_by_the_second(&world).await;
    second.ready().await;
    assert_eq!(second.metric("oxen_operator_leader ").await, 1.0);
}

#[tokio::test]
async fn a_leader_that_shuts_down_with_a_call_in_flight_does_not_release() {
    let world = World::new(Hub::builder().model(bot())).await;
    // The call takes longer than the three seconds of the shutdown.
    let mut first = leader(&world, &[("OXEN_REQUEST_TIMEOUT", "10s")]).await;
    let second = standby(&world, &[]).await;
    world.hub.inject(Fault::hang().on(Endpoint::Deactivate));
    world
        .edit("bot", json!({"model": "bot", "state": "inactive"}))
        .await;
    world.until_called("bot", 2).await;
    first.signal(Signal::TERM);
    assert_eq!(first.exit_code().await, Some(0));
    until_leading_after_expiry(&second).await;
}

#[tokio::test]
async fn a_dead_leader_is_succeeded_as_soon_as_its_lease_has_expired() {
    let world = World::new(Hub::builder().model(bot())).await;
    let first = leader(&world, &[]).await;
    let second = standby(&world, &[]).await;
    until_renewed(&world).await;
    let killed = Instant::now();
    first.kill();
    world.hub.set_status("bot", "inactive").unwrap();
    until_leading_after_expiry(&second).await;
    world.until_called("bot", 2).await;
    // The lease duration, less the age of the last renewal.
    let waited = killed.elapsed();
    assert!(waited > Duration::from_secs(5), "{waited:?}");
    corrected_by_the_second(&world).await;
}

#[tokio::test]
async fn a_replica_that_starts_after_a_crash_leads_as_soon_as_the_lease_has_expired() {
    let world = World::new(Hub::builder().model(bot())).await;
    leader(&world, &[]).await.kill();
    world.hub.set_status("bot", "inactive").unwrap();
    let started = Instant::now();
    let second = standby(&world, &[]).await;
    until_leading_after_expiry(&second).await;
    world.until_called("bot", 2).await;
    let waited = started.elapsed();
    assert!(waited > Duration::from_secs(8), "{waited:?}");
    corrected_by_the_second(&world).await;
}

#[tokio::test]
async fn a_first_leader_waits_and_reports_the_call_when_it_goes_out() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    let first = replica(&world, KEYS[0], &[LONG_TAKEOVER]);
    first.until_logged(UNOBSERVED).await;
    let leading = Instant::now();
    let spec = json!({"model": "bot", "state": "inactive"});
    world.create("bot", spec).await;
    until_call_waits(&world, "deactivate").await;
    assert_eq!(world.calls("bot"), [""; 0]);
    world.until_called("bot", 1).await;
    let waited = leading.elapsed();
    assert!(waited > Duration::from_secs(15), "{waited:?}");
    until_call_is_reported(&world, &first, "deactivate").await;
    world.until_reason("bot", "Inactive").await;
    assert_eq!(world.calls("bot"), ["deactivate"]);
}

#[tokio::test]
async fn a_leader_that_is_frozen_before_its_call_does_not_make_it_later() {
    // As many other objects as the operator sends requests at once, and some more.
    let others: Vec<String> = (0..20).map(|number| format!("other-{number}")).collect();
    let models = others
        .iter()
        .map(|name| Model::custom(name).status("active"));
    let hub = models.fold(Hub::builder(), hub::Builder::model);
    let world = World::new(hub.model(bot())).await;
    // Settled objects are observed on request only, and a request may hang for 30 seconds.
    let slow = [
        ("OXEN_SYNC_INTERVAL", "1h"),
        ("OXEN_REQUEST_TIMEOUT", "30s"),
    ];
    let mut first = leader(&world, &slow).await;
    let second = standby(&world, &[]).await;
    for name in &others {
        let spec = json!({"model": name, "state": "active", "suspend": true});
        world.create(name, spec).await;
        world.until_reason(name, "Active").await;
    }

    // While the bot is observed, requests that hang take all other permits. The call is recorded
    // then, and waits for one of them.
    for name in &others {
        world.hub.inject(Fault::hang().on_model(name));
    }
    let latency = Fault::latency(Duration::from_secs(12)).on_model("bot");
    world.hub.inject(latency.times(1));
    world.hub.set_status("bot", "inactive").unwrap();
    world.hub.clear_journal();
    world.request_reconcile("bot", "1").await;
    let arrived = |journal: &Journal| !journal.entries.is_empty();
    world.hub.wait_for(DEADLINE, arrived).await.unwrap();
    let requests = others.iter().map(|name| world.request_reconcile(name, "1"));
    join_all(requests).await;
    let recorded = |object: &_| status(object).operation.is_some();
    world.until("bot", "recorded", recorded).await;
    first.signal(Signal::STOP);
    assert_eq!(world.calls("bot"), [""; 0], "it was frozen too late");
    world.hub.clear_faults();

    until_leading_after_expiry(&second).await;
    first.signal(Signal::CONT);
    assert_eq!(first.exit_code().await, Some(1));
    assert!(first.log().contains(LOST), "{}", first.log());
    world.until_reason("bot", "Active").await;
    world.until_observed("bot", 3).await;
    assert_eq!(callers(&world.hub.journal()), [1]);
}

#[tokio::test]
async fn a_leader_that_is_cut_off_stops_and_continues_without_a_successor() {
    let world = World::on(Box::new(with_crd().await), Hub::builder().model(bot())).await;
    let first = leader(&world, &[]).await;
    world.cluster.pause_apiserver().unwrap();
    world.hub.set_status("bot", "inactive").unwrap();
    first.until_logged(LAPSED).await;
    // What began before ends in time, and nothing follows it in four sync intervals.
    let requests = || world.hub.journal().entries.len();
    eventually("the hub gets no requests", || async {
        let before = requests();
        sleep(Duration::from_secs(2)).await;
        (requests() == before).then_some(())
    })
    .await;
    assert_eq!(world.calls("bot"), ["activate"]);

    world.cluster.resume_apiserver().unwrap();
    first.until_logged("leading again").await;
    world.until_called("bot", 2).await;
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate", "activate"]);
}

#[tokio::test]
async fn a_leader_that_is_cut_off_alone_makes_no_call_beside_its_successor() {
    let world = World::new(Hub::builder().model(bot())).await;
    let gate = world.cluster.gate().await.unwrap();
    let kubeconfig = ("KUBECONFIG", gate.kubeconfig().to_str().unwrap());
    let mut first = leader(&world, &[kubeconfig]).await;
    let second = standby(&world, &[]).await;
    for method in ["GET", "PUT", "PATCH", "POST"] {
        gate.refuse(method, "", StatusCode::SERVICE_UNAVAILABLE);
    }
    gate.mute_streams();
    world.hub.set_status("bot", "inactive").unwrap();
    first.until_logged(LAPSED).await;
    until_leading_after_expiry(&second).await;
    corrected_by_the_second(&world).await;
    // It reads the Lease of its successor, and ends.
    gate.clear();
    assert_eq!(first.exit_code().await, Some(1));
}

#[tokio::test]
async fn a_renewal_whose_answer_is_lost_does_not_cost_the_lease() {
    let world = World::new(Hub::builder().model(bot())).await;
    let gate = world.cluster.gate().await.unwrap();
    let kubeconfig = ("KUBECONFIG", gate.kubeconfig().to_str().unwrap());
    let first = leader(&world, &[kubeconfig]).await;
    let mut lost = gate.hold_answer("PUT", "/leases/");
    lost.arrived().await;
    first.until_logged("the Lease can't be written").await;
    drop(lost);
    world.hub.set_status("bot", "inactive").unwrap();
    world.until_called("bot", 2).await;
    world.until_reason("bot", "Active").await;
    assert_eq!(callers(&world.hub.journal()), [0, 0]);
    assert!(!first.log().contains(LOST), "{}", first.log());
}

/// Checks that the first replica ends after a change of the Lease, and that the second one observes
/// the model but makes no call before the wait has ended, and reports both.
async fn changed_by_hand(change: impl AsyncFnOnce(&Api<Lease>)) {
    let world = World::new(Hub::builder().model(bot())).await;
    let mut first = leader(&world, &[]).await;
    let second = standby(&world, &[LONG_TAKEOVER]).await;
    change(&leases(&world)).await;
    assert_eq!(first.exit_code().await, Some(1));
    second.until_metric("oxen_operator_leader ", 1.0).await;
    assert!(second.log().contains(UNOBSERVED), "{}", second.log());
    world.hub.set_status("bot", "inactive").unwrap();
    until_call_waits(&world, "activate").await;
    assert_eq!(world.calls("bot"), ["activate"]);
    until_call_is_reported(&world, &second, "activate").await;
    corrected_by_the_second(&world).await;
}

async fn edit(leases: &Api<Lease>, spec: Value) {
    let patch = Patch::Merge(json!({ "spec": spec }));
    let params = PatchParams::default();
    let edited = leases.patch("oxen-operator", &params, &patch).await;
    edited.unwrap();
}

#[tokio::test]
async fn a_lease_that_is_deleted_ends_its_leader_and_the_next_one_waits() {
    changed_by_hand(async |leases| {
        let params = DeleteParams::default();
        leases.delete("oxen-operator", &params).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_is_emptied_ends_its_leader_and_the_next_one_waits() {
    changed_by_hand(async |leases| edit(leases, json!({"holderIdentity": null})).await).await;
}

#[tokio::test]
async fn a_lease_that_is_given_to_a_stranger_ends_its_leader_and_expires() {
    let world = World::new(Hub::builder().model(bot())).await;
    let mut first = leader(&world, &[]).await;
    let second = standby(&world, &[]).await;
    edit(&leases(&world), json!({"holderIdentity": "stranger"})).await;
    assert_eq!(first.exit_code().await, Some(1));
    world.hub.set_status("bot", "inactive").unwrap();
    until_leading_after_expiry(&second).await;
    corrected_by_the_second(&world).await;
}

#[tokio::test]
async fn labels_on_the_lease_are_kept_and_do_not_cost_the_lease() {
    let world = World::new(Hub::builder().model(bot())).await;
    let first = leader(&world, &[]).await;
    let leases = leases(&world);
    let before = leases.get("oxen-operator").await.unwrap().spec.unwrap();
    let patch = Patch::Merge(json!({"metadata": {"labels": {"team": "models"}}}));
    let params = PatchParams::default();
    let labelled = leases.patch("oxen-operator", &params, &patch).await;
    labelled.unwrap();
    until_renewed(&world).await;
    world.hub.set_status("bot", "inactive").unwrap();
    world.until_called("bot", 2).await;
    let lease = leases.get("oxen-operator").await.unwrap();
    let after = lease.spec.unwrap();
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
    assert!(!first.log().contains(LOST), "{}", first.log());
}

#[tokio::test]
async fn a_single_replica_needs_no_lease() {
    let world = World::new(Hub::builder().model(bot())).await;
    let own = ("POD_NAMESPACE", world.namespace.as_str());
    let operator = world.operator_with(&[("OXEN_LEADER_ELECT", "false"), own]);
    let spec = json!({"model": "bot", "state": "active"});
    world.create("bot", spec).await;
    world.until_reason("bot", "Active").await;
    assert_eq!(operator.metric("oxen_operator_leader ").await, 1.0);
    let leases = leases(&world).list(&ListParams::default()).await.unwrap();
    assert!(leases.items.is_empty());
}

#[tokio::test]
async fn outside_a_pod_the_lease_is_in_the_namespace_of_the_kubeconfig() {
    let world = World::new(Hub::builder()).await;
    // No other test of this control plane has its Lease in the namespace `default`.
    let operator = world.operator_with(&[("OXEN_LEADER_ELECT", "true"), ("POD_NAMESPACE", "")]);
    operator.until_metric("oxen_operator_leader ", 1.0).await;
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), "default");
    let lease = leases.get("oxen-operator").await.unwrap();
    assert!(lease.spec.unwrap().holder_identity.is_some());
}
