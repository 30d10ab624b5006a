//! Many models, two operators, and everything that can go wrong, for a while; then calm, in which
//! every object must come to rest and nothing may be called or written any more.
//!
//! `OXEN_SOAK_SECONDS` says for how long, `OXEN_SOAK_SEED` what happens. The same seed makes the
//! same things happen in the same order; how the processes meet them is up to the machine.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | what happens next, from the seed | `script.rs` |
//! | it happens | `stage.rs` |
//! | the onlooker who sees every record and every call | `witness.rs` |
//! | whether an object has come to rest | `rest.rs` |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

mod rest;
mod script;
mod stage;
mod witness;
#[path = "../stories/world.rs"]
mod world;

use std::{
    env,
    time::{Duration, Instant},
};

use script::Script;
use stage::Stage;

/// Between two things that happen.
const BEAT: Duration = Duration::from_millis(50);

/// Time for everything to come to rest, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(180);

fn setting(name: &str, or: u64) -> u64 {
    env::var(name).map_or(or, |text| text.parse().expect(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_no_call_breaks_a_rule_and_afterwards_there_is_silence() {
    let (seconds, seed) = (
        setting("OXEN_SOAK_SECONDS", 60),
        setting("OXEN_SOAK_SEED", 1),
    );
    println!("OXEN_SOAK_SEED={seed} OXEN_SOAK_SECONDS={seconds}");
    let mut stage = Stage::set().await;
    let (mut script, began) = (Script::new(seed), Instant::now());
    let mut beat = tokio::time::interval(BEAT);
    while began.elapsed() < Duration::from_secs(seconds) {
        beat.tick().await;
        stage.play(script.next()).await;
        stage.witness.verdict(seed);
    }
    println!("{}", stage.witness.account());
    stage.calm().await;
    let rested = stage.rest(PATIENCE).await;
    stage.witness.verdict(seed);
    println!("{}", stage.witness.account());
    match rested {
        Ok(account) => println!("{account}"),
        Err(unrest) => panic!("seed {seed}: {unrest}"),
    }
}
