//! Constructors for common faults.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::error;
use crate::fault::Fault;

impl Fault {
    /// Delays the normal response.
    #[must_use]
    pub fn latency(latency: Duration) -> Self {
        Self::default().delayed(latency)
    }

    /// Responds with this status code. The body is `{"error": "..."}` with the code's reason
    /// phrase.
    #[must_use]
    pub fn status(code: u16) -> Self {
        let reason = StatusCode::from_u16(code)
            .ok()
            .and_then(|status| status.canonical_reason());
        Self::error(code, reason.unwrap_or("error"))
    }

    /// Responds with this status code and the body `{"error": "..."}`.
    #[must_use]
    pub fn error(code: u16, message: &str) -> Self {
        Self::answering(code, json!({ "error": message }))
    }

    /// Responds with this status code and an error in the hub's usual format. The type depends on
    /// the code: `unauthenticated` (401), `invalid_params` (400, 422), `resource_not_found` (404)
    /// or `unknown_error`.
    #[must_use]
    pub fn api_error(code: u16, detail: &str) -> Self {
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::answering(code, error::body(status, detail))
    }

    /// Responds with this status code and the body `{"error": {"message": "..."}}`.
    #[must_use]
    pub fn message_error(code: u16, message: &str) -> Self {
        Self::answering(code, error::message_body(message))
    }

    /// Responds with this status code and the body
    /// `{"error": {"type": "...", "title": "..."}, "status": "error"}`.
    #[must_use]
    pub fn typed_error(code: u16, kind: &str, title: &str) -> Self {
        Self::answering(
            code,
            json!({ "error": { "type": kind, "title": title }, "status": "error" }),
        )
    }

    /// Responds with this status code and the body `{"status": "error", "status_message": "..."}`.
    #[must_use]
    pub fn status_message(code: u16, message: &str) -> Self {
        Self::answering(
            code,
            json!({ "status": "error", "status_message": message }),
        )
    }

    /// Responds with this status code and an HTML page, as a proxy in front of the hub does.
    #[must_use]
    pub fn html(code: u16) -> Self {
        let title = StatusCode::from_u16(code)
            .map_or_else(|_| code.to_string(), |status| status.to_string());
        let page = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self::answering(code, page.into()).header("content-type", "text/html")
    }

    /// Responds with a redirect (302).
    #[must_use]
    pub fn redirect(to: &str) -> Self {
        Self::answering(302, Value::Null).header("location", to)
    }

    /// Responds with a 200 whose JSON is truncated.
    #[must_use]
    pub fn truncated() -> Self {
        Self::answering(
            200,
            r#"{"id":"my-bot","object":"model","created":17600000"#.into(),
        )
    }

    /// Responds with a 200 whose body isn't JSON.
    #[must_use]
    pub fn not_json() -> Self {
        Self::answering(200, "upstream says hello".into())
    }

    /// Responds with a 200 whose JSON isn't a model.
    #[must_use]
    pub fn wrong_shape() -> Self {
        Self::answering(200, json!(["neither", "a", "model"]))
    }

    /// Responds with a 200 whose body is empty.
    #[must_use]
    pub fn empty() -> Self {
        Self::answering(200, Value::Null)
    }

    /// Responds with a 200 and a model object of about this size, streamed.
    #[must_use]
    pub fn huge(bytes: usize) -> Self {
        Self::new(Answer::Huge { bytes })
    }

    /// Closes the connection before a byte of a response is sent.
    #[must_use]
    pub fn cut() -> Self {
        Self::new(Answer::Cut)
    }

    /// Closes the connection in the middle of a body.
    #[must_use]
    pub fn cut_in_body() -> Self {
        Self::new(Answer::CutInBody)
    }

    /// Sends no response, and keeps the connection open.
    #[must_use]
    pub fn hang() -> Self {
        Self::new(Answer::Hang)
    }

    /// Sends the normal response, in which every deployment shows this status instead.
    #[must_use]
    pub fn shows(status: &str) -> Self {
        Self::new(Answer::Shows(status.into()))
    }

    /// Sends the normal response, changed by a JSON merge patch, in which null removes a field.
    #[must_use]
    pub fn patch(patch: Value) -> Self {
        Self::new(Answer::Patch(patch))
    }

    /// Responds with this status code and body. A string is sent as plain text, null as an empty
    /// body, and any other value as JSON.
    #[must_use]
    pub fn answering(code: u16, body: Value) -> Self {
        Self::new(Answer::Status {
            code,
            headers: BTreeMap::new(),
            body,
        })
    }
}
