//! Overrides: a state that a person or a pipeline wants for a while, whatever the spec declares.
//! The annotation `oxen.ai/override` requests one, and the status holds it until its end.

use std::str::FromStr;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::state::State;

/// The largest number of bytes in the annotation's value.
const LONGEST: usize = 64;

/// An override that is in force. It stays in force until its end, even if the annotation is
/// removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Override {
    /// The value of the annotation `oxen.ai/override` that requested this override.
    pub value: String,
    /// The desired state while this override is in force.
    pub state: State,
    /// When this override ends.
    pub until: Time,
}

/// A requested override that the operator refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedOverride {
    /// The value of the annotation `oxen.ai/override`, shortened if it is long.
    pub value: String,
    /// Why the override was refused, and what to do.
    pub why: String,
}

/// What the annotation `oxen.ai/override` requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverrideRequest {
    /// `none`: no override is in force any longer.
    None,
    /// `active until TIME` or `inactive until TIME`: the model is in this state until then.
    Until(State, Timestamp),
}

impl FromStr for OverrideRequest {
    type Err = String;

    /// Reads `active until TIME`, `inactive until TIME` or `none`, with an RFC 3339 time that is
    /// cut to whole seconds.
    ///
    /// # Errors
    ///
    /// Says what to write instead.
    fn from_str(value: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "Write \"active until 2026-11-25T18:00:00+01:00\", \"inactive until \
                            2026-11-25T18:00:00+01:00\" or \"none\".";
        let unknown = || format!("The value has none of the valid forms. {FORM}");
        if value == "none" {
            return Ok(Self::None);
        }
        let parts = value.split_once(" until ");
        let (state, until) = parts
            .filter(|_| value.len() <= LONGEST)
            .ok_or_else(unknown)?;
        let state = match state {
            "active" => State::Active,
            "inactive" => State::Inactive,
            _ => return Err(unknown()),
        };
        let until: Timestamp = until.parse().map_err(|_| {
            format!("The time is not valid. It needs a date, a time of day and an offset. {FORM}")
        })?;
        let until = Timestamp::from_second(until.as_second()).unwrap_or(until);
        Ok(Self::Until(state, until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_a_state_and_an_instant() {
        let until = |state, time: &str| Ok(OverrideRequest::Until(state, time.parse().unwrap()));
        for (value, expected) in [
            ("none", Ok(OverrideRequest::None)),
            (
                "active until 2026-11-25T22:00:00+01:00",
                until(State::Active, "2026-11-25T21:00:00Z"),
            ),
            (
                "inactive until 2026-11-25T22:00:00.75Z",
                until(State::Inactive, "2026-11-25T22:00:00Z"),
            ),
        ] {
            assert_eq!(value.parse::<OverrideRequest>(), expected, "{value}");
        }
    }

    #[test]
    fn any_other_value_is_refused_with_the_right_form() {
        let long = format!("active until 2026-11-25T22:00:00{}Z", " ".repeat(64));
        for value in [
            "",
            "None",
            "active",
            "active until",
            "active until ",
            "active until 18:00",
            "active until tomorrow",
            "active until 2026-11-25",
            "active until 2026-11-25T22:00:00",
            "active until 2026-02-30T22:00:00Z",
            "Active until 2026-11-25T22:00:00Z",
            "on until 2026-11-25T22:00:00Z",
            "active for 2h",
            " active until 2026-11-25T22:00:00Z",
            "active until 2026-11-25T22:00:00Z\n",
            &long,
        ] {
            let refused = value.parse::<OverrideRequest>().unwrap_err();
            assert!(
                refused.contains("\"active until 2026-11-25T18:00:00+01:00\""),
                "{value:?}: {refused}"
            );
        }
    }
}
