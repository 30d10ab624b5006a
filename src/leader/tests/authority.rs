//! The arithmetic of authority, to the edge.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

use super::{
    super::authority::{Authority, Elected, Grant},
    s,
};

const GRANT: Grant = Grant {
    until: s(100),
    calls_from: s(50),
    transitions: 3,
};

const CALL: Duration = s(13);

#[test]
fn a_call_starts_only_if_more_authority_remains_than_it_can_take() {
    let moment = Duration::from_nanos(1);
    for (now, permitted) in [
        (s(50), true),
        (s(87) - moment, true),
        (s(87), false),
        (s(100), false),
        (s(1000), false),
    ] {
        assert_eq!(GRANT.permits(now, CALL).is_ok(), permitted, "{now:?}");
    }
}

#[test]
fn no_call_starts_before_the_last_leaders_calls_can_have_ended() {
    let refusal = GRANT.permits(s(49), CALL).unwrap_err();
    assert_eq!(refusal.wait, Some(s(1)));
    assert!(GRANT.permits(s(50), CALL).is_ok());
    assert_eq!(GRANT.permits(s(90), CALL).unwrap_err().wait, None);
}

#[tokio::test(start_paused = true)]
async fn passes_start_while_the_lease_is_renewed_in_time_and_not_after() {
    let (say, grants) = watch::channel(None);
    let start = Instant::now();
    let authority = Authority::Elected(Elected { start, grants });
    let is = || (authority.holds(), authority.permits(CALL).is_ok());
    assert_eq!((is(), authority.transitions()), ((false, false), 0));
    say.send_replace(Some(GRANT));
    assert_eq!((is(), authority.transitions()), ((true, false), 3));
    tokio::time::advance(s(60)).await;
    assert_eq!(is(), (true, true));
    tokio::time::advance(s(40)).await;
    assert_eq!(is(), (false, false));
    say.send_replace(Some(Grant {
        until: s(120),
        ..GRANT
    }));
    assert_eq!(is(), (true, true));
    say.send_replace(None);
    assert_eq!(is(), (false, false));
}

#[test]
fn the_only_replica_may_always_work() {
    let authority = Authority::Permanent;
    assert!(authority.holds() && authority.permits(s(3600)).is_ok());
}
