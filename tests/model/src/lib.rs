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
//! | a reconcile, step by step | `reconcile.rs`, `record.rs`, `release.rs` |
//! | everything that can happen next | `step.rs`, `changes.rs` |
//! | a desired state that changes without an edit | `flip.rs` |
//! | how many faults and human actions can still happen | `remaining.rs` |
//! | the bounds of an exploration, and which steps are possible | `scenario.rs` |
//! | the worlds that a scenario begins in | `start.rs` |
//! | the scenarios, and those of each test run | `scenarios/`, `catalogue.rs` |
//! | the observer, and the rules that it checks | `observer.rs`, `call_rules.rs`, `release_rules.rs`, `step_log.rs` |
//! | what the observer knows of the past, of owners and of the table | `counters.rs`, `claims.rs`, `table.rs` |
//! | the properties in words | `properties.rs` |
//! | the check of a scenario, and its result | `report.rs` |
//! | what follows when faults stop | `liveness.rs`, `graph.rs` |
//! | random walks through more than can be explored | `walk.rs` |
//! | two models and a budget that has room for one | `budgets.rs` |
//! | the decision under check | `decision.rs` |
//! | its mutants, and the scenario that finds each | `mutation.rs`, `alteration.rs`, `seeded.rs` |

mod alteration;
mod budgets;
mod call_rules;
mod catalogue;
mod changes;
mod claims;
mod counters;
mod decision;
mod flip;
mod graph;
mod hub;
mod liveness;
mod memory;
mod mutation;
mod object;
mod object_hash;
mod observer;
mod properties;
mod reconcile;
mod record;
mod release;
mod release_rules;
mod remaining;
mod report;
mod scenario;
mod scenarios;
mod seeded;
mod start;
mod step;
mod step_log;
mod table;
mod walk;
mod world;

pub use budgets::{BUDGET_MILESTONES, BudgetReport, Counting, check_budgets};
pub use catalogue::{bounded, deep, liveness};
pub use counters::{Counters, Course, Gone, Known, Refused, Watch};
pub use decision::Decision;
pub use hub::{Account, Hub, HubFailure, KeyFailure, Outcome, Refusing, Retrieved};
pub use liveness::{Convergence, converge};
pub use mutation::Mutation;
pub use object::{NOW, Object, RULES, Tick};
pub use properties::{ALWAYS, SOMETIMES};
pub use reconcile::Write;
pub use remaining::Remaining;
pub use report::{Report, check, counterexample};
pub use scenario::Scenario;
pub use scenarios::combined;
pub use seeded::seeded;
pub use start::Start;
pub use step::Step;
pub use step_log::{Milestone, Rule, StepLog};
pub use walk::{Walks, walk};
pub use world::{Pruned, World};
