//! An observer of an object, who judges each reconcile.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use oxen_operator::{
    api::State,
    decide::{CallOutcome, HubFault},
};
use proptest::prelude::*;
use testkit::simulation::{Reconciled, Retrieved, Simulation};

use crate::{
    case::Case,
    events::Event,
    past::{Past, is_renewed},
};

/// A simulated object, with what the observer itself knows of its past.
pub struct Observer {
    pub simulation: Simulation,
    past: Past,
    /// The ids of all operations.
    operations: BTreeSet<String>,
}

impl Observer {
    pub fn new(desired: State) -> Self {
        Self {
            simulation: Simulation::new(desired).without_finalizer(),
            past: Past::default(),
            operations: BTreeSet::new(),
        }
    }

    /// Returns true when the object was deleted and nothing holds it any more.
    pub fn is_released(&self) -> bool {
        let object = &self.simulation.object;
        object.metadata.deletion_timestamp.is_some() && !object.has_finalizer()
    }

    /// Lets an event happen.
    pub fn apply(&mut self, event: Event) -> Result<(), TestCaseError> {
        let simulation = &mut self.simulation;
        match event {
            Event::Reconcile(retrieved, outcome) => {
                simulation.outcome = outcome;
                self.reconcile(retrieved)?;
            }
            Event::Repeat(retrieved, outcome, times, apart) => {
                simulation.outcome = outcome;
                for _ in 0..times {
                    self.reconcile(retrieved.clone())?;
                    self.simulation.advance(apart);
                }
            }
            Event::Crash(retrieved) => {
                // The hub may have got the call, whose outcome is not recorded.
                simulation.outcome = CallOutcome::unknown("crashed");
                let reconciled = self.reconcile(retrieved)?;
                if reconciled.call().is_some() {
                    self.simulation.object.status = Some(reconciled.decided.status);
                }
                self.restart();
            }
            Event::Advance(by) => simulation.advance(by),
            Event::Restart => self.restart(),
            Event::Declare(state) => simulation.edit(|object| object.spec.state = state.into()),
            Event::Suspend(suspend) => {
                simulation.edit(|object| object.spec.suspend = Some(suspend));
            }
            Event::IdleShutdown(idle_shutdown) => {
                simulation.edit(|object| object.spec.idle_shutdown = idle_shutdown);
            }
            Event::Policy(policy) => {
                simulation.edit(|object| object.spec.deletion_policy = policy);
            }
            Event::ObserveOnly(observe_only) => simulation.rules.observe_only = observe_only,
            Event::Ownership(ownership) => simulation.ownership = ownership,
            Event::Outage(duration) => {
                let unreachable = || Err(HubFault::Unreachable("reset".into()).into());
                self.reconcile(unreachable())?;
                self.simulation.advance(duration);
                self.reconcile(unreachable())?;
            }
            Event::RequestReconcile(value) => simulation.request_reconcile(&value.to_string()),
            Event::Override(state, minutes) => {
                let end = simulation.now + SignedDuration::from_mins(minutes);
                simulation.request_override(Some(&format!("{state} until {end}")));
            }
            Event::EndOverride => simulation.request_override(Some("none")),
            Event::RemoveOverride => simulation.request_override(None),
            Event::Agreement(agreement) => simulation.agreement = agreement,
            Event::ChangeSecret => {
                simulation.change_secret();
                self.past.change_secret();
            }
            Event::Listed(listed) => simulation.listed = listed,
            Event::StoresRecords(stores) => simulation.stores_records = stores,
            Event::Delete if simulation.object.metadata.deletion_timestamp.is_none() => {
                simulation.delete();
                self.past.delete();
            }
            Event::Delete => {}
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.simulation.restart();
        self.past.restart();
    }

    /// Reconciles the object, and judges what happened.
    pub fn reconcile(&mut self, retrieved: Retrieved) -> Result<Reconciled, TestCaseError> {
        let before = self.simulation.clone();
        let observed = before.unobserved().is_none();
        let evidence = observed.then(|| self.past.observe(&before, &retrieved));
        let reconciled = self.simulation.reconcile(retrieved.clone());
        if let Some(evidence) = &evidence {
            self.past.renew(&before, &reconciled, evidence);
        }
        let description = format!(
            "{retrieved:?}: {:?} with {:?}: {evidence:?}",
            reconciled.decided,
            before.status()
        );
        let case = Case {
            before: &before,
            retrieved: &retrieved,
            evidence: evidence.as_ref(),
            past: &self.past,
            renewed: is_renewed(&before, &reconciled),
            description: &description,
        };
        case.judge(&reconciled)?;
        if let Some(kind) = reconciled.call() {
            let record = reconciled.decided.status.operation.clone();
            let record = record.ok_or_else(|| TestCaseError::fail("no record"))?;
            prop_assert_eq!(record.kind, kind);
            prop_assert!(self.operations.insert(record.id), "{}", description);
            self.past.called(&self.simulation, &reconciled);
        }
        Ok(reconciled)
    }
}
