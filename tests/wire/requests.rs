use std::sync::{Arc, Mutex};

use hub::{Hub, Model};
use oxen_operator::{
    api::Direction,
    decide::Answer,
    oxen::{Client, Endpoint, Limits, Outcome, Route},
};

use crate::raw::{KEY, Raw, client, hub_key, key};

const MODEL: &[u8] = br#"{"id":"bot","object":"model","created":1,"owned_by":"acme"}"#;

/// A server whose every answer is a model.
async fn answering() -> Raw {
    let raw = Raw::start().await;
    raw.answers(200, "", MODEL);
    raw
}

/// The line that each endpoint's request begins with, in the reference's order.
async fn lines(client: &Client, raw: &Raw, model: &str) -> Vec<String> {
    let key = key();
    let mut lines = Vec::new();
    let mut note = || lines.push(line(&raw.request()));
    let _ = client.list(&key, None, None).await;
    note();
    let _ = client.search(&key, model).await;
    note();
    let _ = client.retrieve(&key, model, false).await;
    note();
    let _ = client.retrieve(&key, model, true).await;
    note();
    client
        .call(&key, model, Direction::Activate, "a-call")
        .await;
    note();
    client
        .call(&key, model, Direction::Deactivate, "a-call")
        .await;
    note();
    lines
}

fn line(request: &str) -> String {
    request.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn each_endpoint_is_asked_as_the_reference_says_below_any_base_url() {
    let raw = answering().await;
    let origin = raw.url.as_str().trim_end_matches('/').to_owned();
    for (base, prefix) in [
        ("", ""),
        ("/", ""),
        ("/hub", "/hub"),
        ("/hub/", "/hub"),
        ("/hub/v2", "/hub/v2"),
    ] {
        let client = client(&format!("{origin}{base}"));
        let all = format!("{prefix}/api/ai/models");
        assert_eq!(
            lines(&client, &raw, "bot").await,
            [
                format!("GET {all} HTTP/1.1"),
                format!("GET {all}/search?search=bot HTTP/1.1"),
                format!("GET {all}/bot HTTP/1.1"),
                format!("GET {all}/bot?deployment_status=live HTTP/1.1"),
                format!("POST {all}/bot/activate HTTP/1.1"),
                format!("POST {all}/bot/deactivate HTTP/1.1"),
            ]
        );
        let api_base = client.api_base();
        assert_eq!(api_base.as_str(), format!("{origin}{prefix}/api/ai"));
    }
}

#[tokio::test]
async fn the_filters_of_a_list_are_in_its_query() {
    let raw = answering().await;
    let client = client(raw.url.as_str());
    for (developer, action, query) in [
        (Some("openai"), None, "?developer_name=openai"),
        (None, Some("text"), "?action=text"),
        (
            Some("a b"),
            Some("x&y=z/é"),
            "?developer_name=a+b&action=x%26y%3Dz%2F%C3%A9",
        ),
    ] {
        let _ = client.list(&key(), developer, action).await;
        assert_eq!(
            line(&raw.request()),
            format!("GET /api/ai/models{query} HTTP/1.1")
        );
    }
}

#[tokio::test]
async fn a_models_name_is_one_segment_of_the_path_whatever_is_in_it() {
    let raw = answering().await;
    let client = client(raw.url.as_str());
    for (model, segment) in [
        ("acme/bot", "acme%2Fbot"),
        ("acme//bot/", "acme%2F%2Fbot%2F"),
        ("../admin", "..%2Fadmin"),
        ("a/../b", "a%2F..%2Fb"),
        ("...", "..."),
        (r"a\b", "a%5Cb"),
        ("a?deployment_status=x#y", "a%3Fdeployment_status=x%23y"),
        ("a%2Fb", "a%252Fb"),
        ("%2e%2e", "%252e%252e"),
        ("a b", "a%20b"),
        ("模型-ü", "%E6%A8%A1%E5%9E%8B-%C3%BC"),
        ("a;b,c@d:e+f&g=h", "a;b,c@d:e+f&g=h"),
    ] {
        let _ = client.retrieve(&key(), model, true).await;
        let path = format!("/api/ai/models/{segment}");
        let wanted = format!("GET {path}?deployment_status=live HTTP/1.1");
        assert_eq!(line(&raw.request()), wanted, "{model:?}");
        client
            .call(&key(), model, Direction::Activate, "a-call")
            .await;
        let wanted = format!("POST {path}/activate HTTP/1.1");
        assert_eq!(line(&raw.request()), wanted, "{model:?}");
    }
}

#[tokio::test]
async fn the_hub_reads_back_the_very_name_that_was_asked_for() {
    let names = ["bot", "acme/bot", "模型", r"a\b", "a+b;c=d@e:f", "..."];
    let mut builder = Hub::builder();
    for name in names {
        builder = builder.model(Model::custom(name));
    }
    let hub = builder.start().await.unwrap();
    let (client, key) = (client(&hub.url()), hub_key());
    for name in names {
        assert_eq!(client.retrieve(&key, name, true).await.unwrap().id, name);
        let answer = client.call(&key, name, Direction::Activate, "a-call").await;
        assert_eq!(answer, Answer::Accepted, "{name:?}");
        assert_eq!(hub.journal().posts_for(name).len(), 1);
    }
}

#[tokio::test]
async fn a_request_carries_the_key_and_nothing_else_that_tells_of_it() {
    let raw = answering().await;
    let client = client(raw.url.as_str());
    let _ = client.retrieve(&key(), "bot", true).await;
    let get = raw.request().to_lowercase();
    client
        .call(&key(), "bot", Direction::Activate, "a-call")
        .await;
    let post = raw.request().to_lowercase();
    assert!(post.contains("x-request-id: a-call\r\n"), "{post}");
    assert!(!get.contains("x-request-id"), "{get}");
    for request in [&get, &post] {
        assert!(
            request.contains(&format!("authorization: bearer {KEY}\r\n")),
            "{request}"
        );
        assert!(
            request.contains("accept: application/json\r\n"),
            "{request}"
        );
        assert!(request.contains("user-agent: oxen-operator/"), "{request}");
        assert_eq!(request.matches(KEY).count(), 1, "{request}");
        for none in ["cookie:", "referer:", "transfer-encoding:"] {
            assert!(!request.contains(none), "{request}");
        }
    }
    assert!(post.contains("content-length: 0\r\n"), "{post}");
}

#[tokio::test]
async fn a_proxy_is_used_where_one_is_configured() {
    let raw = answering().await;
    let base: url::Url = "http://hub.invalid".parse().unwrap();
    let proxy = Some(raw.url.clone());
    let route = Route {
        proxy,
        ..base.into()
    };
    let client = Client::new(route, Limits::default(), |_, _, _| ());
    let model = client.unwrap().retrieve(&key(), "bot", false).await;
    assert_eq!(model.unwrap().id, "bot");
    let line = line(&raw.request());
    assert_eq!(line, "GET http://hub.invalid/api/ai/models/bot HTTP/1.1");
}

#[tokio::test]
async fn every_request_that_ended_is_told_of_with_its_code() {
    let hub = Hub::builder()
        .model(Model::custom("bot"))
        .start()
        .await
        .unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = told.clone();
    let watch = move |endpoint, outcome, _| telling.lock().unwrap().push((endpoint, outcome));
    let base: url::Url = hub.url().parse().unwrap();
    let client = Client::new(base.into(), Limits::default(), watch).unwrap();
    let (key, wrong) = (hub_key(), key());
    let _ = client.list(&key, None, None).await;
    let _ = client.search(&key, "b").await;
    let _ = client.retrieve(&key, "typo", true).await;
    let _ = client
        .call(&key, "bot", Direction::Activate, "a-call")
        .await;
    let _ = client
        .call(&wrong, "bot", Direction::Deactivate, "a-call")
        .await;
    hub.stop().await.unwrap();
    let _ = client.retrieve(&key, "bot", true).await;
    assert_eq!(
        *told.lock().unwrap(),
        [
            (Endpoint::List, Outcome::Code(200)),
            (Endpoint::Search, Outcome::Code(200)),
            (Endpoint::Retrieve, Outcome::Code(404)),
            (Endpoint::Activate, Outcome::Code(200)),
            (Endpoint::Deactivate, Outcome::Code(401)),
            (Endpoint::Retrieve, Outcome::NoAnswer),
        ]
    );
}
