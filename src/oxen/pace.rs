//! The pace towards the hub: every request waits for its turn, of its own key.
//!
//! A turn is due when the key's [`allowance`] says so. Those who wait form two queues, each first
//! come, first served: calls that change state, and looks, which go when no call waits. An object
//! has one request at a time, so first come, first served is fair between objects. Keys don't
//! know of each other.
//!
//! A key that the hub refuses makes one probe from time to time, whoever's look comes first then;
//! everyone else is answered without a request. Only another key ends that before its time: a
//! Secret that is written anew with the same one is no reason to think that the hub will take it.

mod allowance;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::{Instant, sleep},
};

pub use allowance::Bounds;
pub(super) use allowance::Heard;
use allowance::{Allowance, Next};

use super::ApiKey;

/// What a request is, and so which queue it waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// It changes state, and goes first.
    Call,
    /// It only looks.
    Look,
}

/// Why there is no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// The hub asked to be left alone for so long yet.
    Resting(Duration),
    /// The hub doesn't take the key.
    Refused,
}

/// The pace of every key.
#[derive(Debug)]
pub(super) struct Pace {
    bounds: Arc<Bounds>,
    desks: Mutex<HashMap<ApiKey, Arc<Desk>>>,
}

/// Where those who have the same key wait.
#[derive(Debug)]
struct Desk {
    bounds: Arc<Bounds>,
    allowance: Mutex<Allowance>,
    /// Each queue's head holds its permit; tokio's semaphore is first come, first served.
    calls: Semaphore,
    looks: Semaphore,
    /// A head has left, or a request has ended.
    changed: Notify,
}

/// A request's turn, from when it goes out until it has ended.
#[derive(Debug)]
pub(super) struct Permit {
    desk: Arc<Desk>,
    pub(super) sent: Instant,
    pub(super) waited: Duration,
    ended: bool,
}

/// The head of a queue.
struct Head<'a> {
    desk: &'a Desk,
    place: Option<SemaphorePermit<'a>>,
}

impl Pace {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds: Arc::new(bounds),
            desks: Mutex::default(),
        }
    }

    /// Waits for the turn of a request, which goes out when this ends. Whoever stops waiting
    /// loses nothing but the place in the queue.
    pub(super) async fn turn(&self, key: &ApiKey, lane: Lane) -> Result<Permit, Denied> {
        let asked = Instant::now();
        let desk = self.desk(key);
        let _head = desk.head(lane).await;
        loop {
            let changed = desk.changed.notified();
            match desk.next(lane) {
                Next::Go => break,
                Next::After(wait) => tokio::select! {
                    () = sleep(wait) => {}
                    () = changed => {}
                },
                Next::AfterAnother => changed.await,
                Next::Rest(wait) => return Err(Denied::Resting(wait)),
                Next::Refused => return Err(Denied::Refused),
            }
        }
        Ok(Permit {
            desk: desk.clone(),
            sent: Instant::now(),
            waited: asked.elapsed(),
            ended: false,
        })
    }

    fn desk(&self, key: &ApiKey) -> Arc<Desk> {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(desk) = desks.get(key) {
            return desk.clone();
        }
        // Keys come and go with Secrets, and only a new one makes the map grow.
        desks.retain(|_, desk| Arc::strong_count(desk) > 1 || !desk.is_forgettable());
        let desk = Arc::new(Desk::new(self.bounds.clone()));
        desks.insert(key.clone(), desk.clone());
        desk
    }
}

impl Desk {
    fn new(bounds: Arc<Bounds>) -> Self {
        Self {
            allowance: Mutex::new(Allowance::new(&bounds, Instant::now())),
            bounds,
            calls: Semaphore::new(1),
            looks: Semaphore::new(1),
            changed: Notify::new(),
        }
    }

    async fn head(&self, lane: Lane) -> Head<'_> {
        let queue = match lane {
            Lane::Call => &self.calls,
            Lane::Look => &self.looks,
        };
        // Here before it waits: one that gives up may have been given the place in that very moment, and leaves it to
        // the next as any other does.
        let mut head = Head {
            desk: self,
            place: None,
        };
        // It is never closed, which is the only error that there is.
        head.place = queue.acquire().await.ok();
        head
    }

    /// Whether the head of a queue may go, and if so, it has gone.
    fn next(&self, lane: Lane) -> Next {
        if lane == Lane::Look && self.calls.available_permits() == 0 {
            return Next::AfterAnother;
        }
        let now = Instant::now();
        let mut allowance = self.allowance();
        let next = allowance.next(&self.bounds, now);
        if next == Next::Go {
            allowance.sent(now);
        }
        next
    }

    fn is_forgettable(&self) -> bool {
        self.allowance().is_forgettable(Instant::now())
    }

    fn allowance(&self) -> MutexGuard<'_, Allowance> {
        self.allowance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Head<'_> {
    fn drop(&mut self) {
        self.place = None;
        self.desk.changed.notify_waiters();
    }
}

impl Permit {
    /// The request has ended. A 429 gives the rest that follows from it.
    pub(super) fn end(mut self, heard: Heard) -> Option<Duration> {
        self.close(heard)
    }

    fn close(&mut self, heard: Heard) -> Option<Duration> {
        self.ended = true;
        let desk = &self.desk;
        let now = Instant::now();
        let rest = desk.allowance().ended(&desk.bounds, self.sent, heard, now);
        desk.changed.notify_waiters();
        rest
    }
}

/// A request that was given up.
impl Drop for Permit {
    fn drop(&mut self) {
        if !self.ended {
            self.close(Heard::Nothing);
        }
    }
}

#[cfg(test)]
mod tests;
