//! One file for each command.

pub mod auto;
pub mod cost;
pub mod reconcile;
pub mod release;
pub mod schedule;
pub mod status;
pub mod suspend;
pub mod switch;

use crate::console::Console;

/// Says that there are no objects.
fn say_none(console: &Console, namespace: Option<&str>) {
    console.say(&match namespace {
        Some(namespace) => format!("No OxenModels in namespace {namespace}."),
        None => "No OxenModels in any namespace.".into(),
    });
}
