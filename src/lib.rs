//! Turns Oxen.ai custom model deployments on and off from Kubernetes manifests.
//!
//! Data flows one way:
//!
//! ```text
//! watch event -> observe -> decide -> record -> act -> record
//! ```
//!
//! `observe` gathers everything that a decision needs, the live answer of the hub above all.
//! `decide` is pure: from what was seen to what to do. `record` writes the status, before a call
//! and after it, and `act` performs the plan's one action.
//!
//! # Layout
//!
//! | behaviour | where |
//! |---|---|
//! | the resource: spec, status, schema, printer columns | [`api`] |
//! | what is done when, budgets, conditions, pace | [`decide`] |
//! | the hub's HTTP: requests, faults, limits | [`oxen`] |
//! | watches, passes, credentials, status writes, events | [`controller`] |
//! | which replica works, and whether it may still call | [`leader`] |
//! | flags and environment | [`config`] |
//! | `oxen-operator check`: does the hub take the key? | [`check`] |
//! | probes and metrics over HTTP | [`serve`], [`metrics`] |
//! | the word to stop | [`stop`] |
//! | logs | [`telemetry`] |
//!
//! Dependencies point inward: `main -> controller -> oxen -> decide -> api`. `decide` knows
//! neither Kubernetes' client nor HTTP.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod api;
pub mod check;
pub mod config;
pub mod controller;
pub mod decide;
pub mod leader;
pub mod metrics;
pub mod oxen;
pub mod serve;
pub mod stop;
pub mod telemetry;
