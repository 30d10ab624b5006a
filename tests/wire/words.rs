use hub::{Fault as Injected, Hub, Model};
use oxen_operator::{
    api::Direction,
    decide::{Answer, Fault},
    oxen::ApiKey,
};
use serde_json::{Value, json};

use crate::raw::{KEY, Raw, client, hub_key, key};

/// What a look and a call make of this answer.
async fn both(code: u16, body: &str) -> (Fault, Answer) {
    let raw = Raw::start().await;
    raw.answers(code, "", body.as_bytes());
    let client = client(raw.url.as_str());
    (
        client.retrieve(&key(), "bot", true).await.unwrap_err(),
        client
            .call(&key(), "bot", Direction::Activate, "a-call")
            .await,
    )
}

#[tokio::test]
async fn the_words_of_every_known_error_body_reach_the_person() {
    for body in [
        json!({"error": "no funds"}),
        json!({"error": {"type": "billing", "title": "no funds"}, "status": "error"}),
        json!({"error": {"type": "no funds"}}),
        json!({"error": {"message": "no funds"}}),
        json!({"status": "error", "status_message": "no funds"}),
        json!({"error": "", "status_message": "no funds"}),
        json!({"message": "  no\n\tfunds "}),
    ] {
        let (fault, answer) = both(402, &body.to_string()).await;
        assert_eq!(
            fault,
            Fault::PaymentRequired("no funds (402)".into()),
            "{body}"
        );
        assert_eq!(answer, Answer::Refused(fault), "{body}");
    }
    for silent in [
        "",
        "<html><body>Pay!</body></html>",
        "null",
        "[]",
        "{\"error\":7}",
        "\"words\"",
    ] {
        let (fault, _) = both(402, silent).await;
        assert_eq!(
            fault,
            Fault::PaymentRequired("402 Payment Required".into()),
            "{silent}"
        );
    }
}

#[tokio::test]
async fn the_hubs_own_errors_are_told_apart() {
    let hub = Hub::builder()
        .model(Model::custom("bot"))
        .model(Model::base("base"))
        .start()
        .await
        .unwrap();
    let client = client(&hub.url());
    let looked = client.retrieve(&hub_key(), "typo", true).await;
    assert_eq!(looked, Err(Fault::ModelNotFound(Vec::new())));
    let called = client
        .call(&hub_key(), "typo", Direction::Deactivate, "a-call")
        .await;
    assert_eq!(called, Answer::Refused(Fault::ModelNotFound(Vec::new())));
    let looked = client.list(&key(), None, None).await;
    assert_eq!(looked, Err(Fault::Unauthenticated));
    let called = client
        .call(&hub_key(), "base", Direction::Activate, "a-call")
        .await;
    let words = "Base models are always active: base (422)".to_owned();
    assert_eq!(called, Answer::Refused(Fault::Rejected(words)));
}

#[tokio::test]
async fn only_a_404_that_speaks_of_the_model_says_that_there_is_none() {
    for (body, speaks) in [
        (r#"{"error":"Model not found: bot"}"#, true),
        (r#"{"error":"model not found"}"#, true),
        (r#"{"error":{"title":"Model not found: bot"}}"#, true),
        (
            r#"{"status":"error","status_message":"Model not found: bot"}"#,
            true,
        ),
        (r#"{"error":"Not found"}"#, false),
        (r#"{"error":"Route not found"}"#, false),
        (r#"{"error":"the page about Model not found"}"#, false),
        ("<html>Model not found</html>", false),
        ("Model not found: bot", false),
        ("", false),
    ] {
        let (fault, answer) = both(404, body).await;
        assert_eq!(fault == Fault::ModelNotFound(Vec::new()), speaks, "{body}");
        assert_eq!(matches!(fault, Fault::Unreachable(_)), !speaks, "{body}");
        assert_eq!(matches!(answer, Answer::Refused(_)), speaks, "{body}");
    }
    let (fault, _) = both(400, r#"{"error":"Model not found: bot"}"#).await;
    assert!(matches!(fault, Fault::Unexpected(_)), "{fault:?}");
}

#[tokio::test]
async fn an_error_envelope_is_no_deployment_whatever_it_says() {
    let envelope = json!({
        "id": "bot", "object": "model", "created": 1, "owned_by": "acme",
        "status": "error", "deployments": [{"status": "inactive"}],
    });
    for code in [401, 403, 404, 422, 429, 500, 503] {
        let raw = Raw::start().await;
        raw.answers(code, "", envelope.to_string().as_bytes());
        let client = client(raw.url.as_str());
        assert!(
            client.retrieve(&key(), "bot", true).await.is_err(),
            "{code}"
        );
        let answer = client
            .call(&key(), "bot", Direction::Activate, "a-call")
            .await;
        assert_ne!(answer, Answer::Accepted, "{code}");
    }
}

/// Every text that the client gave, as a person or a log would see it.
async fn shown(code: u16, body: &str) -> String {
    let (fault, answer) = both(code, body).await;
    format!("{fault:?} {answer:?}")
}

#[tokio::test]
async fn words_are_cut_to_size_and_to_one_line() {
    let long = "word \u{1b}[31m\n\r\0 ".repeat(2000);
    for code in [400, 402, 403, 404, 422, 500, 503] {
        for body in [json!({"error": long}).to_string(), long.clone()] {
            let shown = shown(code, &body).await;
            assert!(shown.len() < 700, "{code}: {}", shown.len());
            assert!(
                !shown.contains("\\n") && !shown.contains("\\u{1b}"),
                "{code}: {shown}"
            );
        }
    }
}

#[tokio::test]
async fn a_key_never_shows_not_even_if_the_hub_quotes_it() {
    let quoting = [
        json!({"error": format!("bad key {KEY}")}),
        json!({"error": {"title": format!("{KEY} is not allowed")}}),
        json!({"status_message": format!("{}{KEY}", "x".repeat(190))}),
        Value::from(KEY),
    ];
    for code in [200, 302, 400, 401, 402, 403, 404, 422, 429, 500, 503] {
        for body in &quoting {
            let shown = shown(code, &body.to_string()).await;
            assert!(!shown.contains(&KEY[..9]), "{code}: {shown}");
        }
        let shown = shown(code, KEY).await;
        assert!(!shown.contains(KEY), "{code}: {shown}");
    }
    let client = client("http://127.0.0.1:1");
    let fault = client.retrieve(&key(), "bot", true).await.unwrap_err();
    let debug = format!("{client:?} {:?} {fault:?}", key());
    assert!(
        !debug.contains(KEY) && !debug.to_lowercase().contains("bearer"),
        "{debug}"
    );
    let error = ApiKey::new(format!("{KEY} {KEY}").as_bytes()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY));
}

#[tokio::test]
async fn a_transport_fault_names_neither_url_nor_query() {
    let hub = Hub::start().await.unwrap();
    hub.inject(Injected::cut());
    let client = client(&hub.url());
    for fault in [
        client.search(&hub_key(), "secret words").await.unwrap_err(),
        client.retrieve(&hub_key(), "bot", true).await.unwrap_err(),
    ] {
        let shown = format!("{fault:?}");
        assert!(
            !shown.contains("http://") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
