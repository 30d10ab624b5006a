//! Watches: each that fails is noticed, named and started again, and everything else goes on.

use cluster::StatusCode;
use hub::{Hub, Model};
use serde_json::json;
use testkit::world::{Operator, World, eventually};

use crate::gated::{Gated, WATCH, readiness, spec};

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
    let metric = format!("{}0", last_success(&gone));
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
    let metric = last_success(&world.namespace);
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

/// The metric of the last answer to a watch of a namespace's OxenModels.
fn last_success(namespace: &str) -> String {
    format!(
        "oxen_operator_watch_last_success_timestamp_seconds{{resource=\"oxenmodels\",namespace=\"{namespace}\"}} "
    )
}

/// The path of the lists and watches of a namespace's OxenModels.
fn lists(world: &World) -> String {
    format!("namespaces/{}/oxenmodels?", world.namespace)
}

/// Waits until `/readyz` answers 200 with text for which the condition is true, and returns it.
async fn until_ready_with(operator: &Operator, holds: impl Fn(&str) -> bool) -> String {
    eventually("the operator is ready and says what is wrong", async || {
        let (code, text) = readiness(operator).await;
        (code == 200 && holds(&text)).then_some(text)
    })
    .await
}

#[tokio::test]
async fn each_of_two_namespaces_that_cannot_be_listed_is_served_once_it_can_be() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let others = [
        World::new(Hub::builder()).await,
        World::new(Hub::builder()).await,
    ];
    for other in &others {
        gate.refuse("GET", &lists(other), StatusCode::FORBIDDEN);
        let name = other.namespace.as_str();
        world.hub.add_model(Model::custom(name));
        other
            .create(name, json!({"model": name, "state": "active"}))
            .await;
    }
    let operator = gated.operator_of(&others, &[]);
    world.create("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;
    let [first, second] = others.each_ref().map(|other| other.namespace.as_str());
    until_ready_with(&operator, |text| {
        let lines: Vec<&str> = text.lines().collect();
        let named = |name| {
            let line = |line: &&&str| line.contains(name) && line.contains("403 Forbidden");
            lines.iter().filter(line).count() == 1
        };
        lines.len() == 3 && named(first) && named(second)
    })
    .await;
    assert_eq!(world.hub.journal().posts().len(), 1, "the call for bot");

    for (index, name) in [first, second].into_iter().enumerate() {
        let other = &others[index];
        assert_eq!(operator.metric(&last_success(name)).await, 0.0, "{name}");
        gate.remove("GET", &lists(other));
        other.until_reason(name, "Active").await;
        assert_eq!(world.calls(name), ["activate"]);
        let text = until_ready_with(&operator, |text| !text.contains(name)).await;
        assert_eq!(text.contains(second), index == 0, "{text}");
        assert!(operator.metric(&last_success(name)).await > 0.0, "{name}");
    }
    assert_eq!(readiness(&operator).await, (200, "ok\n".into()));
}

/// Creates an owner in another namespace, and a younger object of its model in this one.
async fn with_owner_elsewhere() -> (Gated, [World; 1], Operator) {
    let gated = Gated::new().await;
    let others = [World::new(Hub::builder()).await];
    let operator = gated.operator_of(&others, &[]);
    let owner = &others[0];
    owner.create("owner", spec("active")).await;
    owner.until_reason("owner", "Active").await;
    owner.until_finalizer("owner").await;
    owner.next_second().await;
    let world = &gated.world;
    world.create("second", spec("active")).await;
    world.until_reason("second", "Conflict").await;
    world.until_finalizer("second").await;
    (gated, others, operator)
}

#[tokio::test]
async fn while_a_namespace_is_not_listed_nobody_takes_over_the_models_of_its_objects() {
    let (gated, others, operator) = with_owner_elsewhere().await;
    let Gated { world, gate } = &gated;
    operator.kill();
    gate.refuse("GET", &lists(&others[0]), StatusCode::FORBIDDEN);
    let operator = gated.operator_of(&others, &[]);
    until_ready_with(&operator, |text| text.contains(&others[0].namespace)).await;
    world.edit("second", json!({"state": "inactive"})).await;
    world.until_reason("second", "Conflict").await;
    world.until_observed("bot", 4).await;
    world.until_reason("second", "Conflict").await;
    world.delete("second").await;
    world.until_gone("second").await;
    assert_eq!(world.calls("bot"), ["activate"]);

    gate.clear();
    others[0].delete("owner").await;
    others[0].until_gone("owner").await;
    assert_eq!(world.calls("bot"), ["activate", "deactivate"]);
}

#[tokio::test]
async fn a_namespace_that_can_no_longer_be_watched_keeps_its_objects_as_last_seen() {
    let (gated, others, operator) = with_owner_elsewhere().await;
    let Gated { world, gate } = &gated;
    world.hub.add_model(Model::custom("mine"));
    let mine = json!({"model": "mine", "state": "active"});
    world.create("mine", mine).await;
    world.until_reason("mine", "Active").await;
    let other = &others[0];
    gate.refuse("GET", &lists(other), StatusCode::FORBIDDEN);
    gate.mute_streams();
    until_ready_with(&operator, |text| {
        text.contains("can't be watched any more") && text.contains(&other.namespace)
    })
    .await;
    let last = operator.metric(&last_success(&other.namespace)).await;
    assert!(last > 0.0);

    // Everything else goes on: the other namespace is served, and the object's model is corrected.
    world.edit("mine", json!({"state": "inactive"})).await;
    world.until_reason("mine", "Inactive").await;
    world.hub.set_status("bot", "inactive").unwrap();
    world.until_called("bot", 2).await;
    other.until_reason("owner", "Active").await;
    world.until_observed("bot", 4).await;
    world.until_reason("second", "Conflict").await;
    assert_eq!(world.calls("bot"), ["activate"; 2]);
    operator
        .until_metric(&last_success(&world.namespace), last + 2.0)
        .await;
    assert_eq!(operator.metric(&last_success(&other.namespace)).await, last);

    // What happened meanwhile is seen when the rights are back.
    other.edit("owner", json!({"state": "inactive"})).await;
    gate.clear();
    other.until_reason("owner", "Inactive").await;
    until_ready_with(&operator, |text| text == "ok\n").await;
}
