//! What other modules need to know about leadership: whether they may work, and whether a call may
//! start now.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

/// Whether this process may work. All clones give the same answers.
#[derive(Clone, Debug)]
pub enum Authority {
    /// There is one replica, which may always work.
    Permanent,
    /// There are several replicas, and the Lease grants the authority.
    Elected(Elected),
}

/// Authority that a Lease grants while it is renewed.
#[derive(Clone, Debug)]
pub struct Elected {
    pub(super) start: Instant,
    pub(super) grants: watch::Receiver<Option<Grant>>,
}

/// What the Lease grants. Times are durations since `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// When all work must have ended.
    pub(super) until: Duration,
    /// When the first call may start. Until then, a predecessor may still have authority.
    pub(super) calls_from: Duration,
}

/// Why no call may start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorityError {
    /// The reason, as a clause.
    pub why: &'static str,
    /// The time after which a call may start, if it is known.
    pub wait: Option<Duration>,
}

impl Authority {
    /// Checks that a call that takes no longer than `call` may start now.
    ///
    /// # Errors
    ///
    /// Says why the call may not start, and when it may, if that is known.
    // A call that could outlast the authority might run beside a call of the next leader.
    pub fn permits(&self, call: Duration) -> Result<(), AuthorityError> {
        match self {
            Authority::Permanent => Ok(()),
            Authority::Elected(elected) => match *elected.grants.borrow() {
                Some(grant) => grant.permits(elected.start.elapsed(), call),
                None => Err(AuthorityError {
                    why: "this replica is no longer the leader",
                    wait: None,
                }),
            },
        }
    }

    /// Returns true when a reconcile may start. A reconcile with too little time left makes no
    /// call.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self {
            Authority::Permanent => true,
            Authority::Elected(elected) => (*elected.grants.borrow())
                .is_some_and(|grant| !grant.lapsed(elected.start.elapsed())),
        }
    }
}

impl Grant {
    pub(super) fn lapsed(&self, now: Duration) -> bool {
        now >= self.until
    }

    /// A call starts only if more time is left than it can take.
    pub(super) fn permits(&self, now: Duration, call: Duration) -> Result<(), AuthorityError> {
        if now < self.calls_from {
            return Err(AuthorityError {
                why: "this replica became the leader without observing that its predecessor \
                      released the Lease or that the Lease expired, and waits until no call of the \
                      predecessor can be in flight",
                wait: Some(self.calls_from - now),
            });
        }
        if self.until.saturating_sub(now) <= call {
            return Err(AuthorityError {
                why: "this replica could not renew the Lease in time to be sure that it still leads",
                wait: None,
            });
        }
        Ok(())
    }
}
