//! `oxen-operator schedule`: when the models of the manifests in a file are on. It asks neither a
//! cluster nor the hub.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | reading the manifests | `manifests.rs` |
//! | the report for people | `text.rs` |

mod manifests;
mod text;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use manifests::ManifestError;

use crate::{
    api::{Declared, OxenModelSpec},
    config::{OutputFormat, ScheduleArgs},
    decide::{declared_warm_up, stretches},
};
use manifests::Manifest;

/// The asked range of time.
#[derive(Clone, Copy)]
struct Range {
    from: Timestamp,
    to: Timestamp,
}

/// When the model of one object is on.
#[derive(Serialize)]
struct Preview<'a> {
    namespace: Option<&'a str>,
    name: &'a str,
    on: Vec<On>,
}

/// A time in which a model is on.
#[derive(Serialize)]
struct On {
    from: Timestamp,
    to: Timestamp,
}

/// The report on the manifests in a file. `now` is where it begins if the arguments don't say.
///
/// # Errors
///
/// Names the file, the object and the field that can't be read, and what to write instead.
pub fn schedule(args: &ScheduleArgs, now: Timestamp) -> Result<String, ManifestError> {
    let from = args.from.unwrap_or(now);
    let days = SignedDuration::from_hours(24 * i64::from(args.days));
    let to = from.checked_add(days).unwrap_or(Timestamp::MAX);
    let range = Range { from, to };
    let manifests = manifests::read(&args.filename)?;
    let previews = manifests.iter().map(|manifest| Preview {
        namespace: manifest.namespace.as_deref(),
        name: &manifest.name,
        on: on(&manifest.spec, range),
    });
    let previews: Vec<Preview<'_>> = previews.collect();
    match args.output {
        OutputFormat::Text => Ok(text::report(&args.filename, range, &manifests, &previews)),
        OutputFormat::Json => {
            let mut report = serde_json::to_string_pretty(&previews)?;
            report.push('\n');
            Ok(report)
        }
    }
}

/// The times within a range in which a spec wants its model on.
fn on(spec: &OxenModelSpec, range: Range) -> Vec<On> {
    let Range { from, to } = range;
    match (spec.state, &spec.schedule) {
        (Declared::Active, _) => vec![On { from, to }],
        (Declared::Scheduled, Some(schedule)) => {
            stretches(schedule, from, to, declared_warm_up(schedule))
                .map(|stretch| On {
                    from: stretch.from.max(from),
                    to: stretch.to.min(to),
                })
                .filter(|on| on.from < on.to)
                .collect()
        }
        (Declared::Inactive | Declared::Scheduled, _) => Vec::new(),
    }
}

impl On {
    fn duration(&self) -> Duration {
        Duration::try_from(self.to.duration_since(self.from)).unwrap_or_default()
    }
}
