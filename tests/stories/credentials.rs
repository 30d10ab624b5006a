//! Which API key is used, what is reported where there is none, what wakes an object then, and that
//! no key is ever shown.

use cluster::Cluster;
use hub::{ACCOUNT, Fault, Hub, KEY, Model};
use oxen_operator::api::OxenModel;
use serde_json::{Value, json};
use testkit::world::{
    DEADLINE, World, condition, install_crd, message, program, progress, ready, status,
};
use tokio::process::Command;

/// With these settings, an object without a valid key is retried after five minutes, which is
/// longer than a test waits: only a change of the Secret can wake it.
const RARE_RETRIES: &[(&str, &str)] = &[("OXEN_TIME_SCALE", "1"), ("OXEN_SYNC_INTERVAL", "1h")];

/// With this setting, an object without a valid key is retried after 0.6 seconds.
const QUICK_RETRIES: (&str, &str) = ("OXEN_TIME_SCALE", "500");

async fn with_bot(status: &str) -> World {
    World::new(Hub::builder().model(Model::custom("bot").status(status))).await
}

fn active(model: &str) -> Value {
    json!({"model": model, "state": "active"})
}

fn with_secret(model: &str, secret: Value) -> Value {
    json!({"model": model, "state": "active", "apiKeySecretRef": secret})
}

/// The settings that give the operator its own key, which these namespaces may use.
fn operator_key<'a>(key: &'a str, namespaces: &'a str) -> [(&'a str, &'a str); 2] {
    [
        ("OXEN_API_KEY", key),
        ("OXEN_OPERATOR_KEY_NAMESPACES", namespaces),
    ]
}

#[tokio::test]
async fn a_missing_secret_is_reported_with_the_command_that_creates_it() {
    let world = with_bot("inactive").await;
    world.delete_secret("oxen-api-key").await;
    let _operator = world.operator_with(RARE_RETRIES);
    world.create("bot", active("bot")).await;

    let object = world.until_reason("bot", "CredentialsNotFound").await;
    assert_eq!(progress(&object), Some(("Stalled", "CredentialsNotFound")));
    assert_eq!(ready(&object).unwrap().status, "False");
    assert_eq!(world.hub.journal().entries.len(), 0);

    run_command_of_message(&world, &object).await;
    world.until_reason("bot", "Active").await;
}

/// Runs the command in the object's message, as a shell does.
async fn run_command_of_message(world: &World, object: &OxenModel) {
    let (_, line) = message(object).split_once("kubectl ").unwrap();
    let line = line.replace("YOUR_API_KEY", KEY).replace('\'', "");
    let words: Vec<&str> = line.split_whitespace().collect();
    world.cluster.kubectl(&words).await.unwrap().ok().unwrap();
}

#[tokio::test]
async fn an_invalid_key_is_reported_with_the_command_that_replaces_it() {
    let rows: [(&str, &str, &[u8], &str, &str); 5] = [
        (
            "other-key",
            "token",
            b"k",
            "CredentialsNotFound",
            "has no key \"api-key\"",
        ),
        ("empty", "api-key", b"", "CredentialsInvalid", "is empty"),
        ("blank", "api-key", b" \n", "CredentialsInvalid", "is empty"),
        (
            "binary",
            "api-key",
            b"\xff\xfe\x00",
            "CredentialsInvalid",
            "is not UTF-8",
        ),
        (
            "two-lines",
            "api-key",
            b"one\ntwo",
            "CredentialsInvalid",
            "one line",
        ),
    ];
    let world = World::new(Hub::builder()).await;
    let names = rows.map(|row| row.0).join(",");
    let mut settings = vec![("OXEN_SECRET_NAMES", names.as_str())];
    settings.extend(RARE_RETRIES);
    let _operator = world.operator_with(&settings);
    for (name, key, bytes, _, _) in rows {
        world.hub.add_model(Model::custom(name));
        world.secret(name, key, bytes).await;
        world
            .create(name, with_secret(name, json!({"name": name})))
            .await;
    }
    for (name, _, _, reason, words) in rows {
        let object = world.until_reason(name, reason).await;
        assert_eq!(progress(&object), Some(("Stalled", reason)));
        let text = message(&object);
        assert!(
            text.contains(words) && text.contains(&format!("{name:?}")),
            "{text}"
        );
    }
    assert_eq!(world.hub.journal().entries.len(), 0);

    for (name, ..) in rows {
        let object = world.get(name).await;
        run_command_of_message(&world, &object).await;
    }
    for (name, ..) in rows {
        world.until_reason(name, "Active").await;
    }
    // `echo` ends its output with a newline.
    world.secret("empty", "api-key", format!("{KEY}\n")).await;
    world.request_reconcile("empty", "1").await;
    world.until_handled("empty", "1").await;
}

#[tokio::test]
async fn a_rotated_key_is_used_at_once() {
    let world = with_bot("active").await;
    let _operator = world.operator_with(RARE_RETRIES);
    world.create("bot", active("bot")).await;
    world.until_reason("bot", "Active").await;

    world.hub.revoke_key(KEY);
    world.hub.add_key(ACCOUNT, "the-next-key");
    world.request_reconcile("bot", "1").await;
    let object = world.until_reason("bot", "Unauthenticated").await;
    assert_eq!(progress(&object), Some(("Stalled", "Unauthenticated")));
    assert_eq!(condition(&object, "Synced").unwrap().status, "False");
    assert_eq!(status(&object).model.unwrap().id, "bot");

    world
        .secret("oxen-api-key", "api-key", "the-next-key")
        .await;
    world.until_reason("bot", "Active").await;
    assert_eq!(world.hub.journal().posts().len(), 0);
}

#[tokio::test]
async fn a_secret_that_is_not_watched_is_read_when_it_is_needed() {
    let world = with_bot("inactive").await;
    world.delete_secret("oxen-api-key").await;
    world.secret("team", "token", KEY).await;
    let _operator = world.operator();
    let secret = json!({"name": "team", "key": "token"});
    world.create("bot", with_secret("bot", secret)).await;
    world.until_reason("bot", "Active").await;

    // The Secret isn't watched, so a change is noticed when the object is polled.
    world.delete_secret("team").await;
    let object = world.until_reason("bot", "CredentialsNotFound").await;
    let text = message(&object);
    assert!(
        text.contains("generic team") && text.contains("--from-literal=token="),
        "{text}"
    );
    world.secret("team", "token", KEY).await;
    world.until_reason("bot", "Active").await;
}

/// The operator is a user with only the rights that it needs.
#[tokio::test]
async fn a_secret_that_the_operator_may_not_read_is_reported() {
    let cluster = Cluster::builder()
        .user("operator", &[])
        .start()
        .await
        .unwrap();
    install_crd(&cluster).await;
    let rights = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "operator"},
        "rules": [
            {"apiGroups": ["oxen.ai"], "resources": ["oxenmodels"], "verbs": ["get", "list", "watch", "patch"]},
            {"apiGroups": ["oxen.ai"], "resources": ["oxenmodels/status"], "verbs": ["patch"]},
            {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["oxen-api-key"], "verbs": ["get", "list", "watch"]},
        ],
    })
    .to_string();
    cluster
        .kubectl_stdin(&["apply", "-f", "-"], &rights)
        .await
        .unwrap()
        .ok()
        .unwrap();
    let bind = [
        "create",
        "clusterrolebinding",
        "operator",
        "--clusterrole=operator",
        "--user=operator",
    ];
    cluster.kubectl(&bind).await.unwrap().ok().unwrap();

    let hub = Hub::builder()
        .model(Model::custom("ours"))
        .model(Model::custom("theirs"));
    let world = World::on(&cluster, hub).await;
    world.secret("team", "api-key", KEY).await;
    let user = cluster
        .kubeconfig_for("operator")
        .unwrap()
        .to_str()
        .unwrap();
    let operator = world.operator_with(&[("KUBECONFIG", user)]);
    world
        .create("theirs", with_secret("theirs", json!({"name": "team"})))
        .await;
    world.create("ours", active("ours")).await;

    world.until_reason("ours", "Active").await;
    let events = world.until_last_event("ours", "Active").await;
    assert_eq!(events, ["Activating", "Active"]);
    let object = world.until_reason("theirs", "CredentialsNotFound").await;
    let text = message(&object);
    assert!(text.contains("may not read the Secret \"team\""), "{text}");
    assert!(text.contains("Role"), "{text}");
    assert!(!text.contains("kubectl"), "{text}");

    // The rights are also enough to complete a deletion.
    world.delete("ours").await;
    world.until_gone("ours").await;
    assert_eq!(world.calls("ours"), ["activate", "deactivate"]);
    drop(operator);
}

#[tokio::test]
async fn the_operators_key_is_used_in_the_listed_namespaces() {
    let world = World::new(Hub::builder()).await;
    world.delete_secret("oxen-api-key").await;
    let named = format!("elsewhere, {}", world.namespace);
    for (name, namespaces) in [("named", named.as_str()), ("all", "*")] {
        world.hub.add_model(Model::custom(name));
        world.create(name, active(name)).await;
        let _operator = world.operator_with(&operator_key(KEY, namespaces));
        world.until_reason(name, "Active").await;
    }
}

#[tokio::test]
async fn the_operators_key_is_used_in_no_other_namespace() {
    for namespaces in ["elsewhere", ""] {
        let world = with_bot("active").await;
        world.delete_secret("oxen-api-key").await;
        let mut settings = operator_key(KEY, namespaces).to_vec();
        settings.extend(RARE_RETRIES);
        let _operator = world.operator_with(&settings);
        world.create("bot", active("bot")).await;
        let object = world.until_reason("bot", "OperatorKeyNotAllowed").await;
        assert_eq!(
            progress(&object),
            Some(("Stalled", "OperatorKeyNotAllowed"))
        );
        let text = message(&object);
        for words in [
            "--operator-key-namespaces",
            "kubectl create secret generic oxen-api-key",
        ] {
            assert!(text.contains(words), "{text}");
        }
        assert_eq!(world.hub.journal().entries.len(), 0);

        world.secret("oxen-api-key", "api-key", KEY).await;
        world.until_reason("bot", "Active").await;
    }
}

#[tokio::test]
async fn no_other_key_is_tried_when_the_right_one_is_refused() {
    let world = with_bot("active").await;
    // First the namespace's own Secret has a valid key, and then the operator has one.
    let [key, namespaces] = operator_key("a-revoked-key", "*");
    let operator = world.operator_with(&[QUICK_RETRIES, key, namespaces]);
    world.create("bot", active("bot")).await;
    world.until_reason("bot", "Unauthenticated").await;
    world.until_observed("bot", 2).await;
    operator.kill();

    world
        .secret("stale", "api-key", "another-revoked-key")
        .await;
    let secret = json!({"apiKeySecretRef": {"name": "stale"}});
    world.edit("bot", secret).await;
    let [key, namespaces] = operator_key(KEY, "*");
    let _operator = world.operator_with(&[QUICK_RETRIES, key, namespaces]);
    world.until_reason("bot", "Unauthenticated").await;
    world.until_observed("bot", 2).await;
    let journal = world.hub.journal();
    let refused = |entry: &hub::Entry| entry.account.is_none();
    assert!(journal.entries.iter().all(refused), "{journal:#?}");
}

#[tokio::test]
async fn the_operators_key_is_read_from_its_file_for_each_use() {
    let world = with_bot("inactive").await;
    world.delete_secret("oxen-api-key").await;
    let file = world
        .cluster
        .folder()
        .join(format!("{}.key", world.namespace));
    let _operator = world.operator_with(&[
        QUICK_RETRIES,
        ("OXEN_API_KEY_FILE", file.to_str().unwrap()),
        ("OXEN_OPERATOR_KEY_NAMESPACES", "*"),
    ]);
    world.create("bot", active("bot")).await;
    let object = world.until_reason("bot", "CredentialsNotFound").await;
    let text = message(&object);
    assert!(text.contains("its own API key"), "{text}");
    assert!(text.contains("operatorKey.existingSecret"), "{text}");
    assert!(!text.contains("kubectl"), "a Secret isn't read: {text}");
    std::fs::write(&file, "not\na key").unwrap();
    world.until_reason("bot", "CredentialsInvalid").await;
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    world.until_reason("bot", "Active").await;
}

#[tokio::test]
async fn no_key_is_in_a_log_status_event_or_metric() {
    const LIVE: &str = "oxk-live-5a1d3c7e9b";
    const REVOKED: &str = "oxk-revoked-77aa31c0";
    const BROKEN: &str = "oxk-broken-1c2d3e4f";
    const OWN: &str = "oxk-own-0f9e8d7c6b";
    let world = World::new(Hub::builder().model(Model::custom("live"))).await;
    world.hub.add_key(ACCOUNT, LIVE);
    let secrets = [
        ("live", LIVE.to_owned()),
        ("revoked", REVOKED.to_owned()),
        ("broken", format!("{BROKEN}\n{BROKEN}")),
    ];
    // The hub quotes the key in its errors.
    let echo = format!("invalid key {LIVE}: Bearer {LIVE}");
    let operator = world.operator_with(&[
        QUICK_RETRIES,
        ("RUST_LOG", "trace"),
        ("OXEN_API_KEY", OWN),
        ("OXEN_OPERATOR_KEY_NAMESPACES", "*"),
        ("OXEN_SECRET_NAMES", "live,revoked"),
    ]);
    for (name, key) in &secrets {
        world.secret(name, "api-key", key).await;
        world
            .create(name, with_secret(name, json!({"name": name})))
            .await;
    }
    world.create("own", active("own")).await;
    world.until_reason("live", "Active").await;
    world.until_reason("revoked", "Unauthenticated").await;
    world.until_reason("broken", "CredentialsInvalid").await;
    world.until_reason("own", "Unauthenticated").await;
    for (n, fault) in [
        Fault::error(403, &echo),
        Fault::error(500, &echo),
        Fault::answering(200, json!(echo)),
        Fault::cut(),
    ]
    .into_iter()
    .enumerate()
    {
        let fault = world.hub.inject(fault.on_model("live"));
        world.request_reconcile("live", &n.to_string()).await;
        world
            .until("live", "out of sync", |object| {
                condition(object, "Synced").unwrap().status == "False"
            })
            .await;
        world.hub.clear_fault(fault);
        world.until_reason("live", "Active").await;
        world
            .until("live", "in sync", |object| {
                condition(object, "Synced").unwrap().status == "True"
            })
            .await;
    }
    world.delete("live").await;
    world.until_gone("live").await;
    let url = operator.url().await;
    let metrics = reqwest::get(format!("{url}/metrics")).await.unwrap();

    let mut places = vec![
        ("log", operator.log()),
        ("metrics", metrics.text().await.unwrap()),
    ];
    for kind in ["oxenmodels", "events"] {
        let listed = world.kubectl(&["get", kind, "-o", "json"]).await;
        places.push((kind, listed.ok().unwrap().stdout));
    }
    assert!(operator.log().contains("TRACE"), "the log is complete");
    for key in [LIVE, REVOKED, BROKEN, OWN] {
        let encoded = serde_json::to_value(k8s_openapi::ByteString(key.into())).unwrap();
        // The end of the base64 text depends on what follows the key.
        let encoded: String = encoded.as_str().unwrap().chars().take(16).collect();
        for (place, text) in &places {
            for bytes in [key, &encoded] {
                let line = text.lines().find(|line| line.contains(bytes));
                assert_eq!(line, None, "{bytes} is in the {place}");
            }
        }
    }
}

#[tokio::test]
async fn an_invalid_setting_ends_the_start_and_is_named() {
    let missing = "/nowhere/kubeconfig";
    for (settings, words) in [
        (&[("OXEN_BASE_URL", "hub.oxen.ai")][..], "OXEN_BASE_URL"),
        (&[("OXEN_BASE_URL", "ftp://hub.oxen.ai")], "OXEN_BASE_URL"),
        (&[("OXEN_BASE_URL", "")], "OXEN_BASE_URL"),
        (
            &[("OXEN_BASE_URL", "http://gate:s3cret@hub")],
            "OXEN_BASE_URL",
        ),
        (&[("OXEN_PROXY", "socks")], "OXEN_PROXY"),
        (
            &[("OXEN_PROXY", "http://gate:s3/cret@proxy:3128")],
            "OXEN_PROXY",
        ),
        (&[("OXEN_API_KEY", "two words")], "OXEN_API_KEY"),
        (&[("OXEN_API_KEY", "")], "OXEN_API_KEY"),
        (
            &[("OXEN_API_KEY", "k"), ("OXEN_API_KEY_FILE", "/k")],
            "OXEN_API_KEY_FILE",
        ),
        (
            &[("OXEN_OPERATOR_KEY_NAMESPACES", "team")],
            "--operator-key-namespaces",
        ),
        (&[("OXEN_SYNC_INTERVAL", "soon")], "--sync-interval"),
        (&[("OXEN_SYNC_INTERVAL", "0s")], "--sync-interval"),
        (&[("OXEN_PROGRESS_DEADLINE", "0s")], "--progress-deadline"),
        (&[("OXEN_REQUEST_TIMEOUT", "10")], "--request-timeout"),
        (&[("OXEN_DELETION_POLICY", "Orphan")], "--deletion-policy"),
        (&[("OXEN_HUB_RATE", "0")], "--hub-rate"),
        (&[("OXEN_LEADER_ELECT", "maybe")], "--leader-elect"),
        (&[("OXEN_LISTEN", "8080")], "--listen"),
        (&[("KUBECONFIG", missing)], missing),
    ] {
        let mut command = Command::new(program());
        let run = command
            .arg("run")
            .env_clear()
            .envs(settings.iter().copied())
            .kill_on_drop(true)
            .output();
        let ended = tokio::time::timeout(DEADLINE, run).await;
        let output = ended
            .unwrap_or_else(|_| panic!("{settings:?}: the operator runs"))
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{settings:?}: {text}");
        let first = text.lines().next().unwrap();
        assert!(first.contains(words), "{settings:?}: {text}");
        for hidden in ["two words", "s3cret", "s3/cret", "panicked"] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
}

#[tokio::test]
async fn a_hub_that_is_down_at_the_start_is_waited_for() {
    let world = with_bot("inactive").await;
    world.hub.stop().await.unwrap();
    let operator = world.operator();
    world.create("bot", active("bot")).await;
    let object = world.until_reason("bot", "HubUnreachable").await;
    assert_eq!(ready(&object).unwrap().status, "Unknown");
    operator.ready().await;
    world.hub.restart().await.unwrap();
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_request_before_another_accounts_key_does_not_accept_its_model() {
    let world = with_bot("active").await;
    let _operator = world.operator();
    world.create("bot", active("bot")).await;
    world.until_reason("bot", "Active").await;
    world.delete_secret("oxen-api-key").await;
    world.until_reason("bot", "CredentialsNotFound").await;
    world.request_reconcile("bot", "1").await;

    // From now on the hub answers with another account's model.
    let theirs = json!({"owned_by": "another", "deployments": [{"status": "inactive"}]});
    let theirs = world.hub.inject(Fault::patch(theirs));
    world.secret("oxen-api-key", "api-key", KEY).await;
    let object = world.until_reason("bot", "IdentityChanged").await;
    assert_eq!(progress(&object), Some(("Stalled", "IdentityChanged")));
    world.until_observed("bot", 3).await;
    let object = world.until_reason("bot", "IdentityChanged").await;
    assert_eq!(status(&object).model.unwrap().owner, ACCOUNT);
    assert_eq!(status(&object).other_model.unwrap().owner, "another");
    assert_eq!(world.hub.journal().posts().len(), 0);

    // A request after that accepts it.
    world.hub.clear_fault(theirs);
    let theirs = json!({"owned_by": "another"});
    world.hub.inject(Fault::patch(theirs));
    world.request_reconcile("bot", "2").await;
    let object = world.until_reason("bot", "Active").await;
    assert_eq!(status(&object).model.unwrap().owner, "another");
    assert_eq!(world.hub.journal().posts().len(), 0);
}
