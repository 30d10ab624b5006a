//! The checker can fail: each seeded fault is found, by the property that covers it.

use model::{Decision, Mutation, Scenario, converge, counterexample, seeded};

#[test]
fn each_seeded_fault_breaks_the_rule_that_covers_it() {
    for mutation in Mutation::ALL {
        let (scenario, rule) = seeded(mutation);
        let Some(rule) = rule else { continue };
        let found = counterexample(&scenario, rule);
        assert!(found.is_some(), "{mutation:?} doesn't break {rule:?}");
    }
}

#[test]
fn each_seeded_fault_against_liveness_is_found_without_faults() {
    for mutation in Mutation::ALL {
        let (scenario, rule) = seeded(mutation);
        if rule.is_some() {
            continue;
        }
        assert!(!converge(&scenario).faults.is_empty(), "{mutation:?}");
        let production = Scenario {
            decision: Decision::Production,
            ..scenario
        };
        assert!(converge(&production).faults.is_empty(), "{mutation:?}");
    }
}
