//! The operator is killed and started again, and makes no second call.

use std::time::Duration;

use hub::{Endpoint, Fault, Hub, Model};
use serde_json::json;
use testkit::world::{DEADLINE, World, status};

fn slow_bot() -> Model {
    Model::custom("bot")
        .status("inactive")
        .activate_delay(Duration::from_secs(3600))
}

#[tokio::test]
async fn a_restart_during_a_transition_makes_no_second_call() {
    let world = World::new(Hub::builder().model(slow_bot())).await;
    let operator = world.operator();
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_live("bot", "deploying").await;
    operator.kill();
    let _operator = world.operator();
    world.until_observed("bot", 2).await;
    world.hub.set_status("bot", "active").unwrap();
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_restart_before_the_answer_does_not_repeat_the_call() {
    let model = Model::custom("bot")
        .status("inactive")
        .late_effect(Duration::from_millis(500));
    let world = World::new(Hub::builder().model(model)).await;
    // The call takes effect, and is never answered.
    world
        .hub
        .inject(Fault::hang().on(Endpoint::Activate).after_effect());
    let operator = world.operator();
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    let called = world.hub.wait_for(DEADLINE, |journal| {
        journal.posts_for("bot").iter().any(|entry| entry.effect)
    });
    called.await.unwrap();
    operator.kill();
    let recorded = status(&world.get("bot").await).operation.unwrap();
    assert_eq!(recorded.accepted, None);

    let _operator = world.operator();
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_restart_gives_no_new_attempts() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    world
        .hub
        .inject(Fault::error(422, "not today").on(Endpoint::Activate));
    // The waits after the first refusals are of 2, 4 and 8 seconds.
    let settings = [("OXEN_TIME_SCALE", "5"), ("OXEN_SYNC_INTERVAL", "30s")];
    let operator = world.operator_with(&settings);
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    let refused = async |times: u32| {
        let described = format!("refused {times} times");
        let refused = |object: &_| {
            let attempts = status(object).attempts.unwrap_or_default();
            attempts.refusals == Some(times)
        };
        world.until("bot", &described, refused).await;
        assert_eq!(world.calls("bot").len(), times as usize);
    };
    refused(3).await;
    operator.kill();
    let _operator = world.operator_with(&settings);
    refused(4).await;
    let journal = world.hub.journal();
    let posts = journal.posts();
    // The status has whole seconds.
    let waited = posts[3].at - posts[2].at;
    assert!(waited >= Duration::from_secs(7), "{waited:?}");

    // A requested reconcile does.
    world.hub.clear_faults();
    world.request_reconcile("bot", "now").await;
    world.until_reason("bot", "Active").await;
}

#[tokio::test]
async fn a_status_that_is_cleared_by_hand_leads_to_no_second_call() {
    let late = Model::custom("bot").late_effect(Duration::from_secs(3));
    let world = World::new(Hub::builder().model(late)).await;
    // An operation without an effect stays open for six seconds.
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "20")]);
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    world
        .until("bot", "accepted", |object| {
            let open = status(object).operation;
            open.is_some_and(|open| open.accepted == Some(true))
        })
        .await;

    let clear = ["patch", "oxm", "bot", "--subresource=status", "--type=json"];
    let patch = r#"[{"op": "remove", "path": "/status"}]"#;
    let command = [&clear[..], &["-p", patch]].concat();
    world.kubectl(&command).await.ok().unwrap();
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
    assert_eq!(status(&world.get("bot").await).operation, None);
}
