//! The share of each key in the places.

use super::{
    places::{FOR_OBSERVATIONS, busy},
    *,
};
use Priority::{Routine, Urgent};

/// Some keys, of which each has more requests that wait than it can ever send.
struct Backlogs {
    limiter: Arc<Limiter>,
    /// The requests in flight of each key.
    held: Vec<Arc<Mutex<Vec<InFlight>>>>,
}

impl Backlogs {
    fn new() -> Self {
        Self {
            limiter: limiter(|limits| limits.burst = 10_000),
            held: Vec::new(),
        }
    }

    async fn add_key(&mut self) {
        let key = accepted(&self.limiter, &format!("backlog{}", self.held.len())).await;
        let held = Arc::new(Mutex::new(Vec::new()));
        for number in 0..400 {
            let (limiter, key, held) = (self.limiter.clone(), key.clone(), held.clone());
            let priority = if number % 2 == 0 { Urgent } else { Routine };
            tokio::spawn(async move {
                let permit = limiter.get(&key, priority).await.unwrap();
                held.lock().unwrap().push(permit);
            });
        }
        self.held.push(held);
        settle().await;
    }

    fn in_flight(&self) -> Vec<usize> {
        let all = self.held.iter();
        all.map(|held| held.lock().unwrap().len()).collect()
    }

    /// Ends a request of a key, and returns the key that gets the place. It must be one of those
    /// that had the fewest requests in flight.
    async fn end_one(&self, key: usize) -> usize {
        let ended = self.held[key].lock().unwrap().pop().unwrap();
        let before = self.in_flight();
        ended.end(Feedback::Accepted);
        settle().await;
        let after = self.in_flight();
        let mut more = (0..after.len()).filter(|&key| after[key] > before[key]);
        let (next, None) = (more.next().unwrap(), more.next()) else {
            panic!("several keys got a place: {before:?}, {after:?}");
        };
        assert_eq!(Some(&before[next]), before.iter().min(), "{before:?}");
        next
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_with_slow_answers_gets_no_more_than_its_share_while_others_wait() {
    for keys in [2, 3, 4, 5, 6, 7, 11, 20, 56, 70] {
        let mut backlogs = Backlogs::new();
        backlogs.add_key().await;
        assert_eq!(backlogs.in_flight(), [16], "a key alone has its own limit");
        for _ in 1..keys {
            backlogs.add_key().await;
        }
        let all: usize = backlogs.in_flight().iter().sum();
        assert_eq!(all, FOR_OBSERVATIONS.min(16 * keys));
        // The first key's requests don't end, and those of the others do.
        for step in 0..4 * keys {
            let mut others = (0..keys).map(|number| 1 + (step + number) % (keys - 1));
            let ended = others.find(|&key| backlogs.in_flight()[key] > 0);
            let next = backlogs.end_one(ended.unwrap()).await;
            assert_ne!(next, 0, "{keys} keys, step {step}");
        }
        // The key with the most requests in flight always ends one, so the first key does as well.
        for _ in 0..FOR_OBSERVATIONS {
            let in_flight = backlogs.in_flight();
            let most = (0..keys).max_by_key(|&key| in_flight[key]);
            backlogs.end_one(most.unwrap()).await;
        }
        let in_flight = backlogs.in_flight();
        let shares = (FOR_OBSERVATIONS / keys).min(16)..=FOR_OBSERVATIONS.div_ceil(keys).min(16);
        let equal = in_flight.iter().all(|number| shares.contains(number));
        assert!(equal, "{keys} keys: {in_flight:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_get_free_places_in_turn() {
    let mut backlogs = Backlogs::new();
    let mut held = busy(&backlogs.limiter, FOR_OBSERVATIONS).await;
    for _ in 0..3 {
        backlogs.add_key().await;
    }
    assert_eq!(backlogs.in_flight(), [0; 3]);
    for expected in [[1, 0, 0], [1, 1, 0], [1, 1, 1], [2, 1, 1], [2, 2, 1]] {
        held.pop();
        settle().await;
        assert_eq!(backlogs.in_flight(), expected);
    }
    // Two places that are free at the same time go to two keys.
    held.truncate(held.len() - 2);
    settle().await;
    assert_eq!(backlogs.in_flight(), [3, 2, 2]);
}
