//! What can happen to an object.

use std::time::Duration;

use proptest::prelude::*;

use crate::{
    api::{DeletionPolicy, Deployment, State},
    bench::{DEPLOYMENTS, base, faults, look_at, mins, secs, shows},
    decide::{Answer, Claim, Fault, Look},
};

/// One thing that happens to an object.
#[derive(Clone, Debug)]
pub enum Event {
    /// A pass that sees this, whose call if any is answered like that.
    Pass(Look, Answer),
    /// A pass of a process that dies after its record.
    Die(Look),
    /// Time.
    Later(Duration),
    Restart,
    Declare(State),
    Suspend(bool),
    Policy(Option<DeletionPolicy>),
    ObserveOnly(bool),
    Claimed(Claim),
    Gone(u32),
    Silence(Duration),
    Request(u8),
    Delete,
}

pub fn deployment() -> impl Strategy<Value = Deployment> {
    prop::sample::select(DEPLOYMENTS.to_vec())
}

fn fault() -> impl Strategy<Value = Fault> {
    prop::sample::select(faults("words"))
}

fn look() -> impl Strategy<Value = Look> {
    prop_oneof![
        12 => deployment().prop_map(shows),
        3 => fault().prop_map(Look::Failed),
        1 => Just(base()),
        1 => deployment().prop_map(|status| look_at(false, status, "bot", "other")),
        1 => Just(Look::Unneeded),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => Just(Answer::Accepted),
        2 => Just(Answer::unknown("cut")),
        1 => Just(Answer::Unknown { words: "503".into(), wait: Some(secs(7)) }),
        1 => Just(Answer::NotSent("late")),
        3 => fault().prop_map(Answer::Refused),
    ]
}

pub fn event() -> impl Strategy<Value = Event> {
    let policy = prop_oneof![
        Just(None),
        Just(Some(DeletionPolicy::Deactivate)),
        Just(Some(DeletionPolicy::Retain)),
    ];
    let claim = prop_oneof![
        3 => Just(Claim::Mine),
        1 => Just(Claim::MineAfterTheirs),
        1 => Just(Claim::Theirs(None)),
    ];
    prop_oneof![
        30 => (look(), answer()).prop_map(|(look, answer)| Event::Pass(look, answer)),
        2 => look().prop_map(Event::Die),
        20 => (1_u64..200).prop_map(|seconds| Event::Later(secs(seconds))),
        3 => (1_u64..90).prop_map(|minutes| Event::Later(mins(minutes))),
        1 => Just(Event::Restart),
        1 => state().prop_map(Event::Declare),
        1 => any::<bool>().prop_map(Event::Suspend),
        1 => policy.prop_map(Event::Policy),
        1 => prop::bool::weighted(0.2).prop_map(Event::ObserveOnly),
        1 => claim.prop_map(Event::Claimed),
        1 => (0_u32..4).prop_map(Event::Gone),
        1 => (0_u64..40).prop_map(|minutes| Event::Silence(mins(minutes))),
        1 => any::<u8>().prop_map(Event::Request),
        1 => Just(Event::Delete),
    ]
}

pub fn state() -> impl Strategy<Value = State> {
    prop_oneof![Just(State::Active), Just(State::Inactive)]
}
