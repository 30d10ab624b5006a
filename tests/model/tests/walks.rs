//! Everything at once, on random walks from a fixed seed.

use model::{Decision, Milestone, Mutation, SOMETIMES, Scenario, combined, walk};

#[test]
fn random_walks_keep_every_rule_and_converge() {
    let walks = walk(&combined(), 2_000, 1);
    assert!(walks.broken.is_empty(), "{walks}");
    assert!(walks.states > 0, "{walks}");
    // Few walks reach these, if any. The bounded scenarios reach them all.
    let rare = [
        Milestone::AttemptsExhausted,
        Milestone::AttemptsRenewed,
        Milestone::RefusedForLong,
        Milestone::RivalExpired,
        Milestone::IdentityAccepted,
        Milestone::RecordPruned,
        Milestone::DeactivatedThroughRefusals,
        Milestone::StatusLost,
        Milestone::CalledAfterFlip,
    ];
    for (name, milestone) in SOMETIMES {
        let reached = walks.reached.contains(name) || rare.contains(milestone);
        assert!(reached, "not reached: {name}");
    }
}

#[test]
fn random_walks_find_seeded_faults() {
    for mutation in [
        Mutation::CallWithoutOwnership,
        Mutation::LeadershipIgnored,
        Mutation::CallWhileOperationOpen,
        Mutation::OperationNeverExpires,
    ] {
        let decision = Decision::Mutant(mutation);
        let scenario = Scenario {
            decision,
            ..combined()
        };
        let walks = walk(&scenario, 2_000, 1);
        assert!(!walks.broken.is_empty(), "{mutation:?}: {walks}");
    }
}
