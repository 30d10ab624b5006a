//! The decision under check: the production's, or one with a seeded fault, which shows that the
//! checker finds that fault.
//!
//! A mutant alters the production's input or its plan in `alteration.rs`, or skips a step of the
//! reconcile. The observer in `observer.rs` sees the unaltered input.

use std::{borrow::Cow, cell::RefCell, collections::HashMap, sync::Arc};

use oxen_operator::decide::{
    CallOutcome, Observation, Plan, Subject, after_call, decide, not_recorded, unobserved,
};

use crate::{
    alteration::{altered_input, altered_outcome, altered_plan, altered_plan_after},
    hub::Retrieved,
    mutation::Mutation,
    object::{NOW, RULES},
    world::Snapshot,
};

/// Which decision is under check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The decision that ships.
    Production,
    /// The decision that ships, with a seeded fault.
    Mutant(Mutation),
}

/// The plans that were made for snapshots.
type Plans = HashMap<Snapshot, Option<Arc<Plan>>>;

thread_local! {
    static KNOWN: RefCell<(Decision, Plans)> =
        RefCell::new((Decision::Production, HashMap::new()));
}

impl Snapshot {
    /// The production's subject.
    fn subject(&self) -> Subject<'_> {
        Subject {
            object: &self.object,
            now: NOW,
            rules: &RULES,
            operation_id: self.operation_id.clone(),
            ownership: self.ownership.clone(),
            agreement: oxen_operator::decide::Agreement::Agrees,
            crd_terminating: false,
        }
    }

    /// The production's observation of what was retrieved.
    fn observation(&self, retrieved: Retrieved) -> Observation<'_> {
        Observation {
            subject: self.subject(),
            retrieved: retrieved.result(),
            history: self.history.clone(),
            key_proven: self.key_proven,
            refusal: None,
        }
    }

    /// The production's plan, or `None` where the hub has to be observed first.
    fn plan(&self) -> Option<Plan> {
        let mut plan = match self.retrieved {
            None => unobserved(&self.subject())?,
            Some(retrieved) => decide(&self.observation(retrieved)),
        };
        // The clock stands still, so durations say nothing and would only add states.
        plan.status.activations = None;
        Some(plan)
    }
}

impl Decision {
    /// The plan, or `None` where the hub has to be observed first.
    #[must_use]
    pub fn plan(self, snapshot: &Snapshot) -> Option<Arc<Plan>> {
        // Many worlds have the same snapshot.
        KNOWN.with_borrow_mut(|known| {
            if known.0 != self {
                *known = (self, HashMap::new());
            }
            if let Some(plan) = known.1.get(snapshot) {
                return plan.clone();
            }
            let plan = self.input(snapshot).plan();
            let plan = plan.map(|plan| {
                Arc::new(match self {
                    Decision::Production => plan,
                    Decision::Mutant(mutation) => altered_plan(mutation, snapshot, plan),
                })
            });
            known.1.insert(snapshot.clone(), plan.clone());
            plan
        })
    }

    /// The plan that follows from what became of a plan's call.
    #[must_use]
    pub fn after_call(self, snapshot: &Snapshot, plan: Plan, outcome: &CallOutcome) -> Plan {
        let input = self.input(snapshot);
        let Some(retrieved) = input.retrieved else {
            return plan;
        };
        let seen = input.observation(retrieved);
        match self {
            Decision::Production => after_call(&seen, plan, outcome),
            Decision::Mutant(mutation) => {
                let told = altered_outcome(mutation, outcome);
                let plan = after_call(&seen, plan, &told);
                altered_plan_after(mutation, snapshot, plan, outcome)
            }
        }
    }

    /// What the production's functions get.
    fn input(self, snapshot: &Snapshot) -> Cow<'_, Snapshot> {
        match self {
            Decision::Production => Cow::Borrowed(snapshot),
            Decision::Mutant(mutation) => Cow::Owned(altered_input(mutation, snapshot)),
        }
    }

    /// The plan that follows where the API server doesn't store a plan's operation.
    #[must_use]
    pub fn not_recorded(self, snapshot: &Snapshot, plan: Plan) -> Plan {
        match snapshot.retrieved {
            Some(retrieved) => not_recorded(&snapshot.observation(retrieved), plan),
            None => plan,
        }
    }

    /// Returns true when this fault is seeded.
    #[must_use]
    pub fn is(self, mutation: Mutation) -> bool {
        self == Decision::Mutant(mutation)
    }
}
