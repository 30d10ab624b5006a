use Deployment::{Active, Deactivating, Deploying, Error, Inactive, None as Nothing, Unknown};
use Direction::{Activate, Deactivate};

use super::bench::{Bench, DEPLOYMENTS, base, call, marker, mins, shown, shows};
use crate::{
    api::{Deployment, Direction, State},
    decide::{Action, Claim},
};

#[test]
fn every_observed_status_meets_every_desired_one_as_the_table_says() {
    for (deployment, wanted, reads, calls) in [
        (Active, State::Active, "True Active -", None),
        (
            Inactive,
            State::Active,
            "False Activating Reconciling",
            Some(Activate),
        ),
        (
            Deploying,
            State::Active,
            "False Activating Reconciling",
            None,
        ),
        (
            Deactivating,
            State::Active,
            "False WaitingForDeactivation Reconciling",
            None,
        ),
        (
            Error,
            State::Active,
            "False DeploymentError Reconciling",
            None,
        ),
        (
            Unknown,
            State::Active,
            "Unknown StatusUnknown Reconciling",
            None,
        ),
        (
            Nothing,
            State::Active,
            "False NothingDeployed Stalled",
            None,
        ),
        (
            Active,
            State::Inactive,
            "False Deactivating Reconciling",
            Some(Deactivate),
        ),
        (Inactive, State::Inactive, "True Inactive -", None),
        (
            Deploying,
            State::Inactive,
            "False WaitingForDeployment Reconciling",
            None,
        ),
        (
            Deactivating,
            State::Inactive,
            "False Deactivating Reconciling",
            None,
        ),
        (
            Error,
            State::Inactive,
            "False DeploymentError Reconciling",
            None,
        ),
        (
            Unknown,
            State::Inactive,
            "Unknown StatusUnknown Reconciling",
            None,
        ),
        (Nothing, State::Inactive, "True Inactive -", None),
    ] {
        let plan = Bench::wanting(wanted).decide(shows(deployment));
        assert_eq!(
            (shown(&plan).as_str(), call(&plan)),
            (reads, calls),
            "{deployment}, {wanted}"
        );
        assert_eq!(plan.status.deployment, Some(deployment));
        assert_eq!(plan.status.desired, Some(wanted));
    }
}

#[test]
fn a_base_model_is_ready_when_active_is_declared_and_stalled_when_inactive_is() {
    for (wanted, reads) in [
        (State::Active, "True AlwaysActive -"),
        (State::Inactive, "False BaseModelCannotDeactivate Stalled"),
    ] {
        let plan = Bench::wanting(wanted).unheld().decide(base());
        assert_eq!(shown(&plan), reads);
        assert_eq!(plan.action, Action::Nothing);
    }
}

#[test]
fn a_suspended_object_shows_what_would_be_done_and_does_none_of_it() {
    for (deployment, wanted, reads) in [
        (Active, State::Active, "True Active -"),
        (Inactive, State::Active, "False WouldActivate -"),
        (Deploying, State::Active, "False WouldActivate -"),
        (Deactivating, State::Active, "False WouldActivate -"),
        (Error, State::Active, "False WouldActivate -"),
        (Unknown, State::Active, "Unknown StatusUnknown Reconciling"),
        (Nothing, State::Active, "False NothingDeployed Stalled"),
        (Active, State::Inactive, "False WouldDeactivate -"),
        (Inactive, State::Inactive, "True Inactive -"),
        (Deploying, State::Inactive, "False WouldDeactivate -"),
        (Deactivating, State::Inactive, "False WouldDeactivate -"),
        (Error, State::Inactive, "False WouldDeactivate -"),
        (
            Unknown,
            State::Inactive,
            "Unknown StatusUnknown Reconciling",
        ),
        (Nothing, State::Inactive, "True Inactive -"),
    ] {
        let bench = Bench::wanting(wanted).unheld();
        for mut bench in [bench.clone().suspended(), bench.observed_only()] {
            for _ in 0..5 {
                let pass = bench.pass(shows(deployment));
                assert_eq!(pass.shown(), reads, "{deployment}, {wanted}");
                assert_eq!(
                    pass.decided.action,
                    Action::Nothing,
                    "{deployment}, {wanted}"
                );
                bench.later(mins(20));
            }
        }
    }
}

#[test]
fn a_suspended_object_says_what_suspends_it() {
    let bench = Bench::wanting(State::Active);
    for (bench, why) in [
        (bench.clone().suspended(), "spec.suspend is true"),
        (bench.observed_only(), "--observe-only"),
    ] {
        let message = bench.decide(shows(Inactive)).message;
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn an_unknown_status_is_never_acted_upon_however_long_it_lasts() {
    for wanted in [State::Active, State::Inactive] {
        let mut bench = Bench::wanting(wanted);
        for _ in 0..50 {
            assert_eq!(bench.pass(shows(Unknown)).call(), None);
            bench.later(mins(10));
        }
    }
}

#[test]
fn deployments_that_the_one_word_does_not_speak_for_are_named() {
    let mut look = shows(Active);
    if let crate::decide::Look::Seen(remote) = &mut look {
        remote.others = vec!["error".into(), "inactive".into()];
    }
    let message = Bench::wanting(State::Active).decide(look).message;
    assert!(message.contains("error, inactive"), "{message}");
}

#[test]
fn a_model_that_another_object_claims_is_a_conflict_and_never_called() {
    for deployment in DEPLOYMENTS {
        for wanted in [State::Active, State::Inactive] {
            let mut bench = Bench::wanting(wanted);
            bench.claim = Claim::Theirs(Some("older".into()));
            let pass = bench.pass(shows(deployment));
            assert_eq!(pass.shown(), "False Conflict Stalled");
            assert!(
                pass.plan.message.contains("\"older\""),
                "{}",
                pass.plan.message
            );
            assert_eq!(pass.call(), None);
        }
    }
}

#[test]
fn a_call_of_the_same_model_by_another_object_is_waited_for() {
    for deployment in DEPLOYMENTS {
        for wanted in [State::Active, State::Inactive] {
            let mut bench = Bench::wanting(wanted);
            let mine = bench.clone().pass(shows(deployment));
            bench.claim = Claim::MineAfterTheirs;
            let after = bench.pass(shows(deployment));
            assert_eq!(after.call(), None);
            if mine.call().is_none() {
                assert_eq!(after.shown(), mine.shown());
                continue;
            }
            assert_eq!(after.shown(), "False WaitingForTurn Reconciling");
            assert_eq!(bench.status().attempts.unwrap().sends, None);
            bench.claim = Claim::Mine;
            assert_eq!(bench.pass(shows(deployment)).call(), mine.call());
        }
    }
}

#[test]
fn a_transition_past_its_deadline_is_stalled_and_looked_at_each_minute() {
    for (deployment, wanted) in [
        (Deploying, State::Active),
        (Deactivating, State::Active),
        (Deactivating, State::Inactive),
        (Unknown, State::Active),
        (Unknown, State::Inactive),
    ] {
        let mut bench = Bench::wanting(wanted);
        bench.pass(shows(deployment));
        bench.later(mins(30));
        assert_eq!(
            marker(&bench.pass(shows(deployment)).plan.status),
            "Reconciling"
        );
        bench.later(mins(1));
        let pass = bench.pass(shows(deployment));
        assert_eq!(pass.shown(), "False ProgressDeadlineExceeded Stalled");
        assert_eq!((pass.call(), pass.plan.requeue.after), (None, mins(1)));
    }
}

#[test]
fn the_deadline_is_the_objects_own_where_it_has_one() {
    let mut bench = Bench::wanting(State::Active);
    bench.object.spec.progress_deadline = "2m".parse().ok();
    bench.pass(shows(Deploying));
    bench.later(mins(3));
    assert_eq!(
        bench.pass(shows(Deploying)).shown(),
        "False ProgressDeadlineExceeded Stalled"
    );
}

#[test]
fn the_deadline_counts_from_when_the_status_last_changed() {
    let mut bench = Bench::wanting(State::Active);
    bench.pass(shows(Deactivating));
    bench.later(mins(29));
    let since = bench.pass(shows(Deploying)).plan.status.since;
    bench.later(mins(29));
    let pass = bench.pass(shows(Deploying));
    assert_eq!(pass.shown(), "False Activating Reconciling");
    assert_eq!(pass.plan.status.since, since);
}

#[test]
fn a_model_that_never_ends_deploying_gets_one_deactivate_past_the_deadline() {
    let mut bench = Bench::wanting(State::Inactive);
    assert_eq!(bench.pass(shows(Deploying)).call(), None);
    bench.later(mins(31));
    assert_eq!(bench.pass(shows(Deploying)).call(), Some(Deactivate));
    for _ in 0..100 {
        bench.later(mins(1));
        assert_eq!(bench.pass(shows(Deploying)).call(), None);
    }
    assert_eq!(
        bench.pass(shows(Deploying)).shown(),
        "False ProgressDeadlineExceeded Stalled"
    );
    assert_eq!(
        bench.pass(shows(Deactivating)).shown(),
        "False Deactivating Reconciling"
    );
    assert_eq!(bench.pass(shows(Inactive)).shown(), "True Inactive -");
}
