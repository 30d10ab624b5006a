//! Events: every object has them, whatever its name and however often something occurs, and nothing
//! waits for them or for another namespace's requests.

use cluster::HeldAll;
use futures::{StreamExt, stream};
use hub::{Fault, Hub, Model};
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use serde_json::json;
use testkit::world::{World, condition, eventually};

use crate::gated::{Gated, spec};

/// The metric of the events that were not published.
const DROPPED: &str = "oxen_operator_events_dropped_total ";

/// The largest number of requests to the Kubernetes API at once in one namespace.
const AT_ONCE: usize = 16;

#[tokio::test]
async fn an_object_with_a_long_name_has_events() {
    let world = World::new(Hub::builder()).await;
    let _operator = world.operator();
    // An event's name is the object's with a suffix, and no longer than the longest of an object.
    // Parts of a name are separated by single dots and end with a letter or a digit.
    let names = [
        "n".repeat(245),
        "n".repeat(253),
        format!("{}z", "n.".repeat(126)),
        format!("{}z", "n--".repeat(84)),
    ];
    for name in &names {
        world.hub.add_model(Model::custom(name).status("inactive"));
        let spec = json!({"model": name, "state": "active"});
        world.create(name, spec).await;
    }
    for name in &names {
        world.until_reason(name, "Active").await;
        let events = world.until_last_event(name, "Active").await;
        assert_eq!(events, ["Activating", "Active"], "{name}");
    }
}

/// Waits until the object has an event with this reason, these words in its note, and this number
/// of occurrences.
async fn until_event(world: &World, reason: &str, words: &str, count: i32) {
    let described = format!("the event {reason} with {words:?}, {count} times");
    eventually(&described, || async {
        let events = world.event_objects("bot").await;
        let found = events.iter().find(|event| {
            let counted = event.series.as_ref().map_or(1, |series| series.count);
            let note = event.note.as_deref().unwrap_or_default();
            event.reason.as_deref() == Some(reason) && note.contains(words) && counted == count
        });
        found.map(|_| ())
    })
    .await;
}

/// Makes the hub refuse the object's observations with these words, until that is shown, and then
/// answers again.
async fn forbidden_for_a_while(world: &World, words: &str) {
    let fault = world.hub.inject(Fault::typed_error(403, "denied", words));
    world
        .until("bot", words, |object| {
            let synced = condition(object, "Synced").unwrap();
            synced.status == "False" && synced.message.contains(words)
        })
        .await;
    world.hub.clear_fault(fault);
    world.until_reason("bot", "Active").await;
}

#[tokio::test]
async fn a_repeated_event_has_its_present_words_and_comes_back_when_it_was_deleted() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    let _operator = world.operator();
    world.create("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;
    let (first, other) = ("not your model", "the key is for reading only");
    forbidden_for_a_while(&world, first).await;
    until_event(&world, "Forbidden", first, 1).await;
    forbidden_for_a_while(&world, other).await;
    until_event(&world, "Forbidden", other, 1).await;
    forbidden_for_a_while(&world, first).await;
    until_event(&world, "Forbidden", first, 2).await;
    until_event(&world, "Active", "as declared", 4).await;

    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let (params, all) = (DeleteParams::default(), ListParams::default());
    events.delete_collection(&params, &all).await.unwrap();
    eventually("the events are deleted", || async {
        world.events("bot").await.is_empty().then_some(())
    })
    .await;
    forbidden_for_a_while(&world, other).await;
    until_event(&world, "Forbidden", other, 1).await;
    until_event(&world, "Active", "as declared", 1).await;
    assert_eq!(world.events("bot").await, ["Forbidden", "Active"]);
}

#[tokio::test]
async fn nothing_waits_for_events() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    world.hub.add_model(Model::custom("other"));
    let operator = gated.operator();
    let mut held = gate.hold_all("POST", "/events");
    world.create("bot", spec("active")).await;
    held.arrived(1).await;
    let other = json!({"model": "other", "state": "active"});
    world.create("other", other).await;
    for (state, reason) in [("active", "Active"), ("inactive", "Inactive")] {
        for name in ["bot", "other"] {
            world.edit(name, json!({"state": state})).await;
        }
        for name in ["bot", "other"] {
            world.until_reason(name, reason).await;
        }
    }
    for name in ["bot", "other"] {
        world.delete(name).await;
        world.until_gone(name).await;
        assert_eq!(world.calls(name), ["activate", "deactivate"]);
    }
    // There were ten events, each of which is given up after three seconds. If anything had waited
    // for them, all but the last of each object would have been given up by now.
    let dropped = operator.metric(DROPPED).await;
    assert!(dropped < 8.0, "{dropped}");
    assert!(world.events("bot").await.is_empty());

    drop(held);
    for name in ["bot", "other"] {
        world.until_last_event(name, "Released").await;
    }
}

#[tokio::test]
async fn events_that_cannot_be_published_are_counted_and_the_next_ones_are_published() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let operator = gated.operator();
    gate.refuse("POST", "/events", cluster::StatusCode::FORBIDDEN);
    world.create("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;
    operator.until_metric(DROPPED, 2.0).await;
    // A debug line names each of them.
    eventually("all are counted", || async {
        let lines = operator
            .log()
            .matches("the event was not published")
            .count();
        (operator.metric(DROPPED).await == lines as f64).then_some(())
    })
    .await;
    assert!(world.events("bot").await.is_empty());

    gate.clear();
    gated.declare("inactive").await;
    let events = world.until_last_event("bot", "Inactive").await;
    assert_eq!(events, ["Deactivating", "Inactive"]);
}

#[tokio::test]
async fn a_namespace_that_takes_no_events_keeps_no_other_one_from_having_some() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let slow = World::new(Hub::builder()).await;
    let held = gate.hold_all("POST", &format!("namespaces/{}/events", slow.namespace));
    let slow = [slow];
    // An event is given up after ten seconds, so one after the other would take longer than this
    // story waits.
    let operator = gated.operator_of(&slow, &[("OXEN_TIME_SCALE", "1")]);
    let [slow] = &slow;
    for number in 0..20 {
        let name = format!("slow-{number}");
        world.hub.add_model(Model::custom(&name));
        slow.create(&name, json!({"model": name, "state": "inactive"}))
            .await;
        slow.until_reason(&name, "Inactive").await;
    }
    world.create("bot", spec("active")).await;
    world.until_last_event("bot", "Active").await;
    assert!(slow.events("slow-0").await.is_empty());
    drop(held);
    slow.until_last_event("slow-19", "Inactive").await;
    assert!(operator.metric(DROPPED).await < 20.0);
}

/// Creates more objects in a namespace than there are requests at once, and waits until as many
/// writes of their statuses are held.
async fn hold_writes(gated: &Gated, slow: &World) -> HeldAll {
    let part = format!("namespaces/{}/oxenmodels/", slow.namespace);
    let mut held = gated.gate.hold_all("PATCH", &part);
    stream::iter(0..2 * AT_ONCE)
        .for_each_concurrent(AT_ONCE, |number| async move {
            let name = format!("{}-{number}", slow.namespace);
            gated.world.hub.add_model(Model::custom(&name));
            let spec = json!({"model": name, "state": "active", "suspend": true});
            slow.create(&name, spec).await;
        })
        .await;
    held.arrived(AT_ONCE).await;
    held
}

/// Checks that a namespace is served while every write in this number of other ones is slow.
async fn served_beside_slow_namespaces(number: usize) {
    let gated = Gated::new().await;
    let world = &gated.world;
    let mut slow = Vec::new();
    for _ in 0..number {
        slow.push(World::new(Hub::builder()).await);
    }
    // A write is given up after ten seconds.
    let settings = [("OXEN_TIME_SCALE", "1"), ("OXEN_SYNC_INTERVAL", "1h")];
    let operator = gated.operator_of(&slow, &settings);
    let mut held = Vec::new();
    for other in &slow {
        held.push(hold_writes(&gated, other).await);
    }
    world.create("bot", spec("active")).await;
    world.until_called("bot", 1).await;
    // Two writes precede the call. If each had waited for those of the other namespaces, these
    // would have been given up twice.
    let failed = operator
        .metric("oxen_operator_reconcile_errors_total ")
        .await;
    assert!(failed <= (AT_ONCE * number) as f64, "{failed}");

    drop(held);
    for other in &slow {
        for number in 0..2 * AT_ONCE {
            let name = format!("{}-{number}", other.namespace);
            other.until_reason(&name, "WouldActivate").await;
        }
    }
}

#[tokio::test]
async fn a_namespace_with_slow_writes_delays_no_other_one() {
    served_beside_slow_namespaces(1).await;
}

#[tokio::test]
async fn three_namespaces_with_slow_writes_delay_no_other_one() {
    served_beside_slow_namespaces(3).await;
}
