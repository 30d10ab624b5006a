//! Two models and a budget that has room for one: what must hold, and what must be found.

use model::{BUDGET_MILESTONES, Counting, check_budgets};

#[test]
fn no_order_of_events_turns_on_more_models_than_the_budget_allows() {
    let report = check_budgets(Counting::Production);
    assert!(report.broken.is_empty(), "{report:?}");
    for name in BUDGET_MILESTONES {
        assert!(report.reached.contains(name), "not reached: {name}");
    }
}

#[test]
fn a_count_without_the_lock_is_found_and_so_is_one_without_open_operations() {
    for counting in [Counting::WithoutLock, Counting::OperationsIgnored] {
        let report = check_budgets(counting);
        assert!(!report.broken.is_empty(), "{counting:?}: {report:?}");
    }
}
