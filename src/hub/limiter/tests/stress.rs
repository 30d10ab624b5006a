//! Random requests of many keys, of which all end.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::*;
use crate::hub::limiter::places::{ALL, FOR_CALLS};
use Priority::{Routine, Urgent};

/// The requests in flight, counted by the test.
#[derive(Default)]
struct Counts {
    calls: AtomicUsize,
    observations: AtomicUsize,
    permits: AtomicUsize,
}

/// Sends a request, or stops waiting for it, and checks the limits of all keys.
async fn random(limiter: Arc<Limiter>, key: ApiKey, counts: Arc<Counts>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    sleep(ms(random.random_range(0..5000))).await;
    let priority = *[ACTIVATE, DEACTIVATE, Urgent, Routine, Routine, Routine]
        .choose(&mut random)
        .unwrap();
    let urgent = sleep(ms(random.random_range(0..3000)));
    let patience = match random.random_range(0..4) {
        0 => ms(random.random_range(0..2000)),
        _ => secs(1_000_000),
    };
    let permit = limiter.permit(&key, priority, urgent);
    let Ok(Ok(permit)) = timeout(patience, permit).await else {
        return;
    };
    counts.permits.fetch_add(1, Ordering::Relaxed);
    let count = match priority {
        Priority::Call(_) => &counts.calls,
        Urgent | Routine => &counts.observations,
    };
    count.fetch_add(1, Ordering::Relaxed);
    let observations = counts.observations.load(Ordering::Relaxed);
    let all = observations + counts.calls.load(Ordering::Relaxed);
    assert!(all <= usize::from(ALL) && observations <= usize::from(ALL - FOR_CALLS));
    sleep(ms(random.random_range(0..1000))).await;
    count.fetch_sub(1, Ordering::Relaxed);
    let feedback = match random.random_range(0..100) {
        0 => Feedback::RateLimited(Some(ms(random.random_range(0..2000)))),
        1 => Feedback::CallRateLimited,
        2 => Feedback::Unauthorized,
        3..10 => Feedback::None,
        10..20 => return drop(permit),
        _ => Feedback::Accepted,
    };
    permit.end(feedback);
}

#[tokio::test(start_paused = true)]
async fn every_request_gets_its_permit_and_nothing_is_left_of_it() {
    for (seed, keys) in [1, 2, 3, 4, 8, 20, 50, 100, 200].into_iter().enumerate() {
        let limiter = limiter(|_| ());
        let counts = Arc::new(Counts::default());
        let requests: JoinSet<()> = (0..1000_u64)
            .map(|number| {
                let key = key(&format!("k{}", number % keys));
                let seed = seed as u64 * 10_000 + number;
                random(limiter.clone(), key, counts.clone(), seed)
            })
            .collect();
        let all = timeout(secs(36_000), requests.join_all()).await;
        let state = format!("{keys} keys: {:?}", limiter.state);
        assert!(all.is_ok(), "{state}");
        assert!(counts.permits.load(Ordering::Relaxed) > 500, "{state}");
        // All places are free, no request waits, and no key is kept.
        advance(secs(7200)).await;
        request(&limiter, &key("new"), Feedback::Accepted).await;
        assert!(lock(&limiter.state).is_idle(), "{state}");
    }
}
