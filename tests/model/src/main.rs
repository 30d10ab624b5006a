//! `make check-model`: explores the scenarios and prints what they came to.
#![allow(clippy::print_stdout)] // a program for people

use std::{collections::BTreeSet, process::ExitCode};

use clap::Parser;
use model::{ALWAYS, Report, SOMETIMES, bounded, calm, check, deep, endings, mix, walk};

/// Explores every order of events around the operator's decision, within bounds.
#[derive(Parser)]
struct Arguments {
    /// The wider bounds: they take an hour or more, and gigabytes of memory.
    #[arg(long)]
    deep: bool,
    /// Only the scenarios whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// Random walks through everything at once; as many as the bounds suggest where it isn't said.
    #[arg(long)]
    walks: Option<usize>,
    /// What the walks are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Walks within a test run's time, and within the deeper check's.
const WALKS: [usize; 2] = [2_000, 100_000];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let scenarios = if arguments.deep { deep() } else { bounded() };
    let chosen = |name: &str| name.contains(&arguments.only);
    let mut reports = Vec::new();
    println!("Safety:");
    for scenario in scenarios.iter().filter(|one| chosen(one.name)) {
        let report = check(scenario);
        println!("  {report}");
        reports.push(report);
    }
    let mut holds = verdicts(&reports, arguments.only.is_empty());
    println!("\nLiveness, once faults stop:");
    for scenario in endings().iter().filter(|one| chosen(one.name)) {
        let calm = calm(scenario);
        println!(
            "  {}: {} states, {} ends",
            scenario.name, calm.states, calm.ends
        );
        for (why, world) in &calm.faults {
            println!("    BROKEN: {why}: {world:?}");
        }
        holds &= calm.faults.is_empty();
    }
    let (mix, deep) = (mix(), usize::from(arguments.deep));
    if chosen(mix.name) {
        println!("\nBoth, by random walks:");
        let walks = walk(&mix, arguments.walks.unwrap_or(WALKS[deep]), arguments.seed);
        println!("  {}: {walks}", mix.name);
        holds &= walks.broken.is_empty();
    }
    if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints each property's verdict. What must be possible is asked of all scenarios together.
fn verdicts(reports: &[Report], whole: bool) -> bool {
    let states: usize = reports.iter().map(|report| report.states).sum();
    println!("\n{states} states in all. What always holds:");
    let broken: BTreeSet<&str> = reports
        .iter()
        .flat_map(|report| report.broken.iter().map(|(name, _)| *name))
        .collect();
    for (name, _) in ALWAYS {
        println!(
            "  {} {name}",
            if broken.contains(name) {
                "BROKEN"
            } else {
                "holds "
            }
        );
    }
    println!("\nWhat was seen to be possible:");
    let reached: BTreeSet<&str> = reports
        .iter()
        .flat_map(|report| report.reached.clone())
        .collect();
    for (name, _) in SOMETIMES {
        println!(
            "  {} {name}",
            if reached.contains(name) {
                "seen "
            } else {
                "NEVER"
            }
        );
    }
    broken.is_empty() && (!whole || reached.len() == SOMETIMES.len())
}
