//! When a new leader may make its first call.

use super::*;

/// When a leader may make its first call.
fn calls_from(machine: &Machine) -> Duration {
    machine.grant().unwrap().calls_from
}

#[test]
fn a_holder_with_a_longer_lease_duration_keeps_the_lease_longer() {
    let longer = LeaseState {
        duration: s(300),
        ..held_by("other", "7", 2)
    };
    let machine = after_reading([(0, Some(longer.clone()))]);
    assert_eq!(machine.next(s(299)), Step::Read);
    update_of(machine.next(s(300)));
    assert_eq!(
        calls_from(&leading([(0, Some(longer.clone()))], 300)),
        s(300)
    );
    // Its authority lasts longer too, also where its Lease was deleted or emptied.
    let emptied = LeaseState {
        holder: String::new(),
        ..longer.clone()
    };
    let cleared = held_by("", "9", 2);
    for reads in [
        vec![(0, Some(longer.clone())), (1, None)],
        vec![(0, Some(longer)), (1, Some(cleared))],
        vec![(1, Some(emptied))],
    ] {
        let what = format!("{reads:?}");
        assert_eq!(calls_from(&leading(reads, 2)), s(2 + 300 - 5), "{what}");
    }
}

/// The next leader may have observed only this Lease, and not the longer one before it.
#[test]
fn a_leader_that_waits_for_a_longer_lease_keeps_its_own_as_long() {
    let longer = || LeaseState {
        duration: s(300),
        ..held_by("other", "7", 2)
    };
    let mut machine = after_reading([(0, Some(longer())), (1, None)]);
    let written = |update: &LeaseUpdate| LeaseState {
        duration: update.duration,
        ..held_by("me", "mine", update.transitions)
    };
    let acquisition = update_of(machine.next(s(1)));
    machine.wrote(s(1), s(1), Some(written(&acquisition)));
    let renewal = update_of(machine.next(s(295)));
    let release = machine.release(s(295), &written(&renewal)).unwrap();
    let durations = [acquisition.duration, renewal.duration, release.duration];
    assert_eq!(durations, [s(300); 3]);
    // Its wait has ended then, and with it the authority of the other leader.
    assert_eq!(calls_from(&machine), s(296));
    assert_eq!(update_of(machine.next(s(296))).duration, s(30));

    for (reads, at) in [
        (vec![(0, Some(longer()))], 300),
        (
            vec![
                (0, Some(longer())),
                (1, Some(released_by_holder("other", "8", 2))),
            ],
            1,
        ),
    ] {
        let machine = after_reading(reads);
        assert_eq!(update_of(machine.next(s(at))).duration, s(30), "{at}");
    }
}

#[test]
fn calls_start_at_once_only_after_an_observed_release_or_expiry() {
    let other = || Some(held_by("other", "7", 2));
    let released = [(0, other()), (4, Some(released_by_holder("other", "8", 2)))];
    let machine = leading(released, 4);
    assert_eq!(machine.takeover(), Some(Takeover::Released));
    assert_eq!(calls_from(&machine), s(4));
    let machine = leading([(0, other())], 30);
    assert_eq!(machine.takeover(), Some(Takeover::Expired));
    assert_eq!(calls_from(&machine), s(30));

    for (what, reads) in [
        ("there was never a Lease", vec![(4, None)]),
        (
            "the Lease was released before it was first read",
            vec![(4, Some(released_by_holder("other", "8", 2)))],
        ),
        ("the Lease was deleted", vec![(0, other()), (4, None)]),
        (
            "a person emptied the Lease",
            vec![(0, other()), (4, Some(held_by("", "8", 2)))],
        ),
        (
            "the holder that released the Lease was never observed",
            vec![(0, other()), (4, Some(released_by_holder("third", "8", 3)))],
        ),
        (
            "the Lease changed after the release",
            vec![
                (0, other()),
                (3, Some(released_by_holder("other", "8", 2))),
                (4, Some(released_by_holder("other", "9", 2))),
            ],
        ),
        (
            "the Lease was deleted and created again",
            vec![
                (0, other()),
                (
                    4,
                    Some(LeaseState {
                        uid: "lease-2".into(),
                        ..released_by_holder("other", "8", 2)
                    }),
                ),
            ],
        ),
    ] {
        let machine = leading(reads, 4);
        assert_eq!(machine.takeover(), Some(Takeover::Unobserved), "{what}");
        assert_eq!(calls_from(&machine), s(4 + 25), "{what}");
    }
}

/// The holder may have renewed it until then.
#[test]
fn a_lease_that_is_emptied_after_its_expiry_has_not_expired() {
    let reads = [
        (0, Some(held_by("other", "7", 2))),
        (29, Some(held_by("other", "7", 2))),
        (31, Some(held_by("", "8", 2))),
    ];
    assert_eq!(calls_from(&leading(reads, 31)), s(31 + 25));
}

#[test]
fn a_lease_that_a_stranger_holds_expires_too() {
    let reads = [
        (0, Some(held_by("other", "7", 2))),
        (20, Some(held_by("stranger", "8", 2))),
    ];
    let machine = after_reading(reads.clone());
    assert_eq!(machine.next(s(49)), Step::Read);
    assert_eq!(calls_from(&leading(reads, 50)), s(50));
}

#[test]
fn a_release_that_is_read_twice_counts_as_observed() {
    let released = || Some(released_by_holder("other", "8", 2));
    let reads = [
        (0, Some(held_by("other", "7", 2))),
        (3, released()),
        (4, released()),
    ];
    assert_eq!(calls_from(&leading(reads, 4)), s(4));
}

#[test]
fn after_a_lost_response_to_an_acquisition_a_renewal_gives_authority_and_calls_wait() {
    let other = || Some(held_by("other", "7", 2));
    for reads in [
        vec![
            (0, other()),
            (30, Some(released_by_holder("other", "8", 2))),
        ],
        vec![(0, other())],
    ] {
        let mut machine = after_reading(reads);
        update_of(machine.next(s(30)));
        machine.wrote(s(30), s(35), None);
        machine.read(s(35), s(35), Some(held_by("me", "9", 3)));
        assert_eq!(machine.takeover(), Some(Takeover::Unobserved));
        let grant = machine.grant().unwrap();
        assert_eq!((grant.until, grant.calls_from), (s(0), s(35 + 25)));
        update_of(machine.next(s(35)));
        machine.wrote(s(35), s(36), Some(held_by("me", "10", 3)));
        let grant = machine.grant().unwrap();
        assert_eq!((grant.until, grant.calls_from), (s(55), s(35 + 25)));
    }
}

#[test]
fn a_release_has_a_mark_only_after_the_wait_for_the_last_leader() {
    let release = |machine: &Machine, now| machine.release(s(now), &held_by("me", "mine", 0));
    let machine = leading([(0, None)], 0);
    let released_by = |now| release(&machine, now).unwrap().released_by;
    assert_eq!(
        released_by(24),
        None,
        "calls of the last leader may be in flight"
    );
    assert_eq!(released_by(25), Some("me".into()));
    assert_eq!(release(&machine, 25).unwrap().holder, "");

    // The shutdown began during an acquisition.
    let standby = after_reading([(0, None)]);
    assert_eq!(release(&standby, 100).unwrap().released_by, None);

    let others = held_by("other", "x", 1);
    assert_eq!(machine.release(s(100), &others), None);
}
