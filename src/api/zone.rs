//! A time zone by its name.

use std::fmt;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const LONGEST: usize = 64;
const FIX: &str = "a name of the IANA time zone database, such as Europe/Berlin, America/New_York \
                   or UTC";

/// A time zone by its name in the IANA time zone database: `Europe/Berlin`. Its rules are looked up
/// when the name is decoded, so that a decision reads no file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone's rules.
    #[must_use]
    pub fn rules(&self) -> &TimeZone {
        &self.0
    }

    /// The zone's name.
    #[must_use]
    pub fn name(&self) -> &str {
        // Every zone of the database has a name.
        self.0.iana_name().unwrap_or("UTC")
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let known = || jiff::tz::db().get(&name).ok();
        // The database ignores case, and has a zone for an unknown one. The API server doesn't.
        let exact = |zone: &TimeZone| zone.iana_name() == Some(&name) && !zone.is_unknown();
        (name.len() <= LONGEST)
            .then(known)
            .flatten()
            .filter(exact)
            .map(Self)
            .ok_or_else(|| format!("{name:?} is not a time zone: write {FIX}"))
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl JsonSchema for Zone {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Zone".into()
    }

    // The second rule asks the API server's own database. The first one refuses what that takes
    // for an offset, and Go's name for the machine's own zone. The second rule fails for an unknown
    // zone. So it leaves a stored one alone: an API server that doesn't know the zone any more
    // would otherwise refuse every write of the object, even of its status and finalizers.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let message = format!("timeZone must be {FIX}");
        schemars::json_schema!({
            "type": "string",
            "maxLength": LONGEST,
            "x-kubernetes-validations": [
                {
                    "rule": "self.matches('^[A-Za-z][A-Za-z0-9_+/-]*$') && self != 'Local'",
                    "message": message,
                },
                {
                    "rule": "oldSelf.orValue('') == self || \
                             timestamp('2000-01-01T00:00:00Z').getFullYear(self) > 0",
                    "optionalOldSelf": true,
                    "message": message,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_known_by_their_exact_names() {
        for name in [
            "Europe/Berlin",
            "America/Port-au-Prince",
            "America/Argentina/Buenos_Aires",
            "Etc/GMT+5",
            "Etc/UTC",
            "UTC",
            "CET",
        ] {
            let zone = Zone::try_from(name.to_owned()).unwrap();
            assert_eq!(String::from(zone), name);
        }
        for name in [
            "Europe/Berln",
            "europe/berlin",
            "utc",
            "CEST",
            "Local",
            "Etc/Unknown",
            "+01:00",
            "",
            " UTC",
            "../zoneinfo/UTC",
            "/usr/share/zoneinfo/UTC",
            &"A".repeat(65),
        ] {
            let problem = Zone::try_from(name.to_owned()).unwrap_err();
            assert!(problem.contains("Europe/Berlin"), "{name:?}: {problem}");
        }
    }
}
