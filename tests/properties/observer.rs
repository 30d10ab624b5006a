//! An observer that judges each reconcile by rules of its own.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use oxen_operator::{
    api::{
        DeletionPolicy, LiveStatus, Operation, OperationKind, OxenModelStatus,
        RECONCILE_ANNOTATION, State,
    },
    decide::{Action, CallOutcome, Fault, HubFault, Ownership, READY, SYNCED, Verdict},
};
use proptest::prelude::*;
use testkit::simulation::{Reconciled, Retrieved, Simulation, condition, mins, progress, secs};

use crate::events::Event;

/// A simulated object, with what the observer itself knows of its past.
pub struct Observer {
    pub simulation: Simulation,
    /// The open operation, as this process has observed it.
    watch: Option<Watch>,
    /// The ids of all operations.
    operations: BTreeSet<String>,
    /// The number of calls since the attempts were last renewed.
    sends: u32,
    /// Whether this process has retrieved the model.
    retrieved: bool,
    /// The number of live GETs in a row in which the hub didn't know the model that this process
    /// had retrieved.
    not_found: u32,
}

/// What the observer knows of an open operation.
struct Watch {
    id: String,
    since: Timestamp,
    /// The number of live GETs that showed the old status two minutes later.
    late: u32,
}

/// One reconcile as it is judged.
struct Case<'a> {
    /// The simulation before the reconcile.
    before: &'a Simulation,
    retrieved: &'a Retrieved,
    /// Whether no operation was open, or this observation closes it.
    closable: bool,
    /// The number of live GETs in a row, this one included, that didn't find the model.
    not_found: u32,
    /// The reconcile, for the message of a failed case.
    description: &'a str,
}

impl Observer {
    pub fn new(desired: State) -> Self {
        Self {
            simulation: Simulation::new(desired).without_finalizer(),
            watch: None,
            operations: BTreeSet::new(),
            sends: 0,
            retrieved: false,
            not_found: 0,
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
            Event::Declare(state) => simulation.edit(|object| object.spec.state = state),
            Event::Suspend(suspend) => {
                simulation.edit(|object| object.spec.suspend = Some(suspend));
            }
            Event::Policy(policy) => {
                simulation.edit(|object| object.spec.deletion_policy = policy);
            }
            Event::ObserveOnly(observe_only) => simulation.rules.observe_only = observe_only,
            Event::Ownership(ownership) => simulation.ownership = ownership,
            Event::NotFound(gets) => {
                for _ in 0..gets {
                    self.reconcile(Err(HubFault::ModelNotFound(Vec::new()).into()))?;
                }
            }
            Event::Outage(duration) => {
                let unreachable = || Err(HubFault::Unreachable("reset".into()).into());
                self.reconcile(unreachable())?;
                self.simulation.advance(duration);
                self.reconcile(unreachable())?;
            }
            Event::RequestReconcile(value) => simulation.request_reconcile(&value.to_string()),
            Event::Delete if simulation.object.metadata.deletion_timestamp.is_none() => {
                simulation.delete();
            }
            Event::Delete => {}
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.simulation.restart();
        self.watch = None;
        self.retrieved = false;
        self.not_found = 0;
    }

    /// Reconciles the object, and judges what happened.
    pub fn reconcile(&mut self, retrieved: Retrieved) -> Result<Reconciled, TestCaseError> {
        let before = self.simulation.clone();
        let closable = self.watch(&retrieved);
        self.count_not_found(&retrieved);
        let reconciled = self.simulation.reconcile(retrieved.clone());
        self.count_calls(&before, &reconciled);
        let description = format!(
            "{retrieved:?}: {:?} with {:?}",
            reconciled.decided,
            before.status()
        );
        let case = Case {
            before: &before,
            retrieved: &retrieved,
            closable,
            not_found: self.not_found,
            description: &description,
        };
        for plan in [&reconciled.decided, &reconciled.plan] {
            case.conditions_are_valid(&plan.status)?;
            case.ready_has_a_cause(&plan.status)?;
            prop_assert!(plan.requeue.after >= secs(1), "{description}");
            prop_assert!(plan.requeue.after <= mins(15), "{description}");
        }
        prop_assert!(self.sends <= 3, "{description}");
        if let Some(kind) = reconciled.call() {
            case.call_is_due(kind)?;
            let record = reconciled.decided.status.operation.clone();
            let record = record.ok_or_else(|| TestCaseError::fail("no record"))?;
            prop_assert_eq!(record.kind, kind);
            prop_assert!(self.operations.insert(record.id), "{}", description);
        }
        let released = before.object.metadata.deletion_timestamp.is_some()
            && reconciled.plan.action == Action::RemoveFinalizer;
        if released {
            case.release_is_allowed()?;
        }
        Ok(reconciled)
    }

    /// Returns true when no operation is open, or this observation closes it: by what it shows, or
    /// because the patience and two late live GETs are over.
    fn watch(&mut self, retrieved: &Retrieved) -> bool {
        let Some(operation) = self.simulation.status().operation else {
            self.watch = None;
            return true;
        };
        let now = self.simulation.now;
        let known = self.watch.take().filter(|watch| watch.id == operation.id);
        let mut watch = known.unwrap_or_else(|| Watch {
            id: operation.id.clone(),
            since: now,
            late: 0,
        });
        let mut closable = false;
        if let Ok(remote) = retrieved {
            let effect = shows_effect(&operation, remote.live);
            let old = !effect && remote.live != LiveStatus::Unknown;
            watch.late += u32::from(old && since(watch.since, now) >= secs(120));
            closable = effect || (old && watch.late >= 2);
        }
        self.watch = Some(watch);
        closable
    }

    fn count_not_found(&mut self, retrieved: &Retrieved) {
        if self.simulation.unobserved().is_some() {
            return;
        }
        match retrieved {
            Ok(_) => {
                self.retrieved = true;
                self.not_found = 0;
            }
            Err(Fault::Hub(HubFault::ModelNotFound(_))) if self.retrieved => self.not_found += 1,
            Err(Fault::Hub(_)) => self.not_found = 0,
            // The hub wasn't asked.
            Err(Fault::Credentials(_)) => {}
        }
    }

    fn count_calls(&mut self, before: &Simulation, reconciled: &Reconciled) {
        let (old, new) = (before.status(), &reconciled.decided.status);
        let renewed = old.observed_generation != new.observed_generation
            || old.last_handled_reconcile_at != new.last_handled_reconcile_at
            || matches!(
                reconciled.decided.verdict,
                Verdict::Active | Verdict::Inactive | Verdict::AlwaysActive
            );
        if renewed {
            self.sends = 0;
        }
        let spent = match &self.simulation.outcome {
            CallOutcome::Accepted | CallOutcome::Unknown { .. } => true,
            CallOutcome::Refused(fault) => !matches!(
                fault,
                HubFault::RateLimited { .. } | HubFault::Unreachable(_)
            ),
            CallOutcome::NotSent(_) => false,
        };
        self.sends += u32::from(reconciled.call().is_some() && spent);
    }
}

impl Case<'_> {
    /// The conditions are as kstatus reads them, and about this generation.
    fn conditions_are_valid(&self, status: &OxenModelStatus) -> Result<(), TestCaseError> {
        let description = self.description;
        prop_assert_ne!(progress(status), "both", "{}", description);
        let ready = condition(status, READY);
        prop_assert!(
            ready.is_some() && condition(status, SYNCED).is_some(),
            "{description}"
        );
        if ready.is_some_and(|ready| ready.status == "True") {
            prop_assert_eq!(progress(status), "-", "{}", description);
            prop_assert!(status.operation.is_none(), "{description}");
        }
        for one in &status.conditions {
            prop_assert_eq!(
                one.observed_generation,
                Some(status.observed_generation),
                "{}",
                description
            );
        }
        Ok(())
    }

    /// Ready is True only if this observation showed the desired state, or if an earlier one of the
    /// same generation did and the hub doesn't answer now.
    fn ready_has_a_cause(&self, after: &OxenModelStatus) -> Result<(), TestCaseError> {
        let is_ready = |status: &OxenModelStatus| {
            condition(status, READY).is_some_and(|ready| ready.status == "True")
        };
        if !is_ready(after) {
            return Ok(());
        }
        let description = self.description;
        let object = &self.before.object;
        prop_assert!(
            object.metadata.deletion_timestamp.is_none(),
            "{description}"
        );
        match self.retrieved {
            Ok(remote) => {
                let reached = match object.spec.state {
                    State::Active => remote.live == LiveStatus::Active,
                    State::Inactive => is_off(remote.live),
                };
                prop_assert!(reached, "{description}");
            }
            Err(Fault::Hub(HubFault::RateLimited { .. } | HubFault::Unreachable(_))) => {
                let status = self.before.status();
                prop_assert!(is_ready(&status), "{description}");
                prop_assert_eq!(Some(status.observed_generation), object.metadata.generation);
            }
            Err(_) => prop_assert!(false, "{description}"),
        }
        Ok(())
    }

    /// Everything is true that must be true before a call may go out.
    fn call_is_due(&self, kind: OperationKind) -> Result<(), TestCaseError> {
        let description = self.description;
        let before = self.before;
        prop_assert!(self.closable, "another operation is open: {description}");
        let Ok(remote) = self.retrieved else {
            return Err(TestCaseError::fail(format!("no live GET: {description}")));
        };
        let object = &before.object;
        let policy = object.spec.deletion_policy;
        let policy = policy.unwrap_or(before.rules.deletion_policy);
        let deleting = object.metadata.deletion_timestamp.is_some();
        prop_assert!(!remote.base, "{description}");
        prop_assert!(
            object.spec.suspend != Some(true) && !before.rules.observe_only,
            "{description}"
        );
        prop_assert_eq!(&before.ownership, &Ownership::Owned, "{}", description);
        prop_assert!(
            object.has_finalizer() || policy == DeletionPolicy::Retain,
            "{description}"
        );
        prop_assert!(
            !(deleting && policy == DeletionPolicy::Retain),
            "{description}"
        );
        let status = before.status();
        let annotations = object.metadata.annotations.as_ref();
        let requested = annotations.and_then(|all| all.get(RECONCILE_ANNOTATION));
        let accepted = requested != status.last_handled_reconcile_at.as_ref();
        let same = status
            .model
            .is_none_or(|model| model.owner == remote.model.owner);
        prop_assert!(same || accepted, "another identity: {description}");
        let desired = if deleting {
            State::Inactive
        } else {
            object.spec.state
        };
        let due = match (desired, remote.live) {
            (State::Active, LiveStatus::Inactive | LiveStatus::Error) => OperationKind::Activate,
            (State::Inactive, LiveStatus::Active | LiveStatus::Error) => OperationKind::Deactivate,
            (State::Inactive, LiveStatus::Deploying) => {
                let changed = status.since.map_or(before.now, |since| since.0);
                prop_assert!(since(changed, before.now) > mins(30), "{description}");
                OperationKind::Deactivate
            }
            _ => {
                return Err(TestCaseError::fail(format!(
                    "nothing is due: {description}"
                )));
            }
        };
        prop_assert_eq!(kind, due, "{}", description);
        Ok(())
    }

    /// The object may be released: a person or another object has taken over, or the model is off,
    /// is a base model, or is no longer known to the hub.
    fn release_is_allowed(&self) -> Result<(), TestCaseError> {
        let spec = &self.before.object.spec;
        let taken_over = spec.deletion_policy == Some(DeletionPolicy::Retain)
            || spec.suspend == Some(true)
            || self.before.rules.observe_only
            || matches!(self.before.ownership, Ownership::Lost(_));
        let off = match self.retrieved {
            Ok(remote) => self.closable && (remote.base || is_off(remote.live)),
            Err(Fault::Hub(HubFault::ModelNotFound(_))) => self.not_found >= 2,
            Err(_) => false,
        };
        prop_assert!(taken_over || off, "{}", self.description);
        Ok(())
    }
}

/// Returns true when the live status is the target of the operation's call or its transition, or
/// says that it failed.
fn shows_effect(operation: &Operation, live: LiveStatus) -> bool {
    match live {
        LiveStatus::Error => true,
        LiveStatus::Active | LiveStatus::Deploying => operation.kind == OperationKind::Activate,
        LiveStatus::Inactive | LiveStatus::Deactivating => {
            operation.kind == OperationKind::Deactivate
        }
        LiveStatus::Unknown | LiveStatus::None => false,
    }
}

fn is_off(live: LiveStatus) -> bool {
    matches!(live, LiveStatus::Inactive | LiveStatus::None)
}

fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap()
}
