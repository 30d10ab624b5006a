//! An object on its way, and an onlooker that judges each pass by rules of its own.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use proptest::prelude::*;

use crate::{
    api::{DeletionPolicy, Deployment, Direction, OxenModelStatus, State},
    bench::{Bench, Pass, condition, marker, mins, secs},
    decide::{Action, Answer, Claim, Fault, Look, Verdict},
    events::Event,
};

/// An object on its way, with what an onlooker needs to judge each pass by itself.
pub struct Story {
    pub bench: Bench,
    /// The open operation, since when this process has seen it, and late looks at the old status.
    watched: Option<(String, Timestamp, u32)>,
    operations: BTreeSet<String>,
    /// Calls since the budgets were last whole.
    sends: u32,
}

impl Story {
    pub fn of(wanted: State) -> Self {
        Self {
            bench: Bench::wanting(wanted).unheld(),
            watched: None,
            operations: BTreeSet::new(),
            sends: 0,
        }
    }

    /// False once the object is gone.
    pub fn goes_on(&self) -> bool {
        let deleting = self.bench.object.metadata.deletion_timestamp.is_some();
        !deleting || self.bench.is_held()
    }

    pub fn happens(&mut self, event: Event) -> Result<(), TestCaseError> {
        let bench = &mut self.bench;
        match event {
            Event::Pass(look, answer) => {
                bench.answer = answer;
                self.pass(look)?;
            }
            Event::Die(look) => {
                bench.answer = Answer::unknown("died");
                let pass = self.pass(look)?;
                self.bench.object.status = Some(pass.decided.status);
                self.restart();
            }
            Event::Later(after) => bench.later(after),
            Event::Restart => self.restart(),
            Event::Declare(state) => bench.edit(|object| object.spec.state = state),
            Event::Suspend(suspend) => bench.edit(|object| object.spec.suspend = Some(suspend)),
            Event::Policy(policy) => bench.edit(|object| object.spec.deletion_policy = policy),
            Event::ObserveOnly(only) => bench.rules.observe_only = only,
            Event::Claimed(claim) => bench.claim = claim,
            Event::Gone(looks) => bench.past.gone = looks,
            Event::Silence(silence) => bench.past.silence = silence,
            Event::Request(value) => bench.request(&value.to_string()),
            Event::Delete if bench.object.metadata.deletion_timestamp.is_none() => bench.delete(),
            Event::Delete => {}
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.bench.restart();
        self.watched = None;
    }

    pub fn pass(&mut self, look: Look) -> Result<Pass, TestCaseError> {
        let before = self.bench.clone();
        let closable = self.watch(&look);
        let pass = self.bench.pass(look.clone());
        self.count(&before, &pass);
        let told = format!("{look:?}: {:?} with {:?}", pass.decided, before.status());
        for plan in [&pass.decided, &pass.plan] {
            sound(&plan.status, &told)?;
            prop_assert!(plan.requeue.after >= secs(1), "{told}");
            prop_assert!(plan.requeue.after <= mins(15), "{told}");
            ready_is_true_for_a_reason(&before, &look, &plan.status, &told)?;
        }
        prop_assert!(self.sends <= 3, "{told}");
        if let Some(direction) = pass.call() {
            prop_assert!(closable, "another operation is open: {told}");
            call_is_due(&before, &look, direction, &told)?;
            let record = pass.decided.status.operation.clone();
            let record = record.ok_or_else(|| TestCaseError::fail("no record"))?;
            prop_assert_eq!(record.direction, direction);
            prop_assert!(self.operations.insert(record.id), "{}", told);
        }
        let let_go = before.object.metadata.deletion_timestamp.is_some()
            && pass.plan.action == Action::RemoveFinalizer;
        if let_go {
            may_go(&before, &look, closable, &told)?;
        }
        Ok(pass)
    }

    /// Whether nothing is under way, or this look ends it: by what it shows, or by patience and
    /// two late looks.
    fn watch(&mut self, look: &Look) -> bool {
        let Some(operation) = self.bench.status().operation else {
            self.watched = None;
            return true;
        };
        let now = self.bench.now;
        let same = self.watched.take().filter(|(id, ..)| *id == operation.id);
        let (id, since, late) = same.unwrap_or((operation.id, now, 0));
        let Look::Seen(remote) = look else {
            self.watched = Some((id, since, late));
            return false;
        };
        let shown = match remote.deployment {
            Deployment::Error => true,
            Deployment::Active | Deployment::Deploying => {
                operation.direction == Direction::Activate
            }
            Deployment::Inactive | Deployment::Deactivating => {
                operation.direction == Direction::Deactivate
            }
            Deployment::Unknown | Deployment::None => false,
        };
        let overdue = Duration::try_from(now.duration_since(since)).unwrap() >= secs(120);
        let old = !shown && remote.deployment != Deployment::Unknown;
        let late = late + u32::from(overdue && old);
        self.watched = Some((id, since, late));
        shown || (old && late >= 2)
    }

    fn count(&mut self, before: &Bench, pass: &Pass) {
        let (old, new) = (before.status(), &pass.decided.status);
        let refilled = old.observed_generation != new.observed_generation
            || old.last_handled_reconcile_at != new.last_handled_reconcile_at
            || matches!(
                pass.decided.verdict,
                Verdict::Active | Verdict::Inactive | Verdict::AlwaysActive
            );
        if refilled {
            self.sends = 0;
        }
        let spent = match &self.bench.answer {
            Answer::Accepted | Answer::Unknown { .. } => true,
            Answer::Refused(fault) => {
                !matches!(fault, Fault::RateLimited { .. } | Fault::Unreachable(_))
            }
            Answer::NotSent(_) => false,
        };
        self.sends += u32::from(pass.call().is_some() && spent);
    }
}

/// The conditions are as kstatus reads them, and about this generation.
fn sound(status: &OxenModelStatus, told: &str) -> Result<(), TestCaseError> {
    prop_assert_ne!(marker(status), "both", "{}", told);
    let ready = condition(status, "Ready");
    prop_assert!(
        ready.is_some() && condition(status, "Synced").is_some(),
        "{told}"
    );
    if ready.is_some_and(|ready| ready.status == "True") {
        prop_assert_eq!(marker(status), "-", "{}", told);
        prop_assert!(status.operation.is_none(), "{told}");
    }
    for one in &status.conditions {
        prop_assert_eq!(
            one.observed_generation,
            Some(status.observed_generation),
            "{}",
            told
        );
    }
    Ok(())
}

fn ready_is_true_for_a_reason(
    before: &Bench,
    look: &Look,
    after: &OxenModelStatus,
    told: &str,
) -> Result<(), TestCaseError> {
    let is_ready = |status: &OxenModelStatus| {
        condition(status, "Ready").is_some_and(|ready| ready.status == "True")
    };
    if !is_ready(after) {
        return Ok(());
    }
    prop_assert!(
        before.object.metadata.deletion_timestamp.is_none(),
        "{told}"
    );
    match look {
        Look::Seen(remote) => {
            let reached = match before.object.spec.state {
                State::Active => remote.deployment == Deployment::Active,
                State::Inactive => {
                    matches!(remote.deployment, Deployment::Inactive | Deployment::None)
                }
            };
            prop_assert!(reached, "{told}");
        }
        Look::Failed(Fault::RateLimited { .. } | Fault::Unreachable(_)) => {
            let status = before.status();
            prop_assert!(is_ready(&status), "{told}");
            prop_assert_eq!(
                Some(status.observed_generation),
                before.object.metadata.generation
            );
        }
        _ => prop_assert!(false, "{told}"),
    }
    Ok(())
}

/// Everything that must be so before a call may go out.
fn call_is_due(
    before: &Bench,
    look: &Look,
    direction: Direction,
    told: &str,
) -> Result<(), TestCaseError> {
    let Look::Seen(remote) = look else {
        return Err(TestCaseError::fail(format!("no live look: {told}")));
    };
    let object = &before.object;
    let policy = object
        .spec
        .deletion_policy
        .unwrap_or(before.rules.deletion_policy);
    let deleting = object.metadata.deletion_timestamp.is_some();
    prop_assert!(!remote.base, "{told}");
    prop_assert!(
        object.spec.suspend != Some(true) && !before.rules.observe_only,
        "{told}"
    );
    prop_assert_eq!(&before.claim, &Claim::Mine, "{}", told);
    prop_assert!(
        before.is_held() || policy == DeletionPolicy::Retain,
        "{told}"
    );
    prop_assert!(!(deleting && policy == DeletionPolicy::Retain), "{told}");
    let status = before.status();
    let asked = object
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.values().next());
    let accepted = asked != status.last_handled_reconcile_at.as_ref();
    let same = status
        .model
        .is_none_or(|model| model.owner == remote.model.owner);
    prop_assert!(same || accepted, "another identity: {told}");
    let wanted = if deleting {
        State::Inactive
    } else {
        object.spec.state
    };
    let due = match (wanted, remote.deployment) {
        (State::Active, Deployment::Inactive | Deployment::Error) => Direction::Activate,
        (State::Inactive, Deployment::Active | Deployment::Error) => Direction::Deactivate,
        (State::Inactive, Deployment::Deploying) => {
            let since = status.since.map(|since| since.0).unwrap_or(before.now);
            prop_assert!(Duration::try_from(before.now.duration_since(since)).unwrap() > mins(30));
            Direction::Deactivate
        }
        _ => return Err(TestCaseError::fail(format!("nothing is due: {told}"))),
    };
    prop_assert_eq!(direction, due, "{}", told);
    Ok(())
}

/// A deleted object is let go only where nothing is left to do or to know.
fn may_go(before: &Bench, look: &Look, closable: bool, told: &str) -> Result<(), TestCaseError> {
    let spec = &before.object.spec;
    let free = spec.deletion_policy == Some(DeletionPolicy::Retain)
        || spec.suspend == Some(true)
        || before.rules.observe_only
        || matches!(before.claim, Claim::Theirs(_));
    let off = match look {
        Look::Seen(remote) => {
            closable
                && (remote.base
                    || matches!(remote.deployment, Deployment::Inactive | Deployment::None))
        }
        Look::Failed(Fault::ModelNotFound(_)) => before.past.gone >= 2,
        _ => false,
    };
    prop_assert!(free || off, "{told}");
    Ok(())
}
