//! The state machine that decides who leads. It has no clock and no client: its state follows only
//! from what was read and written. Times are durations since the start of this process, on its own
//! monotonic clock. The times in the Lease are for people, and no two machines' clocks are
//! compared.

use std::time::Duration;

use super::{authority::Grant, timing::Timing};

/// The fields of a Lease that leadership depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeaseState {
    pub(super) uid: String,
    /// The resourceVersion, which changes with every renewal and every other write.
    pub(super) version: String,
    /// The holder's identity, or an empty string where there is no holder.
    pub(super) holder: String,
    pub(super) transitions: i32,
    /// How long the holder keeps the Lease after a renewal.
    pub(super) duration: Duration,
    /// Who released the Lease after all its work had ended. A Lease that is taken or emptied in any
    /// other way has no such mark.
    pub(super) released_by: Option<String>,
}

/// What to write into the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeaseUpdate {
    pub(super) holder: String,
    pub(super) transitions: i32,
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
    Leading(LeaseState, Grant),
    Lost(&'static str),
}

/// The Lease as a standby has observed it.
#[derive(Clone, Debug)]
struct LeaseView {
    state: Option<LeaseState>,
    /// Since when the Lease has been observed unchanged.
    since: Duration,
    /// Whether the last holder was observed to release the Lease, which has not changed since.
    released: bool,
    /// How long the last holder that was observed keeps the Lease after a renewal.
    duration: Duration,
}

impl Machine {
    pub(super) fn new(identity: String, timing: Timing) -> Self {
        Self {
            identity,
            state: State::Standby(LeaseView {
                state: None,
                since: Duration::ZERO,
                released: false,
                duration: timing.lease_duration,
            }),
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
            State::Standby(_) | State::Leading(..) if !due && self.uncertain => {
                Step::Wait(self.request_at)
            }
            State::Standby(_) | State::Leading(..) if self.uncertain => Step::Read,
            State::Standby(view) if now >= free_at(view) => Step::Write(self.acquisition()),
            State::Standby(_) if due => Step::Read,
            State::Standby(view) => Step::Wait(self.request_at.min(free_at(view))),
            State::Leading(held, _) if due => Step::Write(LeaseUpdate {
                holder: self.identity.clone(),
                transitions: held.transitions,
                released_by: None,
            }),
            State::Leading(..) => Step::Wait(self.request_at),
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
            State::Leading(held, _) => match found {
                Some(record) if same_term(held, &record) => {
                    *held = record;
                    self.request_at = now;
                }
                other => self.state = State::Lost(loss(other.as_ref())),
            },
            State::Standby(view) => match found {
                // This is an acquisition whose response was lost. It gives no authority before a
                // renewal succeeds, and doesn't count as one after a release.
                Some(record) if record.holder == self.identity => {
                    let grant = Grant {
                        until: Duration::ZERO,
                        calls_from: now + view.duration + self.timing.takeover_margin,
                    };
                    self.state = State::Leading(record, grant);
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
            State::Leading(held, grant) => {
                *held = record;
                grant.until = until;
            }
            State::Standby(view) => {
                let calls_from = if view.released {
                    now
                } else {
                    now + view.duration + self.timing.takeover_margin
                };
                let grant = Grant { until, calls_from };
                self.state = State::Leading(record, grant);
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
            State::Leading(held, grant) => same_term(held, found) && now >= grant.calls_from,
            State::Standby(_) | State::Lost(_) => false,
        };
        (found.holder == self.identity).then(|| LeaseUpdate {
            holder: String::new(),
            transitions: found.transitions,
            released_by: served.then(|| self.identity.clone()),
        })
    }

    /// The leader's authority, or `None` where this process is not the leader.
    pub(super) fn grant(&self) -> Option<Grant> {
        match &self.state {
            State::Leading(_, grant) => Some(*grant),
            State::Standby(_) | State::Lost(_) => None,
        }
    }

    /// The holder of the Lease, as far as a standby knows.
    pub(super) fn leader(&self) -> Option<&str> {
        match &self.state {
            State::Standby(view) => view.state.as_ref().map(|state| state.holder.as_str()),
            State::Leading(..) | State::Lost(_) => None,
        }
    }

    fn acquisition(&self) -> LeaseUpdate {
        LeaseUpdate {
            holder: self.identity.clone(),
            transitions: self.transitions.map_or(0, |most| most.saturating_add(1)),
            released_by: None,
        }
    }
}

impl LeaseView {
    fn observe(&mut self, now: Duration, found: Option<LeaseState>, own: Duration) {
        let unchanged = match (&self.state, &found) {
            (Some(before), Some(after)) => {
                before.uid == after.uid && before.version == after.version
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if unchanged {
            return;
        }
        self.since = now;
        self.released = self
            .state
            .as_ref()
            .zip(found.as_ref())
            .is_some_and(was_released);
        if let Some(held) = found.as_ref().filter(|record| !record.holder.is_empty()) {
            self.duration = held.duration.max(own);
        }
        self.state = found;
    }
}

/// When the Lease can be acquired.
fn free_at(view: &LeaseView) -> Duration {
    match &view.state {
        Some(record) if !record.holder.is_empty() => view.since + view.duration,
        Some(_) | None => Duration::ZERO,
    }
}

/// Returns true when the holder itself has released the Lease, and left its mark.
fn was_released((before, after): (&LeaseState, &LeaseState)) -> bool {
    before.uid == after.uid
        && before.transitions == after.transitions
        && !before.holder.is_empty()
        && after.holder.is_empty()
        && after.released_by.as_ref() == Some(&before.holder)
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
