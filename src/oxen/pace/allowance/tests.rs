use std::collections::VecDeque;

use super::*;

/// One key's allowance, with a clock that a test moves.
struct Line {
    bounds: Bounds,
    allowance: Allowance,
    now: Instant,
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Line {
    fn new(bounds: Bounds) -> Self {
        let now = Instant::now();
        Self {
            allowance: Allowance::new(&bounds, now),
            bounds,
            now,
        }
    }

    /// One whose key the hub has taken once.
    fn trusted() -> Self {
        let mut line = Self::new(Bounds::default());
        line.allowance.trust = Trust::Taken;
        line
    }

    fn later(&mut self, time: Duration) {
        self.now += time;
    }

    fn next(&mut self) -> Next {
        self.allowance.next(&self.bounds, self.now)
    }

    fn send(&mut self) -> Instant {
        self.allowance.sent(self.now);
        self.now
    }

    fn end(&mut self, sent: Instant, heard: Heard) -> Option<Duration> {
        self.allowance.ended(&self.bounds, sent, heard, self.now)
    }

    /// A request that is answered on the spot.
    fn hear(&mut self, heard: Heard) -> Option<Duration> {
        let sent = self.send();
        self.end(sent, heard)
    }

    fn rate(&mut self) -> f64 {
        self.next();
        self.allowance.rate
    }
}

#[test]
fn a_quiet_key_has_a_burst_and_then_its_rate() {
    let mut line = Line::trusted();
    for request in 0..100 {
        assert_eq!(line.next(), Next::Go, "{request}");
        line.hear(Heard::Answer);
    }
    assert_eq!(line.next(), Next::After(ms(20)));
    line.later(ms(20));
    assert_eq!(line.next(), Next::Go);
    line.hear(Heard::Answer);
    assert_eq!(line.next(), Next::After(ms(20)));
    // No more than a burst is saved up.
    line.later(secs(3600));
    line.next();
    assert_eq!(line.allowance.tokens, 100.0);
}

#[test]
fn sixteen_requests_are_in_flight_and_no_more() {
    let mut line = Line::trusted();
    let sent: Vec<Instant> = (0..16).map(|_| line.send()).collect();
    assert_eq!(line.next(), Next::AfterAnother);
    line.end(sent[0], Heard::Nothing);
    assert_eq!(line.next(), Next::Go);
}

#[test]
fn each_429_halves_the_rate_down_to_its_floor() {
    let mut line = Line::trusted();
    for rate in [
        25.0, 12.5, 6.25, 3.125, 1.5625, 0.78125, 0.390_625, 0.2, 0.2,
    ] {
        line.later(ms(1));
        line.hear(Heard::Limit(Some(Duration::ZERO)));
        assert_eq!(line.rate(), rate);
        assert_eq!(line.allowance.tokens, 0.0, "the bucket is empty");
    }
    assert_eq!(line.next(), Next::After(secs(5)));
}

#[test]
fn quiet_time_raises_the_rate_step_by_step_to_its_ceiling() {
    let mut line = Line::trusted();
    line.hear(Heard::Limit(Some(secs(5))));
    // From the end of the rest, which is no quiet time.
    for (at, rate) in [
        (5, 25.0),
        (14, 25.0),
        (15, 26.0),
        (24, 26.0),
        (25, 27.0),
        (55, 30.0),
        (254, 49.0),
        (255, 50.0),
        (600, 50.0),
        (100_000, 50.0),
    ] {
        let start = line.allowance.halved.unwrap();
        line.now = start + secs(at);
        assert_eq!(line.rate(), rate, "after {at} s");
    }
}

#[test]
fn a_slow_key_has_a_small_burst() {
    for (halvings, burst) in [(0, 100.0), (1, 50.0), (3, 12.5), (8, 1.0)] {
        let mut line = Line::trusted();
        // So that the rate stays where it is.
        line.bounds.raise = secs(1_000_000);
        for _ in 0..halvings {
            line.later(ms(1));
            line.hear(Heard::Limit(Some(Duration::ZERO)));
        }
        line.later(secs(3600));
        line.next();
        assert_eq!(line.allowance.tokens, burst, "after {halvings} halvings");
    }
}

#[test]
fn a_short_rest_is_waited_out_and_a_long_one_is_told() {
    let mut line = Line::trusted();
    assert_eq!(line.hear(Heard::Limit(Some(secs(10)))), Some(secs(10)));
    for (at, next) in [
        (0, Next::Rest(secs(10))),
        (7_999, Next::Rest(ms(2_001))),
        (8_000, Next::After(secs(2))),
        (9_999, Next::After(ms(1))),
        (10_000, Next::After(ms(40))), // the first token, at half the rate
        (10_040, Next::Go),
    ] {
        line.now = line.allowance.halved.unwrap() + ms(at);
        assert_eq!(line.next(), next, "at {at} ms");
    }
}

#[test]
fn the_longest_rest_asked_for_holds() {
    let mut line = Line::trusted();
    let sent = [line.send(), line.send(), line.send()];
    line.end(sent[0], Heard::Limit(Some(secs(10))));
    line.end(sent[1], Heard::Limit(Some(secs(3))));
    assert_eq!(line.next(), Next::Rest(secs(10)));
    line.later(secs(5));
    line.end(sent[2], Heard::Limit(Some(secs(7))));
    assert_eq!(line.next(), Next::Rest(secs(7)));
}

#[test]
fn what_went_out_before_a_halving_halves_nothing_again() {
    let mut line = Line::trusted();
    let sent: Vec<Instant> = (0..16).map(|_| line.send()).collect();
    line.later(ms(50));
    for sent in sent {
        line.end(sent, Heard::Limit(Some(Duration::ZERO)));
    }
    assert_eq!(line.rate(), 25.0);
}

#[test]
fn a_429_without_a_time_rests_for_twice_as_long_each_time_in_a_row() {
    let mut line = Line::trusted();
    let mut limited = || {
        line.later(secs(400));
        line.hear(Heard::Limit(None)).unwrap().as_secs()
    };
    let rests: Vec<u64> = (0..11).map(|_| limited()).collect();
    assert_eq!(rests, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    line.later(secs(400));
    line.hear(Heard::Answer);
    line.later(secs(400));
    assert_eq!(line.hear(Heard::Limit(None)), Some(secs(1)));
}

/// How many may be in flight at once; none where the key is taken for refused.
fn at_once(line: &mut Line) -> usize {
    let mut sent = Vec::new();
    while line.next() == Next::Go {
        sent.push(line.send());
    }
    // As if they had not been.
    line.allowance.in_flight = 0;
    line.allowance.tokens = 100.0;
    sent.len()
}

#[test]
fn a_key_is_refused_after_three_401_in_a_row_and_tried_alone_before() {
    use Heard::{Answer as A, Nothing as N, Refusal as R};
    let limit = Heard::Limit(Some(Duration::ZERO));
    for (heard, allowed) in [
        (&[][..], 1),
        (&[A], 16),
        (&[N], 16),
        (&[limit], 16),
        (&[R], 1),
        (&[R, R], 1),
        (&[R, R, R], 0),
        (&[A, A, R, R, R], 0),
        // About one model, or a hiccup.
        (&[R, R, A], 16),
        (&[R, A, R, R], 1),
        (&[R, R, N, R], 1),
        // In flight when the key was refused.
        (&[R, R, R, R, R], 0),
        (&[R, R, R, N], 0),
        (&[R, R, R, A], 16),
    ] {
        let mut line = Line::new(Bounds::default());
        for heard in heard {
            line.hear(*heard);
            line.later(ms(1));
        }
        line.allowance.tokens = 100.0;
        line.later(secs(1));
        assert_eq!(at_once(&mut line), allowed, "{heard:?}");
    }
}

#[test]
fn a_refused_key_makes_one_probe_each_time() {
    let mut line = Line::new(Bounds::default());
    for _ in 0..3 {
        line.hear(Heard::Refusal);
    }
    for probe in [Heard::Refusal, Heard::Nothing, Heard::Refusal] {
        assert_eq!(line.next(), Next::Refused);
        line.later(ms(299_999));
        assert_eq!(line.next(), Next::Refused);
        line.later(ms(1));
        assert_eq!(line.next(), Next::Go);
        let sent = line.send();
        assert_eq!(line.next(), Next::AfterAnother, "one at a time");
        line.end(sent, probe);
    }
    line.later(secs(300));
    line.hear(Heard::Answer);
    assert_eq!(at_once(&mut line), 16);
}

#[test]
fn a_key_is_forgotten_once_nobody_would_miss_it() {
    let hour = secs(3600);
    let rest = Heard::Limit(Some(secs(7200)));
    for (heard, after, forgettable) in [
        (&[Heard::Answer][..], hour - ms(1), false),
        (&[Heard::Answer], hour, true),
        (&[rest], hour, false),
        (&[rest], hour * 2, true),
        (&[Heard::Refusal; 3], hour, true),
    ] {
        let mut line = Line::new(Bounds::default());
        for heard in heard {
            line.hear(*heard);
        }
        let then = line.now + after;
        assert_eq!(
            line.allowance.is_forgettable(then),
            forgettable,
            "{heard:?} {after:?}"
        );
    }
}

/// What a client that always has something to ask makes of a hub with a limit.
struct Run {
    passed: usize,
    refused: usize,
    /// The most requests in any one second, once the client had ten seconds to learn.
    most: usize,
}

/// A hub that lets so many requests pass in any one second and answers after 50 ms.
fn against(limit: usize, time: Duration) -> Run {
    let mut line = Line::new(Bounds::default());
    let start = line.now;
    let (mut flying, mut window) = (VecDeque::new(), VecDeque::new());
    let mut second = VecDeque::new();
    let mut run = Run {
        passed: 0,
        refused: 0,
        most: 0,
    };
    while line.now < start + time {
        let now = line.now;
        while let Some((sent, heard)) = flying.front().copied()
            && now >= sent + ms(50)
        {
            line.end(sent, heard);
            flying.pop_front();
        }
        while line.next() == Next::Go {
            window.retain(|then| now < *then + secs(1));
            second.retain(|then| now < *then + secs(1));
            second.push_back(now);
            if now > start + secs(10) {
                run.most = run.most.max(second.len());
            }
            let passes = window.len() < limit;
            let heard = if passes {
                window.push_back(now);
                run.passed += 1;
                Heard::Answer
            } else {
                run.refused += 1;
                Heard::Limit(Some(secs(1)))
            };
            flying.push_back((line.send(), heard));
        }
        line.later(ms(5));
    }
    run
}

#[test]
fn a_hub_that_allows_five_requests_a_second_is_not_driven_harder_for_long() {
    let run = against(5, secs(600));
    let all = run.passed + run.refused;
    assert!(run.refused * 20 < all, "{} of {all} refused", run.refused);
    assert!(run.most <= 7, "{} in a second", run.most);
    assert!(run.passed >= 600 * 3, "{} of 3000 passed", run.passed);
}

#[test]
fn a_hub_that_allows_everything_gets_the_whole_rate() {
    let run = against(1000, secs(60));
    assert_eq!(run.refused, 0);
    assert!((3000..=3100).contains(&run.passed), "{}", run.passed);
}
