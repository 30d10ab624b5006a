//! The operator's metrics, in Prometheus' text format. Labels come from closed sets, except for the
//! series of each object and of each API key.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the metrics of the process, with their names | `process.rs` |
//! | the metrics of each object, with their names | `objects.rs` |
//! | the metrics of each budget, with their names | `budgets.rs` |
//! | the metrics of unmanaged models, with their names | `unmanaged.rs` |
//! | from OpenMetrics to the text format | `text.rs` |

mod budgets;
mod objects;
mod process;
mod text;
mod unmanaged;

pub use budgets::{BudgetMetrics, Budgets};
pub use objects::{ObjectMetrics, Objects};
pub use process::{Metrics, time_zones};
pub use unmanaged::{Unmanaged, UnmanagedModels};
