//! The admission of reconciles. An admitted reconcile may send requests, to the hub and to the
//! Kubernetes API.
//!
//! Without a bound, the requests of ten thousand objects would wait for each other in the
//! operator's own queues, and every observation would be too old by the time its call is recorded.
//! So a reconcile that is not admitted yet has sent nothing, and the operator reads the object
//! again when it is admitted.
//!
//! The bound is on the objects of one namespace that use the same Secret. A namespace whose
//! Kubernetes requests are slow, and a key whose hub requests are slow or not allowed, delays no
//! object of another one.

use std::{future::Future, pin::pin, sync::Arc};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::in_use::InUse;

/// The largest number of reconciles of one lane that somebody waits for.
pub(super) const URGENT: usize = 32;

/// The largest number of routine polls of one lane.
pub(super) const ROUTINE: usize = 16;

/// The reconciles that are admitted together: those of one namespace that use the same Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    pub(super) namespace: String,
    /// The name of the Secret, which is empty for the operator's own key.
    pub(super) secret: String,
}

/// The admission of all reconciles.
#[derive(Debug, Default)]
pub(super) struct Admission(InUse<Lane, Slots>);

/// The free slots of one lane. Both kinds are given in the order of the requests.
#[derive(Debug)]
struct Slots {
    urgent: Arc<Semaphore>,
    routine: Arc<Semaphore>,
}

/// The right of one reconcile to send requests, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    /// When the reconcile began to wait for its slot.
    pub(super) since: Instant,
    _slots: Arc<Slots>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Admission {
    /// Waits for a slot. The reconcile moves to the urgent ones, behind those that wait there, when
    /// `urgent` ends.
    pub(super) async fn admit(&self, lane: &Lane, urgent: impl Future<Output = ()>) -> Slot {
        let since = Instant::now();
        let slots = self.0.get(lane, Slots::default);
        let mut urgent = pin!(urgent);
        // `acquire` fails only if the semaphore is closed, and it never is.
        let permit = tokio::select! {
            biased;
            () = &mut urgent => slots.urgent.clone().acquire_owned().await,
            permit = slots.routine.clone().acquire_owned() => permit,
        };
        Slot {
            since,
            _slots: slots,
            _permit: permit.ok(),
        }
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            urgent: Arc::new(Semaphore::new(URGENT)),
            routine: Arc::new(Semaphore::new(ROUTINE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures::FutureExt;

    use super::*;

    fn lane(secret: &str) -> Lane {
        Lane {
            namespace: "team".into(),
            secret: secret.into(),
        }
    }

    #[test]
    fn routine_polls_take_no_slot_of_urgent_reconciles() {
        let admission = Admission::default();
        let own = lane("own");
        let routine = || admission.admit(&own, pending()).now_or_never();
        let urgent = || admission.admit(&own, ready(())).now_or_never();
        let polls: Vec<Slot> = (0..ROUTINE).map(|_| routine().unwrap()).collect();
        assert!(routine().is_none());
        let admitted: Vec<Slot> = (0..URGENT).map(|_| urgent().unwrap()).collect();
        assert!(urgent().is_none());
        let other = lane("other");
        assert!(admission.admit(&other, ready(())).now_or_never().is_some());
        drop(polls);
        assert!(routine().is_some());
        assert!(urgent().is_none());
        drop(admitted);
        assert!(urgent().is_some());
    }

    #[tokio::test]
    async fn a_poll_that_becomes_urgent_takes_an_urgent_slot() {
        let admission = Admission::default();
        let own = lane("own");
        let full: Vec<_> = (0..ROUTINE)
            .map(|_| admission.admit(&own, pending()).now_or_never().unwrap())
            .collect();
        let (become_urgent, urgent) = tokio::sync::oneshot::channel::<()>();
        let mut waiting = pin!(admission.admit(&own, urgent.map(|_| ())));
        assert!(waiting.as_mut().now_or_never().is_none());
        become_urgent.send(()).unwrap();
        assert!(waiting.now_or_never().is_some());
        drop(full);
    }
}
