//! Every order of events within the bounds: what must hold, and what must be reached.

use std::collections::BTreeSet;

use model::{Outcome, SOMETIMES, Step, bounded, check, converge, liveness};
use stateright::Model;

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
fn the_first_call_follows_in_the_reconcile_that_adds_the_finalizer() {
    let scenario = &bounded()[0];
    let steps = [
        Step::Observe(0, 0, None),
        Step::Act(0, 0, Outcome::NotSent),
        Step::Record(0, 0),
        Step::Act(0, 0, Outcome::Accepted),
    ];
    for start in scenario.init_states() {
        let mut steps = steps.into_iter();
        let last = steps.try_fold(start, |world, step| scenario.after(&world, step));
        let called = last.filter(|world| world.log.called);
        let stored = called.and_then(|world| world.slots[0].stored.clone());
        assert!(stored.is_some_and(|stored| stored.object.has_finalizer()));
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
