//! The hub as the controller knows it: no request without a turn.

use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::{
    ApiKey, Client, Model,
    pace::{Bounds, Denied, Heard, Lane, Pace, Permit},
};
use crate::{
    api::Direction,
    decide::{Answer, Fault},
};

/// The hub's client, at the pace that the hub allows each key.
#[derive(Debug)]
pub struct Hub {
    client: Client,
    pace: Pace,
}

/// The right to make one request, now. Given up unused, it is spent all the same.
#[derive(Debug)]
pub struct Turn<'a> {
    client: &'a Client,
    key: &'a ApiKey,
    permit: Permit,
}

impl Hub {
    /// The hub behind a client.
    #[must_use]
    pub fn new(client: Client, bounds: Bounds) -> Self {
        Self {
            client,
            pace: Pace::new(bounds),
        }
    }

    /// The URL that models' endpoints are below.
    #[must_use]
    pub fn api_base(&self) -> Url {
        self.client.api_base()
    }

    /// Waits for a turn. Whatever is to be true of the moment of the request is to be checked
    /// after this, because it may take long.
    ///
    /// # Errors
    ///
    /// What the hub is known to answer, without asking it: that the key is to be left alone for
    /// some time yet, or is none.
    pub async fn turn<'a>(&'a self, key: &'a ApiKey, lane: Lane) -> Result<Turn<'a>, Fault> {
        match self.pace.turn(key, lane).await {
            Ok(permit) => Ok(Turn {
                client: &self.client,
                key,
                permit,
            }),
            Err(Denied::Refused) => Err(Fault::Unauthenticated),
            Err(Denied::Resting(wait)) => Err(Fault::RateLimited {
                wait: Some(wait),
                whole_key: true,
            }),
        }
    }
}

impl Turn<'_> {
    /// When it came: what is seen with it is no older.
    #[must_use]
    pub fn came(&self) -> Instant {
        self.permit.sent
    }

    /// How long it was waited for.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.permit.waited
    }

    /// One model, see [`Client::retrieve`].
    ///
    /// # Errors
    ///
    /// The hub's fault.
    pub async fn retrieve(self, model: &str, live: bool) -> Result<Model, Fault> {
        let found = self.client.retrieve(self.key, model, live).await;
        end(self.permit, found)
    }

    /// The models whose name matches, see [`Client::search`].
    ///
    /// # Errors
    ///
    /// The hub's fault.
    pub async fn search(self, search: &str) -> Result<Vec<Model>, Fault> {
        let found = self.client.search(self.key, search).await;
        end(self.permit, found)
    }

    /// Activates or deactivates a model, see [`Client::call`].
    pub async fn call(self, model: &str, direction: Direction, id: &str) -> Answer {
        match self.client.call(self.key, model, direction, id).await {
            Answer::Accepted => {
                self.permit.end(Heard::Answer);
                Answer::Accepted
            }
            Answer::Refused(fault) => Answer::Refused(note(self.permit, fault)),
            answer @ (Answer::Unknown { .. } | Answer::NotSent(_)) => {
                self.permit.end(Heard::Nothing);
                answer
            }
        }
    }
}

fn end<T>(permit: Permit, found: Result<T, Fault>) -> Result<T, Fault> {
    match found {
        Ok(found) => {
            permit.end(Heard::Answer);
            Ok(found)
        }
        Err(fault) => Err(note(permit, fault)),
    }
}

/// Takes note of what a fault says about the key. A 429 comes out with the rest that follows.
fn note(permit: Permit, fault: Fault) -> Fault {
    let heard = match &fault {
        Fault::Unauthenticated => Heard::Refusal,
        Fault::RateLimited {
            wait,
            whole_key: true,
        } => Heard::Limit(*wait),
        // The second is a 503 with Retry-After, which is about one object.
        Fault::Unreachable(_) | Fault::RateLimited { .. } => Heard::Nothing,
        Fault::CredentialsNotFound { .. }
        | Fault::CredentialsInvalid { .. }
        | Fault::OperatorKeyNotAllowed
        | Fault::Forbidden(_)
        | Fault::PaymentRequired(_)
        | Fault::ModelNotFound(_)
        | Fault::Unexpected(_)
        | Fault::AnotherModel(_)
        | Fault::Rejected(_) => Heard::Answer,
    };
    match permit.end(heard) {
        Some(rest) => Fault::RateLimited {
            wait: Some(rest),
            whole_key: true,
        },
        None => fault,
    }
}
