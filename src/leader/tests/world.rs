//! A simulation of three processes and a Lease, with a simulated clock. Messages are slow and get
//! lost, processes freeze, die and shut down, and people delete and edit the Lease. No two
//! processes may call at the same time.

use std::collections::HashMap;

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

/// The time between two states of the simulation.
const TICK: Duration = Duration::from_millis(100);
const HOUR: Duration = s(3600);
/// The longest time that a call can take. Each call takes that long.
const CALL: Duration = s(13);
/// The timeout of a request about the Lease.
const REQUEST_TIMEOUT: Duration = s(5);

const WORLDS: u64 = 10;

/// What a process gets for its request.
enum Response {
    None,
    /// The Lease as it was read or written, or that there is none.
    Lease(Option<LeaseState>),
}

impl Response {
    fn lease(self) -> Option<LeaseState> {
        match self {
            Self::None => None,
            Self::Lease(lease) => lease,
        }
    }
}

/// A request as its sender knows it.
struct Request {
    id: u64,
    step: Step,
    sent: Duration,
    /// When the response arrives, or `None` where it is lost.
    answered: Option<Duration>,
}

/// A request on its way. It arrives even if its sender has stopped waiting or is dead.
struct Message {
    id: u64,
    arrives: Duration,
    step: Step,
    base: Option<LeaseState>,
}

struct Process {
    name: String,
    machine: Machine,
    started: Duration,
    request: Option<Request>,
    /// The Lease that the next write replaces.
    base: Option<LeaseState>,
    frozen_until: Duration,
    shutting_down: bool,
    calling_until: Duration,
}

/// How often the simulation reached what it is for.
#[derive(Default)]
struct Counts {
    calls: u32,
    /// Calls of another process than the last one.
    handovers: u32,
    /// Handovers that came so early that the release must have been observed.
    early_handovers: u32,
    losses: u32,
    lapses: u32,
}

struct World {
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
    let mut all = Counts::default();
    for seed in 0..WORLDS {
        let mut world = World::new(seed);
        while world.now < HOUR {
            world.tick(seed);
        }
        all.calls += world.counts.calls;
        all.handovers += world.counts.handovers;
        all.early_handovers += world.counts.early_handovers;
        all.losses += world.counts.losses;
        all.lapses += world.counts.lapses;
    }
    // Without these, the property could hold merely because nothing happens.
    assert!(all.calls > 500, "{} calls", all.calls);
    assert!(all.handovers > 40, "{} handovers", all.handovers);
    assert!(
        all.early_handovers > 3,
        "{} early handovers",
        all.early_handovers
    );
    assert!(all.losses > 20, "{} losses", all.losses);
    assert!(all.lapses > 10, "{} lapses", all.lapses);
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
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

    /// A process with a new name, whose clock starts now.
    fn new_process(&mut self) -> Process {
        let name = format!("process-{}", self.next_number());
        Process {
            machine: Machine::new(name.clone(), TIMING),
            name,
            started: self.now,
            request: None,
            base: None,
            frozen_until: self.now,
            shutting_down: false,
            calling_until: Duration::ZERO,
        }
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

    fn tick(&mut self, seed: u64) {
        self.now += TICK;
        self.edit_lease();
        self.deliver();
        for one in 0..self.processes.len() {
            self.disturb(one);
            if self.processes[one].frozen_until <= self.now {
                self.advance(one);
                self.call(one, seed);
            }
        }
    }

    /// Now and then, a person deletes the Lease, empties it, gives it to a stranger, or labels it.
    fn edit_lease(&mut self) {
        if !self.once_in(s(400)) {
            return;
        }
        let version = self.next_number().to_string();
        let holder = match self.rng.random_range(0..4) {
            0 => return self.lease = None,
            1 => Some(""),
            2 => Some("stranger"),
            _ => None,
        };
        if let Some(lease) = &mut self.lease {
            lease.version = version;
            if let Some(holder) = holder {
                lease.holder = holder.into();
            }
        }
    }

    /// Now and then, a process freezes, dies and is started again, or begins to shut down.
    fn disturb(&mut self, one: usize) {
        let now = self.now;
        if self.once_in(s(200)) {
            let longest = if self.rng.random_bool(0.5) { 10 } else { 120 };
            self.processes[one].frozen_until = now + s(self.rng.random_range(0..longest));
        }
        if self.once_in(s(900)) {
            self.processes[one] = self.new_process();
        }
        if self.once_in(s(300)) {
            self.processes[one].shutting_down = true;
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
            duration: TIMING.lease_duration,
            released_by: update.released_by.clone(),
        };
        self.lease = Some(lease.clone());
        lease
    }

    /// A process takes the response to its request, or performs its next step.
    fn advance(&mut self, one: usize) {
        let now = self.now;
        let process = &mut self.processes[one];
        if process
            .machine
            .grant()
            .is_some_and(|grant| grant.lapsed(now - process.started))
        {
            self.counts.lapses += 1;
        }
        if let Some(request) = process.request.take() {
            let answered = request.answered.is_some_and(|at| at <= now);
            if !answered && now < request.sent + REQUEST_TIMEOUT {
                process.request = Some(request);
                return;
            }
            let result = self.results.remove(&request.id).filter(|_| answered);
            let response = result.map_or(Response::None, Response::Lease);
            return self.receive(one, request, response);
        }
        let step = process.machine.next(now - process.started);
        let drained = process.shutting_down && now >= process.calling_until;
        match step {
            // The process waits for its call, and is then started again.
            Step::Lost(_) if now < process.calling_until => {}
            Step::Lost(_) => {
                self.counts.losses += 1;
                self.processes[one] = self.new_process();
            }
            // A release begins with a read.
            Step::Read | Step::Write(_) | Step::Wait(_) if drained => self.send(one, Step::Read),
            Step::Read | Step::Write(_) => self.send(one, step),
            Step::Wait(_) => {}
        }
    }

    fn send(&mut self, one: usize, step: Step) {
        let (now, id) = (self.now, self.next_number());
        let rng = &mut self.rng;
        let longest = if rng.random_bool(0.9) { 200 } else { 20_000 };
        let mut delay = || Duration::from_millis(rng.random_range(10..longest));
        let arrives = now + delay();
        let answered = arrives + delay();
        let process = &mut self.processes[one];
        process.request = Some(Request {
            id,
            step: step.clone(),
            sent: now,
            answered: Some(answered).filter(|_| rng.random_bool(0.95)),
        });
        if rng.random_bool(0.95) {
            let base = process.base.clone();
            self.messages.push(Message {
                id,
                arrives,
                step,
                base,
            });
        }
    }

    /// A process starts a call whenever it may.
    fn call(&mut self, one: usize, seed: u64) {
        let (now, process) = (self.now, &mut self.processes[one]);
        let own_time = now - process.started;
        let permitted = process
            .machine
            .grant()
            .is_some_and(|grant| grant.permits(own_time, CALL).is_ok());
        if process.shutting_down || !permitted || now < process.calling_until {
            return;
        }
        if let Some((last, until)) = &self.last_call
            && *last != process.name
        {
            assert!(
                *until <= now,
                "seed {seed}: the call of {last} ends at {until:?}, and {} calls at {now:?}",
                process.name
            );
            self.counts.handovers += 1;
            self.counts.early_handovers += u32::from(now - *until < TIMING.lease_duration);
        }
        self.counts.calls += 1;
        process.calling_until = now + CALL;
        self.last_call = Some((process.name.clone(), now + CALL));
    }

    /// A process takes the response to its request.
    fn receive(&mut self, one: usize, request: Request, response: Response) {
        let process = &mut self.processes[one];
        let (sent, now) = (request.sent - process.started, self.now - process.started);
        let drained = process.shutting_down && self.now >= process.calling_until;
        match (request.step, response) {
            (Step::Write(update), written) if update.holder.is_empty() => {
                if written.lease().is_some() {
                    self.processes[one] = self.new_process();
                }
            }
            (Step::Write(_), written) => {
                let written = written.lease();
                if written.is_some() {
                    process.base.clone_from(&written);
                }
                process.machine.wrote(sent, now, written);
            }
            (Step::Read | Step::Wait(_) | Step::Lost(_), Response::None) => {
                process.machine.failed(sent, now);
            }
            (Step::Read | Step::Wait(_) | Step::Lost(_), Response::Lease(found)) => {
                process.base.clone_from(&found);
                let release = found
                    .as_ref()
                    .and_then(|found| process.machine.release(now, found));
                match release.filter(|_| drained) {
                    Some(update) => self.send(one, Step::Write(update)),
                    None => process.machine.read(sent, now, found),
                }
            }
        }
    }
}

/// Returns true when both are the same version of the same Lease, or no Lease.
fn same_version(one: &Option<LeaseState>, other: &Option<LeaseState>) -> bool {
    let key = |it: &Option<LeaseState>| it.as_ref().map(|it| (it.uid.clone(), it.version.clone()));
    key(one) == key(other)
}
