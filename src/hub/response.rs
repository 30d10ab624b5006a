//! A response of the hub: its code, headers and body, and what they mean.
//!
//! The code decides before the body is read: an error envelope's `"status": "error"` is not a
//! deployment's status. The body of a fault is only quoted.

use std::borrow::Cow;

use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};

use super::{
    error_body::ErrorBody, fields, fields::Fields, key::ApiKey, limits::Limits,
    retry_after::retry_after, wire::Model,
};
use crate::decide::{CallOutcome, HubFault, quote};

/// What a fault says where an HTML page answers a request, before the status code.
const HTML_PAGE: &str = "a proxy or gateway on the way answered with an HTML page";

/// A response with its whole body.
pub struct Response {
    /// The status code, which decides before the body is read.
    pub code: StatusCode,
    /// The headers, of which `Retry-After`, `Date` and `Content-Type` are read.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Reads the response to a GET of the model `asked`. `key` is the one that the request was sent
    /// with; it is removed from every text that is shown.
    ///
    /// # Errors
    ///
    /// Fails with the hub's fault.
    pub fn read(&self, asked: &str, key: &ApiKey, limits: &Limits) -> Result<Model, HubFault> {
        if self.code == StatusCode::OK {
            read_model(&self.body, asked, key)
                .map_err(|problem| HubFault::Unexpected(encoded(&self.headers).unwrap_or(problem)))
        } else {
            Err(self.fault_of_get(key, limits))
        }
    }

    /// Reads the response to an activate or deactivate call. The deployments in it are no
    /// observation: the body is only read to know that the hub accepted the call.
    #[must_use]
    pub fn outcome(&self, key: &ApiKey, limits: &Limits) -> CallOutcome {
        if self.code.is_success() {
            return match Model::read(&fields::text(&self.body)) {
                Ok(_) => CallOutcome::Accepted,
                Err(problem) => CallOutcome::unknown(
                    encoded(&self.headers).unwrap_or_else(|| quote(&key.hide(&problem))),
                ),
            };
        }
        match self.fault(key, limits) {
            // After a 5xx the call may have had its effect, whatever else the hub says.
            HubFault::RateLimited {
                wait,
                whole_key: false,
                ..
            } => CallOutcome::Unknown {
                words: self.words(&ErrorBody::read(&self.body), key),
                wait,
            },
            HubFault::Unreachable(words) | HubFault::ProviderFailed(words) => {
                CallOutcome::unknown(words)
            }
            fault => CallOutcome::Refused {
                fault,
                wait: retry_after(&self.headers, limits),
            },
        }
    }

    /// The fault of a GET whose response is not a 200.
    pub(super) fn fault_of_get(&self, key: &ApiKey, limits: &Limits) -> HubFault {
        match self.fault(key, limits) {
            HubFault::Rejected(words) => HubFault::Unexpected(words),
            fault => fault,
        }
    }

    /// Returns true when the hub itself refuses the request because there is no key.
    pub(super) fn refuses_key(&self) -> bool {
        matches!(self.code.as_u16(), 401 | 403) && self.intermediary().is_none()
    }

    /// The fault of a response that is not a success. The caller knows what another 4xx means for
    /// its request.
    fn fault(&self, key: &ApiKey, limits: &Limits) -> HubFault {
        if let Some(words) = self.intermediary() {
            return HubFault::Unreachable(words);
        }
        let body = ErrorBody::read(&self.body);
        let words = || self.words(&body, key);
        let limited = |whole_key| HubFault::RateLimited {
            wait: retry_after(&self.headers, limits),
            whole_key,
            words: (body.words.as_ref()).map(|words| quote(&key.hide(words))),
        };
        match self.code.as_u16() {
            401 => HubFault::Unauthenticated,
            402 => HubFault::PaymentRequired(words()),
            403 => HubFault::Forbidden(words()),
            404 if body.model_not_found => HubFault::ModelNotFound(Vec::new()),
            429 => limited(true),
            502 if body.words.is_some() => HubFault::ProviderFailed(words()),
            503 if self.headers.contains_key(RETRY_AFTER) => limited(false),
            // A proxy's 404, and a request that the server stopped waiting for.
            404 | 408 => HubFault::Unreachable(words()),
            400..=499 => HubFault::Rejected(words()),
            _ => HubFault::Unreachable(words()),
        }
    }

    /// Says what refused the request if it wasn't the hub: a proxy that requires its own
    /// credentials, or something that sends an HTML page, which the hub's API never does.
    fn intermediary(&self) -> Option<String> {
        match self.code.as_u16() {
            407 => Some("a proxy on the way requires authentication (407)".to_owned()),
            code @ 401..=403 if self.is_html() => Some(format!("{HTML_PAGE} ({code})")),
            _ => None,
        }
    }

    /// Returns true when the body is an HTML page. If the body can't be read, its content type
    /// decides.
    fn is_html(&self) -> bool {
        let text = fields::text(&self.body);
        let type_ = self.headers.get(CONTENT_TYPE);
        let type_ = type_.and_then(|value| value.to_str().ok());
        let type_ = type_.unwrap_or_default().trim().to_ascii_lowercase();
        let typed = ["text/html", "application/xhtml+xml"]
            .iter()
            .any(|html| type_.starts_with(html));
        text.trim_start().starts_with('<') || (typed && Fields::read(&text).is_err())
    }

    /// The hub's own words with the status code, on one line and shortened for a message.
    fn words(&self, body: &ErrorBody, key: &ApiKey) -> String {
        match &body.words {
            Some(words) => format!("{} ({})", quote(&key.hide(words)), self.code.as_u16()),
            None => self.code.to_string(),
        }
    }
}

/// The status code in the words of [`HubFault::Unreachable`] where an HTML page answered the
/// request; `None` for any other words.
#[must_use]
pub fn page_code(words: &str) -> Option<&str> {
    let code = words.strip_prefix(HTML_PAGE)?;
    code.strip_prefix(" (")?.strip_suffix(')')
}

/// Names the encoding of a body that can't be read, because the client asked for a plain body.
pub(super) fn encoded(headers: &HeaderMap) -> Option<String> {
    let encoding = headers.get(CONTENT_ENCODING)?;
    let encoding = String::from_utf8_lossy(encoding.as_bytes());
    let plain = encoding.trim().eq_ignore_ascii_case("identity");
    (!plain).then(|| {
        let encoding = quote(&encoding);
        format!("a body in the encoding {encoding:?}, which was not asked for")
    })
}

/// Reads one model object. `asked` is the model that the request was about, or empty for a list.
///
/// # Errors
///
/// Says why the object can't be read or used. The text can be shown.
pub(super) fn read_model(json: &[u8], asked: &str, key: &ApiKey) -> Result<Model, String> {
    let text = fields::text(json);
    let mut model = Model::read(&text).map_err(|problem| quote(&key.hide(&problem)))?;
    model.check_identity(asked, key)?;
    let lossy = matches!(text, Cow::Owned(_));
    if lossy && format!("{}{}", model.id, model.owned_by).contains('\u{fffd}') {
        return Err("the field id or owned_by is not UTF-8".into());
    }
    model.hide(key);
    Ok(model)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const KEY: &[u8] = b"very-secret";

    fn response(code: u16, body: &str) -> Response {
        Response {
            code: StatusCode::from_u16(code).unwrap(),
            headers: HeaderMap::new(),
            body: body.into(),
        }
    }

    fn with_header(header: http::HeaderName, value: &str, response: Response) -> Response {
        let mut headers = response.headers;
        headers.insert(header, value.parse().unwrap());
        Response {
            headers,
            ..response
        }
    }

    fn key() -> ApiKey {
        ApiKey::new(KEY).unwrap()
    }

    /// The fault of a GET that gets this response.
    fn read(code: u16, body: &str) -> HubFault {
        fault(&response(code, body))
    }

    fn fault(response: &Response) -> HubFault {
        let read = response.read("bot", &key(), &Limits::default());
        read.unwrap_err()
    }

    fn outcome(response: &Response) -> CallOutcome {
        response.outcome(&key(), &Limits::default())
    }

    /// The refusal of a call that gets this response.
    fn refusal(code: u16, body: &str) -> HubFault {
        match outcome(&response(code, body)) {
            CallOutcome::Refused { fault, .. } => fault,
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
    fn an_error_in_the_documented_format_is_quoted_with_its_detail() {
        let body = r#"{"error":{"type":"bad","title":"Bad request","detail":"unlucky"}}"#;
        assert_eq!(
            refusal(422, body),
            HubFault::Rejected("unlucky (422)".into())
        );
        assert_eq!(
            read(400, body),
            HubFault::Unexpected("unlucky (400)".into())
        );
        assert_eq!(read(403, body), HubFault::Forbidden("unlucky (403)".into()));
    }

    #[test]
    fn only_a_404_about_the_model_is_model_not_found() {
        let about = r#"{"error":"Model not found: bot"}"#;
        assert_eq!(read(404, about), HubFault::ModelNotFound(Vec::new()));
        assert_eq!(refusal(404, about), HubFault::ModelNotFound(Vec::new()));
        for body in ["", "<html>404</html>", r#"{"error":"Not found"}"#, "{}"] {
            assert!(matches!(read(404, body), HubFault::Unreachable(_)));
            let outcome = outcome(&response(404, body));
            assert!(matches!(outcome, CallOutcome::Unknown { .. }));
        }
    }

    #[test]
    fn another_4xx_refuses_a_call_and_makes_a_get_unreadable() {
        assert!(matches!(refusal(422, ""), HubFault::Rejected(_)));
        assert!(matches!(read(422, ""), HubFault::Unexpected(_)));
    }

    #[test]
    fn a_refusal_in_html_comes_from_something_between_the_operator_and_the_hub() {
        let page = "\u{feff} \n<!doctype html><title>Access denied</title>";
        let typed = |code| {
            with_header(
                CONTENT_TYPE,
                "Text/HTML; charset=utf-8",
                response(code, "x"),
            )
        };
        for code in [401, 402, 403] {
            for response in [response(code, page), typed(code)] {
                let words =
                    format!("a proxy or gateway on the way answered with an HTML page ({code})");
                assert_eq!(fault(&response), HubFault::Unreachable(words.clone()));
                assert_eq!(outcome(&response), CallOutcome::unknown(words));
                assert!(!response.refuses_key());
            }
        }
        for body in ["", page, r#"{"error":"no"}"#] {
            let words = "a proxy on the way requires authentication (407)";
            assert_eq!(read(407, body), HubFault::Unreachable(words.into()));
            assert_eq!(outcome(&response(407, body)), CallOutcome::unknown(words));
        }
    }

    #[test]
    fn a_refusal_without_html_is_the_hubs_own() {
        for body in ["", "Forbidden", r#"{"error":"<b>no</b>"}"#] {
            assert!(matches!(read(403, body), HubFault::Forbidden(_)), "{body}");
            assert!(matches!(refusal(403, body), HubFault::Forbidden(_)));
            assert_eq!(refusal(401, body), HubFault::Unauthenticated);
            assert!(response(401, body).refuses_key());
        }
        let json = response(403, r#"{"error":"no"}"#);
        let json = fault(&with_header(CONTENT_TYPE, "text/html", json));
        assert_eq!(json, HubFault::Forbidden("no (403)".into()));
        // Every other code has its own fault, whoever answered.
        let page = "<html>slow down</html>";
        assert!(matches!(read(429, page), HubFault::RateLimited { .. }));
        assert!(matches!(refusal(422, page), HubFault::Rejected(_)));
    }

    #[test]
    fn a_502_that_the_hub_words_is_its_providers() {
        let body =
            r#"{"error":{"type":"upstream","title":"The model provider returned an error."}}"#;
        let words = "The model provider returned an error. (502)";
        assert_eq!(read(502, body), HubFault::ProviderFailed(words.into()));
        assert_eq!(outcome(&response(502, body)), CallOutcome::unknown(words));
        for (code, body) in [(502, "<html>Bad gateway</html>"), (502, "{}"), (500, body)] {
            let fault = read(code, body);
            assert!(matches!(fault, HubFault::Unreachable(_)), "{fault:?}");
        }
    }

    #[test]
    fn retry_after_is_of_the_key_in_a_429_and_of_one_object_in_a_503() {
        let limited = |code| {
            let response = response(code, r#"{"error":"slow down"}"#);
            fault(&with_header(RETRY_AFTER, "30.5", response))
        };
        let wait = Some(Duration::from_secs(31));
        let of_key = HubFault::RateLimited {
            wait,
            whole_key: true,
            words: Some("slow down".into()),
        };
        assert_eq!(limited(429), of_key);
        let of_object = HubFault::RateLimited {
            wait,
            whole_key: false,
            words: Some("slow down".into()),
        };
        assert_eq!(limited(503), of_object);
    }

    #[test]
    fn a_body_that_is_compressed_unasked_is_named() {
        let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03";
        let encoded = |code, encoding| {
            let response = Response {
                body: gzip.to_vec(),
                ..response(code, "")
            };
            with_header(CONTENT_ENCODING, encoding, response)
        };
        let words = r#"a body in the encoding "gzip", which was not asked for"#;
        let unreadable = encoded(200, "gzip");
        assert_eq!(fault(&unreadable), HubFault::Unexpected(words.into()));
        assert_eq!(outcome(&unreadable), CallOutcome::unknown(words));
        let unnamed = fault(&encoded(200, "identity"));
        assert_eq!(unnamed, HubFault::Unexpected("not JSON".into()));
        // The code decides, and a 404 without words is not about a model.
        assert_eq!(fault(&encoded(401, "br")), HubFault::Unauthenticated);
        let lost = fault(&encoded(404, "br"));
        assert!(matches!(lost, HubFault::Unreachable(_)), "{lost:?}");
        let plain = with_header(
            CONTENT_ENCODING,
            "gzip",
            response(200, &model("bot", "acme")),
        );
        assert!(plain.read("bot", &key(), &Limits::default()).is_ok());
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

    /// A model object with this identity.
    fn model(id: &str, owned_by: &str) -> String {
        serde_json::json!({"id": id, "owned_by": owned_by, "display_name": "very-secret bot"})
            .to_string()
    }

    #[test]
    fn an_identity_is_taken_as_it_came_or_not_at_all() {
        let read = |asked: &str, id: &str, owner: &str| {
            let read = response(200, &model(id, owner)).read(asked, &key(), &Limits::default());
            read.map(|model| (model.id, model.owned_by, model.display_name))
        };
        let long = "m".repeat(512);
        let odd = "a\tb\u{1b}[1m  c";
        for (id, owner) in [
            (long.as_str(), "acme"),
            ("bot", odd),
            (odd, "acme"),
            ("very", ""),
        ] {
            let shown = Some("[the API key] bot".to_owned());
            let taken = (id.to_owned(), owner.to_owned(), shown);
            assert_eq!(read("bot", id, owner), Ok(taken));
        }
        // A requested name may contain the key: nobody learns the key from the answer.
        assert!(read("very-secret-bot", "very-secret-bot", "acme").is_ok());
        for (id, owner, problem) in [
            ("", "acme", "the field id is empty"),
            (
                &format!("{long}m"),
                "acme",
                "the field id is longer than 512 bytes",
            ),
            (
                "bot",
                &format!("{long}m"),
                "the field owned_by is longer than 512 bytes",
            ),
            (
                "very-secret-bot",
                "acme",
                "the field id contains the API key",
            ),
            (
                "bot",
                "very-secret",
                "the field owned_by contains the API key",
            ),
        ] {
            assert_eq!(
                read("bot", id, owner),
                Err(HubFault::Unexpected(problem.into()))
            );
        }
    }

    #[test]
    fn a_short_key_is_found_in_no_identity() {
        let key = ApiKey::new(b"test").unwrap();
        let response = response(200, &model("test-bot", "test"));
        let model = response.read("other", &key, &Limits::default()).unwrap();
        assert_eq!(
            (model.id.as_str(), model.owned_by.as_str()),
            ("test-bot", "test")
        );
    }

    #[test]
    fn a_known_word_stays_known_even_if_it_is_the_key() {
        let key = ApiKey::new(b"inactive").unwrap();
        let body = r#"{"id":"bot","owned_by":"acme","model_type":"inactive-ish",
            "deployments":[{"status":"inactive","reason":"inactive key"},{"status":"inactive!"}]}"#;
        let model = response(200, body)
            .read("bot", &key, &Limits::default())
            .unwrap();
        assert_eq!(model.model_type.unwrap().as_str(), "[the API key]-ish");
        let [Some(first), Some(second)] = &model.deployments.unwrap()[..] else {
            panic!("two deployments were sent")
        };
        assert_eq!(first.status.as_ref().unwrap().as_str(), "inactive");
        assert_eq!(second.status.as_ref().unwrap().as_str(), "[the API key]!");
        assert_eq!(first.notes().collect::<Vec<_>>(), ["[the API key] key"]);
    }

    #[test]
    fn every_refusal_of_a_call_has_its_retry_after() {
        for code in [402, 403, 409, 423, 425, 429] {
            let refused = with_header(RETRY_AFTER, "90", response(code, "{}"));
            match outcome(&refused) {
                CallOutcome::Refused { wait, .. } => {
                    assert_eq!(wait, Some(Duration::from_secs(90)), "{code}");
                }
                other => panic!("{code}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_identity_that_is_not_utf_8_cannot_be_compared() {
        let read = |body: &[u8]| read_model(body, "bot", &key());
        let problem = Err("the field id or owned_by is not UTF-8".to_owned());
        assert_eq!(read(b"{\"id\":\"b\xff\",\"owned_by\":\"acme\"}"), problem);
        let beside = b"{\"id\":\"bot\",\"owned_by\":\"acme\",\"summary\":\"\xff\"}";
        assert!(read(beside).is_ok());
    }

    #[test]
    fn what_cannot_be_read_names_the_field_and_shows_no_key() {
        for (body, words) in [
            ("<html>", "not JSON"),
            ("", "incomplete JSON"),
            ("[]", "JSON that is not an object"),
            (
                r#"{"owned_by":"acme"}"#,
                "JSON that is not a model object: the field id is missing",
            ),
            (
                r#"{"id":"bot","owned_by":null}"#,
                "JSON that is not a model object: the field owned_by is missing",
            ),
            (
                r#"{"id":"bot","owned_by":"acme","very-secret":tru}"#,
                "not JSON at the field [the API key]",
            ),
        ] {
            assert_eq!(
                read(200, body),
                HubFault::Unexpected(words.into()),
                "{body}"
            );
            assert_eq!(outcome(&response(200, body)), CallOutcome::unknown(words));
        }
    }
}
