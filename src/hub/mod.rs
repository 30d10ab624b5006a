//! The hub's HTTP API. No other module sends requests to the hub.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the model object and pricing, as the hub sends them | `wire.rs` |
//! | list, search, retrieve, activate, deactivate | `client.rs`, `limits.rs` |
//! | a response: its code, Retry-After, body and fault | `response.rs`, `quote.rs` |
//! | from a model object to what a decision needs | `fold.rs` |
//! | an API key that can't be printed | `key.rs` |
//! | the client as the controller uses it: no request without a permit | `limited_client.rs` |
//! | when a request gets its permit: queues, rate limit, backoff, refused keys | `limiter/` |

mod client;
mod fold;
mod key;
mod limited_client;
mod limiter;
mod limits;
mod quote;
mod response;
mod wire;

pub use client::{Client, Endpoint, Outcome, Route, SetupError};
pub use fold::fold;
pub use key::{ApiKey, KeyError};
pub use limited_client::{LimitedClient, Permit};
pub use limiter::{Priority, RateLimits};
pub use limits::Limits;
pub use response::Response;
pub use wire::{
    Capabilities, DeploymentItem, Developer, FineTuning, Model, ModelList, Number, Pricing, Word,
};
