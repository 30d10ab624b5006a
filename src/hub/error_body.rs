//! The body of an error: the hub's own words, in any of the shapes that it has for them.

use serde_json::value::RawValue;

use super::fields::{Fields, parse, text};

/// The word for a missing model in `error.type` and `status_message`.
const NOT_FOUND: &str = "resource_not_found";

/// The texts of an error body. A page of HTML has none.
#[derive(Debug, Default)]
pub(super) struct ErrorBody {
    /// The most precise text, as a message shows it.
    pub(super) words: Option<String>,
    /// Whether the error is that the hub doesn't know the model.
    pub(super) model_not_found: bool,
}

impl ErrorBody {
    /// Reads the body of a response that is not a success.
    pub(super) fn read(body: &[u8]) -> Self {
        let json = text(body);
        let Ok(fields) = Fields::read(&json) else {
            return Self::default();
        };
        let error = fields.lenient::<&RawValue>("error");
        let inner = error.and_then(|error| Fields::read(error.get()).ok());
        let of_error = |name| inner.as_ref().and_then(|inner| inner.lenient(name));
        let status_message: Option<String> = fields.lenient("status_message");
        let type_: Option<String> = of_error("type");
        let model_not_found = [&type_, &status_message]
            .into_iter()
            .flatten()
            .any(|word| word == NOT_FOUND);
        let texts: [Option<String>; 8] = [
            error.and_then(parse),
            of_error("detail"),
            of_error("message"),
            of_error("title"),
            type_,
            fields.lenient("message"),
            status_message,
            fields.lenient("detail"),
        ];
        let errors: Vec<(Option<String>, String)> =
            fields.lenient("errors").map(errors).unwrap_or_default();
        let mut all = texts
            .iter()
            .flatten()
            .chain(errors.iter().map(|(_, text)| text));
        let model_not_found = model_not_found || all.any(|text| is_about_the_model(text));
        let first = texts
            .into_iter()
            .flatten()
            .find(|text| !text.trim().is_empty());
        Self {
            words: first.or_else(|| joined(&errors)),
            model_not_found,
        }
    }
}

fn is_about_the_model(text: &str) -> bool {
    text.trim().to_lowercase().starts_with("model not found")
}

/// The texts of `errors`, which is a text, a list of texts, or an object of texts by field. A field
/// may have several texts.
fn errors(value: &RawValue) -> Vec<(Option<String>, String)> {
    if let Ok(fields) = Fields::read(value.get()) {
        let by_field = fields.iter().flat_map(|(name, value)| {
            let texts = texts(value).into_iter();
            texts.map(|text| (Some(name.to_owned()), text))
        });
        return by_field.collect();
    }
    texts(value).into_iter().map(|text| (None, text)).collect()
}

/// A text, or the texts of a list, without empty ones.
fn texts(value: &RawValue) -> Vec<String> {
    let list = parse::<Vec<&RawValue>>(value).unwrap_or_else(|| vec![value]);
    let texts = list.into_iter().filter_map(parse::<String>);
    texts.filter(|text| !text.trim().is_empty()).collect()
}

fn joined(errors: &[(Option<String>, String)]) -> Option<String> {
    let shown: Vec<String> = errors
        .iter()
        .map(|(field, text)| match field {
            Some(field) => format!("{field}: {text}"),
            None => text.clone(),
        })
        .collect();
    (!shown.is_empty()).then(|| shown.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(body: &str) -> Option<String> {
        ErrorBody::read(body.as_bytes()).words
    }

    #[test]
    fn the_most_precise_text_is_found_in_every_known_shape() {
        for body in [
            r#"{"error":"no funds"}"#,
            r#"{"error":{"type":"billing","title":"Billing","message":"x","detail":"no funds"}}"#,
            r#"{"error":{"type":"billing","title":"Billing","message":"no funds"}}"#,
            r#"{"error":{"type":"billing","title":"no funds"},"message":"x"}"#,
            r#"{"error":{"type":"no funds"},"status":"error","status_message":"x"}"#,
            r#"{"error":{"detail":7,"message":" ","title":"no funds"}}"#,
            r#"{"error":"","message":"no funds"}"#,
            r#"{"error":null,"message":"no funds","status_message":"x"}"#,
            r#"{"status":"error","status_message":"no funds","detail":"x"}"#,
            r#"{"detail":"no funds","errors":"x"}"#,
            r#"{"detail":["x"],"errors":"no funds"}"#,
            r#"{"errors":["","no funds",7]}"#,
        ] {
            assert_eq!(words(body).as_deref(), Some("no funds"), "{body}");
        }
    }

    #[test]
    fn errors_by_field_are_shown_with_the_field() {
        for (body, shown) in [
            (
                r#"{"errors":{"detail":"Bad Request"}}"#,
                "detail: Bad Request",
            ),
            (
                r#"{"errors":{"name":["can't be blank","is too short"],"size":"is odd","x":{}}}"#,
                "name: can't be blank; name: is too short; size: is odd",
            ),
            (r#"{"errors":["one","two"]}"#, "one; two"),
        ] {
            assert_eq!(words(body).as_deref(), Some(shown), "{body}");
        }
    }

    #[test]
    fn a_body_without_words_has_none() {
        for body in [
            "",
            "<html>no funds</html>",
            "null",
            "[]",
            "\"words\"",
            "{}",
            r#"{"error":7}"#,
            r#"{"errors":{}}"#,
            r#"{"error":{"nested":{"message":"x"}}}"#,
        ] {
            assert_eq!(words(body), None, "{body}");
        }
    }

    #[test]
    fn what_nothing_reads_hides_no_words() {
        let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let number = "9".repeat(400);
        let body = format!(
            "\u{feff}{{\"trace\":{nested},\"n\":{number},\"s\":\"\\ud800\",\"error\":\"no funds\"}}"
        );
        assert_eq!(words(&body).as_deref(), Some("no funds"));
    }

    #[test]
    fn both_documented_formats_say_that_the_model_is_not_found() {
        for (body, about) in [
            (
                r#"{"error":{"type":"resource_not_found","title":"Resource not found","detail":"Model not found: x"},"status":"error","status_message":"resource_not_found"}"#,
                true,
            ),
            (r#"{"error":{"message":"Model not found: x"}}"#, true),
            (r#"{"error":"model not found"}"#, true),
            (
                r#"{"error":{"title":"Not found","detail":"MODEL NOT FOUND"}}"#,
                true,
            ),
            (r#"{"error":{"type":"resource_not_found"}}"#, true),
            (r#"{"status_message":"resource_not_found"}"#, true),
            (r#"{"errors":{"detail":"Model not found: x"}}"#, true),
            (r#"{"message":"Model not found: x","error":"404"}"#, true),
            (r#"{"error":"Not found"}"#, false),
            (
                r#"{"error":{"type":"route_not_found","title":"Not found"}}"#,
                false,
            ),
            (r#"{"error":"the page about Model not found"}"#, false),
            (r#"{"type":"resource_not_found"}"#, false),
            ("{}", false),
            ("<html>Model not found: x</html>", false),
        ] {
            assert_eq!(
                ErrorBody::read(body.as_bytes()).model_not_found,
                about,
                "{body}"
            );
        }
    }
}
