//! When an object that is being deleted is released, and when not yet.

use LiveStatus::{Active, Deactivating, Deploying, Error, Inactive, None as NoDeployment, Unknown};
use OperationKind::Deactivate;
use oxen_operator::{
    api::{DeletionPolicy, FINALIZER, LiveStatus, OperationKind, State},
    decide::{CallOutcome, Owner, Ownership, Rules},
};
use testkit::simulation::{Simulation, faults, hub_faults, mins, secs, shows, shows_base};

use crate::{
    attempts::Change,
    deletion::{
        deactivating, deleting, is_blocked, is_released, model_not_found, other_faults, retain,
    },
};

#[test]
fn retain_suspension_ownership_and_the_crd_release_without_the_hub() {
    let released = [
        deleting().with(retain),
        deleting().with(|simulation| simulation.rules.deletion_policy = DeletionPolicy::Retain),
        deleting().suspended(),
        deleting().observe_only(),
        deleting().with(|simulation| simulation.crd_terminating = true),
        deleting().with(|simulation| simulation.ownership = Ownership::Lost(Owner::default())),
    ];
    for mut simulation in released {
        assert!(is_released(&simulation.unobserved().unwrap()));
        let observations = LiveStatus::ALL
            .iter()
            .copied()
            .map(shows)
            .chain([shows_base()]);
        for retrieved in observations.chain(faults("words").into_iter().map(Err)) {
            assert!(is_released(&simulation.decide(retrieved)));
        }
        // An open operation doesn't hold it either.
        simulation.object.metadata.deletion_timestamp = None;
        simulation.object.spec.deletion_policy = Some(DeletionPolicy::Deactivate);
        simulation.object.spec.suspend = None;
        simulation.rules = Rules::default();
        simulation.ownership = Ownership::Owned;
        simulation.reconcile(shows(Inactive));
        assert!(simulation.status().operation.is_some());
        let simulation = simulation.deleting().with(retain);
        assert!(is_released(&simulation.unobserved().unwrap()));
    }
    assert_eq!(deleting().unobserved(), None);
}

#[test]
fn only_a_live_get_releases_the_object_and_no_call_outcome_does() {
    let refusals = hub_faults("words").into_iter().map(CallOutcome::refused);
    let outcomes = [
        CallOutcome::Accepted,
        CallOutcome::unknown("cut"),
        CallOutcome::NotSent("late"),
    ];
    for outcome in outcomes.into_iter().chain(refusals) {
        let mut simulation = deleting();
        simulation.outcome = outcome;
        let reconciled = simulation.reconcile(shows(Active));
        assert_eq!(reconciled.call(), Some(Deactivate));
        assert!(
            !is_released(&reconciled.plan) && simulation.object.has_finalizer(),
            "{:?}",
            simulation.outcome
        );
        simulation.reconcile(shows(Deactivating));
        assert!(simulation.object.has_finalizer());
        simulation.reconcile(shows(Inactive));
        assert!(!simulation.object.has_finalizer());
    }
}

#[test]
fn a_model_that_nothing_turned_off_is_released_when_it_is_shown_twice() {
    for before in [Active, Deploying, Error, Unknown] {
        let mut simulation = Simulation::new(State::Active);
        simulation.object.spec.suspend = Some(true);
        simulation.reconcile(shows(before));
        simulation.object.spec.suspend = None;
        simulation.object.metadata.finalizers = Some(vec![FINALIZER.into()]);
        simulation.delete();
        let mut doubtful = simulation.clone();
        for _ in 0..3 {
            let reconciled = doubtful.reconcile(shows(Inactive));
            assert!(!is_released(&reconciled.plan), "{before}");
            assert_eq!(reconciled.summary(), "False Deactivating Reconciling");
            assert_eq!(reconciled.plan.requeue.after, secs(5));
            doubtful.advance(secs(5));
            // It went on for a moment only.
            assert!(!is_released(&doubtful.reconcile(shows(Unknown)).plan));
            doubtful.advance(secs(5));
        }
        simulation.reconcile(shows(Inactive));
        simulation.advance(secs(1));
        assert!(!is_released(&simulation.reconcile(shows(Inactive)).plan));
        simulation.advance(secs(1));
        assert!(is_released(&simulation.reconcile(shows(Inactive)).plan));
    }
}

#[test]
fn a_model_whose_end_was_seen_is_released_at_once() {
    let mut deactivated = deleting();
    deactivated.reconcile(shows(Active));
    let mut inactive_before = Simulation::new(State::Inactive);
    inactive_before.reconcile(shows(Inactive));
    inactive_before.delete();
    let never_observed = Simulation::new(State::Inactive).deleting();
    for simulation in [deactivated, deactivating(), inactive_before, never_observed] {
        assert!(is_released(&simulation.decide(shows(Inactive))));
    }
}

#[test]
fn an_empty_list_releases_the_object_when_it_is_shown_twice() {
    let mut simulation = deleting();
    let reconciled = simulation.reconcile(shows(NoDeployment));
    assert!(!is_released(&reconciled.plan));
    assert_eq!(reconciled.summary(), "Unknown StatusUnknown Reconciling");
    simulation.advance(secs(5));
    assert!(is_released(&simulation.reconcile(shows(NoDeployment)).plan));
}

#[test]
fn the_get_that_releases_an_object_ends_its_operation() {
    for live in [Inactive, NoDeployment] {
        let mut simulation = deleting();
        assert!(simulation.reconcile(shows(Active)).call().is_some());
        let plan = simulation.decide(shows(live));
        assert!(is_released(&plan));
        assert_eq!(plan.status.operation, None, "{live}");
    }
    let mut unknown_model = deleting();
    unknown_model.reconcile(shows(Active));
    let plan = unknown_model.reconcile_twice(&Err(model_not_found())).plan;
    assert!(is_released(&plan));
    assert_eq!(plan.status.operation, None);
}

#[test]
fn a_release_without_the_hub_leaves_its_operation_open() {
    let releases: [Change; 3] = [
        retain,
        |simulation| simulation.object.spec.suspend = Some(true),
        |simulation| simulation.crd_terminating = true,
    ];
    for release in releases {
        let mut simulation = deleting();
        simulation.reconcile(shows(Active));
        release(&mut simulation);
        let plan = simulation.unobserved().unwrap();
        assert!(is_released(&plan));
        assert!(plan.status.operation.is_some());
    }
    // So does a release upon a transition, whose call is still at work.
    let mut lost = deleting();
    lost.reconcile(shows(Active));
    lost.ownership = Ownership::Lost(Owner::default());
    let plan = lost.decide(shows(Deactivating));
    assert!(is_released(&plan));
    assert!(plan.status.operation.is_some());
}

#[test]
fn not_found_releases_the_object_only_when_it_is_shown_twice_with_a_proven_key() {
    let changes: [(&str, bool, Change); 4] = [
        ("proven", true, |_| ()),
        ("not the owner's key", false, |it| it.listed = false),
        ("another process", false, Simulation::restart),
        ("another key", false, Simulation::change_secret),
    ];
    for (name, released, change) in changes {
        for mut simulation in [deleting(), deactivating()] {
            change(&mut simulation);
            let plan = simulation.reconcile(Err(model_not_found())).plan;
            assert!(is_blocked(&plan) && !is_released(&plan), "{name}");
            simulation.advance(secs(1));
            let plan = simulation.reconcile(Err(model_not_found())).plan;
            assert!(is_blocked(&plan) && !is_released(&plan), "{name}");
            simulation.advance(secs(1));
            for _ in 0..10 {
                if !simulation.object.has_finalizer() {
                    break;
                }
                let plan = simulation.reconcile(Err(model_not_found())).plan;
                assert_eq!(is_released(&plan), released, "{name}");
                assert_eq!(is_blocked(&plan), !released, "{name}");
                simulation.advance(mins(1));
            }
            assert_eq!(!simulation.object.has_finalizer(), released, "{name}");
        }
    }
}

#[test]
fn a_deletion_that_is_blocked_by_an_unproven_key_says_so() {
    let mut simulation = deleting();
    simulation.listed = false;
    let reconciled = simulation.reconcile_twice(&Err(model_not_found()));
    assert_eq!(reconciled.summary(), "False ModelNotFound Stalled");
    let message = &reconciled.plan.message;
    assert!(message.contains("The model may still bill"), "{message}");
    // A key that proves itself releases the object after all.
    simulation.listed = true;
    assert!(is_released(&simulation.decide(Err(model_not_found()))));
}

#[test]
fn no_other_fault_releases_an_object_of_a_proven_key() {
    for fault in faults("words") {
        if fault.is_model_not_found() {
            continue;
        }
        let mut simulation = deleting();
        for _ in 0..5 {
            let plan = simulation.reconcile(Err(fault.clone())).plan;
            assert!(!is_released(&plan), "{fault:?}");
            simulation.advance(mins(1));
        }
    }
}

#[test]
fn only_not_found_answers_in_a_row_release_the_object() {
    let mut simulation = deleting();
    for other in other_faults() {
        for fault in [model_not_found(), other.into()] {
            let plan = simulation.reconcile(Err(fault)).plan;
            assert!(is_blocked(&plan) && !is_released(&plan));
            simulation.advance(secs(5));
        }
    }
    simulation.reconcile(Err(model_not_found()));
    simulation.advance(secs(5));
    simulation.reconcile(shows(Active));
    let plan = simulation.reconcile(Err(model_not_found())).plan;
    assert!(is_blocked(&plan) && !is_released(&plan));
    simulation.advance(secs(5));
    assert!(is_released(
        &simulation.reconcile(Err(model_not_found())).plan
    ));
}
