use std::time::Duration;

use hub::{Endpoint, Fault as Injected, Hub, Model};
use oxen_operator::{
    api::Direction,
    decide::{Answer, Fault},
    oxen::{Client, Limits},
};

use crate::raw::{Raw, client, hub_key as key, limited};

pub async fn hub() -> (Hub, Client) {
    let bot = Model::custom("bot").status("inactive");
    let hub = Hub::builder().model(bot).start().await.unwrap();
    let client = client(&hub.url());
    (hub, client)
}

/// A client that doesn't wait for long.
fn hasty(base: &str) -> Client {
    let limits = Limits {
        request: Duration::from_millis(300),
        body: 1000,
        ..Limits::default()
    };
    limited(base, limits)
}

/// What the body can't be relied on to say: which kind of fault it is.
fn kind(fault: &Fault) -> String {
    let debug = format!("{fault:?}");
    let end = debug.find(['(', ' ']).unwrap_or(debug.len());
    debug[..end].to_owned()
}

/// `Accepted`, `Unknown`, or the kind of the refusal.
pub fn answer_kind(answer: &Answer) -> String {
    match answer {
        Answer::Accepted => "Accepted".into(),
        Answer::Unknown { .. } => "Unknown".into(),
        Answer::Refused(fault) => kind(fault),
        Answer::NotSent(_) => "NotSent".into(),
    }
}

/// Each look's fault, by endpoint.
pub async fn looks(client: &Client) -> [(Endpoint, Option<Fault>); 3] {
    [
        (Endpoint::List, client.list(&key(), None, None).await.err()),
        (Endpoint::Search, client.search(&key(), "bot").await.err()),
        (
            Endpoint::Retrieve,
            client.retrieve(&key(), "bot", true).await.err(),
        ),
    ]
}

pub async fn call(client: &Client) -> Answer {
    client
        .call(&key(), "bot", Direction::Activate, "a-call")
        .await
}

#[tokio::test]
async fn every_code_means_what_the_fault_table_says_and_no_call_is_repeated() {
    let (hub, client) = hub().await;
    for code in 400..=599 {
        let (look, answer) = match code {
            401 => ("Unauthenticated", "Unauthenticated"),
            402 => ("PaymentRequired", "PaymentRequired"),
            403 => ("Forbidden", "Forbidden"),
            404 | 408 => ("Unreachable", "Unknown"),
            429 => ("RateLimited", "RateLimited"),
            400..=499 => ("Unexpected", "Rejected"),
            _ => ("Unreachable", "Unknown"),
        };
        hub.clear_faults();
        hub.clear_journal();
        hub.inject(Injected::status(code));
        let fault = client.retrieve(&key(), "bot", true).await.unwrap_err();
        assert_eq!(kind(&fault), look, "{code}");
        assert_eq!(answer_kind(&call(&client).await), answer, "{code}");
        let journal = hub.journal();
        assert_eq!(
            (journal.entries.len(), journal.posts().len()),
            (2, 1),
            "{code}"
        );
    }
}

#[tokio::test]
async fn no_success_but_200_is_a_look_and_every_one_with_a_model_is_an_accepted_call() {
    let raw = Raw::start().await;
    let client = client(raw.url.as_str());
    let model = br#"{"id":"bot","object":"model","created":1,"owned_by":"acme","deployments":[]}"#;
    for code in [200, 201, 202, 203, 206, 299] {
        raw.answers(code, "", model);
        assert_eq!(
            client.retrieve(&key(), "bot", true).await.is_ok(),
            code == 200,
            "{code}"
        );
        assert_eq!(call(&client).await, Answer::Accepted, "{code}");
        raw.answers(code, "", b"done");
        assert_eq!(answer_kind(&call(&client).await), "Unknown", "{code}");
    }
}

/// Faults by what a look makes of each; a call that met one may have worked.
fn broken() -> Vec<(Injected, &'static str)> {
    vec![
        (Injected::truncated(), "Unexpected"),
        (Injected::not_json(), "Unexpected"),
        (Injected::wrong_shape(), "Unexpected"),
        (Injected::empty(), "Unexpected"),
        (Injected::huge(5 << 20), "Unexpected"),
        (
            Injected::answering(200, serde_json::json!({"status": "error"})),
            "Unexpected",
        ),
        (Injected::cut(), "Unreachable"),
        (Injected::cut_in_body(), "Unreachable"),
        (Injected::html(502), "Unreachable"),
        (Injected::html(404), "Unreachable"),
        (Injected::redirect("/api/ai/models/other"), "Unreachable"),
    ]
}

#[tokio::test]
async fn what_is_broken_on_the_way_is_a_fault_of_every_look() {
    let (hub, client) = hub().await;
    for (fault, expected) in broken() {
        hub.clear_faults();
        hub.inject(fault.clone());
        for (endpoint, found) in looks(&client).await {
            assert_eq!(kind(&found.unwrap()), expected, "{fault} at {endpoint:?}");
        }
    }
}

#[tokio::test]
async fn what_is_broken_on_the_way_of_a_call_leaves_its_outcome_unknown_and_is_sent_once() {
    let (hub, client) = hub().await;
    for (fault, _) in broken() {
        for (fault, effect) in [(fault.clone(), false), (fault.after_effect(), true)] {
            for (direction, status) in [
                (Direction::Activate, "inactive"),
                (Direction::Deactivate, "active"),
            ] {
                hub.clear_faults();
                // A connection that is used again, as in every pass.
                client.retrieve(&key(), "bot", true).await.unwrap();
                hub.set_status("bot", status).unwrap();
                hub.clear_journal();
                hub.inject(fault.clone());
                let answer = client.call(&key(), "bot", direction, "a-call").await;
                assert_eq!(answer_kind(&answer), "Unknown", "{fault}");
                let journal = hub.journal();
                assert_eq!(journal.entries.len(), 1, "{fault}: {journal:?}");
                assert_eq!(journal.entries[0].effect, effect, "{fault}");
            }
        }
    }
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_unreachable_and_a_call_to_it_never_went_out() {
    let (hub, client) = hub().await;
    for _ in 0..2 {
        hub.stop().await.unwrap();
        for (endpoint, found) in looks(&client).await {
            assert_eq!(kind(&found.unwrap()), "Unreachable", "{endpoint:?}");
        }
        assert_eq!(answer_kind(&call(&client).await), "Unreachable");
        hub.restart().await.unwrap();
        assert!(client.retrieve(&key(), "bot", true).await.is_ok());
    }
    assert_eq!(hub.journal().posts().len(), 0);
}

#[tokio::test]
async fn an_answer_that_is_too_late_is_none_and_its_call_is_sent_once() {
    let (hub, _) = hub().await;
    let client = hasty(&hub.url());
    let late = || "no answer in time".to_owned();
    for (fault, effect) in [
        (Injected::hang(), false),
        (Injected::hang().after_effect(), true),
        (
            Injected::latency(Duration::from_secs(5)).after_effect(),
            true,
        ),
    ] {
        hub.clear_faults();
        hub.set_status("bot", "inactive").unwrap();
        hub.inject(fault.clone());
        let found = client.retrieve(&key(), "bot", true).await;
        assert_eq!(found, Err(Fault::Unreachable(late())), "{fault}");
        assert_eq!(call(&client).await, Answer::unknown(late()), "{fault}");
        let journal = hub.journal();
        let posts = journal.posts();
        assert_eq!((posts.len(), posts[0].effect), (1, effect), "{fault}");
        hub.clear_journal();
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let (hub, client) = hub().await;
    let elsewhere = Hub::builder()
        .model(Model::custom("bot"))
        .start()
        .await
        .unwrap();
    for code in [301, 302, 303, 307, 308] {
        hub.clear_faults();
        let to = format!("{}/api/ai/models/bot", elsewhere.url());
        hub.inject(Injected::status(code).header("location", &to));
        for (_, found) in looks(&client).await {
            assert_eq!(kind(&found.unwrap()), "Unreachable", "{code}");
        }
        assert_eq!(answer_kind(&call(&client).await), "Unknown", "{code}");
    }
    assert_eq!(elsewhere.journal().entries.len(), 0);
    assert_eq!(hub.journal().posts().len(), 5);
}

#[tokio::test]
async fn the_code_of_a_fault_decides_even_if_its_body_never_comes() {
    let raw = Raw::start().await;
    let client = hasty(raw.url.as_str());
    let head = |length: usize| format!("HTTP/1.1 401 Said\r\ncontent-length: {length}\r\n\r\n");
    for reply in [
        format!("{}{}", head(5000), "x".repeat(5000)),
        format!("{}{{\"error\":", head(5000)),
        head(100),
    ] {
        raw.replies(reply.clone());
        let found = client.retrieve(&key(), "bot", true).await;
        assert_eq!(found, Err(Fault::Unauthenticated), "{reply}");
        assert_eq!(call(&client).await, Answer::Refused(Fault::Unauthenticated));
    }
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_not_a_byte_larger() {
    let raw = Raw::start().await;
    let body = br#"{"id":"bot","object":"model","created":1,"owned_by":"acme"}"#;
    raw.answers(200, "", body);
    for (limit, taken) in [(body.len(), true), (body.len() - 1, false)] {
        let limits = Limits {
            body: limit,
            ..Limits::default()
        };
        let client = limited(raw.url.as_str(), limits);
        let found = client.retrieve(&key(), "bot", true).await;
        assert_eq!(found.is_ok(), taken, "{found:?}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_unreachable() {
    let raw = Raw::start().await;
    let client = client(raw.url.as_str());
    for reply in [
        "",
        "\0\0\0",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
    ] {
        raw.replies(reply);
        let found = client.retrieve(&key(), "bot", true).await.unwrap_err();
        assert_eq!(kind(&found), "Unreachable", "{reply:?}");
        assert_eq!(answer_kind(&call(&client).await), "Unknown", "{reply:?}");
    }
}
