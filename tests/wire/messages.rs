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
        json!({"error": {"type": "unknown_error", "title": "Error", "detail": "no funds"},
               "status": "error", "status_message": "unknown_error"}),
        json!({"error": {"message": "no funds"}}),
        json!({"detail": "no funds"}),
        json!({"detail": [{"loc": ["body"], "msg": "no funds"}]}),
        json!({"errors": ["no funds"]}),
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
    for wordless in ["", "null", "[]", "{\"error\":7}", "\"words\""] {
        let (fault, _) = fault_and_outcome(402, wordless).await;
        assert_eq!(
            fault,
            HubFault::PaymentRequired("402 Payment Required".into()),
            "{wordless}"
        );
    }
    let (fault, outcome) = fault_and_outcome(402, "<html><body>Pay!</body></html>").await;
    let words = "a proxy or gateway on the way answered with an HTML page (402)";
    assert_eq!(fault, HubFault::Unreachable(words.into()));
    assert_eq!(outcome, CallOutcome::unknown(words));
}

#[tokio::test]
async fn both_documented_formats_are_quoted_with_their_most_precise_words() {
    let of_call = |code, words: &str| {
        let words = format!("{words} ({code})");
        match code {
            403 => HubFault::Forbidden(words),
            _ => HubFault::Rejected(words),
        }
    };
    for code in [400, 403, 409, 422] {
        let detailed = json!({"error": {"type": "invalid_params", "title": "Bad request",
            "detail": "the last shutdown is not finished"}, "status": "error",
            "status_message": "invalid_params"});
        let short = json!({"error": {"message": "the last shutdown is not finished"}});
        for body in [detailed, short] {
            let (_, outcome) = fault_and_outcome(code, &body.to_string()).await;
            let refused = of_call(code, "the last shutdown is not finished");
            assert_eq!(outcome, CallOutcome::refused(refused), "{body}");
        }
    }
    let by_field = r#"{"errors":{"detail":"no GPU is left"}}"#;
    let (_, outcome) = fault_and_outcome(400, by_field).await;
    let refused = of_call(400, "detail: no GPU is left");
    assert_eq!(outcome, CallOutcome::refused(refused));
}

#[tokio::test]
async fn a_502_that_the_hub_words_is_its_providers() {
    let body = r#"{"error":{"type":"upstream","title":"The model provider returned an error."}}"#;
    let words = "The model provider returned an error. (502)";
    let (fault, outcome) = fault_and_outcome(502, body).await;
    assert_eq!(fault, HubFault::ProviderFailed(words.into()));
    assert_eq!(outcome, CallOutcome::unknown(words));
    for body in ["", "<html>Bad gateway</html>", "{}"] {
        let (fault, _) = fault_and_outcome(502, body).await;
        assert_eq!(fault, HubFault::Unreachable("502 Bad Gateway".into()));
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
        (
            r#"{"error":{"type":"resource_not_found","title":"Resource not found","detail":"Model not found: x"},"status":"error","status_message":"resource_not_found"}"#,
            true,
        ),
        (r#"{"error":{"message":"Model not found: x"}}"#, true),
        (r#"{"error":"Not found"}"#, false),
        ("{}", false),
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
