use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    sync::mpsc,
    task::{JoinSet, yield_now},
    time::{advance, timeout},
};

use super::*;

fn key(name: &str) -> ApiKey {
    ApiKey::new(name.as_bytes()).unwrap()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn pace(change: impl FnOnce(&mut Bounds)) -> Arc<Pace> {
    let mut bounds = Bounds::default();
    change(&mut bounds);
    Arc::new(Pace::new(bounds))
}

async fn heard(pace: &Pace, key: &ApiKey, heard: Heard) {
    let permit = pace.turn(key, Lane::Look).await.unwrap();
    permit.end(heard);
}

/// Everyone who waits, in the order of their coming; the names come out in the order of their
/// turns.
async fn turns(
    pace: &Arc<Pace>,
    key: &ApiKey,
    coming: &[(&'static str, Lane)],
) -> Vec<&'static str> {
    let (tell, mut told) = mpsc::unbounded_channel();
    for (name, lane) in coming.iter().copied() {
        let (pace, key, tell) = (pace.clone(), key.clone(), tell.clone());
        tokio::spawn(async move {
            let permit = pace.turn(&key, lane).await.unwrap();
            tell.send(name).unwrap();
            // The request takes its time.
            sleep(Duration::from_millis(10)).await;
            permit.end(Heard::Answer);
        });
        yield_now().await;
    }
    drop(tell);
    let mut all = Vec::new();
    while let Some(name) = told.recv().await {
        all.push(name);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn first_come_is_first_served_and_calls_go_ahead_of_looks() {
    use Lane::{Call, Look};
    let (pace, key) = (pace(|bounds| bounds.in_flight = 1), key("k"));
    let coming = [
        ("a", Look),
        ("b", Look),
        ("c", Look),
        ("on", Call),
        ("d", Look),
        ("off", Call),
    ];
    assert_eq!(
        turns(&pace, &key, &coming).await,
        ["a", "on", "off", "b", "c", "d"]
    );
}

#[tokio::test(start_paused = true)]
async fn objects_of_a_key_take_turns() {
    let (pace, key) = (pace(|bounds| bounds.burst = 1), key("k"));
    let mut objects = JoinSet::new();
    for _ in 0..10 {
        let (pace, key) = (pace.clone(), key.clone());
        objects.spawn(async move {
            let mut turns = 0_u32;
            let looking = async {
                loop {
                    heard(&pace, &key, Heard::Answer).await;
                    turns += 1;
                }
            };
            let _ = timeout(secs(20), looking).await;
            turns
        });
    }
    let turns = objects.join_all().await;
    let (least, most) = (turns.iter().min().unwrap(), turns.iter().max().unwrap());
    assert!(most - least <= 1 && *least >= 99, "{turns:?}");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_longer_than_the_rate_allows_are_served_at_the_rate() {
    let (pace, key) = (pace(|_| ()), key("k"));
    let started = Instant::now();
    for _ in 0..600 {
        heard(&pace, &key, Heard::Answer).await;
    }
    // A burst of 100, and 50 a second.
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_rests_keeps_no_other_key_waiting() {
    let (pace, one, other) = (pace(|_| ()), key("one"), key("other"));
    heard(&pace, &one, Heard::Limit(Some(secs(60)))).await;
    let denied = pace.turn(&one, Lane::Call).await.unwrap_err();
    assert_eq!(denied, Denied::Resting(secs(60)));
    let permit = pace.turn(&other, Lane::Look).await.unwrap();
    assert_eq!(permit.waited, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_told_of_a_long_rest_and_wait_out_a_short_one() {
    for (rest, told) in [(secs(60), true), (secs(2), false)] {
        let (pace, key) = (pace(|bounds| bounds.in_flight = 1), key("k"));
        let permit = pace.turn(&key, Lane::Look).await.unwrap();
        let waiting: JoinSet<_> = (0..5)
            .map(|_| {
                let (pace, key) = (pace.clone(), key.clone());
                async move { pace.turn(&key, Lane::Look).await.map(|_| ()) }
            })
            .collect();
        yield_now().await;
        let started = Instant::now();
        permit.end(Heard::Limit(Some(rest)));
        for waited in waiting.join_all().await {
            let expected = if told {
                Err(Denied::Resting(rest))
            } else {
                Ok(())
            };
            assert_eq!(waited, expected);
        }
        assert_eq!(started.elapsed() < rest, told);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_key_on_a_thousand_objects_makes_a_handful_of_requests() {
    let (pace, key) = (pace(|_| ()), key("bad"));
    let requests = Arc::new(AtomicUsize::new(0));
    let mut looks = |_| {
        let (pace, key, requests) = (pace.clone(), key.clone(), requests.clone());
        async move {
            if let Ok(permit) = pace.turn(&key, Lane::Look).await {
                requests.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(50)).await;
                permit.end(Heard::Refusal);
            }
        }
    };
    for expected in [3, 4, 5] {
        (0..1000)
            .map(&mut looks)
            .collect::<JoinSet<_>>()
            .join_all()
            .await;
        assert_eq!(requests.load(Ordering::Relaxed), expected);
        (0..1000)
            .map(&mut looks)
            .collect::<JoinSet<_>>()
            .join_all()
            .await;
        assert_eq!(requests.load(Ordering::Relaxed), expected);
        advance(secs(300)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_or_asking_stands_in_nobodys_way() {
    let (pace, key) = (pace(|bounds| bounds.in_flight = 1), key("k"));
    let permit = pace.turn(&key, Lane::Look).await.unwrap();
    // A call at the head of its queue, which a look waits for.
    let (for_call, for_look) = (pace.turn(&key, Lane::Call), pace.turn(&key, Lane::Look));
    let mut for_call = Box::pin(for_call);
    let look = tokio::spawn({
        let (pace, key) = (pace.clone(), key.clone());
        async move { pace.turn(&key, Lane::Look).await }
    });
    assert!(timeout(secs(1), &mut for_call).await.is_err());
    assert!(timeout(secs(1), for_look).await.is_err());
    drop(permit);
    drop(for_call);
    let given_up = timeout(secs(1), look).await.unwrap().unwrap().unwrap();
    drop(given_up);
    let next = timeout(secs(1), pace.turn(&key, Lane::Look)).await;
    assert!(next.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn keys_that_nobody_uses_any_more_are_forgotten() {
    let pace = pace(|_| ());
    for number in 0..100 {
        heard(&pace, &key(&format!("k{number}")), Heard::Answer).await;
        advance(secs(600)).await;
        let known = pace.desks.lock().unwrap().len();
        assert!(known <= 7, "{known}");
    }
}
