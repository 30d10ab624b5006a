//! Turns Oxen.ai custom model deployments on and off from Kubernetes manifests.
//!
//! # Flow
//!
//! Data flows one way:
//!
//! ```text
//! watch event -> observe -> decide -> finalizer -> record -> act -> record
//! ```
//!
//! `observe` collects everything that a decision needs, above all the hub's live answer. `decide`
//! is a pure function from an observation to a plan. If the plan changes the finalizer, that comes
//! first, and `decide` runs again with the same observation. `record` writes the status, before a
//! call and after it, and `act` performs the plan's one action.
//!
//! # Layout
//!
//! | behaviour | file |
//! |---|---|
//! | a new field of the spec | `api/spec.rs` |
//! | the states that can be declared | `api/state.rs` |
//! | a schedule, and its windows | `api/schedule.rs`, `api/window.rs` |
//! | dates and time zones as manifests write them | `api/dates.rs`, `api/zone.rs` |
//! | the status and its fields | `api/status.rs`, `api/usage.rs` |
//! | an override, and which one is in force | `api/overrides.rs`, `decide/overrides.rs` |
//! | a Secret reference; a duration | `api/secret.rs`, `api/span.rs` |
//! | the limits of a namespace, and whether they allow a call | `api/budget.rs`, `decide/budget.rs`, `decide/refusal.rs` |
//! | the names of the finalizer and the annotations; the CRD | `api/names.rs`, `api/crd.rs` |
//! | the desired state of a model, and when it changes | `decide/desired.rs`, `decide/schedule.rs` |
//! | how long before a window a model is turned on | `decide/warm_up.rs` |
//! | live status x desired state -> the next step | `decide/table.rs` |
//! | deadlines, suspension, and recording a call | `decide/calls.rs` |
//! | how many calls, retries and corrections a generation may make | `decide/attempts.rs` |
//! | an open operation, and what became of its call | `decide/operation.rs`, `decide/outcome.rs`, `decide/effect.rs` |
//! | findings on the way to the desired state, and the progress deadline | `decide/progress.rs` |
//! | where a deleting object waits, and what releases it | `decide/deletion.rs` |
//! | when the finalizer is added and removed | `decide/finalizer.rs` |
//! | two objects of one model | `decide/ownership.rs` |
//! | the name stands for another model than before | `decide/identity.rs` |
//! | why an observation has no model | `decide/fault.rs` |
//! | what makes Ready Unknown after an outage; each fault's message | `decide/diagnosis.rs` |
//! | what a reason means, and what each verdict shows | `decide/verdict.rs` |
//! | Ready, Synced, Reconciling, Stalled, DeletionBlocked | `decide/conditions.rs` |
//! | when to reconcile next | `decide/requeue.rs` |
//! | how long a model was on, and what that cost | `decide/usage.rs`, `decide/price.rs`, `decide/decimal.rs` |
//! | models that may bill and that no OxenModel manages | `decide/unmanaged.rs` |
//! | what a decision may know | `decide/observation.rs`, `decide/remote.rs` |
//! | what a process remembers of earlier observations | `decide/history.rs` |
//! | what a process knows of its last operation | `decide/tracked.rs` |
//! | defaults, waits and limits of decisions | `decide/rules.rs` |
//! | what a decision leads to | `decide/plan.rs` |
//! | how the hub's words are quoted and compared | `decide/words.rs` |
//! | a new endpoint of the hub | `hub/client.rs`, `hub/endpoint.rs`, `hub/limits.rs` |
//! | the hub's URL, the proxy and the authorities | `hub/route.rs`, `hub/transport_error.rs` |
//! | authorities that change while the operator runs | `authorities.rs`, `hub/http_client.rs` |
//! | the hub's JSON | `hub/wire.rs`, `hub/fields.rs`, `hub/fold.rs` |
//! | a list that is read while it arrives | `hub/lists.rs`, `hub/list_reader.rs`, `hub/items.rs` |
//! | status codes of the hub | `hub/response.rs` |
//! | error bodies and Retry-After of the hub | `hub/error_body.rs`, `hub/retry_after.rs` |
//! | whether the hub's clock agrees, without which no override or window ends | `hub/hub_clock.rs`, `decide/clock.rs` |
//! | no request without a permit | `hub/limited_client.rs`, `hub/limiter/mod.rs` |
//! | the order of waiting hub requests, and priorities | `hub/limiter/queue.rs` |
//! | requests in flight in all, and each key's share | `hub/limiter/places.rs`, `hub/limiter/state.rs`, `hub/limiter/in_flight.rs` |
//! | rate limit, backoff and refused keys | `hub/limiter/token_bucket/mod.rs`, `hub/limiter/rate_limits.rs` |
//! | a rate that a 429 halves | `hub/limiter/adaptive_rate.rs` |
//! | an API key that can't be printed | `hub/key.rs` |
//! | what starts a reconcile | `controller/watch.rs`, `controller/streams.rs` |
//! | the start of a reconcile, and the error policy | `controller/dispatch.rs` |
//! | one reconcile | `controller/reconcile.rs` |
//! | the jitter of a requeue | `controller/requeue.rs` |
//! | gathering an observation | `controller/prepare.rs`, `controller/observe.rs`, `controller/retrieve.rs` |
//! | the wall clock, and waits that end at a boundary of the schedule | `controller/clock.rs` |
//! | which API key an object uses | `controller/credentials.rs`, `controller/secrets.rs` |
//! | who is woken when ownership changes, and who uses a Secret | `controller/index/mod.rs`, `controller/index/entries.rs` |
//! | operations whose object is gone | `controller/index/orphans.rs` |
//! | the scan for unmanaged models, and its findings | `controller/scan/mod.rs`, `controller/scan/keys.rs`, `controller/scan/findings.rs` |
//! | which objects are found by a key | `controller/index/groups.rs` |
//! | the budgets of each namespace, what counts towards them, and their lock | `controller/index/budgets/mod.rs`, `controller/index/budgets/namespace.rs`, `controller/index/budgets/account.rs`, `controller/index/budgets/group.rs`, `controller/index/budgets/tally.rs`, `controller/index/budgets/ask.rs` |
//! | the watch of budgets, and their status | `controller/budgets.rs`, `controller/guarded_budget.rs` |
//! | how many reconciles run at once, and which go first | `controller/admission/mod.rs`, `decide/urgency.rs` |
//! | values that exist while they are used | `controller/in_use.rs` |
//! | the write-ahead record and every other status write | `controller/record.rs` |
//! | why no call went out; the finalizer's write | `controller/act.rs` |
//! | events | `controller/events.rs`, `controller/event_series.rs` |
//! | what a process remembers of an object | `controller/memory.rs` |
//! | an object that can't be decoded | `controller/guarded.rs`, `controller/undecodable.rs` |
//! | an object in the store of the watch | `controller/compact.rs` |
//! | a namespace that can't be listed | `controller/listing.rs` |
//! | whether the watches are answered | `controller/health.rs` |
//! | what makes a standby ready | `controller/standby.rs` |
//! | what reconciles share, and their errors | `controller/context.rs`, `controller/error.rs` |
//! | permits for requests to the Kubernetes API, in total and in each namespace | `controller/permits.rs` |
//! | what a second replica does | `leader/machine.rs`, `leader/driver.rs` |
//! | what a standby has observed of the last leader's end | `leader/view.rs` |
//! | the Lease, and this process as a candidate | `leader/lease.rs`, `leader/candidate.rs` |
//! | whether a call may start now | `leader/authority.rs` |
//! | the election's durations | `leader/timing.rs` |
//! | the metrics' names | `metrics/process.rs`, `metrics/objects.rs`, `metrics/budgets.rs`, `metrics/unmanaged.rs`, `metrics/text.rs` |
//! | `keep`: what a keeper writes, and whether the model is active | `keep/renewal.rs`, `keep/readiness.rs` |
//! | `keep`: what it reads of an object | `keep/object.rs` |
//! | `keep`: its requests | `keep/driver.rs` |
//! | flags and environment variables | `config/args.rs`, `config/keep.rs`, `config/settings.rs`, `config/error.rs` |
//! | the settings of the hub's URL, the proxy and the authorities | `config/route.rs`, `config/authorities.rs` |
//! | constant and derived durations | `config/timing.rs`, `backoff.rs` |
//! | the operator's own API key | `config/operator_key.rs` |
//! | `oxen-operator check` | `check.rs` |
//! | `oxen-operator schedule` | `schedule/mod.rs`, `schedule/manifests.rs`, `schedule/text.rs` |
//! | probes and metrics over HTTP | `serve.rs`, `readiness.rs` |
//! | SIGTERM | `shutdown.rs` |
//! | threads, and an end that waits for no blocking task | `runtime.rs` |
//! | logs | `telemetry.rs` |
//! | the start and the end of the process | `main.rs` |
//! | an error with its causes in one line | `causes.rs` |
//!
//! Dependencies point inward: main -> {controller, check, schedule, keep, authorities, serve,
//! telemetry} -> config -> leader -> metrics -> hub -> decide -> api. `decide` knows neither the
//! Kubernetes client nor HTTP. A test reads the `use` lines and this table, and keeps both true.
//!
//! `bin/kubectl-oxen` is a second program on top of all this, with a map of its own in its
//! `main.rs`. Some dependencies of the crate are only for it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod api;
pub mod authorities;
mod backoff;
pub mod causes;
pub mod check;
pub mod config;
pub mod controller;
pub mod decide;
pub mod hub;
pub mod keep;
pub mod leader;
pub mod metrics;
pub mod readiness;
pub mod runtime;
pub mod schedule;
pub mod serve;
pub mod shutdown;
pub mod telemetry;
