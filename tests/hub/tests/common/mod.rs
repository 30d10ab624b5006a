//! A client with the API key, and helpers that the tests of the simulator share.
#![allow(dead_code)] // each test file is a separate crate that uses a part of these

use std::time::Duration;

use hub::{Hub, KEY};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub const SOON: Duration = Duration::from_secs(5);

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
