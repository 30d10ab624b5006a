//! What holds for every response that a hub could give, and for every sequence of events that an
//! object could see.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | responses of any bytes to the hub's client | `client.rs` |
//! | events of any kind to an object | `decision.rs`, `events.rs` |
//! | an observer of an object, who judges each reconcile | `observer.rs` |
//! | what the observer itself knows of the object's past | `past.rs` |
//! | the rules that each reconcile is judged by | `case.rs` |
//! | schedules of any windows, in many zones | `schedule.rs` |
//! | usage over any history | `usage.rs` |
//! | a warm-up that is learned from activations of any duration | `warm_up.rs` |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod case;
mod client;
mod decision;
mod events;
mod observer;
mod past;
mod schedule;
mod usage;
mod warm_up;

use proptest::test_runner::Config;

/// A configuration with this many cases. A case that fails is printed, and leaves no file behind.
fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}
