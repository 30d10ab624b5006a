//! Retry-After: its two forms and its bounds.

use std::time::{Duration, SystemTime};

use hub::Fault;
use oxen_operator::decide::{CallOutcome, HubFault};
use testkit::raw::hub_key as key;

use crate::faults::{activate, faults_of_gets, hub_and_client};

#[tokio::test]
async fn retry_after_is_read_in_both_forms_and_bounded() {
    let (hub, client) = hub_and_client().await;
    let exactly = |seconds| Some((seconds, seconds));
    let date = |from_now| {
        let at = SystemTime::now() + Duration::from_secs(from_now);
        Fault::status(429).retry_after_date(at)
    };
    let header = |value| Fault::status(429).header("retry-after", value);
    for (injected, bounds) in [
        (header("7"), exactly(7)),
        (header("0"), exactly(1)),
        (header("86400"), exactly(900)),
        (date(100), Some((97, 100))),
        (date(86_400), exactly(900)),
        (header("Sun, 06 Nov 1994 08:49:37 GMT"), exactly(1)),
        (header("1.5"), exactly(2)),
        (header("30.5"), exactly(31)),
        (
            header("Sun, 06 Nov 1994 08:49:37 GMT").header("date", "Sun, 06 Nov 1994 08:48:37 GMT"),
            exactly(60),
        ),
        (
            header("Sunday, 06-Nov-94 08:49:37 GMT").header("date", "Sun Nov  6 08:48:37 1994"),
            exactly(60),
        ),
        (header("-1"), None),
        (header("1.5s"), None),
        (header("soon"), None),
        (header(""), None),
        (Fault::status(429), None),
    ] {
        hub.clear_faults();
        hub.inject(injected.clone());
        let of_gets = faults_of_gets(&client).await;
        let mut faults: Vec<HubFault> = of_gets.into_iter().filter_map(|(_, one)| one).collect();
        match activate(&client).await {
            CallOutcome::Refused { fault, .. } => faults.push(fault),
            other => panic!("{injected}: {other:?}"),
        }
        assert_eq!(faults.len(), 4);
        for fault in faults {
            let HubFault::RateLimited {
                wait,
                whole_key: true,
                ..
            } = fault
            else {
                panic!("{injected}: {fault:?}");
            };
            match (wait.map(|wait| wait.as_secs()), bounds) {
                (Some(wait), Some((least, most))) => {
                    assert!((least..=most).contains(&wait), "{injected}: {wait}");
                }
                (wait, bounds) => {
                    assert!(wait.is_none() && bounds.is_none(), "{injected}: {wait:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_503_with_retry_after_limits_the_rate_of_one_object() {
    let (hub, client) = hub_and_client().await;
    for (value, wait) in [("30", Some(Duration::from_secs(30))), ("soon", None)] {
        hub.clear_faults();
        hub.inject(Fault::status(503).header("retry-after", value));
        let fault = client.retrieve(&key(), "bot", true).await.unwrap_err();
        assert_eq!(
            fault,
            HubFault::RateLimited {
                wait,
                whole_key: false,
                words: Some("Service Unavailable".into()),
            }
        );
        // The call may have had its effect nevertheless.
        let words = "Service Unavailable (503)".into();
        assert_eq!(
            activate(&client).await,
            CallOutcome::Unknown { words, wait }
        );
    }
}
