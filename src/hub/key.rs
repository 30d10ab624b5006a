//! An API key that can't be printed.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use reqwest::header::HeaderValue;

const SCHEME: &str = "Bearer ";

/// The smallest length of a key that is hidden in text, in characters. A shorter key could be a
/// word that any text contains.
const SHORTEST_HIDDEN: usize = 8;

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

    /// The text without the key, in case the hub quotes the key.
    pub(super) fn hide(&self, text: &str) -> String {
        if self.is_in(text) {
            text.replace(self.key(), "[the API key]")
        } else {
            text.to_owned()
        }
    }

    /// Returns true when a text contains the key. A key of less than 8 characters counts as
    /// contained in no text.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let key = self.key();
        key.len() >= SHORTEST_HIDDEN && text.contains(key)
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
    fn a_key_is_hidden_in_text_and_a_short_one_is_a_word_like_any_other() {
        let key = ApiKey::new(b"very-secret").unwrap();
        assert!(key.is_in("x very-secret y") && !key.is_in("very"));
        assert_eq!(key.hide("x very-secret y"), "x [the API key] y");
        for (short, text, hidden) in [
            ("test", "test-bot", "test-bot"),
            ("1234567", "1234567", "1234567"),
            ("12345678", "12345678", "[the API key]"),
        ] {
            let key = ApiKey::new(short.as_bytes()).unwrap();
            assert_eq!(key.hide(text), hidden);
        }
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
