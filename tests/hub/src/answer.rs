//! The response that a fault sends.

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
use crate::state::NormalResponse;

/// The response that a fault sends in place of the normal one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A response with a status code, headers and a body.
    Status {
        /// The HTTP status code.
        code: u16,
        /// The headers. Without a content type, the response has `application/json`.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body: a string is sent as plain text, null as an empty body, and any other value
        /// as JSON.
        #[serde(default)]
        body: Value,
    },
    /// A 200 with a model object of about this size, streamed.
    Huge {
        /// The size of the body in bytes.
        bytes: usize,
    },
    /// The hub closes the connection before it sends a byte of a response.
    Cut,
    /// The hub closes the connection in the middle of a body.
    CutInBody,
    /// The hub sends no response, and keeps the connection open.
    Hang,
    /// The normal response, in which every deployment shows this status instead.
    Shows(String),
    /// The normal response, changed by a JSON merge patch.
    Patch(Value),
}

impl Answer {
    /// Whether this answer is built from the normal response, so that the request has to be
    /// processed first.
    pub(crate) fn needs_normal_response(&self) -> bool {
        matches!(self, Self::Shows(_) | Self::Patch(_))
    }

    pub(crate) async fn respond(self, normal: Option<NormalResponse>) -> Response {
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
            Self::Shows(status) => modified(normal, |body| show_status(body, &status)),
            Self::Patch(patch) => modified(normal, |body| merge(body, &patch)),
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
            Self::Hang => write!(f, "no response"),
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

/// Streams the body in chunks and without a Content-Length, so that a client has to count the bytes
/// that it reads in order to limit them.
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
        // Hyper flushes the first part only while it waits for the next one. Without this pause, it
        // would close the connection before it sends a byte.
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let mut response = json_response(StatusCode::OK, &Value::Null);
    *response.body_mut() = Body::from_stream(head.chain(cut));
    response
}

fn modified(normal: Option<NormalResponse>, change: impl FnOnce(&mut Value)) -> Response {
    let (status, mut body) = match normal {
        Some(normal) => (normal.status, normal.body),
        None => (StatusCode::OK, json!({})),
    };
    change(&mut body);
    json_response(status, &body)
}

/// Sets the status of every deployment, in a model object or in each model of a list.
fn show_status(body: &mut Value, status: &str) {
    if let Some(models) = body.get_mut("data").and_then(Value::as_array_mut) {
        models
            .iter_mut()
            .for_each(|model| show_status(model, status));
    }
    if let Some(deployments) = body.get_mut("deployments").and_then(Value::as_array_mut) {
        deployments
            .iter_mut()
            .for_each(|deployment| deployment["status"] = status.into());
    }
}
