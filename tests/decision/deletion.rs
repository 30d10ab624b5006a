//! Objects that are being deleted.

use LiveStatus::{Active, Deactivating, Deploying, Error, Inactive, None as NoDeployment, Unknown};
use OperationKind::Deactivate;
use oxen_operator::{
    api::{DeletionPolicy, LiveStatus, OperationKind, State},
    decide::{
        Action, CallOutcome, DELETION_BLOCKED, Fault, HubFault, Jitter, Plan, READY, Verdict,
    },
};
use testkit::simulation::{
    Simulation, call, condition, faults, mins, secs, shows, shows_model, summary,
};

/// The end of every message of a blocked deletion.
const HOW_TO_RELEASE: &str = "To delete this object without deactivating the model, set \
                              spec.deletionPolicy: Retain.";

/// An object that is being deleted, of a model that was active.
pub fn deleting() -> Simulation {
    Simulation::new(State::Active).with(|simulation| {
        simulation.reconcile(shows(Active));
        simulation.delete();
    })
}

/// An object that is being deleted, of a model that is deactivating.
pub fn deactivating() -> Simulation {
    deleting().with(|simulation| {
        simulation.reconcile(shows(Deactivating));
    })
}

pub fn retain(simulation: &mut Simulation) {
    simulation.object.spec.deletion_policy = Some(DeletionPolicy::Retain);
}

pub fn model_not_found() -> Fault {
    HubFault::ModelNotFound(Vec::new()).into()
}

/// Faults that say nothing about whether the hub knows the model.
pub fn other_faults() -> [HubFault; 2] {
    [
        HubFault::Unauthenticated,
        HubFault::Unreachable("404".into()),
    ]
}

pub fn is_released(plan: &Plan) -> bool {
    assert_eq!(
        plan.verdict == Verdict::Released,
        plan.action == Action::RemoveFinalizer
    );
    plan.verdict == Verdict::Released
}

/// Returns true when the deletion waits for the hub or a person, which the message and the
/// conditions must say too.
pub fn is_blocked(plan: &Plan) -> bool {
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
        assert!(is_released(&deactivating().decide(retrieved)));
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
fn the_deletion_policy_of_the_spec_overrides_the_default() {
    let simulation = deleting().with(|simulation| {
        simulation.object.spec.deletion_policy = Some(DeletionPolicy::Deactivate);
        simulation.rules.deletion_policy = DeletionPolicy::Retain;
    });
    assert_eq!(call(&simulation.decide(shows(Active))), Some(Deactivate));
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
    let invalid =
        |simulation: &mut Simulation| simulation.object.spec.sync_interval = "0s".parse().ok();
    assert_eq!(deleting().with(invalid).unobserved(), None);
    let simulation = deactivating().with(invalid);
    assert!(is_released(&simulation.decide(shows(Inactive))));
    let mut unproven = simulation.with(|simulation| simulation.listed = false);
    let plan = unproven.reconcile_twice(&Err(model_not_found())).plan;
    assert!(plan.requeue.after >= secs(30), "{:?}", plan.requeue);
}

#[test]
fn a_deleted_object_is_reconciled_at_least_each_minute() {
    let hour = |simulation: &mut Simulation| {
        simulation.object.spec.sync_interval = "1h".parse().ok();
    };
    for fault in faults("words") {
        let policy_of_its_own = matches!(
            fault,
            Fault::Credentials(_)
                | Fault::Hub(
                    HubFault::Unauthenticated
                        | HubFault::Forbidden(_)
                        | HubFault::PaymentRequired(_)
                        | HubFault::Unexpected(_)
                        | HubFault::ModelMismatch(_)
                )
        );
        let mut simulation = deleting().with(hour);
        simulation.listed = false;
        for _ in 0..20 {
            let requeue = simulation.reconcile(Err(fault.clone())).plan.requeue;
            let at_least = !policy_of_its_own;
            assert!(!at_least || requeue.after <= mins(1), "{fault:?}");
            assert!(!at_least || requeue.jitter != Jitter::Tenth, "{fault:?}");
            simulation.advance(requeue.after);
        }
    }
    for &live in LiveStatus::ALL {
        let mut simulation = deleting().with(hour);
        for _ in 0..120 {
            let requeue = simulation.reconcile(shows(live)).plan.requeue;
            if !simulation.object.has_finalizer() {
                break;
            }
            assert!(requeue.after <= mins(1), "{live}: {requeue:?}");
            assert_ne!(requeue.jitter, Jitter::Tenth, "{live}");
            simulation.advance(requeue.after);
        }
    }
    let changed = deleting().with(hour);
    let plan = changed.decide(shows_model(false, Active, "bot", "other"));
    assert_eq!(plan.requeue.after, mins(1));
    let invalid = changed.with(|simulation| simulation.object.spec.model = "a b".into());
    assert_eq!(invalid.unobserved().unwrap().requeue.after, mins(1));
}

#[test]
fn a_deleted_object_waits_for_retry_after_and_for_its_refusals_all_the_same() {
    let limited = |wait| HubFault::RateLimited {
        wait: Some(wait),
        whole_key: false,
        words: None,
    };
    let plan = deleting().decide(Err(limited(mins(10)).into()));
    assert_eq!(plan.requeue.after, mins(10));
    let mut simulation = deleting();
    simulation.outcome = CallOutcome::refused(HubFault::Rejected("no".into()));
    let waits = [(); 6].map(|()| {
        let reconciled = simulation.reconcile(shows(Active));
        assert_eq!(reconciled.call(), Some(Deactivate));
        assert!(is_blocked(&reconciled.plan));
        simulation.advance(reconciled.plan.requeue.after);
        reconciled.plan.requeue.after.as_secs()
    });
    assert_eq!(waits, [10, 20, 40, 80, 160, 300]);
}

#[test]
fn an_object_that_is_not_deleted_keeps_its_sync_interval() {
    let mut simulation = Simulation::new(State::Active);
    simulation.object.spec.sync_interval = "1h".parse().ok();
    let requeue = simulation.decide(shows(NoDeployment)).requeue;
    assert_eq!((requeue.after, requeue.jitter), (mins(60), Jitter::Tenth));
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
        simulation.reconcile_twice(&shows(Inactive));
        assert!(!simulation.object.has_finalizer());
    }
}

#[test]
fn a_refused_deactivation_of_an_endless_deployment_is_retried_for_ever() {
    let mut simulation = deleting();
    simulation.outcome = CallOutcome::refused(HubFault::Rejected("no".into()));
    simulation.reconcile(shows(Deploying));
    simulation.advance(mins(31));
    for _ in 0..20 {
        let reconciled = simulation.reconcile(shows(Deploying));
        assert_eq!(reconciled.call(), Some(Deactivate));
        assert!(is_blocked(&reconciled.plan));
        simulation.advance(mins(5));
    }
}

#[test]
fn a_deletion_whose_call_cannot_be_recorded_is_blocked() {
    let mut simulation = deleting();
    simulation.stores_records = false;
    let plan = simulation.reconcile(shows(Active)).plan;
    assert_eq!(summary(&plan), "False CRDOutdated Stalled");
    assert!(is_blocked(&plan) && !is_released(&plan));
    assert_eq!(plan.requeue.after, mins(1));
}

#[test]
fn a_deletion_whose_lost_call_is_stalled_is_blocked() {
    let mut simulation = deleting();
    simulation.outcome = CallOutcome::unknown("cut");
    for seconds in 0..2000 {
        let reconciled = simulation.reconcile(shows(Active));
        let refusals = simulation.status().attempts.unwrap().refusals;
        assert_eq!(
            is_blocked(&reconciled.plan),
            refusals >= Some(5) || reconciled.summary().starts_with("False"),
            "{seconds}"
        );
        simulation.advance(secs(1));
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
