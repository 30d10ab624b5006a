//! The days of one object, a bar for each, and the changes of its desired state.

use jiff::{Timestamp, tz::TimeZone};
use oxen_operator::api::{OxenModel, State};

use super::{
    Change, Day, Days, Part, Plan, bar, cost,
    words::{hours, titles, totals},
};
use crate::{
    age, clean,
    item::Item,
    table::{self, Column, Fit},
    when::Now,
};

/// The width of a day's name, with the space after it.
const HEADING: usize = 13;

/// The numbers of cells that a day's bar can have. The first one that fits is taken.
const CELLS: [u32; 5] = [48, 24, 12, 8, 4];

/// The number of changes in the table, unless all are asked for.
const CHANGES: usize = 4;

/// What the screen shows.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Whether all changes are shown, as with `-o wide`.
    pub all: bool,
    /// Whether the days were asked for, so that changes in the past are shown, too.
    pub past: bool,
    /// The width of the terminal, if there is one.
    pub width: Option<usize>,
}

/// What a screen is made of.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    pub item: &'a Item,
    pub object: &'a OxenModel,
    pub plan: &'a Plan,
    pub days: &'a Days,
    pub now: &'a Now,
}

impl Shown<'_> {
    /// The screen. No line is wider than the terminal.
    pub fn screen(&self, view: View) -> String {
        let titles = titles(self.item, self.object, self.now).into_iter();
        let titles = titles.flat_map(|line| clean::wrap_to(&line, view.width));
        let mut lines: Vec<String> = titles.collect();
        lines.push(String::new());
        let bars = self.bars(view.width).into_iter();
        lines.extend(bars.map(|line| clean::cut_to(&line, view.width)));
        let changes = self.changes(view);
        if !changes.is_empty() {
            lines.push(String::new());
            lines.extend(changes);
        }
        lines.join("\n") + "\n"
    }

    fn bars(&self, width: Option<usize>) -> Vec<String> {
        let Self {
            object,
            plan,
            days,
            now,
            ..
        } = *self;
        let room = width.unwrap_or(usize::MAX).saturating_sub(HEADING);
        let fits = |count: &u32| usize::try_from(*count).is_ok_and(|count| count <= room);
        let count = CELLS.into_iter().find(fits).unwrap_or(4);
        let mut lines = vec![scale(count)];
        let mut signs = String::new();
        for day in &days.days {
            let bar = bar::bar(&plan.parts, &days.zone, day.date, count);
            let name = day.date.strftime("%a %e %b").to_string();
            let notes = notes(&plan.parts, day, &days.zone);
            lines.push(
                format!("{name:HEADING$}{bar}  {notes}")
                    .trim_end()
                    .to_owned(),
            );
            lines.extend(marker(day, &days.zone, now, count, width));
            signs.push_str(&bar);
        }
        let status = object.status.as_ref();
        let over = status.and_then(|status| status.override_in_force.as_ref());
        let legend = bar::legend(&signs, over.map(|over| over.state));
        lines.extend(legend.map(|legend| format!("{:HEADING$}{legend}", "")));
        lines
    }

    /// The changes that the table may have.
    fn coming(&self, view: View) -> impl Iterator<Item = &Change> {
        let now = self.now.time;
        let changes = self.plan.changes.iter();
        changes.filter(move |change| view.past || change.at > now)
    }

    fn changes(&self, view: View) -> Vec<String> {
        let Self { days, now, .. } = *self;
        let limit = if view.all { usize::MAX } else { CHANGES };
        let shown: Vec<&Change> = self.coming(view).take(limit).collect();
        if shown.is_empty() {
            return Vec::new();
        }
        let offset = |zone: &TimeZone, change: &Change| zone.to_offset(change.at);
        let differs = |it: &&Change| offset(&days.zone, it) != offset(&now.zone, it);
        let elsewhere = shown.iter().any(differs);
        let mut columns = vec![
            Column::new("CHANGE"),
            Column::new("AT").fit(Fit::Cut),
            Column::new("IN").fit(Fit::Drop(1)),
            Column::new("WHY").fit(Fit::Drop(2)),
        ];
        if elsewhere {
            columns.insert(2, Column::new("HERE").fit(Fit::Drop(0)));
        }
        let rows = shown.into_iter().map(|change| {
            let mut row = row(change, &days.zone, now);
            if elsewhere {
                row.insert(2, now.day_and_time(change.at));
            }
            row
        });
        table::lines(&columns, &rows.collect::<Vec<_>>(), view.width)
    }

    /// The words below the screen: hours and cost, beside what the model would cost if it were
    /// always on.
    pub fn summary(&self, view: View) -> String {
        let Self {
            item, plan, days, ..
        } = *self;
        let more = self.coming(view).count().saturating_sub(CHANGES);
        let mut lines = Vec::new();
        if more > 0 && !view.all {
            lines.push(format!(
                "{more} more changes in these days: -o wide shows all."
            ));
        }
        let active = plan.active_seconds();
        let costs = cost(item, active).zip(cost(item, days.seconds()));
        lines.push(totals(days, active, days.seconds(), costs));
        lines.join("\n")
    }
}

/// The cells of a change: the state, the time in the zone, how far away it is, and why.
fn row(change: &Change, zone: &TimeZone, now: &Now) -> Vec<String> {
    let zoned = change.at.to_zoned(zone.clone());
    let this_year = zoned.year() == now.time.to_zoned(zone.clone()).year();
    let form = if this_year {
        "%a %e %b %H:%M %:z"
    } else {
        "%a %e %b %Y %H:%M %:z"
    };
    let away = (change.at > now.time).then(|| age::between(now.time, change.at));
    vec![
        change.to.to_string(),
        zoned.strftime(form).to_string(),
        away.unwrap_or_else(|| "-".into()),
        change.why.into(),
    ]
}

/// The hours of the day over the bars.
fn scale(count: u32) -> String {
    let step = if count >= 12 { 6 } else { 12 };
    let mut line = " ".repeat(HEADING);
    let mut end = HEADING;
    for hour in (0..=24).step_by(step) {
        let at = HEADING + usize::try_from(count).unwrap_or_default() * hour / 24;
        let text = format!("{:space$}{hour}", "", space = at.saturating_sub(end));
        end += text.len();
        line.push_str(&text);
    }
    line
}

/// Where now is, under the bar of its day.
fn marker(
    day: &Day,
    zone: &TimeZone,
    now: &Now,
    count: u32,
    width: Option<usize>,
) -> Option<String> {
    let cells = bar::cells(zone, day.date, count);
    let at = cells
        .iter()
        .position(|cell| cell.from <= now.time && now.time < cell.to)?;
    let time = now
        .time
        .to_zoned(zone.clone())
        .strftime("%H:%M")
        .to_string();
    let before = HEADING + at;
    let after = format!("{:before$}^ {time} now", "");
    let short = width.is_some_and(|width| width < after.len());
    let left = format!("{time} now ");
    Some(if short {
        format!("{left:>before$}^")
    } else {
        after
    })
}

/// When the model is active on a day, by the zone's clock, and the length of a day that is not
/// 24 hours long.
fn notes(parts: &[Part], day: &Day, zone: &TimeZone) -> String {
    let mut stretches: Vec<(Timestamp, Timestamp)> = Vec::new();
    let active = parts.iter().filter(|part| part.state == State::Active);
    for part in active.filter_map(|part| part.within(day.from, day.to)) {
        match stretches.last_mut() {
            Some((_, to)) if *to == part.from => *to = part.to,
            _ => stretches.push((part.from, part.to)),
        }
    }
    let clock = |time: Timestamp| time.to_zoned(zone.clone()).strftime("%H:%M").to_string();
    let seconds = day.to.as_second() - day.from.as_second();
    let length = (seconds != 24 * 3600).then(|| format!("{} h day", hours(seconds)));
    let stretches = stretches.into_iter().map(|(from, to)| {
        let end = if to == day.to {
            "24:00".into()
        } else {
            clock(to)
        };
        format!("{}-{end}", clock(from))
    });
    let notes: Vec<String> = length.into_iter().chain(stretches).collect();
    notes.join(", ")
}
