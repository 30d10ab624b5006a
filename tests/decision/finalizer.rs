use Deployment::{Active, Inactive};

use super::bench::{Bench, DEPLOYMENTS, base, faults, shows};
use crate::{
    api::{DeletionPolicy, Deployment, Direction, State},
    decide::{Action, Fault, Look},
};

fn retained(bench: &mut Bench) {
    bench.object.spec.deletion_policy = Some(DeletionPolicy::Retain);
}

#[test]
fn the_finalizer_comes_after_the_first_good_look_and_before_the_first_call() {
    let mut bench = Bench::wanting(State::Active).unheld();
    for fault in faults("words") {
        assert_eq!(bench.pass(Look::Failed(fault)).plan.action, Action::Nothing);
    }
    let pass = bench.pass(shows(Inactive));
    assert_eq!(pass.plan.action, Action::AddFinalizer);
    assert_eq!(pass.plan.status.operation, None);
    assert_eq!(pass.shown(), "False Activating Reconciling");
    assert_eq!(
        bench.pass(shows(Inactive)).call(),
        Some(Direction::Activate)
    );
}

#[test]
fn every_good_look_at_a_custom_model_sets_the_finalizer_and_none_at_a_base_model_does() {
    for wanted in [State::Active, State::Inactive] {
        let bench = Bench::wanting(wanted).unheld();
        for deployment in DEPLOYMENTS {
            assert_eq!(bench.decide(shows(deployment)).action, Action::AddFinalizer);
        }
        assert_eq!(bench.decide(base()).action, Action::Nothing);
    }
}

#[test]
fn the_finalizer_goes_when_the_policy_or_suspension_says_so_and_comes_back() {
    let freed: [fn(&mut Bench); 3] = [
        retained,
        |bench| bench.object.spec.suspend = Some(true),
        |bench| bench.rules.observe_only = true,
    ];
    for free in freed {
        let mut bench = Bench::wanting(State::Active);
        bench.pass(shows(Active));
        let held = bench.object.spec.clone();
        free(&mut bench);
        // Even while the hub is down.
        let plan = bench.decide(Look::Failed(Fault::Unreachable("reset".into())));
        assert_eq!(plan.action, Action::RemoveFinalizer);
        bench.pass(shows(Active));
        assert!(!bench.is_held());
        assert_eq!(bench.pass(shows(Active)).plan.action, Action::Nothing);
        bench.object.spec = held;
        bench.rules.observe_only = false;
        bench.pass(shows(Active));
        assert!(bench.is_held());
    }
}

#[test]
fn a_retained_model_is_turned_on_and_off_without_a_finalizer() {
    let mut bench = Bench::wanting(State::Active).unheld().with(retained);
    assert_eq!(
        bench.pass(shows(Inactive)).call(),
        Some(Direction::Activate)
    );
    assert!(!bench.is_held());
}
