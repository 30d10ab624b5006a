//! A pass, step by step, as `controller::{observe, reconcile, record, act}` makes it. Between any
//! two steps anything else may happen.

use std::sync::Arc;

use oxen_operator::{
    api::{FINALIZER, OxenModel},
    decide::{Action, Claim, Plan, Stake, Verdict, needs_look, still_old},
};

use crate::{
    decision::{Decision, Mutation},
    hub::{Failure, Glimpse, Outcome},
    news::Milestone,
    object::RULES,
    rules,
    world::{Memory, Pass, Phase, Replica, Seen, Stored, Watch, World},
};

/// One process's work on one object.
pub(crate) struct Worker<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) decision: Decision,
    /// The process.
    pub(crate) who: usize,
    /// The object's name.
    pub(crate) at: usize,
    /// The model is a base model.
    pub(crate) base: bool,
}

impl Worker<'_> {
    fn memory(&mut self) -> &mut Memory {
        &mut self.world.replicas[self.who].memories[self.at]
    }

    fn pass(&mut self) -> &mut Option<Pass> {
        &mut self.world.replicas[self.who].passes[self.at]
    }

    /// Begins a pass and looks; `answer` is the hub's where it isn't the truth. `None` where the
    /// hub isn't asked and there is nothing to lie about.
    pub(crate) fn look(&mut self, answer: Option<Glimpse>) -> Option<()> {
        let replica = &self.world.replicas[self.who];
        let Stored { version, object } = replica.views[self.at].clone()?;
        let claim = self.claim(&object, None);
        let (memory, hub) = (&replica.memories[self.at], &self.world.hub);
        let keyed = hub.has_key(self.at) || (object.deleting() && memory.key);
        let glimpse = match answer {
            _ if !needs_look(&object, &RULES, &claim, false) => Glimpse::Unneeded,
            _ if !keyed => Glimpse::Failed(Failure::CredentialsNotFound),
            Some(answer) => answer,
            None => hub.glimpse(self.base),
        };
        if answer.is_some_and(|answer| answer != glimpse) {
            return None;
        }
        let seen = Seen {
            glimpse,
            claim,
            watched: (false, 0),
            past: (false, 0),
            operation_id: self.world.fresh_id(self.at),
            first: false,
            object,
        };
        *self.pass() = Some(Pass {
            seen: Arc::new(seen),
            phase: Phase::Looked,
            version,
            outranked: false,
            entitled: true,
        });
        if glimpse.shown().is_none() || self.world.slots.len() == 1 {
            self.decide();
        }
        Some(())
    }

    /// Whose the model is, as this process knows it.
    fn claim(&self, object: &OxenModel, identity: Option<(String, String)>) -> Claim {
        let mut me = Stake::of(object);
        me.identity = identity.or(me.identity);
        let views = &self.world.replicas[self.who].views;
        let others: Vec<Stake> = views
            .iter()
            .flatten()
            .map(|view| Stake::of(&view.object))
            .collect();
        me.claim(others.iter())
    }

    /// Takes its turn, judges the claim by what the look showed, and decides.
    pub(crate) fn decide(&mut self) {
        let Some(mut pass) = self.pass().take() else {
            return;
        };
        let mut seen = pass.seen.as_ref().clone();
        if let oxen_operator::decide::Look::Seen(remote) = seen.glimpse.look() {
            let identity = (remote.model.id.clone(), remote.model.owner.clone());
            seen.claim = self.claim(&seen.object, Some(identity));
        }
        self.remember(&mut seen);
        let plan = self.decision.decide(&seen);
        let writes = writes(&seen.object, &plan);
        rules::on_decision(self.world, self.at, &seen, &plan);
        if writes || plan.action != Action::Nothing {
            pass.outranked = rules::outranked(self.world, self.who, self.at, &seen);
            pass.seen = Arc::new(seen);
            pass.phase = Phase::Decided(plan);
            *self.pass() = Some(pass);
        } else {
            rules::on_settled_budget(self.world, self.at, &seen, &plan);
        }
    }

    /// As `controller::observe::remember`.
    fn remember(&mut self, seen: &mut Seen) {
        let counts_starts = self.decision.is(Mutation::BudgetRefilledByRestart);
        let secret = self.world.hub.has_key(self.at);
        let memory = self.memory();
        seen.first = counts_starts && !memory.met;
        if seen.glimpse == Glimpse::Unneeded {
            return;
        }
        memory.met = counts_starts;
        let key = secret || (seen.object.deleting() && memory.key);
        seen.past = memory.past(seen.glimpse, key);
        let status = seen.object.status.as_ref();
        let Some(open) = status.and_then(|status| status.operation.as_ref()) else {
            memory.watched = None;
            return;
        };
        let known = memory.watched.take().filter(|watch| watch.id == open.id);
        let mut watch = known.unwrap_or_else(|| Watch {
            id: open.id.clone(),
            late: false,
            unmoved: 0,
        });
        let shown = seen.glimpse.shown();
        let old = shown.is_some_and(|deployment| still_old(open.direction, deployment));
        watch.unmoved = (watch.unmoved + u8::from(watch.late && old)).min(3);
        seen.watched = (watch.late, watch.unmoved);
        memory.watched = Some(watch);
    }

    /// Writes the status before the action.
    pub(crate) fn record(&mut self) {
        let Some((mut pass, plan)) = self.advance() else {
            return;
        };
        let ahead = !self.decision.is(Mutation::NoWriteAhead) || !calls(&plan);
        if ahead && writes(&pass.seen.object, &plan) {
            let before = self.world.slots[self.at].stored.clone();
            let status = plan.status.clone();
            match self.write(pass.version, |object| object.status = Some(status)) {
                Some(version) => pass.version = version,
                None => return,
            }
            rules::on_record(self.world, before, &pass.seen, &plan);
            rules::on_status(self.world, self.at, &pass.seen, &plan);
        }
        rules::on_settled_budget(self.world, self.at, &pass.seen, &plan);
        if plan.action != Action::Nothing {
            pass.phase = Phase::Recorded(plan);
            *self.pass() = Some(pass);
        }
    }

    /// Does the plan's one action.
    pub(crate) fn act(&mut self, outcome: Outcome) {
        let Some((mut pass, plan)) = self.advance() else {
            return;
        };
        if !calls(&plan) {
            return self.finalizer(&pass, &plan, false);
        }
        if outcome != Outcome::NotSent {
            rules::on_post(self.world, self.who, self.at, &pass, &plan, outcome);
        }
        if let Action::Call { direction, .. } = plan.action {
            self.world.hub.receive(direction, outcome);
        }
        let before = plan.status.clone();
        let plan = plan.as_ref().clone();
        let plan = self.decision.answered(&pass.seen, plan, &outcome.answer());
        let lets_go = plan.action == Action::RemoveFinalizer;
        if before != plan.status || lets_go {
            pass.phase = Phase::Answered(Arc::new(plan), outcome);
            *self.pass() = Some(pass);
        }
    }

    /// Writes what came of the call.
    pub(crate) fn note(&mut self) {
        let Some((pass, plan)) = self.advance() else {
            return;
        };
        if plan.action == Action::RemoveFinalizer {
            return self.finalizer(&pass, &plan, true);
        }
        let status = plan.status.clone();
        let written = self.write(pass.version, |object| object.status = Some(status));
        if written.is_some() {
            rules::on_status(self.world, self.at, &pass.seen, &plan);
        }
    }

    /// Takes the pass out, with its plan.
    fn advance(&mut self) -> Option<(Pass, Arc<Plan>)> {
        let pass = self.pass().take()?;
        let plan = match &pass.phase {
            Phase::Looked => return None,
            Phase::Decided(plan) | Phase::Recorded(plan) | Phase::Answered(plan, _) => plan.clone(),
        };
        Some((pass, plan))
    }

    fn finalizer(&mut self, pass: &Pass, plan: &Plan, on_answer: bool) {
        let hold = plan.action == Action::AddFinalizer;
        let held = hold.then(|| vec![FINALIZER.to_owned()]);
        let written = self.write(pass.version, |object| object.metadata.finalizers = held);
        if written.is_some() && !hold {
            rules::on_let_go(self.world, self.at, pass, plan, on_answer);
            let slot = &mut self.world.slots[self.at];
            slot.stored.take_if(|stored| stored.object.deleting());
        }
    }

    /// Writes on just that version; a conflict makes the next pass read the object anew.
    fn write(&mut self, version: u8, change: impl FnOnce(&mut OxenModel)) -> Option<u8> {
        let any_version = self.decision.is(Mutation::VersionIgnored);
        let next = self.world.next_version(self.at);
        let slot = &mut self.world.slots[self.at];
        let current = slot.stored.as_mut();
        let matching = current.filter(|stored| stored.version == version || any_version);
        let written = matching.map(|stored| {
            stored.object = stored.object.with(change);
            stored.version = next;
            next
        });
        let news = &mut self.world.news;
        news.wrote |= written.is_some();
        news.note(Milestone::WriteRefused, written.is_none());
        self.world.deliver(self.who, self.at);
        written
    }
}

/// The status differs from what the pass began with. An object that is let go needs none.
fn writes(object: &OxenModel, plan: &Plan) -> bool {
    plan.verdict != Verdict::LetGo && object.status.as_ref() != Some(&plan.status)
}

pub(crate) fn calls(plan: &Plan) -> bool {
    matches!(plan.action, Action::Call { .. })
}

impl Replica {
    /// Whether no other pass of this process is at work on the same remote model.
    pub(crate) fn has_turn(&self, at: usize) -> bool {
        let others = self.passes.iter().enumerate().filter(|(it, _)| *it != at);
        let mut at_work = others.filter_map(|(_, pass)| pass.as_ref());
        !at_work.any(|pass| pass.phase != Phase::Looked && pass.seen.glimpse.shown().is_some())
    }
}

impl Memory {
    /// As `controller::observe::past`.
    fn past(&mut self, glimpse: Glimpse, key: bool) -> (bool, u8) {
        match glimpse {
            Glimpse::Unneeded => {}
            Glimpse::Base | Glimpse::Seen(_) | Glimpse::Foreign(_) => {
                (self.silent, self.gone, self.key) = (false, 0, true);
            }
            Glimpse::Failed(Failure::ModelNotFound) if key && self.key => {
                self.gone = (self.gone + 1).min(3);
            }
            Glimpse::Failed(
                Failure::CredentialsNotFound
                | Failure::CredentialsInvalid
                | Failure::OperatorKeyNotAllowed,
            ) => {}
            Glimpse::Failed(_) => self.gone = 0,
        }
        (self.silent, self.gone)
    }
}

impl World {
    /// The process's copy becomes what the API server has.
    pub(crate) fn deliver(&mut self, who: usize, at: usize) {
        let current = self.slots[at].stored.clone();
        let replica = &mut self.replicas[who];
        let uid = |stored: &Option<Stored>| stored.as_ref()?.object.metadata.uid.clone();
        if uid(&current) != uid(&replica.views[at]) {
            replica.memories[at] = Memory::default();
        }
        replica.views[at] = current;
    }
}
