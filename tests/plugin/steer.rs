//! Overrides and other changes, and waiting for them.

use hub::{Endpoint, Fault, Hub, Model};
use oxen_operator::api::OxenModel;
use serde_json::{Value, json};
use testkit::world::{World, status};

use crate::{bash, fails, oxen};

/// A world with an inactive model whose object declares this.
async fn world(spec: Value) -> World {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let mut all = json!({"model": "bot", "state": "inactive"});
    for (key, value) in spec.as_object().unwrap() {
        all[key] = value.clone();
    }
    world.create("bot", all).await;
    world
}

fn annotation(object: &OxenModel) -> Option<String> {
    let annotations = object.metadata.annotations.as_ref()?;
    annotations.get("oxen.ai/override").cloned()
}

fn managers(object: &OxenModel) -> Vec<String> {
    let fields = object.metadata.managed_fields.iter().flatten();
    fields.filter_map(|entry| entry.manager.clone()).collect()
}

#[tokio::test]
async fn an_override_is_written_waited_for_and_ended() {
    let world = world(json!({})).await;
    let _operator = world.operator();
    world.until_reason("bot", "Inactive").await;
    let on = oxen(&world, "on bot --for 2h --wait --timeout 2m")
        .await
        .ok()
        .unwrap();
    for words in [
        "bot: active until",
        "accepted by the operator",
        "bot is Active after",
    ] {
        assert!(on.stderr.contains(words), "{}", on.stderr);
    }
    let object = world.get("bot").await;
    assert_eq!(status(&object).live.unwrap().to_string(), "active");
    assert!(managers(&object).contains(&"oxen-override".to_owned()));
    let auto = oxen(&world, "auto bot --wait -o name").await.ok().unwrap();
    assert_eq!(auto.stdout, "oxenmodel.oxen.ai/bot\n");
    let object = world.get("bot").await;
    assert_eq!(status(&object).live.unwrap().to_string(), "inactive");
    assert_eq!(world.calls("bot"), ["activate", "deactivate"]);

    // The plain `off` of an object that is off already is done at once.
    let off = oxen(&world, "off bot --wait").await.ok().unwrap();
    assert!(off.stderr.contains("bot: inactive until"), "{}", off.stderr);
    let reconciled = oxen(&world, "reconcile bot --wait").await.ok().unwrap();
    assert!(
        reconciled.stderr.contains("a reconcile is requested"),
        "{reconciled:?}"
    );
    assert!(managers(&world.get("bot").await).contains(&"oxen-plugin".to_owned()));
}

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
    world.hub.clear_fault(fault);
    let reconciled = oxen(&world, "reconcile bot --wait").await;
    assert_eq!(reconciled.status.code(), Some(0), "{reconciled:?}");
}

#[tokio::test]
async fn a_wait_without_an_operator_times_out() {
    let world = world(json!({})).await;
    let on = oxen(&world, "on bot --for 2h --wait --timeout 1s").await;
    assert_eq!(on.status.code(), Some(3), "{on:?}");
    let words = "is not done after 1s: the operator has not answered the request";
    assert!(on.stderr.contains(words), "{}", on.stderr);
    assert!(
        annotation(&world.get("bot").await).is_some(),
        "it stays in force"
    );
}

#[tokio::test]
async fn ctrl_c_ends_only_the_waiting() {
    let world = world(json!({})).await;
    // The plugin has been started once it has written. Before it listens for the signal, it ignores
    // it, because bash starts background jobs so.
    let script = format!(
        "kubectl oxen on bot -n {namespace} --for 2h --wait & pid=$!\n\
         until kubectl get oxm bot -n {namespace} -o yaml | grep -q 'override: active until'\n\
         do sleep 0.05; done\n\
         while kill -INT $pid 2>/dev/null; do sleep 0.05; done\nwait $pid; echo $?",
        namespace = world.namespace
    );
    let output = bash(world.cluster, &script).await.ok().unwrap();
    assert_eq!(output.stdout, "130\n", "{output:?}");
    let words = "Stopped waiting. The override stays in force until";
    assert!(output.stderr.contains(words), "{}", output.stderr);
    assert!(annotation(&world.get("bot").await).is_some());
}

#[tokio::test]
async fn a_time_that_makes_no_sense_is_refused_before_the_cluster_is_asked() {
    let world = world(json!({})).await;
    for (arguments, words) in [
        (
            "on bot",
            "error: say until when: --until 18:00 or --for 2h; or change the declared state with \
             --spec",
        ),
        (
            "on bot --until 25:00",
            "error: --until 25:00 is not a time: write 18:00, ",
        ),
        (
            "on bot --until 2020-11-24T18:00",
            "error: --until 2020-11-24T18:00 is in the past",
        ),
        (
            "off bot --for 1000h",
            "error: --for 1000h is too long: an override lasts at most 31 ",
        ),
        ("on bot --until 18:00 --for 2h", "cannot be used with"),
    ] {
        let output = oxen(&world, arguments).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
    assert_eq!(annotation(&world.get("bot").await), None);
}

#[tokio::test]
async fn what_the_operator_would_not_act_on_is_not_written() {
    let world = world(json!({"suspend": true})).await;
    let here = format!("bot -n {}", world.namespace);
    fails(
        &oxen(&world, "on bot --for 2h").await,
        1,
        &format!(
            "error: {}/bot is suspended, so the operator would not act. First: kubectl oxen resume \
             {here}",
            world.namespace
        ),
    );
    assert_eq!(annotation(&world.get("bot").await), None);
    fails(
        &oxen(&world, "release bot --yes").await,
        1,
        &format!(
            "error: {}/bot is not being deleted. To keep its model on when it is: set \
             spec.deletionPolicy: Retain",
            world.namespace
        ),
    );
    oxen(&world, "resume bot").await.ok().unwrap();
    assert_eq!(world.get("bot").await.spec.suspend, None);
    oxen(&world, "suspend bot").await.ok().unwrap();
    assert_eq!(world.get("bot").await.spec.suspend, Some(true));
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_a_gitops_tool_is_named() {
    let world = world(json!({})).await;
    let before = world.get("bot").await.metadata.resource_version;
    let client = oxen(&world, "off bot --spec --dry-run=client")
        .await
        .ok()
        .unwrap();
    assert_eq!(client.stdout, "{\"spec\":{\"state\":\"inactive\"}}\n");
    oxen(&world, "on bot --for 2h --dry-run=server")
        .await
        .ok()
        .unwrap();
    assert_eq!(world.get("bot").await.metadata.resource_version, before);

    let labels = json!({"kustomize.toolkit.fluxcd.io/name": "apps",
                        "kustomize.toolkit.fluxcd.io/namespace": "flux-system"});
    world
        .patch("bot", json!({"metadata": {"labels": labels}}))
        .await;
    let on = oxen(&world, "on -l kustomize.toolkit.fluxcd.io/name=apps --spec")
        .await
        .ok()
        .unwrap();
    let warning = "warning: Flux (Kustomization apps in flux-system) manages this object and sets \
                   spec.state back within its interval. To keep it on for a while: kubectl oxen on \
                   bot";
    assert!(on.stderr.contains(warning), "{}", on.stderr);
    assert_eq!(world.get("bot").await.spec.state.to_string(), "active");
}

#[tokio::test]
async fn a_blocked_deletion_is_released_with_the_models_state_as_it_is() {
    let world = world(json!({"state": "active"})).await;
    let _operator = world.operator();
    world.until_reason("bot", "Active").await;
    world
        .hub
        .inject(Fault::status(409).on(Endpoint::Deactivate));
    world.delete("bot").await;
    world.until_blocked("bot").await;
    let asked = oxen(&world, "release bot </dev/null").await;
    assert_eq!(asked.status.code(), Some(1), "{asked:?}");
    for words in [
        "last seen active, 4.50 an hour",
        "error: release needs an answer: pass --yes",
    ] {
        assert!(asked.stderr.contains(words), "{}", asked.stderr);
    }
    oxen(&world, "release bot --yes").await.ok().unwrap();
    world.until_gone("bot").await;
}
