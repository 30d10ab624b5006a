//! What one object means for the budgets of its namespace.

use std::sync::Arc;

use crate::{
    api::{Identity, OxenModel},
    decide::{Activity, Claimant, Price, READY, Verdict, activity, condition},
};

/// What an object means for the budgets of its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller::index) enum Account {
    /// The object was never observed, so its model may be on.
    Unobserved {
        name: Arc<str>,
        secret: Option<Arc<str>>,
    },
    /// The object was observed.
    Observed {
        share: Share,
        /// Whether the model counts.
        on: bool,
        /// Whether the object's status says that a budget refuses it.
        refused: bool,
    },
}

/// What budgets need to know about the model of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller::index) struct Share {
    pub(in crate::controller::index) identity: Arc<Identity>,
    /// The Secret that the object uses, or `None` for the operator's own key.
    pub(in crate::controller::index) secret: Option<Arc<str>>,
    pub(in crate::controller::index) price: Option<Price>,
}

impl Account {
    /// The account of an object that uses this Secret, or `None` if it has no model that may count.
    pub(super) fn of(
        object: &OxenModel,
        claimant: &Claimant,
        secret: Option<Arc<str>>,
    ) -> Option<Self> {
        let status = object.status.as_ref();
        let activity = activity(status);
        if activity == Activity::Unobserved {
            let name = claimant.name.clone();
            return Some(Self::Unobserved { name, secret });
        }
        let identity = claimant.identity.as_ref().filter(|_| !claimant.base)?;
        let status = status?;
        let ready = condition(&status.conditions, READY);
        Some(Self::Observed {
            share: Share {
                identity: identity.clone(),
                secret,
                price: Price::of(status.pricing.as_ref()),
            },
            on: activity == Activity::On,
            refused: ready.is_some_and(|ready| is_refusal(&ready.reason)),
        })
    }
}

/// Returns true when this reason says that the budgets refuse an activate call.
fn is_refusal(reason: &str) -> bool {
    let refusals = [
        Verdict::BudgetExceeded,
        Verdict::BudgetUnknown,
        Verdict::BudgetPending,
    ];
    let mut reasons = refusals.map(|it| it.presentation().reason).into_iter();
    reasons.any(|refusal| refusal == reason)
}
