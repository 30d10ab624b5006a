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
mod bad_input;
mod claims;
mod credentials;
mod deletion;
mod deployments;
mod drift;
mod faults;
mod idempotence;
mod kills;
mod kube;
mod kubectl;
mod leadership;
mod lifecycle;
mod namespaces;
mod pace;
mod restart;
mod suspend;
mod world;
