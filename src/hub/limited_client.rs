//! The hub's client with a rate limit: no request without a permit.

use std::{
    future::{self, Future},
    ops::ControlFlow,
    time::Duration,
};

use jiff::Timestamp;
use url::Url;

use super::{
    client::Client,
    key::ApiKey,
    limiter::{Feedback, InFlight, Limiter, PermitError, Priority, RateLimits},
    wire::Model,
};
use crate::{
    api::OperationKind,
    decide::{Agreement, CallOutcome, HubFault, quote},
};

/// The hub's client, limited to the rate that the hub allows each key.
#[derive(Debug)]
pub struct LimitedClient {
    client: Client,
    limiter: Limiter,
}

/// The right to send one request now. A permit that is dropped unused counts as a request that says
/// nothing about its key.
#[derive(Debug)]
pub struct Permit<'a> {
    client: &'a Client,
    key: &'a ApiKey,
    in_flight: InFlight,
}

impl LimitedClient {
    /// Limits a client.
    #[must_use]
    pub fn new(client: Client, limits: RateLimits) -> Self {
        Self {
            client,
            limiter: Limiter::new(limits),
        }
    }

    /// The base URL of the models' endpoints.
    #[must_use]
    pub fn api_base(&self) -> Url {
        self.client.api_base()
    }

    /// Returns whether the hub's clock agrees with `now`, see [`Client::agreement`].
    #[must_use]
    pub fn agreement(&self, now: Timestamp) -> Agreement {
        self.client.agreement(now)
    }

    /// Waits for a permit. The wait may be long, so whatever must be true when the request is sent
    /// has to be checked after it. A caller that stops waiting loses nothing but its position in
    /// the queue.
    ///
    /// # Errors
    ///
    /// Fails with the answer that the hub is known to give: the key is rate limited for some time,
    /// or the hub refuses it.
    pub async fn permit<'a>(
        &'a self,
        key: &'a ApiKey,
        priority: Priority,
    ) -> Result<Permit<'a>, HubFault> {
        self.permit_moving_up(key, priority, future::pending())
            .await
    }

    /// Waits for a permit as [`Self::permit`] does, for a request that may become urgent meanwhile.
    /// When `urgent` completes while the request waits with [`Priority::Routine`], the request goes
    /// on waiting as the last one with [`Priority::Urgent`]. It never moves back, and `urgent` has
    /// no effect on a request with another priority.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::permit`] does.
    pub async fn permit_moving_up<'a>(
        &'a self,
        key: &'a ApiKey,
        priority: Priority,
        urgent: impl Future<Output = ()>,
    ) -> Result<Permit<'a>, HubFault> {
        match self.limiter.permit(key, priority, urgent).await {
            Ok(in_flight) => Ok(Permit {
                client: &self.client,
                key,
                in_flight,
            }),
            Err(PermitError::Unauthorized) => Err(HubFault::Unauthenticated),
            Err(PermitError::RetryAfter(wait)) => Err(HubFault::RateLimited {
                wait: Some(wait),
                whole_key: true,
                words: None,
            }),
        }
    }
}

impl Permit<'_> {
    /// How long the request waited for the permit.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.in_flight.waited
    }

    /// Retrieves one model, see [`Client::retrieve`].
    ///
    /// # Errors
    ///
    /// Fails with the hub's fault.
    pub async fn retrieve(self, model: &str, live: bool) -> Result<Model, HubFault> {
        let found = self.client.retrieve(self.key, model, live).await;
        end(self.in_flight, found)
    }

    /// Lists all models one at a time, and returns the number of items that can't be read. See
    /// [`Client::list_each`]. A list proves nothing about the key, because the hub may list its
    /// models without a key, too.
    ///
    /// # Errors
    ///
    /// Fails with the hub's fault.
    pub async fn list_each(
        self,
        on_model: impl FnMut(Model) -> ControlFlow<()>,
    ) -> Result<usize, HubFault> {
        match self.client.list_each(self.key, None, None, on_model).await {
            Ok(unreadable) => {
                self.in_flight.end(Feedback::None);
                Ok(unreadable)
            }
            Err(fault) => Err(feed_back(self.in_flight, fault)),
        }
    }

    /// Lists the names of up to `most` models whose name matches, as a message shows them. See
    /// [`Client::search_each`].
    ///
    /// # Errors
    ///
    /// Fails with the hub's fault.
    pub async fn search(self, search: &str, most: usize) -> Result<Vec<String>, HubFault> {
        let mut names = Vec::new();
        let collect = |model: Model| {
            names.push(quote(&model.id));
            if names.len() < most {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let found = self.client.search_each(self.key, search, collect).await;
        end(self.in_flight, found.map(|_| names))
    }

    /// Returns true when the list shows that the key belongs to this owner: it holds a custom model
    /// of the owner, or the hub refuses the list without a key.
    ///
    /// # Errors
    ///
    /// Fails with the hub's fault.
    pub async fn is_key_of(self, owner: &str) -> Result<bool, HubFault> {
        let mut found = false;
        let find = |model: Model| {
            found = model.owned_by == owner && model.is_custom();
            if found {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let listed = self.client.list_each(self.key, None, None, find).await;
        // The permit ends after the second request, so that at most one of the two is in flight.
        let proven = found || (listed.is_ok() && self.client.needs_key().await.unwrap_or(false));
        end(self.in_flight, listed)?;
        Ok(proven)
    }

    /// Activates or deactivates a model, see [`Client::call`].
    pub async fn call(self, model: &str, kind: OperationKind, id: &str) -> CallOutcome {
        match self.client.call(self.key, model, kind, id).await {
            CallOutcome::Accepted => {
                self.in_flight.end(Feedback::Accepted);
                CallOutcome::Accepted
            }
            // The hub limits activate calls. This says nothing about the key's other requests.
            CallOutcome::Refused {
                fault: fault @ HubFault::RateLimited { .. },
                wait,
            } => {
                self.in_flight.end(Feedback::CallRateLimited);
                CallOutcome::Refused { fault, wait }
            }
            CallOutcome::Refused { fault, wait } => CallOutcome::Refused {
                fault: feed_back(self.in_flight, fault),
                wait,
            },
            outcome @ (CallOutcome::Unknown { .. } | CallOutcome::NotSent(_)) => {
                self.in_flight.end(Feedback::None);
                outcome
            }
        }
    }
}

fn end<T>(in_flight: InFlight, found: Result<T, HubFault>) -> Result<T, HubFault> {
    match found {
        Ok(found) => {
            in_flight.end(Feedback::Accepted);
            Ok(found)
        }
        Err(fault) => Err(feed_back(in_flight, fault)),
    }
}

/// Tells the limiter what a fault says about the key. A 429 is returned with the wait that follows
/// from it.
fn feed_back(in_flight: InFlight, fault: HubFault) -> HubFault {
    let feedback = match &fault {
        HubFault::Unauthenticated => Feedback::Unauthorized,
        HubFault::RateLimited {
            wait,
            whole_key: true,
            ..
        } => Feedback::RateLimited(*wait),
        // `RateLimited` is a 503 with Retry-After here, which is about one object.
        HubFault::Unreachable(_) | HubFault::ProviderFailed(_) | HubFault::RateLimited { .. } => {
            Feedback::None
        }
        HubFault::Forbidden(_)
        | HubFault::PaymentRequired(_)
        | HubFault::ModelNotFound(_)
        | HubFault::Unexpected(_)
        | HubFault::ModelMismatch(_)
        | HubFault::Rejected(_) => Feedback::Accepted,
    };
    match (in_flight.end(feedback), fault) {
        (Some(wait), HubFault::RateLimited { words, .. }) => HubFault::RateLimited {
            wait: Some(wait),
            whole_key: true,
            words,
        },
        (_, fault) => fault,
    }
}
