//! A response of the hub: its code, headers and body, and what they mean.
//!
//! The code decides before the body is read: an error envelope's `"status": "error"` is not a
//! deployment's status. The body of a fault is only quoted.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use jiff::{Timestamp, fmt::rfc2822};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{key::ApiKey, limits::Limits, quote::quote, wire::Model};
use crate::decide::{CallOutcome, HubFault};

/// A response with its whole body.
pub struct Response {
    /// The status code, which decides before the body is read.
    pub code: StatusCode,
    /// The headers, of which `Retry-After` is read.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Reads the response to a GET. `key` is the one that the request was sent with; it is removed
    /// from every text that is returned.
    ///
    /// # Errors
    ///
    /// Fails with the hub's fault.
    pub fn read<T: DeserializeOwned>(&self, key: &ApiKey, limits: &Limits) -> Result<T, HubFault> {
        if self.code != StatusCode::OK {
            return Err(match self.fault(key, limits) {
                HubFault::Rejected(words) => HubFault::Unexpected(words),
                fault => fault,
            });
        }
        // A hub that echoes the key must not get it into a status.
        let read = if key.is_in(&self.body) {
            let value = serde_json::from_slice(&self.body);
            value.and_then(|value| serde_json::from_value(key.hide_all(value)))
        } else {
            serde_json::from_slice(&self.body)
        };
        read.map_err(|error| HubFault::Unexpected(unreadable(&error)))
    }

    /// Reads the response to an activate or deactivate call. The deployments in it are no
    /// observation: the body is only read to know that the hub accepted the call.
    #[must_use]
    pub fn outcome(&self, key: &ApiKey, limits: &Limits) -> CallOutcome {
        if self.code.is_success() {
            return match serde_json::from_slice::<Model>(&self.body) {
                Ok(_) => CallOutcome::Accepted,
                Err(error) => CallOutcome::unknown(unreadable(&error)),
            };
        }
        match self.fault(key, limits) {
            // After a 5xx the call may have had its effect, whatever else the hub says.
            HubFault::RateLimited {
                wait,
                whole_key: false,
                ..
            } => CallOutcome::Unknown {
                words: self.code.to_string(),
                wait,
            },
            HubFault::Unreachable(_) => CallOutcome::unknown(self.code.to_string()),
            fault => CallOutcome::Refused(fault),
        }
    }

    /// The fault of a response that is not a success. The caller knows what another 4xx means for
    /// its request.
    fn fault(&self, key: &ApiKey, limits: &Limits) -> HubFault {
        let words = || self.words(key);
        match self.code.as_u16() {
            401 => HubFault::Unauthenticated,
            402 => HubFault::PaymentRequired(words()),
            403 => HubFault::Forbidden(words()),
            404 if is_about_the_model(&self.body) => HubFault::ModelNotFound(Vec::new()),
            429 => HubFault::RateLimited {
                wait: retry_after(&self.headers, limits),
                whole_key: true,
                words: error_text(&self.body).map(|words| quote(&key.hide(&words))),
            },
            503 if self.headers.contains_key(RETRY_AFTER) => HubFault::RateLimited {
                wait: retry_after(&self.headers, limits),
                whole_key: false,
                words: None,
            },
            // A proxy's 404, and a request that the server stopped waiting for.
            404 | 408 => HubFault::Unreachable(words()),
            400..=499 => HubFault::Rejected(words()),
            _ => HubFault::Unreachable(words()),
        }
    }

    /// The hub's own words with the code, on one line and cut to the length of a message.
    fn words(&self, key: &ApiKey) -> String {
        match error_text(&self.body) {
            Some(words) => format!("{} ({})", quote(&key.hide(&words)), self.code.as_u16()),
            None => self.code.to_string(),
        }
    }
}

fn is_about_the_model(body: &[u8]) -> bool {
    error_text(body).is_some_and(|words| words.to_lowercase().starts_with("model not found"))
}

/// Reads `Retry-After`, which is seconds or a date, within bounds.
fn retry_after(headers: &HeaderMap, limits: &Limits) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let then = rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(then.duration_since(Timestamp::now())).unwrap_or_default()
        }
    };
    Some(wait.clamp(limits.retry_after_min, limits.retry_after_max))
}

/// The text of the known error bodies, or nothing for a page of HTML.
fn error_text(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let error = value.get("error");
    [
        error,
        error.and_then(|error| error.get("title")),
        error.and_then(|error| error.get("message")),
        error.and_then(|error| error.get("type")),
        value.get("status_message"),
        value.get("message"),
    ]
    .into_iter()
    .flatten()
    .filter_map(Value::as_str)
    .map(str::trim)
    .find(|words| !words.is_empty())
    .map(str::to_owned)
}

/// Why serde can't read a body, without a word of the body.
fn unreadable(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "JSON that is not a model object",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Eof => "incomplete JSON",
        serde_json::error::Category::Io => "no body",
    };
    what.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(code: u16, body: &str) -> Response {
        Response {
            code: StatusCode::from_u16(code).unwrap(),
            headers: HeaderMap::new(),
            body: body.into(),
        }
    }

    /// The fault of a GET that gets this response.
    fn read(code: u16, body: &str) -> HubFault {
        let key = ApiKey::new(b"very-secret").unwrap();
        let read = response(code, body).read::<Model>(&key, &Limits::default());
        read.unwrap_err()
    }

    /// The refusal of a call that gets this response.
    fn refusal(code: u16, body: &str) -> HubFault {
        let key = ApiKey::new(b"very-secret").unwrap();
        match response(code, body).outcome(&key, &Limits::default()) {
            CallOutcome::Refused(fault) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_code_decides_before_the_body() {
        let envelope = r#"{"status":"error","status_message":"no funds"}"#;
        assert_eq!(read(401, envelope), HubFault::Unauthenticated);
        assert_eq!(
            read(402, envelope),
            HubFault::PaymentRequired("no funds (402)".into())
        );
        assert_eq!(
            read(500, r#"{"deployments":[{"status":"active"}]}"#),
            HubFault::Unreachable("500 Internal Server Error".into())
        );
    }

    #[test]
    fn every_known_error_body_is_quoted() {
        for body in [
            r#"{"error":"unlucky"}"#,
            r#"{"error":{"type":"bad","title":"unlucky"},"status":422}"#,
            r#"{"status":"error","status_message":"unlucky"}"#,
        ] {
            assert_eq!(
                refusal(422, body),
                HubFault::Rejected("unlucky (422)".into())
            );
        }
        assert_eq!(
            read(502, "<html><body>Bad gateway</body></html>"),
            HubFault::Unreachable("502 Bad Gateway".into())
        );
    }

    #[test]
    fn only_a_404_about_the_model_is_model_not_found() {
        let about = r#"{"error":"Model not found: bot"}"#;
        assert_eq!(read(404, about), HubFault::ModelNotFound(Vec::new()));
        for body in ["", "<html>404</html>", r#"{"error":"Not found"}"#] {
            assert!(matches!(read(404, body), HubFault::Unreachable(_)));
        }
    }

    #[test]
    fn another_4xx_refuses_a_call_and_makes_a_get_unreadable() {
        assert!(matches!(refusal(422, ""), HubFault::Rejected(_)));
        assert!(matches!(read(422, ""), HubFault::Unexpected(_)));
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let wait = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers, &Limits::default())
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("0"), Some(Duration::from_secs(1)));
        assert_eq!(wait("999999999999"), Some(Duration::from_secs(900)));
        assert_eq!(wait("soon"), None);
        let date = Timestamp::now() + jiff::SignedDuration::from_secs(60);
        let date = rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&date)
            .unwrap();
        let seconds = wait(&date).unwrap().as_secs();
        assert!((58..=60).contains(&seconds), "{date}: {seconds}");
        assert_eq!(
            wait("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::from_secs(1))
        );
    }

    #[test]
    fn words_are_cut_to_one_line() {
        let long = format!(
            "{{\"error\":\"{}\\n{}\"}}",
            "a".repeat(150),
            "b".repeat(150)
        );
        let HubFault::Rejected(words) = refusal(400, &long) else {
            panic!("not rejected")
        };
        assert!(words.len() < 230 && !words.contains('\n'), "{words}");
    }
}
