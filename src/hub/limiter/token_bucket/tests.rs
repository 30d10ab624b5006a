use std::collections::VecDeque;

use super::*;

/// One key's bucket, with a clock that the test moves.
struct Fixture {
    limits: RateLimits,
    bucket: TokenBucket,
    now: Instant,
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Fixture {
    fn new(limits: RateLimits) -> Self {
        let now = Instant::now();
        Self {
            bucket: TokenBucket::new(&limits, now),
            limits,
            now,
        }
    }

    /// A bucket whose key the hub has accepted.
    fn accepted() -> Self {
        let mut key = Self::new(RateLimits::default());
        key.bucket.health = KeyHealth::Accepted;
        key
    }

    fn later(&mut self, time: Duration) {
        self.now += time;
    }

    fn next(&mut self) -> Next {
        self.bucket.next(&self.limits, self.now)
    }

    fn send(&mut self) -> Instant {
        self.bucket.sent(self.now);
        self.now
    }

    fn end(&mut self, sent: Instant, feedback: Feedback) -> Option<Duration> {
        self.bucket.ended(&self.limits, sent, feedback, self.now)
    }

    /// Sends a request that is answered at once.
    fn request(&mut self, feedback: Feedback) -> Option<Duration> {
        let sent = self.send();
        self.end(sent, feedback)
    }

    fn rate(&mut self) -> f64 {
        self.next();
        self.bucket.rate.per_second
    }
}

#[test]
fn an_idle_key_has_a_burst_and_then_its_rate() {
    let mut key = Fixture::accepted();
    for request in 0..100 {
        assert_eq!(key.next(), Next::Go, "{request}");
        key.request(Feedback::Accepted);
    }
    assert_eq!(key.next(), Next::After(ms(20)));
    key.later(ms(20));
    assert_eq!(key.next(), Next::Go);
    key.request(Feedback::Accepted);
    assert_eq!(key.next(), Next::After(ms(20)));
    // The bucket holds no more than a burst.
    key.later(secs(3600));
    key.next();
    assert_eq!(key.bucket.rate.tokens, 100.0);
}

#[test]
fn at_most_sixteen_requests_are_in_flight() {
    let mut key = Fixture::accepted();
    let sent: Vec<Instant> = (0..16).map(|_| key.send()).collect();
    assert_eq!(key.next(), Next::AfterAnother);
    key.end(sent[0], Feedback::None);
    assert_eq!(key.next(), Next::Go);
}

#[test]
fn each_429_halves_the_rate_down_to_its_floor() {
    let mut key = Fixture::accepted();
    for rate in [
        25.0, 12.5, 6.25, 3.125, 1.5625, 0.78125, 0.390_625, 0.2, 0.2,
    ] {
        key.later(ms(1));
        key.request(Feedback::RateLimited(Some(Duration::ZERO)));
        assert_eq!(key.rate(), rate);
        assert_eq!(key.bucket.rate.tokens, 0.0, "the bucket is empty");
    }
    assert_eq!(key.next(), Next::After(secs(5)));
}

#[test]
fn the_rate_recovers_step_by_step() {
    let mut key = Fixture::accepted();
    key.request(Feedback::RateLimited(Some(secs(5))));
    // The time counts from the end of the wait.
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
        let start = key.bucket.rate.halved.unwrap();
        key.now = start + secs(at);
        assert_eq!(key.rate(), rate, "after {at} s");
    }
}

#[test]
fn a_slow_key_has_a_small_burst() {
    for (halvings, burst) in [(0, 100.0), (1, 50.0), (3, 12.5), (8, 1.0)] {
        let mut key = Fixture::accepted();
        // So that the rate stays where it is.
        key.limits.rate_recovery = secs(1_000_000);
        for _ in 0..halvings {
            key.later(ms(1));
            key.request(Feedback::RateLimited(Some(Duration::ZERO)));
        }
        key.later(secs(3600));
        key.next();
        assert_eq!(key.bucket.rate.tokens, burst, "after {halvings} halvings");
    }
}

#[test]
fn a_short_wait_is_queued_and_a_long_one_fails() {
    let mut key = Fixture::accepted();
    assert_eq!(
        key.request(Feedback::RateLimited(Some(secs(10)))),
        Some(secs(10))
    );
    for (at, next) in [
        (0, Next::RetryAfter(secs(10))),
        (7_999, Next::RetryAfter(ms(2_001))),
        (8_000, Next::After(secs(2))),
        (9_999, Next::After(ms(1))),
        (10_000, Next::After(ms(40))), // the first token, at half the rate
        (10_040, Next::Go),
    ] {
        key.now = key.bucket.rate.halved.unwrap() + ms(at);
        assert_eq!(key.next(), next, "at {at} ms");
    }
}

#[test]
fn the_longest_retry_after_holds() {
    let mut key = Fixture::accepted();
    let sent = [key.send(), key.send(), key.send()];
    key.end(sent[0], Feedback::RateLimited(Some(secs(10))));
    key.end(sent[1], Feedback::RateLimited(Some(secs(3))));
    assert_eq!(key.next(), Next::RetryAfter(secs(10)));
    key.later(secs(5));
    key.end(sent[2], Feedback::RateLimited(Some(secs(7))));
    assert_eq!(key.next(), Next::RetryAfter(secs(7)));
}

#[test]
fn a_request_sent_before_a_halving_halves_nothing() {
    let mut key = Fixture::accepted();
    let sent: Vec<Instant> = (0..16).map(|_| key.send()).collect();
    key.later(ms(50));
    for sent in sent {
        key.end(sent, Feedback::RateLimited(Some(Duration::ZERO)));
    }
    assert_eq!(key.rate(), 25.0);
}

#[test]
fn the_wait_after_a_429_without_retry_after_doubles() {
    let mut key = Fixture::accepted();
    let mut limited = || {
        key.later(secs(400));
        key.request(Feedback::RateLimited(None)).unwrap().as_secs()
    };
    let waits: Vec<u64> = (0..11).map(|_| limited()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    key.later(secs(400));
    key.request(Feedback::Accepted);
    key.later(secs(400));
    assert_eq!(key.request(Feedback::RateLimited(None)), Some(secs(1)));
}

/// The number of requests that may be in flight at once; zero for a refused key.
fn concurrency(key: &mut Fixture) -> usize {
    let mut sent = Vec::new();
    while key.next() == Next::Go {
        sent.push(key.send());
    }
    // Undo the requests.
    key.bucket.in_flight = 0;
    key.bucket.rate.tokens = 100.0;
    sent.len()
}

#[test]
fn a_key_is_refused_after_three_401s_in_a_row() {
    use Feedback::{Accepted as A, Cancelled as C, None as N, Unauthorized as R};
    let limit = Feedback::RateLimited(Some(Duration::ZERO));
    for (feedback, allowed) in [
        (&[][..], 1),
        (&[A], 16),
        (&[N], 16),
        (&[limit], 16),
        (&[Feedback::CallRateLimited], 16),
        (&[R], 1),
        (&[R, R], 1),
        (&[R, R, R], 0),
        (&[A, A, R, R, R], 0),
        // A cancelled request says nothing about its key.
        (&[C], 1),
        (&[R, R, C], 1),
        (&[R, C, R, C, R], 0),
        (&[A, C], 16),
        // Such a 401 is about one model, or a passing fault.
        (&[R, R, A], 16),
        (&[R, A, R, R], 1),
        (&[R, R, N, R], 1),
        // These were in flight when the key was refused.
        (&[R, R, R, R, R], 0),
        (&[R, R, R, N], 0),
        (&[R, R, R, C], 0),
        (&[R, R, R, A], 16),
    ] {
        let mut key = Fixture::new(RateLimits::default());
        for feedback in feedback {
            key.request(*feedback);
            key.later(ms(1));
        }
        key.bucket.rate.tokens = 100.0;
        key.later(secs(1));
        assert_eq!(concurrency(&mut key), allowed, "{feedback:?}");
    }
}

#[test]
fn a_refused_key_sends_one_request_at_a_time() {
    let mut key = Fixture::new(RateLimits::default());
    for _ in 0..3 {
        key.request(Feedback::Unauthorized);
    }
    for feedback in [
        Feedback::Unauthorized,
        Feedback::None,
        Feedback::Unauthorized,
    ] {
        assert_eq!(key.next(), Next::Unauthorized);
        key.later(ms(299_999));
        assert_eq!(key.next(), Next::Unauthorized);
        key.later(ms(1));
        assert_eq!(key.next(), Next::Go);
        let sent = key.send();
        assert_eq!(key.next(), Next::AfterAnother, "one at a time");
        key.end(sent, feedback);
    }
    key.later(secs(300));
    key.request(Feedback::Cancelled);
    assert_eq!(key.next(), Next::Go, "the permit is still to be used");
    key.request(Feedback::Accepted);
    assert_eq!(concurrency(&mut key), 16);
}

#[test]
fn an_unused_key_expires() {
    let hour = secs(3600);
    let limited = Feedback::RateLimited(Some(secs(7200)));
    for (feedback, after, expired) in [
        (&[Feedback::Accepted][..], hour - ms(1), false),
        (&[Feedback::Accepted], hour, true),
        (&[limited], hour, false),
        (&[limited], hour * 2, true),
        (&[Feedback::Unauthorized; 3], hour, true),
    ] {
        let mut key = Fixture::new(RateLimits::default());
        for feedback in feedback {
            key.request(*feedback);
        }
        let then = key.now + after;
        assert_eq!(
            key.bucket.is_expired(then),
            expired,
            "{feedback:?} {after:?}"
        );
    }
}

/// The result of a client that always has a request to send, against a hub with a limit.
struct Run {
    passed: usize,
    refused: usize,
    /// The most requests in any one second, after the first ten seconds.
    most: usize,
}

/// Runs against a hub that accepts `limit` requests per second and answers after 50 ms.
fn against(limit: usize, time: Duration) -> Run {
    let mut key = Fixture::new(RateLimits::default());
    let start = key.now;
    let (mut in_flight, mut window) = (VecDeque::new(), VecDeque::new());
    let mut second = VecDeque::new();
    let mut run = Run {
        passed: 0,
        refused: 0,
        most: 0,
    };
    while key.now < start + time {
        let now = key.now;
        while let Some((sent, feedback)) = in_flight.front().copied()
            && now >= sent + ms(50)
        {
            key.end(sent, feedback);
            in_flight.pop_front();
        }
        while key.next() == Next::Go {
            window.retain(|then| now < *then + secs(1));
            second.retain(|then| now < *then + secs(1));
            second.push_back(now);
            if now > start + secs(10) {
                run.most = run.most.max(second.len());
            }
            let passes = window.len() < limit;
            let feedback = if passes {
                window.push_back(now);
                run.passed += 1;
                Feedback::Accepted
            } else {
                run.refused += 1;
                Feedback::RateLimited(Some(secs(1)))
            };
            in_flight.push_back((key.send(), feedback));
        }
        key.later(ms(5));
    }
    run
}

#[test]
fn the_rate_adapts_to_a_hub_that_allows_five_requests_per_second() {
    let run = against(5, secs(600));
    let all = run.passed + run.refused;
    assert!(run.refused * 20 < all, "{} of {all} refused", run.refused);
    assert!(run.most <= 7, "{} in a second", run.most);
    assert!(run.passed >= 600 * 3, "{} of 3000 passed", run.passed);
}

#[test]
fn a_hub_without_limit_gets_the_whole_rate() {
    let run = against(1000, secs(60));
    assert_eq!(run.refused, 0);
    assert!((3000..=3100).contains(&run.passed), "{}", run.passed);
}
