//! Three processes and a Lease in a small world of its own time, in which messages are slow and get
//! lost, processes freeze, die and are stopped, and people delete and edit the Lease. Whatever
//! happens, no two processes call at the same time.

use std::collections::HashMap;

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

const TICK: Duration = Duration::from_millis(100);
const HOUR: Duration = s(3600);
/// The longest that a call takes, and each takes as long.
const CALL: Duration = s(13);
/// For a request about the Lease.
const PATIENCE: Duration = s(5);

const WORLDS: u64 = 10;

/// A request as its sender knows it.
struct Request {
    id: u64,
    step: Step,
    sent: Duration,
    answered: Option<Duration>,
}

/// A request on its way. It arrives even when its sender has given it up or is dead.
struct Mail {
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
    /// The record that the next write rests on.
    base: Option<LeaseState>,
    frozen_until: Duration,
    stopping: bool,
    calling_until: Duration,
}

#[derive(Default)]
struct Seen {
    calls: u32,
    handovers: u32,
    clean: u32,
    lost: u32,
    lapsed: u32,
}

struct World {
    rng: StdRng,
    now: Duration,
    lease: Option<LeaseState>,
    /// For versions, names and requests.
    number: u64,
    mail: Vec<Mail>,
    /// What was read or written, by request; nothing where the write was refused.
    served: HashMap<u64, Option<LeaseState>>,
    processes: Vec<Process>,
    /// Who called last, and when that call ends.
    last_call: Option<(String, Duration)>,
    seen: Seen,
}

#[test]
fn no_two_processes_ever_call_at_the_same_time() {
    let mut all = Seen::default();
    for seed in 0..WORLDS {
        let mut world = World::new(seed);
        while world.now < HOUR {
            world.tick(seed);
        }
        all.calls += world.seen.calls;
        all.handovers += world.seen.handovers;
        all.clean += world.seen.clean;
        all.lost += world.seen.lost;
        all.lapsed += world.seen.lapsed;
    }
    // None of it held for lack of trying.
    assert!(all.calls > 500, "{} calls", all.calls);
    assert!(all.handovers > 40, "{} handovers", all.handovers);
    assert!(all.clean > 3, "{} clean ones", all.clean);
    assert!(all.lost > 20, "{} losses", all.lost);
    assert!(all.lapsed > 10, "{} lapses", all.lapsed);
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            now: s(1),
            lease: None,
            number: 0,
            mail: Vec::new(),
            served: HashMap::new(),
            processes: Vec::new(),
            last_call: None,
            seen: Seen::default(),
        };
        for _ in 0..3 {
            let process = world.born();
            world.processes.push(process);
        }
        world
    }

    /// Every life has a name and a clock of its own.
    fn born(&mut self) -> Process {
        let name = format!("life-{}", self.count());
        Process {
            machine: Machine::new(name.clone(), TIMING),
            name,
            started: self.now,
            request: None,
            base: None,
            frozen_until: self.now,
            stopping: false,
            calling_until: Duration::ZERO,
        }
    }

    fn count(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// On the average once in so long.
    fn once_in(&mut self, average: Duration) -> bool {
        self.rng
            .random_bool(TICK.as_secs_f64() / average.as_secs_f64())
    }

    fn tick(&mut self, seed: u64) {
        self.now += TICK;
        self.meddle();
        self.serve();
        for one in 0..self.processes.len() {
            self.suffer(one);
            if self.processes[one].frozen_until <= self.now {
                self.live(one);
                self.call(one, seed);
            }
        }
    }

    /// A person deletes the Lease, empties it, hands it to a stranger, or puts a label on it.
    fn meddle(&mut self) {
        if !self.once_in(s(400)) {
            return;
        }
        let version = self.count().to_string();
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

    /// It freezes, dies and is born anew, or is told to stop.
    fn suffer(&mut self, one: usize) {
        let now = self.now;
        if self.once_in(s(200)) {
            let longest = if self.rng.random_bool(0.5) { 10 } else { 120 };
            self.processes[one].frozen_until = now + s(self.rng.random_range(0..longest));
        }
        if self.once_in(s(900)) {
            self.processes[one] = self.born();
        }
        if self.once_in(s(300)) {
            self.processes[one].stopping = true;
        }
    }

    /// The server does what arrives: a write only over the very version that it rests on.
    fn serve(&mut self) {
        let now = self.now;
        let arrived: Vec<Mail> = self
            .mail
            .extract_if(.., |mail| mail.arrives <= now)
            .collect();
        for mail in arrived {
            let done = match &mail.step {
                Step::Write(update) if same(&self.lease, &mail.base) => Some(self.put(update)),
                Step::Write(_) => None,
                Step::Read | Step::Wait(_) | Step::Lost(_) => self.lease.clone(),
            };
            self.served.insert(mail.id, done);
        }
    }

    fn put(&mut self, update: &LeaseUpdate) -> LeaseState {
        let version = self.count().to_string();
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

    /// A process takes its request's answer, or makes its next one.
    fn live(&mut self, one: usize) {
        let now = self.now;
        let process = &mut self.processes[one];
        if process
            .machine
            .grant()
            .is_some_and(|grant| grant.lapsed(now - process.started))
        {
            self.seen.lapsed += 1;
        }
        if let Some(request) = process.request.take() {
            let over = request.answered.is_some_and(|at| at <= now);
            if !over && now < request.sent + PATIENCE {
                process.request = Some(request);
                return;
            }
            let answer = self.served.remove(&request.id).filter(|_| over);
            return self.hear(one, request, answer);
        }
        let step = process.machine.next(now - process.started);
        let drained = process.stopping && now >= process.calling_until;
        match step {
            // It drains, and is started again.
            Step::Lost(_) if now < process.calling_until => {}
            Step::Lost(_) => {
                self.seen.lost += 1;
                self.processes[one] = self.born();
            }
            // What lets go begins with a look.
            Step::Read | Step::Write(_) | Step::Wait(_) if drained => self.ask(one, Step::Read),
            Step::Read | Step::Write(_) => self.ask(one, step),
            Step::Wait(_) => {}
        }
    }

    fn ask(&mut self, one: usize, step: Step) {
        let (now, id) = (self.now, self.count());
        let rng = &mut self.rng;
        let slow = if rng.random_bool(0.9) { 200 } else { 20_000 };
        let mut delay = || Duration::from_millis(rng.random_range(10..slow));
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
            self.mail.push(Mail {
                id,
                arrives,
                step,
                base,
            });
        }
    }

    /// Calls whenever it may, for as long as a call can take.
    fn call(&mut self, one: usize, seed: u64) {
        let (now, process) = (self.now, &mut self.processes[one]);
        let mine = now - process.started;
        let permitted = process
            .machine
            .grant()
            .is_some_and(|it| it.permits(mine, CALL).is_ok());
        if process.stopping || !permitted || now < process.calling_until {
            return;
        }
        if let Some((last, until)) = &self.last_call
            && *last != process.name
        {
            assert!(
                *until <= now,
                "seed {seed}: {last} calls until {until:?}, and {} at {now:?}",
                process.name
            );
            self.seen.handovers += 1;
            self.seen.clean += u32::from(now - *until < TIMING.lease_duration);
        }
        self.seen.calls += 1;
        process.calling_until = now + CALL;
        self.last_call = Some((process.name.clone(), now + CALL));
    }

    /// No answer, or one: what was read or written, or nothing where there was none.
    fn hear(&mut self, one: usize, request: Request, answer: Option<Option<LeaseState>>) {
        let process = &mut self.processes[one];
        let (sent, now) = (request.sent - process.started, self.now - process.started);
        let drained = process.stopping && self.now >= process.calling_until;
        match (request.step, answer) {
            (Step::Write(update), written) if update.holder.is_empty() => {
                if written.flatten().is_some() {
                    self.processes[one] = self.born();
                }
            }
            (Step::Write(_), written) => {
                let written = written.flatten();
                if written.is_some() {
                    process.base.clone_from(&written);
                }
                process.machine.wrote(sent, now, written);
            }
            (Step::Read | Step::Wait(_) | Step::Lost(_), None) => {
                process.machine.failed(sent, now);
            }
            (Step::Read | Step::Wait(_) | Step::Lost(_), Some(found)) => {
                process.base.clone_from(&found);
                let release = found
                    .as_ref()
                    .and_then(|it| process.machine.release(now, it));
                match release.filter(|_| drained) {
                    Some(update) => self.ask(one, Step::Write(update)),
                    None => process.machine.read(sent, now, found),
                }
            }
        }
    }
}

fn same(one: &Option<LeaseState>, other: &Option<LeaseState>) -> bool {
    let key = |it: &Option<LeaseState>| it.as_ref().map(|it| (it.uid.clone(), it.version.clone()));
    key(one) == key(other)
}
