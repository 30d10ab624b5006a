//! Holds a cluster until it is ended, for the tests that see to it that nothing is left behind.
//!
//! The argument says how it ends: `panic`, `end`, or `wait` for somebody to end it.
#![allow(clippy::panic)] // one of the ways to end

use cluster::{Cluster, Error};
use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

// As tests share one. What is static is never dropped.
static SHARED: OnceLock<Cluster> = OnceLock::new();

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let role = std::env::args().nth(1).unwrap_or_default();
    let cluster = Cluster::start().await?;
    let _ = writeln!(std::io::stdout(), "the cluster is up");
    if role == "panic" {
        panic!("as a failing test does");
    }
    let _ = SHARED.set(cluster);
    if role == "wait" {
        std::thread::sleep(Duration::from_secs(600));
    }
    Ok(())
}
