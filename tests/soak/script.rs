//! What happens next, from the seed.

use rand::{Rng, SeedableRng, rngs::StdRng};

/// Names of OxenModels.
pub const OBJECTS: usize = 200;

/// Remote models: fewer, so that some objects are rivals.
pub const MODELS: usize = 180;

/// One thing that happens. Objects, models and operators go by their numbers.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A person declares a state, of an object that is made if it isn't there.
    Declare(usize, bool),
    Suspend(usize, bool),
    Retain(usize, bool),
    Delete(usize),
    /// A person asks for a look.
    Request(usize),
    /// Somebody else changes the model, or it fails.
    Drift(usize, &'static str),
    /// The hub forgets the model, or knows it again.
    Know(usize, bool),
    /// So many requests to some endpoint meet the fault of that number.
    Trouble(u32, usize),
    /// The second key is taken, or isn't.
    Key(bool),
    /// An operator is killed, and started again.
    Kill(usize),
    /// It is asked to end, and started again.
    Terminate(usize),
    /// It stands still for a while.
    Freeze(usize, u64),
    /// The API server's streams go dead.
    Mute,
    /// Statuses can't be written for a while.
    Refuse(u64),
    /// Nothing.
    Breath,
}

pub struct Script(StdRng);

impl Script {
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub fn next(&mut self) -> Event {
        let chance = &mut self.0;
        let (object, model) = (
            chance.random_range(0..OBJECTS),
            chance.random_range(0..MODELS),
        );
        let operator = chance.random_range(0..2);
        // Mostly the second: suspension, policy, oblivion and a bad key pass sooner than they come.
        let often = chance.random_bool(0.6);
        match chance.random_range(0..1000) {
            0..420 => Event::Declare(object, chance.random_bool(0.5)),
            420..480 => Event::Suspend(object, !often),
            480..520 => Event::Retain(object, !often),
            520..600 => Event::Delete(object),
            600..640 => Event::Request(object),
            640..740 => {
                let statuses = ["active", "inactive", "error", "deploying", "paused"];
                Event::Drift(model, statuses[chance.random_range(0..statuses.len())])
            }
            740..760 => Event::Know(model, often),
            760..900 => {
                let times = chance.random_range(1..5);
                Event::Trouble(times, chance.random_range(0..usize::MAX))
            }
            900..906 => Event::Key(often),
            906..910 => Event::Kill(operator),
            910..912 => Event::Terminate(operator),
            912..915 => Event::Freeze(operator, chance.random_range(200..5000)),
            915..918 => Event::Mute,
            918..922 => Event::Refuse(chance.random_range(100..1500)),
            _ => Event::Breath,
        }
    }
}
