//! The decision as tables, with one file for each of its parts.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | live status x desired state, suspend, observe-only mode, deadlines, ownership | `table.rs` |
//! | what each verdict shows | `verdicts.rs` |
//! | every fault of the credentials and of the hub, identities, invalid specs | `faults.rs` |
//! | an open operation, from its record until it is closed | `operation.rs` |
//! | the calls and retries that a generation may make, and what renews them | `attempts.rs` |
//! | corrections, and their limit | `drift.rs` |
//! | objects that are being deleted | `deletion.rs` |
//! | when the finalizer is added and removed | `finalizer.rs` |
//! | what writes nothing, and when to reconcile next | `no_writes.rs` |
//!
//! The objects, live GETs and reconciles are those of `testkit::simulation`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attempts;
mod deletion;
mod drift;
mod faults;
mod finalizer;
mod no_writes;
mod operation;
mod table;
mod verdicts;
