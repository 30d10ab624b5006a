//! A simulation of three processes and a Lease, with a simulated clock. Messages are slow and get
//! lost, clocks run fast and slow, processes freeze, die and shut down, and people delete and edit
//! the Lease. No two processes may call at the same time.

mod process;

use std::{collections::HashMap, ops::Range};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;
use process::{Message, Process};

/// The time between two states of the simulation.
const TICK: Duration = Duration::from_millis(100);
const HOUR: Duration = s(3600);

/// The number of simulated hours of each test.
const WORLDS: u64 = 20;

/// The durations of a process whose request timeout is a minute.
const LONGER: Timing = Timing {
    lease_duration: s(80),
    renew_deadline: s(70),
    retry_period: s(4),
    takeover_wait: s(75),
};

/// What differs between the tests.
#[derive(Clone)]
struct Setup {
    /// The durations of the processes. Each process has one of them.
    timings: &'static [Timing],
    /// How fast the processes' clocks run. The fastest may be faster than the slowest by less than
    /// the wait of a new leader exceeds the renew deadline.
    rates: Range<f64>,
    /// Whether people delete the Lease. A process that finds none can't know the durations of those
    /// that led before.
    deletes: bool,
}

/// How often the simulation reached what it is for.
#[derive(Debug, Default)]
struct Counts {
    calls: u32,
    /// First calls of a leader after a call of another process, by what the leader had observed.
    after_release: u32,
    after_expiry: u32,
    after_wait: u32,
    losses: u32,
    lapses: u32,
}

struct World {
    setup: Setup,
    seed: u64,
    rng: StdRng,
    now: Duration,
    lease: Option<LeaseState>,
    /// The last number that was given to a version, a name or a request.
    number: u64,
    messages: Vec<Message>,
    /// The result of each request that arrived, by its id: the Lease as it was read or written, or
    /// `None` where there is no Lease or the write was refused.
    results: HashMap<u64, Option<LeaseState>>,
    processes: Vec<Process>,
    /// The process that called last, and when that call ends.
    last_call: Option<(String, Duration)>,
    counts: Counts,
}

#[test]
fn no_two_processes_ever_call_at_the_same_time() {
    check(&Setup {
        timings: &[TIMING],
        rates: 0.9..1.12,
        deletes: true,
    });
}

#[test]
fn processes_with_other_request_timeouts_never_call_at_the_same_time() {
    check(&Setup {
        timings: &[TIMING, LONGER],
        rates: 0.98..1.04,
        deletes: false,
    });
}

/// Simulates hours, in which a call panics that starts during the call of another process.
fn check(setup: &Setup) {
    let mut all = Counts::default();
    for seed in 0..WORLDS {
        let mut world = World::new(setup, seed);
        while world.now < HOUR {
            world.tick();
        }
        all.add(&world.counts);
    }
    // Without these, the property could hold merely because nothing happens.
    assert!(all.calls > 800, "{all:?}");
    assert!(all.after_release > 3, "{all:?}");
    assert!(all.after_expiry > 40, "{all:?}");
    assert!(all.after_wait > 40, "{all:?}");
    assert!(all.losses > 40, "{all:?}");
    assert!(all.lapses > 20, "{all:?}");
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.after_release += other.after_release;
        self.after_expiry += other.after_expiry;
        self.after_wait += other.after_wait;
        self.losses += other.losses;
        self.lapses += other.lapses;
    }
}

impl World {
    fn new(setup: &Setup, seed: u64) -> Self {
        let mut world = Self {
            setup: setup.clone(),
            seed,
            rng: StdRng::seed_from_u64(seed),
            now: s(1),
            lease: None,
            number: 0,
            messages: Vec::new(),
            results: HashMap::new(),
            processes: Vec::new(),
            last_call: None,
            counts: Counts::default(),
        };
        for _ in 0..3 {
            let process = world.new_process();
            world.processes.push(process);
        }
        world
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Returns true once per `average` of time, on average.
    fn once_in(&mut self, average: Duration) -> bool {
        self.rng
            .random_bool(TICK.as_secs_f64() / average.as_secs_f64())
    }

    fn tick(&mut self) {
        self.now += TICK;
        self.edit_lease();
        self.deliver();
        for one in 0..self.processes.len() {
            self.disturb(one);
            if self.processes[one].frozen_until <= self.now {
                self.advance(one);
                self.call(one);
            }
        }
    }

    /// Now and then, a person deletes the Lease, empties it, gives it to a stranger or to one of
    /// the processes, or labels it.
    fn edit_lease(&mut self) {
        if !self.once_in(s(200)) {
            return;
        }
        let version = self.next_number().to_string();
        let holder = match self.rng.random_range(0..5) {
            0 if self.setup.deletes => return self.lease = None,
            0 | 1 => Some(String::new()),
            2 => Some("stranger".to_owned()),
            3 => Some(self.processes[self.rng.random_range(0..3)].name.clone()),
            _ => None,
        };
        if let Some(lease) = &mut self.lease {
            lease.version = version;
            lease.holder = holder.unwrap_or_else(|| lease.holder.clone());
        }
    }

    /// The API server performs the requests that arrive. A write must replace the stored version.
    fn deliver(&mut self) {
        let now = self.now;
        let arrived: Vec<Message> = self
            .messages
            .extract_if(.., |message| message.arrives <= now)
            .collect();
        for message in arrived {
            let result = match &message.step {
                Step::Write(update) if same_version(&self.lease, &message.base) => {
                    Some(self.write(update))
                }
                Step::Write(_) => None,
                Step::Read | Step::Wait(_) | Step::Lost(_) => self.lease.clone(),
            };
            self.results.insert(message.id, result);
        }
    }

    fn write(&mut self, update: &LeaseUpdate) -> LeaseState {
        let version = self.next_number().to_string();
        let before = self.lease.take();
        let lease = LeaseState {
            uid: before.map_or_else(|| format!("lease-{version}"), |lease| lease.uid),
            version,
            holder: update.holder.clone(),
            transitions: update.transitions,
            duration: update.duration,
            released_by: update.released_by.clone(),
        };
        self.lease = Some(lease.clone());
        lease
    }
}

/// Returns true when both are the same version of the same Lease, or no Lease.
fn same_version(one: &Option<LeaseState>, other: &Option<LeaseState>) -> bool {
    let key = |it: &Option<LeaseState>| it.as_ref().map(|it| (it.uid.clone(), it.version.clone()));
    key(one) == key(other)
}
