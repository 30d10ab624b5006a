//! What the observer itself knows of an object's past.

use std::time::Duration;

use jiff::Timestamp;
use oxen_operator::{
    api::{LiveStatus, OperationKind, OxenModelStatus, RECONCILE_ANNOTATION},
    decide::{CallOutcome, Fault, HubFault, Ownership, Remote, Verdict},
};
use testkit::simulation::{Reconciled, Retrieved, Simulation, mins, secs};

const PATIENCE: Duration = Duration::from_secs(120);
const SECONDS_APART: Duration = Duration::from_secs(2);

/// What the observer itself knows of an object's past.
#[derive(Default)]
pub struct Past {
    /// The open operation, as this process has observed it.
    own: Option<Watch>,
    /// The open operation of another object.
    rivals: Vec<Watch>,
    /// The live GETs in a row that showed the same live status.
    run: Option<Run>,
    /// The faults in a row with which the hub denied what it had shown with this key.
    denials: Option<(Denial, Timestamp)>,
    /// When the first of the observations in a row failed that had no usable answer.
    failing_since: Option<Timestamp>,
    /// Whether this process has retrieved the model with its key.
    proven: bool,
    /// The calls of this generation.
    pub calls: Calls,
}

/// What the observer knows of an open operation.
struct Watch {
    id: String,
    /// When this process first saw it, or last saw its transition.
    since: Timestamp,
    /// The number of live GETs that showed no effect after the patience.
    late: u32,
}

/// Live GETs in a row that showed the same live status.
struct Run {
    live: LiveStatus,
    started: Timestamp,
    gets: u32,
    /// Whether something had led to this status.
    led: bool,
    /// Whether something else happened in between.
    broken: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Denial {
    Key,
    Model,
}

/// The calls since the attempts were last renewed.
#[derive(Default)]
pub struct Calls {
    /// The calls that the hub accepted.
    pub accepted: u32,
    /// The refused calls in a row, and those whose answer was lost and that had no effect.
    refusals: u32,
    last: Option<Timestamp>,
    /// The operation whose answer was lost.
    lost: Option<String>,
    /// When the hub's Retry-After ends.
    not_before: Option<Timestamp>,
    /// Whether another key makes the next call due at once.
    at_once: bool,
    /// Whether an endless deployment was deactivated.
    pub aborted: bool,
}

/// What an observation says, by the observer's own rules.
#[derive(Debug)]
pub struct Evidence {
    /// Whether no operation is open, or this observation ends it.
    pub closed: bool,
    /// Whether it shows the open operation's transition.
    pub transition: bool,
    /// Whether it says that the hub took the open operation's call.
    taken: bool,
    /// Whether no other object's operation holds up this object.
    pub free: bool,
    /// The live status of this object's model, as far as it is believed.
    pub live: Option<LiveStatus>,
    /// Whether a model that is shown as inactive is known to be so.
    pub confirmed: bool,
    /// Whether the hub doesn't know the model, as it said twice to a proven key.
    pub not_found: bool,
    /// Whether a denial of the key or the model is not confirmed yet.
    pub doubtful: bool,
    /// The time since the first of the failed observations in a row.
    pub silence: Duration,
}

impl Past {
    /// Takes an observation into account that the object's next reconcile is based on.
    pub fn observe(&mut self, simulation: &Simulation, retrieved: &Retrieved) -> Evidence {
        let now = simulation.now;
        self.count_faults(now, retrieved);
        let remote = retrieved.as_deref().ok();
        let own =
            remote.filter(|remote| is_same(simulation, remote) || is_accepted(simulation, remote));
        self.count_run(simulation, own, retrieved);
        let live = own.map(|remote| self.believed(now, remote));
        let rival_over = self.watch_rival(simulation, retrieved.is_ok());
        let mut evidence = Evidence {
            closed: true,
            transition: false,
            taken: false,
            free: rival_over,
            live,
            confirmed: self.run.as_ref().is_some_and(|run| {
                run.led || run.gets >= 2 && (run.broken || since(run.started, now) >= SECONDS_APART)
            }),
            not_found: self.is_denied(Denial::Model, now) == Some(true) && simulation.listed,
            doubtful: self.is_denied(Denial::Model, now) == Some(false)
                || self.is_denied(Denial::Key, now) == Some(false),
            silence: self
                .failing_since
                .map_or(Duration::ZERO, |then| since(then, now)),
        };
        self.watch_own(simulation, &mut evidence);
        let accepted = remote.is_some_and(|remote| is_accepted(simulation, remote));
        evidence.closed |= accepted;
        evidence
    }

    fn count_faults(&mut self, now: Timestamp, retrieved: &Retrieved) {
        let fault = match retrieved {
            Ok(_) => {
                self.failing_since = None;
                self.denials = None;
                self.proven = true;
                return;
            }
            // The hub wasn't asked.
            Err(Fault::Credentials(_)) => return,
            Err(Fault::Hub(fault)) => fault,
        };
        self.failing_since.get_or_insert(now);
        let denial = match fault {
            HubFault::Unauthenticated => Some(Denial::Key),
            HubFault::ModelNotFound(_) => Some(Denial::Model),
            _ => None,
        };
        let denial = denial.filter(|_| self.proven);
        let before = self.denials.take();
        self.denials = denial.map(|denial| {
            before
                .filter(|(last, _)| *last == denial)
                .unwrap_or((denial, now))
        });
    }

    /// Whether such a denial is confirmed, where the last observation is one.
    fn is_denied(&self, denial: Denial, now: Timestamp) -> Option<bool> {
        let (_, started) = self.denials.filter(|(last, _)| *last == denial)?;
        Some(since(started, now) >= SECONDS_APART)
    }

    fn count_run(&mut self, simulation: &Simulation, own: Option<&Remote>, retrieved: &Retrieved) {
        let Some(remote) = own.filter(|remote| !remote.base) else {
            if !matches!(retrieved, Err(Fault::Credentials(_))) {
                self.break_run();
            }
            return;
        };
        let now = simulation.now;
        let status = simulation.status();
        let deactivating = status
            .operation
            .is_some_and(|open| open.kind == OperationKind::Deactivate);
        let last = self.run.take();
        let before = last.as_ref().map(|run| run.live);
        let led = deactivating
            || is_accepted(simulation, remote)
            || matches!(before, None | Some(LiveStatus::Deactivating))
            || (remote.live, before) == (LiveStatus::Inactive, Some(LiveStatus::None));
        self.run = Some(match last.filter(|run| run.live == remote.live) {
            Some(run) => Run {
                gets: run.gets + 1,
                led: run.led || led,
                ..run
            },
            None => Run {
                live: remote.live,
                started: now,
                gets: 1,
                led,
                broken: false,
            },
        });
    }

    fn break_run(&mut self) {
        if let Some(run) = &mut self.run {
            run.broken = true;
        }
    }

    /// The live status of this observation: an empty list is believed when something led to it, or
    /// when it is shown twice.
    fn believed(&self, now: Timestamp, remote: &Remote) -> LiveStatus {
        let believed = self
            .run
            .as_ref()
            .is_none_or(|run| run.led || run.gets >= 2 && since(run.started, now) >= SECONDS_APART);
        if remote.live == LiveStatus::None && !believed {
            LiveStatus::Unknown
        } else {
            remote.live
        }
    }

    fn watch_rival(&mut self, simulation: &Simulation, answered: bool) -> bool {
        let now = simulation.now;
        match &simulation.ownership {
            // A failed observation says nothing about other objects.
            _ if !answered => false,
            Ownership::Owned => {
                self.rivals.clear();
                true
            }
            Ownership::Lost(_) => {
                self.rivals.clear();
                false
            }
            Ownership::Pending(pending) => {
                let mut before = std::mem::take(&mut self.rivals);
                for id in &pending.operations {
                    let known = before.extract_if(.., |watch| watch.id == *id).next();
                    let mut watch = Watch::of(known, id, now);
                    watch.late += u32::from(since(watch.since, now) >= PATIENCE);
                    self.rivals.push(watch);
                }
                !pending.unobserved && self.rivals.iter().all(|watch| watch.late >= 2)
            }
        }
    }

    fn watch_own(&mut self, simulation: &Simulation, evidence: &mut Evidence) {
        let now = simulation.now;
        let status = simulation.status();
        let Some(operation) = status.operation else {
            self.own = None;
            return;
        };
        let mut watch = Watch::of(self.own.take(), &operation.id, now);
        evidence.closed = false;
        match evidence
            .live
            .map(|live| (live, effect(operation.kind, live)))
        {
            Some((_, Effect::Target)) => {
                (evidence.closed, evidence.taken) = (true, true);
            }
            Some((_, Effect::Transition)) => {
                (evidence.transition, evidence.taken) = (true, true);
                (watch.since, watch.late) = (now, 0);
            }
            Some((LiveStatus::Error, _)) if status.live != Some(LiveStatus::Error) => {
                (evidence.closed, evidence.taken) = (true, true);
            }
            Some((LiveStatus::Unknown, _)) | None => {}
            Some((_, Effect::None)) => {
                watch.late += u32::from(since(watch.since, now) >= PATIENCE);
                evidence.closed = watch.late >= 2;
            }
        }
        if let (Ownership::Lost(owner), Some(_)) = (&simulation.ownership, evidence.live) {
            evidence.closed |= owner.open;
        }
        self.own = Some(watch);
    }

    /// Whether a call may go out now as far as earlier calls allow it.
    pub fn may_call(&self, simulation: &Simulation, renewed: bool) -> bool {
        let calls = &self.calls;
        let now = simulation.now;
        if calls.not_before.is_some_and(|then| now < then) {
            return false;
        }
        let (false, Some(last)) = (renewed || calls.at_once, calls.last) else {
            return true;
        };
        let doublings = calls.refusals.saturating_sub(1).min(10);
        let delay = secs(10).saturating_mul(1 << doublings).min(mins(5));
        calls.refusals == 0 || since(last, now) >= delay
    }

    /// Takes what became of the attempts into account, before the reconcile's call.
    pub fn renew(&mut self, before: &Simulation, reconciled: &Reconciled, evidence: &Evidence) {
        let calls = &mut self.calls;
        let settled = matches!(
            reconciled.decided.verdict,
            Verdict::Active | Verdict::Inactive | Verdict::AlwaysActive
        );
        if is_renewed(before, reconciled) || settled {
            *calls = Calls {
                not_before: calls.not_before,
                at_once: calls.at_once,
                ..Calls::default()
            };
        }
        let open = before.status().operation.map(|open| open.id);
        if evidence.taken {
            calls.refusals = 0;
        }
        let lost = calls.lost.is_some() && calls.lost == open;
        if lost && (evidence.taken || evidence.closed) {
            calls.lost = None;
            if evidence.taken {
                calls.accepted += 1;
            } else if evidence.live.is_some() && !matches!(before.ownership, Ownership::Lost(_)) {
                calls.refusals += 1;
                calls.aborted = false;
            }
        }
    }

    /// Takes the reconcile's call and its outcome into account.
    pub fn called(&mut self, simulation: &Simulation, reconciled: &Reconciled) {
        let calls = &mut self.calls;
        let now = simulation.now;
        let open = reconciled.decided.status.operation.as_ref();
        let abort = open.is_some_and(|open| open.from == LiveStatus::Deploying);
        let (mut refused, mut not_before) = (false, None);
        match &simulation.outcome {
            CallOutcome::NotSent(_) => return,
            CallOutcome::Accepted => {
                calls.accepted += 1;
                calls.refusals = 0;
                calls.aborted |= abort;
                calls.last = Some(now);
            }
            CallOutcome::Unknown { .. } => {
                calls.lost = open.map(|open| open.id.clone());
                calls.aborted |= abort;
                calls.last = Some(now);
            }
            CallOutcome::Refused {
                fault: HubFault::Unreachable(_),
                ..
            } => {}
            CallOutcome::Refused { wait, .. } => {
                refused = true;
                not_before = wait.map(|wait| now + wait);
            }
        }
        if refused {
            calls.refusals += 1;
            calls.last = Some(now);
        }
        calls.not_before = not_before;
        calls.at_once = false;
    }

    pub fn restart(&mut self) {
        self.own = None;
        self.rivals.clear();
        self.denials = None;
        self.failing_since = None;
        self.proven = false;
        self.calls.not_before = None;
        self.calls.at_once = false;
        self.break_run();
    }

    pub fn change_secret(&mut self) {
        self.proven = false;
        self.calls.at_once = true;
    }

    pub fn delete(&mut self) {
        self.break_run();
    }
}

impl Watch {
    fn of(known: Option<Self>, id: &str, now: Timestamp) -> Self {
        known.filter(|watch| watch.id == id).unwrap_or(Self {
            id: id.to_owned(),
            since: now,
            late: 0,
        })
    }
}

enum Effect {
    Target,
    Transition,
    None,
}

fn effect(kind: OperationKind, live: LiveStatus) -> Effect {
    match (kind, live) {
        (OperationKind::Activate, LiveStatus::Active) => Effect::Target,
        (OperationKind::Activate, LiveStatus::Deploying) => Effect::Transition,
        (OperationKind::Deactivate, LiveStatus::Inactive | LiveStatus::None) => Effect::Target,
        (OperationKind::Deactivate, LiveStatus::Deactivating) => Effect::Transition,
        _ => Effect::None,
    }
}

/// Returns true when the attempts start again, because of a new generation, another desired state,
/// an accepted override or an answered request.
pub fn is_renewed(before: &Simulation, reconciled: &Reconciled) -> bool {
    let (old, new) = (before.status(), &reconciled.decided.status);
    let overridden =
        |status: &OxenModelStatus| status.override_in_force.as_ref().map(|it| it.state);
    let accepted = overridden(new).is_some() && overridden(new) != overridden(&old);
    accepted
        || old.observed_generation != new.observed_generation
        || old.desired.is_some() && old.desired != new.desired
        || old.last_handled_reconcile_at != new.last_handled_reconcile_at
}

/// Returns true when the remote is the model that the object is known to be about.
pub fn is_same(simulation: &Simulation, remote: &Remote) -> bool {
    let known = simulation.status().model;
    known.is_none_or(|known| known.identity() == remote.model.identity())
}

/// Returns true when a person has accepted this model since it was shown.
pub fn is_accepted(simulation: &Simulation, remote: &Remote) -> bool {
    let status = simulation.status();
    let annotations = simulation.object.metadata.annotations.as_ref();
    let requested = annotations.and_then(|all| all.get(RECONCILE_ANNOTATION));
    let unanswered = requested.is_some() && requested != status.last_handled_reconcile_at.as_ref();
    unanswered && status.other_model == Some(remote.model.identity())
}

pub fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap()
}
