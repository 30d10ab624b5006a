//! A hash of everything in an object that a later decision could read. The fields are destructured,
//! so that the compiler rejects a new field that isn't hashed.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use oxen_operator::api::{
    Attempts, ModelStatus, Operation, OxenModel, OxenModelSpec, OxenModelStatus,
};

/// The hash of an object.
pub(crate) fn object_hash(object: &OxenModel) -> u64 {
    let OxenModel {
        metadata,
        spec,
        status,
    } = object;
    let mut hasher = DefaultHasher::new();
    let h = &mut hasher;
    (&metadata.uid, metadata.generation, &metadata.finalizers).hash(h);
    (&metadata.annotations, metadata.deletion_timestamp.is_some()).hash(h);
    hash_spec(spec, h);
    status.is_some().hash(h);
    if let Some(status) = status {
        hash_status(status, h);
    }
    hasher.finish()
}

fn hash_spec(spec: &OxenModelSpec, h: &mut impl Hasher) {
    let OxenModelSpec {
        model,
        state,
        schedule,
        deletion_policy,
        suspend,
        api_key_secret_ref,
        sync_interval,
        progress_deadline,
        idle_shutdown,
    } = spec;
    (model, state, deletion_policy, suspend).hash(h);
    // Only the windows of a schedule ever change.
    let windows = schedule.as_ref().map(|schedule| &schedule.active);
    windows.map(|windows| format!("{windows:?}")).hash(h);
    (
        api_key_secret_ref.is_some(),
        sync_interval.map(|span| span.0),
    )
        .hash(h);
    (
        progress_deadline.map(|span| span.0),
        idle_shutdown.is_some(),
    )
        .hash(h);
}

fn hash_status(status: &OxenModelStatus, h: &mut impl Hasher) {
    let OxenModelStatus {
        observed_generation,
        desired,
        until,
        override_in_force,
        refused_override,
        handled_override,
        live,
        since,
        progressing_since,
        model,
        other_model,
        pricing,
        operation,
        attempts,
        activations,
        warm_up,
        conditions,
        last_handled_reconcile_at,
        usage,
    } = status;
    (observed_generation, desired, live, seconds(since.as_ref())).hash(h);
    (last_handled_reconcile_at, pricing.is_some(), other_model).hash(h);
    seconds(progressing_since.as_ref()).hash(h);
    seconds(until.as_ref()).hash(h);
    override_in_force
        .iter()
        .for_each(|it| (&it.value, it.state, seconds(Some(&it.until))).hash(h));
    handled_override.hash(h);
    refused_override
        .iter()
        .for_each(|it| (&it.value, &it.why).hash(h));
    // No decision reads the usage, but a period that opens or closes is written.
    let open = usage.as_ref().map(|usage| usage.open.as_ref());
    open.map(|open| open.map(|it| it.is)).hash(h);
    (activations, warm_up.map(|span| span.0)).hash(h);
    model.iter().for_each(|model| hash_model(model, h));
    operation.iter().for_each(|open| hash_operation(open, h));
    attempts.iter().for_each(|spent| hash_attempts(spent, h));
    conditions.iter().for_each(|one| hash_condition(one, h));
}

fn hash_model(model: &ModelStatus, h: &mut impl Hasher) {
    let ModelStatus {
        id,
        owner,
        display_name,
        type_,
        endpoint,
        source_model,
        url,
    } = model;
    (id, owner, display_name, type_, endpoint, source_model, url).hash(h);
}

pub(crate) fn hash_operation(open: &Operation, h: &mut impl Hasher) {
    let Operation {
        id,
        kind,
        from,
        started,
        accepted,
    } = open;
    (id, kind, from, accepted).hash(h);
    seconds(Some(started)).hash(h);
}

pub(crate) fn hash_attempts(spent: &Attempts, h: &mut impl Hasher) {
    let Attempts {
        generation,
        uid,
        settled,
        calls,
        failures,
        aborted,
        refusals,
        refusal,
        last_call,
        corrections,
    } = spent;
    (generation, uid, settled, calls, failures, aborted).hash(h);
    (refusals, refusal, seconds(last_call.as_ref())).hash(h);
    corrections
        .iter()
        .flatten()
        .for_each(|time| seconds(Some(time)).hash(h));
    corrections.as_ref().map(Vec::len).hash(h);
}

fn hash_condition(condition: &Condition, h: &mut impl Hasher) {
    let Condition {
        type_,
        status,
        reason,
        message,
        observed_generation,
        last_transition_time,
    } = condition;
    (type_, status, reason, message, observed_generation).hash(h);
    seconds(Some(last_transition_time)).hash(h);
}

fn seconds(time: Option<&Time>) -> Option<i64> {
    time.map(|time| time.0.as_second())
}
