//! Who leads, worked out from what was read and written, and from nothing else: no clock and no
//! client. Times are spans since the start of this process, on its own monotonic clock; the times
//! in the Lease are for people, and no two machines' clocks are ever compared.

use std::time::Duration;

use super::authority::Grant;

/// How long leadership lasts, and how it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A Lease that doesn't change for this long has no holder any more.
    pub lease: Duration,
    /// A renewal gives authority for this long, from when it was sent.
    pub renew: Duration,
    /// Between renewals of the leader, and looks of the others.
    pub retry: Duration,
    /// What a new leader waits beyond the whole lease where it has not seen the last one let go.
    pub margin: Duration,
}

/// What leadership depends on in a Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) uid: String,
    /// The resourceVersion: it changes with every renewal, and with anything else.
    pub(super) version: String,
    /// Empty where nobody holds it.
    pub(super) holder: String,
    pub(super) transitions: i32,
    /// For how long its holder means to keep it.
    pub(super) lasts: Duration,
    /// Who let go of it once its work had ended; whoever takes or empties it else leaves no such mark.
    pub(super) released_by: Option<String>,
}

/// What to write into the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) holder: String,
    pub(super) transitions: i32,
    pub(super) released_by: Option<String>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Read,
    /// Over exactly the record that was last read or written; where there was none, anew.
    Write(Draft),
    Wait(Duration),
    /// Nothing any more: this process has led, and another may from now on.
    Lost(&'static str),
}

#[derive(Debug)]
pub(super) struct Machine {
    me: String,
    terms: Terms,
    state: State,
    /// A write may have worked or not, or nothing was read yet: reading comes before writing.
    doubt: bool,
    /// When the next request is due.
    ask_at: Duration,
    /// The most that any record had.
    transitions: Option<i32>,
}

#[derive(Clone, Debug)]
enum State {
    Standby(Sight),
    Leading(Record, Grant),
    Lost(&'static str),
}

/// The Lease as a standby sees it.
#[derive(Clone, Debug)]
struct Sight {
    record: Option<Record>,
    /// Since when it has been seen unchanged.
    since: Duration,
    /// The last holder was seen to let go, and nothing has happened to the record since.
    clean: bool,
    /// For how long the last holder that was seen may have meant to lead.
    lasts: Duration,
}

impl Machine {
    pub(super) fn new(me: String, terms: Terms) -> Self {
        Self {
            me,
            state: State::Standby(Sight {
                record: None,
                since: Duration::ZERO,
                clean: false,
                lasts: terms.lease,
            }),
            terms,
            doubt: true,
            ask_at: Duration::ZERO,
            transitions: None,
        }
    }

    pub(super) fn next(&self, now: Duration) -> Step {
        let due = now >= self.ask_at;
        match &self.state {
            State::Lost(why) => Step::Lost(why),
            State::Standby(_) | State::Leading(..) if !due && self.doubt => Step::Wait(self.ask_at),
            State::Standby(_) | State::Leading(..) if self.doubt => Step::Read,
            State::Standby(sight) if now >= free_at(sight) => Step::Write(self.claim()),
            State::Standby(_) if due => Step::Read,
            State::Standby(sight) => Step::Wait(self.ask_at.min(free_at(sight))),
            State::Leading(held, _) if due => Step::Write(Draft {
                holder: self.me.clone(),
                transitions: held.transitions,
                released_by: None,
            }),
            State::Leading(..) => Step::Wait(self.ask_at),
        }
    }

    /// The Lease was read; `None` is that there is none.
    pub(super) fn read(&mut self, sent: Duration, now: Duration, found: Option<Record>) {
        self.transitions = self
            .transitions
            .max(found.as_ref().map(|it| it.transitions));
        self.doubt = false;
        match &mut self.state {
            State::Lost(_) => {}
            State::Leading(held, _) => match found {
                Some(record) if same_reign(held, &record) => {
                    *held = record;
                    self.ask_at = now;
                }
                other => self.state = State::Lost(loss(other.as_ref())),
            },
            State::Standby(sight) => match found {
                // An acquisition whose answer was lost. It gives no authority before a renewal's
                // answer comes, and is not taken for a clean one.
                Some(record) if record.holder == self.me => {
                    let grant = Grant {
                        until: Duration::ZERO,
                        calls_from: now + sight.lasts + self.terms.margin,
                        transitions: record.transitions,
                    };
                    self.state = State::Leading(record, grant);
                    self.ask_at = now;
                }
                found => {
                    sight.see(now, found, self.terms.lease);
                    self.ask_at = sent + self.terms.retry;
                }
            },
        }
    }

    /// A read got no answer that says anything.
    pub(super) fn unanswered(&mut self, sent: Duration, now: Duration) {
        self.ask_at = now.max(sent + self.terms.retry);
    }

    /// The write that [`Step::Write`] asked for; `None` is that it isn't known to have worked.
    pub(super) fn wrote(&mut self, sent: Duration, now: Duration, written: Option<Record>) {
        let Some(record) = written else {
            self.doubt = true;
            return self.unanswered(sent, now);
        };
        self.ask_at = sent + self.terms.retry;
        let until = sent + self.terms.renew;
        match &mut self.state {
            State::Lost(_) => {}
            State::Leading(held, grant) => {
                *held = record;
                grant.until = until;
            }
            State::Standby(sight) => {
                let calls_from = if sight.clean {
                    now
                } else {
                    now + sight.lasts + self.terms.margin
                };
                let grant = Grant {
                    until,
                    calls_from,
                    transitions: record.transitions,
                };
                self.state = State::Leading(record, grant);
            }
        }
    }

    /// The Lease may have changed: a standby looks at once.
    pub(super) fn nudge(&mut self, now: Duration) {
        if matches!(self.state, State::Standby(_)) {
            self.ask_at = self.ask_at.min(now);
        }
    }

    /// What lets go of the record that was just read, once all work has ended. A leader that was
    /// still waiting for its predecessor's calls to end can't vouch for them: it leaves no mark,
    /// and the next one waits anew.
    pub(super) fn release(&self, now: Duration, found: &Record) -> Option<Draft> {
        let served = match &self.state {
            State::Leading(held, grant) => same_reign(held, found) && now >= grant.calls_from,
            State::Standby(_) | State::Lost(_) => false,
        };
        (found.holder == self.me).then(|| Draft {
            holder: String::new(),
            transitions: found.transitions,
            released_by: served.then(|| self.me.clone()),
        })
    }

    /// What the leader may do; nothing where this process isn't the leader.
    pub(super) fn grant(&self) -> Option<Grant> {
        match &self.state {
            State::Leading(_, grant) => Some(*grant),
            State::Standby(_) | State::Lost(_) => None,
        }
    }

    /// Who holds the Lease, as far as a standby knows.
    pub(super) fn leader(&self) -> Option<&str> {
        match &self.state {
            State::Standby(sight) => sight.record.as_ref().map(|record| record.holder.as_str()),
            State::Leading(..) | State::Lost(_) => None,
        }
    }

    fn claim(&self) -> Draft {
        Draft {
            holder: self.me.clone(),
            transitions: self.transitions.map_or(0, |most| most.saturating_add(1)),
            released_by: None,
        }
    }
}

impl Sight {
    fn see(&mut self, now: Duration, found: Option<Record>, own: Duration) {
        let unchanged = match (&self.record, &found) {
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
        self.clean = self.record.as_ref().zip(found.as_ref()).is_some_and(let_go);
        if let Some(held) = found.as_ref().filter(|record| !record.holder.is_empty()) {
            self.lasts = held.lasts.max(own);
        }
        self.record = found;
    }
}

/// When the Lease can be taken.
fn free_at(sight: &Sight) -> Duration {
    match &sight.record {
        Some(record) if !record.holder.is_empty() => sight.since + sight.lasts,
        Some(_) | None => Duration::ZERO,
    }
}

/// The very holder of the record before has let go of it, and says so.
fn let_go((before, after): (&Record, &Record)) -> bool {
    before.uid == after.uid
        && before.transitions == after.transitions
        && !before.holder.is_empty()
        && after.holder.is_empty()
        && after.released_by.as_ref() == Some(&before.holder)
}

/// Nobody else can have led in between: whoever takes the Lease counts a transition.
fn same_reign(held: &Record, found: &Record) -> bool {
    held.uid == found.uid && held.holder == found.holder && held.transitions == found.transitions
}

fn loss(found: Option<&Record>) -> &'static str {
    match found {
        None => "the Lease was deleted",
        Some(record) if record.holder.is_empty() => "the Lease was emptied by somebody else",
        Some(_) => "the Lease was taken or edited by somebody else",
    }
}
