//! An API key that can't be printed.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use reqwest::header::HeaderValue;
use serde_json::Value;

const SCHEME: &str = "Bearer ";

/// An API key of the hub. It has no `Display`, its `Debug` shows nothing of it, and only the
/// `Authorization` header carries it out of the process.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(HeaderValue);

/// Why bytes are not a valid key. The text completes a sentence that names their source, and never
/// shows the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are empty or white space.
    #[error("is empty")]
    Empty,
    /// The bytes are not UTF-8.
    #[error("is not UTF-8 text")]
    NotText,
    /// The text spans several lines, or holds characters that no header may.
    #[error(
        "contains white space or characters that no API key has: it must be one line of printable ASCII"
    )]
    NotPrintable,
}

impl ApiKey {
    /// Makes a key from the bytes of a Secret, a file or the environment. White space around the
    /// key, such as the newline that `echo` adds, is not part of it.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a valid key.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(bytes).map_err(|_| KeyError::NotText)?;
        let key = text.trim();
        if key.is_empty() {
            return Err(KeyError::Empty);
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyError::NotPrintable);
        }
        let mut header =
            HeaderValue::from_str(&format!("{SCHEME}{key}")).map_err(|_| KeyError::NotPrintable)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    fn key(&self) -> &str {
        let header = self.0.to_str().unwrap_or_default();
        header.strip_prefix(SCHEME).unwrap_or_default()
    }

    /// The words without the key, in case the hub quotes it.
    pub(super) fn hide(&self, words: &str) -> String {
        words.replace(self.key(), "[the API key]")
    }

    /// Returns true when a body contains the key.
    pub(super) fn is_in(&self, body: &[u8]) -> bool {
        let key = self.key().as_bytes();
        body.windows(key.len()).any(|part| part == key)
    }

    /// The same JSON without the key in any of its texts.
    pub(super) fn hide_all(&self, json: Value) -> Value {
        match json {
            Value::String(words) => Value::String(self.hide(&words)),
            Value::Array(all) => all.into_iter().map(|one| self.hide_all(one)).collect(),
            Value::Object(fields) => {
                let hidden = fields
                    .into_iter()
                    .map(|(name, value)| (name, self.hide_all(value)));
                Value::Object(hidden.collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => json,
        }
    }
}

impl Hash for ApiKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_bytes().hash(state);
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_key_is_not_part_of_it() {
        assert_eq!(ApiKey::new(b"  k-1\r\n"), ApiKey::new(b"k-1"));
    }

    #[test]
    fn invalid_keys_are_told_apart() {
        for (bytes, error) in [
            (&b""[..], KeyError::Empty),
            (b" \n", KeyError::Empty),
            (b"\xff\xfe", KeyError::NotText),
            (b"two\nlines", KeyError::NotPrintable),
            (b"two words", KeyError::NotPrintable),
            ("kéy".as_bytes(), KeyError::NotPrintable),
        ] {
            assert_eq!(ApiKey::new(bytes), Err(error));
        }
    }

    #[test]
    fn an_echoed_key_is_hidden_in_every_text() {
        let key = ApiKey::new(b"very-secret").unwrap();
        let json = serde_json::json!({"a": ["x very-secret y", 1, null], "b": {"c": "very"}});
        assert!(key.is_in(json.to_string().as_bytes()) && !key.is_in(b"very"));
        let hidden = serde_json::json!({"a": ["x [the API key] y", 1, null], "b": {"c": "very"}});
        assert_eq!(key.hide_all(json), hidden);
    }

    #[test]
    fn a_key_never_prints() {
        let key = ApiKey::new(b"very-secret").unwrap();
        assert_eq!(
            format!("{key:?} {:?}", key.header()),
            "ApiKey(..) Sensitive"
        );
    }
}
