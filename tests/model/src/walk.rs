//! Random walks through a scenario that is too large to explore. Every step of a walk is checked
//! against every rule. From the last state of some walks, everything that can happen without faults
//! is explored.

use std::{collections::BTreeSet, fmt};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use stateright::Model;

use crate::{
    liveness::converge_from,
    properties::{ALWAYS, SOMETIMES},
    report::trace_entry,
    scenario::Scenario,
    step::Step,
    step_log::{Milestone, Rule},
    world::World,
};

/// The largest number of steps of a walk, which is enough for all faults and human actions. Most
/// walks are shorter, so that faults stop at any point.
const STEPS: usize = 400;

/// The probability of a step that is neither a fault nor a human action, where one is possible.
/// With a lower one, the faults would be used up before the operator could react to them.
const UNLIMITED: f64 = 0.85;

/// One in this number of walks is followed by an exploration without faults, which takes far longer
/// than the walk.
const CONVERGE: usize = 10;

/// The result of random walks.
#[derive(Clone, Debug, Default)]
pub struct Walks {
    /// The seed, which gives the same walks again.
    pub seed: u64,
    /// The number of walks.
    pub walks: usize,
    /// The number of their steps.
    pub steps: usize,
    /// The number of states in the explorations without faults.
    pub states: usize,
    /// What is wrong, each with a trace.
    pub broken: Vec<(&'static str, String)>,
    /// The milestones that were reached.
    pub reached: BTreeSet<&'static str>,
}

/// Makes random walks. A walk that breaks a rule is the last one.
#[must_use]
pub fn walk(scenario: &Scenario, walks: usize, seed: u64) -> Walks {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut all = Walks {
        seed,
        ..Walks::default()
    };
    while all.walks < walks && all.broken.is_empty() {
        let world = all.one(scenario, &mut rng);
        all.walks += 1;
        if all.broken.is_empty() && all.walks % CONVERGE == 1 {
            let convergence = converge_from(scenario, vec![world.without_faults()]);
            all.states += convergence.states;
            let faults = convergence.faults.into_iter();
            all.broken
                .extend(faults.map(|(why, world)| (why, trace_entry(None, &world))));
        }
    }
    all
}

impl Walks {
    fn one(&mut self, scenario: &Scenario, rng: &mut StdRng) -> World {
        let starts = scenario.init_states();
        let mut world = starts[rng.random_range(0..starts.len())].clone();
        let mut trace = trace_entry(None, &world);
        for _ in 0..rng.random_range(1..=STEPS) {
            let Some((step, next)) = step(scenario, &world, rng) else {
                break;
            };
            self.steps += 1;
            world = next;
            trace += &trace_entry(Some(step), &world);
            let keeps = |rule: Rule| world.log.keeps(rule);
            let broken = ALWAYS.iter().filter(|(_, rule)| !keeps(*rule));
            self.broken
                .extend(broken.map(|(name, _)| (*name, trace.clone())));
            let reached = |milestone: Milestone| world.log.reached(milestone);
            let milestones = SOMETIMES.iter().filter(|(_, one)| reached(*one));
            self.reached.extend(milestones.map(|(name, _)| *name));
            if !self.broken.is_empty() {
                break;
            }
        }
        world
    }
}

/// A random step that changes something.
fn step(scenario: &Scenario, world: &World, rng: &mut StdRng) -> Option<(Step, World)> {
    let mut steps = Vec::new();
    scenario.actions(world, &mut steps);
    let unlimited: Vec<Step> = (steps.iter().copied())
        .filter(|step| world.remaining.is_unlimited(*step))
        .collect();
    let mut groups = if rng.random_bool(UNLIMITED) {
        [unlimited, steps]
    } else {
        [steps, unlimited]
    };
    for group in &mut groups {
        while let Some(step) = group.choose(rng).copied() {
            if let Some(next) = scenario.next_state(world, step) {
                return Some((step, next));
            }
            group.retain(|one| *one != step);
        }
    }
    None
}

impl fmt::Display for Walks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} walks from seed {}, {} steps, {} states without faults",
            self.walks, self.seed, self.steps, self.states
        )?;
        for (name, trace) in &self.broken {
            write!(f, "\n  BROKEN: {name}\n{trace}")?;
        }
        Ok(())
    }
}
