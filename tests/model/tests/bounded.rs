//! Every order of events within the bounds: what must hold, and what must be reached.

use std::collections::BTreeSet;

use model::{SOMETIMES, bounded, check, converge, liveness};

#[test]
fn every_rule_holds_and_every_milestone_is_reached() {
    let mut reached = BTreeSet::new();
    for scenario in bounded() {
        let report = check(&scenario);
        assert!(report.broken.is_empty(), "{report}");
        reached.extend(report.reached);
    }
    for (name, _) in SOMETIMES {
        assert!(reached.contains(name), "not reached: {name}");
    }
}

#[test]
fn without_faults_every_object_converges_and_writes_stop() {
    for scenario in liveness() {
        let convergence = converge(&scenario);
        let name = scenario.name;
        let faults = &convergence.faults;
        assert!(faults.is_empty(), "{name}: {faults:?}");
        assert!(convergence.components > 0, "{name}");
    }
}
