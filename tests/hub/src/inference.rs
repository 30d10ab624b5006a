//! Requests for inference: they keep a model active, and start one that was idle for too long.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::journal::Entry;
use crate::state::{HubState, NormalResponse};

/// The largest body that is read.
const MAX_BODY: usize = 1024 * 1024;

/// The model that the body of a request names, if it names one.
pub(crate) async fn requested_model(body: Body) -> Option<String> {
    let body = to_bytes(body, MAX_BODY).await.ok()?;
    let request: Value = serde_json::from_slice(&body).ok()?;
    request["model"].as_str().map(str::to_owned)
}

impl HubState {
    /// Processes a chat completion. Any model of the simulator can answer one.
    pub(crate) fn complete(&mut self, entry: &Entry, now: Instant) -> NormalResponse {
        if entry.caller.accounts().is_empty() {
            return NormalResponse::unauthenticated();
        }
        let Some(id) = &entry.inference else {
            let detail = "Missing required parameter: model";
            return NormalResponse::error(StatusCode::BAD_REQUEST, detail);
        };
        let delays = self.delays;
        let Some(model) = self.target(entry) else {
            return self.not_found(entry);
        };
        let effect = model.receive_request(delays, now);
        let statuses = model.live(now);
        let any = |status: &str| statuses.iter().any(|other| other == status);
        let response = if model.is_base() || any("active") {
            NormalResponse::ok(completion(id))
        } else if effect || any("deploying") {
            let detail = format!("Model is starting: {id}");
            NormalResponse::error(StatusCode::SERVICE_UNAVAILABLE, &detail)
        } else {
            let detail = format!("Model is not active: {id}");
            NormalResponse::error(StatusCode::UNPROCESSABLE_ENTITY, &detail)
        };
        NormalResponse { effect, ..response }
    }
}

fn completion(model: &str) -> Value {
    let created = SystemTime::now().duration_since(UNIX_EPOCH);
    json!({
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": created.unwrap_or_default().as_secs(),
        "model": model,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": "This hub is a simulator." },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6 },
    })
}
