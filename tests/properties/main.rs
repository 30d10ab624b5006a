//! What holds for every answer that a hub could give, and for every way that an object could go.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

// As the library's own tests name them: the bench is theirs.
use oxen_operator::{api, decide};

#[path = "../../src/decide/tests/bench.rs"]
mod bench;
mod client;
mod decision;
mod events;
#[path = "../wire/raw.rs"]
mod raw;
mod story;

use proptest::test_runner::Config;

/// So many cases, and no file left behind by one that fails: its input is printed.
fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}
