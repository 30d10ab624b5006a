//! Each rule of the leader election by itself.

use super::*;

#[test]
fn the_lease_is_read_before_it_is_written() {
    assert_eq!(new_machine().next(s(0)), Step::Read);
    let mut machine = new_machine();
    machine.failed(s(0), s(5));
    assert_eq!(
        machine.next(s(5)),
        Step::Read,
        "the response took longer than the retry period"
    );
    machine.failed(s(5), s(5));
    assert_eq!(
        machine.next(s(6)),
        Step::Wait(s(9)),
        "a request that failed quickly is not repeated at once"
    );
}

#[test]
fn a_lease_that_is_renewed_is_never_acquired() {
    let mut machine = new_machine();
    for renewal in 0..50 {
        let now = s(4 * renewal);
        machine.read(now, now, Some(held_by("other", &renewal.to_string(), 2)));
        assert_eq!(machine.next(now), Step::Wait(now + s(4)));
    }
}

#[test]
fn expiry_counts_from_when_this_process_last_observed_a_change() {
    let expired = || Some(held_by("other", "7", 2));
    // The response to a read sent at 100 came at 103, and the holder may have renewed until then.
    let mut machine = new_machine();
    machine.read(s(100), s(103), expired());
    machine.read(s(120), s(120), expired());
    assert_eq!(machine.next(s(123)), Step::Wait(s(124)));
    machine.read(s(130), s(130), expired());
    assert_eq!(machine.next(s(132)), Step::Wait(s(133)));
    let update = update_of(machine.next(s(133)));
    assert_eq!((update.holder.as_str(), update.transitions), ("me", 3));
}

/// The machine doesn't even know the times in the Lease, which may be an hour off or missing.
#[test]
fn clocks_that_differ_by_an_hour_change_nothing() {
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
        update_of(machine.next(s(30)));
    }
}

#[test]
fn authority_counts_from_when_the_renewal_was_sent() {
    let mut machine = new_machine();
    machine.read(s(0), s(1), None);
    machine.wrote(s(1), s(3), Some(held_by("me", "1", 0)));
    let grant = machine.grant().unwrap();
    assert_eq!((grant.until, grant.calls_from), (s(21), s(3 + 25)));
    assert_eq!(machine.next(s(3)), Step::Wait(s(5)));
    assert_eq!(
        update_of(machine.next(s(5))),
        LeaseUpdate {
            holder: "me".into(),
            transitions: 0,
            duration: s(30),
            released_by: None
        }
    );
    machine.wrote(s(5), s(9), Some(held_by("me", "2", 0)));
    let grant = machine.grant().unwrap();
    assert_eq!(
        (grant.until, grant.calls_from),
        (s(25), s(28)),
        "a renewal doesn't prolong the wait"
    );
}

#[test]
fn a_lost_response_to_a_renewal_leads_to_a_read_and_no_authority() {
    for renewed in [false, true] {
        let mut machine = leading([(0, None)], 0);
        machine.wrote(s(4), s(9), None);
        assert_eq!(machine.grant().unwrap().until, s(20));
        assert_eq!(machine.next(s(9)), Step::Read);
        let version = if renewed { "lost" } else { "mine" };
        machine.read(s(9), s(10), Some(held_by("me", version, 0)));
        assert_eq!(
            machine.grant().unwrap().until,
            s(20),
            "a read is not a renewal"
        );
        update_of(machine.next(s(10)));
        machine.wrote(s(10), s(11), Some(held_by("me", "again", 0)));
        assert_eq!(machine.grant().unwrap().until, s(30));
    }
}

#[test]
fn a_leader_that_was_cut_off_continues_if_it_still_holds_the_lease() {
    let mut machine = leading([(0, None)], 0);
    machine.wrote(s(4), s(9), None);
    machine.failed(s(9), s(14));
    machine.failed(s(100), s(105));
    assert!(machine.grant().unwrap().lapsed(s(20)));
    machine.read(s(105), s(105), Some(held_by("me", "mine", 0)));
    machine.wrote(s(105), s(106), Some(held_by("me", "next", 0)));
    let grant = machine.grant().unwrap();
    assert_eq!((grant.until, grant.calls_from), (s(125), s(25)));
}

#[test]
fn a_conflict_leads_to_a_read_and_only_another_term_ends_leadership() {
    let labeled = held_by("me", "labeled", 0);
    for (what, found, lost) in [
        ("a person labeled the Lease", Some(labeled.clone()), false),
        ("the Lease was deleted", None, true),
        (
            "another process acquired the Lease",
            Some(held_by("other", "x", 1)),
            true,
        ),
        ("the Lease was emptied", Some(held_by("", "x", 0)), true),
        (
            "another process held the Lease in between",
            Some(held_by("me", "x", 2)),
            true,
        ),
        (
            "the Lease was deleted and created again",
            Some(LeaseState {
                uid: "lease-2".into(),
                ..labeled
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
fn lost_leadership_stays_lost() {
    let mut machine = leading([(0, None)], 0);
    machine.read(s(4), s(4), None);
    machine.read(s(5), s(5), Some(held_by("me", "mine", 0)));
    machine.wrote(s(6), s(6), Some(held_by("me", "mine", 0)));
    machine.wake(s(7));
    assert!(matches!(machine.next(s(8)), Step::Lost(_)));
    assert_eq!(machine.grant(), None);
}

#[test]
fn transitions_are_counted_on_after_the_lease_is_deleted() {
    for (reads, transitions) in [
        (vec![(0, None)], 0),
        (vec![(0, Some(held_by("", "1", 4)))], 5),
        (vec![(0, Some(held_by("other", "1", 4))), (1, None)], 5),
    ] {
        let machine = after_reading(reads);
        assert_eq!(update_of(machine.next(s(1))).transitions, transitions);
    }
}

#[test]
fn a_change_of_the_lease_wakes_a_standby_and_no_leader() {
    let mut machine = after_reading([(0, Some(held_by("other", "7", 2)))]);
    assert_eq!(machine.next(s(1)), Step::Wait(s(4)));
    machine.wake(s(1));
    assert_eq!(machine.next(s(1)), Step::Read);
    let mut machine = leading([(0, None)], 0);
    machine.wake(s(1));
    assert_eq!(machine.next(s(1)), Step::Wait(s(4)));
}
