//! What a fault answers.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::json::merge;
use crate::server::Cut;
use crate::world::Truth;

/// What a fault answers in the true answer's place.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A status code, headers and a body: a string as it is, null for none, any other value as JSON.
    Status {
        /// The HTTP status.
        code: u16,
        /// The content type is `application/json` unless they say otherwise.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body.
        #[serde(default)]
        body: Value,
    },
    /// 200, and a model object of about so many bytes, streamed.
    Huge {
        /// How many.
        bytes: usize,
    },
    /// The connection is closed with no byte of an answer.
    Cut,
    /// The connection is closed in the middle of a body.
    CutInBody,
    /// No answer, for as long as the client waits.
    Hang,
    /// The true answer, but every deployment in it shows this status.
    Shows(String),
    /// The true answer, changed by a JSON merge patch.
    Patch(Value),
}

impl Answer {
    /// Whether it is made from the true answer, so that the effect must come first.
    pub(crate) fn needs_truth(&self) -> bool {
        matches!(self, Self::Shows(_) | Self::Patch(_))
    }

    pub(crate) async fn respond(self, truth: Option<Truth>) -> Response {
        match self {
            Self::Status {
                code,
                headers,
                body,
            } => status(code, headers, &body),
            Self::Huge { bytes } => huge(bytes),
            Self::Cut => cut(),
            Self::CutInBody => cut_in_body(),
            Self::Hang => std::future::pending().await,
            Self::Shows(status) => changed(truth, |body| show(body, &status)),
            Self::Patch(patch) => changed(truth, |body| merge(body, &patch)),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { code, .. } => write!(f, "status {code}"),
            Self::Huge { bytes } => write!(f, "a body of {bytes} bytes"),
            Self::Cut => write!(f, "connection cut"),
            Self::CutInBody => write!(f, "connection cut in the body"),
            Self::Hang => write!(f, "no answer"),
            Self::Shows(status) => write!(f, "shows {status:?}"),
            Self::Patch(patch) => write!(f, "patched with {patch}"),
        }
    }
}

pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn status(code: u16, headers: BTreeMap<String, String>, body: &Value) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json_response(code, body);
    if let Some(text) = body.as_str() {
        *response.body_mut() = Body::from(text.to_owned());
    } else if body.is_null() {
        *response.body_mut() = Body::empty();
    }
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// In chunks and with no length given, so that only a client that counts what it reads is safe.
fn huge(bytes: usize) -> Response {
    const CHUNK: usize = 64 * 1024;
    let head =
        r#"{"id":"huge","object":"model","created":1760000000,"owned_by":"acme","description":""#;
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    let middle = std::iter::repeat_n(chunk, bytes.div_ceil(CHUNK));
    let all = std::iter::once(Bytes::from(head))
        .chain(middle)
        .chain([Bytes::from("\"}")]);
    let mut response = json_response(StatusCode::OK, &Value::Null);
    *response.body_mut() = Body::from_stream(stream::iter(all.map(Ok::<_, io::Error>)));
    response
}

fn cut() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Cut);
    response
}

fn cut_in_body() -> Response {
    let head = stream::once(async { Ok(Bytes::from(r#"{"id":"my-bot","object":"#)) });
    let cut = stream::once(async {
        // Hyper sends what it has while it waits; without this it would cut before the first byte.
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let mut response = json_response(StatusCode::OK, &Value::Null);
    *response.body_mut() = Body::from_stream(head.chain(cut));
    response
}

fn changed(truth: Option<Truth>, change: impl FnOnce(&mut Value)) -> Response {
    let (status, mut body) = match truth {
        Some(truth) => (truth.status, truth.body),
        None => (StatusCode::OK, json!({})),
    };
    change(&mut body);
    json_response(status, &body)
}

/// In a model object, or in each of a list.
fn show(body: &mut Value, status: &str) {
    if let Some(models) = body.get_mut("data").and_then(Value::as_array_mut) {
        models.iter_mut().for_each(|model| show(model, status));
    }
    if let Some(deployments) = body.get_mut("deployments").and_then(Value::as_array_mut) {
        deployments
            .iter_mut()
            .for_each(|deployment| deployment["status"] = status.into());
    }
}
