//! One file for each command.

pub mod auto;
pub mod completion;
pub mod reconcile;
pub mod release;
pub mod status;
pub mod suspend;
pub mod switch;
