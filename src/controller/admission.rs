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

use tokio::time::Instant;

/// The largest number of admitted reconciles.
const ALL: usize = 512;

/// The largest number of urgent reconciles of one lane that are admitted at once.
pub(super) const URGENT: usize = 32;

/// The largest number of routine polls of one lane that are admitted at once. It is as many as the
/// requests of one key that may be in flight.
pub(super) const ROUTINE: usize = 16;

/// The objects of one namespace that use the same Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Lane {
    pub(super) namespace: String,
    /// The name of the Secret, which is empty for the operator's own key.
    pub(super) secret: String,
}

/// The admission of all reconciles. All clones share it.
#[derive(Clone, Default)]
pub(super) struct Admission(Arc<Mutex<State>>);

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

impl Admission {
    /// Returns a slot for the object's reconcile if one is free. Otherwise the object waits in its
    /// queue. When a slot is free for it, the slot is reserved and `wake` is called.
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
    ) -> Option<Slot> {
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
        let mine = state.waiting.get(uid).is_some_and(|it| it.admitted);
        let waiting = mine.then(|| state.waiting.remove(uid)).flatten()?;
        Some(Slot {
            since: waiting.since,
            lane: waiting.lane,
            class: waiting.class,
            admission: self.clone(),
        })
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn lane(secret: &str) -> Lane {
        Lane {
            namespace: "team".into(),
            secret: secret.into(),
        }
    }

    /// Objects whose reconciles ask for a slot when they are woken, as kube's controller does.
    #[derive(Clone, Default)]
    struct World {
        admission: Admission,
        woken: Arc<Mutex<Vec<String>>>,
    }

    impl World {
        fn admit(&self, uid: &str, secret: &str, urgent: bool) -> Option<Slot> {
            let (woken, name) = (self.woken.clone(), uid.to_owned());
            let wake = move || woken.lock().unwrap().push(name.clone());
            self.admission
                .admit(uid, lane(secret), urgent, Duration::from_secs(300), wake)
        }

        fn woken(&self) -> Vec<String> {
            std::mem::take(&mut self.woken.lock().unwrap())
        }

        /// Admits as many objects of one kind as there are slots.
        fn fill(&self, secret: &str, urgent: bool, slots: usize) -> Vec<Slot> {
            let uid = |number| format!("{secret}-{urgent}-{number}");
            (0..slots)
                .map(|number| self.admit(&uid(number), secret, urgent).unwrap())
                .collect()
        }
    }

    #[test]
    fn routine_polls_take_no_slot_of_urgent_reconciles() {
        let world = World::default();
        let polls = world.fill("own", false, ROUTINE);
        assert!(world.admit("poll", "own", false).is_none());
        let urgent = world.fill("own", true, URGENT);
        assert!(world.admit("first", "own", true).is_none());
        assert!(world.admit("second", "own", true).is_none());
        assert!(world.admit("elsewhere", "other", true).is_some());
        drop(polls);
        assert_eq!(world.woken(), ["poll"]);
        drop(urgent);
        assert_eq!(world.woken(), ["first", "second"]);
        for (uid, urgent) in [("poll", false), ("first", true), ("second", true)] {
            assert!(world.admit(uid, "own", urgent).is_some());
        }
    }

    #[test]
    fn a_poll_that_becomes_urgent_moves_up_and_any_other_object_keeps_its_place() {
        let world = World::default();
        let polls = world.fill("own", false, ROUTINE);
        for uid in ["a", "b"] {
            assert!(world.admit(uid, "own", false).is_none());
        }
        // Another reason to reconcile an object that waits changes nothing.
        assert!(world.admit("a", "own", false).is_none());
        assert!(world.admit("b", "own", true).is_some());
        drop(polls);
        assert_eq!(world.woken(), ["a"]);
    }

    #[test]
    fn an_object_with_another_secret_waits_in_its_new_lane() {
        let world = World::default();
        let full = world.fill("bad", true, URGENT);
        assert!(world.admit("bot", "bad", true).is_none());
        assert!(world.admit("bot", "good", true).is_some());
        drop(full);
        assert_eq!(world.woken(), [""; 0]);
    }

    #[test]
    fn the_lane_with_the_fewest_objects_goes_first() {
        let world = World::default();
        let lanes = ALL / URGENT;
        let mut full: Vec<Vec<Slot>> = (0..lanes)
            .map(|lane| world.fill(&format!("lane-{lane}"), true, URGENT))
            .collect();
        for secret in ["lane-0", "lane-1", "new"] {
            assert!(world.admit(secret, secret, true).is_none());
        }
        full[0].pop();
        assert_eq!(world.woken(), ["new"]);
        full[1].pop();
        assert_eq!(world.woken(), ["lane-0"]);
        full[2].pop();
        assert_eq!(world.woken(), ["lane-1"]);
    }

    #[test]
    fn an_object_that_is_gone_takes_no_slot() {
        let world = World::default();
        let mut full = world.fill("own", true, URGENT);
        for uid in ["gone", "next", "last"] {
            assert!(world.admit(uid, "own", true).is_none());
        }
        world.admission.forget("gone");
        full.pop();
        assert_eq!(world.woken(), ["next"]);
        world.admission.forget("next");
        assert_eq!(world.woken(), ["last"]);
        assert!(world.admit("last", "own", true).is_some());
        drop(full);
        let state = world.admission.state();
        assert!(state.lanes.is_empty() && state.waiting.is_empty() && state.ready.is_empty());
        assert_eq!(state.admitted, 0);
    }

    #[test]
    fn each_of_many_objects_is_admitted_once_and_in_turn() {
        const OBJECTS: usize = 10_000;
        let world = World::default();
        let calls = AtomicUsize::new(0);
        let mut slots = VecDeque::new();
        let mut order = Vec::new();
        for number in 0..OBJECTS {
            let uid = number.to_string();
            if let Some(slot) = world.admit(&uid, "own", true) {
                slots.push_back(slot);
                order.push(number);
            }
        }
        while let Some(slot) = slots.pop_front() {
            drop(slot);
            for uid in world.woken() {
                calls.fetch_add(1, Ordering::Relaxed);
                slots.push_back(world.admit(&uid, "own", true).unwrap());
                order.push(uid.parse().unwrap());
            }
        }
        assert_eq!(calls.into_inner(), OBJECTS - URGENT);
        assert!(order.is_sorted() && order.len() == OBJECTS);
    }
}
