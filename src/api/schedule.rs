//! When a scheduled model is active.

use std::{fmt, time::Duration};

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    dates::DateRange,
    span::{SPAN, Span},
    window::Window,
    zone::Zone,
};

const WINDOWS: usize = 16;
const EXCEPTIONS: usize = 64;
const LONGEST_WARM_UP: Duration = Duration::from_secs(2 * 3600);

/// When a scheduled model is active: in any of the windows.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// The time zone of all times here, by its name in the IANA time zone database. Example:
    /// `Europe/Berlin`.
    pub time_zone: Zone,
    /// The windows in which the model is active: days, or one date, and times. A window without
    /// days is one of every day, and one that ends at an earlier time than it begins ends on the
    /// next day. Windows may overlap. Examples: `Mon-Fri 08:00-18:00`, `Mon,Wed,Fri 22:00-06:00`,
    /// `2026-12-05 10:00-16:00`, `00:00-24:00`.
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(min = 1, max = 16))]
    pub active: Vec<Window>,
    /// Days on which no window begins. Examples: `2026-12-25`, `2026-12-24/2026-12-31`.
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub except: Option<Vec<DateRange>>,
    /// How long before a window the model is turned on, so that it is ready when the window begins:
    /// a duration of at most `2h`, or `auto`: as long as the slowest of the model's last five
    /// activations took, and 30 seconds more, at most `1h` and at most the progress deadline.
    /// Unset: the model is turned on when the window begins. Example: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
}

/// How long before a window the model is turned on.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum WarmUp {
    /// As long as activations of the model have taken.
    Auto,
    /// This long.
    Fixed(Span),
}

impl Schedule {
    /// Checks the number of windows and dates, which the schema limits.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.active.is_empty() || self.active.len() > WINDOWS {
            return Err(format!(
                "spec.schedule.active: write 1 to {WINDOWS} windows, such as Mon-Fri 08:00-18:00"
            ));
        }
        if self.except.as_ref().map_or(0, Vec::len) > EXCEPTIONS {
            return Err(format!(
                "spec.schedule.except: write at most {EXCEPTIONS} days or ranges, such as \
                 2026-12-24/2026-12-31"
            ));
        }
        Ok(())
    }
}

impl TryFrom<String> for WarmUp {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        match text.parse() {
            Ok(Span(time)) if time > LONGEST_WARM_UP => Err("warmUp must be at most 2h".into()),
            Ok(span) => Ok(Self::Fixed(span)),
            Err(_) => Err(format!(
                "{text:?}: warmUp must be auto, or a duration such as 10m or 1h30m"
            )),
        }
    }
}

impl From<WarmUp> for String {
    fn from(warm_up: WarmUp) -> Self {
        warm_up.to_string()
    }
}

impl fmt::Display for WarmUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WarmUp::Auto => f.write_str("auto"),
            WarmUp::Fixed(span) => span.fmt(f),
        }
    }
}

impl fmt::Debug for WarmUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl JsonSchema for WarmUp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WarmUp".into()
    }

    // The length bounds the cost of the CEL rules.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": 32,
            "x-kubernetes-validations": [
                {
                    "rule": format!("self == 'auto' || self.matches(r'{SPAN}')"),
                    "message": "warmUp must be auto, or a duration such as 10m or 1h30m",
                },
                {
                    "rule": format!(
                        "self == 'auto' || !self.matches(r'{SPAN}') || duration(self) <= \
                         duration('2h')"
                    ),
                    "message": "warmUp must be at most 2h",
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The schedule of a manifest, or the field that can't be read and why.
    fn schedule(field: &str, value: Value) -> Result<Schedule, String> {
        let mut manifest = json!({"timeZone": "Europe/Berlin", "active": ["08:00-18:00"]});
        manifest[field] = value;
        let read: Schedule = serde_path_to_error::deserialize(&manifest)
            .map_err(|error| format!("{}: {}", error.path(), error.inner()))?;
        assert_eq!(serde_json::to_value(&read).unwrap(), manifest);
        read.check().map(|()| read)
    }

    #[test]
    fn a_field_that_the_schema_refuses_is_not_decoded() {
        for (field, value) in [
            ("warmUp", json!("auto")),
            ("warmUp", json!("10m")),
            ("warmUp", json!("2h")),
            ("except", json!(["2026-12-25", "2026-12-24/2026-12-31"])),
            ("active", json!(["Mon 08:00-09:00", "Mon 08:00-09:00"])),
            ("timeZone", json!("UTC")),
        ] {
            assert!(schedule(field, value.clone()).is_ok(), "{field}: {value}");
        }
        let many = |text: &str, count| json!(vec![text; count]);
        for (field, value, problem) in [
            (
                "warmUp",
                json!("later"),
                "warmUp: \"later\": warmUp must be auto",
            ),
            (
                "warmUp",
                json!("Auto"),
                "must be auto, or a duration such as 10m",
            ),
            ("warmUp", json!(10), "warmUp: "),
            ("warmUp", json!("2h1s"), "must be at most 2h"),
            (
                "except",
                json!(["2027-02-29"]),
                "except[0]: \"2027-02-29\": days must exist",
            ),
            (
                "except",
                many("2026-12-25", 65),
                "spec.schedule.except: write at most 64",
            ),
            (
                "active",
                json!(["Mo 08:00-09:00"]),
                "active[0]: \"Mo 08:00-09:00\": a window is",
            ),
            (
                "active",
                json!([]),
                "spec.schedule.active: write 1 to 16 windows",
            ),
            (
                "active",
                many("08:00-09:00", 17),
                "spec.schedule.active: write 1 to 16 windows",
            ),
            (
                "timeZone",
                json!("Europe/Berln"),
                "timeZone: \"Europe/Berln\" is not a time zone",
            ),
        ] {
            let found = schedule(field, value.clone()).unwrap_err();
            assert!(found.contains(problem), "{field}: {value}: {found}");
        }
    }
}
