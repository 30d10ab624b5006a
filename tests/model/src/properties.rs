//! What must always hold, and what must be reached in some scenario. Without the second, the first
//! could hold merely because nothing happens.

use stateright::Property;

use crate::{
    scenario::Scenario,
    step_log::{Milestone, Rule},
    world::World,
};

macro_rules! always {
    ($($rule:ident: $words:literal,)*) => {
        /// What must always hold.
        pub const ALWAYS: &[(&str, Rule)] = &[$(($words, Rule::$rule)),*];

        fn always() -> Vec<Property<Scenario>> {
            vec![$(Property::always($words, |_: &Scenario, world: &World| {
                world.log.keeps(Rule::$rule)
            })),*]
        }
    };
}

macro_rules! sometimes {
    ($($milestone:ident: $words:literal,)*) => {
        /// What must be reached in some scenario.
        pub const SOMETIMES: &[(&str, Milestone)] = &[$(($words, Milestone::$milestone)),*];

        fn sometimes() -> Vec<Property<Scenario>> {
            vec![$(Property::sometimes($words, |_: &Scenario, world: &World| {
                world.log.reached(Milestone::$milestone)
            })),*]
        }
    };
}

always! {
    ObservedBeforeCall: "a call is sent only after a live GET in the same reconcile",
    TableRequiresCall: "a call is sent only where the decision table asks for it",
    NoCallOnUnknown: "no call is sent while the live status is unknown",
    NoCallOnBase: "no call is sent for a base model",
    NoCallWhileSuspended: "no call is sent for a suspended object",
    RecordedBeforeCall: "an operation is recorded before its call is sent",
    RecordedOnDecidedObject: "an operation is recorded on the version that was decided upon",
    OneCallAtATime: "no call is sent while another operation on the model is open",
    OneOpenOperation: "a model never has two open operations",
    OwnerOnly: "only the owner sends calls",
    LeaderOnly: "only the leader sends calls, in the term and the reconcile of the live GET",
    FinalizerBeforeCall: "the finalizer is set before the first call",
    CallsBounded: "a generation and desired state send no more calls than they may",
    CorrectionsBounded: "no more corrections are made than the window allows",
    NoReadyWhileOpen: "Ready is never True while an operation is open",
    ReadyAsDeclared: "Ready is True only if the last live GET showed the desired state",
    ReadyThisGeneration: "Ready is True only for the generation that was judged",
    OneProgressCondition: "Reconciling and Stalled are never True together",
    ReleasedByTheRules: "an object is released only as the rules allow",
    ReleasedOnObservation: "an object is never released on the answer to a call",
    LastReleaseTurnsOff: "the release of a model's last held object leaves the model off",
    NoSecondCall: "a call is not followed by another one before its end is shown or awaited",
    IdentityAcceptedKnowingly: "another identity is accepted only by a request made after it was shown",
    CallOnKnownSpec: "no call is sent for an object that is known to have changed",
    UnsentEndsAtOnce: "an operation ends at once where the process knows that its call was not sent",
    EndedStaysEnded: "an operation whose end was seen is not open again",
    RefusalsSpaced: "a refused call is not sent again before it is due",
    StalledByOwnCalls: "an object is Stalled for its attempts only after calls of its own",
    CallForDesiredState: "no call is sent for a desired state that is known to have changed",
    CorrectedAfterSuccess: "a call corrects drift only where the desired state may have been reached",
}

sometimes! {
    BecameActive: "a model becomes active",
    BecameInactive: "a model becomes inactive",
    UnknownOutcomeResolved: "the unknown outcome of a call is resolved",
    CalledAgain: "an operation without effect expires and the call is sent again",
    Stalled: "an object is Stalled",
    DriftCorrected: "drift is corrected",
    FailedDeploymentRetried: "a failed deployment is retried",
    AttemptsExhausted: "a generation has no attempts left",
    AttemptsRenewed: "a requested reconcile renews the attempts",
    ReadyKept: "Ready stays True through a fault",
    OwnershipLost: "another object controls the model",
    OwnershipGained: "an object becomes the owner",
    ReleasedWithoutOwnership: "an object that doesn't own its model is released",
    DeletionBlocked: "a deletion is blocked",
    ReleasedAfterBlock: "a blocked deletion ends",
    WriteConflict: "a write meets a conflict",
    RefusedForLong: "calls are refused so often that the object is Stalled",
    RivalExpired: "an owner stops waiting for another object's operation",
    IdentityAccepted: "another identity is accepted",
    RecordPruned: "a record that the API server doesn't store leads to no call",
    OrphanExpired: "an owner stops waiting for an operation whose object is gone",
    UnsentEnded: "an operation ends because its call was not sent",
    DeactivatedThroughRefusals: "a deactivate call is due after a refused activate call",
    StatusLost: "a status is cleared or replaced after a call that the hub may have taken",
    LastReleased: "the last of several objects is released",
    CalledAfterFlip: "a call follows another desired state of the same generation",
}

/// All properties.
#[must_use]
pub fn all() -> Vec<Property<Scenario>> {
    let mut all = always();
    all.extend(sometimes());
    all
}
