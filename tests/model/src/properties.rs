//! What must always hold, and what must be possible lest it held for lack of trying.

use stateright::Property;

use crate::{
    news::{Milestone, Rule},
    scenario::Scenario,
    world::World,
};

macro_rules! always {
    ($($rule:ident: $words:literal,)*) => {
        /// What must always hold.
        pub const ALWAYS: &[(&str, Rule)] = &[$(($words, Rule::$rule)),*];

        fn safety() -> Vec<Property<Scenario>> {
            vec![$(Property::always($words, |_: &Scenario, world: &World| world.news.keeps(Rule::$rule))),*]
        }
    };
}

macro_rules! sometimes {
    ($($milestone:ident: $words:literal,)*) => {
        /// What must be possible.
        pub const SOMETIMES: &[(&str, Milestone)] = &[$(($words, Milestone::$milestone)),*];

        fn possible() -> Vec<Property<Scenario>> {
            vec![$(Property::sometimes($words, |_: &Scenario, world: &World| {
                world.news.reached(Milestone::$milestone)
            })),*]
        }
    };
}

always! {
    LookedFirst: "a call goes out only after a live look of the same pass",
    TableCallsForIt: "a call goes out only where the table calls for it",
    NeverOnUnknown: "no call on an unknown status",
    NeverOnBase: "no call on a base model",
    NeverSuspended: "no call for a suspended object",
    WrittenAhead: "a call's record is written before it goes out",
    RecordedOnWhatWasSeen: "a call is recorded on the very object that was decided upon",
    OneCallAtATime: "no call while another one on the model is open",
    OneOpenOperation: "one open operation per remote model",
    OwnerOnly: "only the owner calls",
    LeaderOnly: "only the leader calls, in the term and the pass of its look",
    HeldBeforeCall: "the finalizer is there before the first call",
    SendsBounded: "no more calls than a generation may send",
    CorrectionsBounded: "no more corrections than the window allows",
    NoReadyWhileOpen: "no Ready while an operation is open",
    ReadyAsDeclared: "Ready only where the last look showed what is declared",
    ReadyThisGeneration: "Ready only for the generation that it was judged for",
    OneMarker: "never Reconciling and Stalled at once",
    LetGoByTheRules: "a deletion lets go only as the rules say",
    LetGoOnALook: "a deletion never lets go on a call's answer",
}

sometimes! {
    BecameActive: "a model became active",
    BecameInactive: "a model became inactive",
    UnknownResolved: "an unknown outcome was resolved",
    CalledAgain: "a call without effect was given up and made again",
    Stalled: "an object stalled",
    DriftCorrected: "drift was corrected",
    Retried: "a failed deployment was tried again",
    SpentItsBudget: "a budget was spent",
    Refilled: "a requested reconcile refilled a spent budget",
    KeptThroughFault: "Ready was kept through a fault",
    Conflicted: "an object lost its claim",
    HandedOver: "a claim was handed over",
    LoserLetGo: "a loser's deletion let go",
    Blocked: "a deletion was blocked",
    LetGoAfterBlock: "a blocked deletion let go",
    WriteRefused: "a write met a conflict",
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Property<Scenario>> {
    let mut all = safety();
    all.extend(possible());
    all
}
