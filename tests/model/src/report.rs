//! A check, and what it came to.

use std::{
    collections::BTreeSet,
    fmt,
    num::NonZeroUsize,
    thread,
    time::{Duration, Instant},
};

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path};

use crate::{news::Rule, properties::ALWAYS, scenario::Scenario, step::Step, world::World};

/// What the check of a scenario came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// The scenario.
    pub name: &'static str,
    /// Different states.
    pub states: usize,
    /// Steps in the longest of the shortest ways to any of them.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Properties that don't hold, each with a way there.
    pub broken: Vec<(&'static str, String)>,
    /// Things that were reached.
    pub reached: BTreeSet<&'static str>,
}

/// Explores the whole scenario.
#[must_use]
pub fn check(scenario: &Scenario) -> Report {
    let began = Instant::now();
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let checker = scenario.clone().checker().threads(threads);
    let checker = checker.spawn_bfs().join();
    let mut report = Report {
        name: scenario.name,
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: began.elapsed(),
        broken: Vec::new(),
        reached: BTreeSet::new(),
    };
    for (name, path) in checker.discoveries() {
        match checker.model().property(name).expectation {
            Expectation::Always | Expectation::Eventually => {
                report.broken.push((name, story(path)));
            }
            Expectation::Sometimes => {
                report.reached.insert(name);
            }
        }
    }
    report
}

/// The shortest way to a state that breaks the rule, if there is one in the scenario.
#[must_use]
pub fn finds(scenario: &Scenario, rule: Rule) -> Option<String> {
    let (name, _) = ALWAYS.iter().find(|(_, known)| *known == rule)?;
    let until = HasDiscoveries::AnyOf([*name].into());
    let checker = scenario.clone().checker().threads(1).finish_when(until);
    let checker = checker.spawn_bfs().join();
    checker.discovery(name).map(story)
}

/// Each step with the world that it led to.
fn story(path: Path<World, Step>) -> String {
    let mut story = String::new();
    let mut last = None;
    for (world, step) in path.into_vec() {
        story += &chapter(last, &world);
        last = step;
    }
    story
}

pub(crate) fn chapter(step: Option<Step>, world: &World) -> String {
    let step = step.map_or_else(|| "at first".into(), |step| format!("{step:?}"));
    let objects = world.slots.iter().map(|slot| match &slot.stored {
        Some(stored) => format!("    {:?}\n", stored.object),
        None => "    none\n".into(),
    });
    format!(
        "  {step}\n    {:?}, leader {:?}\n{}",
        world.hub,
        world.leader,
        objects.collect::<String>()
    )
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} states, depth {}, {:.1} s",
            self.name,
            self.states,
            self.depth,
            self.took.as_secs_f64()
        )?;
        for (name, story) in &self.broken {
            write!(f, "\n  BROKEN: {name}\n{story}")?;
        }
        Ok(())
    }
}
