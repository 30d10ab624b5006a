//! Secrets that can't be listed, watched, read or decoded: the objects that use them say so or go
//! on with what is known, no other object is affected, and nothing of a Secret is logged. Of the
//! changes of a Secret, only those of its data concern its users.

use cluster::StatusCode;
use hub::Model;
use serde_json::{Value, json};
use testkit::world::{Operator, World, condition, eventually, message};

use crate::gated::{Gated, readiness, spec};

/// The paths of the list and the watch of the Secret `oxen-api-key`.
const LISTS: &str = "/secrets?";

/// The spec of an active model whose key is in the Secret of the same name.
fn with_own_secret(model: &str) -> Value {
    json!({"model": model, "state": "active", "apiKeySecretRef": {"name": model}})
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

#[tokio::test]
async fn a_secret_that_may_not_be_read_is_reported_as_one_that_may_not_exist() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let _operator = gated.operator();
    // A Role that lists names answers so for a Secret that doesn't exist, too.
    gate.refuse("GET", "/secrets/own", StatusCode::FORBIDDEN);
    world.hub.add_model(Model::custom("own"));
    world.create("own", with_own_secret("own")).await;
    let object = world.until_reason("own", "CredentialsNotFound").await;
    let text = message(&object);
    for words in ["may not read the Secret \"own\"", "doesn't exist", "Role"] {
        assert!(text.contains(words), "{words:?} is not in {text:?}");
    }
}

/// Parts that no log may contain, as text and as a Secret's data.
const SENTINEL: &str = "sentinel-of-a-secret-4711";
const ENCODED: &str = "c2VudGluZWwtb2YtYS1zZWNyZXQtNDcxMQ==";

/// Bodies that are no Secret, with a sentinel in each.
fn undecodable_secrets() -> Vec<String> {
    let secret = |metadata: Value, data: Value| {
        let kind =
            json!({"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "data": data});
        kind.to_string()
    };
    let name = json!({"name": "own", "namespace": "team"});
    let whole = secret(name.clone(), json!({"api-key": ENCODED}));
    vec![
        secret(json!(SENTINEL), json!({"api-key": ENCODED})),
        secret(name.clone(), json!(SENTINEL)),
        secret(name.clone(), json!({"api-key": SENTINEL})),
        secret(name, json!({"api-key": [SENTINEL], "other": ENCODED})),
        whole[..whole.len() - 3].to_owned(),
        SENTINEL.to_owned(),
    ]
}

#[tokio::test]
async fn a_secret_that_cannot_be_decoded_is_never_logged_and_affects_no_other_object() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    world.hub.add_model(Model::custom("own"));
    world.hub.add_model(Model::custom("listed"));
    for name in ["own", "listed"] {
        world.secret(name, "api-key", hub::KEY).await;
        world.create(name, with_own_secret(name)).await;
    }
    world.create("bot", spec("active")).await;
    let settings = [("OXEN_SECRET_NAMES", "oxen-api-key,listed")];
    for (number, body) in undecodable_secrets().into_iter().enumerate() {
        // A list of one, and the object itself.
        let list = json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": []});
        let list = list.to_string().replace("[]", &format!("[{body}]"));
        gate.answer_all("GET", "metadata.name%3Dlisted", list);
        gate.answer_all("GET", "/secrets/own", body);
        for levels in ["info,kube_client::client=warn", "trace"] {
            let operator = gated.operator_with(&[&settings[..], &[("RUST_LOG", levels)]].concat());
            // The Secret whose list can't be decoded is read by its name.
            for name in ["bot", "listed"] {
                world.until_reason(name, "Active").await;
                world
                    .request_reconcile(name, &format!("{number} {levels}"))
                    .await;
                world
                    .until_handled(name, &format!("{number} {levels}"))
                    .await;
            }
            operator
                .until_logged("a request to the Kubernetes API failed")
                .await;
            let errors = "oxen_operator_reconcile_errors_total ";
            operator.until_metric(errors, 2.0).await;
            assert_eq!(world.calls("own"), [""; 0]);
            let log = operator.log();
            for words in [SENTINEL, &ENCODED[..24]] {
                let line = log.lines().find(|line| line.contains(words));
                assert_eq!(line, None, "{levels}");
            }
        }
        gate.clear();
    }
    let _operator = gated.operator_with(&settings);
    world.until_reason("own", "Active").await;
}

/// Waits until `/readyz` answers 200 and names the watched Secret in a line with these words.
async fn until_named(operator: &Operator, words: &str) {
    eventually("the watch of the Secret is named", || async {
        let (code, text) = readiness(operator).await;
        let mut lines = text.lines();
        let named = lines.any(|line| line.contains("oxen-api-key") && line.contains(words));
        (code == 200 && named).then_some(())
    })
    .await;
}

/// The metric of the last answer to a watch of the namespace's Secrets.
fn last_success(world: &World) -> String {
    let metric = "oxen_operator_watch_last_success_timestamp_seconds{resource=\"secrets\"";
    format!("{metric},namespace=\"{}\"}} ", world.namespace)
}

#[tokio::test]
async fn a_secret_that_cannot_be_watched_is_named_and_read_when_it_is_needed() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    gate.refuse("GET", LISTS, StatusCode::FORBIDDEN);
    let operator = gated.operator();
    world.create("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;
    until_named(&operator, "can't be listed: 403 Forbidden").await;
    assert_eq!(operator.metric(&last_success(world)).await, 0.0);

    // A new key is used from the next observation on.
    world.hub.add_key(hub::ACCOUNT, "the-next-key");
    world.hub.revoke_key(hub::KEY);
    world.until_reason("bot", "Unauthenticated").await;
    world
        .secret("oxen-api-key", "api-key", "the-next-key")
        .await;
    world.until_reason("bot", "Active").await;
    gate.clear();
    eventually("nothing is wrong", || async {
        (readiness(&operator).await == (200, "ok\n".into())).then_some(())
    })
    .await;
    assert!(operator.metric(&last_success(world)).await > 0.0);
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_secret_that_can_no_longer_be_watched_is_named_and_its_last_key_is_used() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let operator = gated.operator();
    world.create("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;
    operator.until_metric(&last_success(world), 1.0).await;
    gate.refuse("GET", LISTS, StatusCode::FORBIDDEN);
    gate.mute_streams();
    until_named(&operator, "can't be watched any more").await;
    let last = operator.metric(&last_success(world)).await;

    // All objects are served meanwhile, those that use the Secret too.
    gated.declare("inactive").await;
    world.until_reason("bot", "Inactive").await;
    world.hub.add_model(Model::custom("other"));
    let other = json!({"model": "other", "state": "active"});
    world.create("other", other).await;
    world.until_reason("other", "Active").await;
    assert_eq!(operator.metric(&last_success(world)).await, last);
    gate.clear();
    operator
        .until_metric(&last_success(world), last + 1.0)
        .await;
}

#[tokio::test]
async fn a_secret_whose_reading_hangs_delays_no_other_object() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let operator = gated.operator();
    let names = ["own", "another"];
    for name in names {
        world.secret(name, "api-key", hub::KEY).await;
        world.hub.add_model(Model::custom(name));
        world.create(name, with_own_secret(name)).await;
        world.until_reason(name, "Active").await;
    }
    // The reading is given up after three seconds.
    let mut held = gate.hold_all("GET", "/secrets/own");
    held.arrived(1).await;
    for name in ["another", "bot"] {
        let inactive = json!({"model": name, "state": "inactive"});
        if name == "bot" {
            world.create(name, inactive).await;
        } else {
            world.edit(name, inactive).await;
        }
        world.until_reason(name, "Inactive").await;
    }
    operator
        .until_metric("oxen_operator_reconcile_errors_total ", 1.0)
        .await;
    // What was known of the object stays.
    let object = world.get("own").await;
    assert_eq!(condition(&object, "Synced").unwrap().status, "True");
    drop(held);
    world.request_reconcile("own", "1").await;
    world.until_handled("own", "1").await;
}

/// Patches the Secret `oxen-api-key` with a merge patch.
async fn patch_secret(world: &World, patch: Value) {
    let patch = patch.to_string();
    let command = [
        "patch",
        "secret",
        "oxen-api-key",
        "--type",
        "merge",
        "-p",
        &patch,
    ];
    world.kubectl(&command).await.ok().unwrap();
}

/// Requests a reconcile, and waits until it has ended.
async fn reconciled(world: &World, request: &str) {
    world.request_reconcile("bot", request).await;
    world.until_handled("bot", request).await;
}

#[tokio::test]
async fn only_a_change_of_its_data_or_a_deletion_of_a_secret_wakes_its_users() {
    let gated = Gated::new().await;
    let Gated { world, .. } = &gated;
    // Nothing else wakes the object.
    let _operator = gated.operator_with(&[("OXEN_SYNC_INTERVAL", "1h")]);
    world.create("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;
    world.until_finalizer("bot").await;
    reconciled(world, "1").await;
    let observed = || world.requests("bot").len();
    let before = observed();
    for label in ["a", "b", "c"] {
        let labels = json!({"metadata": {"labels": {"team": label}}});
        patch_secret(world, labels).await;
        reconciled(world, label).await;
    }
    assert_eq!(observed(), before + 3, "{:#?}", world.requests("bot"));

    patch_secret(world, json!({"data": {"other": "eA=="}})).await;
    eventually("the users of the Secret are woken", || async {
        (observed() == before + 4).then_some(())
    })
    .await;
    reconciled(world, "2").await;
    assert_eq!(observed(), before + 5, "{:#?}", world.requests("bot"));

    world.delete_secret("oxen-api-key").await;
    world.until_fault("bot", "CredentialsNotFound").await;
}
