//! Why a request has no response.

use std::{error::Error, fmt};

use crate::decide::{HubFault, quote};

/// Why a request has no response.
#[derive(Debug)]
pub(super) enum TransportError {
    /// No connection was established, so nothing was sent: DNS, TCP or TLS failed.
    NoConnection(String),
    /// The connection broke, or the request timed out.
    Broken(String),
    /// The body is larger than the limit.
    TooLarge,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransportError::NoConnection(words) | TransportError::Broken(words) => {
                f.write_str(words)
            }
            TransportError::TooLarge => f.write_str("the body is too large"),
        }
    }
}

/// The innermost cause is the most precise one, and contains no URL.
impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        let why = if error.is_connect() {
            TransportError::NoConnection
        } else {
            TransportError::Broken
        };
        if error.is_timeout() {
            return why("the request timed out".into());
        }
        let error = error.without_url();
        let mut cause: &dyn Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        why(quote(&cause.to_string()))
    }
}

/// The fault of a GET.
impl From<TransportError> for HubFault {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::TooLarge => HubFault::Unexpected(error.to_string()),
            TransportError::NoConnection(words) | TransportError::Broken(words) => {
                HubFault::Unreachable(words)
            }
        }
    }
}
