//! placeholder
#![allow(clippy::print_stdout)]
use std::time::Instant;

use model::{bounded, calm, deep, endings};
use stateright::{Checker, Model};

fn main() {
    let which = std::env::args().nth(1).unwrap_or_default();
    let only: Option<usize> = std::env::args().nth(2).and_then(|one| one.parse().ok());
    let all = match which.as_str() {
        "deep" => deep(),
        "calm" => endings(),
        _ => bounded(),
    };
    let all = all
        .into_iter()
        .enumerate()
        .filter(|(at, _)| only.is_none_or(|one| one == *at));
    for (_, scenario) in all {
        let at = Instant::now();
        let name = scenario.name;
        if which == "calm" {
            let calm = calm(&scenario);
            println!(
                "{name}: {} states {} ends {} faults in {:?}",
                calm.states,
                calm.ends,
                calm.faults.len(),
                at.elapsed()
            );
            for (why, world) in calm.faults.iter().take(3) {
                println!("{why}: {world:?}");
            }
            continue;
        }
        let checker = scenario.checker().threads(1).spawn_bfs().join();
        println!(
            "{name}: {} states, {} unique, depth {} in {:?}",
            checker.state_count(),
            checker.unique_state_count(),
            checker.max_depth(),
            at.elapsed()
        );
        let found = checker.discoveries();
        for property in checker.model().properties() {
            if property.expectation == stateright::Expectation::Always
                && let Some(path) = found.get(property.name)
            {
                println!("BROKEN {}", property.name);
                let path = path.clone();
                for (state, step) in path.into_vec() {
                    println!(
                        "  {:?}\n    hub {:?} leader {:?}",
                        state.slots, state.hub, state.leader
                    );
                    println!("    -> {step:?}");
                }
            }
        }
        println!("  {:?}", found.keys().collect::<Vec<_>>());
    }
}
