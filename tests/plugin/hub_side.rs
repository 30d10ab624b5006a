//! The hub's models, the API key and `-v`.

use cluster::{Cluster, Output};
use hub::{Endpoint, Fault, Hub, Model};
use serde_json::{Value, json};
use testkit::world::{World, eventually, install_crd};

use crate::{
    bash, fails, holds_no_key,
    screens::{golden, masked, on_a_terminal},
    with_hub,
};

/// A world whose account no other test has, so that no other test's object manages its models.
async fn samples(account: &str) -> World {
    World::new(
        Hub::builder()
            .key(account, hub::KEY)
            .with_samples_of(account),
    )
    .await
}

#[tokio::test]
async fn the_screens_of_the_hub_are_the_golden_ones() {
    let world = samples("screens").await;
    let _operator = world.operator();
    for (name, model) in [("bot", "support-bot-v2"), ("shots", "flux-product-shots")] {
        let spec = json!({"model": model, "state": "inactive", "suspend": true});
        world.create(name, spec).await;
        world
            .until(name, "observed", |it| it.status.is_some())
            .await;
    }
    world.until_reason("bot", "Inactive").await;
    world.until_reason("shots", "WouldDeactivate").await;
    let variables = format!("TERM=dumb OXEN_BASE_URL={}", world.hub.url());
    for (name, arguments) in [
        ("search", "search kling"),
        ("models", "models"),
        ("models-custom", "models --custom"),
        ("models-active", "models --active"),
        ("model", "model support-bot-v2 --live"),
        ("model-base", "model flux-2-dev"),
    ] {
        let words = format!("{arguments} 2>/dev/null");
        let shown = on_a_terminal(&world, 80, &variables, &words).await;
        golden(name, &masked(&world, &shown));
        for line in shown.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let piped = with_hub(&world, arguments).await.ok().unwrap();
        assert!(!piped.stdout.contains('\x1b'), "{name}");
        holds_no_key(&piped);
        if name == "search" {
            // Where its name is cut depends on the length of the namespace's name.
            let kling = "kling-video-o3-pro-reference-to-video";
            world.hub.remove_model(kling).unwrap();
        }
    }
    for (name, arguments) in [
        ("models-wide", "models -o wide"),
        ("models-names", "models --developer anthropic -o name"),
        ("models-action", "models --action text_to_image -o name"),
    ] {
        let output = with_hub(&world, arguments).await.ok().unwrap();
        golden(name, &masked(&world, &output.stdout));
    }
    let words = with_hub(&world, "models").await.ok().unwrap();
    golden("models-words", &masked(&world, &words.stderr));
}

#[tokio::test]
async fn every_field_of_a_model_is_in_json_and_yaml() {
    let world = samples("fields").await;
    world
        .hub
        .change("flux-2-dev", |model| {
            let nasty = json!({"summary": "\u{9b}31m\u{202e}", "released_at": "soon"});
            model.fields(nasty)
        })
        .unwrap();
    for form in ["json", "yaml"] {
        for command in ["model flux-2-dev", "search flux-2", "models"] {
            let output = with_hub(&world, &format!("{command} -o {form}")).await;
            let output = output.ok().unwrap();
            assert_eq!(output.stderr, "", "{command}");
            assert!(!output.stdout.contains(['\u{9b}', '\u{202e}']), "{command}");
            let list: Value = serde_yaml::from_str(&output.stdout).unwrap();
            let items = list["items"].as_array().unwrap();
            let item = items.iter().find(|it| it["id"] == "flux-2-dev").unwrap();
            assert_eq!(item["summary"], "\u{9b}31m\u{202e}");
            assert_eq!(item["fine_tuning"]["actions"], json!(["text_to_image"]));
            assert_eq!(item["request_schema"]["required"], json!(["prompt"]));
            assert_eq!(item["developer"]["name"], "Black Forest Labs");
            assert_eq!(item["liveStatus"], "active");
            assert_eq!(item["oxenModels"], json!([]));
        }
    }
    fails(
        &with_hub(&world, "model suport-bot-v2").await,
        1,
        &format!(
            "error: the hub knows no model \"suport-bot-v2\" for the key of Secret \
             {}/oxen-api-key. Did you mean support-bot-v2?",
            world.namespace
        ),
    );
    let journal = world.hub.journal();
    assert!(journal.posts().is_empty());
    let agent = concat!("kubectl-oxen/", env!("CARGO_PKG_VERSION"));
    for entry in &journal.entries {
        assert_eq!(entry.user_agent.as_deref(), Some(agent), "{}", entry.path);
    }
}

#[tokio::test]
async fn one_request_that_is_not_answered_is_told_with_its_cause() {
    let world = samples("faults").await;
    let secret = format!("Secret {}/oxen-api-key", world.namespace);
    let page = Fault::status(403)
        .header("content-type", "text/html")
        .body(json!("<html>blocked</html>"));
    let fault = world.hub.inject(page);
    let proxied = with_hub(&world, "models").await;
    fails(
        &proxied,
        1,
        "error: something other than the hub answered 403. Check --base-url and --proxy.",
    );
    world.hub.clear_fault(fault);
    let slow = Fault::default().delayed(std::time::Duration::from_secs(60));
    let fault = world.hub.inject(slow.on(Endpoint::List));
    let late = with_hub(&world, "models --request-timeout 10s").await;
    let expected = format!(
        "error: {} cannot be reached: the request timed out. Check --base-url and --proxy.",
        world.hub.url().trim_end_matches('/')
    );
    fails(&late, 1, &expected);
    world.hub.clear_fault(fault);

    // The key of the Secret wins over the variable, and a different one is told.
    let script = |more: &str| {
        format!(
            "export OXEN_BASE_URL={} OXEN_API_KEY=another-key\nkubectl oxen models -n {} {more}",
            world.hub.url(),
            world.namespace
        )
    };
    let both = bash(world.cluster, &script("-o name")).await.ok().unwrap();
    let told = format!(
        "OXEN_API_KEY is not used, because {secret} has another key, and the operator uses that \
         one.\n"
    );
    assert_eq!(both.stderr, told);
    let verbose = with_hub(&world, "models -v -o name").await.ok().unwrap();
    for words in [
        "GET /apis/oxen.ai/v1alpha1/oxenmodels?",
        "/secrets/oxen-api-key 200 in ",
        &format!("key of {secret}\n"),
        &format!("GET {}/api/ai/models 200 in ", world.hub.url()),
    ] {
        assert!(
            verbose.stderr.contains(words),
            "{words}: {}",
            verbose.stderr
        );
    }
    holds_no_key(&verbose);

    world.hub.revoke_key(hub::KEY);
    let refused = with_hub(&world, "models").await;
    let expected = format!("error: the hub does not accept the key of {secret} (401).");
    fails(&refused, 1, &expected);
    let refused = with_hub(&world, "models -v").await;
    holds_no_key(&refused);
    assert!(
        refused.stderr.contains("/api/ai/models 401 in "),
        "{refused:?}"
    );
    world.hub.stop().await.unwrap();
    let down = with_hub(&world, "models -v").await;
    assert!(
        down.stderr.contains("/api/ai/models no answer in "),
        "{down:?}"
    );
    let expected = format!(
        "error: {} cannot be reached: Connection refused (os error 111). Check --base-url and \
         --proxy.",
        world.hub.url().trim_end_matches('/')
    );
    fails(&with_hub(&world, "models").await, 1, &expected);

    world.secret("oxen-api-key", "api-key", "SECRET two").await;
    let invalid = with_hub(&world, "models").await;
    assert!(!invalid.stderr.contains("SECRET"), "{invalid:?}");
    let words = "error: there is no API key: the key \"api-key\" of Secret oxen-api-key in ";
    assert!(invalid.stderr.starts_with(words), "{invalid:?}");
    world.delete_secret("oxen-api-key").await;
    let expected = format!(
        "error: there is no API key: there is no Secret oxen-api-key in {}. Create it, or set \
         OXEN_API_KEY.",
        world.namespace
    );
    fails(&with_hub(&world, "models").await, 1, &expected);
}

#[tokio::test]
async fn a_user_without_rights_is_told_what_is_missing_and_what_is_known() {
    let cluster = Cluster::builder().user("dev", &[]).start().await.unwrap();
    install_crd(&cluster).await;
    let models = Hub::builder().model(Model::custom("bot").status("active"));
    let world = World::on(&cluster, models).await;
    world
        .create("bot", json!({"model": "bot", "state": "inactive"}))
        .await;
    let namespace = &world.namespace;
    let script = format!(
        "kubectl create clusterrole reader --verb=get,list,watch \
         --resource=oxenmodels.oxen.ai,events >/dev/null\n\
         kubectl create rolebinding reader -n {namespace} --clusterrole=reader --user=dev >/dev/null"
    );
    bash(&cluster, &script).await.ok().unwrap();
    let as_dev = async |variables: &str, arguments: &str| -> Output {
        let config = cluster.kubeconfig_for("dev").unwrap().display();
        let url = world.hub.url();
        let script = format!(
            "unset OXEN_API_KEY\nexport KUBECONFIG={config} OXEN_BASE_URL={url} {variables}\n\
             kubectl oxen {arguments} -n {namespace}"
        );
        bash(&cluster, &script).await
    };
    let missing = format!(
        "error: there is no API key: user dev may not get Secret oxen-api-key in {namespace}. Set \
         OXEN_API_KEY."
    );
    fails(&as_dev("", "models").await, 1, &missing);
    let verbose = as_dev("", "models -v").await;
    assert!(
        verbose.stderr.contains("/secrets/oxen-api-key 403 in "),
        "{verbose:?}"
    );
    holds_no_key(&verbose);
    let key = format!("OXEN_API_KEY={}", hub::KEY);
    let listed = as_dev(&key, "models -v").await.ok().unwrap();
    holds_no_key(&listed);
    assert!(
        listed.stderr.contains("key of OXEN_API_KEY\n"),
        "{listed:?}"
    );
    let known = format!(
        "Only the OxenModels of namespace {namespace} are known: user dev may not list OxenModels \
         in all namespaces."
    );
    assert!(listed.stderr.trim_end().ends_with(&known), "{listed:?}");
    assert!(listed.stdout.contains("4.50/hour"), "{listed:?}");

    // Without a cluster, the variable is enough, and what has no OxenModel is not known.
    let alone = as_dev(&key, "models -o name --server http://127.0.0.1:1").await;
    let alone = alone.ok().unwrap();
    assert_eq!(alone.stdout, "bot\n");
    for (at, words) in ["OXEN_API_KEY is used", "No OxenModels are known"]
        .into_iter()
        .enumerate()
    {
        let line = alone.stderr.lines().nth(at).unwrap();
        let words = format!("{words}: the API server http://127.0.0.1:1");
        assert!(line.starts_with(&words), "{alone:?}");
    }
    let doubtful = as_dev(&key, "models --unmanaged --server http://127.0.0.1:1").await;
    assert_eq!(doubtful.status.code(), Some(1), "{doubtful:?}");
    let words = "error: it is not known which models have no OxenModel: the API server";
    let line = doubtful.stderr.lines().nth(1).unwrap();
    assert!(line.starts_with(words), "{doubtful:?}");

    // The screen says what it may know of the key.
    let row = async |expected: &str| {
        eventually(expected, || async {
            let shown = as_dev("", "status bot").await.ok().unwrap();
            holds_no_key(&shown);
            let line = format!("Key        Secret oxen-api-key{expected}, or the operator's own");
            shown.stdout.contains(&line).then_some(())
        })
        .await;
    };
    row(" (not readable by you)").await;
    let grant = format!(
        "kubectl create role secrets -n {namespace} --verb=get --resource=secrets >/dev/null\n\
         kubectl create rolebinding secrets -n {namespace} --role=secrets --user=dev >/dev/null"
    );
    bash(&cluster, &grant).await.ok().unwrap();
    row("").await;
    world.delete_secret("oxen-api-key").await;
    row(" (there is none)").await;
}
