//! A standby is ready once it has listed the OxenModels, because a replica that can't list them
//! could not take over.

use cluster::{Signal, StatusCode};
use hub::Hub;
use testkit::world::{Operator, SHORT_LEASE, World, eventually};

use crate::gated::{Gated, WATCH, readiness};

/// The path of the lists of a namespace's OxenModels.
const LISTS: (&str, &str) = ("GET", "/oxenmodels?");

/// A world in which one replica leads, without the gate.
async fn with_leader() -> (Gated, Operator) {
    let gated = Gated::new().await;
    let leader = leader_of(&gated, &gated.world.namespace).await;
    (gated, leader)
}

/// Starts a replica that watches these namespaces, without the gate, and waits until it leads.
async fn leader_of(gated: &Gated, namespaces: &str) -> Operator {
    let namespaces = [("OXEN_NAMESPACES", namespaces)];
    let settings = [&settings(gated)[..], &namespaces].concat();
    let leader = gated.world.operator_with(&settings);
    leader.until_metric("oxen_operator_leader ", 1.0).await;
    leader
}

/// The settings of a replica. Its Lease lasts for eight seconds.
fn settings(gated: &Gated) -> [(&'static str, &str); 4] {
    [
        ("OXEN_LEADER_ELECT", "true"),
        ("OXEN_TIME_SCALE", "20"),
        SHORT_LEASE,
        ("POD_NAMESPACE", gated.world.namespace.as_str()),
    ]
}

/// Starts a second replica, behind the gate.
async fn standby(gated: &Gated, others: &[World]) -> Operator {
    let standby = gated.operator_of(others, &settings(gated));
    standby.until_logged("standby: another replica leads").await;
    standby
}

/// Waits until `/readyz` answers with this status code and a text that has all these words.
async fn until_answered(operator: &Operator, code: u16, words: &[&str]) {
    eventually(&format!("{code} with {words:?}"), || async {
        let (answered, text) = readiness(operator).await;
        let complete = words.iter().all(|words| text.contains(words));
        (answered == code && complete).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_standby_that_cannot_list_is_not_ready_and_says_why() {
    let (gated, _leader) = with_leader().await;
    let name = gated.world.namespace.as_str();
    for (code, why, longer) in [
        (StatusCode::FORBIDDEN, "403 Forbidden", "left out"),
        // The CustomResourceDefinition is missing.
        (StatusCode::NOT_FOUND, "404 Not Found", "left out"),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "503 Service",
            "not been listed yet",
        ),
    ] {
        gated.gate.refuse(LISTS.0, LISTS.1, code);
        let standby = standby(&gated, &[]).await;
        until_answered(&standby, 503, &[name, why]).await;
        // A leader without any namespace is not ready either.
        until_answered(&standby, 503, &[name, why, longer]).await;
        gated.gate.clear();
        until_answered(&standby, 200, &["ok\n"]).await;
    }
}

#[tokio::test]
async fn a_standby_that_can_list_one_of_two_namespaces_is_ready() {
    let gated = Gated::new().await;
    let others = [World::new(Hub::builder()).await];
    let other = others[0].namespace.as_str();
    let both = format!("{other},{}", gated.world.namespace);
    let _leader = leader_of(&gated, &both).await;
    let lists = format!("{other}{}", LISTS.1);
    gated.gate.refuse(LISTS.0, &lists, StatusCode::FORBIDDEN);
    let standby = standby(&gated, &others).await;
    until_answered(&standby, 200, &["ok, except for", other, "403 Forbidden"]).await;
    gated.gate.clear();
    eventually("nothing is wrong", || async {
        (readiness(&standby).await == (200, "ok\n".into())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_standby_says_that_the_leader_watches_different_namespaces() {
    let (gated, leader) = with_leader().await;
    let others = [World::new(Hub::builder()).await];
    let (first, other) = (&gated.world.namespace, &others[0].namespace);
    let both = [other.as_str(), first.as_str()].join(",");
    let mut sorted: Vec<&str> = both.split(',').collect();
    sorted.sort_unstable();
    let difference = format!("({first}) from this replica ({})", sorted.join(","));

    // It stays ready, because an upgrade that changes the namespaces waits for that.
    let second = standby(&gated, &others).await;
    until_answered(&second, 200, &["ok, except for", &difference]).await;
    second.until_logged(&difference).await;
    // Other replicas of the first release take over, and of the own one.
    let third = standby(&gated, &[]).await;
    third.ready().await;
    assert_eq!(readiness(&third).await, (200, "ok\n".into()));
    second.signal(Signal::STOP);
    leader.kill();
    third.until_metric("oxen_operator_leader ", 1.0).await;
    second.signal(Signal::CONT);
    until_answered(&second, 200, &[&difference]).await;
    third.kill();
    second.until_metric("oxen_operator_leader ", 1.0).await;
    eventually("the leader is ready", || async {
        (readiness(&second).await == (200, "ok\n".into())).then_some(())
    })
    .await;
    assert_eq!(second.log().matches(&difference).count(), 1);
}

#[tokio::test]
async fn a_standby_opens_no_watch_before_it_leads() {
    let (gated, leader) = with_leader().await;
    gated.gate.refuse(WATCH.0, WATCH.1, StatusCode::FORBIDDEN);
    let standby = standby(&gated, &[]).await;
    standby.ready().await;
    let refused = "the watch of OxenModels failed";
    assert!(!standby.log().contains(refused), "{}", standby.log());
    leader.kill();
    standby.until_metric("oxen_operator_leader ", 1.0).await;
    standby.until_logged(refused).await;
    let log = standby.log();
    let (before, _) = log.split_once("leading: ").unwrap();
    assert!(!before.contains(refused), "{log}");
}
