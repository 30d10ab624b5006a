//! The hub as the model has it: one hub model, the calls on their way to it, and its answers.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use oxen_operator::{
    api::{LiveStatus, OperationKind},
    decide::{CallOutcome, CredentialFault, Fault, HubFault, Remedy, Remote},
    hub::{Model, fold},
};
use serde_json::json;
use url::Url;

/// The wait that the hub asks for where it limits the rate. Each tick ends it.
pub const RETRY_AFTER: Duration = Duration::from_secs(60);

/// The hub, and the Secrets with the API keys for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hub {
    /// The true live status.
    pub live: LiveStatus,
    /// Whether its answers leave out the deployments.
    pub hides_deployments: bool,
    /// Whether it knows the model.
    pub knows_model: bool,
    /// Which calls it refuses, while it does.
    pub refuses: Option<Refusing>,
    /// A call that it accepted and whose effect it doesn't show yet.
    pub accepted: Option<OperationKind>,
    /// A call whose sender has stopped waiting, and that may still arrive.
    pub in_flight: Option<OperationKind>,
    /// The objects whose Secret doesn't exist. Each object has a Secret of its own.
    pub missing_secrets: Vec<usize>,
}

/// How the hub refuses calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refusing {
    /// Its answer.
    pub failure: HubFailure,
    /// Whether it refuses each activate call and accepts deactivate calls.
    pub activates_only: bool,
}

/// An account other than the one whose model the objects are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // two, so that one can take the place of the other
pub enum Account {
    Second,
    Third,
}

/// What became of a live GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retrieved {
    /// The answer is a base model.
    Base,
    /// The answer is the custom model.
    Custom(LiveStatus),
    /// The answer is a model of the same name and another account.
    Foreign(Account, LiveStatus),
    /// There is no API key, so no request was sent.
    NoKey(KeyFailure),
    /// The hub gave no usable answer.
    Failed(HubFailure),
}

/// A [`CredentialFault`] without its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // documented by `CredentialFault`
pub enum KeyFailure {
    NotFound,
    Invalid,
    OperatorKeyNotAllowed,
}

/// A [`HubFault`] without its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // documented by `HubFault`
pub enum HubFailure {
    Unauthenticated,
    Forbidden,
    PaymentRequired,
    ModelNotFound,
    RateLimited,
    Unreachable,
    Unexpected,
    ModelMismatch,
    Rejected,
}

/// The ways in which a live GET can fail.
pub const RETRIEVE_FAULTS: [Retrieved; 10] = [
    Retrieved::Failed(HubFailure::Unreachable),
    Retrieved::Failed(HubFailure::RateLimited),
    Retrieved::Failed(HubFailure::ModelNotFound),
    Retrieved::Failed(HubFailure::Unexpected),
    Retrieved::Failed(HubFailure::Unauthenticated),
    Retrieved::Failed(HubFailure::Forbidden),
    Retrieved::Failed(HubFailure::PaymentRequired),
    Retrieved::Failed(HubFailure::ModelMismatch),
    Retrieved::NoKey(KeyFailure::OperatorKeyNotAllowed),
    Retrieved::NoKey(KeyFailure::Invalid),
];

/// The ways in which the hub can refuse a call.
pub const REFUSALS: [HubFailure; 7] = [
    HubFailure::Rejected,
    HubFailure::PaymentRequired,
    HubFailure::ModelNotFound,
    // There was no connection to send the call on.
    HubFailure::Unreachable,
    HubFailure::RateLimited,
    HubFailure::Forbidden,
    HubFailure::Unauthenticated,
];

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The call never goes out.
    NotSent,
    /// The hub accepts the call and shows its effect at once.
    Accepted,
    /// The hub accepts the call and shows its effect later.
    AcceptedLate,
    /// The hub refuses the call.
    Refused(HubFailure),
    /// The hub accepts the call, and its response is lost.
    ResponseLost,
    /// The call is lost on its way.
    RequestLost,
    /// The call times out, and may still arrive.
    Delayed,
}

impl Outcome {
    /// What the process that made the call knows of its outcome.
    #[must_use]
    pub fn call_outcome(self) -> CallOutcome {
        match self {
            Outcome::NotSent => CallOutcome::NotSent("the observation is too old"),
            Outcome::Accepted | Outcome::AcceptedLate => CallOutcome::Accepted,
            Outcome::Refused(failure) => CallOutcome::refused(failure.fault()),
            Outcome::ResponseLost | Outcome::RequestLost | Outcome::Delayed => {
                CallOutcome::unknown("the request timed out")
            }
        }
    }
}

impl KeyFailure {
    fn fault(self) -> CredentialFault {
        match self {
            KeyFailure::NotFound => CredentialFault::NotFound {
                why: "The Secret doesn't exist".into(),
                remedy: Remedy::GrantAccess,
            },
            KeyFailure::Invalid => CredentialFault::Invalid {
                why: "The key is empty".into(),
                remedy: Remedy::SetOperatorKey,
            },
            KeyFailure::OperatorKeyNotAllowed => CredentialFault::OperatorKeyNotAllowed,
        }
    }
}

impl HubFailure {
    fn fault(self) -> HubFault {
        let words = || "the hub's words".to_owned();
        match self {
            HubFailure::Unauthenticated => HubFault::Unauthenticated,
            HubFailure::Forbidden => HubFault::Forbidden(words()),
            HubFailure::PaymentRequired => HubFault::PaymentRequired(words()),
            HubFailure::ModelNotFound => HubFault::ModelNotFound(Vec::new()),
            HubFailure::RateLimited => HubFault::RateLimited {
                wait: Some(RETRY_AFTER),
                whole_key: false,
                words: None,
            },
            HubFailure::Unreachable => HubFault::Unreachable(words()),
            HubFailure::Unexpected => HubFault::Unexpected(words()),
            HubFailure::ModelMismatch => HubFault::ModelMismatch("another".into()),
            HubFailure::Rejected => HubFault::Rejected(words()),
        }
    }
}

impl Retrieved {
    /// The result of the live GET in the production's types.
    ///
    /// # Errors
    ///
    /// Why there is no model.
    pub fn result(self) -> Result<Box<Remote>, Fault> {
        match self {
            Retrieved::NoKey(failure) => Err(failure.fault().into()),
            Retrieved::Failed(failure) => Err(failure.fault().into()),
            Retrieved::Base | Retrieved::Custom(_) | Retrieved::Foreign(..) => {
                let known = ANSWERS.get(&self).cloned();
                known.unwrap_or_else(|| read(self))
            }
        }
    }

    /// The live status, where the answer is a custom model.
    #[must_use]
    pub fn live(self) -> Option<LiveStatus> {
        match self {
            Retrieved::Custom(live) | Retrieved::Foreign(_, live) => Some(live),
            Retrieved::Base | Retrieved::NoKey(_) | Retrieved::Failed(_) => None,
        }
    }

    /// Returns true when the answer is a model.
    #[must_use]
    pub fn is_answered(self) -> bool {
        match self {
            Retrieved::Base | Retrieved::Custom(_) | Retrieved::Foreign(..) => true,
            Retrieved::NoKey(_) | Retrieved::Failed(_) => false,
        }
    }

    /// The account that owns the model, where the answer is one.
    #[must_use]
    pub fn owner(self) -> Option<&'static str> {
        match self {
            Retrieved::Base => Some("oxen"),
            Retrieved::Custom(_) => Some("acme"),
            Retrieved::Foreign(Account::Second, _) => Some("second"),
            Retrieved::Foreign(Account::Third, _) => Some("third"),
            Retrieved::NoKey(_) | Retrieved::Failed(_) => None,
        }
    }
}

/// The answers with a model, each as the production reads it.
static ANSWERS: LazyLock<HashMap<Retrieved, Result<Box<Remote>, Fault>>> = LazyLock::new(|| {
    let all = LiveStatus::ALL.iter().copied().flat_map(|live| {
        let second = Retrieved::Foreign(Account::Second, live);
        let third = Retrieved::Foreign(Account::Third, live);
        [Retrieved::Custom(live), second, third]
    });
    let all = all.chain([Retrieved::Base]);
    all.map(|answer| (answer, read(answer))).collect()
});

/// Reads an answer's JSON with the production's types and fold.
fn read(answer: Retrieved) -> Result<Box<Remote>, Fault> {
    let mut json = json!({"id": "bot", "object": "model", "created": 0, "owned_by": answer.owner(),
        "model_type": if answer == Retrieved::Base { "base" } else { "custom" }});
    match answer.live() {
        Some(LiveStatus::Unknown) | None => {}
        Some(LiveStatus::None) => json["deployments"] = json!([]),
        Some(live) => json["deployments"] = json!([{"status": live}]),
    }
    let unexpected = |words: String| Fault::Hub(HubFault::Unexpected(words));
    let model: Model =
        serde_json::from_value(json).map_err(|error| unexpected(error.to_string()))?;
    let base = Url::parse("https://hub.oxen.ai/api/ai");
    let base = base.map_err(|error| unexpected(error.to_string()))?;
    Ok(Box::new(fold("bot", &model, &base)?))
}

impl Hub {
    /// A hub whose model has that live status.
    #[must_use]
    pub fn new(live: LiveStatus) -> Self {
        Self {
            live,
            hides_deployments: false,
            knows_model: true,
            refuses: None,
            accepted: None,
            in_flight: None,
            missing_secrets: Vec::new(),
        }
    }

    /// Returns true when the Secret of that object exists.
    #[must_use]
    pub fn has_secret(&self, slot: usize) -> bool {
        !self.missing_secrets.contains(&slot)
    }

    /// Creates or deletes the Secret of that object.
    pub fn set_secret(&mut self, slot: usize, exists: bool) {
        self.missing_secrets.retain(|one| *one != slot);
        if !exists {
            self.missing_secrets.push(slot);
            self.missing_secrets.sort_unstable();
        }
    }

    /// The true answer to a live GET.
    #[must_use]
    pub fn retrieve(&self, base: bool) -> Retrieved {
        if !self.knows_model {
            Retrieved::Failed(HubFailure::ModelNotFound)
        } else if base {
            Retrieved::Base
        } else if self.hides_deployments {
            Retrieved::Custom(LiveStatus::Unknown)
        } else {
            Retrieved::Custom(self.live)
        }
    }

    /// How the hub refuses such a call, if it does.
    #[must_use]
    pub fn refusal(&self, kind: OperationKind) -> Option<HubFailure> {
        let refuses = self.refuses.filter(|refuses| match kind {
            OperationKind::Activate => true,
            OperationKind::Deactivate => !refuses.activates_only,
        });
        refuses.map(|refuses| refuses.failure)
    }

    /// Takes a call with its outcome.
    pub fn call(&mut self, kind: OperationKind, outcome: Outcome) {
        match outcome {
            Outcome::NotSent | Outcome::RequestLost | Outcome::Refused(_) => {}
            Outcome::Accepted | Outcome::ResponseLost => self.take_effect(kind),
            Outcome::AcceptedLate => self.accepted = Some(kind),
            Outcome::Delayed => self.in_flight = Some(kind),
        }
    }

    /// Shows the effect of a call.
    pub fn take_effect(&mut self, kind: OperationKind) {
        self.live = match (self.live, kind) {
            (LiveStatus::Active | LiveStatus::Deploying, OperationKind::Activate)
            | (LiveStatus::Inactive | LiveStatus::Deactivating, OperationKind::Deactivate)
            | (LiveStatus::None, _) => self.live,
            (_, OperationKind::Activate) => LiveStatus::Deploying,
            (_, OperationKind::Deactivate) => LiveStatus::Deactivating,
        };
    }

    /// The live status after the transition, where there is one.
    #[must_use]
    pub fn after_transition(&self) -> Option<LiveStatus> {
        match self.live {
            LiveStatus::Deploying => Some(LiveStatus::Active),
            LiveStatus::Deactivating => Some(LiveStatus::Inactive),
            LiveStatus::Active
            | LiveStatus::Inactive
            | LiveStatus::Error
            | LiveStatus::Unknown
            | LiveStatus::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_production_reads_each_answer_as_it_is_meant() {
        for (answer, result) in ANSWERS.iter() {
            let Ok(remote) = result else {
                unreachable!("{answer:?} is read as {result:?}");
            };
            assert_eq!(remote.base, *answer == Retrieved::Base);
            let live = (!remote.base).then_some(remote.live);
            assert_eq!(live, answer.live());
        }
    }
}
