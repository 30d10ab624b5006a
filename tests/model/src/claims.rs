//! Which object controls the model, by the observer's own version of the rules.

use crate::{
    counters::{Course, Gone},
    hub::Retrieved,
    object::Object,
    world::{Snapshot, World},
};

/// The other objects that the API server has.
fn other_objects(world: &World, slot: usize) -> impl Iterator<Item = &Object> {
    let slots = world.slots.iter().enumerate();
    let others = slots.filter(move |(other, _)| *other != slot);
    let stored = others.filter_map(|(_, other)| other.stored.as_ref());
    stored.map(|stored| &stored.object)
}

/// The other objects as the process knows them, but those that it has released, or may have.
fn known_others(world: &World, process: usize, slot: usize) -> impl Iterator<Item = &Object> {
    let replica = &world.replicas[process];
    let cache = replica.cache.iter().zip(&replica.released).enumerate();
    let others = cache.filter(move |(other, (_, released))| *other != slot && released.is_none());
    others.filter_map(|(_, (cached, _))| cached.as_ref().map(|cached| &cached.object))
}

/// The identity of the model that was retrieved, or that the object is known to be about.
pub(crate) fn identity_of(snapshot: &Snapshot) -> Option<(&str, &str)> {
    let owner = snapshot.retrieved.and_then(Retrieved::owner);
    owner.map_or_else(|| snapshot.object.identity(), |owner| Some(("bot", owner)))
}

/// The other objects that are known to be about the model that was retrieved.
pub(crate) fn others<'a>(
    world: &'a World,
    slot: usize,
    snapshot: &'a Snapshot,
) -> impl Iterator<Item = &'a Object> {
    let identity = identity_of(snapshot);
    other_objects(world, slot)
        .filter(move |other| identity.is_some() && other.identity() == identity)
}

/// Returns true when another object controls the model, as far as the process knows. What it knows
/// may be outdated, as if the process had acted earlier.
pub(crate) fn outranked(world: &World, process: usize, slot: usize, snapshot: &Snapshot) -> bool {
    let identity = identity_of(snapshot).filter(|(_, owner)| *owner != "oxen");
    known_others(world, process, slot).any(|other| {
        let same = identity.is_some() && other.identity() == identity;
        same && outranks(other, &snapshot.object)
    })
}

/// Returns true when the process knows another object of the model that stays and says that the
/// model is to be left as it is. It need not be held, so it can go at any time.
pub(crate) fn is_left_as_it_is(
    world: &World,
    process: usize,
    slot: usize,
    snapshot: &Snapshot,
) -> bool {
    let identity = snapshot.object.identity();
    known_others(world, process, slot)
        .any(|other| other.identity() == identity && !other.deleting() && !other.deactivates())
}

/// Returns true when the API server has another object of the same model that is held, so that it
/// turns the model off when it is deleted, or that says that the model is to be left as it is.
pub(crate) fn is_kept_elsewhere(world: &World, slot: usize, snapshot: &Snapshot) -> bool {
    let mut others = others(world, slot, snapshot);
    others.any(|other| other.has_finalizer() || !other.deactivates())
}

/// The open operations of the other objects of the model. One whose end was seen, or whose call was
/// not sent, is none of them, even if the API server still has it.
pub(crate) fn open_operations<'a>(
    world: &'a World,
    slot: usize,
    snapshot: &'a Snapshot,
) -> impl Iterator<Item = &'a str> {
    let ended = |id: &str| {
        let slots = world.slots.iter().enumerate();
        let mut recorded = slots.filter_map(|(slot, own)| {
            let (known, course) = own.counters.recorded.as_ref()?;
            // Only the reconcile that recorded it can send its call.
            let open = world.replicas[known.process].reconciles[slot].as_ref();
            let works = open.is_some_and(|open| open.snapshot.operation_id == known.id);
            let over = *course != Course::Unsent || !works;
            Some((known, over && own.counters.sent.is_none()))
        });
        recorded.any(|(known, over)| known.id == id && over)
    };
    let others = others(world, slot, snapshot);
    let open = others.filter_map(Object::operation_id);
    open.filter(move |id| !ended(id))
}

/// Returns true when another object is known to be about the same model, and controls it.
pub(crate) fn has_owner_elsewhere(world: &World, slot: usize, object: &Object) -> bool {
    other_objects(world, slot)
        .any(|other| other.identity() == object.identity() && outranks(other, object))
}

/// Returns true when there is an older object that was never observed. Until it is observed, it may
/// own the model.
pub(crate) fn has_older_unobserved(world: &World, slot: usize, object: &Object) -> bool {
    other_objects(world, slot).any(|other| {
        let unobserved = other.status_or_default().observed_generation < 0;
        let stay = !other.deleting() && !object.deleting();
        unobserved && stay && other.spec.model == object.spec.model && outranks(other, object)
    })
}

/// Returns true when the other object, and not this one, controls the model of both.
pub(crate) fn outranks(other: &Object, object: &Object) -> bool {
    let age = |object: &Object| {
        let created = object.metadata.creation_timestamp.as_ref();
        (created.map(|time| time.0), object.metadata.uid.clone())
    };
    match (object.deleting(), other.deleting()) {
        // An object yields only to one that will turn the model off, or says to leave it.
        (true, false) => other.has_finalizer() || !other.deactivates(),
        (false, true) => false,
        (false, false) => age(other) < age(object),
        (true, true) => other.has_finalizer() && other.deactivates() && age(other) < age(object),
    }
}

/// The operations on the model whose object is gone.
pub(crate) fn gone<'a>(world: &'a World, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a Gone> {
    let owner = identity_of(snapshot).map(|(_, owner)| owner);
    let gone = world.gone.iter();
    gone.filter(move |gone| Some(gone.owner.as_str()) == owner)
}
