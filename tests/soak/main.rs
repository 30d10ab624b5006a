//! Many models, two operators and faults of all kinds, for a while. Then the faults end, and every
//! object has to settle, after which nothing may be called or written any more.
//!
//! `OXEN_SOAK_SECONDS` is the duration, and `OXEN_SOAK_SEED` the seed of the events. The same seed
//! gives the same events in the same order; the timing of the processes is not part of it.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the sequence of events, from the seed | `script.rs` |
//! | the cluster, the hub and the operators that the events apply to | `environment.rs` |
//! | the rules that every record and every call have to follow | `monitor.rs` |
//! | whether an object has settled | `settled.rs` |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

mod environment;
mod monitor;
mod script;
mod settled;

use std::{
    env,
    time::{Duration, Instant},
};

use environment::Environment;
use script::Script;

/// The time between two events.
const INTERVAL: Duration = Duration::from_millis(50);

/// The time in which all objects have to settle, on a machine that may be busy.
const SETTLING: Duration = Duration::from_secs(180);

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_breaks_a_rule_and_everything_settles_after_the_faults() {
    let (seconds, seed) = (
        setting("OXEN_SOAK_SECONDS", 60),
        setting("OXEN_SOAK_SEED", 1),
    );
    println!("OXEN_SOAK_SEED={seed} OXEN_SOAK_SECONDS={seconds}");
    let mut environment = Environment::start().await;
    let (mut script, began) = (Script::new(seed), Instant::now());
    let mut interval = tokio::time::interval(INTERVAL);
    while began.elapsed() < Duration::from_secs(seconds) {
        interval.tick().await;
        environment.apply(script.next()).await;
        environment.monitor.assert_no_violation(seed);
    }
    println!("{}", environment.monitor.summary());
    environment.end_faults().await;
    let settled = environment.settle(SETTLING).await;
    environment.monitor.assert_no_violation(seed);
    println!("{}", environment.monitor.summary());
    match settled {
        Ok(summary) => println!("{summary}"),
        Err(problem) => panic!("seed {seed}: {problem}"),
    }
}
