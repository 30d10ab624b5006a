//! A simulator of the Oxen hub's models API: list, search, retrieve, activate and deactivate, as
//! the hub's API reference describes them. It runs inside a test, and as a program for people
//! without an Oxen account.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use hub::{Endpoint, Fault, Hub, Model};
//!
//! let hub = Hub::builder().model(Model::custom("my-bot").status("inactive")).start().await?;
//! hub.inject(Fault::status(503).on(Endpoint::Activate).times(1).after_effect());
//! // ... let the code under test send requests to hub.url() with the key hub::KEY ...
//! assert_eq!(hub.journal().posts_for("my-bot").len(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the handle that tests hold: keys, models, faults, journal, stop and restart | `handle.rs` |
//! | the builder of a hub | `builder.rs` |
//! | a model: its owner, its UUID and its behaviour | `model.rs` |
//! | a deployment at the provider, and its status over time | `deployment.rs` |
//! | the hub's state, the endpoints and their errors | `state.rs` |
//! | the default fields of a model object, and the merge patch | `json.rs` |
//! | the handling of a request: journal, faults, effect, response | `api.rs` |
//! | faults, and the requests that they apply to | `fault.rs` |
//! | constructors for common faults | `presets.rs` |
//! | the response that a fault sends | `answer.rs` |
//! | the rate limit | `limit.rs` |
//! | the journal of every request | `journal.rs` |
//! | `/_hub/...`: the journal, statuses, faults and models over HTTP | `control.rs` |
//! | the server, which can close a connection without a response | `server.rs` |
//! | a small, realistic set of models | `samples.rs` |
//! | the program | `main.rs` |
//!
//! # Control over HTTP
//!
//! The control routes are for people, and for tests whose simulator is another process. They need
//! no key, and the journal doesn't record them.
//!
//! | route | what it does |
//! |---|---|
//! | `GET /_hub/journal` | returns every request: `{"entries": [...]}`, see [`Entry`] |
//! | `DELETE /_hub/journal` | clears the journal |
//! | `PUT /_hub/models/{id}/status` | sets the provider's status, not the cached one, see below |
//! | `POST /_hub/models` | adds a custom model, see below |
//! | `POST /_hub/faults` | adds a fault: see [`Fault`] for its JSON |
//! | `DELETE /_hub/faults` | removes all faults |
//!
//! A status is `{"status": "inactive"}`.
//!
//! A model is `{"name": "my-bot"}` with these optional fields: `owner` (default `acme`),
//! `deployments` (a list of statuses; default: one inactive deployment), `activate_delay` and
//! `deactivate_delay` (such as `"10s"`), and `fields` of the model object.
//!
//! # Time
//!
//! The simulator computes a status from the clock when it is read; nothing runs in the background.
//! The clock is tokio's, so a test can jump with `tokio::time::pause()`, `advance(...)` and then
//! `resume()`. A clock that stays paused advances by itself while all tasks wait for the network,
//! so timeouts fire early.
//!
//! # Choices of the simulator
//!
//! The reference doesn't define these points, and the real hub may differ:
//!
//! - An error is JSON, `{"error": "..."}`.
//! - Only the keys of its owner can see a custom model; for other keys it is not found. A custom
//!   model also has a UUID, which works in place of its name.
//! - `developer_name` ignores case, as the reference's example requires. So does `search`, which
//!   matches a part of `id` or of `display_name`. An empty filter has no effect; an empty or
//!   missing `search` is a 400.
//! - Only retrieve returns `request_schema`; elsewhere it is null. A deployment is
//!   `{"status": "..."}`.
//! - A POST acts on all deployments of a model. A POST that changes nothing, because every
//!   deployment already has the requested status or is changing to it, is a 200 too.
//! - The response to a POST shows the new transition, and refreshes the cached status.
//! - An activation during a deactivation is accepted, and so is the reverse: the last POST wins.
//! - A POST to a base model, or to a custom model without deployments, is a 422 with a message.
//! - A rate limit counts the requests that each key sent in the last second. It doesn't count the
//!   requests that it refuses, so a client that doesn't slow down still gets its share. A refusal
//!   has `Retry-After: 1`, and no fault applies to it.
//! - Any other path or method is a 404, `{"error": "Not found"}`; so is a trailing slash.

mod answer;
mod api;
mod builder;
mod control;
mod deployment;
mod fault;
mod handle;
mod journal;
mod json;
mod limit;
mod model;
mod presets;
mod samples;
mod server;
mod state;

pub use answer::Answer;
pub use builder::Builder;
pub use fault::{Effect, Fault};
pub use handle::Hub;
pub use journal::{Endpoint, Entry, Journal, Outcome, TimedOut};
pub use model::Model;
pub use samples::samples;
pub use state::NoSuchModel;

/// The account that a hub has by default.
pub const ACCOUNT: &str = "acme";

/// The key of [`ACCOUNT`] on a hub that was given no other key.
pub const KEY: &str = "not-a-real-key";
