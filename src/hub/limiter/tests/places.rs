//! The places that all keys share.

use futures::FutureExt;

use super::*;
use crate::hub::limiter::places::{ALL, FOR_CALLS};
use Priority::{Routine, Urgent};

pub(super) const FOR_OBSERVATIONS: usize = (ALL - FOR_CALLS) as usize;

/// Gets a permit if there is one at once.
fn at_once(limiter: &Limiter, key: &ApiKey, priority: Priority) -> Option<InFlight> {
    let permit = limiter.get(key, priority).now_or_never()?;
    Some(permit.unwrap())
}

/// Sends this number of observations, of keys that have eight in flight at most.
pub(super) async fn busy(limiter: &Limiter, observations: usize) -> Vec<InFlight> {
    let mut held = Vec::new();
    for number in 0..observations {
        let name = format!("busy{}", number / 8);
        if number % 8 == 0 {
            accepted(limiter, &name).await;
        }
        held.push(at_once(limiter, &key(&name), Urgent).unwrap());
    }
    held
}

#[tokio::test(start_paused = true)]
async fn of_64_requests_in_flight_8_are_calls() {
    let limiter = limiter(|_| ());
    let key = accepted(&limiter, "k").await;
    let mut held = busy(&limiter, FOR_OBSERVATIONS).await;
    let mut calls = Vec::new();
    for priority in [ACTIVATE, DEACTIVATE].repeat(4) {
        assert!(at_once(&limiter, &key, Urgent).is_none());
        assert!(at_once(&limiter, &key, Routine).is_none());
        calls.push(at_once(&limiter, &key, priority).unwrap());
    }
    assert_eq!(held.len() + calls.len(), 64);
    let observation = queue(&limiter, &super::key("other"), Urgent);
    settle().await;
    let call = queue(&limiter, &key, DEACTIVATE);
    settle().await;
    assert!(!call.is_finished() && !observation.is_finished());
    // Any request that ends makes room for a call first.
    held.pop();
    settle().await;
    assert!(call.is_finished() && !observation.is_finished());
    // There are 55 observations then, and 9 calls.
    calls.pop();
    settle().await;
    assert!(observation.is_finished());
}

#[tokio::test(start_paused = true)]
async fn calls_take_all_places_when_there_are_no_observations() {
    let limiter = limiter(|_| ());
    let mut calls = Vec::new();
    for number in 0..4 {
        let key = accepted(&limiter, &format!("k{number}")).await;
        for _ in 0..16 {
            calls.extend(at_once(&limiter, &key, DEACTIVATE));
        }
    }
    assert_eq!(calls.len(), 64);
    let key = super::key("other");
    let (call, observation) = (
        queue(&limiter, &key, ACTIVATE),
        queue(&limiter, &key, Urgent),
    );
    settle().await;
    assert!(!call.is_finished() && !observation.is_finished());
    calls.pop();
    settle().await;
    assert!(call.is_finished() && !observation.is_finished());
}

/// Why a key can send no request.
#[derive(Clone, Copy, Debug)]
enum Limited {
    NoToken,
    RetryAfter,
    Refused,
    SlowAnswers,
}

impl Limited {
    const ALL: [Self; 4] = [
        Self::NoToken,
        Self::RetryAfter,
        Self::Refused,
        Self::SlowAnswers,
    ];

    /// A key of this kind, and its requests in flight.
    async fn key(self, limiter: &Limiter, name: &str) -> (ApiKey, Vec<InFlight>) {
        let key = accepted(limiter, name).await;
        let mut held = Vec::new();
        match self {
            Self::NoToken => {
                while let Some(permit) = at_once(limiter, &key, Urgent) {
                    permit.end(Feedback::Accepted);
                }
            }
            Self::RetryAfter => request(limiter, &key, Feedback::RateLimited(Some(secs(2)))).await,
            Self::Refused => {
                for _ in 0..3 {
                    request(limiter, &key, Feedback::Unauthorized).await;
                }
            }
            Self::SlowAnswers => {
                while let Some(permit) = at_once(limiter, &key, Urgent) {
                    held.push(permit);
                }
            }
        }
        (key, held)
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_waits_for_its_own_limits_holds_no_place() {
    for limited in Limited::ALL {
        let limiter = limiter(|_| ());
        let (key, mut held) = limited.key(&limiter, "limited").await;
        let rest = FOR_OBSERVATIONS - 1 - held.len();
        held.extend(busy(&limiter, rest).await);
        let waiting = [ACTIVATE, Urgent, Routine].map(|priority| queue(&limiter, &key, priority));
        // Its head has looked at its limits.
        yield_now().await;
        let other = accepted(&limiter, "other").await;
        let last = at_once(&limiter, &other, Urgent);
        assert!(last.is_some(), "{limited:?}");
        assert!(at_once(&limiter, &other, Urgent).is_none());
        for waiting in waiting {
            waiting.abort();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn limited_keys_delay_no_call_of_another_key() {
    for limited in Limited::ALL {
        for keys in 1..=3 {
            let limiter = limiter(|_| ());
            let mut held = Vec::new();
            for number in 0..keys {
                let (key, in_flight) = limited.key(&limiter, &format!("limited{number}")).await;
                held.extend(in_flight);
                for priority in [ACTIVATE, DEACTIVATE, Urgent, Routine].repeat(20) {
                    queue(&limiter, &key, priority);
                }
            }
            yield_now().await;
            for priority in [Urgent, ACTIVATE, DEACTIVATE, Routine] {
                let permit = at_once(&limiter, &key("other"), priority);
                assert!(permit.is_some(), "{limited:?}: {priority:?}");
                permit.unwrap().end(Feedback::Accepted);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_limited_while_it_waits_for_a_place_takes_none() {
    for (wait, fails) in [(secs(60), true), (secs(2), false)] {
        let limiter = limiter(|_| ());
        let mut held = busy(&limiter, FOR_OBSERVATIONS - 1).await;
        let (first, second) = (
            accepted(&limiter, "first").await,
            accepted(&limiter, "second").await,
        );
        let limited = at_once(&limiter, &first, Urgent).unwrap();
        let waits = queue(&limiter, &first, Urgent);
        settle().await;
        let next = queue(&limiter, &second, Urgent);
        settle().await;
        assert!(!waits.is_finished() && !next.is_finished());
        limited.end(Feedback::RateLimited(Some(wait)));
        settle().await;
        assert!(next.is_finished());
        assert_eq!(waits.is_finished(), fails);
        if fails {
            assert!(waits.await.unwrap().is_err());
        } else {
            // It waits for a place again when it may go.
            sleep(wait + ms(100)).await;
            assert!(!waits.is_finished());
            held.pop();
            settle().await;
            assert!(waits.is_finished());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_request_of_a_key_takes_the_place_that_the_key_waits_for() {
    let limiter = limiter(|_| ());
    let mut held = busy(&limiter, FOR_OBSERVATIONS).await;
    let (one, other) = (
        accepted(&limiter, "one").await,
        accepted(&limiter, "other").await,
    );
    let routine = queue(&limiter, &one, Routine);
    settle().await;
    let second = queue(&limiter, &other, Urgent);
    settle().await;
    let urgent = queue(&limiter, &one, Urgent);
    settle().await;
    let order = [&urgent, &second, &routine];
    for number in 0..order.len() {
        let finished = order.map(|queued| queued.is_finished());
        assert_eq!(finished, [number > 0, number > 1, number > 2]);
        held.pop();
        settle().await;
    }
    assert!(routine.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_moves_up_keeps_its_keys_turn() {
    let limiter = limiter(|_| ());
    let mut held = busy(&limiter, FOR_OBSERVATIONS).await;
    let one = accepted(&limiter, "one").await;
    let urgent = Arc::new(Notify::new());
    let moves = tokio::spawn({
        let (limiter, one, urgent) = (limiter.clone(), one.clone(), urgent.clone());
        async move { limiter.permit(&one, Routine, urgent.notified()).await }
    });
    settle().await;
    let other = queue(&limiter, &accepted(&limiter, "other").await, Urgent);
    settle().await;
    urgent.notify_one();
    settle().await;
    held.pop();
    settle().await;
    assert!(moves.is_finished() && !other.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_waiting_for_a_place_passes_its_turn_on() {
    // The first one stops before a place is free, or at the very moment.
    for woken in [false, true] {
        for same_key in [false, true] {
            let limiter = limiter(|_| ());
            let mut held = busy(&limiter, FOR_OBSERVATIONS).await;
            let one = accepted(&limiter, "one").await;
            let other = accepted(&limiter, "other").await;
            let mut stops = Box::pin(limiter.get(&one, Routine));
            assert!((&mut stops).now_or_never().is_none());
            let next = queue(&limiter, if same_key { &one } else { &other }, Routine);
            settle().await;
            if woken {
                held.pop();
                drop(stops);
            } else {
                drop(stops);
                held.pop();
            }
            settle().await;
            assert!(next.is_finished(), "woken {woken}, same key {same_key}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_call_is_cancelled_leaves_the_place_to_the_key_whose_turn_it_is() {
    let limiter = limiter(|_| ());
    let mut held = busy(&limiter, FOR_OBSERVATIONS).await;
    let caller = accepted(&limiter, "caller").await;
    let calls: Vec<_> = (0..FOR_CALLS)
        .map(|_| at_once(&limiter, &caller, DEACTIVATE).unwrap())
        .collect();
    let (busy, other) = (key("busy0"), key("other"));
    let mut call = Box::pin(limiter.get(&busy, DEACTIVATE));
    assert!((&mut call).now_or_never().is_none());
    let observation = queue(&limiter, &busy, Urgent);
    settle().await;
    let other = queue(&limiter, &other, Urgent);
    settle().await;
    // The place is first offered to the call.
    held.pop();
    drop(call);
    settle().await;
    assert!(other.is_finished() && !observation.is_finished());
    drop(calls);
}
