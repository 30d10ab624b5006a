//! The faults that tests ask for by name.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::fault::Fault;

impl Fault {
    /// The true answer, late.
    #[must_use]
    pub fn latency(latency: Duration) -> Self {
        Self::default().delayed(latency)
    }

    /// A status code, with `{"error": "<its own words>"}`.
    #[must_use]
    pub fn status(code: u16) -> Self {
        let words = StatusCode::from_u16(code)
            .ok()
            .and_then(|status| status.canonical_reason());
        Self::error(code, words.unwrap_or("error"))
    }

    /// `{"error": "..."}`
    #[must_use]
    pub fn error(code: u16, words: &str) -> Self {
        Self::answering(code, json!({ "error": words }))
    }

    /// `{"error": {"type": "...", "title": "..."}, "status": "error"}`
    #[must_use]
    pub fn typed_error(code: u16, kind: &str, title: &str) -> Self {
        Self::answering(
            code,
            json!({ "error": { "type": kind, "title": title }, "status": "error" }),
        )
    }

    /// `{"status": "error", "status_message": "..."}`
    #[must_use]
    pub fn status_message(code: u16, words: &str) -> Self {
        Self::answering(code, json!({ "status": "error", "status_message": words }))
    }

    /// The page of a proxy in front of the hub.
    #[must_use]
    pub fn html(code: u16) -> Self {
        let words = StatusCode::from_u16(code)
            .map_or_else(|_| code.to_string(), |status| status.to_string());
        let page = format!(
            "<html>\r\n<head><title>{words}</title></head>\r\n<body>\r\n<center><h1>{words}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self::answering(code, page.into()).header("content-type", "text/html")
    }

    /// A redirect, 302.
    #[must_use]
    pub fn redirect(to: &str) -> Self {
        Self::answering(302, Value::Null).header("location", to)
    }

    /// 200, and JSON that stops in the middle.
    #[must_use]
    pub fn truncated() -> Self {
        Self::answering(
            200,
            r#"{"id":"my-bot","object":"model","created":17600000"#.into(),
        )
    }

    /// 200, and no JSON at all.
    #[must_use]
    pub fn not_json() -> Self {
        Self::answering(200, "upstream says hello".into())
    }

    /// 200, and JSON that is no model.
    #[must_use]
    pub fn wrong_shape() -> Self {
        Self::answering(200, json!(["neither", "a", "model"]))
    }

    /// 200, and nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::answering(200, Value::Null)
    }

    /// 200, and a model object of about so many bytes, streamed.
    #[must_use]
    pub fn huge(bytes: usize) -> Self {
        Self::new(Answer::Huge { bytes })
    }

    /// The connection is closed with no byte of an answer.
    #[must_use]
    pub fn cut() -> Self {
        Self::new(Answer::Cut)
    }

    /// The connection is closed in the middle of a body.
    #[must_use]
    pub fn cut_in_body() -> Self {
        Self::new(Answer::CutInBody)
    }

    /// No answer, for as long as the client waits.
    #[must_use]
    pub fn hang() -> Self {
        Self::new(Answer::Hang)
    }

    /// The true answer, but every deployment in it shows this status.
    #[must_use]
    pub fn shows(status: &str) -> Self {
        Self::new(Answer::Shows(status.into()))
    }

    /// The true answer, changed by a JSON merge patch, in which null removes.
    #[must_use]
    pub fn patch(patch: Value) -> Self {
        Self::new(Answer::Patch(patch))
    }

    /// A status code and a body: a string as it is, null for none, any other value as JSON.
    #[must_use]
    pub fn answering(code: u16, body: Value) -> Self {
        Self::new(Answer::Status {
            code,
            headers: BTreeMap::new(),
            body,
        })
    }
}
