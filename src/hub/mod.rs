//! The hub's HTTP API. No other module sends requests to the hub.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the model object and pricing, as the hub sends them | `wire.rs`, `fields.rs` |
//! | list, search, retrieve, activate, deactivate | `client.rs`, `limits.rs` |
//! | a list that is read while it arrives | `items.rs` |
//! | the hub's URL, the proxy and the authorities; why there is no response | `route.rs`, `transport_error.rs` |
//! | a response: its code, body and fault | `response.rs` |
//! | the words of an error, and Retry-After | `error_body.rs`, `quote.rs`, `retry_after.rs` |
//! | from a model object to what a decision needs | `fold.rs` |
//! | an API key that can't be printed | `key.rs` |
//! | the client as the controller uses it: no request without a permit | `limited_client.rs` |
//! | when a request gets its permit: queues, rate limit, backoff, refused keys | `limiter/` |

mod client;
mod error_body;
mod fields;
mod fold;
mod items;
mod key;
mod limited_client;
mod limiter;
mod limits;
mod quote;
mod response;
mod retry_after;
mod route;
mod transport_error;
mod wire;

pub use client::{Client, Endpoint, Outcome};
pub use fold::fold;
pub use key::{ApiKey, KeyError};
pub use limited_client::{LimitedClient, Permit};
pub use limiter::{Priority, RateLimits};
pub use limits::Limits;
pub use response::Response;
pub use route::{Route, SetupError};
pub use wire::{
    Capabilities, DeploymentItem, Developer, FineTuning, Model, Number, Pricing, Unread, Word,
};

#[cfg(test)]
mod tests;
