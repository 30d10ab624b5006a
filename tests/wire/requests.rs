//! The requests: paths, queries, headers, the proxy, and what is reported of each.

use std::sync::{Arc, Mutex};

use hub::{Hub, Model};
use oxen_operator::{
    api::OperationKind,
    decide::{CallOutcome, HubFault},
    hub::{Client, Endpoint, Limits, Outcome, Route, fold},
};
use testkit::raw::{KEY, RawServer, client, hub_key, key};

const MODEL: &[u8] = br#"{"id":"bot","object":"model","created":1,"owned_by":"acme"}"#;

/// A server that answers every request with a model.
async fn model_server() -> RawServer {
    let server = RawServer::start().await;
    server.respond(200, "", MODEL);
    server
}

/// The request line of each endpoint, in the order of the hub's reference.
async fn request_lines(client: &Client, server: &RawServer, model: &str) -> Vec<String> {
    let key = key();
    let mut lines = Vec::new();
    let mut push = || lines.push(request_line(&server.request()));
    let _ = client.list(&key, None, None).await;
    push();
    let _ = client.search(&key, model).await;
    push();
    let _ = client.retrieve(&key, model, false).await;
    push();
    let _ = client.retrieve(&key, model, true).await;
    push();
    client
        .call(&key, model, OperationKind::Activate, "an-id")
        .await;
    push();
    client
        .call(&key, model, OperationKind::Deactivate, "an-id")
        .await;
    push();
    lines
}

fn request_line(request: &str) -> String {
    request.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn each_endpoint_is_requested_below_any_base_url() {
    let server = model_server().await;
    let origin = server.url.as_str().trim_end_matches('/').to_owned();
    for (base, prefix) in [
        ("", ""),
        ("/", ""),
        ("/hub", "/hub"),
        ("/hub/", "/hub"),
        ("/hub/v2", "/hub/v2"),
    ] {
        let client = client(&format!("{origin}{base}"));
        let models = format!("{prefix}/api/ai/models");
        assert_eq!(
            request_lines(&client, &server, "bot").await,
            [
                format!("GET {models} HTTP/1.1"),
                format!("GET {models}/search?search=bot HTTP/1.1"),
                format!("GET {models}/bot HTTP/1.1"),
                format!("GET {models}/bot?deployment_status=live HTTP/1.1"),
                format!("POST {models}/bot/activate HTTP/1.1"),
                format!("POST {models}/bot/deactivate HTTP/1.1"),
            ]
        );
        let api_base = client.api_base();
        assert_eq!(api_base.as_str(), format!("{origin}{prefix}/api/ai"));
    }
}

#[tokio::test]
async fn the_filters_of_a_list_are_in_its_query() {
    let server = model_server().await;
    let client = client(server.url.as_str());
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
            request_line(&server.request()),
            format!("GET /api/ai/models{query} HTTP/1.1")
        );
    }
}

#[tokio::test]
async fn any_model_name_is_one_segment_of_the_path() {
    let server = model_server().await;
    let client = client(server.url.as_str());
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
        let expected = format!("GET {path}?deployment_status=live HTTP/1.1");
        assert_eq!(request_line(&server.request()), expected, "{model:?}");
        client
            .call(&key(), model, OperationKind::Activate, "an-id")
            .await;
        let expected = format!("POST {path}/activate HTTP/1.1");
        assert_eq!(request_line(&server.request()), expected, "{model:?}");
    }
}

#[tokio::test]
async fn the_simulated_hub_decodes_every_name_as_it_was_asked_for() {
    let names = ["bot", "acme/cat", "模型", r"a\b", "a+b;c=d@e:f", "..."];
    let mut builder = Hub::builder();
    for name in names {
        builder = builder.model(Model::custom(name));
    }
    let hub = builder.start().await.unwrap();
    let (client, key) = (client(&hub.url()), hub_key());
    for name in names {
        assert_eq!(client.retrieve(&key, name, true).await.unwrap().id, name);
        let outcome = client
            .call(&key, name, OperationKind::Activate, "an-id")
            .await;
        assert_eq!(outcome, CallOutcome::Accepted, "{name:?}");
        assert_eq!(hub.journal().posts_for(name).len(), 1);
    }
}

#[tokio::test]
async fn a_model_is_the_same_with_and_without_prefix_and_owner() {
    for prefixed in [false, true] {
        let builder = Hub::builder().model(Model::custom("bot").owner("acme"));
        let builder = builder.key("acme", KEY);
        let builder = if prefixed {
            builder.prefixed_ids()
        } else {
            builder
        };
        let hub = builder.start().await.unwrap();
        let client = client(&hub.url());
        for asked in ["bot", "oxen:bot", "acme/bot", "oxen:acme/bot"] {
            let model = client.retrieve(&key(), asked, true).await.unwrap();
            let remote = fold(asked, &model, &client.api_base()).unwrap();
            let id = if prefixed { "oxen:bot" } else { "bot" };
            assert_eq!(remote.model.id, id, "the identity stays as it came");
            let other = fold("other/bot", &model, &client.api_base());
            assert!(matches!(other, Err(HubFault::ModelMismatch(_))), "{asked}");
        }
    }
}

#[tokio::test]
async fn only_the_authorization_header_carries_the_key() {
    let server = model_server().await;
    let client = client(server.url.as_str());
    let _ = client.retrieve(&key(), "bot", true).await;
    let get = server.request().to_lowercase();
    client
        .call(&key(), "bot", OperationKind::Activate, "an-id")
        .await;
    let post = server.request().to_lowercase();
    assert!(post.contains("x-request-id: an-id\r\n"), "{post}");
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
        assert!(
            request.contains("accept-encoding: identity\r\n"),
            "{request}"
        );
        assert!(request.contains("user-agent: oxen-operator/"), "{request}");
        assert_eq!(request.matches(KEY).count(), 1, "{request}");
        for absent in ["cookie:", "referer:", "transfer-encoding:"] {
            assert!(!request.contains(absent), "{request}");
        }
    }
    assert!(post.contains("content-length: 0\r\n"), "{post}");
}

#[tokio::test]
async fn a_configured_proxy_is_used() {
    let server = model_server().await;
    let base: url::Url = "http://hub.invalid".parse().unwrap();
    let proxy = Some(server.url.clone());
    let route = Route {
        proxy,
        ..base.into()
    };
    let client = Client::new(route, Limits::default(), |_, _, _| ());
    let model = client.unwrap().retrieve(&key(), "bot", false).await;
    assert_eq!(model.unwrap().id, "bot");
    let line = request_line(&server.request());
    assert_eq!(line, "GET http://hub.invalid/api/ai/models/bot HTTP/1.1");
}

#[tokio::test]
async fn every_request_is_reported_with_its_outcome() {
    let hub = Hub::builder()
        .model(Model::custom("bot"))
        .start()
        .await
        .unwrap();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let reported = reports.clone();
    let on_end = move |endpoint, outcome, _| reported.lock().unwrap().push((endpoint, outcome));
    let base: url::Url = hub.url().parse().unwrap();
    let client = Client::new(base.into(), Limits::default(), on_end).unwrap();
    let (key, wrong_key) = (hub_key(), key());
    let _ = client.list(&key, None, None).await;
    let _ = client.search(&key, "b").await;
    let _ = client.retrieve(&key, "typo", true).await;
    let _ = client
        .call(&key, "bot", OperationKind::Activate, "an-id")
        .await;
    let _ = client
        .call(&wrong_key, "bot", OperationKind::Deactivate, "an-id")
        .await;
    hub.stop().await.unwrap();
    let _ = client.retrieve(&key, "bot", true).await;
    assert_eq!(
        *reports.lock().unwrap(),
        [
            (Endpoint::List, Outcome::Code(200)),
            (Endpoint::Search, Outcome::Code(200)),
            (Endpoint::Retrieve, Outcome::Code(404)),
            (Endpoint::Activate, Outcome::Code(200)),
            (Endpoint::Deactivate, Outcome::Code(401)),
            (Endpoint::Retrieve, Outcome::NoResponse),
        ]
    );
}
