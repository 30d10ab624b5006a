//! The hub's HTTP, and the only code that knows it.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the model object and pricing, as the hub sends them | `wire.rs` |
//! | list, search, retrieve, activate, deactivate | `client.rs` |
//! | an answer -> what a look shows, what became of a call | `reply.rs` |
//! | code, headers and body of an answer that is no success -> the fault | `answer.rs` |
//! | a model object -> what a decision needs of it | `fold.rs` |
//! | an API key that can't be printed | `key.rs` |
//! | the client as the controller has it: no request without a turn | `hub.rs` |
//! | when a turn comes: queues, rate, rests, refused keys | `pace.rs`, `pace/allowance.rs` |

mod answer;
mod client;
mod fold;
mod hub;
mod key;
mod pace;
mod reply;
mod wire;

pub use client::{Client, Endpoint, Limits, Outcome, Route, SetupError};
pub use fold::fold;
pub use hub::{Hub, Turn};
pub use key::{ApiKey, KeyError};
pub use pace::{Bounds, Lane};
pub use reply::Reply;
pub use wire::{
    Capabilities, DeploymentItem, Developer, FineTuning, Model, ModelList, Number, Pricing, Word,
};
