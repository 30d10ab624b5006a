//! An answer of the hub, read without asking anyone anything more.

use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::{ApiKey, Limits, Model, answer};
use crate::decide::{Answer, Fault};

/// An answer with its body, in full.
pub struct Reply {
    /// It decides before the body is read.
    pub code: StatusCode,
    /// For `Retry-After`.
    pub headers: HeaderMap,
    /// What there is to read.
    pub body: Vec<u8>,
}

impl Reply {
    /// What it says as the answer to a look. `key` is the one that the hub was asked with, and no
    /// words are let through with it.
    ///
    /// # Errors
    ///
    /// The hub's fault.
    pub fn read<T: DeserializeOwned>(&self, key: &ApiKey, limits: &Limits) -> Result<T, Fault> {
        if self.code != StatusCode::OK {
            return Err(self.fault(key, false, limits));
        }
        // A hub that echoes the key must not get it into a status.
        let read = if key.is_in(&self.body) {
            let value = serde_json::from_slice(&self.body);
            value.and_then(|value| serde_json::from_value(key.hide_all(value)))
        } else {
            serde_json::from_slice(&self.body)
        };
        read.map_err(|error| Fault::Unexpected(unreadable(&error)))
    }

    /// What it says as the answer to a call. What it shows of the deployments is no observation;
    /// it is only read to know that the hub took the call.
    #[must_use]
    pub fn answer(&self, key: &ApiKey, limits: &Limits) -> Answer {
        if self.code.is_success() {
            return match serde_json::from_slice::<Model>(&self.body) {
                Ok(_) => Answer::Accepted,
                Err(error) => Answer::unknown(unreadable(&error)),
            };
        }
        match self.fault(key, true, limits) {
            // After a 5xx the call may have worked all the same, whatever the hub asks besides.
            Fault::RateLimited {
                wait,
                whole_key: false,
            } => Answer::Unknown {
                words: self.code.to_string(),
                wait,
            },
            Fault::Unreachable(_) => Answer::unknown(self.code.to_string()),
            fault => Answer::Refused(fault),
        }
    }

    fn fault(&self, key: &ApiKey, call: bool, limits: &Limits) -> Fault {
        answer::fault(self.code, &self.headers, &self.body, key, call, limits)
    }
}

/// What serde has to say of a body, without the body: its position and kind of error only.
fn unreadable(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "JSON that is no model object",
        serde_json::error::Category::Syntax => "no JSON",
        serde_json::error::Category::Eof => "JSON that breaks off",
        serde_json::error::Category::Io => "no body",
    };
    what.to_owned()
}
