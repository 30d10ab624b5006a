//! What the last step did: the rules that it broke, and the milestones that it reached.
//!
//! The next step starts with an empty log, so the log adds few states, and the shortest path to a
//! state with an entry shows how the entry came about.

/// A safety rule, as a bit. `properties.rs` has its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // `properties.rs` has a sentence for each
pub enum Rule {
    ObservedBeforeCall,
    TableRequiresCall,
    NoCallOnUnknown,
    NoCallOnBase,
    NoCallWhileSuspended,
    RecordedBeforeCall,
    RecordedOnDecidedObject,
    OneCallAtATime,
    OneOpenOperation,
    OwnerOnly,
    LeaderOnly,
    FinalizerBeforeCall,
    CallsBounded,
    CorrectionsBounded,
    NoReadyWhileOpen,
    ReadyAsDeclared,
    ReadyThisGeneration,
    OneProgressCondition,
    ReleasedByTheRules,
    ReleasedOnObservation,
    LastReleaseTurnsOff,
    NoSecondCall,
    IdentityAcceptedKnowingly,
    CallOnKnownSpec,
    UnsentEndsAtOnce,
    EndedStaysEnded,
    RefusalsSpaced,
    StalledByOwnCalls,
    CallForDesiredState,
    CorrectedAfterSuccess,
}

/// Something that must be reached in some scenario, as a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // `properties.rs` has a sentence for each
pub enum Milestone {
    BecameActive,
    BecameInactive,
    UnknownOutcomeResolved,
    CalledAgain,
    Stalled,
    DriftCorrected,
    OwnershipLost,
    OwnershipGained,
    DeletionBlocked,
    ReleasedAfterBlock,
    ReleasedWithoutOwnership,
    WriteConflict,
    AttemptsRenewed,
    FailedDeploymentRetried,
    ReadyKept,
    AttemptsExhausted,
    RefusedForLong,
    RivalExpired,
    IdentityAccepted,
    RecordPruned,
    OrphanExpired,
    UnsentEnded,
    DeactivatedThroughRefusals,
    StatusLost,
    LastReleased,
    CalledAfterFlip,
}

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StepLog {
    broken: u32,
    reached: u32,
    /// Whether a call went out.
    pub called: bool,
    /// Whether the operator wrote to the Kubernetes API.
    pub wrote: bool,
}

impl StepLog {
    /// Logs that a rule is broken, unless it holds.
    pub fn require(&mut self, rule: Rule, holds: bool) {
        self.broken |= u32::from(!holds) << rule as u8;
    }

    /// Logs a milestone, if it was reached.
    pub fn reach(&mut self, milestone: Milestone, reached: bool) {
        self.reached |= u32::from(reached) << milestone as u8;
    }

    /// Returns true when the step kept the rule.
    #[must_use]
    pub fn keeps(self, rule: Rule) -> bool {
        self.broken & (1 << rule as u8) == 0
    }

    /// Returns true when the step reached the milestone.
    #[must_use]
    pub fn reached(self, milestone: Milestone) -> bool {
        self.reached & (1 << milestone as u8) != 0
    }
}
