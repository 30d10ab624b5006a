//! One row for each object.

use super::{
    Days, Planned, bar, cost,
    words::{hours, totals},
};
use crate::{amount::Amount, clean, item::Item};

/// The numbers of cells that a day can have. The first one that fits is taken.
const CELLS: [u32; 4] = [8, 4, 2, 1];

/// The width of the column HOURS.
const HOURS: usize = 5;

/// The rows: the name, a bar of all days and the hours. No line is wider than `width`.
pub fn overview(
    all: &[Planned<'_>],
    days: &Days,
    full_names: bool,
    width: Option<usize>,
) -> String {
    let name = |item: &Item| {
        clean::line(&if full_names {
            item.full_name()
        } else {
            item.name()
        })
    };
    let names: Vec<String> = all.iter().map(|(item, _)| name(item)).collect();
    let longest = names.iter().map(|name| clean::cells(name)).max();
    let mut longest = longest.unwrap_or_default().max("NAME".len());
    let total = |count: u32| usize::try_from(count).unwrap_or_default() * days.days.len();
    let rest = |count: u32| total(count) + 2 + 2 + HOURS;
    let fits = |count: &u32| width.is_none_or(|width| longest + rest(*count) <= width);
    let count = CELLS.into_iter().find(fits).unwrap_or(1);
    if let Some(width) = width {
        longest = longest.min(width.saturating_sub(rest(count)).max("NAME".len()));
    }
    let line = |name: &str, bar: &str, hours: &str| {
        let name = clean::cut(name, longest);
        let padding = " ".repeat(longest.saturating_sub(clean::cells(&name)));
        let bars = total(count).max("DAYS".len());
        let line = format!("{name}{padding}  {bar:bars$}  {hours:>HOURS$}");
        clean::cut_to(line.trim_end(), width) + "\n"
    };
    let mut text = line("NAME", &heading(days, count), "HOURS");
    for ((_, plan), name) in all.iter().zip(&names) {
        text.push_str(&match plan {
            Some(plan) => {
                let bars = days.days.iter();
                let bars = bars.map(|day| bar::bar(&plan.parts, &days.zone, day.date, count));
                line(
                    name,
                    &bars.collect::<String>(),
                    &hours(plan.active_seconds()),
                )
            }
            None => line(name, "can't be read", "-"),
        });
    }
    text
}

/// The names of the days, each as wide as its cells.
fn heading(days: &Days, count: u32) -> String {
    let width = usize::try_from(count).unwrap_or_default();
    let names = days.days.iter().map(|day| {
        let name = day.date.strftime("%a").to_string();
        let short: String = name.chars().take(width.saturating_sub(1).max(1)).collect();
        format!("{short:width$}")
    });
    names.collect()
}

/// The words below the rows.
pub fn summary(all: &[Planned<'_>], days: &Days) -> String {
    let plans = all
        .iter()
        .filter_map(|(item, plan)| Some((item, plan.as_ref()?)));
    let (mut active, mut range) = (0, 0);
    let (mut price, mut always, mut unpriced) = (Amount::default(), Amount::default(), 0);
    for (item, plan) in plans.clone() {
        active += plan.active_seconds();
        range += days.seconds();
        match cost(item, plan.active_seconds()).zip(cost(item, days.seconds())) {
            Some((one, most)) => {
                price = price.plus(one);
                always = always.plus(most);
            }
            None => unpriced += 1,
        }
    }
    let bars = plans
        .flat_map(|(_, plan)| days.days.iter().map(move |day| (plan, day)))
        .map(|(plan, day)| bar::bar(&plan.parts, &days.zone, day.date, CELLS[0]));
    let states = (all.iter()).filter_map(|(item, _)| item.status().override_in_force);
    let mut states = states.map(|over| over.state);
    let first = states.next();
    let state = first.filter(|first| states.all(|state| state == *first));
    let legend = bar::legend(&bars.collect::<String>(), state);
    let mut lines: Vec<String> = legend.into_iter().collect();
    let costs = (always > Amount::default()).then_some((price, always));
    lines.push(totals(days, active, range, costs));
    if unpriced > 0 && costs.is_some() {
        lines.push(format!(
            "Left out of the cost, without a price by time: {unpriced}."
        ));
    }
    lines.join("\n")
}
