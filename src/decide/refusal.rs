//! The finding for a model whose activate call the budgets of its namespace refuse.

use super::{
    budget::{Limit, Refusal},
    plan::Finding,
    verdict::Verdict,
};
use crate::api::LiveStatus;

/// The finding for a model whose activate call the budgets refuse. Its message holds no count, so
/// that it changes only with the refusal.
pub(super) fn refused(refusal: &Refusal, live: LiveStatus) -> Finding {
    let (verdict, why) = match refusal {
        Refusal::NotListed => (
            Verdict::BudgetUnknown,
            "The OxenBudgets of the namespace have not been listed, so it is not known whether \
             they allow it. Install the CustomResourceDefinition oxenbudgets.oxen.ai and let the \
             operator list and watch OxenBudgets, or run the operator without --budgets."
                .to_owned(),
        ),
        Refusal::Undecodable { budget, problem } => (
            Verdict::BudgetUnknown,
            format!(
                "This version of the operator can't decode the OxenBudget {budget:?}, so it is \
                 not known whether it allows it: {problem}. Correct that field, or delete the \
                 OxenBudget."
            ),
        ),
        Refusal::Exceeded { budget, limit } => (
            Verdict::BudgetExceeded,
            format!(
                "{} The operator activates the model once there is room. Turn another model off, \
                 or raise the limit.",
                exceeding(budget, limit)
            ),
        ),
        Refusal::Unobserved { budget, object } => (
            Verdict::BudgetPending,
            format!(
                "The OxenModel {object:?} of the namespace has not been observed yet, so it is not \
                 known whether the OxenBudget {budget:?} has room. The operator activates the model \
                 once it knows that there is room."
            ),
        ),
    };
    let message = format!("The model is {live}, and the operator does not activate it. {why}");
    Finding::new(verdict, message)
}

fn exceeding(budget: &str, limit: &Limit) -> String {
    match limit {
        Limit::Active(1) => {
            format!("The OxenBudget {budget:?} allows 1 active model (maxActive).")
        }
        Limit::Active(most) => {
            format!("The OxenBudget {budget:?} allows {most} active models (maxActive).")
        }
        Limit::HourlyCost(most) => format!(
            "With it, the active models would cost more in an hour than the {most} that the \
             OxenBudget {budget:?} allows (maxHourlyCost)."
        ),
    }
}
