//! A model of one namespace with a budget that has room for one model, and with two objects, each
//! of a model of its own. Its decision, its count and its limit are the production's own.
//!
//! Every order of events within the bounds is explored: the steps of both reconciles, calls that
//! are refused, lost or late, writes without an answer, edits, crashes, and the passing of minutes.

use std::{
    collections::BTreeSet,
    hash::{Hash, Hasher},
    sync::Arc,
};

use oxen_operator::{
    api::{LiveStatus, OperationKind, OxenBudgetSpec, State},
    decide::{
        Action, Activity, Agreement, History, KeyUsed, Observation, Others, Ownership, Plan,
        Refusal, Remote, Subject, Verdict, activity, after_call, decide, judge,
    },
};
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::{
    hub::{HubFailure, Outcome, Retrieved},
    memory::normalized,
    object::{NOW, Object, RULES, Tick},
};

/// The objects of the namespace, by number.
const OBJECTS: [usize; 2] = [0, 1];

/// What becomes of a call.
const OUTCOMES: [Outcome; 6] = [
    Outcome::Accepted,
    Outcome::AcceptedLate,
    Outcome::NotSent,
    Outcome::Refused(HubFailure::Rejected),
    Outcome::ResponseLost,
    Outcome::Delayed,
];

/// How the operator counts: as it ships, or with a seeded fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// The lock is taken before the count, and held until the record is written.
    Production,
    /// No lock is taken.
    WithoutLock,
    /// The operator counts what is on, and no open operation.
    OperationsIgnored,
    /// An object that was never observed counts for nothing.
    UnobservedIgnored,
}

/// The namespace at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace {
    models: [Limited; 2],
    /// The object whose reconcile has the lock of the budgets.
    lock: Option<usize>,
    edits: u8,
    crashes: u8,
    faults: u8,
    ticks: u8,
    /// Whether a call has turned on more models than the budget allows.
    exceeded: bool,
}

/// One object and its model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Limited {
    stored: Object,
    /// The object as the process knows it.
    known: Object,
    history: History,
    live: LiveStatus,
    /// A call that the hub has accepted and whose effect it doesn't show yet.
    accepted: Option<OperationKind>,
    /// A call that may still arrive.
    in_flight: Option<OperationKind>,
    phase: Phase,
    /// Whether the budget has refused it an activate call.
    refused: bool,
}

/// The last step of an object's reconcile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    Decided(LiveStatus, Decided),
    Recorded(LiveStatus, Decided),
    Called(Decided),
}

/// A plan, and what it was made from.
#[derive(Clone, Debug, PartialEq)]
struct Decided {
    plan: Arc<Plan>,
    refusal: Option<Refusal>,
    /// The version that the next write replaces.
    base: Object,
}

impl Eq for Decided {}

impl Hash for Decided {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.refusal, &self.base, &self.plan.message).hash(state);
        format!("{:?} {:?}", self.plan.action, self.plan.status.operation).hash(state);
    }
}

/// One thing that happens to one of the objects, or to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say what happens
pub enum Event {
    /// The model is retrieved, and the reconcile decides.
    Decide(usize),
    Record(usize),
    /// The record is written, and its answer is lost.
    AnswerLost(usize),
    Act(usize, Outcome),
    RecordOutcome(usize),
    Deliver(usize),
    CallArrives(usize),
    CallLost(usize),
    EffectShows(usize),
    TransitionEnds(usize),
    Edit(usize),
    Crash,
    Tick,
}

/// The model: how the operator counts.
#[derive(Clone, Debug)]
struct Budgets(Counting);

/// The result of the check.
#[derive(Clone, Debug)]
pub struct BudgetReport {
    /// The number of different states.
    pub states: usize,
    /// The properties that don't hold.
    pub broken: Vec<&'static str>,
    /// The milestones that were reached.
    pub reached: BTreeSet<&'static str>,
}

/// What is never broken.
const ALLOWED: &str = "no call turns on more models than the budget allows";

/// What must be reached.
pub const BUDGET_MILESTONES: [&str; 3] = [
    "a budget refuses an activation",
    "a refused model is activated later",
    "a call is refused, and the other model is activated",
];

/// Explores the whole model, or, with a seeded fault, until it is found.
#[must_use]
pub fn check_budgets(counting: Counting) -> BudgetReport {
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    let checker = Budgets(counting).checker().threads(threads);
    let checker = match counting {
        Counting::Production => checker,
        Counting::WithoutLock | Counting::OperationsIgnored | Counting::UnobservedIgnored => {
            checker.finish_when(HasDiscoveries::AnyFailures)
        }
    };
    let checker = checker.spawn_bfs().join();
    let found = checker.discoveries();
    BudgetReport {
        states: checker.unique_state_count(),
        broken: found
            .keys()
            .copied()
            .filter(|name| *name == ALLOWED)
            .collect(),
        reached: found
            .keys()
            .copied()
            .filter(|name| *name != ALLOWED)
            .collect(),
    }
}

impl Model for Budgets {
    type State = Namespace;
    type Action = Event;

    fn init_states(&self) -> Vec<Namespace> {
        let model = |number: usize| {
            let name = format!("model-{number}");
            let object = Object::new(number, 0, &name, State::Active);
            let object = object.with(|it| {
                it.metadata.finalizers = Some(vec![oxen_operator::api::FINALIZER.into()]);
            });
            Limited {
                stored: object.clone(),
                known: object,
                history: History::default(),
                live: LiveStatus::Inactive,
                accepted: None,
                in_flight: None,
                phase: Phase::Idle,
                refused: false,
            }
        };
        let namespace = Namespace {
            models: OBJECTS.map(model),
            lock: None,
            edits: 1,
            crashes: 1,
            faults: 1,
            ticks: 1,
            exceeded: false,
        };
        // Both objects are new. In the first state both models are off, in the second one is on.
        let mut on_before = namespace.clone();
        on_before.models[1].live = LiveStatus::Active;
        vec![namespace, on_before]
    }

    fn actions(&self, world: &Namespace, events: &mut Vec<Event>) {
        let calling = |model: &Limited| model.in_flight.is_some() || model.accepted.is_some();
        if world.ticks > 0 && !world.models.iter().any(calling) {
            events.push(Event::Tick);
        }
        let idle = world.models.iter().all(|model| model.phase == Phase::Idle);
        events.extend((world.crashes > 0 && !idle).then_some(Event::Crash));
        for (at, model) in world.models.iter().enumerate() {
            match &model.phase {
                Phase::Idle => events.push(Event::Decide(at)),
                Phase::Decided(..) => {
                    events.push(Event::Record(at));
                    events.extend((world.faults > 0).then_some(Event::AnswerLost(at)));
                }
                Phase::Recorded(..) => {
                    let outcomes = OUTCOMES.iter().take(if world.faults > 0 { 6 } else { 2 });
                    events.extend(outcomes.map(|outcome| Event::Act(at, *outcome)));
                }
                Phase::Called(_) => events.push(Event::RecordOutcome(at)),
            }
            if model.known != model.stored {
                events.push(Event::Deliver(at));
            }
            if model.in_flight.is_some() {
                events.extend([Event::CallArrives(at), Event::CallLost(at)]);
            }
            events.extend(model.accepted.map(|_| Event::EffectShows(at)));
            let moves = matches!(model.live, LiveStatus::Deploying | LiveStatus::Deactivating);
            events.extend(moves.then_some(Event::TransitionEnds(at)));
            events.extend((world.edits > 0).then_some(Event::Edit(at)));
        }
    }

    fn next_state(&self, before: &Namespace, event: Event) -> Option<Namespace> {
        let mut world = before.clone();
        self.take(&mut world, event)?;
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let [refused, later, other] = BUDGET_MILESTONES;
        vec![
            Property::always(ALLOWED, |_, world: &Namespace| !world.exceeded),
            Property::sometimes(refused, |_, world: &Namespace| {
                world
                    .models
                    .iter()
                    .any(|model| model.says(Verdict::BudgetExceeded))
            }),
            Property::sometimes(later, |_, world: &Namespace| {
                let [one, two] = &world.models;
                one.says(Verdict::Inactive) && two.says(Verdict::Active) && two.refused
            }),
            Property::sometimes(other, |_, world: &Namespace| {
                let [one, two] = &world.models;
                one.says(Verdict::BudgetExceeded)
                    && one
                        .stored
                        .status_or_default()
                        .attempts
                        .is_some_and(|it| it.refusals.is_some())
                    && two.says(Verdict::Active)
            }),
        ]
    }
}

impl Budgets {
    fn take(&self, world: &mut Namespace, event: Event) -> Option<()> {
        match event {
            Event::Decide(at) => self.decide(world, at)?,
            Event::Record(at) => world.record(at),
            Event::AnswerLost(at) => {
                world.faults -= 1;
                world.answer_lost(at);
            }
            Event::Act(at, outcome) => world.act(at, outcome)?,
            Event::RecordOutcome(at) => {
                let Phase::Called(decided) = world.models[at].phase.clone() else {
                    return None;
                };
                world.models[at].write(&decided);
            }
            Event::Deliver(at) => {
                let model = &mut world.models[at];
                model.known = model.stored.clone();
            }
            Event::CallArrives(at) => {
                let model = &mut world.models[at];
                let kind = model.in_flight.take()?;
                model.take_effect(kind);
            }
            Event::CallLost(at) => world.models[at].in_flight = None,
            Event::EffectShows(at) => {
                let model = &mut world.models[at];
                let kind = model.accepted.take()?;
                model.take_effect(kind);
            }
            Event::TransitionEnds(at) => {
                let live = &mut world.models[at].live;
                *live = match live {
                    LiveStatus::Deploying => LiveStatus::Active,
                    _ => LiveStatus::Inactive,
                };
            }
            Event::Edit(at) => {
                world.edits -= 1;
                let model = &mut world.models[at];
                let stored = &mut model.stored;
                let next = match stored.desired() {
                    State::Active => State::Inactive,
                    State::Inactive => State::Active,
                };
                *stored = stored.edited(|object| object.spec.state = next.into());
                model.known = stored.clone();
            }
            Event::Crash => {
                world.crashes -= 1;
                world.lock = None;
                for model in &mut world.models {
                    model.known = model.stored.clone();
                    model.history = History::default();
                    model.phase = Phase::Idle;
                }
            }
            Event::Tick => {
                world.ticks -= 1;
                for model in &mut world.models {
                    model.stored = model.stored.aged(Tick::Minutes);
                    model.known = model.known.aged(Tick::Minutes);
                    model.history.advance(Tick::Minutes.duration());
                    // An observation that is too old leads to no call.
                    model.phase = Phase::Idle;
                }
                world.lock = None;
            }
        }
        Some(())
    }

    /// Decides, and asks the budget about an activate call, as `controller::reconcile` does.
    fn decide(&self, world: &mut Namespace, at: usize) -> Option<()> {
        let live = world.models[at].live;
        let base = world.models[at].known.clone();
        let mut history = world.models[at].history.clone();
        let shown = Ok(remote(at, live));
        history.observe(&base, &shown, KeyUsed::Proven, &[], &RULES);
        let mut plan = decide(&observation(at, &base, live, &history, None));
        let mut refusal = None;
        if activates(&plan) {
            refusal = self.refusal(world, at);
            if refusal.is_none() && self.0 != Counting::WithoutLock {
                if world.lock.is_some() {
                    return None;
                }
                world.lock = Some(at);
            }
            plan = decide(&observation(at, &base, live, &history, refusal.clone()));
        }
        let model = &mut world.models[at];
        model.history = normalized(history);
        model.refused |= refusal.is_some();
        let plan = Arc::new(plan);
        let decided = Decided {
            plan,
            refusal,
            base,
        };
        model.phase = Phase::Decided(live, decided);
        Some(())
    }

    /// Why the budget refuses an activate call, by the objects as the process knows them.
    fn refusal(&self, world: &Namespace, at: usize) -> Option<Refusal> {
        let mut others = Others::default();
        for (other, model) in world.models.iter().enumerate() {
            let mut status = model.known.status.clone();
            if self.0 == Counting::OperationsIgnored
                && let Some(status) = &mut status
            {
                status.operation = None;
            }
            match activity(status.as_ref()) {
                _ if other == at => {}
                Activity::On => others.on.add(None),
                Activity::Unobserved if self.0 != Counting::UnobservedIgnored => {
                    others.unobserved += 1;
                    others.example = Some("other");
                }
                Activity::Unobserved | Activity::Off => {}
            }
        }
        judge("team", &room_for_one(), &others, None)
    }
}

impl Namespace {
    fn record(&mut self, at: usize) {
        self.unlock(at);
        let model = &mut self.models[at];
        let Phase::Decided(live, decided) = model.phase.clone() else {
            return;
        };
        let calls = matches!(decided.plan.action, Action::Call { .. });
        if model.write(&decided) && calls {
            let base = model.stored.clone();
            model.phase = Phase::Recorded(live, Decided { base, ..decided });
        }
    }

    fn answer_lost(&mut self, at: usize) {
        self.unlock(at);
        let model = &mut self.models[at];
        let known = model.known.clone();
        if let Phase::Decided(_, decided) = model.phase.clone() {
            model.write(&decided);
        }
        model.known = known;
    }

    fn unlock(&mut self, at: usize) {
        self.lock.take_if(|holder| *holder == at);
    }

    fn act(&mut self, at: usize, outcome: Outcome) -> Option<()> {
        let Phase::Recorded(live, decided) = self.models[at].phase.clone() else {
            return None;
        };
        let Action::Call { kind, .. } = decided.plan.action else {
            return None;
        };
        if !matches!(outcome, Outcome::Accepted | Outcome::AcceptedLate) {
            self.faults -= 1;
        }
        let on = self.models.iter().enumerate();
        let others = on.filter(|(other, model)| *other != at && model.may_be_on());
        let sent = outcome != Outcome::NotSent;
        let activates = kind == OperationKind::Activate && sent;
        let reaches = !matches!(outcome, Outcome::Refused(_));
        self.exceeded |= activates && reaches && others.count() > 0;
        let model = &mut self.models[at];
        match outcome {
            Outcome::NotSent | Outcome::RequestLost | Outcome::Refused(_) => {}
            Outcome::Accepted | Outcome::ResponseLost => model.take_effect(kind),
            Outcome::AcceptedLate => model.accepted = Some(kind),
            Outcome::Delayed => model.in_flight = Some(kind),
        }
        let known = outcome.call_outcome();
        let refusal = decided.refusal.clone();
        let seen = observation(at, &decided.base, live, &model.history, refusal);
        let after = after_call(&seen, decided.plan.as_ref().clone(), &known);
        model.history.call_ended(&known);
        let plan = Arc::new(after);
        model.phase = Phase::Called(Decided { plan, ..decided });
        Some(())
    }
}

impl Limited {
    /// Writes a plan's status to the version that it was made from, and ends the reconcile. Returns
    /// false for a conflict, after which the process reads the object.
    fn write(&mut self, decided: &Decided) -> bool {
        self.phase = Phase::Idle;
        if decided.base != self.stored {
            self.known = self.stored.clone();
            return false;
        }
        let status = Some(decided.plan.status.clone());
        self.stored = self.stored.with(|object| object.status = status);
        self.known = self.stored.clone();
        self.history.recorded();
        true
    }

    fn take_effect(&mut self, kind: OperationKind) {
        self.live = match (self.live, kind) {
            (LiveStatus::Active | LiveStatus::Deploying, OperationKind::Activate)
            | (LiveStatus::Inactive | LiveStatus::Deactivating, OperationKind::Deactivate) => {
                self.live
            }
            (_, OperationKind::Activate) => LiveStatus::Deploying,
            (_, OperationKind::Deactivate) => LiveStatus::Deactivating,
        };
    }

    /// Returns true when the model is on, or when a call may still turn it on.
    fn may_be_on(&self) -> bool {
        let activate = Some(OperationKind::Activate);
        self.live != LiveStatus::Inactive || [self.accepted, self.in_flight].contains(&activate)
    }

    fn says(&self, verdict: Verdict) -> bool {
        let status = self.stored.status_or_default();
        let mut conditions = status.conditions.iter();
        conditions.any(|one| one.type_ == "Ready" && one.reason == verdict.presentation().reason)
    }
}

/// What the production's decision gets.
fn observation<'a>(
    at: usize,
    object: &'a Object,
    live: LiveStatus,
    history: &History,
    refusal: Option<Refusal>,
) -> Observation<'a> {
    // Each call of a generation has an id of its own.
    let spent = object.status_or_default().attempts;
    let spent = spent.map(|it| (it.generation, it.calls, it.refusals));
    Observation {
        subject: Subject {
            object,
            now: NOW,
            agreement: Agreement::Agrees,
            rules: &RULES,
            operation_id: format!("{at}.{spent:?}"),
            ownership: Ownership::Owned,
            crd_terminating: false,
        },
        retrieved: Ok(remote(at, live)),
        history: history.clone(),
        key_proven: false,
        refusal,
    }
}

/// The object's model, as a live GET shows it.
fn remote(at: usize, live: LiveStatus) -> Box<Remote> {
    let mut remote = Retrieved::Custom(live)
        .result()
        .unwrap_or_else(|_| unreachable!());
    remote.model.id = format!("model-{at}");
    remote
}

fn room_for_one() -> OxenBudgetSpec {
    OxenBudgetSpec {
        max_active: Some(1),
        max_hourly_cost: None,
        secret_name: None,
    }
}

fn activates(plan: &Plan) -> bool {
    matches!(
        plan.action,
        Action::Call {
            kind: OperationKind::Activate,
            ..
        }
    )
}
