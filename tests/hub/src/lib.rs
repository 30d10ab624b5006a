//! A simulator of the Oxen hub's models API: list, search, retrieve, activate and deactivate, as
//! the vendor documents them. It runs inside a test, and as a program for people without an Oxen
//! account.
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
//! | the switches, for behaviour that only the live hub can confirm | `switches.rs` |
//! | a model: its owner, its UUID and its behaviour | `model.rs` |
//! | the models of a hub, and the search for one by its id | `models.rs` |
//! | a deployment at the provider, and its status over time | `deployment.rs` |
//! | the hub's state, the endpoints and their errors | `state.rs` |
//! | who sent a request, and which models it can see | `caller.rs` |
//! | requests for inference | `inference.rs` |
//! | the bodies of errors | `error.rs` |
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
//! `deployments` (a list of statuses; default: one inactive deployment), `activate_delay`,
//! `deactivate_delay` and `idle_timeout` (such as `"10s"`), `public` (`true` or `false`), and
//! `fields` of the model object.
//!
//! # Time
//!
//! The simulator computes a status from the clock when it is read; nothing runs in the background.
//! The clock is tokio's, so a test can jump with `tokio::time::pause()`, `advance(...)` and then
//! `resume()`. A clock that stays paused advances by itself while all tasks wait for the network,
//! so timeouts fire early.
//!
//! # Documented by the vendor
//!
//! The API reference:
//!
//! - It describes list, search, retrieve, activate and deactivate, the model object, and the
//!   filters `developer_name` and `action`. Its example leaves out the prices that a model doesn't
//!   have.
//! - A live retrieve refreshes the status from the provider.
//! - A base model is always active and has no deployments.
//! - A model that isn't there is a 404, `Model not found: <name>`. A request that isn't
//!   authenticated is a 401, `unauthenticated`.
//!
//! The OpenAPI description:
//!
//! - The list can be filtered by `provider_name`, too. `favorites` and `featured` are lists, so
//!   these words can't be retrieved as names. Neither can `search`.
//! - A model is retrieved by name or UUID.
//! - No endpoint of the models API requires a key.
//! - It describes the request and the response of a chat completion.
//! - A fine-tuned model can be public.
//!
//! The vendor's other documents:
//!
//! - They show two formats of an error. The usual one is `{"error": {"type", "title", "detail"},
//!   "status": "error", "status_message": TYPE}`, in which the type is `unauthenticated`,
//!   `invalid_params`, `resource_not_found` or `unknown_error`. The other one is `{"error":
//!   {"message": "Model not found: <name>"}}`, which [`Builder::not_found_as_message`] selects.
//! - The guides write the name of a custom model as `oxen:NAME`. With [`Builder::prefixed_ids`],
//!   the ids in responses have this form.
//! - The pricing page says that the hub turns off a custom model after about 15 minutes without
//!   requests. [`Builder::idle_timeout`] does this; by default a model stays active.
//!
//! # Assumed by the simulator
//!
//! The documents don't define these points, and the real hub may differ.
//!
//! Errors:
//!
//! - The type of an error is `unauthenticated` for a 401, `invalid_params` for a 400 and a 422,
//!   `resource_not_found` for a 404, and otherwise `unknown_error`. The words of the reference are
//!   in `detail`.
//! - Any other path or method is a 404, `{"error": "Not found"}`, which says nothing about a model.
//!   So is a trailing slash.
//! - A rate limit counts the requests that each key sent in the last second. It doesn't count the
//!   requests that it refuses, so a client that doesn't slow down still gets its share. A refusal
//!   has `Retry-After: 1`, and no fault applies to it. Requests without a key have no limit.
//!
//! Keys and owners:
//!
//! - Only the keys of its owner can see a custom model; for other keys, and without a key, it is
//!   not found. Everybody can see a [public](Model::public) one, in lists too, but a POST by
//!   another account is a 403.
//! - A request with an invalid key is a 401 on every path. With [`Builder::invalid_key_is_none`] it
//!   is processed as a request without a key.
//! - Without a key, a POST to a base model or a public one is a 401. So is every request for
//!   inference.
//! - A key can belong to several accounts, which may own models of one name: [`Builder::key_of`].
//!   All of them are listed, and the name means the model of the first such account.
//! - The path of a custom model can have `oxen:`, the owner and a slash, or both before the name,
//!   whatever the ids in responses are.
//!
//! Lists:
//!
//! - `provider_name` and `developer_name` ignore case, as the reference's example of the latter
//!   requires. So does `search`, which matches a part of `id` or of `display_name`. An empty filter
//!   has no effect; an empty or missing `search` is a 400.
//! - A model's provider is no field of the model object.
//! - The model object always holds `request_schema`, although the reference's example of a list has
//!   null there.
//! - `favorites` is empty without a key.
//!
//! Calls and deployments:
//!
//! - A deployment is `{"status": "..."}`.
//! - A POST acts on all deployments of a model. A POST that changes nothing, because every
//!   deployment already has the requested status or is changing to it, is a 200 too.
//! - The response to a POST shows the new transition, and refreshes the cached status.
//! - An activation during a deactivation is accepted, and so is the reverse: the last POST wins.
//! - A POST to a base model, or to a custom model without deployments, is a 422 with a message.
//!
//! Idle models and inference:
//!
//! - The idle time-out counts from the time at which a deployment became active or from the last
//!   request for inference, whichever is later. No request of the models API counts.
//! - A model that the time-out turned off shows `inactive`, without `deactivating` before it. A
//!   request for inference, or [`Hub::touch`], starts it. That request is a 503, and so are those
//!   that follow until the model is active.
//! - A request for inference to a model that is off for another reason is a 422 and doesn't start
//!   it.
//! - A chat completion can name any model, whatever its endpoint.

mod answer;
mod api;
mod builder;
mod caller;
mod control;
mod deployment;
mod error;
mod fault;
mod handle;
mod inference;
mod journal;
mod json;
mod limit;
mod model;
mod models;
mod presets;
mod samples;
mod server;
mod state;
mod switches;

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
