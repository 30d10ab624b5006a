//! The whole world at one moment: what the API server keeps, the hub, the processes, and what may
//! still go wrong.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use oxen_operator::decide::{Claim, Plan};

use crate::{
    hub::{Glimpse, Hub, Outcome},
    news::News,
    object::Object,
};

/// The whole world at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// What the API server keeps under each name.
    pub slots: Vec<Slot>,
    /// The hub.
    pub hub: Hub,
    /// The operator's processes.
    pub replicas: Vec<Replica>,
    /// Which of them may call.
    pub leader: Option<usize>,
    /// Which of them led last, and still runs.
    pub led: Option<usize>,
    /// What may still go wrong, and what people may still do.
    pub left: Left,
    /// What the last step did.
    pub news: News,
}

/// One name in the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The object there.
    pub stored: Option<Stored>,
    /// Objects that have had the name.
    pub births: u8,
    /// What an onlooker counts, who doesn't trust the status.
    pub tally: Tally,
}

/// Calls, counted where they go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tally {
    /// The generation that the rest is about.
    pub generation: i64,
    /// Since the budget was whole.
    pub sent: u8,
    /// Corrections within the window.
    pub corrections: u8,
    /// The declared state was reached in this generation.
    pub settled: bool,
    /// The deletion was reported as blocked.
    pub blocked: bool,
    /// It was told that another object has the model.
    pub lost: bool,
}

/// An object with the version that the API server gave it. Versions are ranks among the copies
/// that there are, so that they don't grow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// `metadata.resourceVersion`.
    pub version: u8,
    /// The rest.
    pub object: Object,
}

/// One process of the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Replica {
    /// The objects as it knows them: the watch's copy, or its own newer write.
    pub views: Vec<Option<Stored>>,
    /// What it remembers of each.
    pub memories: Vec<Memory>,
    /// The passes that it is in.
    pub passes: Vec<Option<Pass>>,
}

/// What a process remembers of one object; as `controller::memory`, with its times reduced to
/// what a decision can tell apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// A pass has looked at the object.
    pub met: bool,
    /// The operation that it watches.
    pub watched: Option<Watch>,
    /// Looks in a row that said `Model not found` to the key that had worked.
    pub gone: u8,
    /// The key has worked.
    pub key: bool,
    /// The hub hasn't answered for hours.
    pub silent: bool,
}

/// A watched operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watch {
    /// Its name.
    pub id: String,
    /// The patience is over.
    pub late: bool,
    /// Looks since then that still showed the old status.
    pub unmoved: u8,
}

/// A pass under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pass {
    /// What it saw.
    pub seen: Arc<Seen>,
    /// How far it has come.
    pub phase: Phase,
    /// The version that its next write is based on.
    pub version: u8,
    /// Another object outranked this one when it was decided upon, as far as the process knew.
    pub outranked: bool,
    /// The look is fresh, and the term is still the one that it began in.
    pub entitled: bool,
}

/// What a pass saw: an `Observation`, but for what is the same everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The object as the process knew it when the pass began.
    pub object: Object,
    /// What the look showed.
    pub glimpse: Glimpse,
    /// How long the open operation had been watched.
    pub watched: (bool, u8),
    /// What earlier looks left: silence, and looks that said that the model is gone.
    pub past: (bool, u8),
    /// Whose the model is.
    pub claim: Claim,
    /// The name for a call.
    pub operation_id: String,
    /// It is the first one of its process.
    pub first: bool,
}

/// How far a pass has come.
#[derive(Clone, Debug)]
pub enum Phase {
    /// It has looked, and waits for its turn.
    Looked,
    /// It has decided.
    Decided(Arc<Plan>),
    /// The status is written; the action comes.
    Recorded(Arc<Plan>),
    /// The call is over; the outcome is not written yet.
    Answered(Arc<Plan>, Outcome),
}

impl Phase {
    /// A plan follows from what was seen, so its kind says enough.
    fn key(&self) -> (u8, Option<Outcome>) {
        match self {
            Phase::Looked => (0, None),
            Phase::Decided(_) => (1, None),
            Phase::Recorded(_) => (2, None),
            Phase::Answered(_, outcome) => (3, Some(*outcome)),
        }
    }
}

impl PartialEq for Phase {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Phase {}

impl Hash for Phase {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl Eq for Seen {}

impl Hash for Seen {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let claim = match &self.claim {
            Claim::Mine => 0_u8,
            Claim::MineAfterTheirs => 1,
            Claim::Theirs(_) => 2,
        };
        let rest = (self.glimpse, self.watched, self.past, claim, self.first);
        (&self.object, &self.operation_id, rest).hash(state);
    }
}

/// What may still happen, at most; and all of it together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it
pub struct Left {
    pub any: u8,
    pub edits: u8,
    pub deletions: u8,
    pub creations: u8,
    pub requests: u8,
    pub crashes: u8,
    pub lapses: u8,
    pub looks: u8,
    pub calls: u8,
    pub drifts: u8,
    pub hours: u8,
}

impl World {
    /// The same world where nothing goes wrong any more and nobody changes their mind.
    #[must_use]
    pub fn calmed(&self) -> World {
        let mut calm = self.clone();
        calm.left = Left::default();
        calm.news = News::default();
        calm.hub.veiled = false;
        for slot in &mut calm.slots {
            slot.tally = Tally::default();
        }
        calm
    }

    /// Gives versions their ranks again.
    pub(crate) fn tidy(&mut self) {
        for at in 0..self.slots.len() {
            let mut versions: Vec<&mut u8> = Vec::new();
            versions.extend(self.slots[at].stored.iter_mut().map(|own| &mut own.version));
            for replica in &mut self.replicas {
                versions.extend(replica.views[at].iter_mut().map(|view| &mut view.version));
                versions.extend(replica.passes[at].iter_mut().map(|pass| &mut pass.version));
            }
            let mut known: Vec<u8> = versions.iter().map(|version| **version).collect();
            known.sort_unstable();
            known.dedup();
            for version in versions {
                let rank = known.iter().take_while(|one| *one < version).count();
                *version = u8::try_from(rank).unwrap_or(u8::MAX);
            }
        }
    }

    /// A version that no copy of that object has.
    pub(crate) fn next_version(&self, at: usize) -> u8 {
        let stored = self.slots[at].stored.iter().map(|own| own.version);
        let views = self.replicas.iter().flat_map(|one| &one.views[at]);
        let passes = self.replicas.iter().flat_map(|one| &one.passes[at]);
        let copies = views.map(|view| view.version);
        let all = stored.chain(copies).chain(passes.map(|pass| pass.version));
        all.max().map_or(0, |last| last + 1)
    }

    /// A name that nobody knows a call of that object by.
    pub(crate) fn fresh_id(&self, at: usize) -> String {
        let mut known: Vec<&str> = Vec::new();
        let stored = self.slots[at].stored.iter().map(|own| &own.object);
        let views = self.replicas.iter().flat_map(|one| &one.views[at]);
        let objects = stored.chain(views.map(|view| &view.object));
        known.extend(objects.filter_map(Object::operation));
        for replica in &self.replicas {
            let watched = replica.memories[at].watched.iter();
            known.extend(watched.map(|watch| watch.id.as_str()));
            if let Some(pass) = &replica.passes[at] {
                known.push(&pass.seen.operation_id);
                known.extend(pass.seen.object.operation());
            }
        }
        let mut names = (0_u8..).map(|number| number.to_string());
        names
            .find(|name| !known.contains(&name.as_str()))
            .unwrap_or_default()
    }
}
