//! Faults on demand: each kind, whom they strike and how often, before the effect and after it.
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

async fn bots() -> Hub {
    let long = Duration::from_secs(600);
    let models = Hub::builder()
        .model(Model::custom("bot"))
        .model(Model::custom("other"));
    models.activate_delay(long).start().await.unwrap()
}

async fn with(fault: Fault) -> Hub {
    let hub = bots().await;
    hub.inject(fault);
    hub
}

#[tokio::test]
async fn a_status_code_comes_before_the_effect_or_after_it() {
    for (fault, status, effect) in [
        (Fault::status(500), "inactive", false),
        (Fault::status(500).after_effect(), "deploying", true),
    ] {
        let hub = with(fault).await;
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
async fn a_fault_strikes_one_model_by_name_or_uuid_or_one_endpoint_or_one_account() {
    let hub = bots().await;
    let uuid = hub.uuid("bot").unwrap();
    let teapot = StatusCode::IM_A_TEAPOT;
    let strikes = async |fault: Fault, path: &str| {
        hub.clear_faults();
        hub.inject(fault);
        get(&hub, path).await.0 == teapot
    };
    assert!(strikes(Fault::status(418), "/elsewhere").await);
    assert!(strikes(Fault::status(418).on_model("bot"), &retrieve("bot")).await);
    assert!(strikes(Fault::status(418).on_model("bot"), &retrieve(&uuid)).await);
    assert!(strikes(Fault::status(418).on_model(&uuid), &retrieve("bot")).await);
    assert!(strikes(Fault::status(418).on_model("typo"), &retrieve("typo")).await);
    assert!(!strikes(Fault::status(418).on_model("bot"), &retrieve("other")).await);
    assert!(!strikes(Fault::status(418).on_model("bot"), "/api/ai/models").await);
    assert!(strikes(Fault::status(418).on(Endpoint::List), "/api/ai/models").await);
    assert!(!strikes(Fault::status(418).on(Endpoint::List), &retrieve("bot")).await);
    assert!(strikes(Fault::status(418).on_account("acme"), &retrieve("bot")).await);
    assert!(!strikes(Fault::status(418).on_account("rival"), &retrieve("bot")).await);
}

#[tokio::test]
async fn a_fault_lasts_so_many_requests_and_can_let_some_pass_first() {
    let hub = with(Fault::status(503).times(2).skip(1)).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(get(&hub, &retrieve("bot")).await.0.as_u16());
    }
    assert_eq!(seen, [200, 503, 503, 200]);
}

#[tokio::test]
async fn the_first_fault_answers_and_the_next_one_keeps_its_turns() {
    let hub = with(Fault::status(500).times(1)).await;
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
async fn latency_delays_the_true_answer_and_adds_up() {
    let hub = with(Fault::latency(ms(60))).await;
    hub.inject(Fault::latency(ms(60)).after_effect());
    let start = Instant::now();
    assert_eq!(get(&hub, &retrieve("bot")).await.0, StatusCode::OK);
    assert!(start.elapsed() >= ms(120));
}

#[tokio::test]
async fn retry_after_is_seconds_or_a_date_or_anything() {
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for (fault, expected) in [
        (Fault::status(429).retry_after(Duration::from_secs(7)), "7"),
        (
            Fault::status(503).retry_after_date(date),
            "Fri, 15 Jan 2027 08:00:00 GMT",
        ),
        (Fault::status(429).header("Retry-After", "soon"), "soon"),
    ] {
        let hub = with(fault).await;
        let response = send_as(&hub, KEY, Method::GET, &retrieve("bot"))
            .await
            .unwrap();
        assert_eq!(response.headers()["retry-after"], expected);
    }
}

#[tokio::test]
async fn error_bodies_come_in_each_shape_seen_in_the_wild() {
    let typed =
        json!({ "error": { "type": "overloaded", "title": "Too busy" }, "status": "error" });
    for (fault, expected) in [
        (
            Fault::error(402, "no credit"),
            json!({ "error": "no credit" }),
        ),
        (Fault::typed_error(402, "overloaded", "Too busy"), typed),
        (
            Fault::status_message(402, "no"),
            json!({ "status": "error", "status_message": "no" }),
        ),
        (
            Fault::status(402).body(json!("plain words")),
            json!("plain words"),
        ),
    ] {
        let hub = with(fault).await;
        assert_eq!(
            get(&hub, &retrieve("bot")).await,
            (StatusCode::PAYMENT_REQUIRED, expected)
        );
    }
    let hub = with(Fault::html(502)).await;
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
async fn a_good_status_can_carry_a_body_that_is_broken() {
    for (fault, body) in [
        (
            Fault::truncated(),
            json!(r#"{"id":"my-bot","object":"model","created":17600000"#),
        ),
        (Fault::not_json(), json!("upstream says hello")),
        (Fault::wrong_shape(), json!(["neither", "a", "model"])),
        (Fault::empty(), json!("")),
    ] {
        let hub = with(fault).await;
        assert_eq!(get(&hub, &retrieve("bot")).await, (StatusCode::OK, body));
    }
}

#[tokio::test]
async fn a_huge_body_is_streamed_with_no_length_given_and_is_a_model() {
    let bytes = 5 * 1024 * 1024;
    let hub = with(Fault::huge(bytes)).await;
    let response = send_as(&hub, KEY, Method::GET, &retrieve("bot"))
        .await
        .unwrap();
    assert_eq!(response.content_length(), None);
    let (_, model) = read(response).await;
    assert!(model["description"].as_str().unwrap().len() >= bytes);
}

#[tokio::test]
async fn a_cut_connection_is_no_answer_at_all() {
    for (fault, status) in [
        (Fault::cut(), "inactive"),
        (Fault::cut().after_effect(), "deploying"),
    ] {
        let hub = with(fault).await;
        let error = send_as(&hub, KEY, Method::POST, &activate("bot"))
            .await
            .unwrap_err();
        assert!(error.is_request() && error.status().is_none(), "{error:?}");
        assert_eq!(hub.live("bot").unwrap(), [status]);
        assert_eq!(hub.journal().posts().len(), 1, "and nobody tries again");
        assert_eq!(hub.journal().posts()[0].outcome, Outcome::Cut);
    }
}

#[tokio::test]
async fn a_kept_connection_that_is_cut_is_no_answer_either() {
    let hub = bots().await;
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
async fn a_connection_can_be_cut_in_the_middle_of_a_body() {
    let hub = with(Fault::cut_in_body()).await;
    let response = send_as(&hub, KEY, Method::GET, &retrieve("bot"))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.bytes().await.unwrap_err();
}

#[tokio::test]
async fn a_hanging_answer_lasts_until_the_client_gives_up() {
    let hub = with(Fault::hang().after_effect()).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(ms(100))
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
    let gone = hub
        .wait_for(SOON, |journal| journal.entries[0].is_over())
        .await
        .unwrap();
    assert_eq!(gone.entries[0].outcome, Outcome::Abandoned);
}

#[tokio::test]
async fn an_answer_can_show_a_status_or_an_identity_that_is_not_so() {
    let hub = with(Fault::shows("hibernating")).await;
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
async fn a_redirect_points_elsewhere() {
    let hub = with(Fault::redirect("http://127.0.0.1:9/login")).await;
    let response = send_as(&hub, KEY, Method::GET, &retrieve("bot"))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(response.headers()["location"], "http://127.0.0.1:9/login");
}

#[tokio::test]
async fn a_stopped_hub_refuses_connections_and_comes_back_where_it_was() {
    let hub = bots().await;
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
async fn a_stop_cuts_what_is_in_flight() {
    let hub = with(Fault::hang()).await;
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
async fn a_hub_stops_with_its_last_handle() {
    let hub = bots().await;
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
async fn a_limit_lets_so_many_requests_of_a_key_pass_in_any_one_second() {
    let hub = Hub::builder()
        .key("acme", KEY)
        .key("other", "another-key")
        .model(Model::custom("bot"))
        .limit(3);
    let hub = hub.start().await.unwrap();
    let path = retrieve("bot");
    for expected in [200, 200, 200, 429, 429] {
        let response = send_as(&hub, KEY, Method::GET, &path).await.unwrap();
        assert_eq!(response.status(), expected);
        if expected == 429 {
            assert_eq!(response.headers()["retry-after"], "1");
        }
    }
    let other = send_as(&hub, "another-key", Method::GET, &path).await;
    assert_eq!(other.unwrap().status(), 404, "another key has its own");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(get(&hub, &path).await.0, 200);
}
