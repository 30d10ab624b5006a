//! Calls that are due and not sent.

use oxen_operator::{
    api::State,
    decide::{CallOutcome, Verdict},
};
use testkit::simulation::{Simulation, call, mins, shows};

use crate::operation::CALLS;

#[test]
fn a_call_that_is_not_sent_is_tried_again_after_twice_the_wait_each_time() {
    for (_, desired, before) in CALLS {
        let mut simulation = Simulation::new(desired);
        simulation.outcome = CallOutcome::NotSent("the observation became too old");
        let mut waits = Vec::new();
        for _ in 0..12 {
            let reconciled = simulation.reconcile(shows(before));
            assert!(call(&reconciled.decided).is_some());
            waits.push(reconciled.plan.requeue.after.as_secs());
            simulation.advance(reconciled.plan.requeue.after);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        simulation.outcome = CallOutcome::Accepted;
        simulation.reconcile(shows(before));
        assert_eq!(simulation.history.unsent, 0, "a call that goes out");
    }
}

#[test]
fn a_record_that_is_never_stored_is_tried_without_another_write() {
    for (_, desired, before) in CALLS {
        let mut simulation = Simulation::new(desired);
        simulation.stores_records = false;
        simulation.reconcile(shows(before));
        for _ in 0..5 {
            let stored = simulation.object.clone();
            simulation.advance(mins(5));
            let reconciled = simulation.reconcile(shows(before));
            assert_eq!(reconciled.plan.verdict, Verdict::CrdOutdated);
            assert!(!reconciled.plan.transition);
            assert_eq!(simulation.object, stored);
        }
    }
}

#[test]
fn a_call_has_an_event_although_an_earlier_one_was_due_and_not_permitted() {
    for (_, desired, before) in CALLS {
        let mut simulation = Simulation::new(desired);
        let waiting =
            simulation.decide_unpermitted(shows(before), "this replica has just become the leader");
        assert!(waiting.transition, "the wait");
        simulation.object.status = Some(waiting.status);
        let reconciled = simulation.reconcile(shows(before));
        assert!(reconciled.call().is_some());
        assert!(reconciled.plan.transition, "the call");
    }
}

#[test]
fn what_waits_for_permission_is_written_once() {
    let before = CALLS[0].2;
    let mut simulation = Simulation::new(State::Active);
    let why = "this replica has just become the leader";
    let waiting = simulation.decide_unpermitted(shows(before), why);
    simulation.object.status = Some(waiting.status);
    simulation.advance(mins(1));
    let again = simulation.decide_unpermitted(shows(before), why);
    assert!(!again.transition && !simulation.would_write(&again));
}
