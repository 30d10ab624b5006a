//! What became of an activate or deactivate call.

use std::time::Duration;

use super::fault::HubFault;

/// What became of an activate or deactivate call.
#[derive(Clone, Debug, PartialEq)]
pub enum CallOutcome {
    /// The hub accepted the call.
    Accepted,
    /// The hub refused the call, which had no effect.
    Refused {
        /// Why the hub refused it.
        fault: HubFault,
        /// The hub's Retry-After: the time before which the next call must not be sent.
        wait: Option<Duration>,
    },
    /// The call was sent, and its effect is not known.
    Unknown {
        /// What came instead of an answer.
        words: String,
        /// The time after which the hub may be asked about this object again, if the hub names one.
        wait: Option<Duration>,
    },
    /// The call was not sent, for this reason.
    NotSent(&'static str),
}

impl CallOutcome {
    /// The outcome of a call that was refused with this fault. The Retry-After is the fault's own.
    #[must_use]
    pub fn refused(fault: HubFault) -> Self {
        let wait = if let HubFault::RateLimited { wait, .. } = fault {
            wait
        } else {
            None
        };
        Self::Refused { fault, wait }
    }

    /// The outcome of a call that was sent and got no usable answer. `words` say what came instead.
    #[must_use]
    pub fn unknown(words: impl Into<String>) -> Self {
        Self::Unknown {
            words: words.into(),
            wait: None,
        }
    }
}
