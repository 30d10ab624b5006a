//! The state machine that decides who leads. It has no clock and no client: its state follows only
//! from what was read and written. Times are durations since the start of this process, on its own
//! monotonic clock. The times in the Lease are for people and for the usage, and no two
//! machines' clocks are compared.

use std::time::Duration;

use super::{
    authority::Grant,
    timing::Timing,
    view::{LeaseState, LeaseView, Takeover},
};

/// What to write into the Lease. The fields mean the same as those of [`LeaseState`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeaseUpdate {
    pub(super) holder: String,
    pub(super) transitions: i32,
    pub(super) duration: Duration,
    pub(super) released_by: Option<String>,
}

/// The next step of the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Read the Lease.
    Read,
    /// Replace exactly the Lease that was last read or written, or create it where there was none.
    Write(LeaseUpdate),
    /// Wait until this time.
    Wait(Duration),
    /// Do nothing: this process has led, and another one may lead now.
    Lost(&'static str),
}

#[derive(Debug)]
pub(super) struct Machine {
    identity: String,
    timing: Timing,
    state: State,
    /// Whether the Lease has to be read before it is written: nothing was read yet, or a write may
    /// have succeeded or not.
    uncertain: bool,
    /// When the next request is due.
    request_at: Duration,
    /// The highest count of transitions in any Lease that was read.
    transitions: Option<i32>,
}

#[derive(Clone, Debug)]
enum State {
    Standby(LeaseView),
    Leading(Term),
    Lost(&'static str),
}

/// The time during which this process is the leader.
#[derive(Clone, Debug)]
struct Term {
    /// The Lease as it was last read or written.
    held: LeaseState,
    grant: Grant,
    takeover: Takeover,
}

impl Machine {
    pub(super) fn new(identity: String, timing: Timing) -> Self {
        Self {
            identity,
            state: State::Standby(LeaseView::new(timing.lease_duration)),
            timing,
            uncertain: true,
            request_at: Duration::ZERO,
            transitions: None,
        }
    }

    pub(super) fn next(&self, now: Duration) -> Step {
        let due = now >= self.request_at;
        match &self.state {
            State::Lost(why) => Step::Lost(why),
            State::Standby(_) | State::Leading(_) if !due && self.uncertain => {
                Step::Wait(self.request_at)
            }
            State::Standby(_) | State::Leading(_) if self.uncertain => Step::Read,
            State::Standby(view) if now >= view.free_at() => Step::Write(self.acquisition(view)),
            State::Standby(_) if due => Step::Read,
            State::Standby(view) => Step::Wait(self.request_at.min(view.free_at())),
            State::Leading(term) if due => Step::Write(self.renewal(now, term)),
            State::Leading(_) => Step::Wait(self.request_at),
        }
    }

    /// Handles the result of a read: the Lease, or `None` if there is none.
    pub(super) fn read(&mut self, sent: Duration, now: Duration, found: Option<LeaseState>) {
        self.transitions = self
            .transitions
            .max(found.as_ref().map(|it| it.transitions));
        self.uncertain = false;
        match &mut self.state {
            State::Lost(_) => {}
            State::Leading(term) => match found {
                Some(record) if same_term(&term.held, &record) => {
                    term.held = record;
                    self.request_at = now;
                }
                other => self.state = State::Lost(loss(other.as_ref())),
            },
            State::Standby(view) => match found {
                // Either the response to an acquisition was lost, or a person has made this process
                // the leader. That gives no authority before a renewal succeeds, and nothing is
                // known about the last leader.
                Some(record) if record.holder == self.identity => {
                    let duration = view.duration.max(record.duration);
                    let grant = Grant {
                        until: Duration::ZERO,
                        calls_from: now + self.timing.wait_for(duration),
                    };
                    self.state = State::Leading(Term {
                        held: LeaseState { duration, ..record },
                        grant,
                        takeover: Takeover::Unobserved,
                    });
                    self.request_at = now;
                }
                found => {
                    view.observe(now, found, self.timing.lease_duration);
                    self.request_at = sent + self.timing.retry_period;
                }
            },
        }
    }

    /// Handles a failed read.
    pub(super) fn failed(&mut self, sent: Duration, now: Duration) {
        self.request_at = now.max(sent + self.timing.retry_period);
    }

    /// Handles the result of [`Step::Write`]: the Lease, or `None` if the write may have failed.
    pub(super) fn wrote(&mut self, sent: Duration, now: Duration, written: Option<LeaseState>) {
        let Some(record) = written else {
            self.uncertain = true;
            return self.failed(sent, now);
        };
        self.request_at = sent + self.timing.retry_period;
        let until = sent + self.timing.renew_deadline;
        match &mut self.state {
            State::Lost(_) => {}
            State::Leading(term) => {
                term.held = record;
                term.grant.until = until;
            }
            State::Standby(view) => {
                let takeover = view.takeover();
                let calls_from = match takeover {
                    Takeover::Released | Takeover::Expired => now,
                    Takeover::Unobserved => now + self.timing.wait_for(view.duration),
                };
                self.state = State::Leading(Term {
                    held: record,
                    grant: Grant { until, calls_from },
                    takeover,
                });
            }
        }
    }

    /// Makes a standby read the Lease at once, because it may have changed.
    pub(super) fn wake(&mut self, now: Duration) {
        if matches!(self.state, State::Standby(_)) {
            self.request_at = self.request_at.min(now);
        }
    }

    /// The update that releases the Lease, after all work has ended. A leader that was still
    /// waiting for its predecessor's calls to end can't know whether they have ended, so it leaves
    /// no mark, and the next leader waits again.
    pub(super) fn release(&self, now: Duration, found: &LeaseState) -> Option<LeaseUpdate> {
        let served = match &self.state {
            State::Leading(term) => same_term(&term.held, found) && now >= term.grant.calls_from,
            State::Standby(_) | State::Lost(_) => false,
        };
        (found.holder == self.identity).then(|| LeaseUpdate {
            holder: String::new(),
            transitions: found.transitions,
            duration: found.duration.max(self.timing.lease_duration),
            released_by: served.then(|| self.identity.clone()),
        })
    }

    /// The leader's authority, or `None` where this process is not the leader.
    pub(super) fn grant(&self) -> Option<Grant> {
        match &self.state {
            State::Leading(term) => Some(term.grant),
            State::Standby(_) | State::Lost(_) => None,
        }
    }

    /// What the leader observed of its predecessor's end, or `None` if this process is not the
    /// leader.
    pub(super) fn takeover(&self) -> Option<Takeover> {
        match &self.state {
            State::Leading(term) => Some(term.takeover),
            State::Standby(_) | State::Lost(_) => None,
        }
    }

    /// The holder of the Lease, as far as a standby knows.
    pub(super) fn leader(&self) -> Option<&str> {
        match &self.state {
            State::Standby(view) => view.state.as_ref().map(|state| state.holder.as_str()),
            State::Leading(_) | State::Lost(_) => None,
        }
    }

    fn acquisition(&self, view: &LeaseView) -> LeaseUpdate {
        LeaseUpdate {
            holder: self.identity.clone(),
            transitions: self.transitions.map_or(0, |most| most.saturating_add(1)),
            duration: match view.takeover() {
                Takeover::Released | Takeover::Expired => self.timing.lease_duration,
                Takeover::Unobserved => view.duration,
            },
            released_by: None,
        }
    }

    /// While this process waits for a predecessor whose Lease lasts longer, its own Lease lasts as
    /// long, because the next leader may know of that predecessor only from this Lease.
    fn renewal(&self, now: Duration, term: &Term) -> LeaseUpdate {
        let own = self.timing.lease_duration;
        LeaseUpdate {
            holder: self.identity.clone(),
            transitions: term.held.transitions,
            duration: if now < term.grant.calls_from {
                term.held.duration.max(own)
            } else {
                own
            },
            released_by: None,
        }
    }
}

/// Returns true when nobody else can have led in between: each acquisition counts a transition.
fn same_term(held: &LeaseState, found: &LeaseState) -> bool {
    held.uid == found.uid && held.holder == found.holder && held.transitions == found.transitions
}

fn loss(found: Option<&LeaseState>) -> &'static str {
    match found {
        None => "the Lease was deleted",
        Some(record) if record.holder.is_empty() => "the Lease was emptied by somebody else",
        Some(_) => "the Lease was taken or edited by somebody else",
    }
}
