//! `kubectl oxen` shows and changes OxenModels from the terminal. Only this module ends the
//! process.
//!
//! Data goes to standard output, and messages go to standard error. Texts of the hub and of the
//! cluster lose their control characters before they are shown.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | flags and commands | `cli/` |
//! | one file for each command | `cmd/` |
//! | `doctor`, with a file for each group of checks | `doctor/` |
//! | standard output, standard error, width and colour | `console.rs` |
//! | how a run ends, and its exit code | `outcome.rs` |
//! | errors as sentences | `explain/` |
//! | the kubeconfig, as kubectl reads it | `kubeconfig/`, `proxy.rs`, `exec.rs` |
//! | a connection to one cluster, and its renewal | `session.rs`, `renewable.rs` |
//! | objects and events | `fetch.rs`, `item.rs` |
//! | the API key, and what a Secret says of it | `key.rs` |
//! | the hub; the hub and the cluster together | `hub.rs`, `reach.rs` |
//! | which OxenModels manage which models | `objects.rs` |
//! | the hub's models as a table; their prices | `catalog.rs`, `price.rs` |
//! | manifests of models that exist already | `manifest/` |
//! | `-v` | `verbose.rs` |
//! | what the operator does next | `next.rs` |
//! | what a person should do | `fix.rs` |
//! | the screen of one object; the table of many | `screen/`, `overview.rs` |
//! | what the models have used and cost | `usage.rs`, `cost/` |
//! | when a model is active, as bars and as a table | `schedule/` |
//! | `--watch` | `live/` |
//! | `-o json`, `yaml` and `name` | `output.rs` |
//! | a change of objects, and its refusals | `steer.rs`, `refuse.rs` |
//! | candidates for a word that is being typed | `complete.rs` |
//! | waiting for a change: the pure machine, and its driver | `wait/`, `watch/` |
//! | tables, wrapped text, ages, times, amounts | `table.rs`, `clean.rs`, `age.rs`, `when.rs`, `amount.rs` |
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod age;
mod amount;
mod catalog;
mod clean;
mod cli;
mod cmd;
mod complete;
mod console;
mod cost;
mod doctor;
mod exec;
mod explain;
mod fetch;
mod fix;
#[cfg(test)]
mod golden;
mod hub;
mod item;
mod key;
mod kubeconfig;
mod live;
mod manifest;
mod next;
mod objects;
mod outcome;
mod output;
mod overview;
mod price;
#[cfg(test)]
mod properties;
mod proxy;
mod reach;
mod refuse;
mod renewable;
mod schedule;
mod screen;
mod session;
mod steer;
mod table;
mod usage;
mod verbose;
mod wait;
mod watch;
mod when;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, error::ErrorKind};

use cli::{Cli, Command};
use console::Console;
use outcome::{Failure, Outcome};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == complete::COMMAND) {
        // kubectl falls back to the names of files if this fails, so it never does.
        let _ = Console::new(cli::Color::Never).print(&complete::answer(words.collect()));
        return ExitCode::SUCCESS;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let console = Console::new(cli.global.color);
    let outcome = match run(cli, &console) {
        Ok(outcome) => outcome,
        // The reader of a pipe went away. That is no error.
        Err(Failure::ReaderGone) => Outcome::Done,
        Err(Failure::Because(sentence)) => {
            console.error(&sentence);
            Outcome::Failed
        }
    };
    ExitCode::from(outcome.code())
}

/// Prints what clap has to say. Its own exit code of a wrong usage is 2, which means "stalled"
/// here.
fn usage(error: &clap::Error) -> ExitCode {
    let asked = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    let _ = error.print();
    let outcome = if asked {
        Outcome::Done
    } else {
        Outcome::Failed
    };
    ExitCode::from(outcome.code())
}

fn run(cli: Cli, console: &Console) -> Result<Outcome, Failure> {
    let Some(command) = cli.command else {
        console.print(&Cli::command().render_help().to_string())?;
        return Ok(Outcome::Done);
    };
    // One connection and a few requests need no other threads.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Because(format!("no runtime: {error}")))?;
    if let Some(warning) = when::Now::here().warning() {
        console.warn(warning);
    }
    let global = cli.global.without_empty_values();
    let outcome = runtime.block_on(dispatch(global, command, console));
    // A name that is still being resolved delays no exit.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(
    global: cli::Global,
    command: Command,
    console: &Console,
) -> Result<Outcome, Failure> {
    match command {
        Command::Status(args) => cmd::status::run(&global, &args, console).await,
        Command::Cost(args) => cmd::cost::run(&global, &args, console).await,
        Command::Schedule(args) => cmd::schedule::run(&global, &args, console).await,
        Command::On(args) => {
            cmd::switch::run(&global, cmd::switch::Switch::On, &args, console).await
        }
        Command::Off(args) => {
            cmd::switch::run(&global, cmd::switch::Switch::Off, &args, console).await
        }
        Command::Auto(args) => cmd::auto::run(&global, &args, console).await,
        Command::Reconcile(args) => cmd::reconcile::run(&global, &args, console).await,
        Command::Suspend(args) => cmd::suspend::run(&global, true, &args, console).await,
        Command::Resume(args) => cmd::suspend::run(&global, false, &args, console).await,
        Command::Release(args) => cmd::release::run(&global, &args, console).await,
        Command::Completion(args) => cmd::completion::run(&args, console),
        Command::Models(args) => cmd::models::run(&global, &args, console).await,
        Command::Search(args) => cmd::models::search(&global, &args, console).await,
        Command::Model(args) => cmd::model::run(&global, &args, console).await,
        Command::Import(args) => cmd::import::run(&global, &args, console).await,
        Command::Doctor(args) => doctor::run(&global, &args, console).await,
    }
}
