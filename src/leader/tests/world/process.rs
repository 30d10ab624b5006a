//! The processes of the simulation. They do what the driver and the program do.

use super::*;

/// The timeout of a request about the Lease.
const REQUEST_TIMEOUT: Duration = s(5);

/// The time by which the renew deadline exceeds the longest call.
const RENEW_MARGIN: Duration = s(7);

pub(super) struct Process {
    pub(super) name: String,
    machine: Machine,
    timing: Timing,
    started: Duration,
    /// How many seconds of the process's clock pass in a second.
    rate: f64,
    request: Option<Request>,
    /// The Lease that the next write replaces.
    base: Option<LeaseState>,
    pub(super) frozen_until: Duration,
    /// Until then, the API server gets none of its writes.
    cut_off_until: Duration,
    shutting_down: bool,
    calling_until: Duration,
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
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) arrives: Duration,
    pub(super) step: Step,
    pub(super) base: Option<LeaseState>,
}

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

impl Process {
    /// The time on the process's own clock.
    fn own(&self, time: Duration) -> Duration {
        (time - self.started).mul_f64(self.rate)
    }

    /// The longest time that a call can take, on the process's own clock. Each call takes that
    /// long.
    fn call_timeout(&self) -> Duration {
        self.timing.renew_deadline - RENEW_MARGIN
    }

    /// Returns true when the process may start a call.
    fn may_call(&self, now: Duration) -> bool {
        let grant = self.machine.grant();
        let permits = |grant: Grant| grant.permits(self.own(now), self.call_timeout()).is_ok();
        !self.shutting_down && now >= self.calling_until && grant.is_some_and(permits)
    }
}

impl World {
    /// A process with a new name, whose clock starts now.
    pub(super) fn new_process(&mut self) -> Process {
        let name = format!("process-{}", self.next_number());
        let timings = self.setup.timings;
        let timing = timings[self.rng.random_range(0..timings.len())];
        Process {
            machine: Machine::new(name.clone(), timing),
            name,
            timing,
            started: self.now,
            rate: self.rng.random_range(self.setup.rates.clone()),
            request: None,
            base: None,
            frozen_until: self.now,
            cut_off_until: self.now,
            shutting_down: false,
            calling_until: Duration::ZERO,
        }
    }

    /// Now and then, a process freezes, can't write, dies and is started again, or begins to shut
    /// down.
    pub(super) fn disturb(&mut self, one: usize) {
        let now = self.now;
        if self.once_in(s(200)) {
            let longest = if self.rng.random_bool(0.5) { 10 } else { 120 };
            self.processes[one].frozen_until = now + s(self.rng.random_range(0..longest));
        }
        if self.once_in(s(200)) {
            self.processes[one].cut_off_until = now + s(self.rng.random_range(0..60));
        }
        if self.once_in(s(900)) {
            self.processes[one] = self.new_process();
        }
        if self.once_in(s(200)) {
            self.processes[one].shutting_down = true;
        }
    }

    /// A process takes the response to its request, or performs its next step.
    pub(super) fn advance(&mut self, one: usize) {
        let now = self.now;
        let process = &mut self.processes[one];
        let lapsed = |grant: Grant| grant.lapsed(process.own(now));
        self.counts.lapses += u32::from(process.machine.grant().is_some_and(lapsed));
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
        let step = process.machine.next(process.own(now));
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
        let cut_off = now < process.cut_off_until && matches!(step, Step::Write(_));
        if !cut_off && rng.random_bool(0.95) {
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
    pub(super) fn call(&mut self, one: usize) {
        let (now, seed, process) = (self.now, self.seed, &mut self.processes[one]);
        if !process.may_call(now) {
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
            match process.machine.takeover() {
                Some(Takeover::Released) => self.counts.after_release += 1,
                Some(Takeover::Expired) => self.counts.after_expiry += 1,
                Some(Takeover::Unobserved) => self.counts.after_wait += 1,
                None => panic!("{} calls and doesn't lead", process.name),
            }
        }
        self.counts.calls += 1;
        process.calling_until = now + process.call_timeout().div_f64(process.rate);
        self.last_call = Some((process.name.clone(), process.calling_until));
    }

    /// A process takes the response to its request.
    fn receive(&mut self, one: usize, request: Request, response: Response) {
        let process = &mut self.processes[one];
        let (sent, now) = (process.own(request.sent), process.own(self.now));
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
