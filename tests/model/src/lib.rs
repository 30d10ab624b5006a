//! A model of the operator for the model checker `stateright`: two processes, a hub with every
//! fault, and people who change objects.
//!
//! Every order of events within a [`Scenario`]'s bounds is explored. The decision and the history
//! of observations are the production's own code in [`oxen_operator::decide`]. The API server, the
//! hub, the steps of a reconcile and the passing of time are modeled here.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | objects, and time that only ages them | `object.rs`, `object_hash.rs` |
//! | the hub, its faults, and what becomes of a call | `hub.rs` |
//! | the state of everything at one moment | `world.rs` |
//! | what a process remembers of an object | `memory.rs` |
//! | a reconcile, step by step | `reconcile.rs` |
//! | everything that can happen next | `step.rs` |
//! | the bounds of an exploration, and which steps are possible | `scenario.rs` |
//! | the scenarios | `catalogue.rs` |
//! | the observer, and the rules that it checks | `observer.rs`, `step_log.rs` |
//! | the properties in words | `properties.rs` |
//! | the check of a scenario, and its result | `report.rs` |
//! | what follows when faults stop | `liveness.rs`, `graph.rs` |
//! | random walks through more than can be explored | `walk.rs` |
//! | the decision under check, and its mutants | `decision.rs` |

mod catalogue;
mod decision;
mod graph;
mod hub;
mod liveness;
mod memory;
mod object;
mod object_hash;
mod observer;
mod properties;
mod reconcile;
mod report;
mod scenario;
mod step;
mod step_log;
mod walk;
mod world;

pub use catalogue::{bounded, combined, deep, liveness, seeded};
pub use decision::{Decision, Mutation};
pub use hub::{Hub, HubFailure, KeyFailure, Outcome, Retrieved};
pub use liveness::{Convergence, converge};
pub use object::{NOW, Object, RULES, Tick};
pub use properties::{ALWAYS, SOMETIMES};
pub use report::{Report, check, counterexample};
pub use scenario::Scenario;
pub use step::Step;
pub use step_log::{Milestone, Rule, StepLog};
pub use walk::{Walks, walk};
pub use world::{Remaining, World};
