//! The hub as the model has it: one model, the requests on their way to it, and what it answers.

use std::{collections::HashMap, sync::LazyLock};

use oxen_operator::{
    api::{Deployment, Direction},
    decide::{Answer, Fault, Look, Mend},
    oxen::{self, fold},
};
use serde_json::json;
use url::Url;

/// The hub, and the Secrets that hold the keys for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hub {
    /// What is the case.
    pub deployment: Deployment,
    /// It leaves the deployments out of its answers.
    pub veiled: bool,
    /// It knows the model.
    pub known: bool,
    /// A call that it took and doesn't show yet.
    pub late: Option<Direction>,
    /// A call that nobody waits for any more and that may still arrive.
    pub in_flight: Option<Direction>,
    /// The Secrets with the objects' keys that are not there. Each object has one of its own.
    pub missing: Vec<usize>,
}

/// What one look shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Glimpse {
    /// The hub was not asked.
    Unneeded,
    /// A base model.
    Base,
    /// A custom model.
    Seen(Deployment),
    /// The model of that name of another account.
    Foreign(Deployment),
    /// No usable answer.
    Failed(Failure),
}

/// The faults of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // as `Fault`
pub enum Failure {
    CredentialsNotFound,
    CredentialsInvalid,
    OperatorKeyNotAllowed,
    Unauthenticated,
    Forbidden,
    PaymentRequired,
    ModelNotFound,
    RateLimited,
    Unreachable,
    Unexpected,
    AnotherModel,
    Rejected,
}

/// How the hub can fail to answer a retrieve.
pub const LOOKS: [Failure; 10] = [
    Failure::Unreachable,
    Failure::RateLimited,
    Failure::ModelNotFound,
    Failure::Unexpected,
    Failure::Unauthenticated,
    Failure::Forbidden,
    Failure::PaymentRequired,
    Failure::AnotherModel,
    Failure::OperatorKeyNotAllowed,
    Failure::CredentialsInvalid,
];

/// How the hub can refuse a call.
pub const REFUSALS: [Failure; 7] = [
    Failure::Rejected,
    Failure::PaymentRequired,
    Failure::ModelNotFound,
    // There was no connection to send it on.
    Failure::Unreachable,
    Failure::RateLimited,
    Failure::Forbidden,
    Failure::Unauthenticated,
];

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It never goes out.
    NotSent,
    /// Taken, and shown at once.
    Taken,
    /// Taken, and shown later.
    TakenLate,
    /// Refused.
    Refused(Failure),
    /// Taken, and the answer is lost.
    AnswerLost,
    /// Lost on its way.
    Lost,
    /// No answer in time, and it may still arrive.
    Delayed,
}

impl Outcome {
    /// As the process that made the call hears of it.
    #[must_use]
    pub fn answer(self) -> Answer {
        match self {
            Outcome::NotSent => Answer::NotSent("the look is out of date"),
            Outcome::Taken | Outcome::TakenLate => Answer::Accepted,
            Outcome::Refused(failure) => Answer::Refused(failure.fault()),
            Outcome::AnswerLost | Outcome::Lost | Outcome::Delayed => {
                Answer::unknown("no answer in time")
            }
        }
    }
}

impl Failure {
    fn fault(self) -> Fault {
        let words = || "said the hub".to_owned();
        match self {
            Failure::CredentialsNotFound => Fault::CredentialsNotFound {
                why: "There is no such Secret".into(),
                mend: Mend::Allow,
            },
            Failure::CredentialsInvalid => Fault::CredentialsInvalid {
                why: "The key is empty".into(),
                mend: Mend::Lend,
            },
            Failure::OperatorKeyNotAllowed => Fault::OperatorKeyNotAllowed,
            Failure::Unauthenticated => Fault::Unauthenticated,
            Failure::Forbidden => Fault::Forbidden(words()),
            Failure::PaymentRequired => Fault::PaymentRequired(words()),
            Failure::ModelNotFound => Fault::ModelNotFound(Vec::new()),
            Failure::RateLimited => Fault::RateLimited {
                wait: None,
                whole_key: false,
            },
            Failure::Unreachable => Fault::Unreachable(words()),
            Failure::Unexpected => Fault::Unexpected(words()),
            Failure::AnotherModel => Fault::AnotherModel("another".into()),
            Failure::Rejected => Fault::Rejected(words()),
        }
    }
}

impl Glimpse {
    /// What production makes of the hub's JSON.
    #[must_use]
    pub fn look(self) -> Look {
        match self {
            Glimpse::Unneeded => Look::Unneeded,
            Glimpse::Failed(failure) => Look::Failed(failure.fault()),
            Glimpse::Base | Glimpse::Seen(_) | Glimpse::Foreign(_) => {
                let known = READ.get(&self).cloned();
                known.unwrap_or_else(|| read(self))
            }
        }
    }

    /// The live status, where the look showed one of a custom model.
    #[must_use]
    pub fn shown(self) -> Option<Deployment> {
        match self {
            Glimpse::Seen(deployment) | Glimpse::Foreign(deployment) => Some(deployment),
            Glimpse::Unneeded | Glimpse::Base | Glimpse::Failed(_) => None,
        }
    }
}

/// Every good look, read once.
static READ: LazyLock<HashMap<Glimpse, Look>> = LazyLock::new(|| {
    let seen = DEPLOYMENTS.map(Glimpse::Seen);
    let foreign = DEPLOYMENTS.map(Glimpse::Foreign);
    let all = seen.into_iter().chain(foreign).chain([Glimpse::Base]);
    all.map(|glimpse| (glimpse, read(glimpse))).collect()
});

/// Every word that deployments fold to.
pub const DEPLOYMENTS: [Deployment; 7] = [
    Deployment::Active,
    Deployment::Inactive,
    Deployment::Deploying,
    Deployment::Deactivating,
    Deployment::Error,
    Deployment::Unknown,
    Deployment::None,
];

/// A good look at the hub's JSON, through the production's own types and fold.
fn read(glimpse: Glimpse) -> Look {
    let owner = match glimpse {
        Glimpse::Base => "oxen",
        Glimpse::Foreign(_) => "another",
        Glimpse::Seen(_) | Glimpse::Unneeded | Glimpse::Failed(_) => "acme",
    };
    let mut json = json!({"id": "bot", "object": "model", "created": 0, "owned_by": owner,
        "model_type": if glimpse == Glimpse::Base { "base" } else { "custom" }});
    match glimpse.shown() {
        Some(Deployment::Unknown) | None => {}
        Some(Deployment::None) => json["deployments"] = json!([]),
        Some(deployment) => json["deployments"] = json!([{"status": deployment}]),
    }
    let read = serde_json::from_value::<oxen::Model>(json).map_err(|error| error.to_string());
    let folded = read.and_then(|model| {
        let base = Url::parse("https://hub.oxen.ai/api/ai").map_err(|error| error.to_string())?;
        fold("bot", &model, &base).map_err(|fault| format!("{fault:?}"))
    });
    match folded {
        Ok(remote) => Look::Seen(Box::new(remote)),
        Err(words) => Look::Failed(Fault::Unexpected(words)),
    }
}

impl Hub {
    /// A hub whose model is in that state.
    #[must_use]
    pub fn new(deployment: Deployment) -> Self {
        Self {
            deployment,
            veiled: false,
            known: true,
            late: None,
            in_flight: None,
            missing: Vec::new(),
        }
    }

    /// The Secret with that object's key is there.
    #[must_use]
    pub fn has_key(&self, at: usize) -> bool {
        !self.missing.contains(&at)
    }

    /// It goes, or comes.
    pub fn set_key(&mut self, at: usize, there: bool) {
        self.missing.retain(|one| *one != at);
        if !there {
            self.missing.push(at);
            self.missing.sort_unstable();
        }
    }

    /// What a retrieve is answered with.
    #[must_use]
    pub fn glimpse(&self, base: bool) -> Glimpse {
        if !self.known {
            Glimpse::Failed(Failure::ModelNotFound)
        } else if base {
            Glimpse::Base
        } else if self.veiled {
            Glimpse::Seen(Deployment::Unknown)
        } else {
            Glimpse::Seen(self.deployment)
        }
    }

    /// A call arrives.
    pub fn receive(&mut self, direction: Direction, outcome: Outcome) {
        match outcome {
            Outcome::NotSent | Outcome::Lost | Outcome::Refused(_) => {}
            Outcome::Taken | Outcome::AnswerLost => self.apply(direction),
            Outcome::TakenLate => self.late = Some(direction),
            Outcome::Delayed => self.in_flight = Some(direction),
        }
    }

    /// A call shows its effect.
    pub fn apply(&mut self, direction: Direction) {
        self.deployment = match (self.deployment, direction) {
            (Deployment::Active | Deployment::Deploying, Direction::Activate)
            | (Deployment::Inactive | Deployment::Deactivating, Direction::Deactivate)
            | (Deployment::None, _) => self.deployment,
            (_, Direction::Activate) => Deployment::Deploying,
            (_, Direction::Deactivate) => Deployment::Deactivating,
        };
    }

    /// A transition ends.
    #[must_use]
    pub fn settled(&self) -> Option<Deployment> {
        match self.deployment {
            Deployment::Deploying => Some(Deployment::Active),
            Deployment::Deactivating => Some(Deployment::Inactive),
            Deployment::Active
            | Deployment::Inactive
            | Deployment::Error
            | Deployment::Unknown
            | Deployment::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_reads_every_good_look_as_it_is_meant() {
        for (glimpse, look) in READ.iter() {
            let Look::Seen(remote) = look else {
                unreachable!("{glimpse:?} is read as {look:?}");
            };
            assert_eq!(remote.base, *glimpse == Glimpse::Base);
            let shown = (!remote.base).then_some(remote.deployment);
            assert_eq!(shown, glimpse.shown());
        }
    }
}
