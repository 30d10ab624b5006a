//! Every fault of the credentials and of the hub, changed identities and invalid specs.

use oxen_operator::{
    api::{LiveStatus, State},
    decide::{
        Action, DELETION_BLOCKED, Fault, History, HubFault, Jitter, blocked_message, undecodable,
    },
};
use testkit::simulation::{
    Simulation, call, condition, faults, mins, progress, secs, shows, shows_base, shows_model,
    summary, synced,
};

/// A model that is active, as declared.
fn settled() -> Simulation {
    Simulation::new(State::Active).with(|simulation| {
        simulation.reconcile(shows(LiveStatus::Active));
    })
}

fn unreachable() -> Fault {
    HubFault::Unreachable("reset".into()).into()
}

/// The history of a process after this many unanswered observations in a row.
fn after_failures(failures: u32) -> History {
    History {
        failures,
        ..History::default()
    }
}

#[test]
fn each_fault_has_its_reason_and_requeue_and_leads_to_no_call() {
    // In the order of `faults`, each after a Ready of the same generation.
    #[rustfmt::skip] // a table is easier to read on one line per row
    let rows = [
        ("False CredentialsNotFound Stalled", "CredentialsNotFound", mins(5), Jitter::Later),
        ("False CredentialsInvalid Stalled", "CredentialsInvalid", mins(5), Jitter::Later),
        ("False OperatorKeyNotAllowed Stalled", "OperatorKeyNotAllowed", mins(5), Jitter::Later),
        ("False Unauthenticated Stalled", "Unauthenticated", mins(5), Jitter::Later),
        ("False Forbidden Stalled", "Forbidden", mins(5), Jitter::Later),
        ("False PaymentRequired Stalled", "PaymentRequired", mins(15), Jitter::Tenth),
        ("False ModelNotFound Stalled", "ModelNotFound", mins(9), Jitter::Tenth),
        ("True Active -", "RateLimited", secs(7), Jitter::Later),
        ("True Active -", "HubUnreachable", secs(1), Jitter::Full),
        ("Unknown UnexpectedResponse Reconciling", "UnexpectedResponse", mins(5), Jitter::Later),
        ("Unknown ModelMismatch Stalled", "ModelMismatch", mins(5), Jitter::Later),
        ("False Rejected Reconciling", "True", secs(5), Jitter::None),
    ];
    let faults = faults("words");
    assert_eq!(faults.len(), rows.len());
    let mut simulation = settled();
    simulation.object.spec.sync_interval = "9m".parse().ok();
    for (fault, (expected, expected_synced, after, jitter)) in faults.iter().zip(rows) {
        let plan = simulation.decide(Err(fault.clone()));
        assert_eq!(summary(&plan), expected, "{fault:?}");
        assert_eq!(synced(&plan), expected_synced, "{fault:?}");
        assert_eq!(
            (plan.requeue.after, plan.requeue.jitter),
            (after, jitter),
            "{fault:?}"
        );
        assert_eq!(plan.action, Action::Nothing, "{fault:?}");
        assert_eq!(plan.status.live, Some(LiveStatus::Active), "{fault:?}");
        assert_eq!(plan.status.model, simulation.status().model, "{fault:?}");
    }
}

#[test]
fn ready_is_kept_through_a_fault_only_within_its_generation() {
    let rate_limited = HubFault::RateLimited {
        wait: Some(secs(7)),
        whole_key: true,
    };
    for fault in [unreachable(), rate_limited.into()] {
        let mut simulation = settled();
        let plan = simulation.decide(Err(fault.clone()));
        assert_eq!(summary(&plan), "True Active -");
        simulation.edit(|object| object.spec.suspend = Some(false));
        let plan = simulation.decide(Err(fault.clone()));
        let after_edit = summary(&plan);
        assert!(after_edit.starts_with("Unknown "), "{after_edit}");
        assert_eq!(progress(&plan.status), "Reconciling");
        let never_observed = Simulation::new(State::Active).decide(Err(fault));
        assert_eq!(summary(&never_observed), after_edit);
    }
}

#[test]
fn the_progress_condition_is_kept_with_ready_through_a_fault() {
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(shows(LiveStatus::Deploying));
    let plan = simulation.decide(Err(unreachable()));
    assert_eq!(summary(&plan), "False Activating Reconciling");
}

#[test]
fn ready_is_kept_for_three_sync_intervals_and_at_most_15_minutes() {
    for (interval, kept) in [("1m", mins(3)), ("5m", mins(15)), ("1h", mins(15))] {
        for (silence, expected) in [
            (kept - secs(1), "True Active -"),
            (kept, "Unknown HubUnreachable Reconciling"),
        ] {
            let mut simulation = settled();
            simulation.object.spec.sync_interval = interval.parse().ok();
            simulation.advance(silence);
            let plan = simulation.decide(Err(unreachable()));
            assert_eq!(
                (summary(&plan).as_str(), synced(&plan)),
                (expected, "HubUnreachable")
            );
        }
    }
}

#[test]
fn unanswered_requests_double_the_wait_up_to_a_bound() {
    let mut simulation = settled();
    let waits: Vec<u64> = (1..=10)
        .map(|_| {
            let requeue = simulation.reconcile(Err(unreachable())).plan.requeue;
            assert_eq!(requeue.jitter, Jitter::Full);
            requeue.after.as_secs()
        })
        .collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
    for failures in [1001, u32::MAX] {
        let plan = simulation.decide_with(after_failures(failures), Err(unreachable()));
        assert_eq!(plan.requeue.jitter, Jitter::Full);
        assert_eq!(plan.requeue.after.as_secs(), 300, "{failures}");
    }
    // An answer starts the waits again.
    simulation.reconcile(shows(LiveStatus::Active));
    let plan = simulation.decide(Err(unreachable()));
    assert_eq!(plan.requeue.after.as_secs(), 1);
}

#[test]
fn a_rate_limit_without_retry_after_doubles_the_wait_too() {
    let simulation = settled();
    let waits = [1, 2, 3, 51].map(|failures| {
        let fault = HubFault::RateLimited {
            wait: None,
            whole_key: false,
        };
        let plan = simulation.decide_with(after_failures(failures), Err(fault.into()));
        plan.requeue.after.as_secs()
    });
    assert_eq!(waits, [1, 2, 4, 300]);
}

#[test]
fn no_duration_of_a_spec_overflows() {
    let mut simulation = settled();
    simulation.object.spec.sync_interval = "2562047788015215h".parse().ok();
    simulation.object.spec.progress_deadline = simulation.object.spec.sync_interval;
    assert!(simulation.object.spec.sync_interval.is_some());
    for fault in faults("words") {
        let _ = simulation.decide(Err(fault));
    }
    let _ = simulation.decide(shows(LiveStatus::Deploying));
}

#[test]
fn each_message_says_what_to_do() {
    #[rustfmt::skip] // a table is easier to read on one line per row
    let rows = [
        "kubectl create secret generic team-key --namespace team --from-literal=api-key=",
        r#"kubectl patch secret team-key --namespace team --patch '{"stringData":{"api-key":"YOUR_API_KEY"}}'"#,
        "kubectl create secret generic oxen-api-key --namespace team --from-literal=api-key=",
        "Put a valid key into the Secret.",
        "words. Use a key of the account that owns the model.",
        "words. Check the account's billing.",
        "Did you mean words?",
        "The operator sends the next one when the hub allows it.",
        "words. No call is made",
        "words. Check that OXEN_BASE_URL is the hub's URL.",
        "create an OxenModel with that name",
        "The hub refused the call: words",
    ];
    let faults = faults("words");
    assert_eq!(faults.len(), rows.len());
    for (fault, part) in faults.into_iter().zip(rows) {
        let message = settled().decide(Err(fault)).message;
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn model_not_found_without_similar_names_suggests_none() {
    let message = settled()
        .decide(Err(HubFault::ModelNotFound(Vec::new()).into()))
        .message;
    assert!(!message.contains("Did you mean"), "{message}");
    assert!(message.contains("Check the name"), "{message}");
}

#[test]
fn a_changed_identity_stalls_until_a_reconcile_is_requested() {
    for (id, owner) in [("bot", "other"), ("bot-2", "acme")] {
        for &live in LiveStatus::ALL {
            let mut simulation = settled();
            let retrieved = shows_model(false, live, id, owner);
            let before = simulation.status();
            let reconciled = simulation.reconcile(retrieved.clone());
            assert_eq!(reconciled.summary(), "False IdentityChanged Stalled");
            assert_eq!(synced(&reconciled.plan), "IdentityChanged");
            let requeue = reconciled.plan.requeue;
            assert_eq!(requeue.after, simulation.rules.sync_interval);
            let message = &reconciled.plan.message;
            assert!(message.contains("bot of acme"), "{message}");
            let after = simulation.status();
            assert_eq!((after.model, after.live), (before.model, before.live));
            // Neither time nor an edit accepts the new identity.
            simulation.advance(mins(600));
            simulation.edit(|object| object.spec.state = State::Inactive);
            assert_eq!(
                simulation.reconcile(retrieved.clone()).summary(),
                "False IdentityChanged Stalled"
            );
            simulation.request_reconcile("now");
            simulation.reconcile(retrieved.clone());
            assert_eq!(simulation.status().model.unwrap().owner, owner);
            simulation.advance(mins(5));
            assert_ne!(
                simulation.reconcile(retrieved).summary(),
                "False IdentityChanged Stalled"
            );
        }
    }
}

#[test]
fn the_original_identity_ends_the_stall() {
    let mut simulation = settled();
    simulation.reconcile(shows_model(false, LiveStatus::Active, "bot", "other"));
    assert_eq!(
        simulation.reconcile(shows(LiveStatus::Active)).summary(),
        "True Active -"
    );
}

#[test]
fn an_invalid_spec_is_stalled_and_leads_to_no_call() {
    for (field, value) in [
        ("model", "a b"),
        ("model", "a/../b?"),
        ("model", ""),
        ("syncInterval", "5s"),
        ("syncInterval", "0s"),
        ("progressDeadline", "0s"),
    ] {
        let simulation = Simulation::new(State::Active).with(|simulation| {
            let mut spec = serde_json::to_value(&simulation.object.spec).unwrap();
            spec[field] = value.into();
            simulation.object.spec = serde_json::from_value(spec).unwrap();
        });
        // An observation that nobody needs has no effect.
        let plans = [
            simulation.unobserved().unwrap(),
            simulation.decide(shows(LiveStatus::Inactive)),
            simulation.decide(shows_base()),
        ];
        for plan in plans {
            assert_eq!(summary(&plan), "False InvalidSpec Stalled");
            let message = &plan.message;
            assert!(message.starts_with(&format!("spec.{field}:")), "{message}");
            assert!(call(&plan).is_none());
            assert!(plan.requeue.after >= secs(30), "{:?}", plan.requeue);
        }
    }
}

#[test]
fn an_undecodable_object_is_stalled_and_its_conditions_written_once() {
    const PROBLEM: &str = "spec.state: what?";
    let before = settled().status().conditions;
    let now = "2026-01-02T00:00:00Z".parse().unwrap();
    let later = "2026-01-03T00:00:00Z".parse().unwrap();
    let expected = [
        ("Ready", "False", "InvalidSpec"),
        ("Stalled", "True", "InvalidSpec"),
        ("Synced", "False", "InvalidSpec"),
        (DELETION_BLOCKED, "True", "InvalidSpec"),
    ];
    for (deleting, expected) in [(false, &expected[..3]), (true, &expected[..])] {
        let after = undecodable(&before, PROBLEM, deleting, 4, now);
        let shown: Vec<(&str, &str, &str)> = after
            .iter()
            .map(|one| (one.type_.as_str(), one.status.as_str(), one.reason.as_str()))
            .collect();
        assert_eq!(shown, expected);
        assert_eq!(undecodable(&after, PROBLEM, deleting, 4, later), after);
    }
}

#[test]
fn only_a_deletion_says_how_to_release_the_object() {
    let how_to_release = blocked_message("");
    for fault in faults("words") {
        let plan = settled().decide(Err(fault));
        assert!(!plan.message.contains(how_to_release.trim()) && !plan.blocked);
        assert_eq!(condition(&plan.status, DELETION_BLOCKED), None);
    }
}
