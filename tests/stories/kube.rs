//! Faults between the operator and the API server: no call goes out that isn't recorded, and the
//! operator recovers when the fault ends.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use cluster::{Cluster, Gate, StatusCode};
use hub::{Endpoint, Fault, Hub, Model};
use kube::api::{Patch, PatchParams};
use oxen_operator::api;
use serde_json::{Value, json};
use testkit::world::{
    Operator, World, eventually, install_crd, message, progress, status, with_crd,
};
use tokio::time::timeout;

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

/// The CustomResourceDefinition of an older version, whose status doesn't have this field.
fn crd_without(field: &str) -> String {
    let mut crd = serde_json::to_value(api::crd()).unwrap();
    let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";
    let fields = crd.pointer_mut(status).and_then(Value::as_object_mut);
    fields.unwrap().remove(field).unwrap();
    crd.to_string()
}

/// Waits until the API server stores no such field of a status.
async fn until_pruned(world: &World<&Cluster>, field: &str, value: &Value) {
    world.create("probe", spec("inactive")).await;
    let status = json!({"observedGeneration": 0, "conditions": [], field: value});
    let patch = Patch::Merge(json!({ "status": status }));
    eventually("the field is pruned", || async {
        let (api, params) = (world.api(), PatchParams::default().dry_run());
        let written = api.patch_status("probe", &params, &patch).await.unwrap();
        let written = serde_json::to_value(written).unwrap();
        written["status"][field].is_null().then_some(())
    })
    .await;
    world.delete("probe").await;
    world.until_gone("probe").await;
}

#[tokio::test]
async fn an_outdated_crd_prevents_every_call_and_is_named() {
    let cluster = with_crd().await;
    let started = "2026-01-01T00:00:00Z";
    let operation = json!({"id": "a", "kind": "activate", "from": "inactive", "started": started});
    let rows = [
        ("operation", operation),
        ("attempts", json!({"generation": 1})),
    ];
    for (field, value) in rows {
        let bot = Model::custom("bot").status("inactive");
        let world = World::on(&cluster, Hub::builder().model(bot)).await;
        let apply = ["apply", "-f", "-"];
        let applied = cluster.kubectl_stdin(&apply, &crd_without(field)).await;
        applied.unwrap().ok().unwrap();
        until_pruned(&world, field, &value).await;
        // The hub takes calls that change nothing.
        let accepted = json!({"id": "bot", "object": "model", "owned_by": hub::ACCOUNT});
        let taken = Fault::answering(200, accepted).on(Endpoint::Activate);
        world.hub.inject(taken);
        let operator = world.operator();
        world.create("bot", spec("active")).await;
        let object = world.until_reason("bot", "CRDOutdated").await;
        assert_eq!(progress(&object), Some(("Stalled", "CRDOutdated")));
        let text = message(&object);
        assert!(text.contains("Upgrade the CustomResource"), "{text}");
        // A try is a dry run, and writes nothing.
        world.until_observed("bot", 2).await;
        let version = world.get("bot").await.metadata.resource_version;
        world.until_observed("bot", 3).await;
        assert_eq!(world.get("bot").await.metadata.resource_version, version);
        assert_eq!(world.calls("bot"), [""; 0], "{field}");

        world.hub.clear_faults();
        install_crd(&cluster).await;
        world.until_reason("bot", "Active").await;
        assert_eq!(world.calls("bot"), ["activate"], "{field}");
        drop(operator);
    }
}

#[tokio::test]
async fn nothing_waits_for_events() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    world.hub.add_model(Model::custom("other"));
    let _operator = gated.operator_with(&[("OXEN_TIME_SCALE", "1")]);
    let mut held = gate.hold("POST", "/events");
    world.create("bot", spec("active")).await;
    held.arrived().await;
    let began = Instant::now();
    let other = json!({"model": "other", "state": "active"});
    world.create("other", other).await;
    for name in ["bot", "other"] {
        world.until_called(name, 1).await;
    }
    // The request times out after ten seconds.
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(8), "{waited:?}");
    drop(held);
    for name in ["bot", "other"] {
        world.until_last_event(name, "Active").await;
    }
}

/// What `/readyz` answers: its status code and its text.
async fn readiness(operator: &Operator) -> (u16, String) {
    let url = operator.url().await;
    let answer = reqwest::get(format!("{url}/readyz")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_namespace_that_cannot_be_listed_is_named_and_the_others_are_served() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    // The list of a namespace that is gone is refused where its Role is gone too.
    let gone = format!("{}-gone", world.namespace);
    let list = format!("namespaces/{gone}/oxenmodels?");
    gate.refuse("GET", &list, StatusCode::FORBIDDEN);
    let both = format!("{},{gone}", world.namespace);
    let operator = gated.operator_with(&[("OXEN_NAMESPACES", &both)]);
    world.create("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
    let text = eventually("the operator is ready", async || {
        let (code, text) = readiness(&operator).await;
        (code == 200 && text.contains(&gone)).then_some(text)
    })
    .await;
    assert!(text.contains("403 Forbidden"), "{text}");
    let line = operator.until_logged(&gone).await;
    assert!(line.contains("WARN") || line.contains("ERROR"), "{line}");
    let metric = format!(
        "oxen_operator_watch_last_success_timestamp_seconds{{resource=\"oxenmodels\",namespace=\"{gone}\"}} 0"
    );
    let metrics = operator.metrics().await;
    assert!(metrics.contains(&metric), "{metric} is not in {metrics}");

    // The namespace is back.
    gate.clear();
    eventually("nothing is wrong", async || {
        (readiness(&operator).await == (200, "ok\n".into())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn lost_rights_are_reported_until_they_are_back() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let operator = gated.operator();
    world.create("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;
    operator.ready().await;
    let metric = "oxen_operator_watch_last_success_timestamp_seconds{resource=\"oxenmodels\"";
    let metric = format!("{metric},namespace=\"{}\"}} ", world.namespace);
    assert!(operator.metric(&metric).await > 0.0);

    gate.refuse("GET", "oxenmodels?", StatusCode::FORBIDDEN);
    gate.mute_streams();
    eventually("the operator is not ready", async || {
        let (code, text) = readiness(&operator).await;
        let named = text.contains("can't be watched any more") && text.contains("403 Forbidden");
        (code == 503 && named && text.contains(&world.namespace)).then_some(())
    })
    .await;
    let last = operator.metric(&metric).await;
    until_watch_failed(&operator, 3).await;
    assert_eq!(operator.metric(&metric).await, last);
    gated.declare("inactive").await;

    gate.clear();
    operator.ready().await;
    world.until_reason("bot", "Inactive").await;
    assert!(operator.metric(&metric).await > last);
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
