//! The decision as tables, one file for each of its parts.
//!
//! | what | where |
//! |---|---|
//! | an object, the hub's looks and answers, and passes over them | `bench.rs` |
//! | observed x desired, suspended and observed only, deadlines | `table.rs` |
//! | what each verdict shows | `verdicts.rs` |
//! | every fault of the hub and of the credentials | `faults.rs` |
//! | the record of a call, from before it goes out until it is closed | `operation.rs` |
//! | what a generation may spend, and what refills it | `budgets.rs` |
//! | corrections, and when they end | `drift.rs` |
//! | deleted objects | `deletion.rs` |
//! | when the finalizer comes and goes | `finalizer.rs` |
//! | no write without news, and when to look again | `quiet.rs` |
#![allow(clippy::wildcard_enum_match_arm)]

mod bench;
mod budgets;
mod deletion;
mod drift;
mod faults;
mod finalizer;
mod operation;
mod quiet;
mod table;
mod verdicts;
