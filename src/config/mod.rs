//! Settings: from flags and environment variables to a validated [`Config`].
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the flags and environment variables, as they were written | `args.rs` |
//! | their validation, and what the program works with | `settings.rs` |
//! | the flags of `keep`, and their validation | `keep.rs` |
//! | the hub's URL, the proxy and the authorities | `route.rs`, `authorities.rs` |
//! | durations that are constants or follow from a setting | `timing.rs` |
//! | the operator's own API key | `operator_key.rs` |
//! | a setting that can't be used | `error.rs` |

mod args;
mod authorities;
mod error;
mod keep;
mod operator_key;
mod route;
mod settings;
mod timing;

pub use args::{
    Args, Cli, Command, CrdArgs, CustomResource, HubArgs, LogFormat, OutputFormat, RouteArgs,
    ScheduleArgs,
};
pub use authorities::{Authorities, AuthoritiesFile};
pub use error::ConfigError;
pub use keep::{Keep, KeepArgs, KeepTask};
pub use operator_key::{KeyNamespaces, KeySource, KeySourceError, OperatorKey};
pub use settings::Config;
