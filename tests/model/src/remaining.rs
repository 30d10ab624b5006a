//! How many faults and human actions can still happen.

use crate::{hub::Outcome, object::Tick, step::Step};

/// How many faults and human actions of each kind can still happen, and how many of all kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say which kind
pub struct Remaining {
    pub all: u8,
    pub edits: u8,
    pub deletions: u8,
    pub creations: u8,
    pub requests: u8,
    pub crashes: u8,
    pub lapses: u8,
    pub retrieve_faults: u8,
    pub call_faults: u8,
    pub write_faults: u8,
    pub changes: u8,
    pub statuses: u8,
    pub flips: u8,
    pub hours: u8,
}

impl Remaining {
    /// Returns true when no number is greater than the other one's.
    #[must_use]
    pub fn is_within(mut self, mut wider: Self) -> bool {
        let fewer = self.all <= wider.all;
        let mut kinds = self.kinds().into_iter().zip(wider.kinds());
        fewer && kinds.all(|(own, wider)| own <= wider)
    }

    /// Limits the number of each kind to what remains of all. Greater numbers make no difference.
    pub(crate) fn limit_kinds(&mut self) {
        let all = self.all;
        for kind in self.kinds() {
            *kind = (*kind).min(all);
        }
    }

    fn kinds(&mut self) -> [&mut u8; 13] {
        let Remaining {
            all: _,
            edits,
            deletions,
            creations,
            requests,
            crashes,
            lapses,
            retrieve_faults,
            call_faults,
            write_faults,
            changes,
            statuses,
            flips,
            hours,
        } = self;
        [
            edits,
            deletions,
            creations,
            requests,
            crashes,
            lapses,
            retrieve_faults,
            call_faults,
            write_faults,
            changes,
            statuses,
            flips,
            hours,
        ]
    }

    /// The kind that a step is of, where it is a fault or a human action.
    fn kind(&mut self, step: Step) -> Option<&mut u8> {
        match step {
            Step::Observe(_, _, Some(_)) => Some(&mut self.retrieve_faults),
            Step::Act(_, _, outcome) => match outcome {
                Outcome::Accepted | Outcome::NotSent => None,
                Outcome::AcceptedLate
                | Outcome::Refused(_)
                | Outcome::ResponseLost
                | Outcome::RequestLost
                | Outcome::Delayed => Some(&mut self.call_faults),
            },
            Step::WriteUnanswered(..) => Some(&mut self.write_faults),
            Step::Crash(_) => Some(&mut self.crashes),
            Step::Lapse => Some(&mut self.lapses),
            Step::Drift(_)
            | Step::HideDeployments(true)
            | Step::ForgetModel
            | Step::RefuseCalls(Some(_))
            | Step::Prune(Some(_))
            | Step::SetSecret(_, false) => Some(&mut self.changes),
            Step::FlipState(_) | Step::ToggleSuspend(_) | Step::ToggleRetain(_) => {
                Some(&mut self.edits)
            }
            Step::Delete(_) => Some(&mut self.deletions),
            Step::Create(_) => Some(&mut self.creations),
            Step::RequestReconcile(_) => Some(&mut self.requests),
            Step::ClearStatus(_) | Step::RestoreStatus(..) => Some(&mut self.statuses),
            Step::Flip(_) => Some(&mut self.flips),
            Step::Tick(Tick::Hours) => Some(&mut self.hours),
            Step::Observe(_, _, None)
            | Step::Decide(..)
            | Step::Record(..)
            | Step::RecordOutcome(..)
            | Step::Answer(..)
            | Step::Deliver(..)
            | Step::Elect(_)
            | Step::Tick(Tick::Minutes)
            | Step::CallArrives
            | Step::CallLost
            | Step::RemovalArrives
            | Step::RemovalLost
            | Step::EffectShows
            | Step::TransitionEnds
            | Step::HideDeployments(false)
            | Step::RefuseCalls(None)
            | Step::Prune(None)
            | Step::SetSecret(_, true) => None,
        }
    }

    /// Returns true for a step that is neither a fault nor a human action: the operator's own
    /// work, and what time and the hub do by themselves.
    #[must_use]
    pub fn is_unlimited(mut self, step: Step) -> bool {
        self.kind(step).is_none()
    }

    /// Counts a step. Returns `None` where no step of its kind remains.
    pub(crate) fn count(&mut self, step: Step) -> Option<()> {
        let all = self.all;
        let Some(kind) = self.kind(step) else {
            return Some(());
        };
        if all == 0 || *kind == 0 {
            return None;
        }
        *kind -= 1;
        self.all -= 1;
        self.limit_kinds();
        Some(())
    }
}
