//! The table of many objects, and the words below it.

use std::collections::BTreeSet;

use oxen_operator::{
    api::LiveStatus,
    decide::{condition, headline},
};

use crate::{
    age,
    amount::Amount,
    clean,
    console::{DIM, RED, RESET, YELLOW},
    item::{Item, word},
    next, price,
    table::{self, Column, Fit},
    when::Now,
};

/// What the table shows.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Whether the table has the columns of `-o wide`.
    pub wide: bool,
    /// Whether the objects are of several namespaces.
    pub all_namespaces: bool,
    /// The width of the terminal, if there is one.
    pub width: Option<usize>,
}

/// The table, with the colour of each row.
pub fn table<'a>(
    items: impl IntoIterator<Item = &'a Item> + Clone,
    now: &Now,
    view: View,
) -> String {
    let all = items.clone().into_iter();
    let rows: Vec<Vec<String>> = all.map(|item| row(item, now, view)).collect();
    let columns = columns(items.clone(), view);
    let lines = table::lines(&columns, &rows, view.width);
    let mut lines = lines.into_iter();
    let mut text = lines.next().unwrap_or_default() + "\n";
    for (line, item) in lines.zip(items) {
        match color(item) {
            Some(color) => text.push_str(&format!("{color}{line}{RESET}\n")),
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

fn columns<'a>(items: impl IntoIterator<Item = &'a Item>, view: View) -> Vec<Column> {
    let mut namespaces = items.into_iter().map(Item::namespace);
    let first = namespaces.next();
    let one_namespace = namespaces.all(|namespace| Some(namespace) == first);
    let namespace = Column::new("NAMESPACE");
    let mut columns = vec![
        Column::new("NAME").fit(Fit::Cut),
        Column::new("DESIRED"),
        Column::new("LIVE"),
        Column::new("UNTIL").fit(Fit::Drop(0)),
        Column::new("REASON").fit(Fit::Cut),
        Column::new("/HOUR").right().fit(Fit::Drop(1)),
    ];
    if view.all_namespaces {
        let fit = if one_namespace {
            Fit::Drop(2)
        } else {
            Fit::Keep
        };
        columns.insert(0, namespace.fit(fit));
    }
    if view.wide {
        columns.extend(["READY", "SINCE", "AGE"].map(Column::new));
        columns.extend(["MODEL", "OVERRIDE", "MESSAGE"].map(|it| Column::new(it).fit(Fit::Cut)));
    }
    columns
}

fn row(item: &Item, now: &Now, view: View) -> Vec<String> {
    let status = item.status();
    let dash = || "-".to_owned();
    let conditions = item.conditions();
    let ready = condition(&conditions, "Ready");
    let until = item.object.as_ref().ok();
    let until = until.and_then(|object| next::change(object, now.time));
    let mut row = vec![
        clean::line(&item.name()),
        status
            .desired
            .map_or_else(dash, |desired| desired.to_string()),
        status.live.map_or_else(dash, |live| live.to_string()),
        until.map_or_else(dash, |change| now.short(change.at)),
        reason(item),
        amount(item).map_or_else(dash, Amount::rounded),
    ];
    if view.all_namespaces {
        row.insert(0, item.namespace());
    }
    if view.wide {
        let since = status.since.map(|since| age::between(since.0, now.time));
        let created = item.raw.metadata.creation_timestamp.as_ref();
        let in_force = status.override_in_force.map(|it| clean::line(&it.value));
        row.extend([
            ready.map_or_else(dash, |ready| ready.status.clone()),
            since.unwrap_or_else(dash),
            created.map_or_else(dash, |time| age::between(time.0, now.time)),
            item.text("/spec/model").map_or_else(dash, clean::line),
            in_force.unwrap_or_else(dash),
            ready.map_or_else(dash, |ready| clean::line(&ready.message)),
        ]);
    }
    row
}

/// The reason of Ready. An object that can't be decoded has a question mark after what the operator
/// would say.
fn reason(item: &Item) -> String {
    if item.object.is_err() {
        return "InvalidSpec?".into();
    }
    let conditions = item.conditions();
    let reason = headline(&conditions).map(clean::line);
    reason.unwrap_or_else(|| "-".into())
}

/// What the object's model costs per hour now, if it is active and billed by time.
fn amount(item: &Item) -> Option<Amount> {
    let status = item.status();
    let active = status.live == Some(LiveStatus::Active);
    price::per_hour(status.pricing.as_ref()).filter(|_| active)
}

fn color(item: &Item) -> Option<&'static str> {
    let inactive = item.status().live == Some(LiveStatus::Inactive);
    match word(&item.conditions()) {
        "Stalled" => Some(RED),
        "Reconciling" => Some(YELLOW),
        _ if item.object.is_err() => Some(RED),
        _ if inactive || item.suspended() => Some(DIM),
        _ => None,
    }
}

/// The words below the table: totals, each object that needs a person, each suspended one that
/// would be changed, and the next change.
pub fn summary<'a>(
    items: impl IntoIterator<Item = &'a Item>,
    now: &Now,
    width: Option<usize>,
) -> String {
    let items: Vec<&Item> = items.into_iter().collect();
    let mut lines = vec![totals(&items)];
    let needy = items.iter().filter_map(|item| {
        let conditions = item.conditions();
        let message = match &item.object {
            Err(problem) => problem.clone(),
            Ok(_) if word(&conditions) == "Stalled" => {
                condition(&conditions, "Stalled")?.message.clone()
            }
            Ok(_) => return None,
        };
        let text = format!("{}: {}", reason(item), clean::line(&message));
        Some((item.full_name(), text))
    });
    section(&mut lines, "Needs a person:", needy.collect(), width);
    let suspended = items
        .iter()
        .filter(|item| item.suspended())
        .filter_map(|item| {
            let would = match reason(item).as_str() {
                "WouldActivate" => "would activate",
                "WouldDeactivate" => "would deactivate",
                _ => return None,
            };
            let price = price::per_hour(item.status().pricing.as_ref());
            let price = price.map(|price| format!(": {} an hour", price.rounded()));
            let text = format!("{would}{}", price.unwrap_or_default());
            Some((item.full_name(), text))
        });
    section(&mut lines, "Suspended:", suspended.collect(), width);
    lines.extend(next_change(&items, now));
    lines.join("\n")
}

fn section(
    lines: &mut Vec<String>,
    heading: &str,
    entries: Vec<(String, String)>,
    width: Option<usize>,
) {
    if entries.is_empty() {
        return;
    }
    lines.push(heading.into());
    let longest = entries
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(0);
    lines.extend(entries.into_iter().map(|(name, text)| {
        let line = format!("  {name:longest$}  {text}");
        clean::cut_to(&line, width)
    }));
}

fn totals(items: &[&Item]) -> String {
    let models = match items.len() {
        1 => "1 model".to_owned(),
        count => format!("{count} models"),
    };
    let items = of_different_models(items);
    let now: Vec<Amount> = items.iter().filter_map(|item| amount(item)).collect();
    let deploying = items.iter().map(|item| item.status());
    let deploying = deploying.filter(|status| status.live == Some(LiveStatus::Deploying));
    let deploying: Amount = deploying
        .filter_map(|status| price::per_hour(status.pricing.as_ref()))
        .sum();
    let sum: Amount = now.iter().copied().sum();
    let more = if deploying == Amount::default() {
        String::new()
    } else {
        let all: Amount = [sum, deploying].into_iter().sum();
        format!(" ({} if deploying bills, too)", all.rounded())
    };
    match now.len() {
        0 if more.is_empty() => format!("{models}; none bills by time now."),
        1 => format!(
            "{models}; 1 bills by time now: {} an hour{more}.",
            sum.rounded()
        ),
        count => format!(
            "{models}; {count} bill by time now: {} an hour{more}.",
            sum.rounded()
        ),
    }
}

/// The objects without those that name a model of an earlier one, which is billed once.
fn of_different_models<'a>(items: &[&'a Item]) -> Vec<&'a Item> {
    let mut models = BTreeSet::new();
    let first = |item: &&&Item| {
        let model = item.status().model;
        model.is_none_or(|model| models.insert(model.identity()))
    };
    items.iter().filter(first).copied().collect()
}

fn next_change(items: &[&Item], now: &Now) -> Option<String> {
    let changes = items
        .iter()
        .filter(|item| !item.suspended())
        .filter_map(|item| {
            let change = next::change(item.object.as_ref().ok()?, now.time)?;
            Some((change.at, change.to, item.full_name()))
        });
    let (at, to, name) = changes.min_by_key(|(at, ..)| *at)?;
    Some(format!(
        "Next change: {name} becomes {to} at {}.",
        now.coming(at)
    ))
}
