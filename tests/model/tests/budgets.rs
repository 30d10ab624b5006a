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
fn each_seeded_fault_of_the_count_is_found() {
    for counting in [
        Counting::WithoutLock,
        Counting::OperationsIgnored,
        Counting::UnobservedIgnored,
    ] {
        let report = check_budgets(counting);
        assert!(!report.broken.is_empty(), "{counting:?}: {report:?}");
    }
}
