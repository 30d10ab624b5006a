//! The program and its control routes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod common;

use std::process::Stdio;

use common::*;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Program {
    async fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hub"))
            .args(["--listen", "127.0.0.1:0", "--activate-delay", "20ms"])
            .args(args)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next_line().await.unwrap().unwrap();
        let url = first
            .strip_prefix("A simulated Oxen hub listens at ")
            .unwrap()
            .to_owned();
        Self { child, lines, url }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.send_as("demo-key", method, path, body).await
    }

    async fn send_as(
        &self,
        key: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let client = Client::builder().no_proxy().build().unwrap();
        let request = client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(key);
        let request = if let Some(body) = body {
            request.json(&body)
        } else {
            request
        };
        read(request.send().await.unwrap()).await
    }

    async fn line_with(&mut self, text: &str) -> String {
        loop {
            let line = self
                .lines
                .next_line()
                .await
                .unwrap()
                .expect("the output has a line with this text");
            if line.contains(text) {
                return line;
            }
        }
    }
}

#[tokio::test]
async fn program_serves_samples_logs_requests_and_exits_cleanly() {
    let mut hub = Program::start(&["--key", "demo=demo-key", "--log"]).await;
    assert_eq!(hub.line_with("key").await, "  account demo, key demo-key");
    let (status, model) = hub
        .send(Method::GET, &retrieve("flux-product-shots"), None)
        .await;
    assert_eq!(
        (status, &model["owned_by"]),
        (StatusCode::OK, &json!("demo"))
    );
    assert_eq!(statuses(&model), ["active"]);
    hub.line_with("demo GET /api/ai/models/flux-product-shots -> 200")
        .await;

    let pid = hub.child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .await
            .unwrap()
            .success()
    );
    assert!(hub.child.wait().await.unwrap().success());
}

#[tokio::test]
async fn control_routes_read_journal_and_change_models() {
    let hub = Program::start(&["--key", "demo=demo-key"]).await;
    let new = json!({ "name": "new/bot", "owner": "demo", "activate_delay": "0s", "fields": { "summary": "New" } });
    assert_eq!(
        hub.send(Method::POST, "/_hub/models", Some(new)).await.0,
        StatusCode::CREATED
    );
    hub.send(Method::POST, &activate("new%2Fbot"), None).await;
    let (_, model) = hub.send(Method::GET, &live("new%2Fbot"), None).await;
    assert_eq!(
        (statuses(&model), &model["summary"]),
        (vec!["active"], &json!("New"))
    );

    let inactive = Some(json!({ "status": "inactive" }));
    let path = "/_hub/models/new%2Fbot/status";
    assert_eq!(
        hub.send(Method::PUT, path, inactive.clone()).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        statuses(&hub.send(Method::GET, &live("new%2Fbot"), None).await.1),
        ["inactive"]
    );
    assert_eq!(
        hub.send(Method::PUT, "/_hub/models/typo/status", inactive)
            .await
            .0,
        StatusCode::NOT_FOUND
    );

    let (_, journal) = hub.send(Method::GET, "/_hub/journal", None).await;
    let endpoints: Vec<_> = journal["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["endpoint"])
        .collect();
    assert_eq!(endpoints, ["activate", "retrieve", "retrieve"]);
    assert_eq!(journal["entries"][0]["outcome"], json!({ "answered": 200 }));
    assert_eq!(
        hub.send(Method::DELETE, "/_hub/journal", None).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        hub.send(Method::GET, "/_hub/journal", None).await.1,
        json!({ "entries": [] })
    );
}

#[tokio::test]
async fn every_documented_fault_can_be_sent_as_json() {
    let hub = Program::start(&["--key", "demo=demo-key"]).await;
    for fault in [
        json!({ "model": "support-bot-v2", "endpoint": "activate", "times": 2, "effect": "after", "latency": "2s",
            "answer": { "status": { "code": 503, "headers": { "retry-after": "5" }, "body": { "error": "busy" } } } }),
        json!({ "account": "demo", "skip": 1, "latency": "10ms" }),
        json!({ "answer": "cut" }),
        json!({ "answer": "cut_in_body" }),
        json!({ "answer": "hang" }),
        json!({ "answer": { "huge": { "bytes": 5_000_000 } } }),
        json!({ "answer": { "shows": "paused" } }),
        json!({ "answer": { "patch": { "owned_by": "other" } } }),
    ] {
        let (status, body) = hub.send(Method::POST, "/_hub/faults", Some(fault)).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
    }
    assert_eq!(
        hub.send(Method::DELETE, "/_hub/faults", None).await.0,
        StatusCode::NO_CONTENT
    );
    let busy = json!({ "endpoint": "list", "times": 1, "answer": { "status": { "code": 503, "body": "busy" } } });
    hub.send(Method::POST, "/_hub/faults", Some(busy)).await;
    assert_eq!(
        hub.send(Method::GET, "/api/ai/models", None).await,
        (StatusCode::SERVICE_UNAVAILABLE, json!("busy"))
    );
    assert_eq!(
        hub.send(Method::GET, "/api/ai/models", None).await.0,
        StatusCode::OK
    );
    let typo = hub
        .send(Method::POST, "/_hub/faults", Some(json!({ "modle": "x" })))
        .await;
    assert_eq!(typo.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn switches_are_flags() {
    let mut hub = Program::start(&[
        "--key",
        "demo+team=demo-key,rival=rivals-key",
        "--idle-timeout",
        "0s",
        "--public",
        "support-bot-v2",
        "--prefixed-ids",
        "--invalid-key-is-none",
        "--not-found-as-message",
    ])
    .await;
    assert_eq!(
        hub.line_with("key").await,
        "  account demo and team, key demo-key"
    );
    let model = json!({ "name": "of-team", "owner": "team", "public": false, "idle_timeout": "1h",
        "deployments": ["active"] });
    hub.send(Method::POST, "/_hub/models", Some(model)).await;
    let (_, model) = hub.send(Method::GET, &live("of-team"), None).await;
    assert_eq!(
        (&model["id"], statuses(&model)),
        (&json!("oxen:of-team"), vec!["active"])
    );
    let (_, model) = hub
        .send(Method::GET, &live("flux-product-shots"), None)
        .await;
    assert_eq!(statuses(&model), ["inactive"], "it is idle at once");
    for key in ["rivals-key", "wrong"] {
        let get = async |id: &str| hub.send_as(key, Method::GET, &live(id), None).await;
        assert_eq!(get("support-bot-v2").await.0, StatusCode::OK);
        let body = json!({ "error": { "message": "Model not found: of-team" } });
        assert_eq!(get("of-team").await, (StatusCode::NOT_FOUND, body));
    }
}

#[tokio::test]
async fn used_port_invalid_key_and_unknown_model_are_reported() {
    let hub = Program::start(&[]).await;
    let address = hub.url.strip_prefix("http://").unwrap();
    for (args, message) in [
        (vec!["--listen", address], "hub: 127.0.0.1:"),
        (vec!["--key", "nonsense"], "write it as account=key"),
        (vec!["--key", "demo+=key"], "write it as account=key"),
        (
            vec!["--listen", "127.0.0.1:0", "--public", "typo"],
            r#"has no model "typo""#,
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_hub"))
            .args(args)
            .output()
            .await
            .unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(message), "{text}");
    }
}
