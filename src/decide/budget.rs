//! Budgets: which models count towards them, and whether they allow one more.
//!
//! A budget is judged by what is so now, so a restart loses nothing. It refuses only activate
//! calls.

use super::{
    conditions::{STALLED, is_true},
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

/// What an object's status says about its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// The model is not known to be off, or an activate operation is open. It counts.
    On,
    /// The model is off. A model that can't be observed before a person or a change intervenes
    /// counts as off, so that one wrong name or key doesn't block its namespace.
    Off,
    /// The object was never observed, so the model may be on.
    Unobserved,
}

/// The other models that a budget limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others<'a> {
    /// What the models that count amount to.
    pub on: Total,
    /// The number of objects that were never observed.
    pub unobserved: usize,
    /// The name of an object that was never observed, if there is one.
    pub example: Option<&'a str>,
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
    /// The call might exceed a limit, because the models of unobserved objects may be on.
    Unobserved {
        /// The budget's name.
        budget: String,
        /// The name of such an object.
        object: String,
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

/// What an object's status says about its model.
#[must_use]
pub fn activity(status: Option<&OxenModelStatus>) -> Activity {
    let Some(status) = status else {
        return Activity::Unobserved;
    };
    let open = status.operation.as_ref();
    if open.is_some_and(|open| open.kind == OperationKind::Activate) {
        return Activity::On;
    }
    match status.live {
        Some(LiveStatus::Inactive | LiveStatus::None) => Activity::Off,
        Some(_) => Activity::On,
        None if is_true(&status.conditions, STALLED) => Activity::Off,
        None => Activity::Unobserved,
    }
}

/// Why a budget refuses an activate call, or `None` if it allows it. `others` are the other models
/// that the budget limits, and `price` is the model's own.
#[must_use]
pub fn judge(
    name: &str,
    budget: &OxenBudgetSpec,
    others: &Others<'_>,
    price: Option<Price>,
) -> Option<Refusal> {
    if let Some(limit) = exceeded(budget, others.on, price) {
        let budget = name.to_owned();
        return Some(Refusal::Exceeded { budget, limit });
    }
    let object = others.example?;
    // What an unobserved model costs is not known.
    let all = Total {
        active: others.on.active + others.unobserved,
        ..others.on
    };
    let may_exceed = budget.max_hourly_cost.is_some() || exceeded(budget, all, price).is_some();
    may_exceed.then(|| Refusal::Unobserved {
        budget: name.to_owned(),
        object: object.to_owned(),
    })
}

/// The limit of a budget that one more model with this price would exceed.
fn exceeded(budget: &OxenBudgetSpec, mut total: Total, price: Option<Price>) -> Option<Limit> {
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

    fn status(live: Option<LiveStatus>, kind: Option<OperationKind>) -> OxenModelStatus {
        let operation = kind.map(|kind| {
            json!({"id": "op", "kind": kind, "from": "inactive", "started": "2026-01-01T00:00:00Z"})
        });
        let status = json!({"observedGeneration": 1, "live": live, "operation": operation});
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn a_model_counts_unless_it_is_known_to_be_off() {
        let [activates, deactivates] = [OperationKind::Activate, OperationKind::Deactivate];
        for live in LiveStatus::ALL {
            let of = |kind| activity(Some(&status(Some(*live), kind)));
            let off = matches!(live, LiveStatus::Inactive | LiveStatus::None);
            let expected = if off { Activity::Off } else { Activity::On };
            assert_eq!(of(None), expected, "{live}");
            assert_eq!(of(Some(deactivates)), expected, "{live}");
            assert_eq!(of(Some(activates)), Activity::On, "{live}");
        }
    }

    #[test]
    fn an_object_is_unobserved_until_it_shows_a_live_status_or_is_stalled() {
        assert_eq!(activity(None), Activity::Unobserved);
        let initial = OxenModelStatus::default();
        assert_eq!(activity(Some(&initial)), Activity::Unobserved);
        let with = |type_: &str| {
            let condition = json!([{
                "type": type_,
                "status": "True",
                "reason": "HubUnreachable",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]);
            let conditions = serde_json::from_value(condition).unwrap();
            let status = OxenModelStatus {
                conditions,
                ..status(None, None)
            };
            activity(Some(&status))
        };
        assert_eq!(with("Reconciling"), Activity::Unobserved);
        assert_eq!(with("Stalled"), Activity::Off);
    }

    #[test]
    fn unobserved_models_count_as_if_they_were_on() {
        let refused = |spec: Value, on: usize, unobserved: usize| {
            let others = Others {
                on: total(&vec![None; on]),
                unobserved,
                example: (unobserved > 0).then_some("new"),
            };
            judge("team", &budget(spec), &others, None)
        };
        let unobserved = Some(Refusal::Unobserved {
            budget: "team".into(),
            object: "new".into(),
        });
        assert_eq!(refused(json!({"maxActive": 3}), 1, 1), None);
        assert_eq!(refused(json!({"maxActive": 3}), 1, 2), unobserved);
        assert_eq!(refused(json!({"maxActive": 3}), 0, 3), unobserved);
        let exceeded = Some(Refusal::Exceeded {
            budget: "team".into(),
            limit: Limit::Active(3),
        });
        assert_eq!(refused(json!({"maxActive": 3}), 3, 2), exceeded);
        // A price is known after an observation only.
        assert_eq!(refused(json!({"maxHourlyCost": "100"}), 1, 1), unobserved);
        assert_eq!(refused(json!({"maxHourlyCost": "100"}), 1, 0), None);
    }

    #[test]
    fn the_number_of_models_is_limited() {
        let one = budget(json!({"maxActive": 1}));
        assert_eq!(exceeded(&one, total(&[]), None), None);
        let two = exceeded(&one, total(&[None]), None);
        assert_eq!(two, Some(Limit::Active(1)));
        let none = budget(json!({"maxActive": 0}));
        assert_eq!(exceeded(&none, total(&[]), None), Some(Limit::Active(0)));
        // The limit was lowered below the use.
        assert_eq!(
            exceeded(&one, total(&[None; 5]), None),
            Some(Limit::Active(1))
        );
    }

    #[test]
    fn the_cost_is_exact() {
        // A model costs 2.50 an hour, less a part of a cent.
        let model = price("0.000694444");
        assert_eq!(total(&[model]).hourly_cost(), "2.499998400");
        let spend = |most: &str, prices: &[Option<Price>], own| {
            let limit = exceeded(&budget(json!({"maxHourlyCost": most})), total(prices), own);
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
