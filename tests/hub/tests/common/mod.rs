//! A client with the API key, and helpers that the tests of the simulator share.
#![allow(dead_code)] // each test file is a separate crate that uses a part of these

use std::time::Duration;

use hub::{Hub, KEY};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub const SOON: Duration = Duration::from_secs(60);

pub async fn send_as(
    hub: &Hub,
    key: &str,
    method: Method,
    path: &str,
) -> reqwest::Result<Response> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .user_agent("hub-tests")
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    client
        .request(method, format!("{}{path}", hub.url()))
        .bearer_auth(key)
        .send()
        .await
}

pub async fn get(hub: &Hub, path: &str) -> (StatusCode, Value) {
    read(send_as(hub, KEY, Method::GET, path).await.unwrap()).await
}

pub async fn post(hub: &Hub, path: &str) -> (StatusCode, Value) {
    read(send_as(hub, KEY, Method::POST, path).await.unwrap()).await
}

pub async fn get_as(hub: &Hub, key: &str, path: &str) -> (StatusCode, Value) {
    read(send_as(hub, key, Method::GET, path).await.unwrap()).await
}

pub async fn post_as(hub: &Hub, key: &str, path: &str) -> (StatusCode, Value) {
    read(send_as(hub, key, Method::POST, path).await.unwrap()).await
}

/// Sends a request without the header `Authorization`.
pub async fn send_without_key(hub: &Hub, method: Method, path: &str) -> (StatusCode, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.request(method, format!("{}{path}", hub.url()));
    read(request.send().await.unwrap()).await
}

/// Sends a request for inference.
pub async fn complete(hub: &Hub, body: &Value) -> (StatusCode, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .post(hub.url() + "/api/ai/chat/completions")
        .bearer_auth(KEY);
    read(request.json(body).send().await.unwrap()).await
}

/// Advances the clock.
pub async fn jump(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// The body of an error in the hub's usual format.
pub fn error(kind: &str, title: &str, detail: &str) -> Value {
    json!({
        "error": { "type": kind, "title": title, "detail": detail },
        "status": "error",
        "status_message": kind,
    })
}

/// The response to a request for a model that isn't there.
pub fn not_found(id: &str) -> (StatusCode, Value) {
    let detail = format!("Model not found: {id}");
    let body = error("resource_not_found", "Resource not found", &detail);
    (StatusCode::NOT_FOUND, body)
}

/// The response to a request that isn't authenticated.
pub fn unauthenticated() -> (StatusCode, Value) {
    let body = error("unauthenticated", "Unauthenticated", "unauthenticated");
    (StatusCode::UNAUTHORIZED, body)
}

/// The response to a request with parameters that can't be used.
pub fn invalid_params(code: u16, detail: &str) -> (StatusCode, Value) {
    let body = error("invalid_params", "Invalid parameters", detail);
    (StatusCode::from_u16(code).unwrap(), body)
}

/// Reads the status and the body. A body that isn't JSON becomes a string.
pub async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

pub fn retrieve(model: &str) -> String {
    format!("/api/ai/models/{model}")
}

pub fn live(model: &str) -> String {
    format!("/api/ai/models/{model}?deployment_status=live")
}

pub fn activate(model: &str) -> String {
    format!("/api/ai/models/{model}/activate")
}

pub fn deactivate(model: &str) -> String {
    format!("/api/ai/models/{model}/deactivate")
}

/// The statuses in a model object.
pub fn statuses(object: &Value) -> Vec<&str> {
    let deployments = object["deployments"].as_array().unwrap();
    deployments
        .iter()
        .map(|deployment| deployment["status"].as_str().unwrap())
        .collect()
}

/// The ids of the models in a list.
pub fn ids(list: &Value) -> Vec<&str> {
    assert_eq!(list["object"], "list");
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect()
}
