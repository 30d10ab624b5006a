//! The rate limiter: every request to the hub waits for a permit of its own key.
//!
//! A key's [`token_bucket`] says when a request may go out. The waiting requests of a key form a
//! [`queue`] with three priorities: calls that change state, urgent observations, and routine ones.
//! Within each, the queue is first-in, first-out. An object has one request at a time, so the queue
//! is fair between objects. A routine observation that becomes urgent while it waits moves up, and
//! no request moves back.
//!
//! All keys share [`places`] for 64 requests in flight, of which 8 are kept for calls. They share
//! nothing else. A key that waits for its token, backs off or is refused holds no place, and a key
//! whose answers are slow gets no place beyond its equal share while other keys wait for one.
//!
//! An activate call first waits for a token of the activate calls alone. A 429 on a call halves
//! only the rate of the key's activate calls. So a limit of the account delays neither an
//! observation nor a deactivate call, which may free what the account has used up.
//!
//! A key that the hub refuses gets one permit from time to time, for whichever observation comes
//! first; all others fail without a request. Only a different key ends that earlier, because a
//! Secret that is written again with the same key is no reason to expect another answer.
//!
//! An event wakes at most two requests: the first one of the event's own key, and the first one of
//! the key that may take a free place. So the work for a request grows with neither the number of
//! keys nor the number of waiting requests, except for the logarithms of the ordered maps.

mod adaptive_rate;
mod in_flight;
mod places;
mod queue;
mod rate_limits;
mod state;
mod token_bucket;

use std::{
    future::{self, Future},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

pub(super) use in_flight::InFlight;
use queue::{Position, Rank};
pub use rate_limits::RateLimits;
use state::State;
pub(super) use token_bucket::Feedback;
use token_bucket::Next;

use super::key::ApiKey;
use crate::api::OperationKind;

/// The priority of a request among the waiting requests of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// A call that changes state, which goes first.
    Call(OperationKind),
    /// An observation that somebody waits for: the generation was not observed yet, the desired
    /// state changed, the object is being deleted, a reconcile was requested, an operation is open
    /// whose transition was not seen, a refused call is due, or a routine observation has waited
    /// for the sync interval.
    Urgent,
    /// Any other observation, such as the regular poll of an object that is in its desired state,
    /// or in a transition that was seen.
    Routine,
}

/// Why a request gets no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PermitError {
    /// The hub asked for no requests of this key for this long.
    RetryAfter(Duration),
    /// The hub refuses the key.
    Unauthorized,
}

/// The limiter of all keys.
#[derive(Debug)]
pub(super) struct Limiter {
    state: Arc<Mutex<State>>,
}

/// A request in its key's queue, which it leaves when this value is dropped.
struct Waiting<'a> {
    limiter: &'a Limiter,
    key: &'a ApiKey,
    position: Position,
    wake: Arc<Notify>,
}

/// The token of an activate call, which is given back unless the call goes out.
struct ActivationToken<'a> {
    limiter: &'a Limiter,
    key: &'a ApiKey,
    used: bool,
}

impl Limiter {
    pub(super) fn new(limits: RateLimits) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(limits))),
        }
    }

    /// Waits until the request may go out, and counts it as sent. If `urgent` completes while the
    /// request waits as a routine one, the request becomes the last of the urgent ones. A caller
    /// that stops waiting loses nothing but its position in the queue.
    pub(super) async fn permit(
        &self,
        key: &ApiKey,
        priority: Priority,
        urgent: impl Future<Output = ()>,
    ) -> Result<InFlight, PermitError> {
        let started = Instant::now();
        let token = match priority {
            Priority::Call(OperationKind::Activate) => Some(self.activation_token(key).await),
            Priority::Call(OperationKind::Deactivate) | Priority::Urgent | Priority::Routine => {
                None
            }
        };
        let mut urgent = pin!(urgent);
        let mut waiting = self.join(key, priority.into());
        loop {
            let wait = match waiting.next() {
                Next::Go => break,
                Next::After(wait) => Some(wait),
                Next::AfterAnother => None,
                Next::RetryAfter(wait) => return Err(PermitError::RetryAfter(wait)),
                Next::Unauthorized => return Err(PermitError::Unauthorized),
            };
            tokio::select! {
                () = waiting.woken(wait) => {}
                () = &mut urgent, if waiting.position.rank == Rank::Routine => waiting.move_up(),
            }
        }
        if let Some(mut token) = token {
            token.used = true;
        }
        Ok(InFlight {
            state: self.state.clone(),
            key: key.clone(),
            class: waiting.position.rank.into(),
            sent: Instant::now(),
            waited: started.elapsed(),
            ended: false,
        })
    }

    /// Waits for a token for an activate call. A call that waits here is in no other queue yet, so
    /// it delays no other request.
    async fn activation_token<'a>(&'a self, key: &'a ApiKey) -> ActivationToken<'a> {
        let activations = lock(&self.state).activations(key, Instant::now());
        // `acquire` fails only if the semaphore is closed, and it never is.
        let _head = activations.acquire().await.ok();
        while let Some(wait) = self.activate(key) {
            sleep(wait).await;
        }
        ActivationToken {
            limiter: self,
            key,
            used: false,
        }
    }

    fn activate(&self, key: &ApiKey) -> Option<Duration> {
        lock(&self.state).activate(key, Instant::now())
    }

    fn join<'a>(&'a self, key: &'a ApiKey, rank: Rank) -> Waiting<'a> {
        let wake = Arc::new(Notify::new());
        let position = lock(&self.state).join(key, rank, wake.clone(), Instant::now());
        Waiting {
            limiter: self,
            key,
            position,
            wake,
        }
    }
}

impl Waiting<'_> {
    fn next(&self) -> Next {
        lock(&self.limiter.state).next(self.key, self.position, Instant::now())
    }

    /// Waits until the request has a reason to look at the limits again.
    async fn woken(&self, wait: Option<Duration>) {
        let time = async {
            match wait {
                Some(wait) => sleep(wait).await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            () = time => {}
            () = self.wake.notified() => {}
        }
    }

    fn move_up(&mut self) {
        let mut state = lock(&self.limiter.state);
        // The request joins before it leaves, because a key with an empty queue loses its turn
        // among the keys that wait for a place.
        let position = state.join(self.key, Rank::Urgent, self.wake.clone(), Instant::now());
        state.leave(self.key, self.position);
        self.position = position;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.limiter.state).leave(self.key, self.position);
    }
}

impl Drop for ActivationToken<'_> {
    fn drop(&mut self) {
        if !self.used {
            lock(&self.limiter.state).give_back(self.key);
        }
    }
}

/// Locks the state. No code panics while it changes the state, so a poisoned lock is usable.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
