//! The resources `OxenModel` and `OxenBudget`: what a person declares, what the operator reports,
//! and the schema that the API server checks both against.
//!
//! Defaults are in the code and never in the stored spec, and the operator never writes a spec: a
//! GitOps tool would take either for drift.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the spec, the printer columns and the CEL rules | `spec.rs` |
//! | the states that can be declared | `state.rs` |
//! | a schedule: its windows, dates and time zone | `schedule.rs`, `window.rs`, `dates.rs`, `zone.rs` |
//! | the status | `status.rs` |
//! | an override, and the annotation that requests it | `overrides.rs` |
//! | how long a model was on, and what that cost | `usage.rs` |
//! | a reference to a key in a Secret | `secret.rs` |
//! | a duration as manifests and flags write it | `span.rs` |
//! | the limits of a namespace, `OxenBudget` | `budget.rs` |
//! | the finalizer's and the annotations' names | `names.rs` |
//! | the CustomResourceDefinitions | `crd.rs` |

mod budget;
mod crd;
mod dates;
mod names;
mod overrides;
mod schedule;
mod secret;
mod span;
mod spec;
mod state;
mod status;
mod usage;
mod window;
mod zone;

pub use budget::{HourlyCost, OxenBudget, OxenBudgetSpec, OxenBudgetStatus};
pub use crd::{budget_crd, crd};
pub use dates::DateRange;
pub use names::{
    ANNOTATIONS, DEFAULT_SECRET, DEFAULT_SECRET_KEY, FINALIZER, OVERRIDE_ANNOTATION,
    RECONCILE_ANNOTATION, SHORTEST_SYNC_INTERVAL,
};
pub use overrides::{Override, OverrideRequest, RefusedOverride};
pub use schedule::{Schedule, WarmUp};
pub use secret::SecretKeyRef;
pub use span::Span;
pub use spec::{DeletionPolicy, IdleShutdown, OxenModel, OxenModelSpec};
pub use state::{Declared, State};
pub use status::{
    Attempts, Identity, LiveStatus, ModelStatus, Operation, OperationKind, OxenModelStatus, Pricing,
};
pub use usage::{Counted, OpenPeriod, Usage};
pub use window::Window;
pub use zone::Zone;
