//! The words of errors: every known error body is quoted, and the API key never is.

use hub::{Fault, Hub, Model};
use oxen_operator::{
    api::OperationKind,
    decide::{CallOutcome, HubFault},
    hub::ApiKey,
};
use serde_json::{Value, json};
use testkit::raw::{KEY, RawServer, client, hub_key, key};

/// The fault of a live GET and the outcome of a call that get this response.
async fn fault_and_outcome(code: u16, body: &str) -> (HubFault, CallOutcome) {
    let server = RawServer::start().await;
    server.respond(code, "", body.as_bytes());
    let client = client(server.url.as_str());
    (
        client.retrieve(&key(), "bot", true).await.unwrap_err(),
        client
            .call(&key(), "bot", OperationKind::Activate, "an-id")
            .await,
    )
}

#[tokio::test]
async fn the_words_of_every_known_error_body_are_quoted() {
    for body in [
        json!({"error": "no funds"}),
        json!({"error": {"type": "billing", "title": "no funds"}, "status": "error"}),
        json!({"error": {"type": "no funds"}}),
        json!({"error": {"message": "no funds"}}),
        json!({"status": "error", "status_message": "no funds"}),
        json!({"error": "", "status_message": "no funds"}),
        json!({"message": "  no\n\tfunds "}),
    ] {
        let (fault, outcome) = fault_and_outcome(402, &body.to_string()).await;
        assert_eq!(
            fault,
            HubFault::PaymentRequired("no funds (402)".into()),
            "{body}"
        );
        assert_eq!(outcome, CallOutcome::refused(fault), "{body}");
    }
    for wordless in [
        "",
        "<html><body>Pay!</body></html>",
        "null",
        "[]",
        "{\"error\":7}",
        "\"words\"",
    ] {
        let (fault, _) = fault_and_outcome(402, wordless).await;
        assert_eq!(
            fault,
            HubFault::PaymentRequired("402 Payment Required".into()),
            "{wordless}"
        );
    }
}

#[tokio::test]
async fn the_simulated_hubs_errors_have_their_faults() {
    let hub = Hub::builder()
        .model(Model::custom("bot"))
        .model(Model::base("base"))
        .start()
        .await
        .unwrap();
    let client = client(&hub.url());
    let not_found = || HubFault::ModelNotFound(Vec::new());
    let retrieved = client.retrieve(&hub_key(), "typo", true).await;
    assert_eq!(retrieved, Err(not_found()));
    let outcome = client
        .call(&hub_key(), "typo", OperationKind::Deactivate, "an-id")
        .await;
    assert_eq!(outcome, CallOutcome::refused(not_found()));
    let list = client.list(&key(), None, None).await;
    assert_eq!(list, Err(HubFault::Unauthenticated));
    let outcome = client
        .call(&hub_key(), "base", OperationKind::Activate, "an-id")
        .await;
    let words = "Base models are always active: base (422)".to_owned();
    assert_eq!(outcome, CallOutcome::refused(HubFault::Rejected(words)));
}

#[tokio::test]
async fn only_a_404_about_the_model_is_model_not_found() {
    for (body, about_model) in [
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
        let (fault, outcome) = fault_and_outcome(404, body).await;
        let not_found = HubFault::ModelNotFound(Vec::new());
        assert_eq!(fault == not_found, about_model, "{body}");
        let unreachable = matches!(fault, HubFault::Unreachable(_));
        assert_eq!(unreachable, !about_model, "{body}");
        let refused = matches!(outcome, CallOutcome::Refused { .. });
        assert_eq!(refused, about_model, "{body}");
    }
    let (fault, _) = fault_and_outcome(400, r#"{"error":"Model not found: bot"}"#).await;
    assert!(matches!(fault, HubFault::Unexpected(_)), "{fault:?}");
}

#[tokio::test]
async fn an_error_response_is_no_model_even_if_its_body_is_one() {
    let body = json!({
        "id": "bot", "object": "model", "created": 1, "owned_by": "acme",
        "status": "error", "deployments": [{"status": "inactive"}],
    });
    for code in [401, 403, 404, 422, 429, 500, 503] {
        let server = RawServer::start().await;
        server.respond(code, "", body.to_string().as_bytes());
        let client = client(server.url.as_str());
        assert!(
            client.retrieve(&key(), "bot", true).await.is_err(),
            "{code}"
        );
        let outcome = client
            .call(&key(), "bot", OperationKind::Activate, "an-id")
            .await;
        assert_ne!(outcome, CallOutcome::Accepted, "{code}");
    }
}

/// Every text that the client returns for this response, as a log would show it.
async fn printed(code: u16, body: &str) -> String {
    let (fault, outcome) = fault_and_outcome(code, body).await;
    format!("{fault:?} {outcome:?}")
}

#[tokio::test]
async fn quoted_words_are_cut_and_on_one_line() {
    let long = "word \u{1b}[31m\n\r\0 ".repeat(2000);
    for code in [400, 402, 403, 404, 422, 500, 503] {
        for body in [json!({"error": long}).to_string(), long.clone()] {
            let printed = printed(code, &body).await;
            assert!(printed.len() < 700, "{code}: {}", printed.len());
            assert!(
                !printed.contains("\\n") && !printed.contains("\\u{1b}"),
                "{code}: {printed}"
            );
        }
    }
}

#[tokio::test]
async fn the_api_key_is_never_printed_even_if_the_hub_quotes_it() {
    let quoting = [
        json!({"error": format!("bad key {KEY}")}),
        json!({"error": {"title": format!("{KEY} is not allowed")}}),
        json!({"status_message": format!("{}{KEY}", "x".repeat(190))}),
        Value::from(KEY),
    ];
    for code in [200, 302, 400, 401, 402, 403, 404, 422, 429, 500, 503] {
        for body in &quoting {
            let printed = printed(code, &body.to_string()).await;
            assert!(!printed.contains(&KEY[..9]), "{code}: {printed}");
        }
        let printed = printed(code, KEY).await;
        assert!(!printed.contains(KEY), "{code}: {printed}");
    }
    let client = client("http://127.0.0.1:1");
    let fault = client.retrieve(&key(), "bot", true).await.unwrap_err();
    let printed = format!("{client:?} {:?} {fault:?}", key());
    assert!(
        !printed.contains(KEY) && !printed.to_lowercase().contains("bearer"),
        "{printed}"
    );
    let error = ApiKey::new(format!("{KEY} {KEY}").as_bytes()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY));
}

#[tokio::test]
async fn a_transport_fault_shows_neither_the_url_nor_its_query() {
    let hub = Hub::start().await.unwrap();
    hub.inject(Fault::cut());
    let client = client(&hub.url());
    for fault in [
        client.search(&hub_key(), "secret words").await.unwrap_err(),
        client.retrieve(&hub_key(), "bot", true).await.unwrap_err(),
    ] {
        let printed = format!("{fault:?}");
        assert!(
            !printed.contains("http://") && !printed.contains("secret"),
            "{printed}"
        );
    }
}
