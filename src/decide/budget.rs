//! Budgets: which models count towards them, and whether they allow one more.
//!
//! A budget is judged by what is so now, so a restart loses nothing. It refuses only activate
//! calls.

use super::{
    decimal,
    price::{PRICE_SCALE, exact_price},
};
use crate::api::{LiveStatus, OperationKind, OxenBudgetSpec, OxenModelStatus, Pricing};

/// The fraction digits of an hourly cost.
const COST_SCALE: u32 = 9;

/// The digits of an hourly cost before its point.
const COST_DIGITS: usize = 9;

/// The seconds of an hour.
const HOUR: i128 = 3600;

/// What a model costs in a second, as an exact decimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(i128);

/// What a number of models amount to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// How many models there are.
    pub active: usize,
    /// How many of them have no price by time. They cost nothing here.
    pub unpriced: usize,
    cost: i128,
}

/// Why the budgets of a namespace allow no activate call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The budgets have not been listed.
    NotListed,
    /// A budget can't be decoded.
    Undecodable {
        /// The budget's name.
        budget: String,
        /// The field that can't be decoded, and why.
        problem: String,
    },
    /// The call would exceed a limit.
    Exceeded {
        /// The budget's name.
        budget: String,
        /// The limit.
        limit: Limit,
    },
}

/// A limit of a budget.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// `spec.maxActive`.
    Active(u32),
    /// `spec.maxHourlyCost`.
    HourlyCost(String),
}

impl Price {
    /// The price by time, if the model has one.
    #[must_use]
    pub fn of(pricing: Option<&Pricing>) -> Option<Self> {
        exact_price(pricing).map(Self)
    }
}

impl Total {
    /// Adds a model with this price, if it has one.
    pub fn add(&mut self, price: Option<Price>) {
        self.active += 1;
        match price {
            Some(Price(price)) => self.cost = self.cost.saturating_add(price),
            None => self.unpriced += 1,
        }
    }

    /// Removes a model with this price, which was added before.
    pub fn remove(&mut self, price: Option<Price>) {
        self.active = self.active.saturating_sub(1);
        match price {
            Some(Price(price)) => self.cost = self.cost.saturating_sub(price),
            None => self.unpriced = self.unpriced.saturating_sub(1),
        }
    }

    /// What the models cost together in an hour, as a decimal. What is less than its last digit is
    /// cut off.
    #[must_use]
    pub fn hourly_cost(&self) -> String {
        let unit = 10_i128.pow(PRICE_SCALE - COST_SCALE);
        decimal::format(self.cost.saturating_mul(HOUR) / unit, COST_SCALE)
    }
}

/// Returns true when a model with this status counts towards the budgets of its namespace: it is
/// not known to be off, or an activate operation is open. The status of an object that has never
/// been observed has no live status.
#[must_use]
pub fn counts(status: &OxenModelStatus) -> bool {
    let off = |live| matches!(live, LiveStatus::Inactive | LiveStatus::None);
    let open = status.operation.as_ref();
    status.live.is_some_and(|live| !off(live))
        || open.is_some_and(|open| open.kind == OperationKind::Activate)
}

/// The limit of a budget that one more model would exceed. `others` are the models that count
/// without it, and `price` is its own.
#[must_use]
pub fn exceeded(budget: &OxenBudgetSpec, others: &Total, price: Option<Price>) -> Option<Limit> {
    let mut total = *others;
    total.add(price);
    if let Some(most) = budget.max_active
        && total.active > usize::try_from(most).unwrap_or(usize::MAX)
    {
        return Some(Limit::Active(most));
    }
    let most = budget.max_hourly_cost.as_ref()?.as_str();
    // The type of the limit makes sure that it is a decimal. A limit of zero allows the least.
    let allowed = decimal::parse(most, COST_DIGITS, PRICE_SCALE).unwrap_or_default();
    let exceeds = total.cost.saturating_mul(HOUR) > allowed;
    exceeds.then(|| Limit::HourlyCost(most.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn price(text: &str) -> Option<Price> {
        Price::of(Some(&Pricing {
            method: Some("time".into()),
            cost_per_second: Some(text.into()),
            ..Pricing::default()
        }))
    }

    fn total(prices: &[Option<Price>]) -> Total {
        let mut total = Total::default();
        prices.iter().for_each(|price| total.add(*price));
        total
    }

    fn budget(spec: Value) -> OxenBudgetSpec {
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn a_model_counts_unless_it_is_known_to_be_off() {
        let status = |live: Option<LiveStatus>, kind: Option<OperationKind>| {
            let operation = kind.map(|kind| {
                json!({"id": "op", "kind": kind, "from": "inactive", "started": "2026-01-01T00:00:00Z"})
            });
            let status = json!({"observedGeneration": 1, "live": live, "operation": operation});
            serde_json::from_value::<OxenModelStatus>(status).unwrap()
        };
        for live in LiveStatus::ALL {
            let off = matches!(live, LiveStatus::Inactive | LiveStatus::None);
            assert_eq!(counts(&status(Some(*live), None)), !off, "{live}");
            let deactivate = Some(OperationKind::Deactivate);
            assert_eq!(counts(&status(Some(*live), deactivate)), !off, "{live}");
            assert!(counts(&status(Some(*live), Some(OperationKind::Activate))));
        }
        assert!(!counts(&status(None, None)));
        assert!(!counts(&OxenModelStatus::default()));
    }

    #[test]
    fn the_number_of_models_is_limited() {
        let one = budget(json!({"maxActive": 1}));
        assert_eq!(exceeded(&one, &total(&[]), None), None);
        let two = exceeded(&one, &total(&[None]), None);
        assert_eq!(two, Some(Limit::Active(1)));
        let none = budget(json!({"maxActive": 0}));
        assert_eq!(exceeded(&none, &total(&[]), None), Some(Limit::Active(0)));
        // The limit was lowered below the use.
        assert_eq!(
            exceeded(&one, &total(&[None; 5]), None),
            Some(Limit::Active(1))
        );
    }

    #[test]
    fn the_cost_is_exact() {
        // A model costs 2.50 an hour, less a part of a cent.
        let model = price("0.000694444");
        assert_eq!(total(&[model]).hourly_cost(), "2.499998400");
        let spend = |most: &str, prices: &[Option<Price>], own| {
            let limit = exceeded(&budget(json!({"maxHourlyCost": most})), &total(prices), own);
            assert!(limit.is_none() || limit == Some(Limit::HourlyCost(most.into())));
            limit.is_some()
        };
        assert!(!spend("2.4999984", &[], model));
        assert!(spend("2.499998399", &[], model));
        assert!(!spend("5", &[model], model));
        assert!(spend("4.9", &[model], model));
        // A price that is finer than a limit can be is not rounded away.
        assert!(spend("0", &[], price("0.000000000000000001")));
        // A model without a price by time costs nothing.
        assert!(!spend("0", &[], None));
        assert!(!spend("2.5", &[model], None));
        assert!(
            spend("2", &[model], None),
            "the limit was lowered below the use"
        );
        let huge = price("999999");
        assert!(spend("999999999.999999999", &[huge; 3], huge));
    }

    #[test]
    fn what_was_added_can_be_removed() {
        let prices = [price("0.5"), None, price("0.25"), price("0")];
        let mut all = total(&prices);
        assert_eq!((all.active, all.unpriced), (4, 1));
        assert_eq!(all.hourly_cost(), "2700.000000000");
        prices.iter().for_each(|price| all.remove(*price));
        assert_eq!(all, Total::default());
    }
}
