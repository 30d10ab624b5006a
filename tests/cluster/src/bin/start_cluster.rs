//! Starts a cluster and then exits or waits. The tests in `tests/cleanup.rs` use it to check that
//! nothing of the cluster remains.
//!
//! The argument is `panic` to panic, `exit` to exit normally, or `wait` to wait for a signal.
#![allow(clippy::panic)] // the argument `panic` requests it

use cluster::{Cluster, Error};
use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

// Tests share a cluster in the same way. A static value is never dropped.
static SHARED: OnceLock<Cluster> = OnceLock::new();

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let cluster = Cluster::start().await?;
    let _ = writeln!(std::io::stdout(), "the cluster is ready");
    if mode == "panic" {
        panic!("the argument `panic` requests a panic");
    }
    let _ = SHARED.set(cluster);
    if mode == "wait" {
        std::thread::sleep(Duration::from_secs(600));
    }
    Ok(())
}
