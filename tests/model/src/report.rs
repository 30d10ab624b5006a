//! The check of a scenario, and its result.

use std::{
    collections::BTreeSet,
    fmt,
    num::NonZeroUsize,
    thread,
    time::{Duration, Instant},
};

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path};

use crate::{properties::ALWAYS, scenario::Scenario, step::Step, step_log::Rule, world::World};

/// The result of the check of a scenario.
#[derive(Clone, Debug)]
pub struct Report {
    /// The scenario's name.
    pub name: &'static str,
    /// The number of different states.
    pub states: usize,
    /// The number of steps to the state that is farthest from the start.
    pub depth: usize,
    /// How long the check took.
    pub took: Duration,
    /// The properties that don't hold, each with a counterexample.
    pub broken: Vec<(&'static str, String)>,
    /// The milestones that were reached.
    pub reached: BTreeSet<&'static str>,
}

/// Explores the whole scenario.
#[must_use]
pub fn check(scenario: &Scenario) -> Report {
    let started = Instant::now();
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let checker = scenario.clone().checker().threads(threads);
    let checker = checker.spawn_bfs().join();
    let mut report = Report {
        name: scenario.name,
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: started.elapsed(),
        broken: Vec::new(),
        reached: BTreeSet::new(),
    };
    for (name, path) in checker.discoveries() {
        match checker.model().property(name).expectation {
            Expectation::Always | Expectation::Eventually => {
                report.broken.push((name, trace(path)));
            }
            Expectation::Sometimes => {
                report.reached.insert(name);
            }
        }
    }
    report
}

/// The shortest trace to a state that breaks the rule, if the scenario has one.
#[must_use]
pub fn counterexample(scenario: &Scenario, rule: Rule) -> Option<String> {
    let (name, _) = ALWAYS.iter().find(|(_, known)| *known == rule)?;
    let until = HasDiscoveries::AnyOf([*name].into());
    let checker = scenario.clone().checker().threads(1).finish_when(until);
    let checker = checker.spawn_bfs().join();
    checker.discovery(name).map(trace)
}

/// Each step of a path, with the world that it led to.
fn trace(path: Path<World, Step>) -> String {
    let mut trace = String::new();
    let mut last = None;
    for (world, step) in path.into_vec() {
        trace += &trace_entry(last, &world);
        last = step;
    }
    trace
}

/// A step, or the start where there is none, with the world that it led to.
pub(crate) fn trace_entry(step: Option<Step>, world: &World) -> String {
    let step = step.map_or_else(|| "start".into(), |step| format!("{step:?}"));
    let objects = world.slots.iter().map(|slot| match &slot.stored {
        Some(stored) => format!("    {:?}\n", stored.object),
        None => "    no object\n".into(),
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
        for (name, trace) in &self.broken {
            write!(f, "\n  BROKEN: {name}\n{trace}")?;
        }
        Ok(())
    }
}
