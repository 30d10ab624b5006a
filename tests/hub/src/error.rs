//! The bodies of the hub's errors.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// The body of an error in the hub's usual format. The code determines the type.
pub(crate) fn body(code: StatusCode, detail: &str) -> Value {
    let (kind, title) = match code {
        StatusCode::UNAUTHORIZED => ("unauthenticated", "Unauthenticated"),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            ("invalid_params", "Invalid parameters")
        }
        StatusCode::NOT_FOUND => ("resource_not_found", "Resource not found"),
        _ => ("unknown_error", "Unknown error"),
    };
    json!({
        "error": { "type": kind, "title": title, "detail": detail },
        "status": "error",
        "status_message": kind,
    })
}

/// The body of an error in the format that has only a message.
pub(crate) fn message_body(message: &str) -> Value {
    json!({ "error": { "message": message } })
}
