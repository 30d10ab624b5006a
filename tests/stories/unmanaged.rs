//! Custom models that are on and in no OxenModel are reported, and never changed.

use hub::{Endpoint, Hub, Model};
use serde_json::json;
use testkit::world::{Operator, World, eventually};

fn scanning(world: &World) -> Operator {
    world.operator_with(&[("OXEN_UNMANAGED_INTERVAL", "600ms")])
}

/// Starts a scanning operator once the objects `a` and `b` use two Secrets that have the same key,
/// and waits until both models are active.
async fn scanning_two_secrets(world: &World) -> Operator {
    world.secret("copy", "api-key", hub::KEY).await;
    world
        .create("a", json!({"model": "a", "state": "active"}))
        .await;
    let spec = json!({"model": "b", "state": "active", "apiKeySecretRef": {"name": "copy"}});
    world.create("b", spec).await;
    let operator = scanning(world);
    for name in ["a", "b"] {
        world.until_reason(name, "Active").await;
    }
    operator
}

/// The models of the series `oxen_hub_unmanaged_model_info`, as `owner/model live`.
async fn reported(operator: &Operator) -> Vec<String> {
    let text = operator.metrics().await;
    let mut models: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("oxen_hub_unmanaged_model_info{"))
        .map(|labels| {
            let label = |name: &str| {
                let (_, after) = labels.split_once(&format!("{name}=\"")).unwrap();
                after.split_once('"').unwrap().0.to_owned()
            };
            format!("{}/{} {}", label("owner"), label("model"), label("live"))
        })
        .collect();
    models.sort();
    models
}

async fn until_reported(operator: &Operator, expected: &[&str]) {
    eventually(&format!("{expected:?} are reported"), || async {
        (reported(operator).await == expected).then_some(())
    })
    .await;
}

/// Waits until the hub has been asked for this many more lists.
async fn until_listed(world: &World, more: usize) {
    let lists = || world.hub.journal().count_all(Endpoint::List);
    let before = lists();
    eventually("more scans", || async {
        (lists() >= before + more).then_some(())
    })
    .await;
}

#[tokio::test]
async fn models_in_no_object_are_reported_until_they_are_adopted_or_off() {
    let on = |name: &str| Model::custom(name).status("active");
    let hub = Hub::builder()
        .model(on("managed"))
        .model(on("free"))
        .model(on("stale"))
        .model(on("foreign").owner("other").public())
        .model(Model::custom("off").status("inactive"))
        .model(Model::base("base"));
    let world = World::new(hub).await;
    // The list still shows it as active.
    world.hub.set_status("stale", "inactive").unwrap();
    world
        .create("managed", json!({"model": "managed", "state": "active"}))
        .await;
    let operator = scanning(&world);
    world.until_reason("managed", "Active").await;

    until_reported(&operator, &["acme/free active"]).await;
    let series = format!(
        r#"oxen_hub_unmanaged_models{{namespace="{}",secret="oxen-api-key"}} "#,
        world.namespace
    );
    assert_eq!(operator.metric(&series).await, 1.0);
    let line = operator.until_logged("in no OxenModel").await;
    assert!(line.contains("acme/free"), "{line}");

    let spec = json!({"model": "free", "state": "active", "suspend": true});
    world.create("adopted", spec).await;
    until_reported(&operator, &[]).await;
    assert_eq!(operator.metric(&series).await, 0.0);

    world.delete("adopted").await;
    world.until_gone("adopted").await;
    until_reported(&operator, &["acme/free active"]).await;
    world.hub.set_status("free", "inactive").unwrap();
    until_reported(&operator, &[]).await;

    let journal = world.hub.journal();
    assert!(journal.posts().is_empty(), "{journal:?}");
}

#[tokio::test]
async fn a_scan_sends_one_list_request_for_each_key() {
    let hub = Hub::builder()
        .model(Model::custom("a").status("active"))
        .model(Model::custom("b").status("active"))
        .model(Model::custom("free").status("active"));
    let world = World::new(hub).await;
    let operator = scanning_two_secrets(&world).await;
    until_reported(&operator, &["acme/free active"]).await;
    until_listed(&world, 2).await;
    let text = operator.metrics().await;
    let counts = text
        .lines()
        .filter(|line| line.starts_with("oxen_hub_unmanaged_models{"));
    let expected = format!(
        r#"oxen_hub_unmanaged_models{{namespace="{}",secret="copy"}} 1"#,
        world.namespace
    );
    assert_eq!(counts.collect::<Vec<_>>(), [expected]);
}

#[tokio::test]
async fn a_model_is_reported_for_a_secret_whose_objects_have_models_of_its_owner() {
    let on = |name: &str| Model::custom(name).status("active");
    let hub = Hub::builder()
        .key_of([hub::ACCOUNT, "team"], hub::KEY)
        .model(on("a"))
        .model(on("b").owner("team"))
        .model(on("free"))
        .model(on("theirs").owner("team"));
    let world = World::new(hub).await;
    let operator = scanning_two_secrets(&world).await;
    until_reported(&operator, &["acme/free active", "team/theirs active"]).await;
    let text = operator.metrics().await;
    for (secret, owner, model) in [("oxen-api-key", "acme", "free"), ("copy", "team", "theirs")] {
        let key = format!(r#"{{namespace="{}",secret="{secret}""#, world.namespace);
        for line in [
            format!("oxen_hub_unmanaged_models{key}}} 1"),
            format!(
                r#"oxen_hub_unmanaged_model_info{key},owner="{owner}",model="{model}",live="active"}} 1"#
            ),
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }
}

#[tokio::test]
async fn a_scan_that_fails_keeps_what_is_known_and_not_what_was_adopted() {
    let hub = Hub::builder()
        .model(Model::custom("managed").status("active"))
        .model(Model::custom("adopted").status("active"))
        .model(Model::custom("free").status("active"));
    let world = World::new(hub).await;
    // No list has been read yet.
    let fault = || hub::Fault::status(500).on(Endpoint::List);
    world.hub.inject(fault());
    world
        .create("managed", json!({"model": "managed", "state": "active"}))
        .await;
    let operator = scanning(&world);
    world.until_reason("managed", "Active").await;
    until_listed(&world, 2).await;
    assert!(
        !operator
            .metrics()
            .await
            .contains("oxen_hub_unmanaged_models{")
    );
    world.hub.clear_faults();
    until_reported(&operator, &["acme/adopted active", "acme/free active"]).await;

    world.hub.inject(fault());
    let spec = json!({"model": "adopted", "state": "active", "suspend": true});
    world.create("adopted", spec).await;
    until_reported(&operator, &["acme/free active"]).await;
    until_listed(&world, 2).await;
    assert_eq!(reported(&operator).await, ["acme/free active"]);
    world.hub.clear_faults();
    world.hub.set_status("free", "inactive").unwrap();
    until_reported(&operator, &[]).await;
}

#[tokio::test]
async fn a_model_whose_get_fails_does_not_hide_the_others() {
    let hub = Hub::builder()
        .model(Model::custom("managed").status("active"))
        .model(Model::custom("broken").status("active"))
        .model(Model::custom("free").status("active"));
    let world = World::new(hub).await;
    world.hub.inject(hub::Fault::status(502).on_model("broken"));
    world
        .create("managed", json!({"model": "managed", "state": "active"}))
        .await;
    let operator = scanning(&world);
    until_reported(&operator, &["acme/free active"]).await;
    world.hub.clear_faults();
    until_reported(&operator, &["acme/broken active", "acme/free active"]).await;
}

#[tokio::test]
async fn a_model_whose_name_another_owner_has_too_is_confirmed_by_owner_and_name() {
    let on = |name: &str| Model::custom(name).status("active");
    let hub = Hub::builder()
        .key_of(["aaa", hub::ACCOUNT], hub::KEY)
        .model(on("managed"))
        .model(on("both").owner("aaa"))
        .model(on("both"));
    let world = World::new(hub).await;
    world
        .create("managed", json!({"model": "managed", "state": "active"}))
        .await;
    let operator = scanning(&world);
    until_reported(&operator, &["acme/both active"]).await;
}
