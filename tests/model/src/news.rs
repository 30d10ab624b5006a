//! What a step did: the rules that it broke, and the things worth having seen at least once.
//!
//! Both are forgotten with the next step, so they cost few states, and the path to a state that
//! holds one is the story of how it came about.

/// A sentence of the safety rules, as a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // `safety` says each in words
pub enum Rule {
    LookedFirst,
    TableCallsForIt,
    NeverOnUnknown,
    NeverOnBase,
    NeverSuspended,
    WrittenAhead,
    RecordedOnWhatWasSeen,
    OneCallAtATime,
    OneOpenOperation,
    OwnerOnly,
    LeaderOnly,
    HeldBeforeCall,
    SendsBounded,
    CorrectionsBounded,
    NoReadyWhileOpen,
    ReadyAsDeclared,
    ReadyThisGeneration,
    OneMarker,
    LetGoByTheRules,
    LetGoOnALook,
}

/// Something that must be possible, as a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // `possible` says each in words
pub enum Milestone {
    BecameActive,
    BecameInactive,
    UnknownResolved,
    CalledAgain,
    Stalled,
    DriftCorrected,
    Conflicted,
    HandedOver,
    Blocked,
    LetGoAfterBlock,
    LoserLetGo,
    WriteRefused,
    Refilled,
    Retried,
    KeptThroughFault,
    SpentItsBudget,
}

/// The bits of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct News {
    broken: u32,
    reached: u32,
    /// A call went out.
    pub posted: bool,
    /// The operator wrote to the Kubernetes API.
    pub wrote: bool,
}

impl News {
    /// Notes whether a rule holds.
    pub fn demand(&mut self, rule: Rule, holds: bool) {
        self.broken |= u32::from(!holds) << rule as u8;
    }

    /// Notes a milestone, where it was reached.
    pub fn note(&mut self, milestone: Milestone, reached: bool) {
        self.reached |= u32::from(reached) << milestone as u8;
    }

    /// Whether the rule holds.
    #[must_use]
    pub fn keeps(self, rule: Rule) -> bool {
        self.broken & (1 << rule as u8) == 0
    }

    /// Whether the milestone was reached.
    #[must_use]
    pub fn reached(self, milestone: Milestone) -> bool {
        self.reached & (1 << milestone as u8) != 0
    }
}
