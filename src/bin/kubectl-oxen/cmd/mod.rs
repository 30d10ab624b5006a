//! One file for each command.

pub mod auto;
pub mod completion;
pub mod cost;
pub mod import;
pub mod model;
pub mod models;
pub mod reconcile;
pub mod release;
pub mod schedule;
pub mod status;
pub mod suspend;
pub mod switch;

/// Says that there are no objects.
pub fn none(namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("No OxenModels in namespace {namespace}."),
        None => "No OxenModels in any namespace.".into(),
    }
}
