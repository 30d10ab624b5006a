//! Random walks through a scenario that is far too large to explore: each keeps the rules at every
//! step, and ends in a calm that is explored whole.

use std::{collections::BTreeSet, fmt};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use stateright::Model;

use crate::{
    liveness::calm_after,
    news::{Milestone, Rule},
    properties::{ALWAYS, SOMETIMES},
    report::chapter,
    scenario::Scenario,
    step::Step,
    world::World,
};

/// Steps of a walk, at most: more than all that may go wrong takes. Most are shorter, so that the calm begins in
/// the middle of things.
const STEPS: usize = 400;

/// How often a walk takes a step that costs nothing, where there is one: else all that may go
/// wrong would be over before anything came of it.
const FREE: f64 = 0.85;

/// The calm after one walk of so many is explored: it takes far longer than the walk.
const CALM: usize = 10;

/// What random walks came to.
#[derive(Clone, Debug, Default)]
pub struct Walks {
    /// What makes them the same walks again.
    pub seed: u64,
    /// How many there were.
    pub walks: usize,
    /// Their steps.
    pub steps: usize,
    /// States of the calms that were explored.
    pub calms: usize,
    /// What is wrong, each with the way there.
    pub broken: Vec<(&'static str, String)>,
    /// What was reached.
    pub reached: BTreeSet<&'static str>,
}

/// So many walks. The first that breaks a rule is the last.
#[must_use]
pub fn walk(scenario: &Scenario, walks: usize, seed: u64) -> Walks {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut all = Walks {
        seed,
        ..Walks::default()
    };
    while all.walks < walks && all.broken.is_empty() {
        let world = all.one(scenario, &mut chance);
        all.walks += 1;
        if all.broken.is_empty() && all.walks % CALM == 1 {
            let calm = calm_after(scenario, vec![world.calmed()]);
            all.calms += calm.states;
            let faults = calm.faults.into_iter();
            all.broken
                .extend(faults.map(|(why, world)| (why, chapter(None, &world))));
        }
    }
    all
}

impl Walks {
    fn one(&mut self, scenario: &Scenario, chance: &mut StdRng) -> World {
        let starts = scenario.init_states();
        let mut world = starts[chance.random_range(0..starts.len())].clone();
        let mut story = chapter(None, &world);
        for _ in 0..chance.random_range(1..=STEPS) {
            let Some((step, next)) = step(scenario, &world, chance) else {
                break;
            };
            self.steps += 1;
            world = next;
            story += &chapter(Some(step), &world);
            let kept = |rule: Rule| world.news.keeps(rule);
            let broken = ALWAYS.iter().filter(|(_, rule)| !kept(*rule));
            self.broken
                .extend(broken.map(|(name, _)| (*name, story.clone())));
            let reached = |milestone: Milestone| world.news.reached(milestone);
            let seen = SOMETIMES.iter().filter(|(_, one)| reached(*one));
            self.reached.extend(seen.map(|(name, _)| *name));
            if !self.broken.is_empty() {
                break;
            }
        }
        world
    }
}

/// A step that changes something.
fn step(scenario: &Scenario, world: &World, chance: &mut StdRng) -> Option<(Step, World)> {
    let mut steps = Vec::new();
    scenario.actions(world, &mut steps);
    let free: Vec<Step> = (steps.iter().copied())
        .filter(|step| world.left.is_free(*step))
        .collect();
    let mut groups = if chance.random_bool(FREE) {
        [free, steps]
    } else {
        [steps, free]
    };
    for group in &mut groups {
        while let Some(at) = group.choose(chance).copied() {
            if let Some(next) = scenario.next_state(world, at) {
                return Some((at, next));
            }
            group.retain(|step| *step != at);
        }
    }
    None
}

impl fmt::Display for Walks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} walks from seed {}, {} steps, {} states in the calms after them",
            self.walks, self.seed, self.steps, self.calms
        )?;
        for (name, story) in &self.broken {
            write!(f, "\n  BROKEN: {name}\n{story}")?;
        }
        Ok(())
    }
}
