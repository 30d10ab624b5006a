//! What the tests share.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | one object and reconciles over it, without a cluster and a hub | `simulation.rs` |
//! | a control plane, a simulated hub and operators | `world.rs` |
//! | Flux, which takes over fields of kubectl | `flux.rs` |
//! | a TCP server that answers with any bytes | `raw.rs` |
//! | certificate authorities, and a hub behind TLS | `tls.rs` |
//! | time zones for property tests | `zones.rs` |
// This crate is for tests: a failed expectation is a failed test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod flux;
pub mod raw;
pub mod simulation;
pub mod tls;
pub mod world;
pub mod zones;
