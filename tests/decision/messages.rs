//! What messages say, and that whatever the hub sends fits into one.

use LiveStatus::{Active, Error};
use oxen_operator::{
    api::{LiveStatus, State},
    decide::{HubFault, OtherDeployments, Plan},
};
use testkit::simulation::{Retrieved, Simulation, mins, shows, shows_model};

/// A live GET that shows a model with this live status and these other deployments.
fn with_others(live: LiveStatus, others: Vec<&str>) -> Retrieved {
    let mut retrieved = shows(live);
    if let Ok(remote) = &mut retrieved {
        let others = others.into_iter().map(|counted| OtherDeployments {
            live: LiveStatus::Unknown,
            counted: counted.into(),
        });
        remote.others = others.collect();
    }
    retrieved
}

/// The longest message of a plan, in bytes. The API server stores at most 32768 characters.
fn longest(plan: &Plan) -> usize {
    let messages = plan.status.conditions.iter().map(|one| one.message.len());
    messages.chain([plan.message.len()]).max().unwrap()
}

#[test]
fn other_deployments_are_shown_as_they_were_counted() {
    for (others, expected) in [
        (vec!["1 error"], Some("Its other deployments: 1 error.")),
        (
            vec!["150000 inactive", "2 error"],
            Some("Its other deployments: 150000 inactive, 2 error."),
        ),
        (vec![], None),
    ] {
        let plan = Simulation::new(State::Active).decide(with_others(Active, others));
        let message = &plan.message;
        match expected {
            Some(expected) => assert!(message.ends_with(expected), "{message}"),
            None => assert!(!message.contains("other deployments"), "{message}"),
        }
    }
}

#[test]
fn long_similar_names_make_no_long_message_and_stay_on_one_line() {
    let names = vec!["m".repeat(300_000); 5];
    let fault = HubFault::ModelNotFound(names);
    let plan = Simulation::new(State::Active).decide(Err(fault.into()));
    assert!(longest(&plan) < 5000, "{}", longest(&plan));
    let start = format!("Did you mean {}...", "m".repeat(200));
    assert!(plan.message.contains(&start), "{}", plan.message);

    let short = HubFault::ModelNotFound(vec!["bot\u{1b}-2".into(), "bot-3".into()]);
    let message = Simulation::new(State::Active)
        .decide(Err(short.into()))
        .message;
    assert!(message.contains("Did you mean bot -2, bot-3?"), "{message}");
}

#[test]
fn a_failed_deployment_may_bill_and_says_how_to_turn_it_off_and_on() {
    for desired in [State::Active, State::Inactive] {
        let mut simulation = Simulation::new(desired);
        let first = simulation.reconcile(shows(Error));
        assert_eq!(first.summary(), "False DeploymentError Reconciling");
        let message = &first.plan.message;
        assert!(message.contains("may still bill"), "{message}");
        for _ in 0..60 {
            simulation.advance(mins(1));
            simulation.reconcile(shows(Error));
        }
        let last = simulation.reconcile(shows(Error));
        assert_eq!(last.summary(), "False DeploymentFailed Stalled");
        let message = &last.plan.message;
        assert!(message.contains("may still bill"), "{message}");
        let how = "set spec.state to inactive and then to active";
        assert_eq!(message.contains(how), desired == State::Active, "{message}");
    }
}

#[test]
fn an_identity_is_shortened_where_it_is_shown_and_exact_where_it_is_stored() {
    let long = |end: &str| format!("{}\u{1b}[31m\n{}-{end}", "m".repeat(250), "n".repeat(250));
    let custom = |live, id: &str, owner: &str| shows_model(false, live, id, owner);
    let mut changed = Simulation::new(State::Active);
    changed.reconcile(custom(Active, &long("a"), &long("b")));
    let stored = changed.status().model.unwrap();
    assert_eq!((stored.id, stored.owner), (long("a"), long("b")));
    let changed = changed.decide(custom(Active, &long("c"), &long("d")));
    let other = changed.status.other_model.as_ref().unwrap();
    assert_eq!((&other.id, &other.owner), (&long("c"), &long("d")));

    let absent = custom(LiveStatus::None, &long("a"), "acme");
    let absent = Simulation::new(State::Active).decide(absent);
    let base = shows_model(true, Active, &long("a"), "oxen");
    let base = Simulation::new(State::Inactive).decide(base);
    let mismatch = HubFault::ModelMismatch(long("a"));
    let mismatch = Simulation::new(State::Active).decide(Err(mismatch.into()));
    for (plan, reason, names) in [
        (changed, "IdentityChanged", 4),
        (absent, "NoDeployment", 1),
        (base, "BaseModelCannotDeactivate", 1),
        (mismatch, "ModelMismatch", 1),
    ] {
        assert_eq!(plan.verdict.presentation().reason, reason);
        let message = &plan.message;
        assert!(!message.contains(char::is_control), "{message:?}");
        let shortened = format!("{}...", "m".repeat(200));
        assert_eq!(message.matches(&shortened).count(), names, "{message}");
        assert!(
            !message.contains('n'.to_string().repeat(50).as_str()),
            "{message}"
        );
        assert!(longest(&plan) < 1500, "{}", longest(&plan));
    }
}

#[test]
fn two_identities_that_differ_only_where_they_are_cut_are_two() {
    let id = |end: &str| format!("{}-{end}", "m".repeat(300));
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(shows_model(false, Active, &id("a"), "acme"));
    let other = simulation.reconcile(shows_model(false, Active, &id("b"), "acme"));
    assert_eq!(other.summary(), "False IdentityChanged Stalled");
}

#[test]
fn a_provider_that_failed_is_told_from_a_hub_that_cannot_be_reached() {
    let words = "The model provider returned an error. (502)";
    let failed = HubFault::ProviderFailed(words.into());
    let plan = Simulation::new(State::Active).decide(Err(failed.into()));
    let message = &plan.message;
    assert_eq!(plan.verdict.presentation().reason, "HubUnreachable");
    assert!(message.starts_with("The hub was reached"), "{message}");
    assert!(message.contains(words), "{message}");
    let unreachable = HubFault::Unreachable("502 Bad Gateway".into());
    let plan = Simulation::new(State::Active).decide(Err(unreachable.into()));
    assert!(plan.message.starts_with("The hub can't be reached"));
}
