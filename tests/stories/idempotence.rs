//! A settled cluster causes no calls and no writes, counted at the hub and at the API server.

use hub::{Endpoint, Hub, Journal, Model};
use oxen_operator::api::{FINALIZER, OxenModel, State};
use serde_json::json;
use testkit::world::{DEADLINE, World};

#[tokio::test]
async fn a_settled_cluster_causes_no_call_and_no_write() {
    let models = [
        Model::custom("on").status("inactive"),
        Model::custom("off").status("active"),
        Model::custom("empty").nothing_deployed(),
        Model::base("base"),
    ];
    let hub = models.into_iter().fold(Hub::builder(), hub::Builder::model);
    let world = World::new(hub).await;
    let operator = world.operator();
    let settled = [
        ("on", State::Active, "Active"),
        ("off", State::Inactive, "Inactive"),
        ("empty", State::Active, "NoDeployment"),
        ("base", State::Active, "AlwaysActive"),
        ("typo", State::Active, "ModelNotFound"),
    ];
    for (name, state, _) in settled {
        let spec = json!({"model": name, "state": state});
        world.create(name, spec).await;
    }
    for (name, _, reason) in settled {
        world.until_reason(name, reason).await;
    }

    nothing_is_written(&world, settled.map(|(name, ..)| name)).await;

    // A restart loses what the process remembers, and changes nothing either.
    operator.kill();
    let _operator = world.operator();
    nothing_is_written(&world, settled.map(|(name, ..)| name)).await;
}

/// Checks that nothing is called or written while each model is observed several times.
async fn nothing_is_written<const N: usize>(world: &World, models: [&str; N]) {
    let count = || {
        let posts = world.hub.journal().posts().len();
        (posts, world.writes("status"), world.writes(""))
    };
    // The last writes before the settled state come with the first observations after a start.
    for model in models {
        world.until_observed(model, 2).await;
    }
    let before = count();
    for model in models {
        world.until_observed(model, 4).await;
    }
    assert_eq!(count(), before);
}

#[tokio::test]
async fn the_operators_own_write_starts_no_reconcile() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    // A settled object is polled only once in an hour. The first list of a watched Secret starts a
    // reconcile whenever it comes, so the object's Secret isn't watched.
    let _operator = world.operator_with(&[
        ("OXEN_SYNC_INTERVAL", "1h"),
        ("OXEN_SECRET_NAMES", "another"),
    ]);
    let observations = |journal: &Journal| journal.count(Endpoint::Retrieve, "bot");
    let observed = async |number| {
        let observed = |journal: &Journal| observations(journal) == number;
        world.hub.wait_for(DEADLINE, observed).await.unwrap();
    };
    // The operator adds no finalizer with this policy.
    let spec = json!({"model": "bot", "state": "active", "deletionPolicy": "Retain"});
    world.create("bot", spec).await;
    world.until_reason("bot", "Active").await;
    observed(1).await;

    // A person's finalizer starts one reconcile, and the operator's removal of it none.
    let finalizer = json!({"metadata": {"finalizers": [FINALIZER]}});
    world.patch("bot", finalizer).await;
    let removed = |object: &OxenModel| !object.has_finalizer();
    world.until("bot", "without the finalizer", removed).await;
    observed(2).await;

    for number in [3, 4] {
        let value = number.to_string();
        world.request_reconcile("bot", &value).await;
        world.until_handled("bot", &value).await;
        assert_eq!(observations(&world.hub.journal()), number);
    }
}
