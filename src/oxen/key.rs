//! An API key that can't be printed.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use reqwest::header::HeaderValue;

const SCHEME: &str = "Bearer ";

/// An API key of the hub. It has no `Display`, its `Debug` shows nothing of it, and it leaves the
/// process in one header only.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(HeaderValue);

/// Why bytes can't be a key. The words complete a sentence that names where they are from, and
/// never show the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing is left once white space around it is gone.
    #[error("is empty")]
    Empty,
    /// It is no text.
    #[error("is not UTF-8 text")]
    NotText,
    /// It is several lines, or holds what no header may.
    #[error(
        "holds white space or characters that no API key has: it must be one line of printable ASCII"
    )]
    NotPrintable,
}

impl ApiKey {
    /// A key from the bytes of a Secret, a file or the environment. White space around it, such
    /// as the newline that `echo` adds, is no part of it.
    ///
    /// # Errors
    ///
    /// If the bytes can't be a key.
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

    /// The words without the key, should the hub have quoted it.
    pub(super) fn hide(&self, words: &str) -> String {
        let header = self.0.to_str().unwrap_or_default();
        match header.strip_prefix(SCHEME) {
            Some(key) => words.replace(key, "[the API key]"),
            None => words.to_owned(),
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
    fn white_space_around_a_key_is_no_part_of_it() {
        assert_eq!(ApiKey::new(b"  k-1\r\n"), ApiKey::new(b"k-1"));
    }

    #[test]
    fn what_can_be_no_key_is_told_apart() {
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
    fn a_key_never_prints() {
        let key = ApiKey::new(b"very-secret").unwrap();
        assert_eq!(
            format!("{key:?} {:?}", key.header()),
            "ApiKey(..) Sensitive"
        );
    }
}
