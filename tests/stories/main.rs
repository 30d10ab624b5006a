//! Stories on a real API server with the hub's simulator and the operator as a process of its
//! own. One file per story; `world.rs` has what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::duplicate_mod,
    missing_docs
)]

mod activation;
mod claims;
mod deletion;
mod faults;
mod idempotence;
mod kills;
mod lifecycle;
mod restart;
mod world;
