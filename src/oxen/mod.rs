//! The hub's HTTP, and the only code that knows it.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the model object and pricing, as the hub sends them | `wire.rs` |
//! | list, search, retrieve, activate, deactivate | `client.rs` |
//! | code, headers and body of an answer -> what it means | `answer.rs` |
//! | a model object -> what a decision needs of it | `fold.rs` |
//! | an API key that can't be printed | `key.rs` |
//! | how long the hub asked to be left alone | `hold.rs` |

mod answer;
mod client;
mod fold;
mod hold;
mod key;
mod wire;

pub use client::{Client, Endpoint, Limits, Outcome, SetupError};
pub use fold::fold;
pub use hold::Holds;
pub use key::{ApiKey, KeyError};
pub use wire::{
    Capabilities, DeploymentItem, Developer, FineTuning, Model, ModelList, Number, Pricing, Word,
};
