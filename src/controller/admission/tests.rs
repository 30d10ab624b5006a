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
        let admission = &self.admission;
        match admission.admit(uid, lane(secret), urgent, Duration::from_secs(300), wake) {
            Admitted::Slot(slot) => Some(slot),
            Admitted::Waits(_) => None,
        }
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
