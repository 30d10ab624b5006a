use Deployment::{Active, Deactivating, Deploying, Error, Inactive, None as Nothing, Unknown};
use Direction::{Activate, Deactivate};

use super::bench::{Bench, DEPLOYMENTS, call, faults, mins, secs, shown, shows};
use crate::{
    api::{Deployment, Direction, State},
    decide::{Answer, Fault, Look, Watched},
};

const PATIENCE: u64 = 120;

/// Each call, with what is wanted and what the model was before it.
const CALLS: [(Direction, State, Deployment); 2] = [
    (Activate, State::Active, Inactive),
    (Deactivate, State::Inactive, Active),
];

fn unknown() -> Answer {
    Answer::unknown("502 Bad Gateway")
}

/// A call was sent and answered like this.
fn called(wanted: State, before: Deployment, answer: Answer) -> Bench {
    Bench::wanting(wanted).with(|bench| {
        bench.answer = answer;
        assert!(bench.pass(shows(before)).call().is_some());
    })
}

#[test]
fn the_record_stands_in_the_status_before_the_call_goes_out() {
    for (direction, wanted, before) in CALLS {
        let bench = Bench::wanting(wanted);
        let plan = bench.decide(shows(before));
        let record = plan.status.operation.clone().unwrap();
        assert_eq!(call(&plan), Some(direction));
        assert_eq!((record.direction, record.generation), (direction, 1));
        assert_eq!((record.epoch, record.sends, record.accepted), (7, 1, None));
        assert_eq!(record.started.0, bench.now);
        assert!(!record.id.is_empty());
        let spent = plan.status.attempts.unwrap();
        assert_eq!(
            (spent.sends, spent.last_call.map(|at| at.0)),
            (Some(1), Some(bench.now))
        );
    }
}

#[test]
fn an_operation_that_a_silent_hub_keeps_open_past_the_deadline_is_stalled_and_stays_open() {
    for (direction, wanted, before) in CALLS {
        let mut bench = called(wanted, before, unknown());
        bench.pass(shows(Unknown));
        bench.later(mins(31));
        let pass = bench.pass(shows(Unknown));
        assert_eq!(pass.shown(), "False ProgressDeadlineExceeded Stalled");
        let open = pass.plan.status.operation.clone().unwrap();
        assert_eq!((pass.call(), open.direction), (None, direction));
    }
}

#[test]
fn an_open_operation_forbids_another_call_and_ready_however_the_call_was_answered() {
    for (_, wanted, before) in CALLS {
        for answer in [Answer::Accepted, unknown()] {
            let mut bench = called(wanted, before, answer);
            // The other way round is no news of this call either, and what is now wanted matters no more.
            for wanted in [State::Active, State::Inactive] {
                bench.edit(|object| object.spec.state = wanted);
                for shown_now in [before, Unknown, Nothing] {
                    let pass = bench.pass(shows(shown_now));
                    assert_eq!(pass.call(), None);
                    assert!(!pass.shown().starts_with("True"), "{}", pass.shown());
                    assert!(bench.status().operation.is_some());
                    bench.later(secs(5));
                }
            }
        }
    }
}

#[test]
fn an_open_operation_says_whether_the_hub_took_the_call() {
    for (_, wanted, before) in CALLS {
        let word = if wanted == State::Active {
            "Activating"
        } else {
            "Deactivating"
        };
        let mut taken = called(wanted, before, Answer::Accepted);
        assert_eq!(
            taken.pass(shows(before)).shown(),
            format!("False {word} Reconciling")
        );
        let mut unclear = called(wanted, before, unknown());
        assert_eq!(
            unclear.pass(shows(before)).shown(),
            "Unknown OutcomeUnknown Reconciling"
        );
    }
}

#[test]
fn the_target_the_transition_and_an_error_close_an_operation() {
    for (direction, closing) in [
        (Activate, [Active, Deploying, Error]),
        (Deactivate, [Inactive, Deactivating, Error]),
    ] {
        let (_, wanted, before) = CALLS[usize::from(direction == Deactivate)];
        for deployment in DEPLOYMENTS {
            for answer in [Answer::Accepted, unknown()] {
                let mut bench = called(wanted, before, answer);
                let pass = bench.pass(shows(deployment));
                assert_eq!(pass.call(), None);
                let closed = bench.status().operation.is_none();
                assert_eq!(
                    closed,
                    closing.contains(&deployment),
                    "{direction}: {deployment}"
                );
            }
        }
    }
}

#[test]
fn a_refusal_closes_an_operation_at_once() {
    for fault in faults("no").into_iter().skip(3) {
        let bench = called(State::Active, Inactive, Answer::Refused(fault));
        assert_eq!(bench.status().operation, None);
    }
}

#[test]
fn patience_and_two_late_looks_at_the_old_status_close_an_operation() {
    // The opposite transition is no effect of the call either.
    for (direction, wanted, olds) in [
        (Activate, State::Active, [Inactive, Deactivating, Nothing]),
        (Deactivate, State::Inactive, [Active, Deploying, Active]),
    ] {
        for old in olds {
            for answer in [Answer::Accepted, unknown()] {
                let before = CALLS[usize::from(direction == Deactivate)].2;
                let mut bench = called(wanted, before, answer);
                bench.pass(shows(old));
                bench.later(secs(PATIENCE - 1));
                bench.pass(shows(old));
                bench.later(secs(1));
                bench.pass(shows(old));
                assert!(bench.status().operation.is_some(), "{direction}: {old}");
                bench.later(secs(5));
                let pass = bench.pass(shows(old));
                // Either nothing is under way now, or it is a new call.
                let operation = pass.decided.status.operation;
                assert!(
                    operation.is_none_or(|now| now.sends == 2),
                    "{direction}: {old}"
                );
            }
        }
    }
}

#[test]
fn neither_patience_nor_late_looks_close_an_operation_alone() {
    let bench = called(State::Active, Inactive, unknown());
    for (elapsed, unmoved, look, closes) in [
        (PATIENCE, 2, Inactive, true),
        (PATIENCE - 1, 2, Inactive, false),
        (PATIENCE, 1, Inactive, false),
        (PATIENCE, 9, Unknown, false),
    ] {
        let elapsed = secs(elapsed);
        let plan = bench.decide_having(Watched { elapsed, unmoved }, shows(look));
        assert_eq!(
            call(&plan).is_some(),
            closes,
            "{elapsed:?}, {unmoved}, {look}"
        );
    }
}

#[test]
fn an_unknown_status_and_failed_looks_never_close_an_operation() {
    for look in [
        shows(Unknown),
        Look::Failed(Fault::Unreachable("reset".into())),
    ] {
        let mut bench = called(State::Active, Inactive, unknown());
        for _ in 0..50 {
            assert_eq!(bench.pass(look.clone()).call(), None);
            bench.later(mins(1));
        }
        assert!(bench.status().operation.is_some());
        // These were no looks at the old status: it takes two.
        assert_eq!(bench.pass(shows(Inactive)).call(), None);
        assert_eq!(bench.pass(shows(Inactive)).call(), Some(Activate));
    }
}

#[test]
fn a_restart_starts_the_patience_again() {
    let mut bench = called(State::Active, Inactive, unknown());
    for _ in 0..10 {
        bench.pass(shows(Inactive));
        bench.later(secs(PATIENCE - 1));
        assert_eq!(bench.pass(shows(Inactive)).call(), None);
        bench.later(mins(600));
        bench.restart();
    }
    bench.pass(shows(Inactive));
    bench.later(secs(PATIENCE));
    bench.pass(shows(Inactive));
    assert_eq!(bench.pass(shows(Inactive)).call(), Some(Activate));
}

#[test]
fn a_process_that_dies_before_the_answer_leaves_an_open_operation() {
    let mut bench = Bench::wanting(State::Active);
    assert_eq!(call(&bench.pass_and_die(shows(Inactive))), Some(Activate));
    let pass = bench.pass(shows(Inactive));
    assert_eq!(
        (pass.call(), pass.shown().as_str()),
        (None, "Unknown OutcomeUnknown Reconciling")
    );
    bench.later(secs(10));
    assert_eq!(
        bench.pass(shows(Deploying)).shown(),
        "False Activating Reconciling"
    );
    bench.later(secs(10));
    assert_eq!(bench.pass(shows(Active)).shown(), "True Active -");
    assert_eq!(bench.status().operation, None);
}

#[test]
fn every_call_has_a_name_of_its_own() {
    let mut bench = called(State::Active, Inactive, unknown());
    let first = bench.status().operation.unwrap();
    bench.pass(shows(Inactive));
    bench.later(secs(PATIENCE));
    bench.pass(shows(Inactive));
    bench.pass(shows(Inactive));
    let second = bench.status().operation.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!((first.sends, second.sends), (1, 2));
}

#[test]
fn a_call_that_never_went_out_leaves_nothing_behind_but_its_reason() {
    let mut bench = Bench::wanting(State::Active);
    bench.answer = Answer::NotSent("the operator is shutting down");
    for _ in 0..10 {
        let pass = bench.pass(shows(Inactive));
        assert_eq!(pass.call(), Some(Activate));
        assert_eq!(pass.shown(), "False Activating Reconciling");
        assert!(
            pass.plan
                .message
                .contains("was not called: the operator is shutting down")
        );
        assert_eq!(pass.plan.requeue.after, secs(1));
        assert_eq!(bench.status().operation, None);
        assert_eq!(bench.status().attempts.unwrap().sends, None);
    }
}

#[test]
fn looks_after_an_unknown_outcome_come_after_5_10_20_seconds_and_so_on() {
    let mut bench = Bench::wanting(State::Active);
    bench.answer = unknown();
    let mut waits = Vec::new();
    for _ in 0..6 {
        let after = bench.pass(shows(Inactive)).plan.requeue.after;
        waits.push(after.as_secs());
        bench.later(after);
    }
    // The first look after the call is when this process first sees the operation.
    assert_eq!(waits, [5, 5, 10, 20, 40, 60]);
}

#[test]
fn looks_after_a_second_call_start_as_early_as_after_the_first() {
    for (answer, soon) in [(Answer::Accepted, 5), (unknown(), 5)] {
        let mut bench = called(State::Active, Inactive, answer);
        bench.pass(shows(Inactive));
        bench.later(secs(PATIENCE));
        bench.pass(shows(Inactive));
        let pass = bench.pass(shows(Inactive));
        assert_eq!(
            (pass.call(), pass.plan.requeue.after),
            (Some(Activate), secs(soon))
        );
    }
}

#[test]
fn what_closes_an_operation_of_an_older_generation_lets_the_newer_one_go_on() {
    let mut bench = called(State::Active, Inactive, Answer::Accepted);
    bench.edit(|object| object.spec.state = State::Inactive);
    assert_eq!(bench.pass(shows(Inactive)).call(), None);
    assert_eq!(
        bench.pass(shows(Deploying)).shown(),
        "False WaitingForDeployment Reconciling"
    );
    assert_eq!(bench.pass(shows(Active)).call(), Some(Deactivate));
}

#[test]
fn suspending_does_not_make_an_open_operation_ready() {
    let mut bench = called(State::Active, Inactive, unknown());
    bench.edit(|object| {
        object.spec.suspend = Some(true);
        object.spec.state = State::Inactive;
    });
    assert!(!bench.pass(shows(Inactive)).shown().starts_with("True"));
    bench.later(secs(PATIENCE));
    bench.pass(shows(Inactive));
    bench.pass(shows(Inactive));
    assert_eq!(shown(&bench.decide(shows(Inactive))), "True Inactive -");
}
