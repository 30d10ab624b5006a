//! The benchmark: the operator beside the least controller, with a real control plane and the
//! simulated hub. `docs/performance.md` explains the measures.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the scenarios: numbers of objects, settings and time limits | `scenario.rs` |
//! | the phases of one run, and what is measured in each | `run.rs` |
//! | the measures of a run | `measure.rs` |
//! | the table and the JSON | `table.rs` |
//! | the control plane, the hub and the objects | `world.rs` |
//! | the process of a controller: start, stop, CPU time and memory | `process.rs` |
//! | the kubectl plugin beside kubectl's own command | `plugin.rs` |
//! | the requests that the hub received | `hub_requests.rs` |
//! | the requests that the API server answered | `kube_requests.rs` |
//! | a watch that counts the objects that are Ready | `ready.rs` |
//! | the least controller | `least.rs` |
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod hub_requests;
mod kube_requests;
mod least;
mod measure;
mod plugin;
mod process;
mod ready;
mod run;
mod scenario;
mod table;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::process::{Kind, Program};
use crate::scenario::Scenario;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

/// Measures the operator beside the least controller.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// The scenario to run; can be repeated. By default, all but the largest run
    #[arg(long = "scenario", value_name = "NAME", value_enum)]
    scenarios: Vec<Scenario>,

    /// Run only this controller
    #[arg(long, value_enum)]
    only: Option<Kind>,

    /// The operator's program. By default it is the one beside this program
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,

    /// Print JSON in place of tables
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run the least controller, which the benchmark starts as a process of its own
    #[command(hide = true)]
    Least(least::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.command {
        Some(Command::Least(args)) => least::run(args).await,
        None => bench(args).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn bench(args: Args) -> Result<()> {
    let scenarios = if args.scenarios.is_empty() {
        Scenario::DEFAULT.to_vec()
    } else {
        args.scenarios
    };
    let kinds = args
        .only
        .map_or(Kind::value_variants().to_vec(), |kind| vec![kind]);
    let mut runs = Vec::new();
    for scenario in scenarios {
        let first = runs.len();
        for kind in &kinds {
            let program = Program::find(*kind, args.operator.as_deref())?;
            runs.push(run::run(scenario, &program).await?);
        }
        if !args.json {
            println!("{}", table::markdown(scenario, &runs[first..]));
        }
    }
    if args.json {
        println!("{}", table::json(&runs)?);
    }
    Ok(())
}
