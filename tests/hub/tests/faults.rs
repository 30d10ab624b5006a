//! Faults on demand: every kind, the requests that they apply to, and their order with the effect.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod common;

use std::time::{Duration, Instant, SystemTime};

use common::*;
use hub::{Endpoint, Fault, Hub, KEY, Model, Outcome};
use reqwest::{Method, StatusCode};
use serde_json::json;

async fn hub_with_bots() -> Hub {
    let long = Duration::from_secs(600);
    let models = Hub::builder()
        .model(Model::custom("bot"))
        .model(Model::custom("other"));
    models.activate_delay(long).start().await.unwrap()
}

async fn hub_with(fault: Fault) -> Hub {
    let hub = hub_with_bots().await;
    hub.inject(fault);
    hub
}

#[tokio::test]
async fn status_code_fault_applies_before_or_after_the_effect() {
    for (fault, status, effect) in [
        (Fault::status(500), "inactive", false),
        (Fault::status(500).after_effect(), "deploying", true),
    ] {
        let hub = hub_with(fault).await;
        let expected = json!({ "error": "Internal Server Error" });
        assert_eq!(
            post(&hub, &activate("bot")).await,
            (StatusCode::INTERNAL_SERVER_ERROR, expected)
        );
        assert_eq!(hub.live("bot").unwrap(), [status]);
        assert_eq!(hub.journal().posts()[0].effect, effect);
    }
}

#[tokio::test]
async fn fault_can_be_restricted_to_model_endpoint_or_account() {
    let hub = hub_with_bots().await;
    let uuid = hub.uuid("bot").unwrap();
    let teapot = StatusCode::IM_A_TEAPOT;
    let applies = async |fault: Fault, path: &str| {
        hub.clear_faults();
        hub.inject(fault);
        get(&hub, path).await.0 == teapot
    };
    assert!(applies(Fault::status(418), "/elsewhere").await);
    assert!(applies(Fault::status(418).on_model("bot"), &retrieve("bot")).await);
    assert!(applies(Fault::status(418).on_model("bot"), &retrieve(&uuid)).await);
    assert!(applies(Fault::status(418).on_model(&uuid), &retrieve("bot")).await);
    assert!(applies(Fault::status(418).on_model("typo"), &retrieve("typo")).await);
    assert!(!applies(Fault::status(418).on_model("bot"), &retrieve("other")).await);
    assert!(!applies(Fault::status(418).on_model("bot"), "/api/ai/models").await);
    assert!(applies(Fault::status(418).on(Endpoint::List), "/api/ai/models").await);
    assert!(!applies(Fault::status(418).on(Endpoint::List), &retrieve("bot")).await);
    assert!(applies(Fault::status(418).on_account("acme"), &retrieve("bot")).await);
    assert!(!applies(Fault::status(418).on_account("rival"), &retrieve("bot")).await);
    hub.add_key_of(["acme", "rival"], KEY);
    assert!(applies(Fault::status(418).on_account("rival"), &retrieve("bot")).await);
    hub.clear_faults();
    hub.inject(Fault::status(418).on_model(&uuid));
    assert_eq!(complete(&hub, &json!({ "model": "bot" })).await.0, teapot);
    assert_ne!(complete(&hub, &json!({ "model": "other" })).await.0, teapot);
}

#[tokio::test]
async fn fault_skips_and_counts_requests() {
    let hub = hub_with(Fault::status(503).times(2).skip(1)).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(get(&hub, &retrieve("bot")).await.0.as_u16());
    }
    assert_eq!(seen, [200, 503, 503, 200]);
}

#[tokio::test]
async fn first_fault_answers_and_later_ones_are_unaffected() {
    let hub = hub_with(Fault::status(500).times(1)).await;
    let second = hub.inject(Fault::status(502));
    let mut seen = vec![
        get(&hub, &retrieve("bot")).await.0.as_u16(),
        get(&hub, &retrieve("bot")).await.0.as_u16(),
    ];
    hub.clear_fault(second);
    seen.push(get(&hub, &retrieve("bot")).await.0.as_u16());
    assert_eq!(seen, [500, 502, 200]);
}

#[tokio::test]
async fn latencies_delay_the_normal_response_and_add_up() {
    let hub = hub_with(Fault::latency(ms(60))).await;
    hub.inject(Fault::latency(ms(60)).after_effect());
    let start = Instant::now();
    assert_eq!(get(&hub, &retrieve("bot")).await.0, StatusCode::OK);
    assert!(start.elapsed() >= ms(120));
}

#[tokio::test]
async fn retry_after_can_be_seconds_a_date_or_any_text() {
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for (fault, expected) in [
        (Fault::status(429).retry_after(Duration::from_secs(7)), "7"),
        (
            Fault::status(503).retry_after_date(date),
            "Fri, 15 Jan 2027 08:00:00 GMT",
        ),
        (Fault::status(429).header("Retry-After", "soon"), "soon"),
    ] {
        let hub = hub_with(fault).await;
        let response = send_as(&hub, KEY, Method::GET, &retrieve("bot"))
            .await
            .unwrap();
        assert_eq!(response.headers()["retry-after"], expected);
    }
}

#[tokio::test]
async fn every_known_form_of_error_body_can_be_sent() {
    let typed =
        json!({ "error": { "type": "overloaded", "title": "Too busy" }, "status": "error" });
    for (fault, expected) in [
        (
            Fault::error(402, "no credit"),
            json!({ "error": "no credit" }),
        ),
        (Fault::typed_error(402, "overloaded", "Too busy"), typed),
        (
            Fault::api_error(402, "no credit"),
            error("unknown_error", "Unknown error", "no credit"),
        ),
        (
            Fault::message_error(402, "no credit"),
            json!({ "error": { "message": "no credit" } }),
        ),
        (
            Fault::status_message(402, "no"),
            json!({ "status": "error", "status_message": "no" }),
        ),
        (
            Fault::status(402).body(json!("plain words")),
            json!("plain words"),
        ),
    ] {
        let hub = hub_with(fault).await;
        assert_eq!(
            get(&hub, &retrieve("bot")).await,
            (StatusCode::PAYMENT_REQUIRED, expected)
        );
    }
    let hub = hub_with(Fault::html(502)).await;
    let response = send_as(&hub, KEY, Method::GET, &retrieve("bot"))
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "text/html");
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("<h1>502 Bad Gateway</h1>")
    );
}

#[tokio::test]
async fn type_of_an_error_depends_on_its_code() {
    for (code, kind) in [
        (400, "invalid_params"),
        (401, "unauthenticated"),
        (403, "unknown_error"),
        (404, "resource_not_found"),
        (422, "invalid_params"),
        (500, "unknown_error"),
    ] {
        let hub = hub_with(Fault::api_error(code, "words")).await;
        let (status, body) = get(&hub, &retrieve("bot")).await;
        assert_eq!(status, code);
        assert_eq!(
            (&body["error"]["type"], &body["error"]["detail"]),
            (&json!(kind), &json!("words"))
        );
        assert_eq!(body["status_message"], kind);
    }
}

#[tokio::test]
async fn success_status_can_have_an_invalid_body() {
    for (fault, body) in [
        (
            Fault::truncated(),
            json!(r#"{"id":"my-bot","object":"model","created":17600000"#),
        ),
        (Fault::not_json(), json!("upstream says hello")),
        (Fault::wrong_shape(), json!(["neither", "a", "model"])),
        (Fault::empty(), json!("")),
    ] {
        let hub = hub_with(fault).await;
        assert_eq!(get(&hub, &retrieve("bot")).await, (StatusCode::OK, body));
    }
}

#[tokio::test]
async fn huge_model_is_streamed_without_content_length() {
    let bytes = 5 * 1024 * 1024;
    let hub = hub_with(Fault::huge(bytes)).await;
    let response = send_as(&hub, KEY, Method::GET, &retrieve("bot"))
        .await
        .unwrap();
    assert_eq!(response.content_length(), None);
    let (_, model) = read(response).await;
    assert!(model["description"].as_str().unwrap().len() >= bytes);
}

#[tokio::test]
async fn cut_connection_gives_no_response() {
    for (fault, status) in [
        (Fault::cut(), "inactive"),
        (Fault::cut().after_effect(), "deploying"),
    ] {
        let hub = hub_with(fault).await;
        let error = send_as(&hub, KEY, Method::POST, &activate("bot"))
            .await
            .unwrap_err();
        assert!(error.is_request() && error.status().is_none(), "{error:?}");
        assert_eq!(hub.live("bot").unwrap(), [status]);
        assert_eq!(hub.journal().posts().len(), 1, "reqwest retried the POST");
        assert_eq!(hub.journal().posts()[0].outcome, Outcome::Cut);
    }
}

#[tokio::test]
async fn cut_of_a_reused_connection_gives_no_response() {
    let hub = hub_with_bots().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let send = || {
        client
            .post(hub.url() + &activate("bot"))
            .bearer_auth(KEY)
            .send()
    };
    assert!(!send().await.unwrap().text().await.unwrap().is_empty());
    hub.inject(Fault::cut());
    send().await.unwrap_err();
    assert_eq!(hub.journal().posts().len(), 2);
}

#[tokio::test]
async fn connection_can_be_cut_in_the_middle_of_a_body() {
    let hub = hub_with(Fault::cut_in_body()).await;
    let response = send_as(&hub, KEY, Method::GET, &retrieve("bot"))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.bytes().await.unwrap_err();
}

#[tokio::test]
async fn hanging_request_lasts_until_the_client_times_out() {
    let hub = hub_with(Fault::hang().after_effect()).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(ms(2000))
        .build()
        .unwrap();
    let error = client
        .post(hub.url() + &activate("bot"))
        .bearer_auth(KEY)
        .send()
        .await
        .unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(hub.live("bot").unwrap(), ["deploying"]);
    let journal = hub
        .wait_for(SOON, |journal| journal.entries[0].is_over())
        .await
        .unwrap();
    assert_eq!(journal.entries[0].outcome, Outcome::Abandoned);
}

#[tokio::test]
async fn response_can_show_a_wrong_status_or_owner() {
    let hub = hub_with(Fault::shows("hibernating")).await;
    assert_eq!(
        statuses(&post(&hub, &activate("bot")).await.1),
        ["hibernating"]
    );
    assert_eq!(hub.live("bot").unwrap(), ["deploying"]);
    assert_eq!(
        statuses(&get(&hub, "/api/ai/models").await.1["data"][1]),
        ["hibernating"]
    );
    hub.clear_faults();
    hub.inject(Fault::patch(
        json!({ "owned_by": "rival", "deployments": null }),
    ));
    let (_, object) = get(&hub, &retrieve("bot")).await;
    assert_eq!(
        (&object["owned_by"], object.get("deployments")),
        (&json!("rival"), None)
    );
}

#[tokio::test]
async fn redirect_has_a_location() {
    let hub = hub_with(Fault::redirect("http://127.0.0.1:9/login")).await;
    let response = send_as(&hub, KEY, Method::GET, &retrieve("bot"))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(response.headers()["location"], "http://127.0.0.1:9/login");
}

#[tokio::test]
async fn stopped_hub_refuses_connections_and_restarts_on_its_port() {
    let hub = hub_with_bots().await;
    let url = hub.url();
    post(&hub, &activate("bot")).await;
    for _ in 0..2 {
        hub.stop().await.unwrap();
        assert!(
            send_as(&hub, KEY, Method::GET, &retrieve("bot"))
                .await
                .unwrap_err()
                .is_connect()
        );
        hub.restart().await.unwrap();
        assert_eq!(get(&hub, &retrieve("bot")).await.0, StatusCode::OK);
        assert_eq!(hub.url(), url);
    }
    hub.stop().await.unwrap();
    hub.stop().await.unwrap();
}

#[tokio::test]
async fn stop_closes_open_connections() {
    let hub = hub_with(Fault::hang()).await;
    let path = retrieve("bot");
    let request = send_as(&hub, KEY, Method::GET, &path);
    let stop = async {
        hub.wait_for(SOON, |journal| journal.entries.len() == 1)
            .await
            .unwrap();
        hub.stop().await.unwrap();
    };
    let (answer, ()) = tokio::join!(request, stop);
    answer.unwrap_err();
    assert_eq!(hub.journal().entries[0].outcome, Outcome::Abandoned);
}

#[tokio::test]
async fn hub_stops_when_its_last_handle_is_dropped() {
    let hub = hub_with_bots().await;
    let copy = hub.clone();
    let url = hub.url();
    drop(hub);
    reqwest::get(&url).await.unwrap();
    drop(copy);
    tokio::task::yield_now().await;
    tokio::time::sleep(ms(20)).await;
    assert!(reqwest::get(&url).await.unwrap_err().is_connect());
}

#[tokio::test]
async fn rate_limit_applies_to_each_key_separately() {
    let hub = Hub::builder()
        .key("acme", KEY)
        .key("other", "another-key")
        .model(Model::custom("bot"))
        .limit(3);
    let hub = hub.start().await.unwrap();
    let path = retrieve("bot");
    // The limit counts a second, in which a busy machine may not send five requests.
    let responses = loop {
        let started = Instant::now();
        let mut responses = Vec::new();
        for _ in 0..5 {
            responses.push(send_as(&hub, KEY, Method::GET, &path).await.unwrap());
        }
        if started.elapsed() < Duration::from_secs(1) {
            break responses;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let statuses: Vec<_> = responses.iter().map(|it| it.status().as_u16()).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    for response in responses.into_iter().skip(3) {
        assert_eq!(response.headers()["retry-after"], "1");
        let words = error("unknown_error", "Unknown error", "too many requests");
        assert_eq!(read(response).await.1, words);
    }
    let other = send_as(&hub, "another-key", Method::GET, &path).await;
    assert_eq!(
        other.unwrap().status(),
        404,
        "another key has its own limit"
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(get(&hub, &path).await.0, 200);
}
