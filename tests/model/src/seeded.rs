//! The scenario in which each seeded fault is found.

use crate::{
    decision::Decision,
    mutation::Mutation,
    scenario::Scenario,
    scenarios::{
        a_deletion, another_identity, calls_without_effect, drift, every_fault, few_faults, flips,
        lost_statuses, orphaned_operation, pruned_records, reads_that_go_back,
        refusals_without_end, refused_activations, two_deletions, two_objects, two_processes,
        unanswered_writes, unobservable_operation,
    },
    step_log::Rule,
};

/// The scenario in which a seeded fault is found, and the rule that it breaks. A fault without a
/// rule is found by the liveness check.
#[must_use]
pub fn seeded(mutation: Mutation) -> (Scenario, Option<Rule>) {
    let (scenario, rule) = match mutation {
        Mutation::CallOnUnknown => (few_faults(1), Rule::NoCallOnUnknown),
        Mutation::UnknownReadAsInactive => (few_faults(2), Rule::ReleasedByTheRules),
        Mutation::CallBeforeRecord => (few_faults(0), Rule::RecordedBeforeCall),
        Mutation::CallWithoutOwnership => (two_objects(0), Rule::OwnerOnly),
        Mutation::CallWhileOperationOpen | Mutation::OperationExpiresAtOnce => {
            (few_faults(1), Rule::OneCallAtATime)
        }
        Mutation::ReadyWhileUnreachable => (few_faults(1), Rule::ReadyAsDeclared),
        Mutation::ReadyKeptForNewGeneration => (every_fault(2), Rule::ReadyAsDeclared),
        Mutation::ReadyOnAcceptedCall => (few_faults(0), Rule::NoReadyWhileOpen),
        Mutation::FinalizerRemovedWhileDeactivating => (few_faults(1), Rule::ReleasedByTheRules),
        Mutation::CallBeforeFinalizer => (few_faults(0), Rule::FinalizerBeforeCall),
        Mutation::FailedFinalizerIgnored => (unanswered_writes(1), Rule::FinalizerBeforeCall),
        Mutation::FinalizerVersionIgnored => (few_faults(1), Rule::RecordedOnDecidedObject),
        Mutation::ObservationCountedTwice => (few_faults(2), Rule::OneCallAtATime),
        Mutation::SuspensionIgnored => (few_faults(1), Rule::NoCallWhileSuspended),
        Mutation::AttemptsRenewedByRestart => (calls_without_effect(4), Rule::CallsBounded),
        Mutation::CorrectionsForgotten => (drift(4), Rule::CorrectionsBounded),
        Mutation::ReleaseOnAcceptedCall => (few_faults(1), Rule::ReleasedOnObservation),
        Mutation::ReleaseOnFirstNotFound => (every_fault(2), Rule::ReleasedByTheRules),
        Mutation::ResourceVersionIgnored => (few_faults(1), Rule::RecordedOnDecidedObject),
        Mutation::LeadershipIgnored => (two_processes(1), Rule::LeaderOnly),
        Mutation::ReconcilingAndStalled => (few_faults(0), Rule::OneProgressCondition),
        Mutation::YieldsToNobody | Mutation::ReleasedWhileOpen => {
            (few_faults(2), Rule::LastReleaseTurnsOff)
        }
        Mutation::YieldsToUnheld => (a_deletion(2), Rule::LastReleaseTurnsOff),
        Mutation::ReleaseNotedLate | Mutation::ReleaseTakenBackEarly => {
            (two_deletions(3), Rule::LastReleaseTurnsOff)
        }
        Mutation::TransitionEndsOperation => (reads_that_go_back(1), Rule::NoSecondCall),
        Mutation::TrackedOperationForgotten => (pruned_records(2), Rule::NoSecondCall),
        Mutation::ClearedOperationForgotten | Mutation::RestoredOperationForgotten => {
            (lost_statuses(2), Rule::NoSecondCall)
        }
        Mutation::RestoredStatusBelieved => (lost_statuses(1), Rule::StalledByOwnCalls),
        Mutation::OrphanedForgotten => (orphaned_operation(3), Rule::OneCallAtATime),
        Mutation::RivalExpiresAtOnce => (unobservable_operation(0), Rule::OneCallAtATime),
        Mutation::PendingRequestAcceptsIdentity => {
            (another_identity(2), Rule::IdentityAcceptedKnowingly)
        }
        Mutation::AnyIdentityAccepted => (another_identity(3), Rule::IdentityAcceptedKnowingly),
        Mutation::OutdatedSpecIgnored => (few_faults(1), Rule::CallOnKnownSpec),
        Mutation::AttemptsKeptForNewDesired => (flips(1), Rule::CorrectedAfterSuccess),
        Mutation::ReadyKeptForNewDesired => (flips(2), Rule::ReadyAsDeclared),
        Mutation::FlipBeforeCallIgnored => (flips(1), Rule::CallForDesiredState),
        Mutation::UnsentStaysOpen => (few_faults(1), Rule::UnsentEndsAtOnce),
        Mutation::UnansweredRecordForgotten => (unanswered_writes(1), Rule::UnsentEndsAtOnce),
        Mutation::UnansweredEndForgotten => (unanswered_writes(1), Rule::EndedStaysEnded),
        Mutation::RefusalsNotSpaced => (refusals_without_end(1), Rule::RefusalsSpaced),
        Mutation::RetryAfterForgotten => (refusals_without_end(2), Rule::RefusalsSpaced),
        Mutation::PrunedOperationIgnored | Mutation::PrunedAttemptsIgnored => {
            (pruned_records(1), Rule::RecordedBeforeCall)
        }
        Mutation::RivalNeverExpires => return (mutant(unobservable_operation(0), mutation), None),
        Mutation::RefusalBlocksDeactivation => {
            return (mutant(refused_activations(2), mutation), None);
        }
        Mutation::RefusalsEnd => return (mutant(refusals_without_end(1), mutation), None),
        Mutation::OperationNeverExpires => return (mutant(few_faults(1), mutation), None),
        Mutation::StatusAlwaysChanges => return (mutant(few_faults(0), mutation), None),
    };
    (mutant(scenario, mutation), Some(rule))
}

fn mutant(scenario: Scenario, mutation: Mutation) -> Scenario {
    Scenario {
        decision: Decision::Mutant(mutation),
        ..scenario
    }
}
