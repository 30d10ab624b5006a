//! `--since FILE`: an earlier report, and the exact difference to it.

use std::{collections::HashMap, fs};

use jiff::{Timestamp, civil};
use serde::Deserialize;

use super::{Report, Row};
use crate::{outcome::Failure, usage::Used};

/// An earlier report.
#[derive(Debug, Deserialize)]
pub struct Earlier {
    /// When it was made.
    pub at: Timestamp,
    #[serde(default)]
    since: Option<Timestamp>,
    items: Vec<Row>,
}

/// What the difference doesn't have.
#[derive(Debug, Default, PartialEq)]
pub struct Missing {
    /// Objects that are gone, by full name.
    pub gone: Vec<String>,
    /// Objects that were created again, or whose count began again, and since when they count.
    pub restarted: Vec<(String, Timestamp)>,
    /// Objects of whose count some sum is smaller than in the earlier report.
    pub shrunk: Vec<String>,
    /// Objects that were counted before the earlier report, which doesn't have them.
    pub unknown: Vec<String>,
}

/// Reads an earlier report.
///
/// # Errors
///
/// The text is a time and no file, or the file is no report that a difference can be made to at
/// this time.
pub fn read(file: &str, now: Timestamp) -> Result<Earlier, Failure> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(_) if range(file).is_some() => return Err(no_time(file).into()),
        Err(error) => {
            return Err(format!("--since {file}: the file can't be read: {error}").into());
        }
    };
    let earlier = parse(&text).map_err(|problem| {
        let fix = "Write one with: kubectl oxen cost -A -o json > FILE";
        Failure::Because(format!("--since {file}: {problem}. {fix}"))
    })?;
    if earlier.at > now {
        return Err(format!(
            "--since {file}: its time {} is in the future by this machine's clock. Correct the \
             clock, or pass another file.",
            earlier.at
        )
        .into());
    }
    Ok(earlier)
}

fn parse(text: &str) -> Result<Earlier, String> {
    // JSON is YAML, too.
    let earlier: Earlier = serde_yaml::from_str(text)
        .map_err(|_| "the file is not what \"kubectl oxen cost -o json\" writes")?;
    if earlier.since.is_some() {
        return Err("the file holds a difference, which was written with --since".into());
    }
    Ok(earlier)
}

/// The range of a Prometheus query for a text that is a time or a duration, or `None` for any other
/// text.
fn range(text: &str) -> Option<String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let unit = &text[number.len()..];
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && matches!(unit, "m" | "h" | "d" | "w" | "y") {
        return Some(text.to_owned());
    }
    let date: Option<civil::Date> = text.get(..10).and_then(|date| date.parse().ok());
    let time = text.parse::<civil::Time>().is_ok() || is_number && unit.is_empty();
    (date.is_some() || time || text.parse::<jiff::Span>().is_ok()).then(|| "7d".to_owned())
}

/// The query takes the maximum first, because each replica that has led has series of its own.
fn no_time(text: &str) -> String {
    format!(
        "--since takes a file that \"kubectl oxen cost -o json\" wrote: the status holds totals, \
         not history. From Prometheus:\n  increase(max by (namespace, name) \
         (oxen_model_cost_total)[{}:1m])",
        range(text).unwrap_or_else(|| "7d".into())
    )
}

impl Report {
    /// The difference to an earlier report, matched by UID, and what it doesn't have. `all` says
    /// whether this report has all objects of its namespaces, and `namespace` is the only one.
    pub fn since(self, earlier: &Earlier, namespace: Option<&str>, all: bool) -> (Self, Missing) {
        let mut missing = Missing::default();
        let mut before: HashMap<&str, &Row> =
            (earlier.items.iter().map(|row| (row.uid.as_str(), row))).collect();
        let mut names = HashMap::new();
        for row in &earlier.items {
            names.insert(row.full_name(), row.uid.as_str());
        }
        let at = self.at;
        let mut rows = Vec::new();
        for mut row in self.items {
            let full = row.full_name();
            let known = before.remove(row.uid.as_str());
            let difference = known.and_then(|known| {
                let used = row.used.since(known.used)?;
                Some((used, row.used.has_grown_from(&known.used)))
            });
            if let Some((used, grown)) = difference {
                missing.shrunk.extend((!grown).then_some(full.clone()));
                row.used = Used {
                    began: earlier.at,
                    ..used
                };
            } else if known.is_some() || names.contains_key(&full) {
                missing.restarted.push((full.clone(), row.used.began));
            } else if row.used.began < earlier.at {
                missing.unknown.push(full);
                continue;
            }
            if let Some(other) = names.get(&full) {
                before.remove(other);
            }
            rows.push(row);
        }
        for (_, uid) in &self.unread {
            before.remove(uid.as_str());
        }
        let here = |row: &&Row| all && namespace.is_none_or(|namespace| row.namespace == namespace);
        let gone = before.into_values().filter(here).map(Row::full_name);
        missing.gone = gone.collect();
        missing.gone.sort();
        let report = Self {
            unread: self.unread,
            ..Self::of(rows, at, Some(earlier.at))
        };
        (report, missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_from_a_file() {
        for (text, query) in [
            ("7d", "[7d:1m]"),
            ("24h", "[24h:1m]"),
            ("90m", "[90m:1m]"),
            ("2026-11-01", "[7d:1m]"),
            ("2026-11-01T08:00:00Z", "[7d:1m]"),
            ("08:00", "[7d:1m]"),
            ("1h30m", "[7d:1m]"),
            ("90s", "[7d:1m]"),
        ] {
            let Failure::Because(error) = read(text, Timestamp::now()).unwrap_err() else {
                panic!("{text}");
            };
            assert!(error.starts_with("--since takes a file that "), "{error}");
            assert!(error.contains(query), "{error}");
        }
        let Failure::Because(error) = read("absent.json", Timestamp::now()).unwrap_err() else {
            panic!("it is read");
        };
        assert!(
            error.starts_with("--since absent.json: the file can't be read"),
            "{error}"
        );
    }

    #[test]
    fn a_file_from_the_future_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("later.json").display().to_string();
        fs::write(&file, r#"{"items": [], "at": "2026-11-23T08:00:00Z"}"#).unwrap();
        assert!(read(&file, "2026-11-23T08:00:00Z".parse().unwrap()).is_ok());
        let Err(Failure::Because(error)) = read(&file, "2026-11-23T07:59:59Z".parse().unwrap())
        else {
            panic!("it is read");
        };
        assert!(error.contains("is in the future"), "{error}");
    }

    #[test]
    fn only_a_report_with_totals_is_taken() {
        for text in [
            "",
            "{}",
            "[]",
            "monday",
            r#"{"items": []}"#,
            r#"{"items": [{"kind": "OxenModel"}], "at": "2026-11-23T08:00:00Z"}"#,
            r#"{"items": [], "at": "monday"}"#,
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("is not what"), "{text}: {error}");
        }
        let difference = r#"{"items": [], "at": "2026-11-23T08:00:00Z",
                             "since": "2026-11-16T08:00:00Z"}"#;
        assert!(parse(difference).unwrap_err().contains("a difference"));
    }
}
