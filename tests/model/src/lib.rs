//! A model checker's view of the operator: the production decision between two processes, a hub
//! that fails in every way of the table, and people who change their minds.
//!
//! Every order of events within a [`Scenario`]'s bounds is explored, with
//! [`oxen_operator::decide`] deciding. What surrounds it (the API server, the hub, a process's
//! memory, the steps of a pass) is modelled here.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | objects, and time that only ages them | `object.rs`, `mark.rs` |
//! | the hub, its faults, and what becomes of a call | `hub.rs` |
//! | the whole world at one moment | `world.rs` |
//! | a pass, step by step | `pass.rs` |
//! | everything that can happen next | `step.rs` |
//! | bounds, and which steps are open | `scenario.rs` |
//! | the onlooker that knows the rules | `rules.rs`, `news.rs` |
//! | the properties in words | `properties.rs` |
//! | random walks through more than can be explored | `walk.rs` |
//! | what becomes of the world once nothing goes wrong | `liveness.rs`, `graph.rs` |
//! | a check, and what it came to | `report.rs` |
//! | the bounds that are explored | `catalogue.rs` |
//! | the decision under check, and its mutants | `decision.rs` |

mod catalogue;
mod decision;
mod graph;
mod hub;
mod liveness;
mod mark;
mod news;
mod object;
mod pass;
mod properties;
mod report;
mod rules;
mod scenario;
mod step;
mod walk;
mod world;

pub use catalogue::{bounded, deep, endings, hunt, mix};
pub use decision::{Decision, Mutation};
pub use hub::{DEPLOYMENTS, Failure, Glimpse, Hub, Outcome};
pub use liveness::{Calm, calm};
pub use news::{Milestone, News, Rule};
pub use object::{NOW, Object, RULES, Tick};
pub use properties::{ALWAYS, SOMETIMES};
pub use report::{Report, check, finds};
pub use scenario::Scenario;
pub use step::Step;
pub use walk::{Walks, walk};
pub use world::{Left, World};
