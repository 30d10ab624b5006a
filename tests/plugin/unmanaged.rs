//! Models that may bill and that no OxenModel manages.

use std::time::Duration;

use hub::{Endpoint, Fault, Hub, Model};
use serde_json::{Value, json};
use testkit::world::World;

use crate::with_hub;

#[tokio::test]
async fn a_model_is_unmanaged_where_a_live_retrieve_says_so() {
    let custom = |name: &str| Model::custom(name).owner("orphans");
    let world = World::new(
        Hub::builder()
            .key("orphans", hub::KEY)
            .model(custom("u-managed").status("active"))
            .model(custom("u-free").status("active"))
            .model(custom("u-starting").status("deploying"))
            .model(custom("u-odd").status("paused"))
            .model(custom("u-off").status("inactive"))
            .model(
                custom("u-was-on")
                    .status("active")
                    .drifts_to("inactive", Duration::ZERO),
            )
            .model(
                Model::custom("u-foreign")
                    .owner("others")
                    .public()
                    .status("active"),
            )
            .model(Model::base("u-base")),
    )
    .await;
    let nothing = with_hub(&world, "models --unmanaged").await.ok().unwrap();
    assert_eq!(nothing.stdout, "");
    let words = format!(
        "No OxenModel with the key of Secret {}/oxen-api-key has been observed yet",
        world.namespace
    );
    assert!(nothing.stderr.starts_with(&words), "{nothing:?}");

    let _operator = world.operator();
    let spec = json!({"model": "u-managed", "state": "active"});
    world.create("managed", spec).await;
    world.until_reason("managed", "Active").await;
    world.hub.clear_journal();
    let names = with_hub(&world, "models --unmanaged -o name")
        .await
        .ok()
        .unwrap();
    assert_eq!(names.stdout, "u-free\nu-odd\nu-starting\n");
    let journal = world.hub.journal();
    let mut retrieved: Vec<&str> = (journal.entries.iter())
        .filter(|entry| entry.endpoint == Endpoint::Retrieve)
        .filter_map(|entry| entry.model.as_deref())
        .filter(|model| *model != "u-managed")
        .collect();
    retrieved.sort_unstable();
    assert_eq!(retrieved, ["u-free", "u-odd", "u-starting", "u-was-on"]);
    assert!(journal.posts().is_empty());

    let json = with_hub(&world, "models --unmanaged -o json")
        .await
        .ok()
        .unwrap();
    let list: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
    let active = with_hub(&world, "models --unmanaged --active -o name").await;
    assert_eq!(active.ok().unwrap().stdout, "u-free\n");

    // A model that can't be confirmed is reported, and is no answer.
    let refusal = Fault::status(403).body(json!({"error": "not yours"}));
    let fault = world
        .hub
        .inject(refusal.on_model("u-odd").on(Endpoint::Retrieve));
    let doubtful = with_hub(&world, "models --unmanaged -o name").await;
    assert_eq!(doubtful.status.code(), Some(1), "{doubtful:?}");
    assert_eq!(doubtful.stdout, "u-free\nu-starting\n");
    let words = "error: u-odd: the hub does not allow this with the key of Secret";
    assert!(doubtful.stderr.contains(words), "{doubtful:?}");
    world.hub.clear_fault(fault);

    // An adopted model is managed as soon as its object exists. Whether this one is on is not
    // known.
    let namespace = &world.namespace;
    let adopt = format!("import --unmanaged -n {namespace} | kubectl apply -f -");
    let adopted = with_hub(&world, &adopt).await.ok().unwrap();
    let words = "skipped u-odd of orphans: the hub does not say whether it is active";
    assert!(adopted.stderr.contains(words), "{adopted:?}");
    let left = with_hub(&world, "models --unmanaged -o name").await;
    assert_eq!(left.ok().unwrap().stdout, "u-odd\n");
}

/// Another key of the hub.
const SECOND_KEY: &str = "second-key-of-the-namespace";

#[tokio::test]
async fn the_hub_is_asked_with_every_key_and_each_manifest_names_its_secret() {
    let on = |owner: &str, name: &str| Model::custom(name).owner(owner).status("active");
    let world = World::new(
        Hub::builder()
            .key("first", hub::KEY)
            .key("second", SECOND_KEY)
            .model(on("first", "u-a"))
            .model(on("first", "u-a-free"))
            .model(on("second", "u-b"))
            .model(on("second", "u-b-free")),
    )
    .await;
    world.secret("key-b", "api-key", SECOND_KEY).await;
    let _operator = world.operator();
    for (model, secret) in [("u-a", "oxen-api-key"), ("u-b", "key-b")] {
        let spec = json!({"model": model, "state": "active", "apiKeySecretRef": {"name": secret}});
        world.create(model, spec).await;
    }
    for name in ["u-a", "u-b"] {
        world.until_reason(name, "Active").await;
    }
    let names = with_hub(&world, "models --unmanaged -o name").await;
    assert_eq!(names.ok().unwrap().stdout, "u-a-free\nu-b-free\n");
    let imported = with_hub(&world, "import --unmanaged").await.ok().unwrap();
    for (model, secret) in [("u-a-free", "oxen-api-key"), ("u-b-free", "key-b")] {
        let spec = format!(
            "spec:\n  model: \"{model}\"\n  state: active\n  apiKeySecretRef:\n    name: \
             \"{secret}\"\n"
        );
        assert!(imported.stdout.contains(&spec), "{imported:?}");
    }
    assert!(imported.stderr.contains("2 manifests."), "{imported:?}");

    // A missing key is reported, and hides no model that another key sees.
    world.delete_secret("oxen-api-key").await;
    let rest = with_hub(&world, "models --unmanaged -o name").await;
    assert_eq!(rest.status.code(), Some(1), "{rest:?}");
    assert_eq!(rest.stdout, "u-b-free\n");
    let words = format!(
        "error: there is no API key: there is no Secret oxen-api-key in {}. Create it, or set \
         OXEN_API_KEY.",
        world.namespace
    );
    assert_eq!(rest.stderr.trim_end(), words);
    // The same holds for a key that the hub refuses.
    world.secret("oxen-api-key", "api-key", "unknown-key").await;
    let rest = with_hub(&world, "import --unmanaged").await;
    assert_eq!(rest.status.code(), Some(1), "{rest:?}");
    assert!(rest.stdout.contains("u-b-free"), "{rest:?}");
    let refused = format!(
        "does not accept the key of Secret {}/oxen-api-key",
        world.namespace
    );
    assert!(rest.stderr.contains(&refused), "{rest:?}");
    // No key is left.
    for secret in ["oxen-api-key", "key-b"] {
        world.delete_secret(secret).await;
    }
    let nothing = with_hub(&world, "models --unmanaged -o name").await;
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    assert_eq!(nothing.stdout, "");
    for secret in ["oxen-api-key", "key-b"] {
        let words = format!("error: there is no API key: there is no Secret {secret} in ");
        assert!(nothing.stderr.contains(&words), "{nothing:?}");
    }
}
