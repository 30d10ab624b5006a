use Deployment::{Active, Deactivating, Deploying, Error, Inactive, None as Nothing, Unknown};
use Direction::Deactivate;

use super::bench::{Bench, DEPLOYMENTS, base, call, faults, look_at, mins, secs, shown, shows};
use crate::{
    api::{DeletionPolicy, Deployment, Direction, State},
    decide::{Action, Answer, Claim, Fault, HOW_TO_LET_GO, Look, Plan, Verdict},
};

/// An object of a model that was active, now being deleted.
fn deleted() -> Bench {
    Bench::wanting(State::Active).with(|bench| {
        bench.pass(shows(Active));
        bench.delete();
    })
}

fn retained(bench: &mut Bench) {
    bench.object.spec.deletion_policy = Some(DeletionPolicy::Retain);
}

fn lets_go(plan: &Plan) -> bool {
    assert_eq!(
        plan.verdict == Verdict::LetGo,
        plan.action == Action::RemoveFinalizer
    );
    plan.verdict == Verdict::LetGo
}

/// It waits for a person or the hub, and says so in words and in the conditions.
fn is_blocked(plan: &Plan) -> bool {
    assert_eq!(
        plan.blocked,
        plan.message.ends_with(HOW_TO_LET_GO),
        "{}",
        plan.message
    );
    plan.blocked
}

#[test]
fn every_observed_status_meets_a_deletion_as_the_table_says() {
    #[rustfmt::skip]
    let rows = [
        (Active, "False Deactivating Reconciling", Some(Deactivate)),
        (Deploying, "False WaitingForDeployment Reconciling", None),
        (Deactivating, "False Deactivating Reconciling", None),
        (Error, "False DeploymentError Reconciling", None),
        (Unknown, "Unknown StatusUnknown Reconciling", None),
    ];
    for (deployment, reads, calls) in rows {
        let plan = deleted().decide(shows(deployment));
        assert_eq!(
            (shown(&plan).as_str(), call(&plan)),
            (reads, calls),
            "{deployment}"
        );
        assert!(!lets_go(&plan) && !is_blocked(&plan));
        assert_eq!(plan.status.desired, Some(State::Inactive));
    }
    for look in [
        shows(Inactive),
        shows(Nothing),
        look_at(true, Active, "bot", "acme"),
    ] {
        assert!(lets_go(&deleted().decide(look)));
    }
}

#[test]
fn an_object_that_is_not_held_is_left_alone() {
    let bench = deleted().unheld();
    for look in [
        Look::Unneeded,
        shows(Active),
        Look::Failed(Fault::Unauthenticated),
    ] {
        let plan = bench.decide(look);
        assert_eq!(
            (plan.verdict, plan.action),
            (Verdict::LetGo, Action::Nothing)
        );
    }
}

#[test]
fn retain_suspension_and_the_going_definition_let_go_without_a_look() {
    let free = [
        deleted().with(retained),
        deleted().with(|bench| bench.rules.deletion_policy = DeletionPolicy::Retain),
        deleted().suspended(),
        deleted().observed_only(),
        deleted().with(|bench| bench.crd_going = true),
        deleted().with(|bench| bench.claim = Claim::Theirs(None)),
    ];
    for mut bench in free {
        assert!(!bench.needs_look());
        let looks = DEPLOYMENTS
            .map(shows)
            .into_iter()
            .chain([Look::Unneeded, base()]);
        for look in looks.chain(faults("words").into_iter().map(Look::Failed)) {
            assert!(lets_go(&bench.decide(look)));
        }
        // Not even what is under way holds it.
        bench.object.metadata.deletion_timestamp = None;
        bench.object.spec.deletion_policy = Some(DeletionPolicy::Deactivate);
        bench.object.spec.suspend = None;
        bench.rules = crate::decide::Rules::default();
        bench.claim = Claim::Mine;
        bench.pass(shows(Inactive));
        assert!(bench.status().operation.is_some());
        assert!(lets_go(
            &bench.deleting().with(retained).decide(Look::Unneeded)
        ));
    }
    assert!(deleted().needs_look());
}

#[test]
fn an_explicit_policy_is_stronger_than_the_operators() {
    let bench = deleted().with(|bench| {
        bench.object.spec.deletion_policy = Some(DeletionPolicy::Deactivate);
        bench.rules.deletion_policy = DeletionPolicy::Retain;
    });
    assert_eq!(call(&bench.decide(shows(Active))), Some(Deactivate));
}

#[test]
fn no_answer_to_the_call_lets_go_but_the_look_after_it() {
    let refusals = faults("words").into_iter().skip(3).map(Answer::Refused);
    let answers = [
        Answer::Accepted,
        Answer::unknown("cut"),
        Answer::NotSent("late"),
    ];
    for answer in answers.into_iter().chain(refusals) {
        let mut bench = deleted();
        bench.answer = answer;
        let pass = bench.pass(shows(Active));
        assert_eq!(pass.call(), Some(Deactivate));
        assert!(
            !lets_go(&pass.plan) && bench.is_held(),
            "{:?}",
            bench.answer
        );
        bench.pass(shows(Deactivating));
        assert!(bench.is_held());
        bench.pass(shows(Inactive));
        assert!(!bench.is_held());
    }
}

#[test]
fn an_open_activate_holds_a_deletion_until_it_is_closed() {
    let mut bench = Bench::wanting(State::Active);
    bench.answer = Answer::unknown("cut");
    bench.pass(shows(Inactive));
    bench.delete();
    // It may yet begin to deploy.
    assert!(!lets_go(&bench.pass(shows(Inactive)).plan));
    assert_eq!(bench.pass(shows(Active)).call(), Some(Deactivate));
    bench.pass(shows(Inactive));
    assert!(!bench.is_held());
}

#[test]
fn every_fault_blocks_a_deletion_and_says_how_to_let_go() {
    for fault in faults("words") {
        if matches!(fault, Fault::Rejected(_)) {
            continue; // only ever a call's answer
        }
        let mut bench = deleted();
        bench.pass(shows(Deactivating));
        let plan = bench.decide(Look::Failed(fault.clone()));
        assert!(is_blocked(&plan) && !lets_go(&plan), "{fault:?}");
        assert!(!shown(&plan).starts_with("True"), "{fault:?}");
        let ready = super::bench::condition(&plan.status, "Ready").unwrap();
        assert!(
            ready.message.ends_with(HOW_TO_LET_GO),
            "{fault:?}: {}",
            ready.message
        );
    }
}

#[test]
fn a_blocked_deletion_is_news_once() {
    let mut bench = deleted();
    let look = Look::Failed(Fault::Unauthenticated);
    bench.object.metadata.deletion_timestamp = None;
    assert!(bench.pass(look.clone()).plan.news);
    bench.delete();
    assert!(bench.pass(look.clone()).plan.news);
    assert!(!bench.pass(look).plan.news);
}

#[test]
fn a_name_that_cannot_be_asked_for_blocks_a_deletion() {
    let bench = deleted().with(|bench| bench.object.spec.model = "a b".into());
    assert!(!bench.needs_look());
    let plan = bench.decide(Look::Unneeded);
    assert_eq!(shown(&plan), "False InvalidSpec Stalled");
    assert!(is_blocked(&plan));
}

#[test]
fn a_length_that_the_schema_would_refuse_today_hinders_no_deletion_and_hurries_no_look() {
    let bench = deleted().with(|bench| bench.object.spec.sync_interval = "0s".parse().ok());
    assert!(bench.needs_look());
    assert!(lets_go(&bench.decide(shows(Inactive))));
    let plan = bench.decide(Look::Failed(Fault::ModelNotFound(Vec::new())));
    assert!(plan.requeue.after >= secs(30), "{:?}", plan.requeue);
}

#[test]
fn two_looks_that_do_not_know_the_model_let_go_and_one_does_not() {
    let mut bench = deleted();
    for (gone, go) in [(0, false), (1, false), (2, true), (3, true)] {
        bench.past.gone = gone;
        let plan = bench.decide(Look::Failed(Fault::ModelNotFound(Vec::new())));
        assert_eq!(lets_go(&plan), go, "{gone}");
        assert_eq!(is_blocked(&plan), !go, "{gone}");
        for other in [Fault::Unauthenticated, Fault::Unreachable("404".into())] {
            assert!(!lets_go(&bench.decide(Look::Failed(other))));
        }
    }
}

#[test]
fn another_identity_is_neither_called_nor_taken_for_the_model_that_is_off() {
    for deployment in DEPLOYMENTS {
        let plan = deleted().decide(look_at(false, deployment, "bot", "other"));
        assert_eq!(shown(&plan), "False IdentityChanged Stalled");
        assert!(is_blocked(&plan) && !lets_go(&plan) && call(&plan).is_none());
    }
}

#[test]
fn a_deletion_whose_call_a_silent_hub_keeps_open_past_the_deadline_is_blocked() {
    let mut bench = deleted();
    bench.answer = Answer::unknown("cut");
    assert_eq!(bench.pass(shows(Active)).call(), Some(Deactivate));
    assert!(!is_blocked(&bench.pass(shows(Unknown)).plan));
    bench.later(mins(31));
    let pass = bench.pass(shows(Unknown));
    assert!(is_blocked(&pass.plan));
    assert_eq!(pass.call(), None);
}

#[test]
fn a_deletion_past_its_deadline_is_blocked_and_still_looks() {
    for deployment in [Unknown, Deactivating, Deploying] {
        let mut bench = deleted();
        bench.answer = Answer::Refused(Fault::Rejected("no".into()));
        bench.pass(shows(deployment));
        bench.later(mins(31));
        // A model that never ends deploying gets its one call first.
        let first = bench.pass(shows(deployment));
        assert_eq!(first.call().is_some(), deployment == Deploying);
        let pass = bench.pass(shows(deployment));
        assert_eq!(pass.call(), None);
        assert_eq!(
            pass.shown(),
            "False ProgressDeadlineExceeded Stalled",
            "{deployment}"
        );
        assert!(is_blocked(&pass.plan));
        assert_eq!(pass.plan.requeue.after, mins(1));
        bench.pass(shows(Inactive));
        assert!(!bench.is_held());
    }
}

#[test]
fn a_deletion_that_spent_its_calls_is_blocked() {
    for (deployment, reads) in [
        (Active, "False CallHadNoEffect Stalled"),
        (Error, "False DeploymentFailed Stalled"),
    ] {
        let mut bench = deleted();
        let mut calls = 0;
        for _ in 0..60 {
            calls += u32::from(bench.pass(shows(deployment)).call().is_some());
            bench.later(mins(1));
        }
        let plan = bench.decide(shows(deployment));
        assert_eq!((calls, shown(&plan).as_str()), (3, reads));
        assert!(is_blocked(&plan));
    }
}
