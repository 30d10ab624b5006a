//! Overrides and other changes.

use std::path::Path;

use cluster::StatusCode;
use hub::{Endpoint, Fault, Hub, Model};
use oxen_operator::api::OxenModel;
use serde_json::{Value, json};
use testkit::{
    flux,
    tls::Authority,
    world::{World, status},
};

use crate::{bash, connection::with_tls, oxen};

/// A world with an inactive model whose object declares this.
pub async fn world(spec: Value) -> World {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let mut all = json!({"model": "bot", "state": "inactive"});
    for (key, value) in spec.as_object().unwrap() {
        all[key] = value.clone();
    }
    world.create("bot", all).await;
    world
}

pub fn annotation(object: &OxenModel) -> Option<String> {
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
    for words in ["bot: active until", "accepted by the operator"] {
        assert!(on.stderr.contains(words), "{}", on.stderr);
    }
    // The verdict is data. The price is 4.50 an hour.
    assert!(on.stdout.contains("bot is active after"), "{on:?}");
    assert!(on.stdout.contains(": about 9.00 until"), "{on:?}");
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
async fn a_write_without_an_answer_may_have_been_made() {
    let world = world(json!({})).await;
    let through = async |config: &Path, arguments: &str| {
        let (config, namespace) = (config.display(), &world.namespace);
        let script = format!("KUBECONFIG={config} kubectl oxen {arguments} -n {namespace}");
        bash(world.cluster, &script).await
    };
    let hint = format!(
        "The change may have been made: kubectl oxen status bot -n {}",
        world.namespace
    );
    let on = "on bot --for 48h";

    // The answer comes too late.
    let gate = world.cluster.gate().await.unwrap();
    let held = gate.hold_answer("PATCH", "oxenmodels/bot");
    let late = through(gate.kubeconfig(), on).await;
    drop(held);
    assert_eq!(late.status.code(), Some(1), "{late:?}");
    assert!(
        late.stderr.contains("did not answer within 10 s"),
        "{late:?}"
    );
    assert!(late.stderr.contains(&hint), "{late:?}");
    assert!(annotation(&world.get("bot").await).is_some());

    // The API server waited in vain for its own store.
    gate.refuse("PATCH", "oxenmodels/bot", StatusCode::GATEWAY_TIMEOUT);
    let refused = through(gate.kubeconfig(), on).await;
    assert!(refused.stderr.contains(&hint), "{refused:?}");
    let tried = through(gate.kubeconfig(), &format!("{on} --dry-run=server")).await;
    assert_eq!(tried.status.code(), Some(1), "{tried:?}");
    assert!(!tried.stderr.contains("may have been made"), "{tried:?}");
    gate.clear();
    gate.refuse("PATCH", "oxenmodels/bot", StatusCode::CONFLICT);
    let conflict = through(gate.kubeconfig(), on).await;
    assert_eq!(conflict.status.code(), Some(1), "{conflict:?}");
    assert!(
        !conflict.stderr.contains("may have been made"),
        "{conflict:?}"
    );

    // The connection breaks before the answer.
    gate.clear();
    let folder = tempfile::tempdir().unwrap();
    let (front, config) = with_tls(&gate, folder.path()).await;
    let mut held = gate.hold_answer("PATCH", "oxenmodels/bot");
    let broken = async {
        held.arrived().await;
        front.restart_with(&Authority::default());
    };
    let (output, ()) = tokio::join!(through(&config, on), broken);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.contains("cannot be reached"), "{output:?}");
    assert!(output.stderr.contains(&hint), "{output:?}");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
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
}

#[tokio::test]
async fn flux_is_named_and_takes_no_override_back() {
    let bot = Model::custom("bot").status("active");
    let world = World::new(Hub::builder().model(bot)).await;
    let _operator = world.operator();
    flux::apply(&world, "inactive").await;
    world.until_reason("bot", "Inactive").await;
    let labels = json!({"kustomize.toolkit.fluxcd.io/name": "apps",
                        "kustomize.toolkit.fluxcd.io/namespace": "flux-system"});
    let patch = json!({"metadata": {"labels": labels}});
    world.patch("bot", patch).await;
    for word in ["on", "off"] {
        let selected = format!("{word} -l kustomize.toolkit.fluxcd.io/name=apps --spec");
        let switched = oxen(&world, &selected).await.ok().unwrap();
        let warning = format!(
            "warning: Flux (Kustomization apps in flux-system) manages this object and sets \
             spec.state back within its interval. To keep it {word} for a while: kubectl oxen \
             {word} bot -n {} --for 8h",
            world.namespace
        );
        assert!(switched.stderr.contains(&warning), "{}", switched.stderr);
    }
    assert_eq!(world.get("bot").await.spec.state.to_string(), "inactive");

    let annotate = ["annotate", "oxm", "bot", "by-kubectl=1"];
    world.kubectl(&annotate).await.ok().unwrap();
    oxen(&world, "on bot --for 2h --wait").await.ok().unwrap();
    let before = annotation(&world.get("bot").await);
    let applied = flux::apply(&world, "inactive").await;
    let annotations = applied.metadata.annotations.clone().unwrap_or_default();
    assert!(!annotations.contains_key("by-kubectl"), "Flux removes it");
    assert_eq!(annotation(&applied), before);
    world.until_observed("bot", 2).await;
    let object = world.get("bot").await;
    assert_eq!(
        status(&object).override_in_force.unwrap().value,
        before.unwrap()
    );
    assert_eq!(status(&object).live.unwrap().to_string(), "active");
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
        "error: release asks for confirmation, which needs a terminal: pass --yes",
    ] {
        assert!(asked.stderr.contains(words), "{}", asked.stderr);
    }
    oxen(&world, "release bot --yes").await.ok().unwrap();
    world.until_gone("bot").await;
}
