//! The hub's client against the simulated hub, against fixtures, and against responses that no hub
//! should send.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the requests: paths, queries, headers, the proxy | `requests.rs` |
//! | what each status code and each broken response means | `faults.rs` |
//! | Retry-After | `retry_after.rs` |
//! | the words of errors, and that none of them shows the API key | `messages.rs` |
//! | the model object | `object.rs` |
//! | from a model object to what a decision needs | `fold.rs` |
//! | TLS and name resolution | `tls.rs` |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod fold;
mod messages;
mod object;
mod requests;
mod retry_after;
mod tls;
