//! Sequences of events: no rule is ever broken, and every object settles once the hub works.

use oxen_operator::{
    api::{LiveStatus, OperationKind},
    decide::{CallOutcome, Ownership},
};
use proptest::{collection::vec, prelude::*};
use testkit::simulation::{Retrieved, progress, shows};

use crate::{
    cases,
    events::{event, live_status, state},
    observer::Observer,
};

/// A hub that accepts every call, and whose transitions end at the second or third live GET.
struct WorkingHub {
    live: LiveStatus,
    gets_left: u32,
}

impl WorkingHub {
    fn retrieve(&mut self) -> Retrieved {
        self.gets_left = self.gets_left.saturating_sub(1);
        self.live = match (self.gets_left, self.live) {
            (0, LiveStatus::Deploying) => LiveStatus::Active,
            (0, LiveStatus::Deactivating) => LiveStatus::Inactive,
            (_, same) => same,
        };
        shows(self.live)
    }

    fn accept(&mut self, kind: OperationKind) {
        self.gets_left = 3;
        self.live = match kind {
            OperationKind::Activate => LiveStatus::Deploying,
            OperationKind::Deactivate => LiveStatus::Deactivating,
        };
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn no_sequence_of_events_breaks_a_rule(
        desired in state(),
        events in vec(event(), 1..150),
    ) {
        let mut observer = Observer::new(desired);
        for event in events {
            observer.apply(event)?;
            if observer.is_released() {
                break;
            }
        }
    }

    #[test]
    fn every_object_settles_once_the_hub_works(
        desired in state(),
        events in vec(event(), 0..60),
        first in live_status(),
    ) {
        let mut observer = Observer::new(desired);
        for event in events {
            observer.apply(event)?;
        }
        observer.simulation.outcome = CallOutcome::Accepted;
        observer.simulation.stores_records = true;
        // Another object's operation is not waited for without end, but its first observation is.
        if let Ownership::Pending(pending) = &mut observer.simulation.ownership {
            pending.unobserved = false;
        }
        let mut hub = WorkingHub { live: first, gets_left: 3 };
        let mut unchanged = 0;
        for _ in 0..400 {
            if observer.is_released() || unchanged > 20 {
                break;
            }
            let before = observer.simulation.object.clone();
            let reconciled = observer.reconcile(hub.retrieve())?;
            if let Some(kind) = reconciled.call() {
                hub.accept(kind);
            }
            unchanged = if before == observer.simulation.object { unchanged + 1 } else { 0 };
            observer.simulation.advance(reconciled.plan.requeue.after);
        }
        let status = observer.simulation.status();
        prop_assert!(observer.is_released() || unchanged > 20, "still changing: {status:?}");
        // Only a live status that the hub doesn't report may be waited for without end.
        let settled = progress(&status) != "Reconciling" || first == LiveStatus::Unknown;
        prop_assert!(observer.is_released() || settled, "{status:?}");
    }
}
