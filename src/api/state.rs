//! What a spec declares of a model, and the desired state that follows from it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a spec declares: a state, or a schedule that decides between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Declared {
    /// The model is always active.
    Active,
    /// The model is always inactive.
    Inactive,
    /// The model is active in the windows of the spec's schedule, and inactive otherwise.
    Scheduled,
}

/// The desired state of a model: `active` or `inactive`.
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

impl From<State> for Declared {
    fn from(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::Inactive => Self::Inactive,
        }
    }
}

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Declared::Active => "active",
            Declared::Inactive => "inactive",
            Declared::Scheduled => "scheduled",
        })
    }
}
