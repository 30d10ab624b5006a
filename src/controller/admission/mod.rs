//! The admission of reconciles. An admitted reconcile may send requests, to the hub and to the
//! Kubernetes API.
//!
//! Without a bound, the requests of ten thousand objects would wait for each other in the
//! operator's own queues, and every observation would be too old by the time its call is recorded.
//! So a reconcile that is not admitted ends at once. Its object waits in a queue, and is reconciled
//! when a slot is free for it. It doesn't wait inside kube's controller, which would poll every
//! waiting reconcile at each event.
//!
//! The objects of one namespace that use the same Secret form a lane. A lane has a limit of its
//! own, so that no single lane takes all slots. Free slots go to the lane that has the fewest.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// The largest number of admitted reconciles.
const ALL: usize = 512;

/// The largest number of urgent reconciles of one lane that are admitted at once.
pub(super) const URGENT: usize = 32;

/// The largest number of routine polls of one lane that are admitted at once. It is as many as the
/// requests of one key that may be in flight.
pub(super) const ROUTINE: usize = 16;

/// The largest number of objects whose wait is reported at once. It is small, because the reports
/// take the API server's time from the admitted reconciles.
const REPORTS: usize = 4;

/// The objects of one namespace that use the same Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Lane {
    pub(super) namespace: String,
    /// The name of the Secret, which is empty for the operator's own key.
    pub(super) secret: String,
}

/// The admission of all reconciles. All clones share it.
#[derive(Clone)]
pub(super) struct Admission {
    state: Arc<Mutex<State>>,
    reports: Arc<Semaphore>,
}

/// The answer to an object that asks for a slot.
pub(super) enum Admitted {
    /// The object's reconcile has this slot.
    Slot(Slot),
    /// The object waits, and has waited for this long.
    Waits(Duration),
}

/// The right of one reconcile to send requests, until it is dropped.
pub(super) struct Slot {
    /// When the object began to wait.
    pub(super) since: Instant,
    lane: Arc<Lane>,
    class: Class,
    admission: Admission,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Urgent,
    Routine,
}

#[derive(Default)]
struct State {
    /// The lanes that have objects, waiting or admitted.
    lanes: HashMap<Arc<Lane>, Objects>,
    /// The objects that wait, and those whose turn has come and whose reconcile has not begun, by
    /// UID.
    waiting: HashMap<Arc<str>, Waiting>,
    /// The lanes in which an object may be admitted, those with the fewest admitted ones first, and
    /// then in the order in which they came.
    ready: BTreeSet<(usize, u64, Arc<Lane>)>,
    admitted: usize,
    tickets: u64,
}

/// The objects of one lane.
#[derive(Default)]
struct Objects {
    urgent: Queue,
    routine: Queue,
    /// The lane's entry in [`State::ready`].
    ready: Option<(usize, u64)>,
}

#[derive(Default)]
struct Queue {
    admitted: usize,
    /// The number of entries of `uids` that are up to date.
    waiting: usize,
    /// The objects with their tickets. The entry of an object that has moved or gone stays, and its
    /// ticket is out of date.
    uids: VecDeque<(Arc<str>, u64)>,
}

/// An object that waits.
struct Waiting {
    lane: Arc<Lane>,
    class: Class,
    since: Instant,
    ticket: u64,
    admitted: bool,
    /// Starts the object's reconcile.
    wake: Box<dyn Fn() + Send>,
}

impl Class {
    const fn limit(self) -> usize {
        match self {
            Self::Urgent => URGENT,
            Self::Routine => ROUTINE,
        }
    }
}

impl Waiting {
    fn is_due(&self, urgent: bool, urgent_after: Duration) -> bool {
        urgent || self.since.elapsed() >= urgent_after
    }

    /// Returns true when the object has to wait in another queue than it does.
    fn moves(&self, lane: &Lane, urgent: bool, urgent_after: Duration) -> bool {
        let up = self.class == Class::Routine && self.is_due(urgent, urgent_after);
        !self.admitted && (up || *self.lane != *lane)
    }
}

impl Objects {
    fn queue(&mut self, class: Class) -> &mut Queue {
        match class {
            Class::Urgent => &mut self.urgent,
            Class::Routine => &mut self.routine,
        }
    }

    /// The class of which an object may be admitted next.
    fn next(&self) -> Option<Class> {
        let free =
            |queue: &Queue, class: Class| queue.waiting > 0 && queue.admitted < class.limit();
        if free(&self.urgent, Class::Urgent) {
            Some(Class::Urgent)
        } else {
            free(&self.routine, Class::Routine).then_some(Class::Routine)
        }
    }

    fn admitted(&self) -> usize {
        self.urgent.admitted + self.routine.admitted
    }

    fn is_unused(&self) -> bool {
        self.admitted() + self.urgent.waiting + self.routine.waiting == 0
    }
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            reports: Arc::new(Semaphore::new(REPORTS)),
        }
    }
}

impl Admission {
    /// Gives the object's reconcile a slot if one is free. Otherwise the object waits in its queue.
    /// When a slot is free for it, the slot is reserved and `wake` is called.
    ///
    /// A routine poll that has become urgent, or has waited for `urgent_after`, joins the end of
    /// the urgent queue. An object that now belongs to another lane joins the end of that lane's
    /// queue.
    pub(super) fn admit(
        &self,
        uid: &str,
        lane: Lane,
        urgent: bool,
        urgent_after: Duration,
        wake: impl Fn() + Send + 'static,
    ) -> Admitted {
        let mut state = self.state();
        match state.waiting.get(uid) {
            None => state.enqueue(uid, lane, urgent, Instant::now(), Box::new(wake)),
            Some(known) if known.moves(&lane, urgent, urgent_after) => {
                let since = known.since;
                let urgent = known.class == Class::Urgent || known.is_due(urgent, urgent_after);
                state.remove(uid);
                state.enqueue(uid, lane, urgent, since, Box::new(wake));
            }
            Some(_) => {}
        }
        state.admit_next(uid);
        let since = state.waiting.get(uid).map(|waiting| waiting.since);
        let waited = since.map(|since| since.elapsed()).unwrap_or_default();
        state
            .take_slot(uid)
            .map_or(Admitted::Waits(waited), |waiting| {
                Admitted::Slot(Slot {
                    since: waiting.since,
                    lane: waiting.lane,
                    class: waiting.class,
                    admission: self.clone(),
                })
            })
    }

    /// Returns a permit to report that an object waits, if one is free.
    pub(super) fn report(&self) -> Option<OwnedSemaphorePermit> {
        self.reports.clone().try_acquire_owned().ok()
    }

    /// Removes an object that is gone.
    pub(super) fn forget(&self, uid: &str) {
        let mut state = self.state();
        if let Some(waiting) = state.remove(uid)
            && waiting.admitted
        {
            state.release(&waiting.lane, waiting.class);
        }
    }

    // Every change under this lock leaves the counters and the queues in agreement, so a poisoned
    // lock is usable.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.admission.state().release(&self.lane, self.class);
    }
}

impl State {
    fn enqueue(
        &mut self,
        uid: &str,
        lane: Lane,
        urgent: bool,
        since: Instant,
        wake: Box<dyn Fn() + Send>,
    ) {
        self.tickets += 1;
        let ticket = self.tickets;
        let class = if urgent {
            Class::Urgent
        } else {
            Class::Routine
        };
        // The objects of a lane share its names.
        let lane = match self.lanes.get_key_value(&lane) {
            Some((known, _)) => known.clone(),
            None => Arc::new(lane),
        };
        let uid: Arc<str> = uid.into();
        let queue = self.lanes.entry(lane.clone()).or_default().queue(class);
        queue.waiting += 1;
        queue.uids.push_back((uid.clone(), ticket));
        self.refresh(&lane);
        self.waiting.insert(
            uid,
            Waiting {
                lane,
                class,
                since,
                ticket,
                admitted: false,
                wake,
            },
        );
    }

    /// Removes an object that has a slot from those that wait.
    fn take_slot(&mut self, uid: &str) -> Option<Waiting> {
        self.waiting.get(uid).filter(|waiting| waiting.admitted)?;
        self.waiting.remove(uid)
    }

    /// Removes an object from those that wait.
    fn remove(&mut self, uid: &str) -> Option<Waiting> {
        let waiting = self.waiting.remove(uid)?;
        if !waiting.admitted
            && let Some(objects) = self.lanes.get_mut(&waiting.lane)
        {
            objects.queue(waiting.class).waiting -= 1;
            self.refresh(&waiting.lane);
        }
        Some(waiting)
    }

    /// Frees a slot, and gives it to the next object.
    fn release(&mut self, lane: &Arc<Lane>, class: Class) {
        self.admitted -= 1;
        if let Some(objects) = self.lanes.get_mut(lane) {
            objects.queue(class).admitted -= 1;
            self.refresh(lane);
        }
        self.admit_next("");
    }

    /// Gives free slots to the objects whose turn it is, and wakes them, but for `own`, whose
    /// reconcile is running.
    fn admit_next(&mut self, own: &str) {
        while self.admitted < ALL {
            let Some((_, _, lane)) = self.ready.first().cloned() else {
                return;
            };
            let Some(uid) = self.take(&lane) else {
                return;
            };
            if let Some(waiting) = self.waiting.get_mut(&uid) {
                waiting.admitted = true;
                if *uid != *own {
                    (waiting.wake)();
                }
            }
        }
    }

    /// Takes the next object of a lane that is ready.
    fn take(&mut self, lane: &Arc<Lane>) -> Option<Arc<str>> {
        let objects = self.lanes.get_mut(lane)?;
        let class = objects.next()?;
        let queue = objects.queue(class);
        let waiting = &self.waiting;
        let uid = loop {
            let (uid, ticket) = queue.uids.pop_front()?;
            if waiting.get(&uid).is_some_and(|it| it.ticket == ticket) {
                break uid;
            }
        };
        queue.waiting -= 1;
        queue.admitted += 1;
        self.admitted += 1;
        self.refresh(lane);
        Some(uid)
    }

    /// Brings a lane's entry in `ready` up to date, and removes a lane that has no objects.
    fn refresh(&mut self, lane: &Arc<Lane>) {
        let Some(objects) = self.lanes.get_mut(lane) else {
            return;
        };
        let before = objects.ready.take();
        let admitted = objects.admitted();
        if objects.next().is_some() {
            let since = before.map_or(self.tickets, |(_, since)| since);
            objects.ready = Some((admitted, since));
        }
        let (after, unused) = (objects.ready, objects.is_unused());
        if before != after {
            if let Some((admitted, since)) = before {
                self.ready.remove(&(admitted, since, lane.clone()));
            }
            if let Some((admitted, since)) = after {
                self.ready.insert((admitted, since, lane.clone()));
            }
        }
        if unused {
            self.lanes.remove(lane);
        }
    }
}

#[cfg(test)]
mod tests;
