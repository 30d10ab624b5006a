//! The rules that each reconcile is judged by.

use oxen_operator::{
    api::{DeletionPolicy, IdleShutdown, LiveStatus, OperationKind, OxenModelStatus, State},
    decide::{Action, CallOutcome, Fault, HubFault, Ownership, READY, STALLED, SYNCED, desired},
};
use proptest::prelude::*;
use testkit::simulation::{Reconciled, Retrieved, Simulation, condition, mins, progress, secs};

use crate::past::{Evidence, Past, is_accepted, is_same, since};

type Judgement = Result<(), TestCaseError>;

/// One reconcile as it is judged.
pub struct Case<'a> {
    /// The simulation before the reconcile.
    pub before: &'a Simulation,
    pub retrieved: &'a Retrieved,
    /// What the observation says, or `None` where nothing was needed from the hub.
    pub evidence: Option<&'a Evidence>,
    pub past: &'a Past,
    /// Whether the attempts started again.
    pub renewed: bool,
    /// The reconcile, for the message of a failed case.
    pub description: &'a str,
}

impl Case<'_> {
    /// Judges a reconcile by every rule.
    pub fn judge(&self, reconciled: &Reconciled) -> Judgement {
        let description = self.description;
        for plan in [&reconciled.decided, &reconciled.plan] {
            self.conditions_are_valid(&plan.status)?;
            self.ready_has_a_cause(&plan.status)?;
            self.progress_is_measured(&plan.status)?;
            prop_assert!(plan.requeue.after >= secs(1), "{description}");
            prop_assert!(plan.requeue.after <= mins(15), "{description}");
        }
        self.an_open_operation_stays(reconciled)?;
        if let Some(kind) = reconciled.call() {
            self.call_is_due(kind, reconciled.held)?;
        }
        let released = self.before.object.metadata.deletion_timestamp.is_some()
            && reconciled.plan.action == Action::RemoveFinalizer;
        if released {
            self.release_is_allowed()?;
        }
        Ok(())
    }

    /// The conditions are as kstatus reads them, and about this generation.
    fn conditions_are_valid(&self, status: &OxenModelStatus) -> Judgement {
        let description = self.description;
        prop_assert_ne!(progress(status), "both", "{}", description);
        prop_assert!(condition(status, READY).is_some(), "{description}");
        prop_assert!(condition(status, SYNCED).is_some(), "{description}");
        if is_ready(status) {
            prop_assert_eq!(progress(status), "-", "{}", description);
            prop_assert!(status.operation.is_none(), "{description}");
        }
        let generation = Some(status.observed_generation);
        for one in &status.conditions {
            prop_assert_eq!(one.observed_generation, generation, "{}", description);
            prop_assert!(
                !one.message.is_empty() && one.message.len() < 2000,
                "{description}"
            );
        }
        Ok(())
    }

    /// Ready is True only if this observation showed the desired state, or if an earlier one of the
    /// same generation did and the hub has not been without an answer for long.
    fn ready_has_a_cause(&self, after: &OxenModelStatus) -> Judgement {
        let (true, Some(evidence)) = (is_ready(after), self.evidence) else {
            return Ok(());
        };
        let description = self.description;
        let object = &self.before.object;
        prop_assert!(
            object.metadata.deletion_timestamp.is_none(),
            "{description}"
        );
        match self.retrieved {
            Ok(remote) => {
                let idle = object.spec.idle_shutdown == Some(IdleShutdown::Allow);
                let reached = match (desired(object, self.before.clock()), evidence.live) {
                    (State::Active, Some(LiveStatus::Active)) => true,
                    (State::Active, Some(LiveStatus::Inactive)) => idle,
                    (State::Inactive, live) => is_off(live),
                    (State::Active, _) => false,
                };
                prop_assert!(reached && evidence.closed, "{description}");
                prop_assert!(evidence.free || remote.base, "{description}");
            }
            Err(Fault::Hub(fault)) => {
                let status = self.before.status();
                prop_assert!(is_ready(&status), "{description}");
                prop_assert_eq!(Some(status.observed_generation), object.metadata.generation);
                let kept = match fault {
                    HubFault::RateLimited { .. } | HubFault::Unreachable(_) => {
                        evidence.silence < mins(15)
                    }
                    HubFault::Unauthenticated | HubFault::ModelNotFound(_) => evidence.doubtful,
                    _ => false,
                };
                prop_assert!(kept, "{description}");
            }
            Err(Fault::Credentials(_)) => prop_assert!(false, "{description}"),
        }
        Ok(())
    }

    /// The deadline counts only while the operator works towards the desired state.
    fn progress_is_measured(&self, after: &OxenModelStatus) -> Judgement {
        let Some(progressing) = &after.progressing_since else {
            return Ok(());
        };
        if self.evidence.is_none() {
            return Ok(());
        }
        let description = self.description;
        let stalled = condition(after, STALLED).map(|one| one.reason.as_str());
        prop_assert!(progressing.0 <= self.before.now, "{description}");
        prop_assert!(!is_ready(after) || self.retrieved.is_err(), "{description}");
        prop_assert!(
            stalled.is_none_or(|reason| reason == "ProgressDeadlineExceeded")
                || self.retrieved.is_err(),
            "{description}"
        );
        prop_assert!(!self.is_suspended(), "{description}");
        Ok(())
    }

    /// An operation stays until an observation ends it, or the call that takes its place is made.
    fn an_open_operation_stays(&self, reconciled: &Reconciled) -> Judgement {
        let (Some(open), Some(evidence)) = (self.before.status().operation, self.evidence) else {
            return Ok(());
        };
        let plan = &reconciled.plan;
        let unknown_model = plan.action == Action::RemoveFinalizer && evidence.not_found;
        if evidence.closed || unknown_model {
            return Ok(());
        }
        let after = plan.status.operation.as_ref().map(|after| &after.id);
        let replaced = reconciled.call().is_some()
            && matches!(
                self.before.outcome,
                CallOutcome::Accepted | CallOutcome::Unknown { .. }
            );
        prop_assert!(after.is_some(), "{}", self.description);
        prop_assert!(replaced || after == Some(&open.id), "{}", self.description);
        Ok(())
    }

    /// Everything is true that must be true before a call may go out.
    fn call_is_due(&self, kind: OperationKind, held: bool) -> Judgement {
        let description = self.description;
        let before = self.before;
        let (Ok(remote), Some(evidence)) = (self.retrieved, self.evidence) else {
            return Err(TestCaseError::fail(format!("no live GET: {description}")));
        };
        let object = &before.object;
        let policy = object.spec.deletion_policy;
        let policy = policy.unwrap_or(before.rules.deletion_policy);
        let deleting = object.metadata.deletion_timestamp.is_some();
        prop_assert!(!remote.base && !self.is_suspended(), "{description}");
        prop_assert!(evidence.free, "another object: {description}");
        prop_assert!(before.stores_records, "{description}");
        prop_assert!(held || policy == DeletionPolicy::Retain, "{description}");
        prop_assert!(
            !(deleting && policy == DeletionPolicy::Retain),
            "{description}"
        );
        let same = is_same(before, remote) || is_accepted(before, remote);
        prop_assert!(same, "another identity: {description}");
        let desired = desired(object, before.clock());
        let endless = (desired, evidence.live) == (State::Inactive, Some(LiveStatus::Deploying));
        let free = evidence.closed || endless && evidence.transition;
        prop_assert!(free, "another operation is open: {description}");
        let due = match (desired, evidence.live) {
            (State::Active, Some(LiveStatus::Inactive | LiveStatus::Error)) => {
                OperationKind::Activate
            }
            (State::Inactive, Some(LiveStatus::Active | LiveStatus::Error)) => {
                OperationKind::Deactivate
            }
            (State::Inactive, Some(LiveStatus::Deploying)) => {
                let status = before.status();
                let oldest = status
                    .since
                    .into_iter()
                    .chain(status.progressing_since)
                    .min();
                let oldest = oldest.map_or(before.now, |time| time.0);
                prop_assert!(since(oldest, before.now) > mins(30), "{description}");
                prop_assert!(!self.past.calls.aborted, "{description}");
                OperationKind::Deactivate
            }
            _ => {
                return Err(TestCaseError::fail(format!(
                    "nothing is due: {description}"
                )));
            }
        };
        prop_assert_eq!(kind, due, "{}", description);
        prop_assert!(self.past.calls.accepted < 3, "{description}");
        prop_assert!(
            self.past.may_call(before, self.renewed),
            "too early: {description}"
        );
        Ok(())
    }

    /// The object may be released: a person or another object has taken over, or the model is off,
    /// is a base model, or is no longer known to the hub.
    fn release_is_allowed(&self) -> Judgement {
        let before = self.before;
        let retained = before.object.spec.deletion_policy == Some(DeletionPolicy::Retain);
        let lost = matches!(before.ownership, Ownership::Lost(_));
        let Some(evidence) = self.evidence else {
            let open = before.status().operation.is_some();
            let allowed = retained || self.is_suspended() || lost && !open;
            prop_assert!(allowed, "{}", self.description);
            return Ok(());
        };
        let off = match self.retrieved {
            Ok(remote) => {
                let inactive = evidence.live == Some(LiveStatus::Inactive) && evidence.confirmed;
                let none = evidence.live == Some(LiveStatus::None);
                evidence.closed && (remote.base || evidence.free && (inactive || none))
            }
            Err(Fault::Hub(HubFault::ModelNotFound(_))) => evidence.not_found,
            Err(_) => false,
        };
        let yielded = lost && (evidence.closed || evidence.transition);
        prop_assert!(off || yielded, "{}", self.description);
        Ok(())
    }

    fn is_suspended(&self) -> bool {
        self.before.object.spec.suspend == Some(true) || self.before.rules.observe_only
    }
}

fn is_ready(status: &OxenModelStatus) -> bool {
    condition(status, READY).is_some_and(|ready| ready.status == "True")
}

fn is_off(live: Option<LiveStatus>) -> bool {
    matches!(live, Some(LiveStatus::Inactive | LiveStatus::None))
}
