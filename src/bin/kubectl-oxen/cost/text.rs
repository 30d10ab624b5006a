//! The tables: objects, and sums by namespace.

use super::{Bills, Report, Row, Total};
use crate::{
    age,
    amount::Amount,
    clean,
    overview::View,
    table::{self, Column, Fit},
    usage::Used,
    when::Now,
};

/// The table of objects, and below it the one of namespaces.
pub fn tables(report: &Report, now: &Now, view: View) -> String {
    let rows: Vec<Vec<String>> = (report.items.iter())
        .map(|row| cells(row, now, view))
        .collect();
    let mut lines = table::lines(&columns(view), &rows, view.width);
    lines.push(String::new());
    let all = (report.namespaces.len() != 1).then_some(&report.total);
    let totals: Vec<Vec<String>> = (report.namespaces.iter().chain(all))
        .map(|total| sums(total, view))
        .collect();
    lines.extend(table::lines(&sum_columns(view), &totals, view.width));
    lines.join("\n") + "\n"
}

fn columns(view: View) -> Vec<Column> {
    let mut columns = vec![
        Column::new("NAME").fit(Fit::Cut),
        Column::new("LIVE").fit(Fit::Drop(2)),
        Column::new("PRICE/H").right().fit(Fit::Drop(1)),
        Column::new("NOW/H").right().fit(Fit::Drop(3)),
        Column::new("ACTIVE").right().fit(Fit::Drop(4)),
        Column::new("COST").right(),
        Column::new("SINCE").fit(Fit::Drop(0)),
    ];
    if view.all_namespaces {
        columns.insert(0, Column::new("NAMESPACE").fit(Fit::Cut));
    }
    columns.extend(wide_columns(view));
    columns
}

fn sum_columns(view: View) -> Vec<Column> {
    let mut columns = vec![
        Column::new("NAMESPACE").fit(Fit::Cut),
        Column::new("NOW/H").right().fit(Fit::Drop(0)),
        Column::new("ACTIVE").right().fit(Fit::Drop(1)),
        Column::new("COST").right(),
    ];
    columns.extend(wide_columns(view));
    columns
}

fn wide_columns(view: View) -> Vec<Column> {
    let headings = ["DEPLOYING", "ERROR", "UNSEEN", "UNPRICED"];
    let shown = headings.into_iter().filter(|_| view.wide);
    shown.map(|it| Column::new(it).right()).collect()
}

fn cells(row: &Row, now: &Now, view: View) -> Vec<String> {
    let dash = || "-".to_owned();
    let mut cells = vec![
        clean::line(&row.name),
        row.live.as_deref().map_or_else(dash, clean::line),
        row.per_hour.as_deref().map_or_else(dash, clean::line),
        bills(row.bills),
        age::total(row.used.active_seconds),
        row.used.cost.map_or_else(dash, Amount::rounded),
        now.short_day(row.used.began),
    ];
    if view.all_namespaces {
        cells.insert(0, clean::line(&row.namespace));
    }
    cells.extend(wide(&row.used, view));
    cells
}

fn sums(total: &Total, view: View) -> Vec<String> {
    let namespace = total.namespace.as_deref();
    let cost = total.used.cost.map(Amount::rounded);
    let mut cells = vec![
        namespace.map_or_else(|| "all".into(), clean::line),
        bills(total.bills),
        age::total(total.used.active_seconds),
        cost.unwrap_or_else(|| "-".into()),
    ];
    cells.extend(wide(&total.used, view));
    cells
}

fn bills(bills: Bills) -> String {
    match (bills.per_hour, bills.maybe) {
        (Some(amount), _) => amount.rounded(),
        (None, true) => "?".into(),
        (None, false) => "-".into(),
    }
}

fn wide(used: &Used, view: View) -> Vec<String> {
    let seconds = [
        used.deploying_seconds,
        used.error_seconds,
        used.unseen_seconds,
        used.unpriced_seconds,
    ];
    let shown = seconds.into_iter().filter(|_| view.wide);
    shown.map(age::total).collect()
}
