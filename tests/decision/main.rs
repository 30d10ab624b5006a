//! The decision as tables, with one file for each of its parts.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | live status x desired state, suspended and observe-only objects | `table.rs` |
//! | what each verdict shows | `verdicts.rs` |
//! | every fault of the credentials and of the hub, invalid specs | `faults.rs` |
//! | what nothing had led to, which is believed when it is shown twice | `surprises.rs` |
//! | a model whose identity changes | `identity.rs` |
//! | an open operation, from its record until it is closed | `operation.rs` |
//! | how long an open operation is waited for | `patience.rs` |
//! | deployments that don't end | `endless.rs` |
//! | which object owns a model | `ownership.rs` |
//! | another object that owns the model, or has an open operation | `rivals.rs` |
//! | the calls and retries that a generation may make, and what renews them | `attempts.rs` |
//! | refused calls, and calls whose answer was lost | `refusals.rs`, `lost_answers.rs` |
//! | activate calls that a budget refuses | `budget.rs` |
//! | corrections, and their limit | `drift.rs` |
//! | models that the hub turns off because they are idle | `idle.rs` |
//! | the progress deadline | `progress.rs` |
//! | objects that are being deleted, and when they are released | `deletion.rs`, `release.rs` |
//! | when the finalizer is added and removed | `finalizer.rs` |
//! | schedules: boundaries, days and warm-up | `schedule.rs` |
//! | schedules where clocks are changed | `clock_changes.rs` |
//! | overrides: accepted, refused, replaced and ended | `overrides.rs` |
//! | activations, and the warm-up that is learned from them | `warm_up.rs` |
//! | a stored status of another time or cluster | `restored.rs` |
//! | what messages say | `messages.rs` |
//! | how long a model was on, and what that cost | `usage.rs` |
//! | what the hub says of deployments | `notes.rs` |
//! | what writes nothing, and when to reconcile next | `no_writes.rs` |
//!
//! The objects, live GETs and reconciles are those of `testkit::simulation`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attempts;
mod budget;
mod clock_changes;
mod deletion;
mod drift;
mod endless;
mod faults;
mod finalizer;
mod identity;
mod idle;
mod lost_answers;
mod messages;
mod no_writes;
mod notes;
mod operation;
mod overrides;
mod ownership;
mod patience;
mod progress;
mod refusals;
mod release;
mod restored;
mod rivals;
mod schedule;
mod surprises;
mod table;
mod tracked;
mod unsent;
mod urgency;
mod usage;
mod verdicts;
mod warm_up;
