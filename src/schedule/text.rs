//! The report for people.

use std::{fmt::Write, time::Duration};

use jiff::{Timestamp, tz::TimeZone};

use super::{Manifest, Preview, Range};
use crate::api::{OxenModelSpec, WarmUp};

/// The report: for each object, when its model is turned on and off, and how much that is.
pub(super) fn report(
    file: &str,
    range: Range,
    manifests: &[Manifest],
    previews: &[Preview<'_>],
) -> String {
    if previews.is_empty() {
        return format!("{file} has no OxenModel.\n");
    }
    let mut report = format!("From {} to {}:\n", range.from, range.to);
    for (manifest, preview) in manifests.iter().zip(previews) {
        describe(&mut report, range, manifest, preview);
    }
    report
}

fn describe(report: &mut String, range: Range, manifest: &Manifest, preview: &Preview<'_>) {
    let spec = &manifest.spec;
    let zone = spec.schedule.as_ref().map(|schedule| &schedule.time_zone);
    // Writing to a String can't fail.
    let _ = write!(report, "\n{}: {}", manifest.full_name(), spec.state);
    if let Some(zone) = zone {
        let _ = write!(report, ", times of {zone} and UTC");
    }
    report.push('\n');
    let zone = zone.map_or(TimeZone::UTC, |zone| zone.rules().clone());
    let mut line = |word: &str, at: Timestamp, note: &str| {
        let local = at.to_zoned(zone.clone());
        let local = local.strftime("%a %Y-%m-%d %H:%M %:z");
        let _ = writeln!(report, "  {word:3}  {local}  {at}{note}");
    };
    for on in &preview.on {
        let (begun, open) = (on.from == range.from, on.to == range.to);
        line(
            "on",
            on.from,
            if begun {
                "  (begins here or earlier)"
            } else {
                ""
            },
        );
        line(
            "off",
            on.to,
            if open { "  (ends here or later)" } else { "" },
        );
    }
    if preview.on.is_empty() {
        report.push_str("  off\n");
    }
    let total = preview.on.iter().map(super::On::duration).sum();
    let _ = writeln!(report, "  {} hours per week", hours_per_week(total, range));
    if is_learned(spec) {
        report.push_str("  warmUp: auto counts as 0 here\n");
    }
}

fn is_learned(spec: &OxenModelSpec) -> bool {
    let schedule = spec.schedule.as_ref();
    schedule.is_some_and(|schedule| schedule.warm_up == Some(WarmUp::Auto))
}

/// The hours per week with at most one decimal.
fn hours_per_week(total: Duration, range: Range) -> String {
    let asked = range.to.duration_since(range.from).as_secs().unsigned_abs();
    let week = 7 * 24 * 10 * total.as_secs();
    let tenths = (week + asked / 2).checked_div(asked).unwrap_or_default();
    match (tenths / 10, tenths % 10) {
        (hours, 0) => hours.to_string(),
        (hours, tenth) => format!("{hours}.{tenth}"),
    }
}
