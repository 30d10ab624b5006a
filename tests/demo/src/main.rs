//! Demonstrates the operator on a local control plane: `make demo`, `make demo-up` and
//! `make demo-down`.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the walkthrough of `make demo` | `walkthrough.rs` |
//! | the environment: control plane, hub, operator, CRD, namespace, API key | `environment.rs` |
//! | the operator's process, which is stopped when the demo ends | `operator.rs`, `supervise.sh` |
//! | the manifests in `examples/`, and the reason that each has to reach | `sample.rs` |
//! | the table of OxenModels, and waiting for a state | `table.rs` |
//! | the demo in the background: up, serve, down | `background.rs`, `folder.rs` |
//! | the output | `console.rs` |

mod background;
mod console;
mod environment;
mod folder;
mod operator;
mod sample;
mod table;
mod walkthrough;

use std::error::Error;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::console::Console;
use crate::environment::Paths;
use crate::folder::Folder;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// The exit code that shells use for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// How long after a failure the demo waits for a signal. Ctrl-C also ends a running kubectl, and
/// the demo can notice that failure before its own signal.
const SIGNAL_DELAY: Duration = Duration::from_millis(200);

/// Demonstrates the operator on a local control plane.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,

    /// The operator's program
    #[arg(long, global = true, default_value = "target/debug/oxen-operator")]
    operator: PathBuf,

    /// The folder with the samples
    #[arg(long, global = true, default_value = "examples")]
    examples: PathBuf,

    /// The folder for the files of a demo in the background
    #[arg(long, global = true, default_value = ".demo")]
    folder: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Demonstrate the samples, and then stop everything
    Run,
    /// Start everything and keep it running in the background
    Up,
    /// Stop what `up` started
    Down,
    /// Run the process that `up` starts in the background
    #[command(hide = true)]
    Serve,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let console = Console::new();
    let mut shutdown = pin!(shutdown_signal());
    let result = tokio::select! {
        biased;
        signal = &mut shutdown => {
            // The other future is dropped at this point, and with it everything that it started.
            let interrupted = signal.is_ok();
            return exit_code(console, signal.map_err(Failure::from), interrupted);
        }
        result = run_command(args, console) => result,
    };
    let interrupted = result.is_err() && timeout(SIGNAL_DELAY, shutdown).await.is_ok();
    exit_code(console, result, interrupted)
}

/// Prints how the demo ended, and returns its exit code.
fn exit_code(console: Console, result: Result<()>, interrupted: bool) -> ExitCode {
    if interrupted {
        console.print("\nInterrupted. Everything that the demo started is stopped.");
        return ExitCode::from(INTERRUPTED);
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console.print(&format!("\ndemo: {}", with_causes(failure.as_ref())));
            ExitCode::FAILURE
        }
    }
}

async fn run_command(args: Args, console: Console) -> Result<()> {
    let paths = Paths {
        operator: args.operator,
        examples: args.examples,
    };
    match args.command {
        Command::Run => walkthrough::run(&paths, console).await,
        Command::Up => background::up(&paths, &Folder::new(&args.folder)?, console).await,
        Command::Serve => background::serve(&paths, &Folder::new(&args.folder)?, console).await,
        Command::Down => background::down(&Folder::new(&args.folder)?, console).await,
    }
}

async fn shutdown_signal() -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Formats an error with all its causes.
fn with_causes(failure: &dyn Error) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
