//! What each status code, each broken response and a missing response mean.

use std::time::Duration;

use hub::{Endpoint, Fault, Hub, Model};
use oxen_operator::{
    api::OperationKind,
    decide::{CallOutcome, HubFault},
    hub::{Client, Limits},
};
use testkit::raw::{RawServer, client, client_with, hub_key as key};

/// A simulated hub with the inactive model `bot`, and a client of it.
pub async fn hub_and_client() -> (Hub, Client) {
    let bot = Model::custom("bot").status("inactive");
    let hub = Hub::builder().model(bot).start().await.unwrap();
    let client = client(&hub.url());
    (hub, client)
}

/// A client with a short timeout and a small limit of the body.
fn impatient_client(base: &str) -> Client {
    let limits = Limits {
        request_timeout: Duration::from_secs(2),
        max_body: 1000,
        ..Limits::default()
    };
    client_with(base, limits)
}

/// The kind of a fault, without its words.
fn fault_kind(fault: &HubFault) -> String {
    let debug = format!("{fault:?}");
    let end = debug.find(['(', ' ']).unwrap_or(debug.len());
    debug[..end].to_owned()
}

/// The kind of an outcome: `Accepted`, `Unknown`, `NotSent`, or the kind of the refusal.
fn outcome_kind(outcome: &CallOutcome) -> String {
    match outcome {
        CallOutcome::Accepted => "Accepted".into(),
        CallOutcome::Unknown { .. } => "Unknown".into(),
        CallOutcome::Refused { fault, .. } => fault_kind(fault),
        CallOutcome::NotSent(_) => "NotSent".into(),
    }
}

/// The fault of a GET of each endpoint.
pub async fn faults_of_gets(client: &Client) -> [(Endpoint, Option<HubFault>); 3] {
    [
        (Endpoint::List, client.list(&key(), None, None).await.err()),
        (Endpoint::Search, client.search(&key(), "bot").await.err()),
        (
            Endpoint::Retrieve,
            client.retrieve(&key(), "bot", true).await.err(),
        ),
    ]
}

/// Activates `bot`.
pub async fn activate(client: &Client) -> CallOutcome {
    client
        .call(&key(), "bot", OperationKind::Activate, "an-id")
        .await
}

#[tokio::test]
async fn every_error_code_has_its_fault_and_no_call_is_repeated() {
    let (hub, client) = hub_and_client().await;
    for code in 400..=599 {
        let (of_get, of_call) = match code {
            401 => ("Unauthenticated", "Unauthenticated"),
            402 => ("PaymentRequired", "PaymentRequired"),
            403 => ("Forbidden", "Forbidden"),
            404 | 407 | 408 => ("Unreachable", "Unknown"),
            429 => ("RateLimited", "RateLimited"),
            400..=499 => ("Unexpected", "Rejected"),
            // The hub itself has words for it.
            502 => ("ProviderFailed", "Unknown"),
            _ => ("Unreachable", "Unknown"),
        };
        hub.clear_faults();
        hub.clear_journal();
        hub.inject(Fault::status(code));
        let fault = client.retrieve(&key(), "bot", true).await.unwrap_err();
        assert_eq!(fault_kind(&fault), of_get, "{code}");
        assert_eq!(outcome_kind(&activate(&client).await), of_call, "{code}");
        let journal = hub.journal();
        assert_eq!(
            (journal.entries.len(), journal.posts().len()),
            (2, 1),
            "{code}"
        );
    }
}

#[tokio::test]
async fn a_refusal_that_is_a_page_of_html_comes_from_something_in_between() {
    let (hub, client) = hub_and_client().await;
    for code in (400..=431).chain(500..=511) {
        let (of_get, of_call) = match code {
            401..=404 | 407 | 408 | 500..=599 => ("Unreachable", "Unknown"),
            429 => ("RateLimited", "RateLimited"),
            _ => ("Unexpected", "Rejected"),
        };
        hub.clear_faults();
        hub.inject(Fault::html(code));
        for (endpoint, fault) in faults_of_gets(&client).await {
            assert_eq!(fault_kind(&fault.unwrap()), of_get, "{code} {endpoint:?}");
        }
        for kind in [OperationKind::Activate, OperationKind::Deactivate] {
            let outcome = client.call(&key(), "bot", kind, "an-id").await;
            assert_eq!(outcome_kind(&outcome), of_call, "{code}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_compressed_unasked_is_unreadable_whatever_it_holds() {
    let server = RawServer::start().await;
    let client = client(server.url.as_str());
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";
    for encoding in ["gzip", "br"] {
        let header = format!("content-encoding: {encoding}\r\n");
        server.respond(200, &header, gzip);
        let words = format!("a body in the encoding {encoding:?}, which was not asked for");
        for (endpoint, fault) in faults_of_gets(&client).await {
            let unexpected = HubFault::Unexpected(words.clone());
            assert_eq!(fault, Some(unexpected), "{endpoint:?}");
        }
        assert_eq!(activate(&client).await, CallOutcome::unknown(words));
    }
    server.respond(403, "content-encoding: gzip\r\n", gzip);
    let refused = activate(&client).await;
    assert_eq!(outcome_kind(&refused), "Forbidden", "the code decides");
}

#[tokio::test]
async fn a_get_needs_200_and_a_call_any_2xx_with_a_model() {
    let server = RawServer::start().await;
    let client = client(server.url.as_str());
    let model = br#"{"id":"bot","object":"model","created":1,"owned_by":"acme","deployments":[]}"#;
    for code in [200, 201, 202, 203, 206, 299] {
        server.respond(code, "", model);
        assert_eq!(
            client.retrieve(&key(), "bot", true).await.is_ok(),
            code == 200,
            "{code}"
        );
        assert_eq!(activate(&client).await, CallOutcome::Accepted, "{code}");
        server.respond(code, "", b"done");
        assert_eq!(outcome_kind(&activate(&client).await), "Unknown", "{code}");
    }
}

/// Broken responses, each with the fault of a GET. A call that gets one may have had its effect.
fn broken_responses() -> Vec<(Fault, &'static str)> {
    vec![
        (Fault::truncated(), "Unexpected"),
        (Fault::not_json(), "Unexpected"),
        (Fault::wrong_shape(), "Unexpected"),
        (Fault::empty(), "Unexpected"),
        (Fault::huge(5 << 20), "Unexpected"),
        (
            Fault::answering(200, serde_json::json!({"status": "error"})),
            "Unexpected",
        ),
        (Fault::cut(), "Unreachable"),
        (Fault::cut_in_body(), "Unreachable"),
        (Fault::html(502), "Unreachable"),
        (Fault::html(404), "Unreachable"),
        (Fault::redirect("/api/ai/models/other"), "Unreachable"),
    ]
}

#[tokio::test]
async fn a_broken_response_is_a_fault_of_every_get() {
    let (hub, client) = hub_and_client().await;
    for (injected, expected) in broken_responses() {
        hub.clear_faults();
        hub.inject(injected.clone());
        for (endpoint, fault) in faults_of_gets(&client).await {
            assert_eq!(
                fault_kind(&fault.unwrap()),
                expected,
                "{injected} at {endpoint:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_broken_response_makes_a_calls_outcome_unknown_after_one_call() {
    let (hub, client) = hub_and_client().await;
    for (injected, _) in broken_responses() {
        for (injected, effect) in [(injected.clone(), false), (injected.after_effect(), true)] {
            for (kind, status) in [
                (OperationKind::Activate, "inactive"),
                (OperationKind::Deactivate, "active"),
            ] {
                hub.clear_faults();
                // The call reuses this connection, as it does in every reconcile.
                client.retrieve(&key(), "bot", true).await.unwrap();
                hub.set_status("bot", status).unwrap();
                hub.clear_journal();
                hub.inject(injected.clone());
                let outcome = client.call(&key(), "bot", kind, "an-id").await;
                assert_eq!(outcome_kind(&outcome), "Unknown", "{injected}");
                let journal = hub.journal();
                assert_eq!(journal.entries.len(), 1, "{injected}: {journal:?}");
                assert_eq!(journal.entries[0].effect, effect, "{injected}");
            }
        }
    }
}

#[tokio::test]
async fn a_call_to_a_stopped_hub_is_refused_because_nothing_was_sent() {
    let (hub, client) = hub_and_client().await;
    for _ in 0..2 {
        hub.stop().await.unwrap();
        for (endpoint, fault) in faults_of_gets(&client).await {
            assert_eq!(fault_kind(&fault.unwrap()), "Unreachable", "{endpoint:?}");
        }
        let outcome = activate(&client).await;
        assert!(
            matches!(
                outcome,
                CallOutcome::Refused {
                    fault: HubFault::Unreachable(_),
                    ..
                }
            ),
            "{outcome:?}"
        );
        hub.restart().await.unwrap();
        assert!(client.retrieve(&key(), "bot", true).await.is_ok());
    }
    assert_eq!(hub.journal().posts().len(), 0);
}

#[tokio::test]
async fn a_request_that_times_out_has_no_answer_and_is_sent_once() {
    let (hub, _) = hub_and_client().await;
    let client = impatient_client(&hub.url());
    let timed_out = || "the request timed out".to_owned();
    for (injected, effect) in [
        (Fault::hang(), false),
        (Fault::hang().after_effect(), true),
        (Fault::latency(Duration::from_secs(5)).after_effect(), true),
    ] {
        hub.clear_faults();
        hub.set_status("bot", "inactive").unwrap();
        hub.inject(injected.clone());
        let retrieved = client.retrieve(&key(), "bot", true).await;
        assert_eq!(
            retrieved,
            Err(HubFault::Unreachable(timed_out())),
            "{injected}"
        );
        assert_eq!(
            activate(&client).await,
            CallOutcome::unknown(timed_out()),
            "{injected}"
        );
        let journal = hub.journal();
        let posts = journal.posts();
        assert_eq!((posts.len(), posts[0].effect), (1, effect), "{injected}");
        hub.clear_journal();
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let (hub, client) = hub_and_client().await;
    let target = Hub::builder()
        .model(Model::custom("bot"))
        .start()
        .await
        .unwrap();
    for code in [301, 302, 303, 307, 308] {
        hub.clear_faults();
        let location = format!("{}/api/ai/models/bot", target.url());
        hub.inject(Fault::status(code).header("location", &location));
        for (_, fault) in faults_of_gets(&client).await {
            assert_eq!(fault_kind(&fault.unwrap()), "Unreachable", "{code}");
        }
        assert_eq!(outcome_kind(&activate(&client).await), "Unknown", "{code}");
    }
    assert_eq!(target.journal().entries.len(), 0);
    assert_eq!(hub.journal().posts().len(), 5);
}

#[tokio::test]
async fn an_error_code_counts_even_where_its_body_cannot_be_read() {
    let server = RawServer::start().await;
    let client = impatient_client(server.url.as_str());
    let head = |length: usize| format!("HTTP/1.1 401 Reason\r\ncontent-length: {length}\r\n\r\n");
    for response in [
        format!("{}{}", head(5000), "x".repeat(5000)),
        format!("{}{{\"error\":", head(5000)),
        head(100),
    ] {
        server.respond_with_bytes(response.clone());
        let retrieved = client.retrieve(&key(), "bot", true).await;
        assert_eq!(retrieved, Err(HubFault::Unauthenticated), "{response}");
        assert_eq!(
            activate(&client).await,
            CallOutcome::refused(HubFault::Unauthenticated)
        );
    }
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit() {
    let server = RawServer::start().await;
    let body = br#"{"id":"bot","object":"model","created":1,"owned_by":"acme"}"#;
    server.respond(200, "", body);
    for (max_body, accepted) in [(body.len(), true), (body.len() - 1, false)] {
        let limits = Limits {
            max_body,
            ..Limits::default()
        };
        let client = client_with(server.url.as_str(), limits);
        let retrieved = client.retrieve(&key(), "bot", true).await;
        assert_eq!(retrieved.is_ok(), accepted, "{retrieved:?}");
    }
}

#[tokio::test]
async fn a_response_that_is_not_http_is_unreachable() {
    let server = RawServer::start().await;
    let client = client(server.url.as_str());
    for response in [
        "",
        "\0\0\0",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
    ] {
        server.respond_with_bytes(response);
        let fault = client.retrieve(&key(), "bot", true).await.unwrap_err();
        assert_eq!(fault_kind(&fault), "Unreachable", "{response:?}");
        let outcome = activate(&client).await;
        assert_eq!(outcome_kind(&outcome), "Unknown", "{response:?}");
    }
}
