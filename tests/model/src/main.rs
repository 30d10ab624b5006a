//! placeholder
#![allow(clippy::print_stdout)]
use std::time::Instant;

use model::{Decision, Left, Scenario};
use oxen_operator::api::Deployment;
use stateright::{Checker, Model};

fn main() {
    let any: u8 = std::env::args()
        .nth(1)
        .and_then(|a| a.parse().ok())
        .unwrap_or(1);
    let slots: usize = std::env::args()
        .nth(2)
        .and_then(|a| a.parse().ok())
        .unwrap_or(1);
    let replicas: usize = std::env::args()
        .nth(3)
        .and_then(|a| a.parse().ok())
        .unwrap_or(1);
    let scenario = Scenario {
        name: "x",
        slots,
        objects: slots,
        replicas,
        base: false,
        starts: vec![Deployment::Inactive],
        left: Left {
            any,
            edits: 3,
            deletions: 2,
            creations: 1,
            requests: 1,
            crashes: 2,
            lapses: if replicas > 1 { 2 } else { 0 },
            looks: 3,
            calls: 3,
            drifts: 3,
            hours: 3,
        },
        decision: Decision::Production,
        calm: false,
    };
    let at = Instant::now();
    let checker = scenario.checker().threads(1).spawn_bfs().join();
    println!(
        "{} {} depth {} in {:?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        at.elapsed()
    );
    let found = checker.discoveries();
    for property in checker.model().properties() {
        println!(
            "{:?} {} {}",
            property.expectation,
            property.name,
            found.contains_key(property.name)
        );
        if property.expectation == stateright::Expectation::Always
            && let Some(path) = found.get(property.name)
        {
            let path = path.clone();
            for (state, step) in path.into_vec() {
                println!("  {:?}\n    hub {:?}", state.slots, state.hub);
                println!("    -> {step:?}");
            }
        }
    }
}
