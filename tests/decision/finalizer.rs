//! When the finalizer is added and removed.

use LiveStatus::{Active, Inactive};
use oxen_operator::{
    api::{DeletionPolicy, LiveStatus, OperationKind, State},
    decide::{Action, HubFault},
};
use testkit::simulation::{Simulation, faults, shows, shows_base};

fn retain(simulation: &mut Simulation) {
    simulation.object.spec.deletion_policy = Some(DeletionPolicy::Retain);
}

#[test]
fn the_finalizer_is_added_after_a_live_get_and_before_a_call() {
    let mut simulation = Simulation::new(State::Active).without_finalizer();
    for fault in faults("words") {
        let reconciled = simulation.reconcile(Err(fault));
        assert_eq!(reconciled.plan.action, Action::Nothing);
    }
    let first = simulation.decide(shows(Inactive));
    assert_eq!(first.action, Action::AddFinalizer);
    assert_eq!(first.status.operation, None);
    // The same observation leads to the call, once the object has the finalizer.
    let reconciled = simulation.reconcile(shows(Inactive));
    assert!(simulation.object.has_finalizer());
    assert_eq!(reconciled.call(), Some(OperationKind::Activate));
}

#[test]
fn every_custom_model_gets_the_finalizer_and_no_base_model_does() {
    for desired in [State::Active, State::Inactive] {
        let simulation = Simulation::new(desired).without_finalizer();
        for &live in LiveStatus::ALL {
            assert_eq!(simulation.decide(shows(live)).action, Action::AddFinalizer);
        }
        assert_eq!(simulation.decide(shows_base()).action, Action::Nothing);
    }
}

#[test]
fn retain_and_suspension_remove_the_finalizer_while_they_last() {
    let changes: [fn(&mut Simulation); 3] = [
        retain,
        |simulation| simulation.object.spec.suspend = Some(true),
        |simulation| simulation.rules.observe_only = true,
    ];
    for change in changes {
        let mut simulation = Simulation::new(State::Active);
        simulation.reconcile(shows(Active));
        let spec = simulation.object.spec.clone();
        change(&mut simulation);
        // Removing it needs no answer of the hub.
        let plan = simulation.decide(Err(HubFault::Unreachable("reset".into()).into()));
        assert_eq!(plan.action, Action::RemoveFinalizer);
        simulation.reconcile(shows(Active));
        assert!(!simulation.object.has_finalizer());
        let reconciled = simulation.reconcile(shows(Active));
        assert_eq!(reconciled.plan.action, Action::Nothing);
        simulation.object.spec = spec;
        simulation.rules.observe_only = false;
        simulation.reconcile(shows(Active));
        assert!(simulation.object.has_finalizer());
    }
}

#[test]
fn a_retained_model_is_called_without_a_finalizer() {
    let mut simulation = Simulation::new(State::Active)
        .without_finalizer()
        .with(retain);
    assert_eq!(
        simulation.reconcile(shows(Inactive)).call(),
        Some(OperationKind::Activate)
    );
    assert!(!simulation.object.has_finalizer());
}
