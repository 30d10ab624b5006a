//! The states that a model can be declared to be in.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A state that a model can be declared to be in: `active` or `inactive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum State {
    /// The model answers requests and bills by the second.
    Active,
    /// The model neither answers requests nor bills.
    Inactive,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Active => "active",
            State::Inactive => "inactive",
        })
    }
}
