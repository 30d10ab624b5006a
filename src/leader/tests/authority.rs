//! When a call may start, at the limits of the authority.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

use super::{
    super::authority::{Authority, Elected, Grant},
    s,
};

const GRANT: Grant = Grant {
    until: s(100),
    calls_from: s(50),
};

/// The longest time that a call can take.
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
fn no_call_starts_while_one_of_the_last_leader_may_be_in_flight() {
    let error = GRANT.permits(s(49), CALL).unwrap_err();
    assert_eq!(error.wait, Some(s(1)));
    assert!(GRANT.permits(s(50), CALL).is_ok());
    assert_eq!(GRANT.permits(s(90), CALL).unwrap_err().wait, None);
}

#[tokio::test(start_paused = true)]
async fn reconciles_start_only_while_the_lease_is_renewed_in_time() {
    let (sender, grants) = watch::channel(None);
    let start = Instant::now();
    let authority = Authority::Elected(Elected { start, grants });
    let allows = || (authority.holds(), authority.permits(CALL).is_ok());
    assert_eq!(allows(), (false, false));
    sender.send_replace(Some(GRANT));
    assert_eq!(allows(), (true, false));
    tokio::time::advance(s(60)).await;
    assert_eq!(allows(), (true, true));
    tokio::time::advance(s(40)).await;
    assert_eq!(allows(), (false, false));
    sender.send_replace(Some(Grant {
        until: s(120),
        ..GRANT
    }));
    assert_eq!(allows(), (true, true));
    sender.send_replace(None);
    assert_eq!(allows(), (false, false));
}

#[test]
fn without_an_election_the_authority_is_permanent() {
    let authority = Authority::Permanent;
    assert!(authority.holds() && authority.permits(s(3600)).is_ok());
}
