//! The checker can fail: each seeded fault is found, by the property that covers it.

use model::{Decision, Mutation, Scenario, bounded, converge, counterexample, seeded};

#[test]
fn each_seeded_fault_breaks_the_rule_that_covers_it() {
    for mutation in Mutation::ALL {
        let (scenario, rule) = seeded(mutation);
        let Some(rule) = rule else { continue };
        let found = counterexample(&scenario, rule);
        assert!(found.is_some(), "{mutation:?} doesn't break {rule:?}");
    }
}

/// The production keeps every rule in each of the bounded scenarios, so what breaks a rule here is
/// the seeded fault.
#[test]
fn each_seeded_fault_is_sought_within_a_bounded_scenario() {
    for mutation in Mutation::ALL {
        let (scenario, rule) = seeded(mutation);
        let mut bounded = bounded().into_iter();
        let within = bounded.any(|wider| scenario.is_within(&wider));
        assert!(within || rule.is_none(), "{mutation:?}");
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
