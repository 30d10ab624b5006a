//! The body of an error: the hub's own words, in all shapes that the hub uses.

use serde_json::value::RawValue;

use super::fields::{Fields, parse, text};

/// The word for a missing model in `error.type` and `status_message`.
const NOT_FOUND: &str = "resource_not_found";

/// The texts of an error body. An HTML page has none.
#[derive(Debug, Default)]
pub(super) struct ErrorBody {
    /// The most precise text, as a message shows it.
    pub(super) words: Option<String>,
    /// Whether the error says that the hub doesn't know the model.
    pub(super) model_not_found: bool,
}

impl ErrorBody {
    /// Reads the body of a response that is not a success.
    pub(super) fn read(body: &[u8]) -> Self {
        let json = text(body);
        let Ok(fields) = Fields::read(&json) else {
            return Self::default();
        };
        let field = |name| fields.lenient::<&RawValue>(name);
        let error = field("error");
        let type_ = error.and_then(|error| Fields::read(error.get()).ok());
        let type_ = type_.and_then(|error| error.lenient::<String>("type"));
        let status_message: Option<String> = fields.lenient("status_message");
        let parts: [Vec<Statement>; 5] = [
            error.map(statements).unwrap_or_default(),
            field("message").map(statements).unwrap_or_default(),
            field("status_message").map(statements).unwrap_or_default(),
            field("detail").map(statements).unwrap_or_default(),
            field("errors").map(errors).unwrap_or_default(),
        ];
        let mut texts = parts.iter().flatten().flat_map(|said| &said.texts);
        let model_not_found = [&type_, &status_message]
            .into_iter()
            .flatten()
            .any(|word| word == NOT_FOUND)
            || texts.any(|text| is_about_the_model(text));
        let shown = parts.iter().find(|part| !part.is_empty());
        Self {
            words: shown.map(|part| joined(part)).or(type_),
            model_not_found,
        }
    }
}

/// One statement of an error: alternative texts for it, the most precise one first.
struct Statement {
    /// The field of the request that it is about, if there is one.
    field: Option<String>,
    /// The texts, of which there is at least one.
    texts: Vec<String>,
}

/// The statements of a value: a text, the texts of an object, or a list of these.
fn statements(value: &RawValue) -> Vec<Statement> {
    let list = parse::<Vec<&RawValue>>(value).unwrap_or_else(|| vec![value]);
    let statements = list.into_iter().map(|value| Statement {
        field: None,
        texts: texts(value),
    });
    statements.filter(|said| !said.texts.is_empty()).collect()
}

/// A text, or the texts of an object, without empty ones.
fn texts(value: &RawValue) -> Vec<String> {
    let texts: Vec<Option<String>> = match Fields::read(value.get()) {
        Ok(fields) => ["detail", "message", "title", "msg"]
            .map(|name| fields.lenient(name))
            .into(),
        Err(_) => vec![parse(value)],
    };
    let texts = texts.into_iter().flatten();
    texts.filter(|text| !text.trim().is_empty()).collect()
}

/// The statements of `errors`, which may also be an object of values by field.
fn errors(value: &RawValue) -> Vec<Statement> {
    let Ok(fields) = Fields::read(value.get()) else {
        return statements(value);
    };
    let by_field = fields.iter().flat_map(|(name, value)| {
        let statements = statements(value).into_iter();
        statements.map(|said| Statement {
            field: Some(name.to_owned()),
            ..said
        })
    });
    by_field.collect()
}

fn joined(statements: &[Statement]) -> String {
    let shown = statements.iter().filter_map(|said| {
        let text = said.texts.first()?;
        Some(match &said.field {
            Some(field) => format!("{field}: {text}"),
            None => text.clone(),
        })
    });
    shown.collect::<Vec<_>>().join("; ")
}

fn is_about_the_model(text: &str) -> bool {
    text.trim().to_lowercase().starts_with("model not found")
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
            r#"{"error":{"type":"x"},"status":"error","status_message":"no funds"}"#,
            r#"{"error":{"type":"no funds"},"status":"error","message":""}"#,
            r#"{"error":{"detail":7,"message":" ","title":"no funds"}}"#,
            r#"{"error":"","message":"no funds"}"#,
            r#"{"error":null,"message":"no funds","status_message":"x"}"#,
            r#"{"status":"error","status_message":"no funds","detail":"x"}"#,
            r#"{"detail":"no funds","errors":"x"}"#,
            r#"{"detail":[],"errors":"no funds"}"#,
            r#"{"detail":[{"loc":["body"],"msg":"no funds","type":"missing"}]}"#,
            r#"{"detail":{"code":7,"message":"no funds"}}"#,
            r#"{"errors":[{"title":"x","detail":"no funds"}]}"#,
            r#"{"error":["no funds"]}"#,
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
            (r#"{"errors":["one",{"message":"two"}]}"#, "one; two"),
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
            (r#"{"errors":[{"message":"Model not found: x"}]}"#, true),
            (
                r#"{"error":{"title":"Model not found","detail":"x is gone"}}"#,
                true,
            ),
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
