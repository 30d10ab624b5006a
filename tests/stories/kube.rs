//! Whatever goes wrong between the operator and the API server, no call goes out that isn't
//! recorded, and all is well once the trouble is over.

use cluster::{Gate, StatusCode};
use hub::{Hub, Model};
use serde_json::{Value, json};

use crate::world::{Operator, World, eventually, has_finalizer, status};

/// The operator's own writes of a status.
const STATUS: (&str, &str) = ("PATCH", "/status");

/// The watch of the OxenModels.
const WATCH: (&str, &str) = ("GET", "oxenmodels?&watch=true");

/// A world with a gate between the operator and the API server, and the bot that it is about.
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

    fn operator(&self) -> Operator {
        self.operator_with(&[("OXEN_KUBE_TIMEOUT", "2s")])
    }

    fn operator_with(&self, settings: &[(&str, &str)]) -> Operator {
        let kubeconfig = self.gate.kubeconfig().to_str().unwrap();
        let own = [("KUBECONFIG", kubeconfig), ("OXEN_WATCH", "2s")];
        self.world.operator_with(&[&own, settings].concat())
    }

    /// Makes the object, and waits until it is held and as declared: the next status written is a call's record.
    async fn is_settled(&self) {
        let world = &self.world;
        world.create("bot", spec("inactive")).await;
        world.until("bot", "held", has_finalizer).await;
        world.until_reason("bot", "Inactive").await;
    }

    async fn want(&self, state: &str) {
        self.world.edit("bot", spec(state)).await;
    }
}

fn spec(state: &str) -> Value {
    json!({"model": "bot", "state": state})
}

/// Nothing is called while a status can't be written, be it forbidden, out of date or unanswered.
async fn without_a_status(code: StatusCode) {
    let Gated { world, gate } = &Gated::new().await;
    gate.refuse(STATUS.0, STATUS.1, code);
    let kubeconfig = gate.kubeconfig().to_str().unwrap();
    let operator = world.operator_with(&[("KUBECONFIG", kubeconfig)]);
    world.create("bot", spec("active")).await;
    world.until_looked("bot", 4).await;
    assert!(
        operator
            .metric("oxen_operator_reconcile_failures_total")
            .await
            >= 3.0
    );
    assert_eq!(world.calls("bot"), [""; 0]);
    assert_eq!(status(&world.get("bot").await).observed_generation, -1);

    gate.clear();
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_status_that_may_not_be_written_stops_every_call() {
    without_a_status(StatusCode::FORBIDDEN).await;
}

#[tokio::test]
async fn a_status_that_always_meets_a_conflict_stops_every_call() {
    without_a_status(StatusCode::CONFLICT).await;
}

#[tokio::test]
async fn a_status_that_the_api_server_fails_to_write_stops_every_call() {
    without_a_status(StatusCode::INTERNAL_SERVER_ERROR).await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_found_again_and_no_call_rests_on_it() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let _operator = gated.operator();
    gated.is_settled().await;

    // The record of the call stands, and the operator doesn't hear of it in time.
    let mut held = gate.hold_answer(STATUS.0, STATUS.1);
    gated.want("active").await;
    held.arrived().await;
    let recorded = world.get("bot").await;
    let lost = status(&recorded).operation.unwrap().id;
    let active = world.until_reason("bot", "Active").await;
    drop(held);
    // What was recorded and never sent looks like a lost call: it is given up, not repeated at once.
    let calls = world.hub.journal();
    let calls: Vec<_> = calls.posts_for("bot").into_iter().cloned().collect();
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert_ne!(calls[0].request_id.as_ref(), Some(&lost));
    assert_eq!(status(&active).operation, None);
}

/// Waits until it has said that often that its watch failed.
async fn complaints(operator: &Operator, wanted: usize) {
    eventually("the watch has failed", || async {
        let said = operator
            .log()
            .matches("the watch of OxenModels failed")
            .count();
        (said >= wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_watch_that_is_too_old_is_taken_up_from_a_new_list() {
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
    complaints(&operator, 1).await;
    gated.want("inactive").await;
    world.until_reason("bot", "Inactive").await;

    gate.refuse(WATCH.0, WATCH.1, StatusCode::GONE);
    complaints(&operator, 2).await;
    gated.want("active").await;
    // With no watch at all its lists tell it.
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate", "deactivate", "activate"]);
}

#[tokio::test]
async fn a_watch_that_hangs_half_open_is_noticed() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    // Nothing but the watch can tell it of a change.
    let kubeconfig = gate.kubeconfig().to_str().unwrap();
    let _operator = world.operator_with(&[
        ("KUBECONFIG", kubeconfig),
        ("OXEN_WATCH", "2s"),
        ("OXEN_SYNC_INTERVAL", "1h"),
    ]);
    world.create("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;
    gate.mute_streams();
    gated.want("inactive").await;
    world.until_reason("bot", "Inactive").await;
    assert_eq!(world.calls("bot"), ["activate", "deactivate"]);
}

impl Gated {
    /// Takes the object away, whoever holds it, and makes another one of the same name.
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
async fn an_object_made_anew_between_the_look_and_the_record_gets_no_call_of_its_forerunner() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let _operator = gated.operator();
    gated.is_settled().await;

    let mut held = gate.hold(STATUS.0, STATUS.1);
    gated.want("active").await;
    held.arrived().await;
    gated.replace("inactive").await;
    drop(held);
    let new = world.until_reason("bot", "Inactive").await;
    world.until_looked("bot", 4).await;
    assert_eq!(world.calls("bot"), [""; 0]);
    assert_eq!(status(&new).operation, None);
}

/// The call is recorded, and before the operator hears of it something happens that its watch tells it.
async fn overtaken_by(happens: impl AsyncFnOnce(&Gated)) -> Gated {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let patient = [("OXEN_KUBE_TIMEOUT", "1m"), ("OXEN_FRESHNESS", "1m")];
    let operator = gated.operator_with(&patient);
    gated.is_settled().await;

    let mut held = gate.hold_answer(STATUS.0, STATUS.1);
    gated.want("active").await;
    held.arrived().await;
    happens(&gated).await;
    // What happens next comes by the watch next, and an object's series are made of what came.
    let frozen = json!({"model": "other", "state": "active", "suspend": true});
    world.create("other", frozen).await;
    eventually("the watch has brought it", || async {
        let metrics = operator.metrics().await;
        metrics.contains(r#"name="other""#).then_some(())
    })
    .await;
    drop(held);
    // Whatever was on its way comes before these.
    world.until_looked("other", 6).await;
    assert!(world.hub.journal().posts().is_empty());
    gated
}

#[tokio::test]
async fn an_object_made_anew_between_the_record_and_the_call_gets_no_call_of_its_forerunner() {
    let gated = overtaken_by(async |gated: &Gated| gated.replace("inactive").await).await;
    let new = gated.world.until_reason("bot", "Inactive").await;
    assert_eq!(status(&new).operation, None);
}

#[tokio::test]
async fn an_object_that_is_suspended_between_the_record_and_the_call_gets_none() {
    overtaken_by(async |gated: &Gated| {
        let suspend = json!({"model": "bot", "state": "active", "suspend": true});
        gated.world.edit("bot", suspend).await;
    })
    .await;
}

#[tokio::test]
async fn an_object_that_goes_between_the_record_and_the_call_gets_none() {
    overtaken_by(async |gated: &Gated| {
        let free = json!({"metadata": {"finalizers": null}});
        gated.world.patch("bot", free).await;
        gated.world.delete("bot").await;
    })
    .await;
}

#[tokio::test]
async fn a_finalizer_that_may_not_be_written_comes_before_any_call() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let _operator = gated.operator();
    let name = "oxenmodels/bot?";
    gate.refuse("PATCH", name, StatusCode::FORBIDDEN);
    world.create("bot", spec("active")).await;
    world.until_looked("bot", 4).await;
    assert_eq!(world.calls("bot"), [""; 0]);
    gate.clear();
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_is_no_reason_to_use_another_key() {
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
