//! Dates as manifests write them.

use std::fmt;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const FORM: &str = "must be a day or a range of days: 2026-12-25, or 2026-12-24/2026-12-31";
const MISSING: &str = "days must exist, the earlier one first";

/// The texts of this form, for a CEL rule.
pub(super) const SHAPE: &str = "[0-9]{4}-[0-9]{2}-[0-9]{2}";

/// The days that exist, for a CEL rule. CEL's own `timestamp` would fail for any other day. The API
/// server doesn't forgive an unchanged value for which a rule fails, as it does if a rule is false:
/// it would refuse every write of a stored object, even of its status.
pub(super) const EXISTING: &str = "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|\
                                   (0[469]|11)-(0[1-9]|[12][0-9]|30)|\
                                   02-(0[1-9]|1[0-9]|2[0-8]))|\
                                   ([0-9]{2}(0[48]|[2468][048]|[13579][26])|\
                                   ([02468][048]|[13579][26])00)-02-29)";

/// Year, month and day of a text of the form `2026-12-25`. The day may not exist.
pub(super) fn numbers(text: &str) -> Option<[i16; 3]> {
    let shape = |(at, c): (usize, char)| match at {
        4 | 7 => c == '-',
        _ => c.is_ascii_digit(),
    };
    if text.len() != 10 || !text.char_indices().all(shape) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse().ok();
    Some([part(0..4)?, part(5..7)?, part(8..10)?])
}

/// The day of these numbers, or `None` if it doesn't exist.
pub(super) fn day([year, month, day]: [i16; 3]) -> Option<Date> {
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    Date::new(year, month, day).ok()
}

/// A day or a range of days, both ends included: `2026-12-25`, or `2026-12-24/2026-12-31`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DateRange {
    first: Date,
    last: Date,
    /// Whether both days are written.
    is_pair: bool,
}

impl DateRange {
    /// Returns true when the day is one of the range's.
    #[must_use]
    pub fn contains(&self, day: Date) -> bool {
        self.first <= day && day <= self.last
    }
}

impl TryFrom<String> for DateRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (first, last) = match text.split_once('/') {
            Some((first, last)) => (first, Some(last)),
            None => (text.as_str(), None),
        };
        let (Some(from), Some(to)) = (numbers(first), numbers(last.unwrap_or(first))) else {
            return Err(format!("{text:?} {FORM}"));
        };
        match (day(from), day(to)) {
            (Some(first), Some(to)) if first <= to => Ok(Self {
                first,
                last: to,
                is_pair: last.is_some(),
            }),
            _ => Err(format!("{text:?}: {MISSING}")),
        }
    }
}

impl From<DateRange> for String {
    fn from(range: DateRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.is_pair {
            write!(f, "/{}", self.last)?;
        }
        Ok(())
    }
}

impl fmt::Debug for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl JsonSchema for DateRange {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DateRange".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": 21,
            "x-kubernetes-validations": [
                {
                    "rule": format!("self.matches('^{SHAPE}(/{SHAPE})?$')"),
                    "message": format!("except {FORM}"),
                },
                {
                    "rule": format!(
                        "!self.matches('^{SHAPE}(/{SHAPE})?$') || \
                         (self.matches('^{EXISTING}(/{EXISTING})?$') && \
                         (self.size() < 21 || self.substring(0, 10) <= self.substring(11)))"
                    ),
                    "message": format!("except's {MISSING}"),
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<DateRange, String> {
        DateRange::try_from(text.to_owned())
    }

    #[test]
    fn a_range_holds_both_its_ends() {
        let holds = |text: &str, day: &str| range(text).unwrap().contains(day.parse().unwrap());
        for (text, day, held) in [
            ("2026-12-25", "2026-12-25", true),
            ("2026-12-25", "2026-12-24", false),
            ("2026-12-24/2026-12-31", "2026-12-24", true),
            ("2026-12-24/2026-12-31", "2026-12-31", true),
            ("2026-12-24/2026-12-31", "2027-01-01", false),
        ] {
            assert_eq!(holds(text, day), held, "{text} {day}");
        }
        for text in [
            "2026-12-25",
            "2026-12-25/2026-12-25",
            "0000-01-01/2027-12-31",
        ] {
            assert_eq!(String::from(range(text).unwrap()), text);
        }
    }

    #[test]
    fn a_range_of_another_form_and_a_day_that_does_not_exist_are_refused() {
        for (text, fix) in [
            ("", FORM),
            ("2026-12-5", FORM),
            ("25.12.2026", FORM),
            ("2026-12-25 ", FORM),
            ("2026-12-24/", FORM),
            ("2026-12-24-2026-12-31", FORM),
            ("2026-12-24/2026-12-25/2026-12-26", FORM),
            ("2026-12-２5", FORM),
            ("-026-12-25", FORM),
            ("2027-02-29", MISSING),
            ("2026-00-01", MISSING),
            ("2100-02-29", MISSING),
            ("2026-12-24/2026-13-01", MISSING),
            ("2026-12-31/2026-12-24", MISSING),
        ] {
            let problem = range(text).unwrap_err();
            assert!(problem.contains(fix), "{text:?}: {problem}");
        }
    }
}
