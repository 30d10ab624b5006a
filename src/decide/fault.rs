//! Faults: why an observation has no model.

use std::time::Duration;

/// Why an observation has no model. Faults are data: each leads to a finding, and none is an `Err`
/// that ends the reconcile.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// There is no API key to ask the hub with.
    Credentials(CredentialFault),
    /// The hub gave no usable answer.
    Hub(HubFault),
}

/// Why there is no API key to ask the hub with.
#[derive(Clone, Debug, PartialEq)]
pub enum CredentialFault {
    /// The Secret does not exist, has no such key, or may not be read.
    NotFound {
        /// What is missing, as a sentence without its full stop.
        why: String,
        /// What a person can do about it.
        remedy: Remedy,
    },
    /// The value is not a valid API key: it is empty, not UTF-8, or not fit for a header.
    Invalid {
        /// Which value, and what is wrong with it, as a sentence without its full stop.
        why: String,
        /// What a person can do about it.
        remedy: Remedy,
    },
    /// The operator has a key of its own, and this namespace may not use it.
    OperatorKeyNotAllowed,
}

/// Why the hub gave no usable answer.
#[derive(Clone, Debug, PartialEq)]
pub enum HubFault {
    /// 401: the hub doesn't accept the key.
    Unauthenticated,
    /// 403, in the hub's words: the key may not do this with this model.
    Forbidden(String),
    /// 402, in the hub's words: the account can't pay for it.
    PaymentRequired(String),
    /// 404 `Model not found`, with similar names.
    ModelNotFound(Vec<String>),
    /// 429, or 503 with Retry-After.
    RateLimited {
        /// The time after which the hub may be asked again; unset where the hub names none.
        wait: Option<Duration>,
        /// Whether the wait is for every object of the key (429), or for this one only (503).
        whole_key: bool,
        /// The hub's words, if it sent any.
        words: Option<String>,
    },
    /// Timeout, reset, DNS, TLS, 3xx, 5xx, every 404 that is not about the model, every 407, and a
    /// 401, 402 or 403 that is an HTML page.
    Unreachable(String),
    /// The hub was reached, and its provider failed (502). These are the hub's words.
    ProviderFailed(String),
    /// A response that can't be read: too large, not JSON, or of the wrong shape.
    Unexpected(String),
    /// The response is about the model with this id instead of the one that was asked for.
    ModelMismatch(String),
    /// Another 4xx, in the hub's words.
    Rejected(String),
}

/// What a person can do about a missing or invalid API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Create the Secret, with this key in its data.
    CreateSecret {
        /// The Secret's name.
        secret: String,
        /// The key in its data.
        key: String,
    },
    /// Put this key into the existing Secret.
    PatchSecret {
        /// The Secret's name.
        secret: String,
        /// The key in its data.
        key: String,
    },
    /// Allow the operator to read the Secret.
    GrantAccess,
    /// Give the operator a valid API key of its own.
    SetOperatorKey,
}

impl Fault {
    /// Returns true when the hub said that it doesn't know the model.
    #[must_use]
    pub fn is_model_not_found(&self) -> bool {
        matches!(self, Fault::Hub(HubFault::ModelNotFound(_)))
    }
}

impl From<HubFault> for Fault {
    fn from(fault: HubFault) -> Self {
        Self::Hub(fault)
    }
}

impl From<CredentialFault> for Fault {
    fn from(fault: CredentialFault) -> Self {
        Self::Credentials(fault)
    }
}
