//! Shows the operator at work on a local control plane: `make demo`, `make demo-up` and `make demo-down`.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the show: two acts and an end | `show.rs` |
//! | what it plays on: control plane, hub, operator, CRD, namespace, key | `stage.rs` |
//! | the operator's process, which can't outlive us | `operator.rs`, `supervise.sh` |
//! | the manifests of `examples/`, and what each must reach | `sample.rs` |
//! | the tables, and waiting for what they show | `board.rs` |
//! | the demo that stays: up, serve, down | `background.rs`, `folder.rs` |

mod background;
mod board;
mod folder;
mod operator;
mod sample;
mod show;
mod stage;
mod voice;

use std::error::Error;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::folder::Folder;
use crate::stage::Props;
use crate::voice::Voice;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// How long after something else's failure a Ctrl-C may come that caused it.
const ECHO: Duration = Duration::from_millis(200);

/// Shows the operator at work on a local control plane.
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

    /// Where a demo that stays keeps its files
    #[arg(long, global = true, default_value = ".demo")]
    folder: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Show the samples at work, and stop all that was started
    Run,
    /// Start everything and leave it running
    Up,
    /// Stop what `up` started
    Down,
    /// What `up` runs in the background
    #[command(hide = true)]
    Serve,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let voice = Voice::new();
    let mut stopping = pin!(asked_to_stop());
    let done = tokio::select! {
        biased;
        stopped = &mut stopping => {
            // What was performed is dropped by now, and with it all that it started.
            let interrupted = stopped.is_ok();
            return end(voice, stopped.map_err(Failure::from), interrupted);
        }
        done = perform(args, voice) => done,
    };
    // Ctrl-C also reaches the kubectl that may run just then, whose failure is no news.
    let interrupted = done.is_err() && timeout(ECHO, stopping).await.is_ok();
    end(voice, done, interrupted)
}

fn end(voice: Voice, done: Result<()>, interrupted: bool) -> ExitCode {
    if interrupted {
        voice.line("\nInterrupted; everything that was started is stopped.");
        return ExitCode::from(INTERRUPTED);
    }
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            voice.line(&format!("\ndemo: {}", chain(failure.as_ref())));
            ExitCode::FAILURE
        }
    }
}

async fn perform(args: Args, voice: Voice) -> Result<()> {
    let props = Props {
        operator: args.operator,
        examples: args.examples,
    };
    match args.command {
        Command::Run => show::run(&props, voice).await,
        Command::Up => background::up(&props, &Folder::new(&args.folder)?, voice).await,
        Command::Serve => background::serve(&props, &Folder::new(&args.folder)?, voice).await,
        Command::Down => background::down(&Folder::new(&args.folder)?, voice).await,
    }
}

async fn asked_to_stop() -> std::io::Result<()> {
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

/// An error with all its causes, each said once.
fn chain(failure: &dyn Error) -> String {
    let mut words = failure.to_string();
    let mut cause = failure.source();
    while let Some(source) = cause {
        words = format!("{words}: {source}");
        cause = source.source();
    }
    words
}
