use super::bench::{Bench, base, faults, look_at, marker, mins, secs, shown, shows, synced};
use crate::{
    api::{Deployment, State},
    decide::{Action, Fault, HOW_TO_LET_GO, Jitter, Look, undecodable},
};

fn settled() -> Bench {
    Bench::wanting(State::Active).with(|bench| {
        bench.pass(shows(Deployment::Active));
    })
}

fn failed(fault: &Fault) -> Look {
    Look::Failed(fault.clone())
}

#[test]
fn each_fault_has_its_own_reason_marker_and_pace_and_never_a_call() {
    // In the order of `faults`: after a Ready of the same generation.
    #[rustfmt::skip]
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
        ("Unknown AnotherModel Stalled", "AnotherModel", mins(5), Jitter::Later),
        ("False Rejected Reconciling", "True", secs(5), Jitter::None),
    ];
    let mut bench = settled();
    bench.object.spec.sync_interval = "9m".parse().ok();
    for (fault, (reads, out_of_sync, after, jitter)) in faults("words").iter().zip(rows) {
        let plan = bench.decide(failed(fault));
        assert_eq!(shown(&plan), reads, "{fault:?}");
        assert_eq!(synced(&plan), out_of_sync, "{fault:?}");
        assert_eq!(
            (plan.requeue.after, plan.requeue.jitter),
            (after, jitter),
            "{fault:?}"
        );
        assert_eq!(plan.action, Action::Nothing, "{fault:?}");
        assert_eq!(
            plan.status.deployment,
            Some(Deployment::Active),
            "{fault:?}"
        );
        assert_eq!(plan.status.model, bench.status().model, "{fault:?}");
    }
}

#[test]
fn ready_outlives_a_fault_only_within_its_generation() {
    let kept = [Fault::Unreachable("reset".into()), faults("")[7].clone()];
    for fault in &kept {
        let mut bench = settled();
        assert_eq!(shown(&bench.decide(failed(fault))), "True Active -");
        bench.edit(|object| object.spec.suspend = Some(false));
        let plan = bench.decide(failed(fault));
        assert!(shown(&plan).starts_with("Unknown "), "{}", shown(&plan));
        assert_eq!(marker(&plan.status), "Reconciling");
        let never_looked_at = Bench::wanting(State::Active).decide(failed(fault));
        assert_eq!(shown(&never_looked_at), shown(&plan));
    }
}

#[test]
fn what_is_kept_through_a_fault_is_what_was_said_and_its_marker() {
    let mut bench = Bench::wanting(State::Active);
    bench.pass(shows(Deployment::Deploying));
    let plan = bench.decide(Look::Failed(Fault::Unreachable("reset".into())));
    assert_eq!(shown(&plan), "False Activating Reconciling");
}

#[test]
fn ready_outlives_silence_for_three_sync_intervals_and_at_most_a_quarter_of_an_hour() {
    for (interval, kept) in [("1m", mins(3)), ("5m", mins(15)), ("1h", mins(15))] {
        let mut bench = settled();
        bench.object.spec.sync_interval = interval.parse().ok();
        for (silence, reads) in [
            (kept - secs(1), "True Active -"),
            (kept, "Unknown HubUnreachable Reconciling"),
        ] {
            bench.past.silence = silence;
            let plan = bench.decide(Look::Failed(Fault::Unreachable("reset".into())));
            assert_eq!(
                (shown(&plan).as_str(), synced(&plan)),
                (reads, "HubUnreachable")
            );
        }
    }
}

#[test]
fn silence_is_met_with_doubling_waits_to_a_bound() {
    let mut bench = settled();
    let waits = [0, 1, 2, 3, 8, 9, 1000, u32::MAX].map(|failures| {
        bench.past.failures = failures;
        let plan = bench.decide(Look::Failed(Fault::Unreachable("reset".into())));
        assert_eq!(plan.requeue.jitter, Jitter::Full);
        plan.requeue.after.as_secs()
    });
    assert_eq!(waits, [1, 2, 4, 8, 256, 300, 300, 300]);
}

#[test]
fn a_rest_that_the_hub_names_no_length_for_doubles_too() {
    let mut bench = settled();
    let waits = [0, 1, 2, 50].map(|failures| {
        bench.past.failures = failures;
        let fault = Fault::RateLimited {
            wait: None,
            whole_key: false,
        };
        bench.decide(Look::Failed(fault)).requeue.after.as_secs()
    });
    assert_eq!(waits, [1, 2, 4, 300]);
}

#[test]
fn no_length_of_a_spec_is_too_long_to_reckon_with() {
    let mut bench = settled();
    bench.object.spec.sync_interval = "2562047788015215h".parse().ok();
    bench.object.spec.progress_deadline = bench.object.spec.sync_interval;
    assert!(bench.object.spec.sync_interval.is_some());
    for fault in faults("words") {
        bench.decide(Look::Failed(fault));
    }
    bench.decide(shows(Deployment::Deploying));
}

#[test]
fn each_message_says_what_to_do() {
    #[rustfmt::skip]
    let rows = [
        "kubectl create secret generic team-key --namespace team --from-literal=api-key=",
        r#"kubectl patch secret team-key --namespace team --patch '{"stringData":{"api-key":"YOUR_API_KEY"}}'"#,
        "kubectl create secret generic oxen-api-key --namespace team --from-literal=api-key=",
        "Put a valid one into the Secret",
        "words. Use a key of the account that owns it",
        "words. See to the account's billing",
        "Did you mean words?",
        "left alone for as long as it says",
        "words. No call is made",
        "words. Is OXEN_BASE_URL the hub's?",
        "create an OxenModel with that name",
        "The hub refused the call: words",
    ];
    for (fault, part) in faults("words").into_iter().zip(rows) {
        let message = settled().decide(Look::Failed(fault)).message;
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_model_with_no_near_name_is_told_without_one() {
    let plan = settled().decide(Look::Failed(Fault::ModelNotFound(Vec::new())));
    assert!(!plan.message.contains("Did you mean"), "{}", plan.message);
    assert!(plan.message.contains("Check the name"), "{}", plan.message);
}

#[test]
fn an_answer_of_another_identity_stalls_until_a_reconcile_is_requested() {
    for (id, owner) in [("bot", "other"), ("bot-2", "acme")] {
        for deployment in super::bench::DEPLOYMENTS {
            let mut bench = settled();
            let look = look_at(false, deployment, id, owner);
            let before = bench.status();
            let pass = bench.pass(look.clone());
            assert_eq!(pass.shown(), "False IdentityChanged Stalled");
            assert_eq!(synced(&pass.plan), "IdentityChanged");
            assert_eq!(pass.plan.requeue.after, bench.rules.sync_interval);
            assert!(
                pass.plan.message.contains("bot of acme"),
                "{}",
                pass.plan.message
            );
            let after = bench.status();
            assert_eq!(
                (after.model, after.deployment),
                (before.model, before.deployment)
            );
            // Neither time nor an edit makes it the same model.
            bench.later(mins(600));
            bench.edit(|object| object.spec.state = State::Inactive);
            assert_eq!(
                bench.pass(look.clone()).shown(),
                "False IdentityChanged Stalled"
            );
            bench.request("now");
            bench.pass(look.clone());
            assert_eq!(bench.status().model.unwrap().owner, owner);
            bench.later(mins(5));
            assert_ne!(bench.pass(look).shown(), "False IdentityChanged Stalled");
        }
    }
}

#[test]
fn the_right_identity_again_ends_the_stall_by_itself() {
    let mut bench = settled();
    bench.pass(look_at(false, Deployment::Active, "bot", "other"));
    assert_eq!(
        bench.pass(shows(Deployment::Active)).shown(),
        "True Active -"
    );
}

#[test]
fn a_spec_that_the_schema_would_refuse_today_is_invalid_and_never_acted_upon() {
    for (field, value) in [
        ("model", "a b"),
        ("model", "a/../b?"),
        ("model", ""),
        ("syncInterval", "5s"),
        ("syncInterval", "0s"),
        ("progressDeadline", "0s"),
    ] {
        let bench = Bench::wanting(State::Active).with(|bench| {
            let mut spec = serde_json::to_value(&bench.object.spec).unwrap();
            spec[field] = value.into();
            bench.object.spec = serde_json::from_value(spec).unwrap();
        });
        assert!(!bench.needs_look());
        // Not even if it was looked at all the same.
        for look in [Look::Unneeded, shows(Deployment::Inactive), base()] {
            let plan = bench.decide(look);
            assert_eq!(shown(&plan), "False InvalidSpec Stalled");
            assert!(
                plan.message.starts_with(&format!("spec.{field}:")),
                "{}",
                plan.message
            );
            assert!(super::bench::call(&plan).is_none());
            assert!(plan.requeue.after >= secs(30), "{:?}", plan.requeue);
        }
    }
}

#[test]
fn an_object_that_cannot_be_decoded_is_stalled_in_conditions_that_stand_still() {
    let before = settled().status().conditions;
    let now = "2026-01-02T00:00:00Z".parse().unwrap();
    let after = undecodable(&before, "spec.state: what?", 4, now);
    let told: Vec<(&str, &str, &str)> = after
        .iter()
        .map(|one| (one.type_.as_str(), one.status.as_str(), one.reason.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("Ready", "False", "InvalidSpec"),
            ("Stalled", "True", "InvalidSpec"),
            ("Synced", "False", "InvalidSpec"),
        ]
    );
    let later = "2026-01-03T00:00:00Z".parse().unwrap();
    assert_eq!(undecodable(&after, "spec.state: what?", 4, later), after);
}

#[test]
fn no_message_of_an_object_that_stays_tells_how_to_let_it_go() {
    for fault in faults("words") {
        let plan = settled().decide(Look::Failed(fault));
        assert!(!plan.message.contains(HOW_TO_LET_GO) && !plan.blocked);
    }
}
