//! The events that an object can see.

use std::time::Duration;

use oxen_operator::{
    api::{DeletionPolicy, IdleShutdown, LiveStatus, State},
    decide::{Agreement, CallOutcome, HubFault, Owner, Ownership, Pending},
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
    /// Reconciles with this observation, which the hub repeats so often, so far apart.
    Repeat(Retrieved, CallOutcome, u32, Duration),
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
    /// A person allows the hub to turn the model off when it is idle, or doesn't.
    IdleShutdown(Option<IdleShutdown>),
    /// A person sets the deletion policy.
    Policy(Option<DeletionPolicy>),
    /// The operator runs with or without `--observe-only`.
    ObserveOnly(bool),
    /// The ownership of the model changes.
    Ownership(Ownership),
    /// The hub can't be reached for this long.
    Outage(Duration),
    /// A person requests a reconcile.
    RequestReconcile(u8),
    /// A person requests an override that ends after so many minutes, or in the past.
    Override(State, i64),
    /// A person ends the override in force.
    EndOverride,
    /// A GitOps tool removes the annotation of an override.
    RemoveOverride,
    /// The hub's clock shows another time, or agrees again.
    Agreement(Agreement),
    /// A person puts another API key into the Secret.
    ChangeSecret,
    /// The hub's list shows that the API key belongs to the model's owner, or doesn't.
    Listed(bool),
    /// The API server stores a call's record, or doesn't.
    StoresRecords(bool),
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
        14 => live_status().prop_map(shows),
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
        3 => prop::sample::select(hub_faults("words")).prop_map(CallOutcome::refused),
        1 => Just(CallOutcome::Refused {
            fault: HubFault::Rejected("busy".into()),
            wait: Some(mins(3)),
        }),
    ]
}

fn ownership() -> impl Strategy<Value = Ownership> {
    let pending = |ids: &[&str], unobserved| {
        let operations = ids.iter().copied().map(String::from).collect();
        Ownership::from(Pending {
            operations,
            unobserved,
        })
    };
    let lost = |open| Ownership::Lost(Owner { name: None, open });
    prop_oneof![
        4 => Just(Ownership::Owned),
        2 => Just(pending(&["first"], false)),
        1 => Just(pending(&["second"], false)),
        1 => Just(pending(&["first", "second"], false)),
        1 => Just(pending(&[], true)),
        1 => Just(pending(&["first"], true)),
        1 => Just(lost(false)),
        1 => Just(lost(true)),
    ]
}

fn repeat() -> impl Strategy<Value = Event> {
    let apart = prop_oneof![Just(secs(1)), Just(secs(5)), Just(secs(61)), Just(mins(5))];
    (retrieved(), outcome(), 2_u32..30, apart).prop_map(|(retrieved, outcome, times, apart)| {
        Event::Repeat(retrieved, outcome, times, apart)
    })
}

pub fn event() -> impl Strategy<Value = Event> {
    let policy = prop_oneof![
        Just(None),
        Just(Some(DeletionPolicy::Deactivate)),
        Just(Some(DeletionPolicy::Retain)),
    ];
    let agreement = prop_oneof![
        2 => Just(Agreement::Agrees),
        1 => Just(Agreement::Differs),
        1 => Just(Agreement::Unknown),
    ];
    let idle_shutdown = prop_oneof![
        Just(None),
        Just(Some(IdleShutdown::Reactivate)),
        Just(Some(IdleShutdown::Allow)),
    ];
    prop_oneof![
        30 => (retrieved(), outcome())
            .prop_map(|(retrieved, outcome)| Event::Reconcile(retrieved, outcome)),
        6 => repeat(),
        2 => retrieved().prop_map(Event::Crash),
        20 => (1_u64..200).prop_map(|seconds| Event::Advance(secs(seconds))),
        3 => (1_u64..90).prop_map(|minutes| Event::Advance(mins(minutes))),
        1 => Just(Event::Restart),
        1 => state().prop_map(Event::Declare),
        1 => prop::bool::weighted(0.3).prop_map(Event::Suspend),
        1 => idle_shutdown.prop_map(Event::IdleShutdown),
        1 => policy.prop_map(Event::Policy),
        1 => prop::bool::weighted(0.2).prop_map(Event::ObserveOnly),
        2 => ownership().prop_map(Event::Ownership),
        1 => (0_u64..40).prop_map(|minutes| Event::Outage(mins(minutes))),
        1 => any::<u8>().prop_map(Event::RequestReconcile),
        2 => (state(), -5_i64..200).prop_map(|(state, minutes)| Event::Override(state, minutes)),
        1 => Just(Event::EndOverride),
        1 => Just(Event::RemoveOverride),
        1 => agreement.prop_map(Event::Agreement),
        1 => Just(Event::ChangeSecret),
        1 => prop::bool::weighted(0.7).prop_map(Event::Listed),
        1 => prop::bool::weighted(0.8).prop_map(Event::StoresRecords),
        1 => Just(Event::Delete),
    ]
}
