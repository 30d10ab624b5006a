//! The usage: for how long a model has been in the states that bill or may bill, and what that has
//! cost.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// For how long the model has been on, and what that has cost, while this object controlled it. The
/// period in `open` is not part of the other fields yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Since when usage has been counted.
    #[serde(default)]
    pub began: Option<Time>,
    /// How long the model was `active`.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub active_seconds: i64,
    /// How long the model was `deploying`. The hub doesn't say whether that bills.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub deploying_seconds: i64,
    /// How long the model was in `error`. The hub doesn't say whether that bills.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub error_seconds: i64,
    /// How long it was not known what the model did. These seconds can be in the other sums, too.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub unseen_seconds: i64,
    /// The part of `activeSeconds` in which no price by time was known.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub unpriced_seconds: i64,
    /// What the active seconds with a known price have cost, as a decimal in the hub's currency.
    /// Absent until the first of them.
    #[serde(default)]
    pub cost: Option<String>,
    /// The period that has not ended yet.
    #[serde(default)]
    pub open: Option<OpenPeriod>,
}

/// A period in which the model is in one state, at one price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenPeriod {
    /// The live status.
    pub is: Counted,
    /// When an observation first showed this status at this price.
    pub since: Time,
    /// The price of each second. Absent where no price is known, and while the model is not
    /// `active`.
    #[serde(default)]
    pub cost_per_second: Option<String>,
}

/// A live status whose seconds are counted: `active`, which bills, and `deploying` and `error`,
/// which may bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Counted {
    /// The model answers requests and bills by the second.
    Active,
    /// The model is becoming active.
    Deploying,
    /// The hub failed to deploy the model.
    Error,
}

/// Reads a usage, or `None` where the JSON is not one. No decision depends on the usage, so it must
/// not make its object undecodable.
pub(super) fn lenient<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Usage>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::api::OxenModelStatus;

    #[test]
    fn a_usage_that_cannot_be_read_costs_only_itself() {
        let status = |usage: Value| {
            let status = json!({"observedGeneration": 1, "live": "active", "usage": usage});
            let status: OxenModelStatus = serde_json::from_value(status).unwrap();
            assert!(status.live.is_some());
            status.usage
        };
        for odd in [
            Value::Null,
            json!("much"),
            json!([1]),
            json!({"activeSeconds": "7"}),
            json!({"activeSeconds": 1.5}),
            json!({"began": "yesterday"}),
            json!({"cost": 7}),
            json!({"open": {"is": "resting", "since": "2026-01-01T00:00:00Z"}}),
            json!({"open": {"is": "active"}}),
        ] {
            assert_eq!(status(odd.clone()), None, "{odd}");
        }
        let usage = status(json!({"activeSeconds": 7})).unwrap();
        assert_eq!(usage.active_seconds, 7);
        let sent = serde_json::to_value(&usage).unwrap();
        assert_eq!(status(sent), Some(usage));
    }
}
