//! The rate limiter: every request to the hub waits for a permit of its own key.
//!
//! A key's [`token_bucket`] says when a request may go out. Waiting requests form two first-in,
//! first-out queues: calls that change state, and observations, which go when no call waits. An
//! object has one request at a time, so the queues are fair between objects. Keys don't affect each
//! other.
//!
//! An activate call first waits for a token of the activate calls alone. A 429 on a call halves
//! only the rate of the key's activate calls. So a limit of the account delays neither an
//! observation nor a deactivate call, which may free what the account has used up.
//!
//! A key that the hub refuses gets one permit from time to time, for whichever observation comes
//! first; all others fail without a request. Only a different key ends that earlier, because a
//! Secret that is written again with the same key is no reason to expect another answer.

mod adaptive_rate;
mod rate_limits;
mod token_bucket;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::{Instant, sleep},
};

use adaptive_rate::AdaptiveRate;
pub use rate_limits::RateLimits;
pub(super) use token_bucket::Feedback;
use token_bucket::{Next, TokenBucket};

use super::key::ApiKey;
use crate::api::OperationKind;

/// The priority of a request, which is the queue that it waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// A call that changes state, which goes first.
    Call(OperationKind),
    /// A request that only reads.
    Observation,
}

/// Why a request gets no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PermitError {
    /// The hub asked for no requests of this key for this long.
    RetryAfter(Duration),
    /// The hub refuses the key.
    Unauthorized,
}

/// The limiters of all keys.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: Arc<RateLimits>,
    keys: Mutex<HashMap<ApiKey, Arc<KeyLimiter>>>,
}

/// The limiter of one key.
#[derive(Debug)]
struct KeyLimiter {
    limits: Arc<RateLimits>,
    bucket: Mutex<TokenBucket>,
    /// The rate of activate calls. `bucket` counts these calls as well.
    activation_rate: Mutex<AdaptiveRate>,
    /// The head of each queue holds its permit. Tokio's semaphore is first-in, first-out.
    activations: Semaphore,
    calls: Semaphore,
    observations: Semaphore,
    /// Notified when a head has left, or a request has ended.
    changed: Notify,
}

/// A request that counts against its key's limits, from when it goes out until it has ended.
#[derive(Debug)]
pub(super) struct InFlight {
    limiter: Arc<KeyLimiter>,
    pub(super) sent: Instant,
    pub(super) waited: Duration,
    ended: bool,
}

/// The head of a queue.
struct QueueHead<'a> {
    limiter: &'a KeyLimiter,
    place: Option<SemaphorePermit<'a>>,
}

impl Limiter {
    pub(super) fn new(limits: RateLimits) -> Self {
        Self {
            limits: Arc::new(limits),
            keys: Mutex::default(),
        }
    }

    /// Waits until the request may go out, and counts it as sent. A caller that stops waiting loses
    /// nothing but its place in the queue.
    pub(super) async fn permit(
        &self,
        key: &ApiKey,
        priority: Priority,
    ) -> Result<InFlight, PermitError> {
        let started = Instant::now();
        let limiter = self.key_limiter(key);
        if priority == Priority::Call(OperationKind::Activate) {
            limiter.activation_token().await;
        }
        let _head = limiter.head(priority).await;
        loop {
            let changed = limiter.changed.notified();
            match limiter.next(priority) {
                Next::Go => break,
                Next::After(wait) => tokio::select! {
                    () = sleep(wait) => {}
                    () = changed => {}
                },
                Next::AfterAnother => changed.await,
                Next::RetryAfter(wait) => return Err(PermitError::RetryAfter(wait)),
                Next::Unauthorized => return Err(PermitError::Unauthorized),
            }
        }
        Ok(InFlight {
            limiter: limiter.clone(),
            sent: Instant::now(),
            waited: started.elapsed(),
            ended: false,
        })
    }

    fn key_limiter(&self, key: &ApiKey) -> Arc<KeyLimiter> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limiter) = keys.get(key) {
            return limiter.clone();
        }
        // Keys come and go with Secrets, and only a new key makes the map grow.
        keys.retain(|_, limiter| Arc::strong_count(limiter) > 1 || !limiter.is_expired());
        let limiter = Arc::new(KeyLimiter::new(self.limits.clone()));
        keys.insert(key.clone(), limiter.clone());
        limiter
    }
}

impl KeyLimiter {
    fn new(limits: Arc<RateLimits>) -> Self {
        Self {
            bucket: Mutex::new(TokenBucket::new(&limits, Instant::now())),
            activation_rate: Mutex::new(AdaptiveRate::new(&limits, Instant::now())),
            limits,
            activations: Semaphore::new(1),
            calls: Semaphore::new(1),
            observations: Semaphore::new(1),
            changed: Notify::new(),
        }
    }

    /// Waits for a token for an activate call. A call that waits here is in no other queue yet, so
    /// it delays no other request.
    async fn activation_token(&self) {
        // `acquire` fails only if the semaphore is closed, and it never is.
        let _head = self.activations.acquire().await.ok();
        loop {
            let wait = {
                let mut rate = self.activation_rate();
                let wait = rate.wait(&self.limits, Instant::now());
                if wait.is_zero() {
                    rate.take();
                    return;
                }
                wait
            };
            sleep(wait).await;
        }
    }

    async fn head(&self, priority: Priority) -> QueueHead<'_> {
        let queue = match priority {
            Priority::Call(_) => &self.calls,
            Priority::Observation => &self.observations,
        };
        // The head exists before the wait: a caller that gives up may have been given the place at
        // that very moment, and has to notify the next one as any other head does.
        let mut head = QueueHead {
            limiter: self,
            place: None,
        };
        // `acquire` fails only if the semaphore is closed, and it never is.
        head.place = queue.acquire().await.ok();
        head
    }

    /// Decides whether the head of a queue may go, and takes its token if so.
    fn next(&self, priority: Priority) -> Next {
        if priority == Priority::Observation && self.calls.available_permits() == 0 {
            return Next::AfterAnother;
        }
        let now = Instant::now();
        let mut bucket = self.bucket();
        let next = bucket.next(&self.limits, now);
        if next == Next::Go {
            bucket.sent(now);
        }
        next
    }

    fn is_expired(&self) -> bool {
        self.bucket().is_expired(Instant::now())
    }

    fn activation_rate(&self) -> MutexGuard<'_, AdaptiveRate> {
        let rate = self.activation_rate.lock();
        rate.unwrap_or_else(PoisonError::into_inner)
    }

    fn bucket(&self) -> MutexGuard<'_, TokenBucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for QueueHead<'_> {
    fn drop(&mut self) {
        self.place = None;
        self.limiter.changed.notify_waiters();
    }
}

impl InFlight {
    /// Ends the request. After a 429, returns the wait that follows from it.
    pub(super) fn end(mut self, feedback: Feedback) -> Option<Duration> {
        self.close(feedback)
    }

    fn close(&mut self, feedback: Feedback) -> Option<Duration> {
        self.ended = true;
        let limiter = &self.limiter;
        let now = Instant::now();
        if feedback == Feedback::CallRateLimited {
            let mut rate = limiter.activation_rate();
            if rate.is_current(self.sent) {
                rate.halve(&limiter.limits, now);
                rate.pause(now);
            }
        }
        let wait = limiter
            .bucket()
            .ended(&limiter.limits, self.sent, feedback, now);
        limiter.changed.notify_waiters();
        wait
    }
}

/// A request that was cancelled says nothing about its key.
impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.ended {
            self.close(Feedback::None);
        }
    }
}

#[cfg(test)]
mod tests;
