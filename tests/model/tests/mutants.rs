//! The checker can fail: each seeded fault is found, by the property that names it.

use model::{Decision, Mutation, Scenario, calm, finds, hunt};

#[test]
fn each_seeded_fault_breaks_the_rule_that_names_it() {
    for mutation in Mutation::ALL {
        let (scenario, rule) = hunt(mutation);
        let Some(rule) = rule else { continue };
        let found = finds(&scenario, rule);
        assert!(found.is_some(), "{mutation:?} was not found by {rule:?}");
    }
}

#[test]
fn each_seeded_fault_against_liveness_is_found_once_faults_stop() {
    for mutation in Mutation::ALL {
        let (scenario, rule) = hunt(mutation);
        if rule.is_some() {
            continue;
        }
        assert!(!calm(&scenario).faults.is_empty(), "{mutation:?}");
        let production = Scenario {
            decision: Decision::Production,
            ..scenario
        };
        assert!(calm(&production).faults.is_empty(), "{mutation:?}");
    }
}
