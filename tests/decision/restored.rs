//! A stored status of another time or cluster: times in the future, and a restored backup.

use LiveStatus::{Active, Deploying, Inactive, None as NoDeployment};
use OperationKind::Activate;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oxen_operator::{
    api::{Attempts, LiveStatus, Operation, OperationKind, OxenModelStatus, State},
    decide::CallOutcome,
};
use testkit::simulation::{Simulation, mins, shows};

use crate::operation::{CALLS, called};

fn in_2099() -> Time {
    Time("2099-01-01T00:00:00Z".parse().unwrap())
}

/// Changes the stored status.
fn rewrite(simulation: &mut Simulation, change: impl FnOnce(&mut OxenModelStatus)) {
    change(simulation.object.status.as_mut().unwrap());
}

fn rewrite_attempts(simulation: &mut Simulation, change: impl FnOnce(&mut Attempts)) {
    rewrite(simulation, |status| {
        change(status.attempts.as_mut().unwrap());
    });
}

/// Every time in the status that a decision reads.
fn times(status: &OxenModelStatus) -> Vec<Timestamp> {
    let spent = status.attempts.iter();
    let calls = spent.clone().filter_map(|spent| spent.last_call.as_ref());
    let corrections = spent.flat_map(|spent| spent.corrections.iter().flatten());
    let started = status.operation.iter().map(|open| &open.started);
    let others = status.since.iter().chain(&status.progressing_since);
    let all = calls.chain(corrections).chain(started).chain(others);
    all.map(|time| time.0).collect()
}

#[test]
fn a_time_in_the_future_is_replaced_by_now_and_a_correction_is_dropped() {
    for (_, desired, before) in CALLS {
        let mut simulation = called(desired, before, CallOutcome::Accepted);
        rewrite(&mut simulation, |status| {
            status.since = Some(in_2099());
            status.progressing_since = Some(in_2099());
            status.operation.as_mut().unwrap().started = in_2099();
        });
        rewrite_attempts(&mut simulation, |spent| {
            spent.last_call = Some(in_2099());
            spent.corrections = Some(vec![in_2099(), in_2099(), in_2099()]);
        });
        simulation.advance(mins(1));
        let status = simulation.reconcile(shows(before)).plan.status;
        assert_eq!(times(&status), [simulation.now; 4]);
        // The times are written once.
        simulation.advance(mins(1));
        simulation.reconcile(shows(before));
        assert_eq!(simulation.status(), status);
    }
}

#[test]
fn a_time_in_the_past_stays() {
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(shows(Active));
    simulation.advance(mins(1));
    simulation.reconcile(shows(Inactive));
    let status = simulation.status();
    simulation.advance(mins(1));
    simulation.reconcile(shows(Inactive));
    assert_eq!(times(&simulation.status()), times(&status));
    assert_eq!(times(&status).len(), 5);
}

#[test]
fn a_last_call_in_the_future_delays_no_call_for_years() {
    let refusals: [fn(&mut Attempts); 2] = [
        |spent| spent.refusals = Some(9),
        |spent| spent.settled = Some(true),
    ];
    for change in refusals {
        let mut simulation = Simulation::new(State::Active);
        simulation.reconcile(shows(LiveStatus::Unknown));
        rewrite_attempts(&mut simulation, |spent| {
            change(spent);
            spent.last_call = Some(in_2099());
            spent.corrections = Some(vec![in_2099(), in_2099(), in_2099()]);
        });
        let called = (0..=5).any(|_| {
            let reconciled = simulation.reconcile(shows(Inactive));
            simulation.advance(mins(1));
            reconciled.call().is_some()
        });
        assert!(called);
    }
}

/// The status of the same object in another cluster, which a backup restores into this one.
fn of_another_cluster(simulation: &Simulation) -> OxenModelStatus {
    let long_ago = Time("2025-01-01T00:00:00Z".parse().unwrap());
    OxenModelStatus {
        observed_generation: 1,
        live: Some(Deploying),
        since: Some(long_ago.clone()),
        progressing_since: Some(long_ago.clone()),
        operation: Some(Operation {
            id: "of-another-cluster".into(),
            kind: Activate,
            from: Inactive,
            started: long_ago.clone(),
            accepted: None,
        }),
        attempts: Some(Attempts {
            generation: 1,
            uid: Some("of-another-cluster".into()),
            settled: Some(true),
            calls: Some(3),
            failures: Some(3),
            aborted: Some(true),
            refusals: Some(30),
            refusal: Some("Rejected".into()),
            last_call: Some(long_ago.clone()),
            corrections: Some(vec![long_ago; 3]),
        }),
        ..simulation.status()
    }
}

#[test]
fn a_restored_status_of_another_cluster_counts_no_attempts() {
    for (kind, desired, before) in CALLS {
        let mut simulation = Simulation::new(desired);
        simulation.object.status = Some(of_another_cluster(&simulation));
        let reconciled = simulation.reconcile(shows(before));
        assert_eq!(reconciled.call(), Some(kind));
        let summary = reconciled.summary();
        assert!(summary.ends_with("ating Reconciling"), "{summary}");
        let spent = simulation.status().attempts.unwrap();
        assert_eq!((spent.calls, spent.refusals), (Some(1), None));
        assert_eq!(spent.uid, simulation.object.metadata.uid);
    }
}

#[test]
fn a_restored_status_of_another_cluster_has_no_operation_and_no_deadline() {
    let mut simulation = Simulation::new(State::Inactive);
    simulation.object.status = Some(of_another_cluster(&simulation));
    let reconciled = simulation.reconcile(shows(Deploying));
    assert_eq!(reconciled.call(), None);
    assert_eq!(
        reconciled.summary(),
        "False WaitingForDeployment Reconciling"
    );
    let status = simulation.status();
    assert_eq!(status.operation, None);
    assert_eq!(times(&status), [simulation.now; 2]);
}

#[test]
fn a_restored_status_still_needs_an_empty_list_to_be_shown_twice() {
    let mut simulation = Simulation::new(State::Inactive);
    simulation.object.status = Some(of_another_cluster(&simulation));
    let plan = simulation.decide(shows(NoDeployment));
    assert_eq!(plan.status.live, Some(LiveStatus::Unknown));
}

#[test]
fn a_status_of_this_object_keeps_its_operation_and_its_attempts() {
    for (_, desired, before) in CALLS {
        let mut simulation = called(desired, before, CallOutcome::Accepted);
        let status = simulation.status();
        simulation.restart();
        assert_eq!(simulation.reconcile(shows(before)).call(), None);
        assert_eq!(simulation.status().operation, status.operation);
        assert_eq!(simulation.status().attempts, status.attempts);
    }
}
