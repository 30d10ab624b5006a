//! The bounds that are explored. Each scenario is exhaustive within its own: every order of up
//! to `any` things that go wrong or that people do, with a pass, a delivery, the hub's progress
//! and time between any two of them.

use oxen_operator::api::Deployment;

use crate::{
    decision::{Decision, Mutation},
    hub::{Failure, Glimpse, LOOKS, Outcome, REFUSALS},
    news::Rule,
    scenario::Scenario,
    step::Step,
    world::Left,
};

const START: [Deployment; 1] = [Deployment::Inactive];

const NAME: &str = "bot";
const UUID: &str = "8f14e45f-ceea-467f-a0e6-5cd1f7ad1d7e";

/// All that may happen, that often.
fn up_to(any: u8) -> Left {
    Left {
        any,
        edits: 3,
        deletions: 2,
        creations: 1,
        requests: 1,
        crashes: 2,
        lapses: 2,
        looks: 3,
        calls: 4,
        drifts: 4,
        hours: 2,
    }
}

/// Everything of the tables, on one object and one process.
fn all(any: u8) -> Scenario {
    use Outcome::{AnswerLost, Delayed, Lost, TakenLate};
    let foreign = Glimpse::Foreign(Deployment::Inactive);
    let fates = [TakenLate, AnswerLost, Lost, Delayed];
    Scenario {
        name: "one object, every fault",
        slots: 1,
        objects: 1,
        asked: [NAME, NAME],
        replicas: 1,
        overlap: true,
        base: false,
        starts: START.to_vec(),
        left: Left {
            lapses: 0,
            ..up_to(any)
        },
        looks: LOOKS
            .map(Glimpse::Failed)
            .into_iter()
            .chain([foreign])
            .collect(),
        fates: fates
            .into_iter()
            .chain(REFUSALS.map(Outcome::Refused))
            .collect(),
        drifts: vec![
            Step::Drift(Deployment::Active),
            Step::Drift(Deployment::Inactive),
            Step::Drift(Deployment::Error),
            Step::Veil(true),
            Step::Forget,
            Step::Secret(0, false),
        ],
        decision: Decision::Production,
        calm: false,
    }
}

/// One of each kind, for where there is more than one object or process.
fn few(any: u8) -> Scenario {
    Scenario {
        looks: vec![Glimpse::Failed(Failure::Unreachable)],
        fates: vec![Outcome::TakenLate, Outcome::AnswerLost, Outcome::Lost],
        drifts: vec![Step::Drift(Deployment::Inactive), Step::Veil(true)],
        ..all(any)
    }
}

fn starts(any: u8) -> Scenario {
    use Deployment::{Active, Deploying, Error, None};
    Scenario {
        name: "one object, from every status",
        starts: vec![Active, Deploying, Error, None],
        ..few(any)
    }
}

fn base(any: u8) -> Scenario {
    Scenario {
        name: "a base model",
        base: true,
        starts: vec![Deployment::None],
        ..few(any)
    }
}

fn calls(any: u8) -> Scenario {
    Scenario {
        name: "calls that come to nothing",
        left: Left {
            any,
            calls: any,
            crashes: 1,
            requests: 1,
            ..Left::default()
        },
        fates: vec![Outcome::Lost, Outcome::Refused(Failure::Rejected)],
        ..few(any)
    }
}

fn drift(any: u8) -> Scenario {
    Scenario {
        name: "a model that keeps drifting",
        left: Left {
            any,
            drifts: any,
            crashes: 1,
            hours: 1,
            ..Left::default()
        },
        drifts: vec![
            Step::Drift(Deployment::Inactive),
            Step::Drift(Deployment::Error),
        ],
        starts: vec![Deployment::Active],
        ..few(any)
    }
}

fn processes(any: u8) -> Scenario {
    Scenario {
        name: "one object, two processes",
        replicas: 2,
        left: Left {
            looks: 0,
            drifts: 0,
            hours: 0,
            ..up_to(any)
        },
        fates: vec![Outcome::Lost, Outcome::Delayed],
        ..few(any)
    }
}

fn claims(any: u8) -> Scenario {
    Scenario {
        name: "two objects, one process",
        slots: 2,
        objects: 2,
        ..few(any)
    }
}

/// What people can do with two objects of one model, while the hub does as it is told.
fn rivals(any: u8) -> Scenario {
    Scenario {
        name: "two objects, and people who change their minds",
        left: Left {
            looks: 0,
            calls: 0,
            drifts: 0,
            hours: 0,
            crashes: 1,
            ..up_to(any)
        },
        ..claims(any)
    }
}

fn uuids(any: u8) -> Scenario {
    Scenario {
        name: "two objects, one by name and one by UUID",
        asked: [NAME, UUID],
        fates: vec![Outcome::Lost],
        drifts: vec![Step::Secret(0, false)],
        ..claims(any)
    }
}

fn refusals(any: u8) -> Scenario {
    Scenario {
        name: "two objects, and a hub that refuses",
        left: Left {
            any,
            calls: any,
            looks: any,
            deletions: 1,
            ..Left::default()
        },
        looks: vec![
            Glimpse::Failed(Failure::ModelNotFound),
            Glimpse::Foreign(Deployment::Inactive),
        ],
        fates: REFUSALS.map(Outcome::Refused).to_vec(),
        drifts: Vec::new(),
        ..claims(any)
    }
}

fn everything(any: u8) -> Scenario {
    Scenario {
        name: "two objects, two processes",
        slots: 2,
        objects: 1,
        replicas: 2,
        left: up_to(any),
        fates: vec![Outcome::Lost],
        drifts: Vec::new(),
        looks: Vec::new(),
        ..few(any)
    }
}

/// What every test run explores.
#[must_use]
pub fn bounded() -> Vec<Scenario> {
    vec![
        all(2),
        starts(2),
        base(2),
        calls(5),
        drift(5),
        processes(1),
        claims(1),
        uuids(1),
        refusals(1),
        everything(1),
    ]
}

/// What there is time for now and then. Two objects and two more events of any kind are too much for any machine;
/// the random walks go on from there.
#[must_use]
pub fn deep() -> Vec<Scenario> {
    vec![
        all(3),
        starts(3),
        base(3),
        calls(7),
        drift(7),
        processes(2),
        rivals(2),
        uuids(1),
        refusals(2),
        everything(1),
    ]
}

/// Everything at once: two processes, two objects that are one model by name and by UUID, each with a key of its
/// own, and all that can go wrong. Far too much to explore whole; random walks go through it.
#[must_use]
pub fn mix() -> Scenario {
    let secrets = [0, 1].map(|at| Step::Secret(at, false));
    Scenario {
        name: "two objects, two processes, everything",
        slots: 2,
        objects: 2,
        replicas: 2,
        asked: [NAME, UUID],
        // What the last leader writes late is a name that its successor can't tell from its own object's UUID.
        overlap: false,
        left: Left {
            any: u8::MAX,
            ..up_to(0)
        },
        drifts: [&all(0).drifts[..5], &secrets].concat(),
        ..all(0)
    }
}

/// Where the calm after the storm is explored.
#[must_use]
pub fn endings() -> Vec<Scenario> {
    vec![
        all(1),
        starts(1),
        base(1),
        calls(4),
        drift(4),
        processes(1),
        claims(0),
        everything(1),
    ]
}

/// Where a mutant is hunted for, and the rule that it breaks; no rule where it can only be told
/// by what becomes of the calm.
#[must_use]
pub fn hunt(mutation: Mutation) -> (Scenario, Option<Rule>) {
    let (scenario, rule) = match mutation {
        Mutation::PostOnUnknown => (few(1), Rule::NeverOnUnknown),
        Mutation::AbsentReadAsOff => (few(2), Rule::LetGoByTheRules),
        Mutation::NoWriteAhead => (few(0), Rule::WrittenAhead),
        Mutation::LoserPosts => (claims(0), Rule::OwnerOnly),
        Mutation::RepeatWhileOpen | Mutation::GiveUpAtOnce => (few(1), Rule::OneCallAtATime),
        Mutation::ReadyWhileStale => (few(1), Rule::ReadyAsDeclared),
        Mutation::ReadyKeptForAnotherGeneration => (all(2), Rule::ReadyAsDeclared),
        Mutation::ReadyOnAnAnswer => (few(0), Rule::NoReadyWhileOpen),
        Mutation::FinalizerDroppedEarly => (few(1), Rule::LetGoByTheRules),
        Mutation::FinalizerAfterTheCall => (few(0), Rule::HeldBeforeCall),
        Mutation::SuspensionIgnored => (few(1), Rule::NeverSuspended),
        Mutation::BudgetRefilledByRestart => (calls(4), Rule::SendsBounded),
        Mutation::CorrectionsForgotten => (drift(4), Rule::CorrectionsBounded),
        Mutation::LetGoOnAnAnswer => (few(1), Rule::LetGoOnALook),
        Mutation::GoneAtFirstSight => (all(2), Rule::LetGoByTheRules),
        Mutation::VersionIgnored => (few(1), Rule::RecordedOnWhatWasSeen),
        Mutation::TermIgnored => (processes(1), Rule::LeaderOnly),
        Mutation::BothMarkers => (few(0), Rule::OneMarker),
        Mutation::NeverGivesUp => return (mutant(few(1), mutation), None),
        Mutation::Restless => return (mutant(few(0), mutation), None),
    };
    (mutant(scenario, mutation), Some(rule))
}

fn mutant(scenario: Scenario, mutation: Mutation) -> Scenario {
    Scenario {
        decision: Decision::Mutant(mutation),
        ..scenario
    }
}
