//! Faults between the operator and the API server: no call goes out that isn't recorded, and the
//! operator recovers when the fault ends.

use cluster::{Gate, StatusCode};
use hub::{Hub, Model};
use serde_json::{Value, json};
use testkit::world::{Operator, World, eventually, status};

/// The operator's writes of a status.
const STATUS: (&str, &str) = ("PATCH", "/status");

/// The watch of the OxenModels.
const WATCH: (&str, &str) = ("GET", "oxenmodels?&watch=true");

/// A world with one model, and a gate between the operator and the API server.
struct Gated {
    world: World,
    gate: Gate,
}

impl Gated {
    async fn new() -> Self {
        let bot = Model::custom("bot").status("inactive");
        let world = World::new(Hub::builder().model(bot)).await;
        let gate = world.cluster.gate().await.unwrap();
        Self { world, gate }
    }

    /// Starts an operator behind the gate. A watch ends after a second, and a request to the API
    /// server times out after three.
    fn operator(&self) -> Operator {
        self.operator_with(&[])
    }

    fn operator_with(&self, settings: &[(&str, &str)]) -> Operator {
        let kubeconfig = self.gate.kubeconfig().to_str().unwrap();
        let own = [("KUBECONFIG", kubeconfig)];
        self.world.operator_with(&[&own, settings].concat())
    }

    /// Creates the object, and waits until it is settled with its finalizer. The next write of its
    /// status is the record of a call.
    async fn settle(&self) {
        let world = &self.world;
        world.create("bot", spec("inactive")).await;
        world.until_finalizer("bot").await;
        world.until_reason("bot", "Inactive").await;
    }

    async fn declare(&self, state: &str) {
        self.world.edit("bot", spec(state)).await;
    }
}

fn spec(state: &str) -> Value {
    json!({"model": "bot", "state": state})
}

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

/// Waits until the operator has logged this number of failures of its watch.
async fn until_watch_failed(operator: &Operator, times: usize) {
    eventually("the watch has failed", || async {
        let failures = operator
            .log()
            .matches("the watch of OxenModels failed")
            .count();
        (failures >= times).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_expired_watch_starts_again_from_a_new_list() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let operator = gated.operator();
    world.create("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;

    let gone = json!({
        "type": "ERROR",
        "object": {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "too old resource version", "reason": "Expired", "code": 410},
    });
    gate.answer(WATCH.0, WATCH.1, format!("{gone}\n"));
    until_watch_failed(&operator, 1).await;
    gated.declare("inactive").await;
    world.until_reason("bot", "Inactive").await;

    gate.refuse(WATCH.0, WATCH.1, StatusCode::GONE);
    until_watch_failed(&operator, 2).await;
    gated.declare("active").await;
    // Without any watch, the operator learns of changes from its lists.
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate", "deactivate", "activate"]);
}

#[tokio::test]
async fn a_watch_whose_connection_is_dead_is_noticed() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    // Only the watch reports a change.
    let _operator = gated.operator_with(&[("OXEN_SYNC_INTERVAL", "1h")]);
    world.create("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;
    gate.mute_streams();
    gated.declare("inactive").await;
    world.until_reason("bot", "Inactive").await;
    assert_eq!(world.calls("bot"), ["activate", "deactivate"]);
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
async fn a_secret_that_may_not_be_read_is_not_replaced_by_another_key() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let _operator = gated.operator();
    gate.refuse("GET", "/secrets/", StatusCode::FORBIDDEN);
    let mut own = spec("active");
    own["apiKeySecretRef"] = json!({"name": "own"});
    world.create("bot", own).await;
    world.secret("own", "api-key", hub::KEY).await;
    world.until_fault("bot", "CredentialsNotFound").await;
    assert!(world.hub.journal().entries.is_empty());
    gate.clear();
    world.until_reason("bot", "Active").await;
}
