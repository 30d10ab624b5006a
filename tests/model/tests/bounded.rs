//! Every order of events within the bounds: what must hold, and what must be possible.

use std::collections::BTreeSet;

use model::{SOMETIMES, bounded, calm, check, endings};

#[test]
fn nothing_that_can_happen_breaks_a_rule_and_everything_worth_seeing_happens() {
    let mut reached = BTreeSet::new();
    for scenario in bounded() {
        let report = check(&scenario);
        assert!(report.broken.is_empty(), "{report}");
        reached.extend(report.reached);
    }
    for (name, _) in SOMETIMES {
        assert!(reached.contains(name), "never: {name}");
    }
}

#[test]
fn once_faults_stop_every_object_settles_or_says_why_not_and_then_there_is_silence() {
    for scenario in endings() {
        let calm = calm(&scenario);
        let name = scenario.name;
        assert!(calm.faults.is_empty(), "{name}: {:?}", calm.faults);
        assert!(calm.ends > 0, "{name}");
    }
}
