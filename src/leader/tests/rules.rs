//! Each rule by itself.

use super::*;

/// When a leader may first call; it leads since `at`.
fn calls_from(machine: &Machine) -> Duration {
    machine.grant().unwrap().calls_from
}

#[test]
fn the_lease_is_read_before_anything_is_written() {
    assert_eq!(me().next(s(0)), Step::Read);
    let mut machine = me();
    machine.failed(s(0), s(5));
    assert_eq!(
        machine.next(s(5)),
        Step::Read,
        "the answer took longer than a retry"
    );
    machine.failed(s(5), s(5));
    assert_eq!(
        machine.next(s(6)),
        Step::Wait(s(9)),
        "a quick refusal is not repeated at once"
    );
}

#[test]
fn a_lease_that_is_renewed_is_never_taken() {
    let mut machine = me();
    for renewal in 0..50 {
        let now = s(4 * renewal);
        machine.read(now, now, Some(held_by("other", &renewal.to_string(), 2)));
        assert_eq!(machine.next(now), Step::Wait(now + s(4)));
    }
}

#[test]
fn expiry_is_counted_from_when_this_process_has_last_seen_a_change() {
    let dead = || Some(held_by("dead", "7", 2));
    // The answer of a read sent at 100 came at 103, and the holder may have renewed until then.
    let mut machine = me();
    machine.read(s(100), s(103), dead());
    machine.read(s(120), s(120), dead());
    assert_eq!(machine.next(s(123)), Step::Wait(s(124)));
    machine.read(s(130), s(130), dead());
    assert_eq!(machine.next(s(132)), Step::Wait(s(133)));
    let update = written(machine.next(s(133)));
    assert_eq!((update.holder.as_str(), update.transitions), ("me", 3));
}

/// The Lease's own times, an hour off or missing, are not even part of what is known of it.
#[test]
fn clocks_an_hour_apart_change_nothing() {
    use jiff::{SignedDuration, Timestamp};
    use k8s_openapi::{
        api::coordination::v1::{Lease, LeaseSpec},
        apimachinery::pkg::apis::meta::v1::MicroTime,
    };
    let hour = SignedDuration::from_hours(1);
    let now = Timestamp::now();
    for times in [None, Some(now - hour), Some(now), Some(now + hour)] {
        let time = times.map(MicroTime);
        let lease = Lease {
            spec: Some(LeaseSpec {
                holder_identity: Some("other".into()),
                lease_duration_seconds: Some(30),
                acquire_time: time.clone(),
                renew_time: time,
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        };
        let machine = after_reading([(0, Some(super::super::lease::state(&lease)))]);
        assert_eq!(machine.next(s(29)), Step::Read);
        written(machine.next(s(30)));
    }
}

#[test]
fn a_holder_that_means_to_stay_longer_is_given_longer() {
    let patient = LeaseState {
        duration: s(300),
        ..held_by("other", "7", 2)
    };
    let machine = after_reading([(0, Some(patient.clone()))]);
    assert_eq!(machine.next(s(299)), Step::Read);
    written(machine.next(s(300)));
    // Also where its Lease has gone meanwhile.
    let machine = leading([(0, Some(patient)), (1, None)], 2);
    assert_eq!(calls_from(&machine), s(2 + 300 + 15));
}

#[test]
fn only_a_release_that_was_seen_to_happen_is_clean() {
    let other = || Some(held_by("other", "7", 2));
    let clean = [(0, other()), (4, Some(released_by_holder("other", "8", 2)))];
    assert_eq!(calls_from(&leading(clean, 4)), s(4));

    for (what, reads) in [
        ("there was never a Lease", vec![(4, None)]),
        (
            "it was released before",
            vec![(4, Some(released_by_holder("other", "8", 2)))],
        ),
        ("it was deleted", vec![(0, other()), (4, None)]),
        (
            "it was emptied by hand",
            vec![(0, other()), (4, Some(held_by("", "8", 2)))],
        ),
        (
            "another than the last holder that was seen had let go",
            vec![(0, other()), (4, Some(released_by_holder("third", "8", 3)))],
        ),
        (
            "somebody did something to it after",
            vec![
                (0, other()),
                (3, Some(released_by_holder("other", "8", 2))),
                (4, Some(released_by_holder("other", "9", 2))),
            ],
        ),
        (
            "it is another Lease",
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
        assert_eq!(calls_from(&leading(reads, 4)), s(4 + 30 + 15), "{what}");
    }
    assert_eq!(
        calls_from(&leading([(0, other())], 30)),
        s(30 + 30 + 15),
        "it ran out"
    );
}

#[test]
fn a_release_is_clean_although_it_was_read_more_than_once() {
    let released = || Some(released_by_holder("other", "8", 2));
    let reads = [
        (0, Some(held_by("other", "7", 2))),
        (3, released()),
        (4, released()),
    ];
    assert_eq!(calls_from(&leading(reads, 4)), s(4));
}

#[test]
fn authority_counts_from_when_the_renewal_was_sent() {
    let mut machine = me();
    machine.read(s(0), s(1), None);
    machine.wrote(s(1), s(3), Some(held_by("me", "1", 0)));
    let grant = machine.grant().unwrap();
    assert_eq!((grant.until, grant.calls_from), (s(21), s(3 + 30 + 15)));
    assert_eq!(machine.next(s(3)), Step::Wait(s(5)));
    assert_eq!(
        written(machine.next(s(5))),
        LeaseUpdate {
            holder: "me".into(),
            transitions: 0,
            released_by: None
        }
    );
    machine.wrote(s(5), s(9), Some(held_by("me", "2", 0)));
    let grant = machine.grant().unwrap();
    assert_eq!(
        (grant.until, grant.calls_from),
        (s(25), s(48)),
        "a renewal doesn't prolong the wait"
    );
}

#[test]
fn a_renewal_whose_answer_is_lost_gives_no_authority_and_is_looked_into() {
    for worked in [false, true] {
        let mut machine = leading([(0, None)], 0);
        machine.wrote(s(4), s(9), None);
        assert_eq!(machine.grant().unwrap().until, s(20));
        assert_eq!(machine.next(s(9)), Step::Read);
        let version = if worked { "lost" } else { "mine" };
        machine.read(s(9), s(10), Some(held_by("me", version, 0)));
        assert_eq!(
            machine.grant().unwrap().until,
            s(20),
            "a read is no renewal"
        );
        written(machine.next(s(10)));
        machine.wrote(s(10), s(11), Some(held_by("me", "again", 0)));
        assert_eq!(machine.grant().unwrap().until, s(30));
    }
}

#[test]
fn a_leader_that_was_cut_off_goes_on_if_nobody_has_taken_the_lease() {
    let mut machine = leading([(0, None)], 0);
    machine.wrote(s(4), s(9), None);
    machine.failed(s(9), s(14));
    machine.failed(s(100), s(105));
    assert!(machine.grant().unwrap().lapsed(s(20)));
    machine.read(s(105), s(105), Some(held_by("me", "mine", 0)));
    machine.wrote(s(105), s(106), Some(held_by("me", "next", 0)));
    let grant = machine.grant().unwrap();
    assert_eq!((grant.until, grant.calls_from), (s(125), s(45)));
}

#[test]
fn an_acquisition_whose_answer_is_lost_gives_authority_with_the_first_renewal() {
    let released = released_by_holder("other", "8", 2);
    let mut machine = after_reading([(0, Some(held_by("other", "7", 2))), (1, Some(released))]);
    machine.wrote(s(1), s(6), None);
    machine.read(s(6), s(6), Some(held_by("me", "9", 3)));
    let grant = machine.grant().unwrap();
    assert_eq!((grant.until, grant.calls_from), (s(0), s(6 + 30 + 15)));
    written(machine.next(s(6)));
    machine.wrote(s(6), s(7), Some(held_by("me", "10", 3)));
    assert_eq!(machine.grant().unwrap().until, s(26));
}

#[test]
fn a_conflict_is_read_and_only_another_holder_ends_leadership() {
    let labelled = held_by("me", "labelled", 0);
    for (what, found, lost) in [
        ("somebody put a label on it", Some(labelled.clone()), false),
        ("it was deleted", None, true),
        ("another took it", Some(held_by("other", "x", 1)), true),
        ("it was emptied", Some(held_by("", "x", 0)), true),
        (
            "another had it meanwhile",
            Some(held_by("me", "x", 2)),
            true,
        ),
        (
            "it was created anew",
            Some(LeaseState {
                uid: "lease-2".into(),
                ..labelled
            }),
            true,
        ),
    ] {
        let mut machine = leading([(0, None)], 0);
        machine.wrote(s(4), s(4), None);
        assert_eq!(machine.next(s(4)), Step::Wait(s(8)));
        machine.read(s(8), s(8), found);
        assert_eq!(matches!(machine.next(s(8)), Step::Lost(_)), lost, "{what}");
        assert_eq!(machine.grant().is_none(), lost, "{what}");
    }
}

#[test]
fn what_was_lost_stays_lost() {
    let mut machine = leading([(0, None)], 0);
    machine.read(s(4), s(4), None);
    machine.read(s(5), s(5), Some(held_by("me", "mine", 0)));
    machine.wrote(s(6), s(6), Some(held_by("me", "mine", 0)));
    machine.wake(s(7));
    assert!(matches!(machine.next(s(8)), Step::Lost(_)));
    assert_eq!(machine.grant(), None);
}

#[test]
fn the_lease_counts_its_holders_even_when_it_is_deleted() {
    for (reads, transitions) in [
        (vec![(0, None)], 0),
        (vec![(0, Some(held_by("", "1", 4)))], 5),
        (vec![(0, Some(held_by("other", "1", 4))), (1, None)], 5),
    ] {
        let machine = after_reading(reads);
        assert_eq!(written(machine.next(s(1))).transitions, transitions);
    }
}

#[test]
fn a_standby_that_is_told_of_a_change_reads_at_once_and_a_leader_does_not_listen() {
    let mut machine = after_reading([(0, Some(held_by("other", "7", 2)))]);
    assert_eq!(machine.next(s(1)), Step::Wait(s(4)));
    machine.wake(s(1));
    assert_eq!(machine.next(s(1)), Step::Read);
    let mut machine = leading([(0, None)], 0);
    machine.wake(s(1));
    assert_eq!(machine.next(s(1)), Step::Wait(s(4)));
}

#[test]
fn a_release_carries_a_mark_only_if_its_leader_could_vouch_for_the_last_one() {
    let mine = |machine: &Machine, now| machine.release(s(now), &held_by("me", "mine", 0));
    let machine = leading([(0, None)], 0);
    let released_by = |now| mine(&machine, now).unwrap().released_by;
    assert_eq!(
        released_by(44),
        None,
        "calls of the last leader may be under way"
    );
    assert_eq!(released_by(45), Some("me".into()));
    assert_eq!(mine(&machine, 45).unwrap().holder, "");

    // An acquisition was under way when the stop came.
    let standby = after_reading([(0, None)]);
    assert_eq!(mine(&standby, 100).unwrap().released_by, None);

    let others = held_by("other", "x", 1);
    assert_eq!(machine.release(s(100), &others), None);
}
