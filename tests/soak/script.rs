//! The sequence of events, from the seed.

use rand::{Rng, SeedableRng, rngs::StdRng};

/// The number of names of OxenModels.
pub const OBJECTS: usize = 200;

/// The number of models on the hub. There are fewer than objects, so that some objects share one.
pub const MODELS: usize = 180;

/// An event. Objects, models and operators are given by their numbers.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A person declares a state: active if true. The object is created if it doesn't exist.
    Declare(usize, bool),
    /// A person suspends the object, or resumes it.
    Suspend(usize, bool),
    /// A person sets the deletion policy Retain, or removes it.
    Retain(usize, bool),
    /// A person deletes the object.
    Delete(usize),
    /// A person requests a reconcile.
    Request(usize),
    /// The model's status changes to this one without a call.
    Drift(usize, &'static str),
    /// The hub knows the model from now on, or no longer.
    Know(usize, bool),
    /// This number of requests to some endpoint meet the fault with that number.
    Fault(u32, usize),
    /// The hub accepts the second key from now on, or no longer.
    Key(bool),
    /// An operator is killed and started again.
    Kill(usize),
    /// An operator gets a SIGTERM, and is started again when it has exited.
    Terminate(usize),
    /// An operator is frozen for this number of milliseconds.
    Freeze(usize, u64),
    /// The API server's open streams deliver nothing more.
    Mute,
    /// Writes of a status are refused for this number of milliseconds.
    Refuse(u64),
    /// Nothing happens.
    Pause,
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
        // Suspension, Retain, unknown models and a refused key end more often than they begin.
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
                Event::Fault(times, chance.random_range(0..usize::MAX))
            }
            900..906 => Event::Key(often),
            906..910 => Event::Kill(operator),
            910..912 => Event::Terminate(operator),
            912..915 => Event::Freeze(operator, chance.random_range(200..5000)),
            915..918 => Event::Mute,
            918..922 => Event::Refuse(chance.random_range(100..1500)),
            _ => Event::Pause,
        }
    }
}
