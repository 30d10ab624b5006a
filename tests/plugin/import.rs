//! Manifests of models that exist already.

use cluster::Output;
use hub::{Builder, Hub, Model};
use serde_json::json;
use testkit::world::World;

use crate::{bash, fails, holds_no_key, screens::golden, with_hub};

/// A hub with these models of one account, which no other test has.
fn hub_of(models: impl IntoIterator<Item = Model>) -> Builder {
    let hub = Hub::builder().key("adopters", hub::KEY);
    let models = models.into_iter().map(|model| model.owner("adopters"));
    models.fold(hub, Builder::model)
}

fn models() -> Vec<Model> {
    vec![
        Model::custom("i-on").status("active"),
        Model::custom("i-off").status("inactive"),
        Model::custom("I_off").status("error"),
        Model::custom("i-held").status("active"),
        Model::custom("i-odd").status("paused"),
        Model::custom("Support_Bot/ä").status("deploying"),
        Model::custom("Support Bot/ä").status("inactive"),
        Model::custom("123").status("inactive"),
        Model::custom("\"\n---\nkind: Secret").status("active"),
        Model::base("i-base"),
    ]
}

#[tokio::test]
async fn the_same_models_are_the_same_manifests_which_the_api_server_accepts() {
    let world = World::new(hub_of(models())).await;
    let held = json!({"model": "i-held", "state": "active", "suspend": true});
    world.create("held", held).await;
    let output = with_hub(&world, "import --all-custom").await;
    let output = output.ok().unwrap();
    holds_no_key(&output);
    let masked = |text: &str| text.replace(&world.namespace, "NAMESPACE");
    golden("import", &masked(&output.stdout));
    golden("import-words", &masked(&output.stderr));

    // Another hub lists the same models the other way round.
    let other = hub_of(models().into_iter().rev()).start().await.unwrap();
    let again = with_hub(
        &world,
        &format!("import --all-custom --base-url {}", other.url()),
    )
    .await;
    assert_eq!(again.ok().unwrap().stdout, output.stdout);

    let script = |then: &str| {
        format!(
            "set -o pipefail\nexport OXEN_BASE_URL={}\n\
             kubectl oxen import --all-custom -n {} 2>/dev/null | {then}",
            world.hub.url(),
            world.namespace
        )
    };
    let tried = bash(
        world.cluster,
        &script("kubectl apply --dry-run=server -f -"),
    )
    .await;
    let tried = tried.ok().unwrap();
    assert_eq!(tried.stdout.lines().count(), 5, "{tried:?}");
    bash(world.cluster, &script("kubectl apply -f -"))
        .await
        .ok()
        .unwrap();
    let _operator = world.operator();
    world.until_reason("i-on", "Active").await;
    world.until_live("support-bot", "deploying").await;
    assert_eq!(world.hub.journal().posts().len(), 0);
    // What has an object by now is not printed again.
    let rest = with_hub(&world, "import --all-custom").await.ok().unwrap();
    assert_eq!(rest.stdout, "");
    assert!(rest.stderr.contains("0 manifests, 9 skipped."), "{rest:?}");
}

/// Runs `kubectl oxen` with the hub's key in OXEN_API_KEY.
async fn with_variable(world: &World, arguments: &str) -> Output {
    let script = format!(
        "export OXEN_BASE_URL={} OXEN_API_KEY={}\nkubectl oxen {arguments} -n {}",
        world.hub.url(),
        hub::KEY,
        world.namespace
    );
    bash(world.cluster, &script).await
}

#[tokio::test]
async fn models_are_imported_by_their_names() {
    let world = World::new(hub_of([
        Model::custom("n-one").status("active"),
        Model::custom("n-two").status("inactive"),
        Model::base("n-base"),
    ]))
    .await;
    world.secret("team-key", "token", hub::KEY).await;
    let two = with_hub(&world, "import n-two n-one n-base n-one --act").await;
    let two = two.ok().unwrap();
    let documents: Vec<serde_json::Value> = serde_yaml::Deserializer::from_str(&two.stdout)
        .map(|one| serde::Deserialize::deserialize(one).unwrap())
        .collect();
    let named = documents.iter().map(|one| {
        let spec = &one["spec"];
        assert!(spec.get("suspend").is_none());
        assert_eq!(spec["apiKeySecretRef"], json!({"name": "oxen-api-key"}));
        assert_eq!(one["metadata"]["namespace"], world.namespace.as_str());
        (
            spec["model"].as_str().unwrap(),
            spec["state"].as_str().unwrap(),
        )
    });
    assert_eq!(
        named.collect::<Vec<_>>(),
        [
            ("n-base", "active"),
            ("n-one", "active"),
            ("n-two", "inactive")
        ]
    );
    assert_eq!(two.stderr, "3 manifests.\n");
    let absent = with_hub(&world, "import n-one n-three").await;
    assert_eq!(absent.status.code(), Some(1), "{absent:?}");
    assert!(absent.stdout.contains("\"n-one\""), "{absent:?}");
    let words = "error: the hub knows no model \"n-three\" for the key of";
    assert!(absent.stderr.contains(words), "{absent:?}");
    let none = with_hub(&world, "import").await;
    assert_eq!(none.status.code(), Some(1), "{none:?}");

    // A name that is taken gets the hash, and a Secret that all objects name is named.
    let spec = json!({"model": "elsewhere", "state": "inactive",
                      "apiKeySecretRef": {"name": "team-key", "key": "token"}});
    world.create("n-one", spec).await;
    let named = with_hub(&world, "import n-one").await.ok().unwrap();
    for words in [
        "  name: \"n-one-",
        "  apiKeySecretRef:\n    name: \"team-key\"\n    key: \"token\"\n  suspend: true\n",
    ] {
        assert!(named.stdout.contains(words), "{named:?}");
    }
    // Where the Secret can't be read, the objects still name it.
    world.delete_secret("team-key").await;
    let other = with_variable(&world, "import n-one").await.ok().unwrap();
    assert_eq!(other.stdout, named.stdout);
    let words = format!(
        "OXEN_API_KEY is used: there is no Secret team-key in {}.\n1 manifest.\n",
        world.namespace
    );
    assert_eq!(other.stderr, words);
    // Where no names are known, each has the hash.
    let server = "import n-one --server http://127.0.0.1:1";
    let alone = with_variable(&world, server).await.ok().unwrap();
    assert!(alone.stdout.contains("  name: \"n-one-"), "{alone:?}");
    assert!(!alone.stdout.contains("apiKeySecretRef"), "{alone:?}");

    world.secret("team-key", "token", hub::KEY).await;
    let spec = json!({"model": "oxen:N-One", "state": "inactive",
                      "apiKeySecretRef": {"name": "team-key", "key": "token"}});
    world.create("new", spec).await;
    let skipped = with_hub(&world, "import n-one n-one").await;
    assert_eq!(skipped.status.code(), Some(1), "{skipped:?}");
    assert_eq!(skipped.stdout, "");
    assert!(
        skipped.stderr.ends_with("0 manifests, 1 skipped.\n"),
        "{skipped:?}"
    );
    let words = format!(
        "skipped n-one of adopters: {}/new manages it",
        world.namespace
    );
    assert!(skipped.stderr.starts_with(&words), "{skipped:?}");
    world.hub.stop().await.unwrap();
    let down = with_hub(&world, "import n-two").await;
    assert_eq!(down.stdout, "");
    let url = world.hub.url();
    fails(
        &down,
        1,
        &format!(
            "error: {} cannot be reached: Connection refused (os error 111). Check --base-url and \
             --proxy.",
            url.trim_end_matches('/')
        ),
    );
}
