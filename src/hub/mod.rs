//! The hub's HTTP API. No other module sends requests to the hub.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the model object and pricing, as the hub sends them | `wire.rs`, `fields.rs` |
//! | retrieve, activate, deactivate | `client.rs`, `endpoint.rs`, `limits.rs` |
//! | list and search, which are read while they arrive | `lists.rs`, `list_reader.rs`, `items.rs` |
//! | the hub's URL, the proxy and the authorities | `route.rs` |
//! | authorities that change while the client is in use | `http_client.rs` |
//! | why there is no response | `transport_error.rs` |
//! | a response: its code, body and fault | `response.rs` |
//! | the words of an error, and Retry-After | `error_body.rs`, `retry_after.rs` |
//! | from a model object to what a decision needs | `fold.rs` |
//! | the hub's clock, by the `Date` of its last response | `hub_clock.rs` |
//! | an API key that can't be printed | `key.rs` |
//! | the client as the controller uses it: no request without a permit | `limited_client.rs` |
//! | when a request gets its permit: queues, rate limit, backoff, refused keys | `limiter/` |

mod client;
mod endpoint;
mod error_body;
mod fields;
mod fold;
mod http_client;
mod hub_clock;
mod items;
mod key;
mod limited_client;
mod limiter;
mod limits;
mod list_reader;
mod lists;
mod response;
mod retry_after;
mod route;
mod transport_error;
mod wire;

pub use client::Client;
pub use endpoint::{Endpoint, Outcome};
pub use fold::fold;
pub use http_client::HttpClient;
pub use key::{ApiKey, KeyError};
pub use limited_client::{LimitedClient, Permit};
pub use limiter::{Priority, RateLimits};
pub use limits::Limits;
pub use list_reader::ListReader;
pub use response::{Response, page_code};
pub use route::{Route, SetupError};
pub use wire::{
    Capabilities, DeploymentItem, Developer, FineTuning, Model, Number, Pricing, Unread, Word,
};

#[cfg(test)]
mod tests;
