//! Waiting for a change.

use std::time::Duration;

use cluster::Output;
use hub::{Endpoint, Fault, Hub, Model};
use oxen_operator::api::OxenModel;
use serde_json::json;
use testkit::world::{World, condition, eventually, status};

use crate::{
    bash, oxen,
    steer::{annotation, world},
    terminal::{Screen, Terminal},
};

#[tokio::test]
async fn a_refused_call_ends_the_wait_as_stalled_and_a_recovery_as_done() {
    let world = world(json!({})).await;
    let _operator = world.operator();
    world.until_reason("bot", "Inactive").await;
    let words = json!({"error": "the plan allows 3 active deployments"});
    let refusal = Fault::status(409).body(words).on(Endpoint::Activate);
    let fault = world.hub.inject(refusal);
    let on = oxen(&world, "on bot --for 2h --wait").await;
    assert_eq!(on.status.code(), Some(2), "{on:?}");
    for words in [
        "is stalled: Rejected.",
        "the plan allows 3 active",
        "stays in force until",
    ] {
        assert!(on.stderr.contains(words), "{}", on.stderr);
    }
    // What is Stalled from before the request ends no wait.
    world.edit("bot", json!({"state": "active"})).await;
    world.until_reason("bot", "Rejected").await;
    oxen(&world, "auto bot").await.ok().unwrap();
    let stalled = |object: &OxenModel| condition(object, "Stalled").is_some();
    let ended = |object: &OxenModel| status(object).override_in_force.is_none();
    world
        .until("bot", "Stalled without an override", |it| {
            stalled(it) && ended(it)
        })
        .await;
    world.hub.clear_fault(fault);
    let on = oxen(&world, "on bot --for 2h --wait").await;
    assert_eq!(on.status.code(), Some(0), "{on:?}");
}

#[tokio::test]
async fn a_wait_without_an_operator_times_out() {
    let world = world(json!({})).await;
    let operator = world.operator();
    world.until_reason("bot", "Inactive").await;
    operator.kill();
    for (arguments, wanted) in [("on bot --for 2h", "active"), ("auto bot", "done")] {
        let output = oxen(&world, &format!("{arguments} --wait --timeout 1s")).await;
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let words = format!(
            "bot is not {wanted} after 1s: the operator has not seen the request: kubectl oxen \
             doctor. The "
        );
        assert!(output.stderr.contains(&words), "{}", output.stderr);
    }
    let annotation = annotation(&world.get("bot").await);
    assert_eq!(annotation.as_deref(), Some("none"), "it stays in force");
}

/// Waits for an override in the background, and runs a command once the override is requested.
/// Prints the exit code of the wait, whose process id is `$pid`.
async fn during_a_wait(world: &World, command: &str) -> Output {
    let script = format!(
        "kubectl oxen on bot -n {namespace} --for 2h --wait & pid=$!\n\
         until kubectl get oxm bot -n {namespace} -o yaml | grep -q 'override: active until'\n\
         do sleep 0.05; done\n\
         {command}; wait $pid; echo $?",
        namespace = world.namespace
    );
    bash(world.cluster, &script).await.ok().unwrap()
}

#[tokio::test]
async fn ctrl_c_ends_only_the_waiting() {
    let world = world(json!({})).await;
    // The plugin has been started once it has written. Before it listens for the signal, it ignores
    // it, because bash starts background jobs so.
    let interrupt = "while kill -INT $pid 2>/dev/null; do sleep 0.05; done";
    let output = during_a_wait(&world, interrupt).await;
    assert_eq!(output.stdout, "130\n", "{output:?}");
    let words = "Stopped waiting. The override stays in force until";
    assert!(output.stderr.contains(words), "{}", output.stderr);
    assert!(annotation(&world.get("bot").await).is_some());
}

#[tokio::test]
async fn a_slow_hub_is_waited_for_and_told_where_the_time_is_over() {
    let slow = Model::custom("slow").status("inactive");
    let slow = slow.activate_delay(Duration::from_secs(3));
    let never = Model::custom("never").status("inactive");
    let never = never.activate_delay(Duration::from_secs(3600));
    let world = World::new(Hub::builder().model(slow).model(never)).await;
    let _operator = world.operator();
    for name in ["slow", "never"] {
        let spec = json!({"model": name, "state": "inactive"});
        world.create(name, spec).await;
        world.until_reason(name, "Inactive").await;
    }
    let on = oxen(&world, "on slow --for 2h --wait").await.ok().unwrap();
    assert!(on.stderr.contains("  Activating: "), "{}", on.stderr);
    assert!(on.stdout.contains("slow is active after"), "{}", on.stdout);

    // The same value again, when the model is known to be deploying.
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2);
    let on = format!("on never --until {}", until.strftime("%Y-%m-%dT%H:%M:00Z"));
    oxen(&world, &on).await.ok().unwrap();
    let deploying = |it: &OxenModel| {
        let status = status(it);
        let live = status.live.map(|live| live.to_string());
        status.override_in_force.is_some() && live.as_deref() == Some("deploying")
    };
    world.until("never", "deploying", deploying).await;
    shows_how_long(&world, &on).await;
    let on = oxen(&world, &format!("{on} --wait --timeout 20s")).await;
    assert_eq!(on.status.code(), Some(3), "{on:?}");
    let words = "never is not active after 20s: deploying. The override stays in force until ";
    assert!(on.stderr.contains(words), "{}", on.stderr);
    assert_eq!(on.stdout, "");
}

/// Waits on a terminal, whose last line shows for how long the model has been deploying.
async fn shows_how_long(world: &World, on: &str) {
    let terminal = Terminal::new();
    let command = format!("kubectl oxen {on} --wait -n {}", world.namespace);
    let script = terminal.run(world.cluster, (80, 24), &command);
    let shown = async {
        let words = ["\r", "deploying for ", "(Ctrl-C stops waiting)"];
        let holds = |screen: &Screen| words.iter().all(|it| screen.normal.contains(it));
        terminal.until("showing how long it takes", holds).await;
        terminal.interrupt();
    };
    let (output, ()) = tokio::join!(script, shown);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let screen = terminal.screen();
    assert!(screen.normal.contains("Stopped waiting."), "{screen:?}");
}

#[tokio::test]
async fn an_edit_that_no_operator_has_seen_yet_takes_nothing_back() {
    let never = Model::custom("never").status("inactive");
    let never = never.activate_delay(Duration::from_secs(3600));
    let world = World::new(Hub::builder().model(never)).await;
    let operator = world.operator();
    let spec = json!({"model": "never", "state": "inactive"});
    world.create("never", spec).await;
    world.until_reason("never", "Inactive").await;
    let folder = tempfile::tempdir().unwrap();
    let words = folder.path().join("words");
    let script = format!(
        "kubectl oxen on never -n {} --for 2h --wait --timeout 30s 2>{}",
        world.namespace,
        words.display()
    );
    let told = || std::fs::read_to_string(&words).unwrap_or_default();
    let edited = async {
        eventually("accepted, and the model deploying", || async {
            told().contains("Activating: ").then_some(())
        })
        .await;
        operator.kill();
        world.edit("never", json!({"syncInterval": "10m"})).await;
    };
    let (on, ()) = tokio::join!(bash(world.cluster, &script), edited);
    assert_eq!(on.status.code(), Some(3), "{on:?}");
    let told = told();
    let words = "never is not active after 30s: ";
    assert!(told.contains(words), "{told}");
    assert!(!told.contains("has not seen"), "{told}");
}

#[tokio::test]
async fn all_objects_are_changed_before_any_is_waited_for() {
    let world = world(json!({})).await;
    let spec = json!({"model": "other", "state": "inactive"});
    world.create("other", spec).await;
    let on = oxen(
        &world,
        "on bot absent other bot --for 2h --wait --timeout 1s -o name",
    )
    .await;
    assert_eq!(on.status.code(), Some(1), "{on:?}");
    let at = |words: &str| {
        on.stderr
            .find(words)
            .unwrap_or_else(|| panic!("{words}: {on:?}"))
    };
    let waited = at("bot is not active after 1s");
    for words in [
        "bot: active until",
        "other: active until",
        "error: there is no OxenModel",
    ] {
        assert!(at(words) < waited, "{}", on.stderr);
    }
    at("other is not active after 1s");
    assert_eq!(
        on.stdout,
        "oxenmodel.oxen.ai/bot\noxenmodel.oxen.ai/other\n"
    );
}

#[tokio::test]
async fn a_request_that_is_replaced_is_not_waited_for() {
    let world = world(json!({})).await;
    let auto = format!("kubectl oxen auto bot -n {} 2>/dev/null", world.namespace);
    let output = during_a_wait(&world, &auto).await;
    assert_eq!(output.stdout, "1\n", "{output:?}");
    let words = "bot ended: another override has taken its place: \"none\".";
    assert!(output.stderr.contains(words), "{}", output.stderr);
}

#[tokio::test]
async fn what_an_override_decides_is_told_at_once() {
    let world = world(json!({})).await;
    let _operator = world.operator();
    world.until_reason("bot", "Inactive").await;
    oxen(&world, "off bot --for 2h --wait").await.ok().unwrap();
    let on = oxen(&world, "on bot --spec --wait").await;
    assert_eq!(on.status.code(), Some(2), "{on:?}");
    for words in [
        "warning: an override decides that it is",
        "error: an override decides that",
    ] {
        assert!(on.stderr.contains(words), "{}", on.stderr);
    }
    let words = format!(
        "To end the override: kubectl oxen auto bot -n {}",
        world.namespace
    );
    assert!(on.stderr.contains(&words), "{}", on.stderr);
}

#[tokio::test]
async fn a_reconcile_that_the_hub_never_answers_is_stalled() {
    let world = world(json!({})).await;
    let operator = world.operator();
    world.until_reason("bot", "Inactive").await;
    world.hub.inject(Fault::status(401));
    world.until_fault("bot", "Unauthenticated").await;
    let reconciled = oxen(&world, "reconcile bot --wait").await;
    assert_eq!(reconciled.status.code(), Some(2), "{reconciled:?}");
    let words = "since the request: Unauthenticated.";
    assert!(reconciled.stderr.contains(words), "{}", reconciled.stderr);
    // The status is the same where no operator runs.
    let who = "neither the operator nor the hub has answered about ";
    assert!(reconciled.stderr.contains(who), "{}", reconciled.stderr);
    operator.kill();
    let reconciled = oxen(&world, "reconcile bot --wait --timeout 1s").await;
    assert_eq!(reconciled.status.code(), Some(3), "{reconciled:?}");
    for words in [
        "bot is not done after 1s: neither the operator nor the hub has answered: Unauthenticated.",
        "To check the operator: kubectl oxen doctor.",
    ] {
        assert!(reconciled.stderr.contains(words), "{}", reconciled.stderr);
    }
}
