//! `make check-model`: explores the scenarios and prints the results.
#![allow(clippy::print_stdout)] // a program for people

use std::{collections::BTreeSet, process::ExitCode};

use clap::Parser;
use model::{
    ALWAYS, BUDGET_MILESTONES, Counting, Report, SOMETIMES, bounded, check, check_budgets,
    combined, converge, deep, liveness, walk,
};

/// Explores every order of events around the operator's decision, within bounds.
#[derive(Parser)]
struct Arguments {
    /// Use wider bounds, which take an hour or more and gigabytes of memory.
    #[arg(long)]
    deep: bool,
    /// Run only the scenarios whose name contains this text.
    #[arg(long, default_value = "")]
    only: String,
    /// The number of random walks [default: 2000, or 100000 with --deep].
    #[arg(long)]
    walks: Option<usize>,
    /// The seed of the random walks.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The numbers of walks within the bounds and within the wider bounds.
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
    let mut holds = print_properties(&reports, arguments.only.is_empty());
    println!("\nLiveness, when faults stop:");
    for scenario in liveness().iter().filter(|one| chosen(one.name)) {
        let convergence = converge(scenario);
        println!(
            "  {}: {} states, {} fair components",
            scenario.name, convergence.states, convergence.components
        );
        for (why, world) in &convergence.faults {
            println!("    BROKEN: {why}: {world:?}");
        }
        holds &= convergence.faults.is_empty();
    }
    if chosen("budgets") {
        holds &= print_budgets();
    }
    let (combined, deep) = (combined(), usize::from(arguments.deep));
    if chosen(combined.name) {
        println!("\nSafety and liveness, on random walks:");
        let walks = arguments.walks.unwrap_or(WALKS[deep]);
        let walks = walk(&combined, walks, arguments.seed);
        println!("  {}: {walks}", combined.name);
        holds &= walks.broken.is_empty();
    }
    if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Checks two models with a budget that has room for one, and prints the result. Returns true when
/// no property is broken and every milestone is reached.
fn print_budgets() -> bool {
    let report = check_budgets(Counting::Production);
    println!(
        "\nTwo models and a budget that has room for one: {} states",
        report.states
    );
    for name in &report.broken {
        println!("  BROKEN {name}");
    }
    for name in BUDGET_MILESTONES {
        let reached = report.reached.contains(name);
        println!("  {} {name}", if reached { "reached" } else { "MISSED " });
    }
    report.broken.is_empty() && report.reached.len() == BUDGET_MILESTONES.len()
}

/// Prints the result of each property. `whole` says that all scenarios were checked, so that every
/// milestone must be reached in one of them. Returns true when no property is broken.
fn print_properties(reports: &[Report], whole: bool) -> bool {
    let states: usize = reports.iter().map(|report| report.states).sum();
    println!("\n{states} states in all scenarios. What must always hold:");
    let broken: BTreeSet<&str> = reports
        .iter()
        .flat_map(|report| report.broken.iter().map(|(name, _)| *name))
        .collect();
    for (name, _) in ALWAYS {
        let result = if broken.contains(name) {
            "BROKEN"
        } else {
            "holds "
        };
        println!("  {result} {name}");
    }
    println!("\nWhat must be reached in some scenario:");
    let reached: BTreeSet<&str> = reports
        .iter()
        .flat_map(|report| report.reached.clone())
        .collect();
    for (name, _) in SOMETIMES {
        let result = match (reached.contains(name), whole) {
            (true, _) => "reached",
            (false, true) => "MISSED ",
            (false, false) => "-      ",
        };
        println!("  {result} {name}");
    }
    broken.is_empty() && (!whole || reached.len() == SOMETIMES.len())
}
