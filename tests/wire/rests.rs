use std::time::{Duration, SystemTime};

use hub::Fault as Injected;
use oxen_operator::decide::{Answer, Fault};

use crate::{
    faults::{call, hub, looks},
    raw::hub_key as key,
};

#[tokio::test]
async fn a_wait_that_the_hub_names_is_read_in_both_forms_and_kept_within_bounds() {
    let (hub, client) = hub().await;
    let exactly = |seconds| Some((seconds, seconds));
    let date = |from_now| {
        let at = SystemTime::now() + Duration::from_secs(from_now);
        Injected::status(429).retry_after_date(at)
    };
    let seconds = |value| Injected::status(429).header("retry-after", value);
    for (fault, wait) in [
        (seconds("7"), exactly(7)),
        (seconds("0"), exactly(1)),
        (seconds("86400"), exactly(900)),
        (date(100), Some((97, 100))),
        (date(86_400), exactly(900)),
        (seconds("Sun, 06 Nov 1994 08:49:37 GMT"), exactly(1)),
        (seconds("-1"), None),
        (seconds("1.5"), None),
        (seconds("soon"), None),
        (seconds(""), None),
        (Injected::status(429), None),
    ] {
        hub.clear_faults();
        hub.inject(fault.clone());
        let mut found: Vec<Fault> = looks(&client)
            .await
            .into_iter()
            .filter_map(|(_, found)| found)
            .collect();
        match call(&client).await {
            Answer::Refused(refusal) => found.push(refusal),
            other => panic!("{fault}: {other:?}"),
        }
        assert_eq!(found.len(), 4);
        for found in found {
            let Fault::RateLimited {
                wait: told,
                whole_key: true,
            } = found
            else {
                panic!("{fault}: {found:?}");
            };
            match (told.map(|told| told.as_secs()), wait) {
                (Some(told), Some((least, most))) => {
                    assert!((least..=most).contains(&told), "{fault}: {told}")
                }
                (told, wait) => assert!(told.is_none() && wait.is_none(), "{fault}: {told:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_503_is_a_wish_to_be_left_alone_only_where_it_says_for_how_long() {
    let (hub, client) = hub().await;
    for (value, wait) in [("30", Some(Duration::from_secs(30))), ("soon", None)] {
        hub.clear_faults();
        hub.inject(Injected::status(503).header("retry-after", value));
        let found = client.retrieve(&key(), "bot", true).await.unwrap_err();
        assert_eq!(
            found,
            Fault::RateLimited {
                wait,
                whole_key: false
            }
        );
        // The call may have worked all the same.
        let words = "503 Service Unavailable".into();
        assert_eq!(call(&client).await, Answer::Unknown { words, wait });
    }
}
