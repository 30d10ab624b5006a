use super::bench::{
    Bench, DEPLOYMENTS, base, call, condition, faults, look_at, marker, mins, secs, shows,
};
use crate::{
    api::{Deployment, State},
    decide::{Answer, Fault, Jitter, Look},
};

/// Every look that there can be.
fn looks() -> Vec<Look> {
    let seen = DEPLOYMENTS.map(shows).into_iter();
    let odd = [base(), look_at(false, Deployment::Active, "bot", "other")];
    let failed = faults("words").into_iter().map(Look::Failed);
    seen.chain(odd).chain(failed).collect()
}

/// Every kind of object that there can be, before its first look and after a settled one.
fn objects() -> Vec<Bench> {
    let mut all = Vec::new();
    for wanted in [State::Active, State::Inactive] {
        let new = Bench::wanting(wanted);
        let old = new.clone().with(|bench| {
            bench.pass(shows(Deployment::Inactive));
            bench.pass(shows(Deployment::Active));
        });
        for bench in [new, old] {
            all.extend([
                bench.clone(),
                bench.clone().unheld(),
                bench.clone().suspended(),
                bench.clone().observed_only(),
                bench.deleting(),
            ]);
        }
    }
    all
}

/// Each of these objects at each of these looks.
fn pairs() -> impl Iterator<Item = (Bench, Look)> {
    let objects = objects().into_iter();
    objects.flat_map(|bench| looks().into_iter().map(move |look| (bench.clone(), look)))
}

#[test]
fn deciding_again_on_the_same_look_writes_nothing() {
    for (mut bench, look) in pairs() {
        // The finalizer, a call, and that it is under way: each has its own pass.
        for _ in 0..3 {
            bench.pass(look.clone());
        }
        let before = bench.status();
        let plan = bench.decide(look.clone());
        assert_eq!((call(&plan), &plan.status), (None, &before), "{look:?}");
        assert!(
            !plan.news || plan.verdict == crate::decide::Verdict::LetGo,
            "{look:?}"
        );
    }
}

#[test]
fn nothing_is_written_because_time_went_by() {
    for (mut bench, look) in pairs() {
        // Whatever there is to spend is spent, and every deadline passes.
        for _ in 0..120 {
            bench.pass(look.clone());
            bench.later(mins(1));
        }
        let before = bench.status();
        for hours in [1, 24, 24 * 365] {
            bench.later(mins(60 * hours));
            bench.restart();
            let pass = bench.pass(look.clone());
            assert_eq!((pass.call(), &bench.status()), (None, &before), "{look:?}");
        }
    }
}

#[test]
fn words_that_change_with_each_answer_write_nothing() {
    for bench in objects() {
        for (first, other) in faults("req-1").into_iter().zip(faults("req-2")) {
            // These words are the operator's own, and stand still.
            if matches!(
                first,
                Fault::CredentialsNotFound { .. } | Fault::CredentialsInvalid { .. }
            ) {
                continue;
            }
            let mut bench = bench.clone();
            bench.pass(Look::Failed(first));
            let before = bench.status();
            bench.past.failures += 1;
            bench.later(secs(1));
            bench.pass(Look::Failed(other.clone()));
            assert_eq!(bench.status(), before, "{other:?}");
        }
    }
}

#[test]
fn a_request_that_the_hub_cannot_answer_writes_nothing_either() {
    let mut bench = Bench::wanting(State::Active);
    bench.pass(shows(Deployment::Active));
    bench.request("now");
    let look = |words| Look::Failed(Fault::Unexpected(words));
    bench.pass(look("req-1".to_owned()));
    let before = bench.status();
    bench.pass(look("req-2".to_owned()));
    assert_eq!(bench.status(), before);
}

#[test]
fn the_operators_own_words_are_kept_up_to_date() {
    let mut bench = Bench::wanting(State::Active);
    let pairs = faults("before").into_iter().zip(faults("after"));
    for (before, after) in pairs.take(2) {
        for (fault, words) in [(before, "before"), (after, "after")] {
            bench.pass(Look::Failed(fault));
            let message = condition(&bench.status(), "Ready").unwrap().message.clone();
            assert!(message.contains(words), "{message}");
        }
    }
}

#[test]
fn words_of_a_calls_answer_stand_until_something_else_is_the_matter() {
    let mut bench = Bench::wanting(State::Active);
    bench.answer = Answer::unknown("502 Bad Gateway");
    bench.pass(shows(Deployment::Inactive));
    let before = bench.status();
    bench.later(secs(5));
    bench.pass(shows(Deployment::Inactive));
    assert_eq!(bench.status(), before);
}

#[test]
fn a_condition_keeps_its_time_while_its_status_stands() {
    let mut bench = Bench::wanting(State::Active);
    let time = |bench: &Bench, type_: &str| {
        condition(&bench.status(), type_).map(|one| one.last_transition_time.0)
    };
    bench.pass(shows(Deployment::Inactive));
    let began = bench.now;
    for look in [
        shows(Deployment::Deploying),
        Look::Failed(Fault::Unauthenticated),
        shows(Deployment::Error),
    ] {
        bench.later(secs(9));
        bench.pass(look);
        assert_eq!(time(&bench, "Ready"), Some(began), "False all the while");
    }
    bench.later(secs(9));
    bench.pass(shows(Deployment::Active));
    assert_eq!(time(&bench, "Ready"), Some(bench.now));
    bench.edit(|object| object.spec.suspend = Some(false));
    let settled = bench.now;
    bench.later(secs(9));
    bench.pass(shows(Deployment::Active));
    assert_eq!(
        time(&bench, "Ready"),
        Some(settled),
        "a new generation is no transition"
    );
}

#[test]
fn no_status_changes_its_since_but_with_its_deployment() {
    for bench in objects() {
        let mut bench = bench.clone();
        for look in looks() {
            let before = bench.status();
            bench.later(secs(9));
            bench.pass(look);
            let after = bench.status();
            assert_eq!(
                before.since == after.since,
                before.deployment == after.deployment
            );
        }
    }
}

#[test]
fn the_next_look_is_never_at_once_and_never_beyond_the_longest_wait() {
    for (mut bench, look) in pairs() {
        for _ in 0..90 {
            let requeue = bench.pass(look.clone()).plan.requeue;
            assert!(requeue.after >= secs(1), "{look:?}: {requeue:?}");
            assert!(requeue.after <= mins(15), "{look:?}: {requeue:?}");
            bench.later(requeue.after);
        }
    }
}

#[test]
fn what_is_settled_is_looked_at_each_sync_interval_spread_by_a_tenth() {
    for (own, after) in [
        (None, mins(5)),
        (Some("10m"), mins(10)),
        (Some("30s"), secs(30)),
    ] {
        let mut bench = Bench::wanting(State::Active);
        bench.object.spec.sync_interval = own.and_then(|text| text.parse().ok());
        let requeue = bench.decide(shows(Deployment::Active)).requeue;
        assert_eq!((requeue.after, requeue.jitter), (after, Jitter::Tenth));
    }
}

#[test]
fn a_transition_is_looked_at_after_5_seconds_growing_to_30() {
    let mut bench = Bench::wanting(State::Active);
    assert_eq!(
        bench.pass(shows(Deployment::Inactive)).plan.requeue.after,
        secs(5)
    );
    bench.later(secs(5));
    let mut last = secs(0);
    for _ in 0..20 {
        let after = bench.pass(shows(Deployment::Deploying)).plan.requeue.after;
        assert!(
            after >= secs(5).max(last) && after <= secs(30),
            "{last:?}, {after:?}"
        );
        last = after;
        bench.later(after);
    }
    assert_eq!(last, secs(30));
}

#[test]
fn an_event_is_made_of_each_transition_and_of_nothing_else() {
    let mut bench = Bench::wanting(State::Active);
    #[rustfmt::skip]
    let story = [
        (shows(Deployment::Inactive), true),
        (shows(Deployment::Deploying), false), // still activating
        (shows(Deployment::Active), true),
        (shows(Deployment::Active), false),
        (Look::Failed(Fault::Unreachable("reset".into())), true),
        (Look::Failed(Fault::Unreachable("DNS".into())), false),
        (shows(Deployment::Active), true),
        (shows(Deployment::Unknown), true),
        (shows(Deployment::Active), true),
    ];
    for (look, news) in story {
        let plan = bench.pass(look.clone()).decided;
        assert_eq!(plan.news, news, "{look:?}");
    }
}

#[test]
fn no_marker_is_left_over_from_another_verdict() {
    for bench in objects() {
        for first in looks() {
            for second in looks() {
                let mut bench = bench.clone();
                bench.pass(first.clone());
                bench.pass(second.clone());
                assert_ne!(marker(&bench.status()), "both", "{first:?}, {second:?}");
                assert!(condition(&bench.status(), "Ready").is_some());
            }
        }
    }
}
