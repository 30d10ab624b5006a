//! `status --watch`: frames on a terminal, and one row for each change anywhere else.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the list, its changes and the events | `follow.rs` |
//! | what is known, as the lines of a frame | `frame.rs` |
//! | the terminal | `terminal.rs` |
//! | one row for each change | `rows.rs` |

mod follow;
mod frame;
mod rows;
mod terminal;

use std::time::Duration;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{self, Receiver},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use crate::{
    cli::{Output, StatusArgs},
    console::Console,
    fetch::Scope,
    outcome::{Failure, Outcome},
    renewable::Renewable,
    when::Now,
};
use follow::Update;
use frame::Known;
use rows::Rows;
use terminal::Terminal;

/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(200);

/// How often a whole frame is drawn where nothing changes, because ages do.
const AGES: Duration = Duration::from_secs(1);

/// The number of updates that may wait for a frame.
const WAITING: usize = 64;

/// Shows one object or many until Ctrl-C.
///
/// # Errors
///
/// The objects can't be read at first, or standard output can't be written.
pub async fn run(
    sessions: &Renewable,
    args: &StatusArgs,
    console: &Console,
) -> Result<Outcome, Failure> {
    let session = sessions.current().await;
    let namespace = (!args.chosen.all_namespaces).then_some(session.namespace.as_str());
    let scope = Scope {
        namespace,
        selector: args.chosen.selector.as_deref(),
        name: args.chosen.name.as_deref(),
    };
    // A name that doesn't exist, missing rights and an unknown cluster are errors as without -w.
    let first = match scope.name {
        Some(name) => {
            session.get(name).await?;
            None
        }
        None => Some(session.listed(scope).await?),
    };
    let wide = args.output == Some(Output::Wide);
    let (send, updates) = mpsc::channel(WAITING);
    let follow = follow::follow(sessions, scope, first, send);
    let window = console.window();
    let show = async {
        if window.is_some() {
            frames(Known::new(scope, wide), updates, console).await
        } else {
            changes(Rows::new(scope, wide), updates, console).await
        }
    };
    tokio::select! {
        () = follow => Ok(Outcome::Done),
        outcome = show => outcome,
    }
}

/// Draws frames until Ctrl-C, and prints the last one.
async fn frames(
    mut known: Known<'_>,
    mut updates: Receiver<Update>,
    console: &Console,
) -> Result<Outcome, Failure> {
    let mut end = End::new()?;
    let mut resized = signal(SignalKind::window_change()).map_err(|error| error.to_string())?;
    let stop = SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw());
    let mut stopped = signal(stop).map_err(|error| error.to_string())?;
    let mut ages = interval(AGES);
    ages.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut terminal = Terminal::open(console)?;
    let mut next = Instant::now();
    let mut changed = false;
    loop {
        tokio::select! {
            update = updates.recv() => {
                let Some(update) = update else { break };
                known.apply(update);
                changed = true;
            }
            _ = resized.recv() => changed = true,
            _ = ages.tick() => {
                terminal.forget();
                changed = true;
            }
            _ = stopped.recv() => {
                terminal.stop()?;
                changed = true;
            }
            () = sleep_until(next), if changed => {
                terminal.draw(&known, &Now::here())?;
                changed = false;
                next = Instant::now() + FRAME;
            }
            () = end.wait() => break,
        }
    }
    // What arrived since the last frame is in the printed one.
    let last = terminal.frame(&known, &Now::here());
    drop(terminal);
    console.print(&(last.join("\n") + "\n"))?;
    Ok(Outcome::Interrupted)
}

/// Prints a row for each change until Ctrl-C.
async fn changes(
    mut rows: Rows<'_>,
    mut updates: Receiver<Update>,
    console: &Console,
) -> Result<Outcome, Failure> {
    let mut end = End::new()?;
    loop {
        tokio::select! {
            update = updates.recv() => match update {
                Some(update) => rows.tell(update, console)?,
                None => return Ok(Outcome::Done),
            },
            () = end.wait() => return Ok(Outcome::Interrupted),
        }
    }
}

/// The signals that end a run. The terminal is set back first.
struct End {
    signals: [tokio::signal::unix::Signal; 3],
}

impl End {
    fn new() -> Result<Self, Failure> {
        let of = |kind| signal(kind).map_err(|error| error.to_string());
        Ok(Self {
            signals: [
                of(SignalKind::interrupt())?,
                of(SignalKind::terminate())?,
                of(SignalKind::hangup())?,
            ],
        })
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests;
