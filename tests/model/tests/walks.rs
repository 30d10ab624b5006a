//! Everything at once, by random walks from a seed that never changes.

use model::{Decision, Milestone, Mutation, SOMETIMES, Scenario, mix, walk};

#[test]
fn walks_through_everything_at_once_keep_the_rules_and_end_in_peace() {
    let walks = walk(&mix(), 2_000, 1);
    assert!(walks.broken.is_empty(), "{walks}");
    assert!(walks.calms > 0, "{walks}");
    // A budget is seldom spent by chance, and seldomer refilled; the bounded scenarios see to these.
    let seldom = [Milestone::SpentItsBudget, Milestone::Refilled];
    for (name, milestone) in SOMETIMES {
        let seen = walks.reached.contains(name) || seldom.contains(milestone);
        assert!(seen, "never: {name}");
    }
}

#[test]
fn walks_find_seeded_faults_too() {
    for mutation in [
        Mutation::LoserPosts,
        Mutation::TermIgnored,
        Mutation::RepeatWhileOpen,
        Mutation::NeverGivesUp,
    ] {
        let decision = Decision::Mutant(mutation);
        let scenario = Scenario { decision, ..mix() };
        let walks = walk(&scenario, 2_000, 1);
        assert!(!walks.broken.is_empty(), "{mutation:?}: {walks}");
    }
}
