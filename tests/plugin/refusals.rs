//! What is refused before it is written.

use hub::{Endpoint, Fault, Hub, Model};
use jiff::{
    SignedDuration, Timestamp,
    tz::{Offset, TimeZone},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use testkit::world::{World, message};

use crate::{
    bash, fails, oxen,
    steer::{annotation, world},
};

#[tokio::test]
async fn a_time_that_makes_no_sense_is_refused_before_the_cluster_is_asked() {
    let world = world(json!({})).await;
    for (arguments, words) in [
        (
            "on bot",
            "error: an end is required: pass --until 18:00 or --for 2h, or change the spec with \
             --spec",
        ),
        (
            "on bot --until 25:00",
            "error: --until 25:00 is not a time: write 18:00, ",
        ),
        (
            "on bot --until 2020-11-24T18:00",
            "error: --until 2020-11-24T18:00 is in the past",
        ),
        (
            "off bot --for 1000h",
            "error: --for 1000h is too long: an override lasts at most 31 ",
        ),
        ("on bot --until 18:00 --for 2h", "cannot be used with"),
    ] {
        let output = oxen(&world, arguments).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
    assert_eq!(annotation(&world.get("bot").await), None);
    let script = format!(
        "TZ=Nowhere/Land kubectl oxen on bot --until 18:00 -n {}",
        world.namespace
    );
    let output = bash(world.cluster, &script).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        output.stderr.contains("TZ names none that is known"),
        "{output:?}"
    );
    assert_eq!(annotation(&world.get("bot").await), None);
}

#[tokio::test]
async fn a_time_that_is_over_today_is_tomorrows_and_the_day_is_named() {
    let world = world(json!({})).await;
    // In this zone it is about noon, so that midnight is far away.
    let hours = 12 - Timestamp::now().to_zoned(TimeZone::UTC).hour();
    let now = Timestamp::now().to_zoned(TimeZone::fixed(Offset::constant(hours)));
    let tomorrow = now.tomorrow().unwrap();
    let script = format!(
        "TZ='<XXX>{}' kubectl oxen on bot --until {} -n {}",
        -hours,
        now.strftime("%H:%M"),
        world.namespace
    );
    let on = bash(world.cluster, &script).await.ok().unwrap();
    let words = format!(
        "bot: active until {} ",
        tomorrow.strftime(if tomorrow.year() == now.year() {
            "%a %-d %b %H:%M %:z"
        } else {
            "%a %-d %b %Y %H:%M %:z"
        })
    );
    assert!(on.stderr.contains(&words), "{words}: {}", on.stderr);
    let value = annotation(&world.get("bot").await).unwrap();
    let end = tomorrow
        .strftime("active until %Y-%m-%dT%H:%M:00%:z")
        .to_string();
    assert_eq!(value, end);

    // The same value again writes nothing, so the time of the write tells nothing of the clocks.
    let mut fields = world.get("bot").await.metadata.managed_fields.unwrap();
    let hour = SignedDuration::from_hours(1);
    for entry in &mut fields {
        entry.time = entry.time.take().map(|time| Time(time.0 - hour));
    }
    world
        .patch("bot", json!({"metadata": {"managedFields": fields}}))
        .await;
    let again = bash(world.cluster, &script).await.ok().unwrap();
    assert!(again.stderr.contains(&words), "{}", again.stderr);
    assert!(!again.stderr.contains("clock"), "{}", again.stderr);
}

#[tokio::test]
async fn what_the_operator_would_not_act_on_is_not_written() {
    let world = world(json!({"suspend": true})).await;
    let here = format!("bot -n {}", world.namespace);
    fails(
        &oxen(&world, "on bot --for 2h").await,
        1,
        &format!(
            "error: {}/bot is suspended, so the operator would not act. To resume it: kubectl oxen \
             resume {here}",
            world.namespace
        ),
    );
    assert_eq!(annotation(&world.get("bot").await), None);
    fails(
        &oxen(&world, "release bot --yes").await,
        1,
        &format!(
            "error: {}/bot is not being deleted. To leave its model as it is at a later \
             deletion, set spec.deletionPolicy to Retain",
            world.namespace
        ),
    );
    // What turns nothing on is safe, and takes effect later.
    for arguments in ["off bot", "auto bot", "on bot --spec", "off bot --spec"] {
        let output = oxen(&world, arguments).await.ok().unwrap();
        let words = format!("makes no call. To resume it: kubectl oxen resume {here}");
        assert!(output.stderr.contains(&words), "{}", output.stderr);
    }
    oxen(&world, "resume bot").await.ok().unwrap();
    assert_eq!(world.get("bot").await.spec.suspend, None);
    oxen(&world, "suspend bot").await.ok().unwrap();
    assert_eq!(world.get("bot").await.spec.suspend, Some(true));
}

#[tokio::test]
async fn nothing_is_sent_to_an_object_on_which_the_operator_would_not_act() {
    let [bot, other] = ["bot", "other"].map(|name| Model::custom(name).status("active"));
    let world = World::new(Hub::builder().model(bot).model(other)).await;
    let _operator = world.operator();
    let spec = json!({"model": "bot", "state": "active"});
    world.create("older", spec.clone()).await;
    world.until_reason("older", "Active").await;
    world.next_second().await;
    world.create("younger", spec).await;
    world.until_reason("younger", "Conflict").await;
    world
        .hub
        .inject(Fault::status(409).on(Endpoint::Deactivate));
    let sent = || {
        let requests = world.cluster.requests().unwrap();
        let of_plugin = requests.iter().filter(|request| {
            request.user_agent.starts_with("oxen-plugin/")
                && request.namespace == world.namespace
                && request.is_write()
        });
        of_plugin.count()
    };
    fails(
        &oxen(&world, "on younger --for 2h").await,
        1,
        &format!(
            "error: {}/younger does not control its model, so the operator would not act. {}",
            world.namespace,
            message(&world.get("younger").await)
        ),
    );
    let spec = json!({"model": "other", "state": "active"});
    world.create("deleted", spec).await;
    world.until_reason("deleted", "Active").await;
    world.delete("deleted").await;
    world.until_blocked("deleted").await;
    fails(
        &oxen(&world, "on deleted --for 2h").await,
        1,
        &format!(
            "error: {namespace}/deleted is being deleted, so the operator would not act. To release \
             it and leave its model as it is: kubectl oxen release deleted -n {namespace}",
            namespace = world.namespace
        ),
    );
    assert_eq!(sent(), 0);
}

#[tokio::test]
async fn what_a_resume_leads_to_is_said_before_it_is_written() {
    let world = world(json!({"state": "active", "suspend": true})).await;
    let _operator = world.operator();
    world.until_reason("bot", "WouldActivate").await;
    let resumed = oxen(&world, "resume bot").await.ok().unwrap();
    let full = format!("{}/bot", world.namespace);
    assert_eq!(
        resumed.stderr,
        format!(
            "{full}: once it is resumed, the operator activates the model, which costs 4.50 an \
             hour.\n{full}: resumed.\n"
        )
    );
}
