//! Objects that are being deleted.

use LiveStatus::{Active, Deactivating, Deploying, Error, Inactive, None as NoDeployment, Unknown};
use OperationKind::Deactivate;
use oxen_operator::{
    api::{DeletionPolicy, LiveStatus, OperationKind, State},
    decide::{
        Action, CallOutcome, DELETION_BLOCKED, Fault, History, HubFault, Ownership, Plan, READY,
        Rules, Verdict,
    },
};
use testkit::simulation::{
    Simulation, call, condition, faults, hub_faults, mins, secs, shows, shows_base, shows_model,
    summary,
};

/// The end of every message of a blocked deletion.
const HOW_TO_RELEASE: &str = "To delete this object without deactivating the model, set \
                              spec.deletionPolicy: Retain.";

/// An object that is being deleted, of a model that was active.
fn deleting() -> Simulation {
    Simulation::new(State::Active).with(|simulation| {
        simulation.reconcile(shows(Active));
        simulation.delete();
    })
}

fn retain(simulation: &mut Simulation) {
    simulation.object.spec.deletion_policy = Some(DeletionPolicy::Retain);
}

fn model_not_found() -> Fault {
    HubFault::ModelNotFound(Vec::new()).into()
}

/// Faults that say nothing about whether the hub knows the model.
fn other_faults() -> [HubFault; 2] {
    [
        HubFault::Unauthenticated,
        HubFault::Unreachable("404".into()),
    ]
}

fn is_released(plan: &Plan) -> bool {
    assert_eq!(
        plan.verdict == Verdict::Released,
        plan.action == Action::RemoveFinalizer
    );
    plan.verdict == Verdict::Released
}

/// Returns true when the deletion waits for the hub or a person, which the message and the
/// conditions must say too.
fn is_blocked(plan: &Plan) -> bool {
    let message = &plan.message;
    assert_eq!(plan.blocked, message.ends_with(HOW_TO_RELEASE), "{message}");
    let blocked = condition(&plan.status, DELETION_BLOCKED);
    assert_eq!(plan.blocked, blocked.is_some(), "{message}");
    if let Some(blocked) = blocked {
        assert_eq!(blocked.status, "True");
        assert!(blocked.message.ends_with(HOW_TO_RELEASE), "{blocked:?}");
    }
    plan.blocked
}

#[test]
fn a_deletion_follows_the_table_for_every_live_status() {
    #[rustfmt::skip] // a table is easier to read on one line per row
    let rows = [
        (Active, "False Deactivating Reconciling", Some(Deactivate)),
        (Deploying, "False WaitingForDeployment Reconciling", None),
        (Deactivating, "False Deactivating Reconciling", None),
        (Error, "False DeploymentError Reconciling", None),
        (Unknown, "Unknown StatusUnknown Reconciling", None),
    ];
    for (live, expected, kind) in rows {
        let plan = deleting().decide(shows(live));
        assert_eq!(
            (summary(&plan).as_str(), call(&plan)),
            (expected, kind),
            "{live}"
        );
        assert!(!is_released(&plan) && !is_blocked(&plan));
        assert_eq!(plan.status.desired, Some(State::Inactive));
    }
    for retrieved in [
        shows(Inactive),
        shows(NoDeployment),
        shows_model(true, Active, "bot", "acme"),
    ] {
        assert!(is_released(&deleting().decide(retrieved)));
    }
}

#[test]
fn an_object_without_the_finalizer_is_left_alone() {
    let simulation = deleting().without_finalizer();
    let plans = [
        simulation.unobserved().unwrap(),
        simulation.decide(shows(Active)),
        simulation.decide(Err(HubFault::Unauthenticated.into())),
    ];
    for plan in plans {
        assert_eq!(
            (plan.verdict, plan.action),
            (Verdict::Released, Action::Nothing)
        );
    }
}

#[test]
fn retain_suspension_ownership_and_the_crd_release_without_the_hub() {
    let released = [
        deleting().with(retain),
        deleting().with(|simulation| simulation.rules.deletion_policy = DeletionPolicy::Retain),
        deleting().suspended(),
        deleting().observe_only(),
        deleting().with(|simulation| simulation.crd_terminating = true),
        deleting().with(|simulation| simulation.ownership = Ownership::Lost(None)),
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
fn the_deletion_policy_of_the_spec_overrides_the_default() {
    let simulation = deleting().with(|simulation| {
        simulation.object.spec.deletion_policy = Some(DeletionPolicy::Deactivate);
        simulation.rules.deletion_policy = DeletionPolicy::Retain;
    });
    assert_eq!(call(&simulation.decide(shows(Active))), Some(Deactivate));
}

#[test]
fn only_a_live_get_releases_the_object_and_no_call_outcome_does() {
    let refusals = hub_faults("words").into_iter().map(CallOutcome::Refused);
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
fn an_open_activate_operation_holds_the_deletion() {
    let mut simulation = Simulation::new(State::Active);
    simulation.outcome = CallOutcome::unknown("cut");
    simulation.reconcile(shows(Inactive));
    simulation.delete();
    // The model may still start to deploy.
    assert!(!is_released(&simulation.reconcile(shows(Inactive)).plan));
    assert_eq!(simulation.reconcile(shows(Active)).call(), Some(Deactivate));
    simulation.reconcile(shows(Inactive));
    assert!(!simulation.object.has_finalizer());
}

#[test]
fn every_fault_blocks_a_deletion_and_says_how_to_release_it() {
    for fault in faults("words") {
        if matches!(fault, Fault::Hub(HubFault::Rejected(_))) {
            continue; // only the outcome of a call
        }
        let mut simulation = deleting();
        simulation.reconcile(shows(Deactivating));
        let plan = simulation.decide(Err(fault.clone()));
        assert!(is_blocked(&plan) && !is_released(&plan), "{fault:?}");
        assert!(!summary(&plan).starts_with("True"), "{fault:?}");
        let ready = condition(&plan.status, READY).unwrap();
        assert!(
            ready.message.ends_with(HOW_TO_RELEASE),
            "{fault:?}: {}",
            ready.message
        );
    }
}

#[test]
fn a_deletion_that_becomes_blocked_is_a_transition_once() {
    let mut simulation = deleting();
    let retrieved = Err(HubFault::Unauthenticated.into());
    simulation.object.metadata.deletion_timestamp = None;
    assert!(simulation.reconcile(retrieved.clone()).plan.transition);
    simulation.delete();
    assert!(simulation.reconcile(retrieved.clone()).plan.transition);
    assert!(!simulation.reconcile(retrieved).plan.transition);
}

#[test]
fn an_invalid_model_name_blocks_a_deletion() {
    let simulation = deleting().with(|simulation| simulation.object.spec.model = "a b".into());
    let plan = simulation.unobserved().unwrap();
    assert_eq!(summary(&plan), "False InvalidSpec Stalled");
    assert!(is_blocked(&plan));
}

#[test]
fn an_invalid_sync_interval_blocks_no_deletion_and_polls_no_faster() {
    let simulation =
        deleting().with(|simulation| simulation.object.spec.sync_interval = "0s".parse().ok());
    assert_eq!(simulation.unobserved(), None);
    assert!(is_released(&simulation.decide(shows(Inactive))));
    let plan = simulation.decide(Err(model_not_found()));
    assert!(plan.requeue.after >= secs(30), "{:?}", plan.requeue);
}

#[test]
fn two_not_found_answers_release_the_object_and_one_does_not() {
    let simulation = deleting();
    for (not_found, released) in [(0, false), (1, false), (2, true), (3, true)] {
        let history = History {
            not_found,
            ..simulation.history.clone()
        };
        let fault = Err(model_not_found());
        let plan = simulation.decide_with(history.clone(), fault);
        assert_eq!(is_released(&plan), released, "{not_found}");
        assert_eq!(is_blocked(&plan), !released, "{not_found}");
        for other in other_faults() {
            let plan = simulation.decide_with(history.clone(), Err(other.into()));
            assert!(!is_released(&plan), "{not_found}");
        }
    }
}

#[test]
fn only_not_found_answers_in_a_row_count() {
    let mut simulation = deleting();
    for other in other_faults() {
        for fault in [model_not_found(), other.into()] {
            let plan = simulation.reconcile(Err(fault)).plan;
            assert!(is_blocked(&plan) && !is_released(&plan));
        }
    }
    let first = simulation.reconcile(Err(model_not_found())).plan;
    assert!(is_blocked(&first) && !is_released(&first));
    let second = simulation.reconcile(Err(model_not_found())).plan;
    assert!(is_released(&second) && !is_blocked(&second));
    assert!(!simulation.object.has_finalizer());
}

#[test]
fn not_found_releases_nothing_for_a_key_that_never_retrieved_it() {
    let mut simulation = deleting();
    simulation.restart();
    for _ in 0..10 {
        let plan = simulation.reconcile(Err(model_not_found())).plan;
        assert!(is_blocked(&plan) && !is_released(&plan));
    }
}

#[test]
fn a_changed_identity_blocks_a_deletion_and_is_never_called() {
    for &live in LiveStatus::ALL {
        let plan = deleting().decide(shows_model(false, live, "bot", "other"));
        assert_eq!(summary(&plan), "False IdentityChanged Stalled");
        assert!(is_blocked(&plan) && !is_released(&plan) && call(&plan).is_none());
    }
}

#[test]
fn an_operation_open_past_the_deadline_blocks_a_deletion() {
    let mut simulation = deleting();
    simulation.outcome = CallOutcome::unknown("cut");
    assert_eq!(simulation.reconcile(shows(Active)).call(), Some(Deactivate));
    assert!(!is_blocked(&simulation.reconcile(shows(Unknown)).plan));
    simulation.advance(mins(31));
    let reconciled = simulation.reconcile(shows(Unknown));
    assert!(is_blocked(&reconciled.plan));
    assert_eq!(reconciled.call(), None);
}

#[test]
fn a_deletion_past_its_deadline_is_blocked_and_still_polled() {
    for live in [Unknown, Deactivating, Deploying] {
        let mut simulation = deleting();
        simulation.outcome = CallOutcome::Refused(HubFault::Rejected("no".into()));
        simulation.reconcile(shows(live));
        simulation.advance(mins(31));
        // An endless deployment gets its one call first.
        let first = simulation.reconcile(shows(live));
        assert_eq!(first.call().is_some(), live == Deploying);
        let reconciled = simulation.reconcile(shows(live));
        assert_eq!(reconciled.call(), None);
        assert_eq!(
            reconciled.summary(),
            "False ProgressDeadlineExceeded Stalled",
            "{live}"
        );
        assert!(is_blocked(&reconciled.plan));
        assert_eq!(reconciled.plan.requeue.after, mins(1));
        simulation.reconcile(shows(Inactive));
        assert!(!simulation.object.has_finalizer());
    }
}

#[test]
fn a_deletion_without_attempts_is_blocked() {
    for (live, expected) in [
        (Active, "False CallHadNoEffect Stalled"),
        (Error, "False DeploymentFailed Stalled"),
    ] {
        let mut simulation = deleting();
        let mut calls = 0;
        for _ in 0..60 {
            calls += u32::from(simulation.reconcile(shows(live)).call().is_some());
            simulation.advance(mins(1));
        }
        let plan = simulation.decide(shows(live));
        assert_eq!((calls, summary(&plan).as_str()), (3, expected));
        assert!(is_blocked(&plan));
    }
}
