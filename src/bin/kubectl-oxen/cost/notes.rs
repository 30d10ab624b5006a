//! The words below the tables: what the sums don't say.

use super::{Missing, Report, Row};
use crate::{age, amount::Amount, clean, when::Now};

/// The largest number of objects that a note is made for one by one.
const NAMED: usize = 3;

/// The words below the tables. `file` is the one of `--since`.
pub fn notes(report: &Report, missing: &Missing, file: Option<&str>, now: &Now) -> String {
    let mut lines = Vec::new();
    if let (Some(since), Some(file)) = (report.since, file) {
        let at = now.day_and_time(since);
        lines.push(format!("Since {at}, when {file} was written."));
        lines.extend(absences(missing, file, now));
    }
    lines.extend(report.unread.iter().map(|(name, _)| {
        let name = clean::line(name);
        format!("{name} is left out: this version can't read its status.")
    }));
    lines.push(
        "Estimates in the hub's currency, from what the operator saw; the bill decides.".into(),
    );
    lines.extend(unpriced(report));
    lines.extend(unseen(report));
    lines.extend(deploying(report));
    if report.items.iter().any(|row| row.bills.maybe) {
        lines.push("? deploying or error: the hub does not say whether that bills.".into());
    }
    if rounded_sums_differ(report) {
        lines.push(
            "Sums are exact and rounded once, so that one can differ from the sum of its rounded \
             rows."
                .into(),
        );
    }
    lines.join("\n")
}

fn absences(missing: &Missing, file: &str, now: &Now) -> Vec<String> {
    let restarted = missing.restarted.iter().map(|(name, began)| {
        let began = now.day_and_time(*began);
        format!("{name} counts from {began}, when its count began again.")
    });
    let gone = (missing.gone.iter())
        .map(|name| format!("{name} is gone, and what it used since then is not known."));
    let without = (missing.unknown.iter())
        .map(|name| format!("{name} is left out: it was counted before, and {file} lacks it."));
    let shrunk = missing.shrunk.iter().map(|name| {
        format!("{name} has counted less than {file} says: what became smaller counts as 0.")
    });
    restarted.chain(shrunk).chain(gone).chain(without).collect()
}

/// The objects with some seconds, one by one if they are few.
fn told(
    report: &Report,
    seconds: impl Fn(&Row) -> i64,
    one: impl Fn(&Row, String) -> String,
    many: impl Fn(usize, String, Option<Amount>) -> String,
) -> Vec<String> {
    let rows: Vec<&Row> = (report.items.iter())
        .filter(|row| seconds(row) > 0)
        .collect();
    if rows.len() <= NAMED {
        let lines = rows.iter();
        return lines
            .map(|row| clean::line(&one(row, age::total(seconds(row)))))
            .collect();
    }
    let sum = rows.iter().map(|row| seconds(row)).sum();
    let most = sum_of(rows.iter().filter_map(|row| most(row, seconds(row))));
    vec![many(rows.len(), age::total(sum), most)]
}

/// What these seconds cost at the object's present price.
fn most(row: &Row, seconds: i64) -> Option<Amount> {
    Some(row.price?.times(seconds.unsigned_abs()))
}

/// The sum, or nothing where no amount is known.
fn sum_of(amounts: impl Iterator<Item = Amount>) -> Option<Amount> {
    amounts.reduce(Amount::plus)
}

fn unpriced(report: &Report) -> Vec<String> {
    told(
        report,
        |row| row.used.unpriced_seconds,
        |row, time| {
            let name = row.full_name();
            match row.price {
                None => format!("{name} has no price by time: {time} are not priced."),
                Some(_) => format!("{name} had no known price for {time}, which are not priced."),
            }
        },
        |count, time, _| format!("{count} models had no known price for {time} in all."),
    )
}

fn unseen(report: &Report) -> Vec<String> {
    let up_to = |most: Option<Amount>| {
        most.map_or_else(String::new, |most| {
            format!(": up to {} more", most.rounded())
        })
    };
    told(
        report,
        |row| row.used.unseen_seconds,
        |row, time| {
            let more = up_to(most(row, row.used.unseen_seconds));
            format!(
                "{} was not observed for {time} in all{more}.",
                row.full_name()
            )
        },
        |count, time, most| {
            let more = up_to(most);
            format!("{count} models were not observed for {time} in all{more}.")
        },
    )
}

/// One line for all objects, because every activation takes a while.
fn deploying(report: &Report) -> Option<String> {
    let used = report.total.used;
    let seconds = |row: &Row| {
        row.used
            .deploying_seconds
            .saturating_add(row.used.error_seconds)
    };
    let some = report.items.iter().filter(|row| seconds(row) > 0);
    let most = sum_of(some.filter_map(|row| most(row, seconds(row))));
    let (deploying, error) = (used.deploying_seconds, used.error_seconds);
    let time = match (deploying > 0, error > 0) {
        (false, false) => return None,
        (true, false) => format!("{} of deploying are", age::total(deploying)),
        (false, true) => format!("{} in error are", age::total(error)),
        (true, true) => format!(
            "{} of deploying and {} in error are",
            age::total(deploying),
            age::total(error)
        ),
    };
    let more = most.map_or_else(String::new, |most| {
        format!(": up to {} more if they bill", most.rounded())
    });
    Some(format!("{time} not in the cost{more}."))
}

/// Whether a sum, once rounded, is another one than that of the rounded rows.
fn rounded_sums_differ(report: &Report) -> bool {
    let mut totals = report.namespaces.iter().chain([&report.total]);
    totals.any(|total| {
        let rows = report.items.iter().filter(|row| {
            let namespace = total.namespace.as_ref();
            namespace.is_none_or(|namespace| *namespace == row.namespace)
        });
        let shown: Amount = rows
            .filter_map(|row| row.used.cost)
            .map(Amount::to_cents)
            .sum();
        shown != total.used.cost.unwrap_or_default().to_cents()
    })
}
