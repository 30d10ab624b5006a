//! A simulator of the Oxen hub's models API: list, search, retrieve, activate and deactivate, as the hub's
//! reference describes them. It runs inside a test, and as a program for a person without an Oxen account.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use hub::{Endpoint, Fault, Hub, Model};
//!
//! let hub = Hub::builder().model(Model::custom("my-bot").status("inactive")).start().await?;
//! hub.inject(Fault::status(503).on(Endpoint::Activate).times(1).after_effect());
//! // ... let the code under test talk to hub.url() with the key hub::KEY ...
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
//! | what a hub starts with | `builder.rs` |
//! | a model: its owner and UUID, and how it behaves | `model.rs` |
//! | a deployment at the provider, and how its status moves with time | `deployment.rs` |
//! | the endpoints, and the errors to the letter | `world.rs` |
//! | a model's JSON at first, and the merge patch | `json.rs` |
//! | a request's way: journal, fault, effect, answer | `api.rs` |
//! | faults, and when they strike | `fault.rs` |
//! | the faults that tests ask for by name | `presets.rs` |
//! | what a fault answers | `answer.rs` |
//! | so many requests a second and no more | `limit.rs` |
//! | the journal of every request | `journal.rs` |
//! | `/_hub/...`: the journal, statuses, faults and models over HTTP | `control.rs` |
//! | the socket, and cutting connections | `server.rs` |
//! | a small believable set of models | `samples.rs` |
//! | the program | `main.rs` |
//!
//! # Control over HTTP
//!
//! For people, and for tests whose simulator is another process. No key is asked for, and nothing of it is journaled.
//!
//! | route | what it does |
//! |---|---|
//! | `GET /_hub/journal` | every request: `{"entries": [...]}`, see [`Entry`] |
//! | `DELETE /_hub/journal` | forgets them |
//! | `PUT /_hub/models/{id}/status` | `{"status": "inactive"}`: sets it at the provider, behind the cache's back |
//! | `POST /_hub/models` | adds a custom model, see below |
//! | `POST /_hub/faults` | adds a fault: see [`Fault`] for its JSON |
//! | `DELETE /_hub/faults` | ends all faults |
//!
//! A model is `{"name": "my-bot"}`, and where wanted `owner` (else `acme`), `deployments` (their statuses, else one
//! inactive), `activate_delay` and `deactivate_delay` (`"10s"`), and `fields` of the model object.
//!
//! # Time
//!
//! A status is worked out from the clock when somebody looks; nothing runs in the background. The clock is
//! tokio's: a test can jump with `tokio::time::pause()`, `advance(...)` and then `resume()`. A clock that stays
//! paused runs ahead by itself while all tasks wait for the network, so that time-outs fire early.
//!
//! # Where the reference is silent
//!
//! These are the simulator's choices, and no promise of the hub's:
//!
//! - Errors are JSON, `{"error": "..."}`.
//! - A custom model is seen by its owner's keys alone; for others it is not found. It also answers to a UUID.
//! - `developer_name` ignores case, as the reference's own example needs. So does `search`, which looks for a
//!   part of `id` or `display_name`. An empty filter is no filter; an empty or missing `search` is a 400.
//! - `request_schema` is null but for retrieve. A deployment is `{"status": "..."}`.
//! - A POST acts on all deployments of a model. Where it changes nothing (already active, or on the way) it
//!   is a 200 all the same.
//! - The answer to a POST shows the new transition, and refreshes the cached status.
//! - Activating while deactivating, and the other way round, is accepted: the last call wins.
//! - A POST to a base model, or to a custom model with nothing deployed, is a 422 with words.
//! - A hub with a limit counts each key's requests of the last second, refused ones not: a client that goes on
//!   all the same gets its share. It says `Retry-After: 1`. Faults don't strike what it refuses.
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
mod world;

pub use answer::Answer;
pub use builder::Builder;
pub use fault::{Effect, Fault};
pub use handle::Hub;
pub use journal::{Endpoint, Entry, Journal, Outcome, TimedOut};
pub use model::Model;
pub use samples::samples;
pub use world::NoSuchModel;

/// The account that exists unless a test says otherwise.
pub const ACCOUNT: &str = "acme";

/// The key of [`ACCOUNT`].
pub const KEY: &str = "not-a-real-key";
