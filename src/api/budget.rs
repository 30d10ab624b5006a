//! `OxenBudget`: how many models of its namespace may be on at once, and what they may cost
//! together. It has a kind of its own, because who sets a limit is not who spends: the rights on it
//! are given separately.

use std::fmt;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The decimals that the schema allows, as [`HourlyCost`] reads them.
const COST: &str = r"^[0-9]{1,9}(\.[0-9]{1,9})?$";

/// The largest `maxActive`.
const MOST_ACTIVE: u32 = 1_000_000;

const NO_LIMIT: &str = "a budget needs a limit: set maxActive: 3, or maxHourlyCost: \"20.00\"";
const BAD_COST: &str = "maxHourlyCost must be a decimal such as \"20.00\", with at most 9 digits \
                        before its point and 9 behind it";

/// The limits of a namespace. At least one of the two is set.
#[allow(clippy::duplicated_attributes)] // the columns' types
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "oxen.ai",
    version = "v1alpha1",
    kind = "OxenBudget",
    namespaced,
    shortname = "oxb",
    status = "OxenBudgetStatus",
    derive = "PartialEq",
    doc = "An OxenBudget limits how many models of its namespace may be on at once, and what they may cost together. The operator makes no activate call that would exceed it. It turns no model off.",
    printcolumn(name = "Active", type_ = "integer", json_path = ".status.active"),
    printcolumn(name = "Max", type_ = "integer", json_path = ".spec.maxActive"),
    printcolumn(name = "Hourly", type_ = "string", json_path = ".status.hourlyCost"),
    printcolumn(
        name = "Max-Hourly",
        type_ = "string",
        json_path = ".spec.maxHourlyCost"
    ),
    printcolumn(name = "Refusing", type_ = "integer", json_path = ".status.refusing"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[x_kube(
    validation = Rule::new("has(self.maxActive) || has(self.maxHourlyCost)").message(NO_LIMIT)
)]
#[serde(rename_all = "camelCase")]
pub struct OxenBudgetSpec {
    /// How many custom models of this namespace may be on at once. `0` allows no activation.
    /// Unset: any number. Example: `3`.
    #[schemars(range(min = 0, max = MOST_ACTIVE))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_active: Option<u32>,

    /// What the custom models of this namespace that are on may cost together in an hour, in the
    /// hub's currency: the sum of their prices per second, times 3600. A model that has no price by
    /// time counts as 0. Unset: any cost. Example: `"20.00"`.
    #[x_kube(validation = Rule::new(format!("self.matches(r'{COST}')")).message(BAD_COST))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_hourly_cost: Option<HourlyCost>,

    /// Limits only the models whose API key is in the Secret of this name. A model that uses the
    /// operator's own key is not among them. Unset: all models of this namespace. Example:
    /// `oxen-api-key`.
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')").message(
            "secretName must be a Secret's: lower case letters, digits, '-' and '.', such as oxen-api-key"
        )
    )]
    #[schemars(length(max = 253))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
}

impl OxenBudgetSpec {
    /// Checks what the decoding does not: that there is a limit.
    ///
    /// # Errors
    ///
    /// Names the field and the fix, as `field: fix`.
    pub fn check(&self) -> Result<(), String> {
        if self.max_active.is_none() && self.max_hourly_cost.is_none() {
            return Err(format!("spec: {NO_LIMIT}"));
        }
        Ok(())
    }
}

/// What counts towards the limits, and what they refuse.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {"observedGeneration": -1}))]
pub struct OxenBudgetStatus {
    /// The `metadata.generation` that this status is about; -1 until the operator has observed the
    /// object.
    pub observed_generation: i64,
    /// How many models count: those that are not known to be off, and those with an open activate
    /// operation.
    #[serde(default)]
    pub active: u32,
    /// What these models cost together in an hour, in the hub's currency.
    #[serde(default)]
    pub hourly_cost: Option<String>,
    /// How many of these models have no price by time, so that they count as 0 in `hourlyCost`.
    #[serde(default)]
    pub unpriced: u32,
    /// How many objects should be active and are not activated because of this budget.
    #[serde(default)]
    pub refusing: u32,
}

/// A cost in an hour, as a decimal without a sign or an exponent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HourlyCost(String);

impl HourlyCost {
    /// The decimal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl JsonSchema for HourlyCost {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HourlyCost".into()
    }

    // The length bounds the cost of the CEL rule.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "maxLength": 19})
    }
}

impl TryFrom<String> for HourlyCost {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = |part: &str| {
            (1..=9).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
        if digits(whole) && digits(fraction) {
            Ok(Self(text))
        } else {
            Err(BAD_COST)
        }
    }
}

impl From<HourlyCost> for String {
    fn from(cost: HourlyCost) -> Self {
        cost.0
    }
}

impl fmt::Display for HourlyCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(spec: serde_json::Value) -> Result<OxenBudgetSpec, String> {
        serde_json::from_value(spec).map_err(|error| error.to_string())
    }

    #[test]
    fn a_cost_is_a_plain_decimal() {
        for text in ["0", "20", "20.00", "0.5", "999999999.999999999", "007.10"] {
            let read = spec(json!({"maxHourlyCost": text})).unwrap();
            assert_eq!(read.max_hourly_cost.unwrap().to_string(), text);
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            " 1",
            "1_0",
            "٣",
            "1234567890",
            "0.1234567890",
        ] {
            let problem = spec(json!({"maxHourlyCost": text})).unwrap_err();
            assert!(problem.contains("must be a decimal"), "{text:?}: {problem}");
        }
        assert!(spec(json!({"maxHourlyCost": 20})).is_err());
        assert!(spec(json!({"maxActive": -1})).is_err());
    }

    #[test]
    fn a_budget_needs_a_limit() {
        assert_eq!(spec(json!({"maxActive": 0})).unwrap().check(), Ok(()));
        assert_eq!(spec(json!({"maxHourlyCost": "0"})).unwrap().check(), Ok(()));
        let none = spec(json!({"secretName": "team-key"})).unwrap();
        assert!(
            none.check()
                .unwrap_err()
                .starts_with("spec: a budget needs a limit")
        );
    }
}
