//! What messages say, and that whatever the hub sends fits into one.

use LiveStatus::{Active, Deploying, Error, Inactive};
use oxen_operator::{
    api::{LiveStatus, State},
    decide::{HubFault, Plan},
};
use testkit::simulation::{Retrieved, Simulation, mins, shows};

/// A live GET that shows a model with this live status and these other deployments.
fn with_others(live: LiveStatus, others: Vec<&str>) -> Retrieved {
    let mut retrieved = shows(live);
    if let Ok(remote) = &mut retrieved {
        remote.others = others.into_iter().map(str::to_owned).collect();
    }
    retrieved
}

/// The longest message of a plan, in bytes. The API server stores at most 32768 characters.
fn longest(plan: &Plan) -> usize {
    let messages = plan.status.conditions.iter().map(|one| one.message.len());
    messages.chain([plan.message.len()]).max().unwrap()
}

#[test]
fn other_deployments_are_counted_by_word_and_sorted() {
    for (others, expected) in [
        (vec!["error"], Some("Its other deployments: 1 error.")),
        (
            vec!["error", "inactive", "inactive"],
            Some("Its other deployments: 2 inactive, 1 error."),
        ),
        (
            vec!["inactive", "error"],
            Some("Its other deployments: 1 error, 1 inactive."),
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
fn the_same_deployments_in_another_order_write_nothing() {
    let mut simulation = Simulation::new(State::Active);
    simulation.reconcile(with_others(Active, vec!["error", "inactive", "error"]));
    let before = simulation.status();
    simulation.reconcile(with_others(Active, vec!["inactive", "error", "error"]));
    assert_eq!(simulation.status(), before);
}

#[test]
fn many_other_deployments_make_no_long_message() {
    for live in [Active, Inactive, Deploying, Error] {
        for desired in [State::Active, State::Inactive] {
            let retrieved = with_others(live, vec!["inactive"; 150_000]);
            let plan = Simulation::new(desired).decide(retrieved);
            assert!(longest(&plan) < 1000, "{live}: {}", longest(&plan));
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

    let short = HubFault::ModelNotFound(vec!["bot\n-2".into(), "bot-3".into()]);
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
