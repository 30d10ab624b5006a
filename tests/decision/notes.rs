//! What the hub says of a model's deployments, which is quoted while the object is not Ready.

use LiveStatus::{Active, Deactivating, Deploying, Error, Inactive, Unknown};
use oxen_operator::{
    api::{DeletionPolicy, LiveStatus, OxenModelStatus, State},
    decide::{CallOutcome, DELETION_BLOCKED, HubFault, Plan, READY, RECONCILING, STALLED, SYNCED},
};
use testkit::simulation::{Retrieved, Simulation, condition, mins, secs, shows, shows_model};

/// A live GET that shows a model with this live status, of which the hub says this.
fn says(live: LiveStatus, notes: &[&str]) -> Retrieved {
    noting(shows(live), notes)
}

fn noting(mut retrieved: Retrieved, notes: &[&str]) -> Retrieved {
    if let Ok(remote) = &mut retrieved {
        remote.notes = notes.iter().map(|note| (*note).to_owned()).collect();
    }
    retrieved
}

/// The message of a condition.
fn message(status: &OxenModelStatus, type_: &str) -> String {
    condition(status, type_).map_or_else(String::new, |one| one.message.clone())
}

fn is_quoted(plan: &Plan, words: &str) -> bool {
    let all = [READY, RECONCILING, STALLED].map(|type_| condition(&plan.status, type_));
    let mut all = all.into_iter().flatten();
    plan.message.contains(words) && all.all(|one| one.message.contains(words))
}

#[test]
fn the_hubs_words_of_a_deployment_are_quoted_while_the_object_is_not_ready() {
    const WORDS: &str = "no GPU is free";
    #[rustfmt::skip] // a table is easier to read on one line per row
    let rows = [
        (State::Active, Deploying, "Activating", true),
        (State::Active, Error, "DeploymentError", true),
        (State::Active, Unknown, "StatusUnknown", true),
        (State::Active, Deactivating, "WaitingForDeactivation", true),
        (State::Active, Inactive, "Activating", true),
        (State::Active, Active, "Active", false),
        (State::Inactive, Deploying, "WaitingForDeployment", true),
        (State::Inactive, Deactivating, "Deactivating", true),
        (State::Inactive, Error, "DeploymentError", true),
        (State::Inactive, Active, "Deactivating", true),
        (State::Inactive, Inactive, "Inactive", false),
    ];
    for (desired, live, reason, quoted) in rows {
        for deleting in [false, true] {
            let mut simulation = Simulation::new(desired);
            if deleting {
                simulation.reconcile(shows(live));
                simulation = simulation.deleting();
            }
            let plan = simulation.reconcile(says(live, &[WORDS])).plan;
            if !deleting {
                assert_eq!(plan.verdict.presentation().reason, reason);
                assert_eq!(
                    is_quoted(&plan, WORDS),
                    quoted,
                    "{reason}: {}",
                    plan.message
                );
            }
            let ready = condition(&plan.status, READY).unwrap();
            let not_ready = ready.status != "True";
            assert_eq!(ready.message.contains(WORDS), not_ready, "{plan:?}");
            assert!(!message(&plan.status, SYNCED).contains(WORDS));
        }
    }
}

#[test]
fn suspended_and_stalled_objects_quote_them_too() {
    let suspended = Simulation::new(State::Active).suspended();
    let plan = suspended.decide(says(Error, &["out of memory"]));
    assert!(is_quoted(&plan, "out of memory"), "{}", plan.message);

    let mut overdue = Simulation::new(State::Active);
    for _ in 0..100 {
        overdue.reconcile(says(Deploying, &["no GPU is free"]));
        overdue.advance(mins(1));
    }
    let plan = overdue.decide(says(Deploying, &["no GPU is free"]));
    assert_eq!(
        plan.verdict.presentation().reason,
        "ProgressDeadlineExceeded"
    );
    assert!(is_quoted(&plan, "no GPU is free"), "{}", plan.message);

    let mut failed = Simulation::new(State::Active);
    for _ in 0..60 {
        failed.reconcile(says(Error, &["out of memory"]));
        failed.advance(mins(1));
    }
    let plan = failed.decide(says(Error, &["out of memory", "exit code 137"]));
    assert_eq!(plan.verdict.presentation().reason, "DeploymentFailed");
    assert!(is_quoted(&plan, "out of memory; exit code 137"));
}

#[test]
fn another_models_words_are_not_quoted() {
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(shows(Active));
    let other = shows_model(false, Error, "bot", "other");
    let plan = simulation.decide(noting(other, &["out of memory"]));
    assert_eq!(plan.verdict.presentation().reason, "IdentityChanged");
    assert!(!plan.message.contains("out of memory"), "{}", plan.message);
}

#[test]
fn words_that_differ_only_in_tokens_with_a_digit_are_written_once() {
    for live in [Deploying, Error, Unknown, Inactive] {
        let mut simulation = Simulation::new(State::Active);
        let attempt = |number: u32| format!("no GPU is free, try {number} at 10:0{number}");
        // The call, and what it leads to, takes a reconcile of its own.
        for _ in 0..2 {
            simulation.reconcile(says(live, &[&attempt(1)]));
        }
        let before = simulation.status();
        assert!(message(&before, READY).contains(&attempt(1)));
        for number in 2..9 {
            let plan = simulation.decide(says(live, &[&attempt(number)]));
            assert!(!simulation.would_write(&plan), "{live}: {plan:?}");
        }
        // So are the same words in another order.
        let both = [attempt(3), "spare".to_owned()];
        simulation.reconcile(says(live, &[&both[0], &both[1]]));
        let before = simulation.status();
        let turned = simulation.decide(says(live, &[&both[1], &attempt(4)]));
        assert!(!simulation.would_write(&turned), "{live}: {turned:?}");
        // Other words are written, and so is their absence.
        for other in [&["no CPU is free, try 1 at 10:01"][..], &["no GPU"], &[]] {
            let plan = simulation.reconcile(says(live, other)).plan;
            let shown = message(&plan.status, READY);
            assert!(other.iter().all(|words| shown.contains(words)), "{shown}");
            assert!(!shown.contains("spare"), "{shown}");
            assert_ne!(simulation.status(), before, "{live}");
        }
    }
}

#[test]
fn the_operators_own_words_with_a_digit_are_kept_up_to_date() {
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(shows(Active));
    for id in ["bot-2", "bot-3"] {
        let plan = simulation.reconcile(shows_model(false, Active, id, "acme"));
        let shown = message(&plan.plan.status, READY);
        assert!(
            shown.contains(&format!("answers with {id} of acme")),
            "{shown}"
        );
    }
}

#[test]
fn a_requested_reconcile_shows_the_present_words() {
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(says(Deploying, &["try 1"]));
    simulation.reconcile(says(Deploying, &["try 2"]));
    assert!(message(&simulation.status(), READY).contains("try 1"));
    simulation.request_reconcile("now");
    simulation.reconcile(says(Deploying, &["try 3"]));
    assert!(message(&simulation.status(), READY).contains("try 3"));
}

#[test]
fn a_kept_refusal_takes_new_words_of_the_deployment() {
    let mut simulation = Simulation::new(State::Active);
    let refusal = HubFault::Rejected("the last shutdown is not finished (409)".into());
    simulation.outcome = CallOutcome::refused(refusal);
    simulation.reconcile(says(Inactive, &[]));
    simulation.advance(secs(1));
    let refused = message(&simulation.status(), READY);
    assert!(refused.contains("not finished (409)"), "{refused}");
    for words in [&["draining"][..], &["drained"], &[]] {
        simulation.reconcile(says(Inactive, words));
        let shown = message(&simulation.status(), READY);
        let notes = shown.strip_prefix(&refused).unwrap();
        assert_eq!(notes.is_empty(), words.is_empty(), "{shown}");
        assert!(words.iter().all(|words| notes.contains(words)), "{shown}");
    }
}

#[test]
fn a_blocked_deletion_says_the_same_in_every_condition() {
    let mut simulation = Simulation::new(State::Active);
    simulation.object.spec.deletion_policy = Some(DeletionPolicy::Deactivate);
    simulation.reconcile(shows(Active));
    simulation = simulation.deleting();
    for number in 0..60 {
        let words = format!("exit code {number}");
        let plan = simulation.reconcile(says(Error, &[&words])).plan;
        simulation.advance(mins(1));
        let ready = message(&plan.status, READY);
        assert!(ready.contains("exit code"), "{ready}");
        for type_ in [RECONCILING, STALLED, DELETION_BLOCKED] {
            let other = condition(&plan.status, type_);
            assert!(other.is_none_or(|one| one.message == ready), "{plan:?}");
        }
    }
    assert!(message(&simulation.status(), DELETION_BLOCKED).contains("exit code"));
}
