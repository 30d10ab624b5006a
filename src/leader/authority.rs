//! What the rest of the program knows of leadership: whether it may work, and whether a call may
//! start now.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

/// Whether this process may work. Clones tell the same.
#[derive(Clone, Debug)]
pub enum Authority {
    /// There is one replica, and nobody to share with.
    Permanent,
    /// As the Lease grants it.
    Elected(Elected),
}

/// Authority that a Lease grants, for as long as it is renewed.
#[derive(Clone, Debug)]
pub struct Elected {
    pub(super) start: Instant,
    pub(super) grants: watch::Receiver<Option<Grant>>,
}

/// What the Lease grants, in spans since `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// Everything has to have ended by then.
    pub(super) until: Duration,
    /// No call starts before: one of the last leader's may be under way.
    pub(super) calls_from: Duration,
    /// How often the Lease has changed hands.
    pub(super) transitions: i32,
}

/// Why no call may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In words.
    pub why: &'static str,
    /// How long that will be so, where it is known.
    pub wait: Option<Duration>,
}

impl Authority {
    /// Whether a call that takes no longer than this may start now.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn permits(&self, call: Duration) -> Result<(), Refusal> {
        match self {
            Authority::Permanent => Ok(()),
            Authority::Elected(elected) => match *elected.grants.borrow() {
                Some(grant) => grant.permits(elected.start.elapsed(), call),
                None => Err(Refusal {
                    why: "this operator is not the leader any more",
                    wait: None,
                }),
            },
        }
    }

    /// Whether a pass may start. One that has no time to end makes no call.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self {
            Authority::Permanent => true,
            Authority::Elected(elected) => (*elected.grants.borrow())
                .is_some_and(|grant| !grant.lapsed(elected.start.elapsed())),
        }
    }

    /// How often the Lease has changed hands.
    #[must_use]
    pub fn transitions(&self) -> i64 {
        match self {
            Authority::Permanent => 0,
            Authority::Elected(elected) => {
                let grant = *elected.grants.borrow();
                grant.map_or(0, |grant| grant.transitions.into())
            }
        }
    }
}

impl Grant {
    pub(super) fn lapsed(&self, now: Duration) -> bool {
        now >= self.until
    }

    /// A call starts only if more is left than it can take.
    pub(super) fn permits(&self, now: Duration, call: Duration) -> Result<(), Refusal> {
        if now < self.calls_from {
            return Err(Refusal {
                why: "this operator became leader without seeing the last one let go, and waits until no call of that one can be under way",
                wait: Some(self.calls_from - now),
            });
        }
        if self.until.saturating_sub(now) <= call {
            return Err(Refusal {
                why: "this operator could not renew its Lease in time to be sure that it still leads",
                wait: None,
            });
        }
        Ok(())
    }
}
