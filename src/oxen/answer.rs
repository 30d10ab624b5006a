//! Code, headers and body of an answer, and what they mean.
//!
//! The code decides before the body is read: an error envelope's `"status": "error"` is no
//! deployment. The body of a fault is only quoted.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde_json::Value;

use super::{ApiKey, Limits};
use crate::decide::Fault;

/// The most of the hub's words that a person is shown, in characters.
const QUOTE: usize = 200;

/// What an answer that is no success means. `call` tells a call that changes state from a look:
/// after a refused call nothing has happened, and that is all that `Rejected` says.
pub(super) fn fault(
    code: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    key: &ApiKey,
    call: bool,
    limits: &Limits,
) -> Fault {
    match code.as_u16() {
        401 => Fault::Unauthenticated,
        402 => Fault::PaymentRequired(words(code, body, key)),
        403 => Fault::Forbidden(words(code, body, key)),
        404 if speaks_of_the_model(body) => Fault::ModelNotFound(Vec::new()),
        429 => Fault::RateLimited {
            wait: retry_after(headers, limits),
            whole_key: true,
        },
        503 if headers.contains_key(RETRY_AFTER) => Fault::RateLimited {
            wait: retry_after(headers, limits),
            whole_key: false,
        },
        // The proxy's 404, and a request that the server gave up waiting for.
        404 | 408 => Fault::Unreachable(words(code, body, key)),
        400..=499 if call => Fault::Rejected(words(code, body, key)),
        400..=499 => Fault::Unexpected(words(code, body, key)),
        _ => Fault::Unreachable(words(code, body, key)),
    }
}

fn speaks_of_the_model(body: &[u8]) -> bool {
    spoken(body).is_some_and(|words| words.to_lowercase().starts_with("model not found"))
}

/// Seconds or a date, within bounds.
fn retry_after(headers: &HeaderMap, limits: &Limits) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let then = rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(then.duration_since(Timestamp::now())).unwrap_or_default()
        }
    };
    Some(wait.clamp(limits.shortest_rest, limits.longest_rest))
}

/// The hub's own words with the code, cut to size and to one line.
fn words(code: StatusCode, body: &[u8], key: &ApiKey) -> String {
    match spoken(body) {
        Some(words) => format!("{} ({})", quote(&key.hide(&words)), code.as_u16()),
        None => code.to_string(),
    }
}

/// What the known error bodies say; nothing for a page of HTML.
fn spoken(body: &[u8]) -> Option<String> {
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

/// One line of printable characters, no longer than a message should be.
pub(super) fn quote(words: &str) -> String {
    let line: String = words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= QUOTE {
        return line;
    }
    let cut: String = line.chars().take(QUOTE).collect();
    format!("{cut}...")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: u16, body: &str, call: bool) -> Fault {
        let code = StatusCode::from_u16(code).unwrap();
        fault(
            code,
            &HeaderMap::new(),
            body.as_bytes(),
            &ApiKey::new(b"very-secret").unwrap(),
            call,
            &Limits::default(),
        )
    }

    #[test]
    fn the_code_decides_before_the_body() {
        let envelope = r#"{"status":"error","status_message":"no funds"}"#;
        assert_eq!(of(401, envelope, false), Fault::Unauthenticated);
        assert_eq!(
            of(402, envelope, false),
            Fault::PaymentRequired("no funds (402)".into())
        );
        assert_eq!(
            of(500, r#"{"deployments":[{"status":"active"}]}"#, false),
            Fault::Unreachable("500 Internal Server Error".into())
        );
    }

    #[test]
    fn every_error_body_known_in_the_wild_is_quoted() {
        for body in [
            r#"{"error":"unlucky"}"#,
            r#"{"error":{"type":"bad","title":"unlucky"},"status":422}"#,
            r#"{"status":"error","status_message":"unlucky"}"#,
        ] {
            assert_eq!(of(422, body, true), Fault::Rejected("unlucky (422)".into()));
        }
        assert_eq!(
            of(502, "<html><body>Bad gateway</body></html>", false),
            Fault::Unreachable("502 Bad Gateway".into())
        );
    }

    #[test]
    fn only_a_404_that_speaks_of_the_model_is_model_not_found() {
        let spoken = r#"{"error":"Model not found: bot"}"#;
        assert_eq!(of(404, spoken, false), Fault::ModelNotFound(Vec::new()));
        for body in ["", "<html>404</html>", r#"{"error":"Not found"}"#] {
            assert!(matches!(of(404, body, false), Fault::Unreachable(_)));
        }
    }

    #[test]
    fn a_refused_call_is_told_from_a_look_that_makes_no_sense() {
        assert!(matches!(of(422, "", true), Fault::Rejected(_)));
        assert!(matches!(of(422, "", false), Fault::Unexpected(_)));
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
    fn words_are_cut_to_one_line_of_a_message() {
        let long = format!(
            "{{\"error\":\"{}\\n{}\"}}",
            "a".repeat(150),
            "b".repeat(150)
        );
        let Fault::Rejected(words) = of(400, &long, true) else {
            panic!("not rejected")
        };
        assert!(words.len() < 230 && !words.contains('\n'), "{words}");
    }
}
