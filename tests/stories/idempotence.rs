//! A settled cluster is silent: no POST and no write, counted at both ends.

use hub::{Endpoint, Hub, Journal, Model};
use oxen_operator::api::State;
use serde_json::json;

use crate::world::{DEADLINE, World, status};

#[tokio::test]
async fn a_settled_cluster_causes_no_post_and_no_write() {
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
        ("empty", State::Active, "NothingDeployed"),
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

    quiet(&world, settled.map(|(name, ..)| name)).await;

    // A restart forgets what the process remembers, and changes nothing either.
    operator.kill();
    let _operator = world.operator();
    quiet(&world, settled.map(|(name, ..)| name)).await;
}

/// Counts over several looks at each object.
async fn quiet<const N: usize>(world: &World, models: [&str; N]) {
    let count = || {
        let posts = world.hub.journal().posts().len();
        (posts, world.writes("status"), world.writes(""))
    };
    // The first looks after a start, and with them the last writes of before.
    for model in models {
        world.until_looked(model, 2).await;
    }
    let before = count();
    for model in models {
        world.until_looked(model, 4).await;
    }
    assert_eq!(count(), before);
}

#[tokio::test]
async fn the_operators_own_status_write_starts_no_pass() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    // The look that makes up for a watch that lags is put off, and the first list of a watched Secret, which is a
    // reason to look whenever it comes, isn't there: this machine may be busy.
    let _operator = world.operator_with(&[
        ("OXEN_SYNC_INTERVAL", "1h"),
        ("OXEN_BACKOFF_FIRST", "30s"),
        ("OXEN_BACKOFF_LAST", "30s"),
        ("OXEN_SECRET_NAMES", "another"),
    ]);
    let spec = json!({"model": "bot", "state": "active"});
    world.create("bot", spec).await;
    world.until_reason("bot", "Active").await;
    // One for the object, one for its finalizer.
    let looks = |journal: &Journal| journal.count(Endpoint::Retrieve, "bot");
    let both = world.hub.wait_for(DEADLINE, |journal| looks(journal) == 2);
    both.await.unwrap();

    world.request("bot", "1").await;

    world
        .until("bot", "looked at on request", |object| {
            status(object).last_handled_reconcile_at.as_deref() == Some("1")
        })
        .await;
    assert_eq!(looks(&world.hub.journal()), 3);
}
