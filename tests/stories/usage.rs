//! Usage: for how long a model was on, and what that cost, over restarts and leaders.

use std::time::Duration;

use cluster::{Cluster, Signal};
use hub::{Hub, Model};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{coordination::v1::Lease, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, Time},
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use oxen_operator::api::{OxenModel, Usage};
use serde_json::json;
use testkit::world::{DEADLINE, Operator, SHORT_LEASE, World, eventually, status};
use tokio::time::{sleep, timeout};

use crate::gated::{Gated, STATUS};

/// A price of which any number of seconds costs a decimal with three digits after its point.
const COST_PER_SECOND: f64 = 0.125;

/// The counters of one object, as Prometheus sees them over all replicas.
struct Counters {
    object: String,
    active: f64,
    cost: f64,
    unseen: f64,
}

impl Counters {
    fn new(world: &World<&Cluster>, name: &str) -> Self {
        Self {
            object: format!(r#"{{namespace="{}",name="{name}"}} "#, world.namespace),
            active: 0.0,
            cost: 0.0,
            unseen: 0.0,
        }
    }

    /// Reads the counters, and checks that none has gone back. Returns false where there are none,
    /// as on a standby.
    async fn read(&mut self, operator: &Operator) -> bool {
        let text = operator.metrics().await;
        let value = |name: &str| {
            let series = format!("{name}{}", self.object);
            let line = text.lines().find_map(|line| line.strip_prefix(&series))?;
            line.parse::<f64>().ok()
        };
        let Some(active) = value("oxen_model_active_seconds_total") else {
            return false;
        };
        let cost = value("oxen_model_cost_total").unwrap_or_default();
        let unseen = value("oxen_model_unseen_seconds_total").unwrap_or_default();
        assert!(active >= self.active, "{active} after {}", self.active);
        assert!(cost >= self.cost, "{cost} after {}", self.cost);
        assert!(unseen >= self.unseen, "{unseen} after {}", self.unseen);
        (self.active, self.cost, self.unseen) = (active, cost, unseen);
        true
    }

    /// Reads the counters until the model has been active for some seconds more.
    async fn until_more(&mut self, operator: &Operator) {
        self.until_active(operator, self.active + 2.0).await;
    }

    /// Reads the counters until the model has been active for this number of seconds.
    async fn until_active(&mut self, operator: &Operator, least: f64) {
        let reading = async {
            while !self.read(operator).await || self.active < least {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let read = timeout(DEADLINE, reading).await;
        read.unwrap_or_else(|_| panic!("never active for {least} s"));
    }
}

fn leader(world: &World<&Cluster>) -> Operator {
    world.operator_with(&[
        ("OXEN_LEADER_ELECT", "true"),
        SHORT_LEASE,
        ("POD_NAMESPACE", world.namespace.as_str()),
    ])
}

fn usage(object: &OxenModel) -> Usage {
    status(object).usage.unwrap_or_default()
}

/// Makes the Lease one that nobody holds, and that was last renewed at this time.
async fn empty_lease(world: &World<&Cluster>, renewed: Timestamp) {
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.namespace);
    let spec = json!({"holderIdentity": "", "renewTime": MicroTime(renewed)});
    let patch = Patch::Merge(json!({ "spec": spec }));
    let params = PatchParams::default();
    let patched = leases.patch("oxen-operator", &params, &patch).await;
    patched.unwrap();
}

/// Makes the object one that is three hours old, and the Lease one that nobody has held for two.
async fn leave_alone(world: &World<&Cluster>) {
    let now = Timestamp::now();
    let born = Time(now - SignedDuration::from_hours(3));
    let status = json!({"since": born, "usage": {"began": born}});
    let patch = Patch::Merge(json!({ "status": status }));
    let params = PatchParams::default();
    let patched = world.api().patch_status("bot", &params, &patch).await;
    patched.unwrap();
    empty_lease(world, now - SignedDuration::from_hours(2)).await;
}

#[tokio::test]
async fn usage_goes_on_over_restarts_and_leaders_and_no_counter_goes_back() {
    let pricing = json!({"pricing": {"method": "time", "cost_per_second": COST_PER_SECOND}});
    let bot = Model::custom("bot").status("inactive").fields(pricing);
    let world = World::new(Hub::builder().model(bot)).await;
    let mut counters = Counters::new(&world, "bot");
    let first = leader(&world);
    let spec = json!({"model": "bot", "state": "active"});
    world.create("bot", spec).await;
    let began = usage(&world.until_reason("bot", "Active").await);
    let open = began.open.clone().unwrap();
    assert_eq!(open.cost_per_second.as_deref(), Some("0.125"));
    counters.until_more(&first).await;

    // A rolling update is no gap, and writes nothing.
    let second = leader(&world);
    second.until_logged("standby: another replica leads").await;
    assert!(!counters.read(&second).await, "a standby has no counters");
    let writes = world.writes("status");
    first.signal(Signal::TERM);
    counters.until_more(&second).await;
    world.until_observed("bot", 2).await;
    assert_eq!(world.writes("status"), writes);

    // A crash, and nobody leads for two hours.
    second.kill();
    leave_alone(&world).await;
    let began = usage(&world.get("bot").await).began;
    let writes = world.writes("status");
    let third = leader(&world);
    let gap = |object: &_| usage(object).unseen_seconds >= 7200;
    let object = world.until("bot", "unseen for two hours", gap).await;
    assert!(usage(&object).unseen_seconds < 7200 + 180);
    assert_eq!(usage(&object).open, Some(open));
    assert_eq!(world.writes("status"), writes + 1);
    counters.until_more(&third).await;
    assert!(counters.unseen >= 7200.0);

    // The end of the period.
    world.edit("bot", json!({"state": "inactive"})).await;
    let object = world.until_reason("bot", "Inactive").await;
    let closed = usage(&object);
    assert_eq!((&closed.began, &closed.open), (&began, &None));
    assert!(closed.active_seconds >= 6 && closed.unpriced_seconds == 0);
    let cost: f64 = closed.cost.as_ref().unwrap().parse().unwrap();
    let seconds = closed.active_seconds as f64;
    assert_eq!(cost, seconds * COST_PER_SECOND);
    counters.until_active(&third, seconds).await;
    assert_eq!((counters.active, counters.cost), (seconds, cost));

    // The totals outlive the object in its last event and in the log.
    world.delete("bot").await;
    world.until_gone("bot").await;
    let totals = format!("{seconds} s active");
    third.until_logged(&totals).await;
    eventually("the event of the release", || async {
        let events = world.event_objects("bot").await;
        let released = |event: &&Event| event.reason.as_deref() == Some("Released");
        let note = events.iter().find(released)?.note.clone()?;
        assert!(
            note.contains(&totals) && note.contains(&closed.cost.clone()?),
            "{note}"
        );
        Some(())
    })
    .await;
}

#[tokio::test]
async fn a_gap_counts_once_although_the_answer_of_its_write_is_lost() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    let elected = [
        ("OXEN_LEADER_ELECT", "true"),
        SHORT_LEASE,
        ("POD_NAMESPACE", world.namespace.as_str()),
    ];
    let first = gated.operator_with(&elected);
    gated.settle().await;
    first.kill();
    leave_alone(world).await;
    // The gap is written, and the operator's request times out.
    let mut held = gate.hold_answer(STATUS.0, STATUS.1);
    let _second = gated.operator_with(&elected);
    held.arrived().await;
    let counted = usage(&world.get("bot").await).unseen_seconds;
    assert!(counted >= 7200, "{counted}");
    world.until_observed("bot", 2).await;
    drop(held);
    assert_eq!(usage(&world.get("bot").await).unseen_seconds, counted);
}

#[tokio::test]
async fn a_usage_that_was_edited_by_hand_costs_only_itself() {
    let pricing = json!({"pricing": {"method": "time", "cost_per_second": -1}});
    let bot = Model::custom("bot").status("active").fields(pricing);
    let world = World::new(Hub::builder().model(bot)).await;
    let operator = world.operator();
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_reason("bot", "Active").await;
    let edit = async |usage: &str| {
        let patch = format!(r#"{{"status": {{"usage": {usage}}}}}"#);
        world.patch_status("bot", &patch).await
    };
    // The schema refuses what it can.
    for usage in [
        r#"{"activeSeconds": -5}"#,
        r#"{"activeSeconds": "many"}"#,
        r#"{"began": "yesterday"}"#,
        r#"{"open": {"is": "resting", "since": "2026-01-01T00:00:00Z"}}"#,
    ] {
        let refused = edit(usage).await;
        assert!(!refused.status.success(), "{usage} was accepted");
    }
    let odd = r#"{"cost": "abc", "activeSeconds": 90, "began": "2200-01-01T00:00:00Z",
        "open": {"is": "active", "since": "2190-01-01T00:00:00Z", "costPerSecond": "much"}}"#;
    edit(odd).await.ok().unwrap();
    let corrected = |object: &_| {
        let usage = usage(object);
        let past = |time: Option<&Timestamp>| time.is_some_and(|time| *time <= Timestamp::now());
        let open = usage.open.as_ref();
        past(usage.began.as_ref().map(|began| &began.0))
            && past(open.map(|open| &open.since.0))
            && usage.cost.is_none()
            && usage.unpriced_seconds >= 90
    };
    let object = world.until("bot", "corrected", corrected).await;
    assert!(
        status(&object)
            .conditions
            .iter()
            .all(|one| one.reason != "InvalidSpec")
    );
    world.until_observed("bot", 2).await;
    let text = operator.metrics().await;
    assert!(!text.contains("oxen_model_cost_total{"), "{text}");
    assert!(!text.contains("oxen_model_cost_per_second{"), "{text}");
    assert!(
        text.contains("oxen_model_unpriced_seconds_total{"),
        "{text}"
    );
}
