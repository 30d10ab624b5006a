//! Faults between the operator and the API server: no call goes out that isn't recorded, and the
//! operator recovers when the fault ends.

use std::{future::Future, time::Duration};

use cluster::StatusCode;
use hub::{Endpoint, Model};
use serde_json::json;
use testkit::world::{DEADLINE, eventually, status};
use tokio::time::timeout;

use crate::gated::{Gated, STATUS, spec};

/// Checks that nothing is called while the writes of a status are refused with this code.
async fn without_a_status(code: StatusCode) {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    gate.refuse(STATUS.0, STATUS.1, code);
    let operator = gated.operator();
    world.create("bot", spec("active")).await;
    world.until_observed("bot", 4).await;
    let errors = "oxen_operator_reconcile_errors_total";
    assert!(operator.metric(errors).await >= 3.0);
    assert_eq!(world.calls("bot"), [""; 0]);
    assert_eq!(status(&world.get("bot").await).observed_generation, -1);

    gate.clear();
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_status_write_that_is_forbidden_prevents_every_call() {
    without_a_status(StatusCode::FORBIDDEN).await;
}

#[tokio::test]
async fn a_status_write_that_always_conflicts_prevents_every_call() {
    without_a_status(StatusCode::CONFLICT).await;
}

#[tokio::test]
async fn a_status_write_that_always_fails_prevents_every_call() {
    without_a_status(StatusCode::INTERNAL_SERVER_ERROR).await;
}

#[tokio::test]
async fn a_status_write_that_is_invalid_prevents_every_call() {
    without_a_status(StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn a_record_whose_answer_is_lost_leads_to_no_call() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let _operator = gated.operator();
    gated.settle().await;

    // The record is written, and the operator's request times out.
    let mut held = gate.hold_answer(STATUS.0, STATUS.1);
    gated.declare("active").await;
    held.arrived().await;
    let recorded = world.get("bot").await;
    let lost = status(&recorded).operation.unwrap().id;
    let active = world.until_reason("bot", "Active").await;
    drop(held);
    // The recorded operation is closed without an effect, and another one activates the model.
    let calls = world.hub.journal();
    let calls: Vec<_> = calls.posts_for("bot").into_iter().cloned().collect();
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert_ne!(calls[0].request_id.as_ref(), Some(&lost));
    assert_eq!(status(&active).operation, None);
}

impl Gated {
    /// Deletes the object without its finalizer, and creates another one of the same name.
    async fn replace(&self, state: &str) {
        let world = &self.world;
        world.delete("bot").await;
        world
            .patch("bot", json!({"metadata": {"finalizers": null}}))
            .await;
        world.until_gone("bot").await;
        world.create("bot", spec(state)).await;
    }
}

#[tokio::test]
async fn an_object_that_is_replaced_before_the_record_gets_no_call() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let _operator = gated.operator();
    gated.settle().await;

    let mut held = gate.hold(STATUS.0, STATUS.1);
    gated.declare("active").await;
    held.arrived().await;
    gated.replace("inactive").await;
    drop(held);
    let new = world.until_reason("bot", "Inactive").await;
    world.until_observed("bot", 4).await;
    assert_eq!(world.calls("bot"), [""; 0]);
    assert_eq!(status(&new).operation, None);
}

/// Checks that no call goes out when something happens to the object after the record is written,
/// and the operator's watch reports that before it has the response to the write.
async fn overtaken_by(happens: impl AsyncFnOnce(&Gated)) -> Gated {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    // The write may take ten seconds, and the observation may be 18 seconds old.
    let operator = gated.operator_with(&[("OXEN_TIME_SCALE", "1")]);
    gated.settle().await;

    let mut held = gate.hold_answer(STATUS.0, STATUS.1);
    gated.declare("active").await;
    held.arrived().await;
    happens(&gated).await;
    // Events arrive in order, and an object has metrics once its event has arrived.
    let suspended = json!({"model": "other", "state": "active", "suspend": true});
    world.create("other", suspended).await;
    eventually("the event has arrived", || async {
        let metrics = operator.metrics().await;
        metrics.contains(r#"name="other""#).then_some(())
    })
    .await;
    drop(held);
    // A call would be sent before these requests.
    world.until_observed("other", 6).await;
    assert!(world.hub.journal().posts().is_empty());
    // A machine that is too slow lets the write time out, and then the call isn't even considered.
    let not_sent = r#"oxen_operator_calls_total{kind="activate",answer="not_sent"}"#;
    let (considered, log) = (operator.metric(not_sent).await >= 1.0, operator.log());
    assert!(considered || log.contains("timed out"), "{log}");
    gated
}

#[tokio::test]
async fn an_object_that_is_replaced_after_the_record_gets_no_call() {
    let gated = overtaken_by(async |gated: &Gated| gated.replace("inactive").await).await;
    let new = gated.world.until_reason("bot", "Inactive").await;
    assert_eq!(status(&new).operation, None);
}

#[tokio::test]
async fn an_object_that_is_suspended_after_the_record_gets_no_call() {
    overtaken_by(async |gated: &Gated| {
        let suspend = json!({"model": "bot", "state": "active", "suspend": true});
        gated.world.edit("bot", suspend).await;
    })
    .await;
}

#[tokio::test]
async fn an_object_that_is_deleted_after_the_record_gets_no_call() {
    overtaken_by(async |gated: &Gated| {
        let free = json!({"metadata": {"finalizers": null}});
        gated.world.patch("bot", free).await;
        gated.world.delete("bot").await;
    })
    .await;
}

/// Waits for the end of an operation that was never sent, and checks that it comes long before the
/// two minutes for which an operation without an effect is waited for.
async fn ends_at_once(gated: &Gated, end: impl Future<Output = ()>) {
    timeout(Duration::from_secs(60), end).await.unwrap();
    assert_eq!(gated.world.calls("bot"), [""; 0]);
}

#[tokio::test]
async fn an_object_that_is_edited_after_the_record_waits_for_no_call() {
    let gated = overtaken_by(async |gated: &Gated| gated.declare("inactive").await).await;
    let ended = async {
        let object = gated.world.until_reason("bot", "Inactive").await;
        assert_eq!(status(&object).operation, None);
    };
    ends_at_once(&gated, ended).await;
}

#[tokio::test]
async fn a_deletion_after_the_record_waits_for_no_call() {
    let gated = overtaken_by(async |gated: &Gated| gated.world.delete("bot").await).await;
    ends_at_once(&gated, gated.world.until_gone("bot")).await;
}

#[tokio::test]
async fn a_finalizer_write_that_is_forbidden_prevents_every_call() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let _operator = gated.operator();
    let name = "oxenmodels/bot?";
    gate.refuse("PATCH", name, StatusCode::FORBIDDEN);
    world.create("bot", spec("active")).await;
    world.until_observed("bot", 4).await;
    assert_eq!(world.calls("bot"), [""; 0]);
    gate.clear();
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn an_observation_that_becomes_too_old_before_its_record_writes_nothing() {
    const OTHERS: usize = 320;
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    // An observation may be six seconds old.
    let operator =
        gated.operator_with(&[("OXEN_SYNC_INTERVAL", "1h"), ("OXEN_REQUEST_TIMEOUT", "3s")]);
    gated.settle().await;

    // The writes of the other objects take all of the namespace's permits for three seconds each,
    // so that a further write waits for longer than that. The objects of one Secret would not write
    // so much at once.
    let held = gate.hold_all("PATCH", "/oxenmodels/other-");
    for number in 0..OTHERS {
        let (name, secret) = (format!("other-{number}"), format!("key-{}", number % 10));
        if number < 10 {
            world.secret(&secret, "api-key", hub::KEY).await;
        }
        world.hub.add_model(Model::custom(&name));
        let mut spec = json!({"model": name, "state": "active", "suspend": true});
        spec["apiKeySecretRef"] = json!({"name": secret});
        world.create(&name, spec).await;
    }
    let all_observed = |journal: &hub::Journal| {
        let number = |number| journal.count(Endpoint::Retrieve, &format!("other-{number}"));
        (0..OTHERS).all(|other| number(other) > 0)
    };
    world.hub.wait_for(DEADLINE, all_observed).await.unwrap();
    gated.declare("active").await;
    let version = world.get("bot").await.metadata.resource_version;
    let not_sent = r#"oxen_operator_calls_total{kind="activate",answer="not_sent"}"#;
    operator.until_metric(not_sent, 1.0).await;
    assert_eq!(world.get("bot").await.metadata.resource_version, version);
    assert_eq!(world.calls("bot"), [""; 0]);

    drop(held);
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}
