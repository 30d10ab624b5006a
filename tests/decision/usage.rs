//! Usage: what is counted, at which price, and what writes it.

use LiveStatus::{Active, Deactivating, Deploying, Error, Inactive, Unknown};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oxen_operator::{
    api::{
        Counted, DeletionPolicy, LiveStatus, OpenPeriod, OxenModelStatus, Pricing, State, Usage,
    },
    decide::{HubFault, Owner, Ownership, Verdict, price, used_by},
};
use serde_json::json;
use testkit::simulation::{Retrieved, Simulation, mins, secs, shows, shows_base, shows_model};

/// A live GET that shows a model with this live status and price by time.
fn priced(live: LiveStatus, cost_per_second: &str) -> Retrieved {
    billed(live, by_time(cost_per_second))
}

fn billed(live: LiveStatus, pricing: Pricing) -> Retrieved {
    shows(live).map(|mut remote| {
        remote.pricing = Some(pricing);
        remote
    })
}

fn by_time(cost_per_second: &str) -> Pricing {
    Pricing {
        method: Some("time".into()),
        cost_per_second: Some(cost_per_second.into()),
        ..Pricing::default()
    }
}

fn outage() -> Retrieved {
    Err(HubFault::Unreachable("down".into()).into())
}

/// A suspended object, so that no call changes what the hub shows.
fn simulation() -> Simulation {
    Simulation::new(State::Active).suspended()
}

/// What the object's status has of its usage.
fn stored(simulation: &Simulation) -> Usage {
    simulation.status().usage.unwrap()
}

/// What has been used by now.
fn used(simulation: &Simulation) -> Usage {
    used_by(&stored(simulation), simulation.now)
}

/// Lets time pass until an observation, and returns whether it led to a write.
fn after(simulation: &mut Simulation, seconds: u64, retrieved: Retrieved) -> bool {
    simulation.advance(secs(seconds));
    let before = simulation.status();
    simulation.reconcile(retrieved);
    simulation.status() != before
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_second_counts_from_the_status_that_is_shown_to_the_next_one() {
    let mut simulation = simulation();
    simulation.now = time("2026-11-25T07:00:00Z");
    simulation.reconcile(priced(Inactive, "0.000694444"));
    after(&mut simulation, 10, priced(Active, "0.000694444"));
    let open = stored(&simulation).open.unwrap();
    assert_eq!(open.since.0, time("2026-11-25T07:00:10Z"));
    // Settled polls all day.
    while simulation.now < time("2026-11-25T16:50:00Z") {
        assert!(!after(&mut simulation, 300, priced(Active, "0.000694444")));
    }
    let left = time("2026-11-25T17:00:05Z").duration_since(simulation.now);
    let left = u64::try_from(left.as_secs()).unwrap();
    after(&mut simulation, left, priced(Inactive, "0.000694444"));
    let usage = stored(&simulation);
    assert_eq!(
        usage,
        Usage {
            began: Some(Time(time("2026-11-25T07:00:00Z"))),
            active_seconds: 35_995,
            cost: Some("24.996511780".into()),
            ..Usage::default()
        }
    );
}

#[test]
fn each_state_that_may_bill_has_its_own_sum() {
    let mut simulation = simulation();
    simulation.reconcile(priced(Inactive, "2"));
    for (seconds, live) in [
        (1, Deploying),
        (20, Error),
        (300, Deploying),
        (4, Active),
        (50, Deactivating),
        (600, Inactive),
        (7, Inactive),
        (80, Active),
    ] {
        after(&mut simulation, seconds, priced(live, "2"));
    }
    let usage = stored(&simulation);
    assert_eq!(usage.deploying_seconds, 24);
    assert_eq!(usage.error_seconds, 300);
    assert_eq!(usage.active_seconds, 50);
    // Whether the other states bill is not known.
    assert_eq!(usage.cost.as_deref(), Some("100.000000000"));
    assert_eq!((usage.unseen_seconds, usage.unpriced_seconds), (0, 0));
    assert_eq!(usage.open.unwrap().is, Counted::Active);
}

#[test]
fn a_settled_object_is_not_written_over_a_thousand_polls() {
    for live in LiveStatus::ALL {
        let mut simulation = simulation();
        // What nothing had led to is confirmed first.
        simulation.reconcile_twice(&priced(*live, "0.5"));
        let before = simulation.status();
        assert!(before.usage.is_some(), "{live}");
        for poll in 0..1000 {
            // The sync interval with its jitter.
            let wrote = after(&mut simulation, 270 + poll % 61, priced(*live, "0.5"));
            assert!(!wrote, "{live}");
        }
        assert_eq!(simulation.status(), before);
    }
}

#[test]
fn what_is_used_grows_although_nothing_is_written() {
    let mut simulation = simulation();
    simulation.reconcile(priced(Active, "0.5"));
    let open = stored(&simulation);
    let weeks = 21 * 24 * 3600;
    for seconds in [0, 1, 30, 3600, weeks] {
        let at = simulation.now + SignedDuration::from_secs(seconds);
        let used = used_by(&open, at);
        assert_eq!(used.active_seconds, seconds);
        let cost: f64 = used.cost.unwrap().parse().unwrap();
        assert!((cost - seconds as f64 / 2.0).abs() < 1e-9);
        assert_eq!(used.open, None);
    }
    assert_eq!(stored(&simulation), open);
}

#[test]
fn another_price_counts_from_the_observation_that_shows_it() {
    let mut simulation = simulation();
    simulation.reconcile(priced(Active, "0.5"));
    after(&mut simulation, 100, priced(Active, "0.7"));
    let usage = stored(&simulation);
    assert_eq!(usage.active_seconds, 100);
    assert_eq!(usage.cost.as_deref(), Some("50.000000000"));
    let expected = OpenPeriod {
        is: Counted::Active,
        since: Time(simulation.now),
        cost_per_second: Some("0.7".into()),
    };
    assert_eq!(usage.open, Some(expected));
    after(&mut simulation, 10, priced(Inactive, "0.7"));
    assert_eq!(stored(&simulation).cost.as_deref(), Some("57.000000000"));

    // A price that is written in another way is the same price.
    after(&mut simulation, 10, priced(Active, "0.70"));
    let before = stored(&simulation);
    after(&mut simulation, 10, priced(Active, "0.7"));
    assert_eq!(stored(&simulation), before);
}

#[test]
fn the_cost_at_a_price_that_changes_with_each_poll_is_the_sum() {
    let mut simulation = simulation();
    simulation.reconcile(priced(Active, "0"));
    for poll in 1..=100_u32 {
        after(&mut simulation, 300, priced(Active, &poll.to_string()));
    }
    let usage = stored(&simulation);
    assert_eq!(usage.active_seconds, 30_000);
    let sum: u32 = (1..100).map(|price| 300 * price).sum();
    assert_eq!(usage.cost, Some(format!("{sum}.000000000")));
}

#[test]
fn only_a_plain_price_by_time_is_a_price() {
    let long = |digits: usize| format!("0.{}", "3".repeat(digits));
    for (text, expected) in [
        ("0", Some("0")),
        ("0.000694444", Some("0.000694444")),
        ("0.0006944444444444445", Some("0.000694444444444444")),
        ("12.50", Some("12.5")),
        ("100", Some("100")),
        ("999999", Some("999999")),
        (&long(40), Some(&*long(18))),
        ("1000000", None),
        (&"9".repeat(40), None),
        ("-0.5", None),
        ("-0", None),
        ("NaN", None),
        ("inf", None),
        ("1e-3", None),
        ("", None),
        ("free", None),
    ] {
        assert_eq!(price(Some(&by_time(text))).as_deref(), expected, "{text}");
    }
    for method in ["token", "per_image", "per_video_output_second", "Time"] {
        let pricing = Pricing {
            method: Some(method.into()),
            ..by_time("0.5")
        };
        assert_eq!(price(Some(&pricing)), None, "{method}");
    }
    assert_eq!(price(Some(&Pricing::default())), None);
    assert_eq!(price(None), None);
}

#[test]
fn seconds_without_a_price_are_counted_as_such() {
    let token = Pricing {
        method: Some("token".into()),
        ..Pricing::default()
    };
    for unpriced in [
        shows(Active),
        billed(Active, token),
        priced(Active, "-1"),
        priced(Active, &"9".repeat(40)),
    ] {
        let mut simulation = simulation();
        simulation.reconcile(unpriced.clone());
        simulation.advance(secs(90));
        let usage = used(&simulation);
        assert_eq!((usage.active_seconds, usage.unpriced_seconds), (90, 90));
        assert_eq!(usage.cost, None);
        // A price counts from when it is known.
        simulation.reconcile(priced(Active, "0.5"));
        assert_eq!(used(&simulation).cost.as_deref(), Some("0.000000000"));
        simulation.advance(secs(10));
        let usage = used(&simulation);
        assert_eq!((usage.active_seconds, usage.unpriced_seconds), (100, 90));
        assert_eq!(usage.cost.as_deref(), Some("5.000000000"));
    }
}

#[test]
fn a_long_outage_is_unseen_as_a_whole() {
    for (before, after_it, active) in [
        (Active, Active, 2700),
        (Active, Inactive, 2700),
        (Inactive, Active, 0),
        (Inactive, Inactive, 0),
    ] {
        let mut simulation = simulation();
        simulation.reconcile(shows(before));
        after(&mut simulation, 300, shows(before));
        // The status has what the first failure changed, and nothing more.
        for _ in 0..39 {
            after(&mut simulation, 60, outage());
        }
        let wrote = after(&mut simulation, 60, shows(after_it));
        assert!(wrote, "{before} {after_it}");
        let usage = stored(&simulation);
        assert_eq!(usage.unseen_seconds, 2400, "{before} {after_it}");
        assert_eq!(used(&simulation).active_seconds, active);
        assert_eq!(usage.open.is_some(), after_it == Active);
        assert!(!after(&mut simulation, 300, shows(after_it)));
    }
}

#[test]
fn an_outage_of_ten_minutes_is_no_gap() {
    let mut simulation = simulation();
    simulation.reconcile(shows(Active));
    let before = stored(&simulation);
    for _ in 0..9 {
        after(&mut simulation, 60, outage());
    }
    after(&mut simulation, 60, shows(Active));
    assert_eq!(stored(&simulation), before);
}

#[test]
fn an_interval_of_any_length_is_no_gap() {
    for (interval, seconds) in [("30s", 33), ("5m", 330), ("1h", 3960), ("24h", 95_040)] {
        let mut simulation = simulation();
        simulation.object.spec.sync_interval = Some(interval.parse().unwrap());
        simulation.reconcile(shows(Active));
        for _ in 0..5 {
            assert!(
                !after(&mut simulation, seconds, shows(Active)),
                "{interval}"
            );
        }
        let grace = simulation.rules.grace_of(&simulation.object);
        let whole = seconds + grace.as_secs();
        assert!(!after(&mut simulation, whole, shows(Active)), "{interval}");
        assert!(after(&mut simulation, whole + 1, shows(Active)));
        let unseen = stored(&simulation).unseen_seconds;
        assert_eq!(u64::try_from(unseen).unwrap(), whole + 1);
    }
}

#[test]
fn a_restart_counts_the_time_since_the_last_leader_as_unseen() {
    for (away, unseen) in [(7200, 7200), (20, 0)] {
        let mut simulation = simulation();
        simulation.reconcile(priced(Active, "0.5"));
        simulation.advance(secs(600));
        let used_before = used(&simulation);
        simulation.advance(secs(away));
        // The Lease says until when the last leader worked.
        simulation.restart();
        simulation.history.watched = Some(secs(away));
        let wrote = after(&mut simulation, 0, priced(Active, "0.5"));
        assert_eq!(wrote, unseen > 0);
        assert!(!after(&mut simulation, 300, priced(Active, "0.5")));
        let usage = used(&simulation);
        assert_eq!(usage.unseen_seconds, unseen);
        assert!(usage.active_seconds > used_before.active_seconds);
        assert_eq!(usage.active_seconds, i64::try_from(900 + away).unwrap());
    }
    // Where it is not known, nothing is counted.
    let mut simulation = simulation();
    simulation.reconcile(shows(Active));
    simulation.advance(mins(120));
    simulation.restart();
    assert!(!after(&mut simulation, 0, shows(Active)));
}

#[test]
fn a_restart_during_an_outage_does_not_shorten_the_gap() {
    let mut simulation = simulation();
    simulation.reconcile(shows(Active));
    after(&mut simulation, 60, outage());
    simulation.advance(mins(60));
    simulation.restart();
    simulation.history.watched = Some(secs(20));
    after(&mut simulation, 0, outage());
    after(&mut simulation, 3600, shows(Active));
    assert_eq!(stored(&simulation).unseen_seconds, 7200);
}

#[test]
fn no_gap_is_longer_than_the_usage_or_the_live_status() {
    // The Lease of the predecessor is older than what the object's status shows.
    let gap_after = |wait, change: &dyn Fn(&mut Simulation)| {
        let mut simulation = simulation();
        simulation.reconcile(shows(Active));
        after(&mut simulation, 7200, outage());
        change(&mut simulation);
        simulation.restart();
        simulation.history.watched = Some(secs(36_000));
        after(&mut simulation, wait, shows(Active));
        stored(&simulation).unseen_seconds
    };
    let status = |simulation: &mut Simulation| simulation.object.status.clone().unwrap();
    assert_eq!(gap_after(5, &|_| ()), 7205);
    let without = |simulation: &mut Simulation| {
        let usage = None;
        let status = status(simulation);
        simulation.object.status = Some(OxenModelStatus { usage, ..status });
    };
    assert_eq!(gap_after(5, &without), 0);
    let since = |simulation: &mut Simulation| {
        let since = Some(Time(simulation.now));
        let status = status(simulation);
        simulation.object.status = Some(OxenModelStatus { since, ..status });
    };
    assert_eq!(gap_after(5, &since), 0);
    assert_eq!(gap_after(3600, &since), 3600);
}

#[test]
fn a_gap_is_counted_once_although_its_write_failed() {
    let mut simulation = simulation();
    simulation.reconcile(shows(Active));
    simulation.advance(mins(40));
    // The write of this reconcile meets a conflict.
    let before = simulation.object.clone();
    let history = simulation.history.clone();
    simulation.reconcile(shows(Active));
    simulation.object = before;
    simulation.history = history;
    let key = oxen_operator::decide::KeyUsed::Proven;
    let object = simulation.object.clone();
    (simulation.history).observe(&object, &shows(Active), key, &[], &simulation.rules);
    after(&mut simulation, 1, shows(Active));
    assert_eq!(stored(&simulation).unseen_seconds, 2401);
    after(&mut simulation, 300, shows(Active));
    assert_eq!(stored(&simulation).unseen_seconds, 2401);
}

#[test]
fn an_unknown_status_is_unseen_until_it_is_known() {
    let mut simulation = simulation();
    simulation.reconcile(shows(Active));
    after(&mut simulation, 100, shows(Unknown));
    let usage = stored(&simulation);
    assert_eq!((usage.active_seconds, usage.open), (100, None));
    // Neither polls nor an outage meanwhile change anything.
    assert!(!after(&mut simulation, 300, shows(Unknown)));
    simulation.advance(mins(60));
    assert!(!after(&mut simulation, 0, shows(Unknown)));
    after(&mut simulation, 100, shows(Active));
    let usage = stored(&simulation);
    assert_eq!((usage.active_seconds, usage.unseen_seconds), (100, 4000));
    assert_eq!(usage.open.unwrap().since.0, simulation.now);
}

#[test]
fn only_the_owner_counts() {
    let lost = Ownership::Lost(Owner::default());
    let (mut first, mut second) = (simulation(), simulation());
    second.ownership = lost.clone();
    for _ in 0..4 {
        after(&mut first, 300, priced(Active, "1"));
        after(&mut second, 300, priced(Active, "1"));
    }
    assert_eq!(second.status().usage, None);
    first.ownership = lost;
    second.ownership = Ownership::Owned;
    for _ in 0..4 {
        after(&mut first, 300, priced(Active, "1"));
        after(&mut second, 300, priced(Active, "1"));
    }
    let usage = stored(&first);
    assert_eq!((usage.active_seconds, usage.open), (1200, None));
    let both = used(&first).active_seconds + used(&second).active_seconds;
    assert_eq!(both, 7 * 300);
}

#[test]
fn a_base_model_has_no_usage() {
    let mut simulation = simulation();
    simulation.reconcile(shows_base());
    after(&mut simulation, 300, shows_base());
    assert_eq!(simulation.status().usage, None);
}

#[test]
fn faults_change_nothing() {
    let mut simulation = simulation();
    simulation.reconcile(priced(Active, "1"));
    let before = stored(&simulation);
    for fault in testkit::simulation::faults("words") {
        after(&mut simulation, 60, Err(fault));
        assert_eq!(stored(&simulation), before);
    }
}

#[test]
fn another_identity_is_unseen_time_of_the_model() {
    let mut simulation = simulation();
    simulation.reconcile(shows(Active));
    let other = || shows_model(false, Inactive, "bot", "other");
    for _ in 0..20 {
        after(&mut simulation, 300, other());
    }
    assert_eq!(stored(&simulation).active_seconds, 0);
    simulation.request_reconcile("accepted");
    after(&mut simulation, 300, other());
    assert_eq!(simulation.status().model.unwrap().owner, "other");
    let usage = stored(&simulation);
    assert_eq!((usage.active_seconds, usage.open), (6300, None));
    assert_eq!(usage.unseen_seconds, 6300);
    assert!(!after(&mut simulation, 300, other()));
}

#[test]
fn a_restored_status_starts_to_count_again() {
    let mut simulation = simulation();
    simulation.reconcile(priced(Active, "1"));
    simulation.advance(mins(60 * 24));
    simulation.object.metadata.uid = Some("object-2".into());
    simulation.restart();
    simulation.reconcile(priced(Active, "1"));
    let usage = stored(&simulation);
    assert_eq!(usage.began.as_ref().unwrap().0, simulation.now);
    assert_eq!(used(&simulation).active_seconds, 0);
}

#[test]
fn an_edit_by_hand_discards_only_what_cannot_be_believed() {
    let mut simulation = simulation();
    simulation.reconcile(priced(Active, "1"));
    after(&mut simulation, 100, priced(Active, "2"));
    let future = simulation.now + SignedDuration::from_hours(5);
    let open = |since: Timestamp, price: &str| json!({"open": {"is": "active", "since": since, "costPerSecond": price}});
    let now = simulation.now;
    let long = "9".repeat(40);
    // The active seconds, those without a price, and the cost after ten more seconds.
    let rows = [
        (json!({}), 110, 0, 120),
        (json!({"activeSeconds": -5}), 10, 0, 120),
        (json!({"unseenSeconds": i64::MIN}), 110, 0, 120),
        (json!({"errorSeconds": i64::MAX}), 110, 0, 120),
        (json!({"activeSeconds": i64::MAX}), i64::MAX, 0, 120),
        (json!({"unpricedSeconds": 1000}), 110, 100, 120),
        (json!({"cost": null}), 110, 0, 20),
        (json!({"cost": "abc"}), 110, 100, 20),
        (json!({"cost": "-5"}), 110, 100, 20),
        (json!({"cost": long}), 110, 100, 20),
        (json!({"began": null}), 100, 0, 100),
        (json!({"began": future}), 100, 0, 100),
        (json!({"open": null}), 100, 0, 100),
        (open(future, "2"), 100, 0, 100),
        (open(Timestamp::MIN, "2"), 210, 0, 320),
        (open(now, "much"), 110, 10, 100),
        (open(now, "-2"), 110, 10, 100),
        (open(now, "3"), 110, 0, 130),
    ];
    for (change, active, unpriced, cost) in rows {
        let mut simulation = simulation.clone();
        let mut usage = serde_json::to_value(stored(&simulation)).unwrap();
        for (field, value) in change.as_object().unwrap() {
            usage[field] = value.clone();
        }
        let status = simulation.object.status.as_mut().unwrap();
        status.usage = Some(serde_json::from_value(usage).unwrap());
        // What the metrics show meanwhile.
        for time in [Timestamp::MIN, now, future, Timestamp::MAX] {
            let _ = used_by(&stored(&simulation), time);
        }
        after(&mut simulation, 10, priced(Active, "2"));
        let usage = used(&simulation);
        assert_eq!(usage.active_seconds, active, "{change}");
        assert_eq!(usage.unpriced_seconds, unpriced, "{change}");
        assert_eq!(usage.cost, Some(format!("{cost}.000000000")), "{change}");
        assert!(usage.unseen_seconds >= 0, "{change}");
        assert!(
            !after(&mut simulation, 300, priced(Active, "2")),
            "{change}"
        );
    }
}

#[test]
fn a_clock_that_goes_back_counts_nothing_twice() {
    let mut simulation = simulation();
    simulation.reconcile(priced(Active, "1"));
    after(&mut simulation, 1000, priced(Inactive, "1"));
    after(&mut simulation, 10, priced(Active, "1"));
    let hour = SignedDuration::from_hours(1);
    simulation.now -= hour;
    simulation.reconcile(priced(Active, "1"));
    let usage = stored(&simulation);
    assert_eq!(usage.active_seconds, 1000);
    let since = usage.open.as_ref().unwrap().since.0;
    assert!(since <= simulation.now + hour);
    assert!(!after(&mut simulation, 300, priced(Active, "1")));
    after(&mut simulation, 300, priced(Inactive, "1"));
    assert_eq!(stored(&simulation).active_seconds, 1600);
}

#[test]
fn a_release_names_what_was_used() {
    let mut simulation = Simulation::new(State::Active);
    simulation.now = time("2026-11-01T08:00:00Z");
    simulation.reconcile(priced(Active, "0.5"));
    after(&mut simulation, 100, priced(Error, "0.5"));
    simulation.object.spec.deletion_policy = Some(DeletionPolicy::Retain);
    let mut retained = simulation.clone();
    retained.delete();
    retained.advance(secs(7));
    let plan = retained.unobserved().unwrap();
    assert_eq!(plan.verdict, Verdict::Released);
    assert_eq!(
        plan.message,
        "The model is left as it is: deletionPolicy is Retain. Usage since 2026-11-01T08:00:00Z: \
         100 s active, 7 s in error, cost 50.000000000."
    );

    // Since then, nobody has observed the model.
    retained = simulation.clone();
    after(&mut retained, 10, outage());
    retained.delete();
    retained.advance(secs(3600));
    let plan = retained.unobserved().unwrap();
    assert!(
        plan.message
            .ends_with("100 s active, 3610 s in error, 3600 s unseen, cost 50.000000000."),
        "{}",
        plan.message
    );

    simulation.object.spec.deletion_policy = None;
    simulation.delete();
    after(&mut simulation, 5, priced(Deactivating, "0.5"));
    simulation.advance(secs(3));
    let plan = simulation.reconcile(priced(Inactive, "0.5")).plan;
    assert_eq!(plan.verdict, Verdict::Released);
    assert_eq!(
        plan.message,
        "The model is inactive. Usage since 2026-11-01T08:00:00Z: 100 s active, 5 s in error, \
         cost 50.000000000."
    );

    let mut unused = Simulation::new(State::Inactive);
    unused.reconcile(shows(Inactive));
    unused.delete();
    let plan = unused.reconcile(shows(Inactive)).plan;
    assert_eq!(plan.message, "The model is inactive.");
}
