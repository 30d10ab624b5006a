//! Whose API key is used: what a person is told where there is none, what wakes an object up again,
//! and that the key shows up nowhere.

use cluster::Cluster;
use hub::{ACCOUNT, Fault, Hub, KEY, Model};
use oxen_operator::api::OxenModel;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::world::{DEADLINE, World, condition, install_crd, marker, message, ready, status};

/// So long that no story sees it: only a change of the Secret can wake the object.
const NEVER: &[(&str, &str)] = &[("OXEN_REFUSED_PROBE", "1h"), ("OXEN_SYNC_INTERVAL", "1h")];

async fn with_bot(status: &str) -> World {
    World::new(Hub::builder().model(Model::custom("bot").status(status))).await
}

fn active(model: &str) -> Value {
    json!({"model": model, "state": "active"})
}

fn with_secret(model: &str, secret: Value) -> Value {
    json!({"model": model, "state": "active", "apiKeySecretRef": secret})
}

/// The operator has a key of its own, and these namespaces may use it.
fn lending<'a>(key: &'a str, namespaces: &'a str) -> [(&'a str, &'a str); 2] {
    [
        ("OXEN_API_KEY", key),
        ("OXEN_OPERATOR_KEY_NAMESPACES", namespaces),
    ]
}

#[tokio::test]
async fn a_missing_secret_is_named_with_the_line_that_creates_it_and_creating_it_is_enough() {
    let world = with_bot("inactive").await;
    world.delete_secret("oxen-api-key").await;
    let _operator = world.operator_with(NEVER);
    world.create("bot", active("bot")).await;

    let object = world.until_reason("bot", "CredentialsNotFound").await;
    assert_eq!(marker(&object), Some(("Stalled", "CredentialsNotFound")));
    assert_eq!(ready(&object).unwrap().status, "False");
    assert_eq!(world.hub.journal().entries.len(), 0);

    run_what_it_says(&world, &object).await;
    world.until_reason("bot", "Active").await;
}

/// Runs the line of a message, as a shell would.
async fn run_what_it_says(world: &World, object: &OxenModel) {
    let (_, line) = message(object).split_once("kubectl ").unwrap();
    let line = line.replace("YOUR_API_KEY", KEY).replace('\'', "");
    let words: Vec<&str> = line.split_whitespace().collect();
    world.cluster.kubectl(&words).await.unwrap().ok().unwrap();
}

#[tokio::test]
async fn what_a_secret_holds_that_can_be_no_key_is_said_and_mending_it_is_enough() {
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
    settings.extend(NEVER);
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
        assert_eq!(marker(&object), Some(("Stalled", reason)));
        let said = message(&object);
        assert!(
            said.contains(words) && said.contains(&format!("{name:?}")),
            "{said}"
        );
    }
    assert_eq!(world.hub.journal().entries.len(), 0);

    for (name, ..) in rows {
        let object = world.get(name).await;
        run_what_it_says(&world, &object).await;
        world.until_reason(name, "Active").await;
    }
    // As `echo` writes it.
    world.secret("empty", "api-key", format!("{KEY}\n")).await;
    world.request("empty", "1").await;
    world
        .until("empty", "looked at with it", |object| {
            status(object).last_handled_reconcile_at.as_deref() == Some("1")
        })
        .await;
}

#[tokio::test]
async fn a_rotated_key_is_taken_at_once() {
    let world = with_bot("active").await;
    let _operator = world.operator_with(NEVER);
    world.create("bot", active("bot")).await;
    world.until_reason("bot", "Active").await;

    world.hub.revoke_key(KEY);
    world.hub.add_key(ACCOUNT, "the-next-key");
    world.request("bot", "1").await;
    let object = world.until_reason("bot", "Unauthenticated").await;
    assert_eq!(marker(&object), Some(("Stalled", "Unauthenticated")));
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

    // It isn't watched, so a change of it is noticed when the object is looked at.
    world.delete_secret("team").await;
    let object = world.until_reason("bot", "CredentialsNotFound").await;
    let said = message(&object);
    assert!(
        said.contains("generic team") && said.contains("--from-literal=token="),
        "{said}"
    );
    world.secret("team", "token", KEY).await;
    world.until_reason("bot", "Active").await;
}

/// The operator as a user with just the rights that it needs.
#[tokio::test]
async fn a_secret_that_the_operator_may_not_read_is_said_so() {
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
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["oxen-api-key"], "verbs": ["list", "watch"]},
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
    assert_eq!(world.events("ours").await, ["Activating", "Active"]);
    let object = world.until_reason("theirs", "CredentialsNotFound").await;
    let said = message(&object);
    assert!(said.contains("may not read the Secret \"team\""), "{said}");
    assert!(said.contains("Role"), "{said}");
    assert!(!said.contains("kubectl"), "{said}");

    // And with its rights a deletion completes, too.
    world.delete("ours").await;
    world.until_gone("ours").await;
    assert_eq!(world.calls("ours"), ["activate", "deactivate"]);
    drop(operator);
}

#[tokio::test]
async fn the_operators_key_is_lent_to_the_namespaces_that_are_listed() {
    let world = World::new(Hub::builder()).await;
    world.delete_secret("oxen-api-key").await;
    let named = format!("elsewhere, {}", world.namespace);
    for (name, namespaces) in [("named", named.as_str()), ("all", "*")] {
        world.hub.add_model(Model::custom(name));
        world.create(name, active(name)).await;
        let _operator = world.operator_with(&lending(KEY, namespaces));
        world.until_reason(name, "Active").await;
    }
}

#[tokio::test]
async fn the_operators_key_is_lent_to_no_other_namespace() {
    for namespaces in ["elsewhere", ""] {
        let world = with_bot("active").await;
        world.delete_secret("oxen-api-key").await;
        let mut settings = lending(KEY, namespaces).to_vec();
        settings.extend(NEVER);
        let _operator = world.operator_with(&settings);
        world.create("bot", active("bot")).await;
        let object = world.until_reason("bot", "OperatorKeyNotAllowed").await;
        assert_eq!(marker(&object), Some(("Stalled", "OperatorKeyNotAllowed")));
        let said = message(&object);
        for words in [
            "--operator-key-namespaces",
            "kubectl create secret generic oxen-api-key",
        ] {
            assert!(said.contains(words), "{said}");
        }
        assert_eq!(world.hub.journal().entries.len(), 0);

        world.secret("oxen-api-key", "api-key", KEY).await;
        world.until_reason("bot", "Active").await;
    }
}

#[tokio::test]
async fn no_other_key_is_tried_when_the_one_to_use_is_refused() {
    let world = with_bot("active").await;
    // The namespace's own Secret would do, and the operator's key would do for the other one.
    let operator = world.operator_with(&lending("a-revoked-key", "*"));
    world.create("bot", active("bot")).await;
    world.until_reason("bot", "Unauthenticated").await;
    world.until_looked("bot", 2).await;
    operator.kill();

    world
        .secret("stale", "api-key", "another-revoked-key")
        .await;
    let secret = json!({"apiKeySecretRef": {"name": "stale"}});
    world.edit("bot", secret).await;
    let lent = [("OXEN_API_KEY", KEY), ("OXEN_OPERATOR_KEY_NAMESPACES", "*")];
    let _operator = world.operator_with(&lent);
    world.until_reason("bot", "Unauthenticated").await;
    world.until_looked("bot", 2).await;
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
        ("OXEN_API_KEY_FILE", file.to_str().unwrap()),
        ("OXEN_OPERATOR_KEY_NAMESPACES", "*"),
    ]);
    world.create("bot", active("bot")).await;
    let object = world.until_reason("bot", "CredentialsNotFound").await;
    let said = message(&object);
    assert!(said.contains("its own API key"), "{said}");
    assert!(said.contains("operatorKey.existingSecret"), "{said}");
    assert!(!said.contains("kubectl"), "it would not be read: {said}");
    std::fs::write(&file, "not\na key").unwrap();
    world.until_reason("bot", "CredentialsInvalid").await;
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    world.until_reason("bot", "Active").await;
}

#[tokio::test]
async fn the_keys_bytes_are_in_no_log_status_or_event() {
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
    // A hub that quotes the key back is no reason to pass it on.
    let echo = format!("invalid key {LIVE}: Bearer {LIVE}");
    let operator = world.operator_with(&[
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
        world.request("live", &n.to_string()).await;
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
    assert!(operator.log().contains("TRACE"), "it logs all that it can");
    for key in [LIVE, REVOKED, BROKEN, OWN] {
        let encoded = serde_json::to_value(k8s_openapi::ByteString(key.into())).unwrap();
        // The end of a base64 text depends on what follows the key.
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
async fn a_setting_that_can_not_be_used_ends_the_start_with_its_name() {
    let missing = "/nowhere/kubeconfig";
    for (settings, words) in [
        (&[("OXEN_BASE_URL", "hub.oxen.ai")][..], "OXEN_BASE_URL"),
        (&[("OXEN_BASE_URL", "ftp://hub.oxen.ai")], "OXEN_BASE_URL"),
        (&[("OXEN_BASE_URL", "")], "OXEN_BASE_URL"),
        (&[("OXEN_PROXY", "socks")], "OXEN_PROXY"),
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
        (&[("OXEN_BACKOFF_LAST", "10ms")], "--backoff-last"),
        (&[("OXEN_FAILURE_DELAYS", "1m")], "--failure-delays"),
        (&[("OXEN_DELETION_POLICY", "Orphan")], "--deletion-policy"),
        (&[("OXEN_CONCURRENCY", "0")], "--concurrency"),
        (&[("OXEN_LISTEN", "8080")], "--listen"),
        (&[("KUBECONFIG", missing)], missing),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oxen-operator"));
        let run = command
            .arg("run")
            .env_clear()
            .envs(settings.iter().copied())
            .kill_on_drop(true)
            .output();
        let ended = tokio::time::timeout(DEADLINE, run).await;
        let output = ended
            .unwrap_or_else(|_| panic!("{settings:?}: it runs"))
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{settings:?}: {said}");
        let first = said.lines().next().unwrap();
        assert!(first.contains(words), "{settings:?}: {said}");
        assert!(!said.contains("two words"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
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
