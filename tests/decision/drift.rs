use Deployment::{Active, Deploying, Inactive};
use Direction::Activate;

use super::{
    bench::{Bench, Pass, mins, shows},
    budgets::{end, stays_until_refilled},
};
use crate::api::{Deployment, Direction, State};

fn wanting() -> Bench {
    Bench::wanting(State::Active)
}

/// The model leaves the declared state and is brought back.
fn correction(bench: &mut Bench) -> Pass {
    bench.pass(shows(Active));
    bench.later(mins(1));
    let pass = bench.pass(shows(Inactive));
    bench.pass(shows(Deploying));
    bench.later(mins(1));
    pass
}

#[test]
fn a_call_for_a_generation_that_was_settled_is_a_correction_with_its_own_reason() {
    let mut bench = wanting();
    assert_eq!(
        bench.pass(shows(Inactive)).shown(),
        "False Activating Reconciling"
    );
    bench.pass(shows(Deploying));
    let pass = correction(&mut bench);
    assert_eq!(
        (pass.call(), pass.shown().as_str()),
        (Some(Activate), "False CorrectingDrift Reconciling")
    );
    // A requested reconcile doesn't change that, but an edit makes the next call an ordinary one.
    bench.pass(shows(Active));
    bench.request("now");
    assert_eq!(
        bench.pass(shows(Inactive)).shown(),
        "False CorrectingDrift Reconciling"
    );
    bench.pass(shows(Active));
    bench.edit(|object| object.spec.suspend = Some(false));
    assert_eq!(
        bench.pass(shows(Inactive)).shown(),
        "False Activating Reconciling"
    );
}

#[test]
fn three_corrections_an_hour_are_all_and_the_fourth_is_withheld_for_good() {
    let mut bench = wanting();
    for _ in 0..3 {
        assert!(correction(&mut bench).call().is_some());
    }
    let fourth = correction(&mut bench);
    assert_eq!(
        (fourth.call(), fourth.shown().as_str()),
        (None, "False DriftContention Stalled")
    );
    let stalled = bench.clone();
    bench.later(mins(61));
    assert_eq!(end(&mut bench, Inactive).0, "False DriftContention Stalled");
    stays_until_refilled(&stalled, "False DriftContention Stalled", Inactive);
}

#[test]
fn reaching_the_desired_state_within_the_hour_gives_no_more_corrections() {
    let mut bench = wanting();
    for _ in 0..3 {
        correction(&mut bench);
    }
    for _ in 0..5 {
        assert_eq!(
            correction(&mut bench).shown(),
            "False DriftContention Stalled"
        );
    }
    assert_eq!(bench.pass(shows(Active)).shown(), "True Active -");
    bench.later(mins(60));
    assert!(correction(&mut bench).call().is_some());
}

#[test]
fn corrections_spread_over_hours_never_end() {
    let mut bench = wanting();
    for _ in 0..50 {
        assert!(correction(&mut bench).call().is_some());
        bench.later(mins(20));
    }
}
