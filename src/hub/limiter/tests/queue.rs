//! The queue of one key.

use std::{collections::HashMap, pin::pin};

use futures::FutureExt;
use tokio::sync::oneshot;

use super::*;
use Priority::{Routine, Urgent};

/// Requests of one key, which sends one at a time.
struct Line {
    limiter: Arc<Limiter>,
    key: ApiKey,
    /// What each waiting request becomes urgent by.
    urge: HashMap<&'static str, oneshot::Sender<()>>,
    /// The names of the requests in the order in which they get permits.
    sender: mpsc::UnboundedSender<&'static str>,
    receiver: mpsc::UnboundedReceiver<&'static str>,
}

impl Line {
    fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            limiter: limiter(|limits| limits.in_flight = 1),
            key: key("k"),
            urge: HashMap::new(),
            sender,
            receiver,
        }
    }

    async fn add(&mut self, name: &'static str, priority: Priority) {
        let (urge, urgent) = oneshot::channel();
        self.urge.insert(name, urge);
        let (limiter, key, sender) = (self.limiter.clone(), self.key.clone(), self.sender.clone());
        tokio::spawn(async move {
            let urgent = urgent.map(|_| ());
            let permit = limiter.permit(&key, priority, urgent).await.unwrap();
            sender.send(name).unwrap();
            // The request is in flight for a while.
            sleep(secs(1)).await;
            permit.end(Feedback::Accepted);
        });
        settle().await;
    }

    async fn becomes_urgent(&mut self, name: &str) {
        self.urge.remove(name).unwrap().send(()).unwrap();
        settle().await;
    }

    async fn order(mut self) -> Vec<&'static str> {
        drop(self.sender);
        let mut all = Vec::new();
        while let Some(name) = self.receiver.recv().await {
            all.push(name);
        }
        all
    }
}

#[tokio::test(start_paused = true)]
async fn calls_go_before_urgent_observations_and_those_before_routine_ones() {
    let mut line = Line::new();
    for (name, priority) in [
        ("first", Routine),
        ("a", Routine),
        ("u", Urgent),
        ("b", Routine),
        ("on", ACTIVATE),
        ("v", Urgent),
        ("c", Routine),
        ("off", DEACTIVATE),
    ] {
        line.add(name, priority).await;
    }
    let order = line.order().await;
    assert_eq!(order, ["first", "on", "off", "u", "v", "a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_routine_request_that_becomes_urgent_is_the_last_urgent_one() {
    // The one that becomes urgent while `first` is in flight, and the order that follows.
    for (moves, order) in [
        // The head of the routine requests, and one behind it.
        ("a", ["on", "u", "v", "a", "w", "b", "c"]),
        ("b", ["on", "u", "v", "b", "w", "a", "c"]),
        // The last one.
        ("c", ["on", "u", "v", "c", "w", "a", "b"]),
        // Nothing is more urgent than these.
        ("u", ["on", "u", "v", "w", "a", "b", "c"]),
        ("on", ["on", "u", "v", "w", "a", "b", "c"]),
    ] {
        let mut line = Line::new();
        for (name, priority) in [
            ("first", Urgent),
            ("a", Routine),
            ("b", Routine),
            ("c", Routine),
            ("u", Urgent),
            ("v", Urgent),
            ("on", ACTIVATE),
        ] {
            line.add(name, priority).await;
        }
        line.urge.remove(moves).map(|urge| urge.send(()));
        settle().await;
        line.add("w", Urgent).await;
        let all = line.order().await;
        assert_eq!(all[0], "first");
        assert_eq!(all[1..], order, "{moves}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_routine_request_that_waits_alone_moves_up_when_it_becomes_urgent() {
    let mut line = Line::new();
    line.add("first", Urgent).await;
    line.add("a", Routine).await;
    line.becomes_urgent("a").await;
    line.add("b", Urgent).await;
    line.add("c", Routine).await;
    assert_eq!(line.order().await, ["first", "a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_urgent_from_the_start_goes_before_routine_ones() {
    let (limiter, key) = (limiter(|limits| limits.in_flight = 1), key("k"));
    let first = limiter.get(&key, Urgent).await.unwrap();
    let routine = queue(&limiter, &key, Routine);
    settle().await;
    let mut urgent = pin!(limiter.permit(&key, Routine, future::ready(())));
    assert!((&mut urgent).now_or_never().is_none());
    first.end(Feedback::Accepted);
    let permit = timeout(secs(1), urgent).await.unwrap().unwrap();
    assert!(!routine.is_finished());
    permit.end(Feedback::Accepted);
    settle().await;
    assert!(routine.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_waiting_blocks_nobody() {
    let (limiter, key) = (limiter(|limits| limits.in_flight = 1), key("k"));
    let permit = limiter.get(&key, Priority::Urgent).await.unwrap();
    // A call at the head of its queue, which an observation waits for.
    let (for_call, for_observation) = (
        limiter.get(&key, ACTIVATE),
        limiter.get(&key, Priority::Urgent),
    );
    let mut for_call = Box::pin(for_call);
    let observation = tokio::spawn({
        let (limiter, key) = (limiter.clone(), key.clone());
        async move { limiter.get(&key, Priority::Urgent).await }
    });
    assert!(timeout(secs(1), &mut for_call).await.is_err());
    assert!(timeout(secs(1), for_observation).await.is_err());
    drop(permit);
    drop(for_call);
    let unused = timeout(secs(1), observation)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    drop(unused);
    let next = timeout(secs(1), limiter.get(&key, Priority::Urgent)).await;
    assert!(next.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_waiting_at_its_turn_passes_it_on() {
    for priority in [ACTIVATE, DEACTIVATE, Urgent, Routine] {
        let (limiter, key) = (limiter(|limits| limits.in_flight = 1), key("k"));
        let first = limiter.get(&key, Urgent).await.unwrap();
        let mut head = Box::pin(limiter.get(&key, priority));
        assert!((&mut head).now_or_never().is_none());
        let next = queue(&limiter, &key, Routine);
        settle().await;
        // The head is woken, but stops before it runs.
        first.end(Feedback::Accepted);
        drop(head);
        settle().await;
        assert!(next.is_finished(), "{priority:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_waiting_for_a_token_takes_none() {
    for priority in [ACTIVATE, DEACTIVATE, Urgent, Routine] {
        let limiter = limiter(|limits| (limits.rate, limits.burst) = (1, 1));
        let key = accepted(&limiter, "k").await;
        for _ in 0..10 {
            let waited = timeout(ms(1), limiter.get(&key, priority)).await;
            assert!(waited.is_err());
        }
        let next = timeout(secs(1), limiter.get(&key, priority)).await;
        assert!(next.is_ok(), "{priority:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_stops_waiting_gives_back_its_activation_token() {
    let (limiter, key) = after_limited_calls(20, DEACTIVATE).await;
    let held: Vec<_> = sixteen(&limiter, &key).await;
    // It gets a token of the activate calls after five seconds, and then waits for another request.
    // Ten seconds after the last 429, tokens would come more often.
    let stopped = timeout(secs(6), limiter.get(&key, ACTIVATE)).await;
    assert!(stopped.is_err());
    drop(held);
    let next = timeout(ms(100), limiter.get(&key, ACTIVATE)).await;
    assert!(next.is_ok());
}

/// As many observations as a key may have in flight.
async fn sixteen(limiter: &Limiter, key: &ApiKey) -> Vec<InFlight> {
    let mut held = Vec::new();
    for _ in 0..RateLimits::default().in_flight {
        held.push(limiter.get(key, Urgent).await.unwrap());
    }
    held
}

/// Counts how often a future is polled.
async fn counted<T>(future: impl Future<Output = T>, polls: &AtomicUsize) -> T {
    let mut future = pin!(future);
    future::poll_fn(|context| {
        polls.fetch_add(1, Ordering::Relaxed);
        future.as_mut().poll(context)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn the_work_for_a_request_depends_neither_on_the_waiting_ones_nor_on_the_keys() {
    // Many requests of one key, few requests of many keys, and some of each.
    for (keys, requests) in [(1, 3000), (500, 6), (50, 60)] {
        let limiter = limiter(|_| ());
        let polls = Arc::new(AtomicUsize::new(0));
        let mut waiting = JoinSet::new();
        for number in 0..keys * requests {
            let key = key(&format!("k{}", number % keys));
            let priority = [Routine, Urgent, DEACTIVATE][number % 3];
            let (limiter, polls) = (limiter.clone(), polls.clone());
            waiting.spawn(async move {
                let permit = counted(limiter.get(&key, priority), &polls).await;
                sleep(ms(20)).await;
                permit.unwrap().end(Feedback::Accepted);
            });
        }
        waiting.join_all().await;
        let polls = polls.load(Ordering::Relaxed) / (keys * requests);
        assert!(polls <= 6, "{keys} keys: {polls} polls per request");
    }
}
