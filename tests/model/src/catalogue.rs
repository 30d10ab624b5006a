//! The scenarios of each test run, with their bounds.

use crate::{
    scenario::Scenario,
    scenarios::{
        a_deletion, another_identity, base_model, calls_without_effect, drift, every_fault,
        every_status, flips, human_actions, lost_statuses, name_and_uuid,
        name_and_uuid_with_few_faults, orphaned_operation, pruned_records, reads_that_go_back,
        refusals, refusals_without_end, refused_activations, three_deletions, two_deletions,
        two_objects, two_of_both, two_processes, unanswered_writes, unobservable_operation,
    },
};

/// The scenarios of every test run.
#[must_use]
pub fn bounded() -> Vec<Scenario> {
    vec![
        every_fault(2),
        every_status(2),
        base_model(2),
        calls_without_effect(4),
        drift(4),
        two_processes(1),
        two_objects(1),
        name_and_uuid_with_few_faults(1),
        refusals(1),
        two_of_both(1),
        reads_that_go_back(2),
        unanswered_writes(2),
        another_identity(3),
        refusals_without_end(2),
        refused_activations(2),
        pruned_records(2),
        unobservable_operation(0),
        orphaned_operation(3),
        a_deletion(2),
        two_deletions(3),
        three_deletions(3),
        lost_statuses(2),
        flips(2),
    ]
}

/// The same with wider bounds, which take an hour or more. Two objects with two faults of any kind
/// are too much for any machine: random walks cover that.
#[must_use]
pub fn deep() -> Vec<Scenario> {
    vec![
        every_fault(3),
        every_status(3),
        base_model(3),
        calls_without_effect(7),
        drift(7),
        two_processes(2),
        human_actions(2),
        name_and_uuid(1),
        refusals(2),
        two_of_both(1),
        reads_that_go_back(3),
        unanswered_writes(3),
        another_identity(4),
        refusals_without_end(3),
        refused_activations(3),
        pruned_records(3),
        unobservable_operation(1),
        orphaned_operation(3),
        a_deletion(4),
        two_deletions(4),
        three_deletions(4),
        lost_statuses(3),
        flips(4),
    ]
}

/// The scenarios in whose states the liveness check begins.
#[must_use]
pub fn liveness() -> Vec<Scenario> {
    vec![
        every_fault(1),
        every_status(1),
        base_model(1),
        calls_without_effect(3),
        drift(3),
        two_processes(1),
        two_objects(0),
        two_of_both(1),
        reads_that_go_back(1),
        unanswered_writes(1),
        refusals_without_end(1),
        refused_activations(2),
        pruned_records(1),
        unobservable_operation(0),
        two_deletions(2),
        lost_statuses(1),
        flips(1),
    ]
}
