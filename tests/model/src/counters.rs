//! What the observer itself knows of the past, because it relies neither on the status nor on what
//! a process remembers.

use oxen_operator::{
    api::{LiveStatus, OperationKind, State},
    decide::Ownership,
};

use crate::{
    claims,
    hub::{HubFailure, Retrieved},
    table::{is_target, is_transition},
    world::{Snapshot, World},
};

/// What the observer knows of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// The generation that the counters are about.
    pub generation: i64,
    /// The desired state that the counters are about.
    pub desired: Option<State>,
    /// The number of accepted calls since the attempts were renewed.
    pub calls: u8,
    /// The number of corrections within the window.
    pub corrections: u8,
    /// Whether the desired state was reached in this generation.
    pub settled: bool,
    /// Whether the desired state may have been reached, as far as any process knows.
    pub reached: bool,
    /// Whether the deletion was reported as blocked.
    pub blocked: bool,
    /// Whether it was reported that another object controls the model.
    pub lost: bool,
    /// Whether the status is one of another cluster, and no call was sent since.
    pub restored: bool,
    /// The last call that the hub may have taken, until a live GET shows its end.
    pub sent: Option<OperationKind>,
    /// The owner of the other identity that was shown when a reconcile was last requested.
    pub shown: Option<String>,
    /// The last refused call, until the next one may go out.
    pub refused: Option<Refused>,
    /// The open operations that the object's reconciles have seen, of this object and others.
    pub watches: Vec<Watch>,
    /// The operation that a process recorded last, and what it knows of it.
    pub recorded: Option<(Known, Course)>,
    /// Whether a person has replaced the status since the last record.
    pub record_lost: bool,
}

/// A refused call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refused {
    /// Whether the hub said when the next call may go out.
    pub told: bool,
    /// Whether the Secret has changed since.
    pub secret_changed: bool,
}

/// An operation that a process knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Known {
    /// The process.
    pub process: usize,
    /// The operation's id.
    pub id: String,
}

/// What a process knows of an operation that it recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Course {
    /// It has not sent the call.
    Unsent,
    /// It has sent the call.
    Sent,
    /// It has seen the end.
    Ended,
}

/// How long a process has watched an open operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watch {
    /// The operation, and the process that watches it.
    pub known: Known,
    /// Whether the patience has passed since the operation, or its transition, was seen.
    pub aged: bool,
    /// The number of live GETs after that which showed no effect, up to two.
    pub gets: u8,
}

/// An operation whose object is gone, and whose call the hub may have taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gone {
    /// The operation's id.
    pub id: String,
    /// The account that owns its model.
    pub owner: String,
    /// The call.
    pub kind: OperationKind,
}

impl Refused {
    /// A call that was refused for this reason, or `None` where there was no connection to send it
    /// on.
    pub(crate) fn by(failure: HubFailure) -> Option<Self> {
        (failure != HubFailure::Unreachable).then_some(Self {
            told: failure == HubFailure::RateLimited,
            secret_changed: false,
        })
    }

    /// Returns true when the next call may go out before time has passed.
    pub(crate) fn allows_call(self) -> bool {
        self.secret_changed && !self.told
    }
}

impl Watch {
    fn is_expired(&self) -> bool {
        self.aged && self.gets >= 2
    }

    /// Takes an observation into account. `own` is the kind of the object's own operation. That of
    /// another object is waited for, whatever the model does.
    fn observe(&mut self, own: Option<OperationKind>, snapshot: &Snapshot) {
        let counts = match (own, own_live(snapshot)) {
            (Some(kind), Some(live)) if is_transition(kind, live) => {
                (self.aged, self.gets) = (false, 0);
                false
            }
            (Some(_), live) => live.is_some_and(|live| live != LiveStatus::Unknown),
            (None, _) => true,
        };
        self.gets = (self.gets + u8::from(counts && self.aged)).min(2);
    }
}

impl Counters {
    /// Lets time pass.
    pub(crate) fn advance(&mut self) {
        self.refused = None;
        self.watches.iter_mut().for_each(|watch| watch.aged = true);
    }

    /// Forgets what only this process knew.
    pub(crate) fn forget_process(&mut self, process: usize) {
        self.watches.retain(|watch| watch.known.process != process);
        self.recorded.take_if(|(known, _)| known.process == process);
        // How long the hub asked to wait is in no status.
        self.refused.iter_mut().for_each(|it| it.told = false);
    }

    /// Forgets what a lost or replaced status had of the attempts.
    pub(crate) fn forget_attempts(&mut self) {
        (self.calls, self.corrections, self.settled) = (0, 0, false);
        self.renew_refused();
    }

    /// Lets the next call go out, unless the hub said when it may.
    pub(crate) fn renew_refused(&mut self) {
        self.refused.take_if(|refused| !refused.told);
    }

    /// Forgets the operations that nobody knows any more. Another one may get the same id.
    pub(crate) fn forget_operations(&mut self, is_known: impl Fn(&str) -> bool) {
        self.recorded.take_if(|(known, _)| !is_known(&known.id));
    }

    /// Returns true when the process has waited for the operation for long enough.
    pub(crate) fn is_awaited(&self, process: usize, id: &str) -> bool {
        let mut watches = self.watches.iter();
        watches.any(|watch| {
            watch.known.process == process && watch.known.id == id && watch.is_expired()
        })
    }

    /// Takes an observation into account. `rivals` are the operations of other objects.
    fn watch(&mut self, process: usize, snapshot: &Snapshot, rivals: &[String]) {
        let open = snapshot.object.status_or_default().operation;
        let own = open.as_ref().map(|open| open.id.as_str());
        let answered = snapshot.retrieved.is_some_and(Retrieved::is_answered);
        // A reconcile without an answer learns nothing of other objects.
        let rivals = rivals.iter().map(String::as_str).filter(|_| answered);
        let mut watches: Vec<Watch> = Vec::new();
        for id in rivals.chain(own) {
            let known = Known {
                process,
                id: id.into(),
            };
            let mut all = self.watches.iter();
            let before = all.find(|watch| watch.known == known).cloned();
            let mut watch = before.unwrap_or(Watch {
                known,
                aged: false,
                gets: 0,
            });
            let kind = open
                .as_ref()
                .filter(|open| open.id == id)
                .map(|open| open.kind);
            watch.observe(kind, snapshot);
            watches.push(watch);
        }
        let gone = |watch: &Watch| answered && watch.known.process == process;
        let seen = |watch: &Watch| watches.iter().any(|one| one.known == watch.known);
        self.watches.retain(|watch| !gone(watch) && !seen(watch));
        self.watches.extend(watches);
        self.watches
            .sort_by(|one, other| one.known.id.cmp(&other.known.id));
    }
}

/// The live status of the object's own model.
fn own_live(snapshot: &Snapshot) -> Option<LiveStatus> {
    let retrieved = snapshot.retrieved?;
    let known = snapshot.object.identity().map(|(_, owner)| owner);
    let same = known.is_none_or(|known| Some(known) == retrieved.owner());
    retrieved.live().filter(|_| same)
}

/// Brings the watches of the object's process up to date.
pub(crate) fn watch(world: &mut World, process: usize, slot: usize, snapshot: &Snapshot) {
    if snapshot.retrieved.is_none() {
        return;
    }
    let open = claims::open_operations(world, slot, snapshot);
    let mut rivals: Vec<String> = open.map(str::to_owned).collect();
    rivals.extend(claims::gone(world, snapshot).map(|gone| gone.id.clone()));
    rivals.extend_from_slice(snapshot.ownership.rivals());
    rivals.sort();
    rivals.dedup();
    // Only the owner waits.
    if claims::outranked(world, process, slot, snapshot) {
        rivals.clear();
    }
    world.slots[slot].counters.watch(process, snapshot, &rivals);
}

/// Returns true when the live GET of this reconcile ends such a call: it shows its target or a new
/// failure, or the call has been waited for long enough.
pub(crate) fn has_ended(
    counters: &Counters,
    process: usize,
    kind: OperationKind,
    snapshot: &Snapshot,
) -> bool {
    let Some(live) = own_live(snapshot) else {
        return false;
    };
    let status = snapshot.object.status_or_default();
    let failed = live == LiveStatus::Error && status.live != Some(LiveStatus::Error);
    let open = status.operation.as_ref();
    let expired = open.is_some_and(|open| counters.is_awaited(process, &open.id));
    let replaced = matches!(&snapshot.ownership, Ownership::Lost(owner) if owner.open);
    let known = live != LiveStatus::Unknown;
    is_target(kind, live) || failed || (expired && known) || replaced
}

/// Remembers the operation of an object that goes, where the hub may have taken its call.
pub(crate) fn on_gone(world: &mut World, slot: usize) {
    let own = &world.slots[slot];
    let gone = own.stored.as_ref().and_then(|stored| {
        Some(Gone {
            id: stored.object.operation_id()?.to_owned(),
            owner: stored.object.identity()?.1.to_owned(),
            kind: own.counters.sent?,
        })
    });
    world.gone.extend(gone);
}
