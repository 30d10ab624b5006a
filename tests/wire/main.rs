//! The hub's client against the simulator, against fixtures, and against answers that no hub
//! should give.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod faults;
mod fold;
mod object;
mod raw;
mod requests;
mod rests;
mod tls;
mod words;
