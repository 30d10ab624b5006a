//! The events that an object can see.

use std::time::Duration;

use oxen_operator::{
    api::{DeletionPolicy, LiveStatus, State},
    decide::{CallOutcome, Ownership},
};
use proptest::prelude::*;
use testkit::simulation::{
    Retrieved, faults, hub_faults, mins, secs, shows, shows_base, shows_model,
};

/// An event that an object can see.
#[derive(Clone, Debug)]
pub enum Event {
    /// A reconcile with this observation, in which a call would end like this.
    Reconcile(Retrieved, CallOutcome),
    /// A reconcile with this observation, after whose record the process crashes.
    Crash(Retrieved),
    /// Time passes.
    Advance(Duration),
    /// The process is replaced.
    Restart,
    /// A person declares this state.
    Declare(State),
    /// A person suspends the object, or ends its suspension.
    Suspend(bool),
    /// A person sets the deletion policy.
    Policy(Option<DeletionPolicy>),
    /// The operator runs with or without `--observe-only`.
    ObserveOnly(bool),
    /// The ownership of the model changes.
    Ownership(Ownership),
    /// This many live GETs in a row don't find the model.
    NotFound(u32),
    /// The hub can't be reached for this long.
    Outage(Duration),
    /// A person requests a reconcile.
    RequestReconcile(u8),
    /// A person deletes the object.
    Delete,
}

pub fn live_status() -> impl Strategy<Value = LiveStatus> {
    prop::sample::select(LiveStatus::ALL)
}

pub fn state() -> impl Strategy<Value = State> {
    prop_oneof![Just(State::Active), Just(State::Inactive)]
}

fn retrieved() -> impl Strategy<Value = Retrieved> {
    prop_oneof![
        12 => live_status().prop_map(shows),
        3 => prop::sample::select(faults("words")).prop_map(Err),
        1 => Just(shows_base()),
        1 => live_status().prop_map(|live| shows_model(false, live, "bot", "other")),
    ]
}

fn outcome() -> impl Strategy<Value = CallOutcome> {
    prop_oneof![
        4 => Just(CallOutcome::Accepted),
        2 => Just(CallOutcome::unknown("cut")),
        1 => Just(CallOutcome::Unknown { words: "503".into(), wait: Some(secs(7)) }),
        1 => Just(CallOutcome::NotSent("late")),
        3 => prop::sample::select(hub_faults("words")).prop_map(CallOutcome::Refused),
    ]
}

pub fn event() -> impl Strategy<Value = Event> {
    let policy = prop_oneof![
        Just(None),
        Just(Some(DeletionPolicy::Deactivate)),
        Just(Some(DeletionPolicy::Retain)),
    ];
    let ownership = prop_oneof![
        3 => Just(Ownership::Owned),
        1 => Just(Ownership::Pending),
        1 => Just(Ownership::Lost(None)),
    ];
    prop_oneof![
        30 => (retrieved(), outcome())
            .prop_map(|(retrieved, outcome)| Event::Reconcile(retrieved, outcome)),
        2 => retrieved().prop_map(Event::Crash),
        20 => (1_u64..200).prop_map(|seconds| Event::Advance(secs(seconds))),
        3 => (1_u64..90).prop_map(|minutes| Event::Advance(mins(minutes))),
        1 => Just(Event::Restart),
        1 => state().prop_map(Event::Declare),
        1 => any::<bool>().prop_map(Event::Suspend),
        1 => policy.prop_map(Event::Policy),
        1 => prop::bool::weighted(0.2).prop_map(Event::ObserveOnly),
        1 => ownership.prop_map(Event::Ownership),
        1 => (0_u32..4).prop_map(Event::NotFound),
        1 => (0_u64..40).prop_map(|minutes| Event::Outage(mins(minutes))),
        1 => any::<u8>().prop_map(Event::RequestReconcile),
        1 => Just(Event::Delete),
    ]
}
