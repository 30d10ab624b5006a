//! The rules of a release.

use oxen_operator::{
    api::OperationKind,
    decide::{Plan, SurpriseKind},
};

use crate::{
    claims::{self, is_kept_elsewhere},
    hub::{HubFailure, Retrieved},
    object::RULES,
    step_log::{Milestone, Rule},
    table::{is_off, is_transition},
    world::{Reconcile, Snapshot, World},
};

/// Checks a removal of the finalizer that the API server has just made. `on_answer` says that the
/// answer to a call led to it.
pub(crate) fn on_release(
    world: &mut World,
    process: usize,
    slot: usize,
    reconcile: &Reconcile,
    plan: &Plan,
    on_answer: bool,
) {
    let (snapshot, lost) = (&reconcile.snapshot, reconcile.outranked);
    let left_as_it_is = !snapshot.object.deactivates();
    let (history, live) = (
        &snapshot.history,
        snapshot.retrieved.and_then(Retrieved::live),
    );
    let surprise = history.surprise.as_ref();
    let confirmed = surprise.is_some_and(|it| it.elapsed >= RULES.confirm_after);
    let expected = surprise.is_none_or(|it| {
        confirmed
            || !matches!(
                it.kind,
                SurpriseKind::Inactive | SurpriseKind::NoDeployments
            )
    });
    let before = snapshot.object.status_or_default().operation;
    let transition = before
        .zip(live)
        .is_some_and(|(open, live)| is_transition(open.kind, live));
    let open = plan.status.operation.is_some();
    let off = live.is_some_and(is_off);
    let base = snapshot.retrieved == Some(Retrieved::Base);
    let not_found = is_not_found(snapshot)
        && surprise.is_some_and(|it| it.kind == SurpriseKind::NotFound)
        && confirmed
        && snapshot.key_proven;
    let inactive = !open && (base || (off && expected));
    let yields = lost && (!open || transition);
    let deleting = snapshot.object.deleting();
    let by_the_rules = left_as_it_is || (deleting && (inactive || not_found || yields));
    let after_block = deleting && world.slots[slot].counters.blocked;
    let without_ownership = deleting && lost && !left_as_it_is;
    let last = deleting
        && !left_as_it_is
        && !reconcile.left_as_it_is
        && !is_kept_elsewhere(world, slot, snapshot);
    // Another object may have turned it off meanwhile.
    let off = off || is_off(world.hub.live);
    let turned_off = base || not_found || (off && !may_activate(world, process, slot, snapshot));
    let several = last && world.slots.iter().any(|slot| slot.stored.is_none());
    let log = &mut world.log;
    log.require(Rule::ReleasedByTheRules, by_the_rules);
    log.require(Rule::ReleasedOnObservation, !on_answer);
    log.require(Rule::LastReleaseTurnsOff, !last || turned_off);
    log.reach(Milestone::ReleasedAfterBlock, after_block);
    log.reach(Milestone::ReleasedWithoutOwnership, without_ownership);
    log.reach(Milestone::LastReleased, several);
}

/// Returns true when an activate call of the operator may still take effect on the model.
fn may_activate(world: &World, process: usize, slot: usize, snapshot: &Snapshot) -> bool {
    let counters = &world.slots[slot].counters;
    let mut gone = claims::gone(world, snapshot);
    counters.sent == Some(OperationKind::Activate)
        || gone.any(|gone| {
            gone.kind == OperationKind::Activate && !counters.is_awaited(process, &gone.id)
        })
}

/// Returns true when the hub says that it doesn't know the model.
pub(crate) fn is_not_found(snapshot: &Snapshot) -> bool {
    snapshot.retrieved == Some(Retrieved::Failed(HubFailure::ModelNotFound))
}
