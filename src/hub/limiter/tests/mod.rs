mod places;
mod queue;
mod shares;
mod stress;

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    sync::mpsc,
    task::{JoinHandle, JoinSet, yield_now},
    time::{advance, timeout},
};

use super::*;

const ACTIVATE: Priority = Priority::Call(OperationKind::Activate);
const DEACTIVATE: Priority = Priority::Call(OperationKind::Deactivate);

fn key(name: &str) -> ApiKey {
    ApiKey::new(name.as_bytes()).unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn limiter(change: impl FnOnce(&mut RateLimits)) -> Arc<Limiter> {
    let mut limits = RateLimits::default();
    change(&mut limits);
    Arc::new(Limiter::new(limits))
}

/// Sends a request that ends with this feedback.
async fn request(limiter: &Limiter, key: &ApiKey, feedback: Feedback) {
    let permit = limiter.get(key, Priority::Urgent).await.unwrap();
    permit.end(feedback);
}

impl Limiter {
    /// Waits for a permit of a request that never becomes urgent.
    async fn get(&self, key: &ApiKey, priority: Priority) -> Result<InFlight, PermitError> {
        self.permit(key, priority, future::pending()).await
    }
}

/// A key that the hub has accepted, so that it sends several requests at once.
async fn accepted(limiter: &Limiter, name: &str) -> ApiKey {
    let key = key(name);
    // A call gets a place also when observations hold all of theirs.
    let permit = limiter.get(&key, DEACTIVATE).await.unwrap();
    permit.end(Feedback::Accepted);
    key
}

type Queued = JoinHandle<Result<InFlight, PermitError>>;

/// Makes a request wait in the background.
fn queue(limiter: &Arc<Limiter>, key: &ApiKey, priority: Priority) -> Queued {
    let (limiter, key) = (limiter.clone(), key.clone());
    tokio::spawn(async move { limiter.get(&key, priority).await })
}

/// Lets everything happen that needs no time. The clock moves on only when all tasks wait.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn objects_of_a_key_get_equally_many_permits() {
    let (limiter, key) = (limiter(|limits| limits.burst = 1), key("k"));
    let mut objects = JoinSet::new();
    for _ in 0..10 {
        let (limiter, key) = (limiter.clone(), key.clone());
        objects.spawn(async move {
            let mut permits = 0_u32;
            let polling = async {
                loop {
                    request(&limiter, &key, Feedback::Accepted).await;
                    permits += 1;
                }
            };
            let _ = timeout(secs(20), polling).await;
            permits
        });
    }
    let permits = objects.join_all().await;
    let (least, most) = (permits.iter().min().unwrap(), permits.iter().max().unwrap());
    assert!(most - least <= 1 && *least >= 99, "{permits:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_burst_go_out_at_the_rate() {
    let (limiter, key) = (limiter(|_| ()), key("k"));
    let started = Instant::now();
    for _ in 0..600 {
        request(&limiter, &key, Feedback::Accepted).await;
    }
    // A burst of 100, and 50 a second.
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_limited_key_delays_no_other_key() {
    let (limiter, one, other) = (limiter(|_| ()), key("one"), key("other"));
    request(&limiter, &one, Feedback::RateLimited(Some(secs(60)))).await;
    let denied = limiter.get(&one, ACTIVATE).await.unwrap_err();
    assert_eq!(denied, PermitError::RetryAfter(secs(60)));
    let permit = limiter.get(&other, Priority::Urgent).await.unwrap();
    assert_eq!(permit.waited, Duration::ZERO);
}

/// The time that this number of requests takes, one after the other.
async fn time_of(limiter: &Limiter, key: &ApiKey, priority: Priority, requests: u32) -> Duration {
    let started = Instant::now();
    for _ in 0..requests {
        let permit = limiter.get(key, priority).await.unwrap();
        permit.end(Feedback::Accepted);
    }
    started.elapsed()
}

/// A limiter whose key got this number of 429s to calls in a row.
async fn after_limited_calls(limited: u32, call: Priority) -> (Arc<Limiter>, ApiKey) {
    let (limiter, key) = (limiter(|limits| limits.burst = 1), key("k"));
    for _ in 0..limited {
        advance(ms(1)).await;
        let permit = limiter.get(&key, call).await.unwrap();
        assert_eq!(permit.end(Feedback::CallRateLimited), None);
    }
    (limiter, key)
}

#[tokio::test(start_paused = true)]
async fn a_429_to_a_call_halves_the_rate_of_activate_calls_and_of_no_other_request() {
    for call in [ACTIVATE, DEACTIVATE] {
        let (limiter, key) = after_limited_calls(1, call).await;
        for (priority, least) in [
            (DEACTIVATE, 2000),
            (Priority::Urgent, 2000),
            (ACTIVATE, 3900),
        ] {
            let taken = time_of(&limiter, &key, priority, 100).await.as_millis();
            assert!(
                (least..least + 101).contains(&taken),
                "{priority:?}: {taken}"
            );
        }
        // Another key has limits of its own.
        let other = super::tests::key("other");
        let taken = time_of(&limiter, &other, ACTIVATE, 100).await.as_millis();
        assert!((1980..=2000).contains(&taken), "{taken}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_activate_call_that_waits_for_its_rate_delays_no_other_request() {
    let (limiter, key) = after_limited_calls(20, DEACTIVATE).await;
    let waiting: JoinSet<_> = (0..5)
        .map(|_| {
            let (limiter, key) = (limiter.clone(), key.clone());
            async move { limiter.get(&key, ACTIVATE).await.map(|_| ()) }
        })
        .collect();
    yield_now().await;
    let started = Instant::now();
    for priority in [DEACTIVATE, Priority::Urgent] {
        let taken = time_of(&limiter, &key, priority, 50).await;
        assert!(taken <= secs(1), "{priority:?}: {taken:?}");
    }
    // The slowest rate is one in five seconds, and it rises in the meantime.
    assert!(waiting.join_all().await.iter().all(Result::is_ok));
    assert!(started.elapsed() > secs(5), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_rate_of_activate_calls_recovers() {
    let (limiter, key) = after_limited_calls(20, ACTIVATE).await;
    assert!(time_of(&limiter, &key, ACTIVATE, 2).await > secs(4));
    advance(secs(600)).await;
    let taken = time_of(&limiter, &key, ACTIVATE, 101).await.as_millis();
    assert!((1980..=2000).contains(&taken), "{taken}");
}

#[tokio::test(start_paused = true)]
async fn calls_that_went_out_before_a_halving_halve_nothing() {
    let (limiter, key) = (limiter(|_| ()), key("k"));
    request(&limiter, &key, Feedback::Accepted).await;
    let mut sent = Vec::new();
    for _ in 0..16 {
        sent.push(limiter.get(&key, ACTIVATE).await.unwrap());
    }
    advance(ms(50)).await;
    for permit in sent {
        permit.end(Feedback::CallRateLimited);
    }
    let rate = lock(&limiter.state).keys[&key].activation_rate.per_second;
    assert_eq!(rate, 25.0);
}

#[tokio::test(start_paused = true)]
async fn queued_requests_wait_for_a_short_retry_after_and_fail_after_a_long_one() {
    for (wait, fails) in [(secs(60), true), (secs(2), false)] {
        let (limiter, key) = (limiter(|limits| limits.in_flight = 1), key("k"));
        let permit = limiter.get(&key, Priority::Urgent).await.unwrap();
        let waiting: JoinSet<_> = (0..5)
            .map(|_| {
                let (limiter, key) = (limiter.clone(), key.clone());
                async move { limiter.get(&key, Priority::Urgent).await.map(|_| ()) }
            })
            .collect();
        yield_now().await;
        let started = Instant::now();
        permit.end(Feedback::RateLimited(Some(wait)));
        for waited in waiting.join_all().await {
            let expected = if fails {
                Err(PermitError::RetryAfter(wait))
            } else {
                Ok(())
            };
            assert_eq!(waited, expected);
        }
        assert_eq!(started.elapsed() < wait, fails);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_key_on_a_thousand_objects_sends_few_requests() {
    let (limiter, key) = (limiter(|_| ()), key("bad"));
    let requests = Arc::new(AtomicUsize::new(0));
    let mut observe = |_| {
        let (limiter, key, requests) = (limiter.clone(), key.clone(), requests.clone());
        async move {
            if let Ok(permit) = limiter.get(&key, Priority::Urgent).await {
                requests.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(50)).await;
                permit.end(Feedback::Unauthorized);
            }
        }
    };
    for expected in [3, 4, 5] {
        for _ in 0..2 {
            (0..1000)
                .map(&mut observe)
                .collect::<JoinSet<_>>()
                .join_all()
                .await;
            assert_eq!(requests.load(Ordering::Relaxed), expected);
        }
        advance(secs(300)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn unused_keys_are_removed() {
    let limiter = limiter(|_| ());
    for number in 0..100 {
        request(&limiter, &key(&format!("k{number}")), Feedback::Accepted).await;
        advance(secs(600)).await;
        let known = lock(&limiter.state).keys.len();
        assert!(known <= 7, "{known}");
    }
}
