//! A duration as manifests and flags write it.

use std::{fmt, str::FromStr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The durations that the schema allows, as [`Span`] reads them: each unit once, the larger ones
/// first, and a fraction only of the last.
pub(super) const SPAN: &str = r"^(([0-9]+h)?([0-9]+m)?[0-9]+(\.[0-9]{1,9})?s|([0-9]+h)?[0-9]+(\.[0-9]{1,9})?m|[0-9]+(\.[0-9]{1,9})?h)$";

/// A duration as manifests and flags write it: `30s`, `5m`, `1h30m`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    // The length bounds the cost of the CEL rules.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "maxLength": 32})
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // kube's own Duration panics on a number that is too large.
        let problem = || format!("{text:?} is not a duration: write one such as 30s, 5m or 1h30m");
        let compact = text.starts_with(|c: char| c.is_ascii_digit())
            && text.ends_with(|c: char| c.is_ascii_alphabetic());
        let span: jiff::SignedDuration = text.parse().map_err(|_| problem())?;
        match Duration::try_from(span) {
            Ok(span) if compact => Ok(Self(span)),
            _ => Err(problem()),
        }
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if h > 0 {
            write!(f, "{h}h")?;
        }
        if m > 0 {
            write!(f, "{m}m")?;
        }
        if millis > 0 && h + m + s == 0 {
            write!(f, "{millis}ms")
        } else if millis > 0 {
            write!(f, "{s}.{millis:03}s")
        } else if s > 0 || h + m == 0 {
            write!(f, "{s}s")
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_manifests_write_them() {
        for (text, seconds) in [
            ("30s", 30),
            ("5m", 300),
            ("1h30m", 5400),
            ("90s", 90),
            ("1h90m0.5s", 9000),
            ("1h0.123456789m", 3607),
            ("1.5h", 5400),
        ] {
            assert_eq!(text.parse::<Span>().map(|s| s.0.as_secs()), Ok(seconds));
        }
        for text in [
            "",
            "soon",
            "5",
            "-5m",
            "P1D",
            "99999999999999999999h",
            "5m ago",
            "30s1m",
            "1m1m",
            "1.5h30m",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn durations_print_as_they_are_read() {
        for text in ["30s", "5m", "1h30m", "1m30s", "250ms", "1.500s", "0s"] {
            assert_eq!(text.parse::<Span>().map(|s| s.to_string()), Ok(text.into()));
        }
    }
}
