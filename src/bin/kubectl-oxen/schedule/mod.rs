//! When a model is wanted active: a pure plan of an object and a range of days.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | bars | `bar.rs` |
//! | the days and changes of one object | `screen.rs` |
//! | one row for each object | `overview.rs` |
//! | states, hours and costs in words | `words.rs` |
//! | `-o json` and `yaml` | `data.rs` |

mod bar;
mod data;
mod overview;
mod screen;
mod words;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use oxen_operator::{
    api::{OVERRIDE_ANNOTATION, OxenModel, State},
    decide::{desired, instant, next_change},
};

use crate::{amount::Amount, item::Item, price, when::Now};

pub use data::data;
pub use overview::{overview, summary as overview_summary};
pub use screen::{Shown, View};

/// An object and its plan, or none if it can't be decoded.
pub type Planned<'a> = (&'a Item, Option<Plan>);

/// A range of days in one zone.
#[derive(Clone, Debug)]
pub struct Days {
    /// The zone.
    pub zone: TimeZone,
    /// The days, in order.
    pub days: Vec<Day>,
}

/// A day, from its first instant until before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    pub date: Date,
    pub from: Timestamp,
    pub to: Timestamp,
}

/// A time in which nothing changes: from `from`, and until before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub from: Timestamp,
    pub to: Timestamp,
    /// The desired state.
    pub state: State,
    /// Whether an override says so.
    pub overridden: bool,
}

/// A change of the desired state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub at: Timestamp,
    pub to: State,
    pub why: &'static str,
}

/// What an object wants in a range of time.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The parts of the range, in order and without gaps.
    pub parts: Vec<Part>,
    /// The changes in the range.
    pub changes: Vec<Change>,
}

impl Days {
    /// A number of days, from `first` on, or from today on.
    pub fn new(zone: &TimeZone, first: Option<Date>, days: u16, now: Timestamp) -> Self {
        let first = first.unwrap_or_else(|| zone.to_datetime(now).date());
        let dates = std::iter::successors(Some(first), |date| date.tomorrow().ok());
        let day = |date: Date| {
            let begin = |date: Date| instant(zone, date.at(0, 0, 0, 0));
            Some(Day {
                date,
                from: begin(date)?,
                to: begin(date.tomorrow().ok()?)?,
            })
        };
        Self {
            zone: zone.clone(),
            days: dates.take(days.into()).filter_map(day).collect(),
        }
    }

    /// The first instant.
    pub fn from(&self) -> Timestamp {
        self.days.first().map(|day| day.from).unwrap_or_default()
    }

    /// The first instant after the last day.
    pub fn to(&self) -> Timestamp {
        self.days.last().map(|day| day.to).unwrap_or_default()
    }

    /// The whole range in seconds.
    pub fn seconds(&self) -> i64 {
        self.to().as_second() - self.from().as_second()
    }
}

impl Part {
    /// What is left of the part between two instants, if anything is.
    fn within(self, from: Timestamp, to: Timestamp) -> Option<Self> {
        let (from, to) = (self.from.max(from), self.to.min(to));
        (from < to).then_some(Self { from, to, ..self })
    }
}

impl Plan {
    /// The plan of an object, by the operator's own functions. An override counts once the operator
    /// has accepted it: from when its annotation was written, or from `now` if that isn't known.
    pub fn new(item: &Item, object: &OxenModel, now: Timestamp, days: &Days) -> Self {
        let (from, to) = (days.from(), days.to());
        let declared = declared(object);
        let mut parts = Vec::new();
        let mut at = from;
        while at < to {
            let next = next_change(&declared, at).map_or(to, |next| next.min(to));
            parts.push(Part {
                from: at,
                to: next,
                state: desired(&declared, at),
                overridden: false,
            });
            at = next;
        }
        if let Some(over) = override_of(item, object, now) {
            parts = (parts.into_iter())
                .flat_map(|part| {
                    [
                        part.within(Timestamp::MIN, over.from),
                        part.within(over.from, over.to).map(|part| Part {
                            state: over.state,
                            overridden: true,
                            ..part
                        }),
                        part.within(over.from.max(over.to), Timestamp::MAX),
                    ]
                })
                .flatten()
                .collect();
        }
        let changes = changes(&parts, &declared);
        Self { parts, changes }
    }

    /// For how many seconds the object wants its model active.
    pub fn active_seconds(&self) -> i64 {
        let active = self.parts.iter().filter(|part| part.state == State::Active);
        active
            .map(|part| part.to.as_second() - part.from.as_second())
            .sum()
    }
}

/// The object without an override.
fn declared(object: &OxenModel) -> OxenModel {
    let mut declared = accepted(object);
    if let Some(status) = &mut declared.status {
        status.override_in_force = None;
    }
    declared
}

/// The object without an override that the operator has not accepted yet.
pub fn accepted(object: &OxenModel) -> OxenModel {
    let mut accepted = object.clone();
    if let Some(annotations) = &mut accepted.metadata.annotations {
        annotations.remove(OVERRIDE_ANNOTATION);
    }
    accepted
}

/// The time of the accepted override.
fn override_of(item: &Item, object: &OxenModel, now: Timestamp) -> Option<Part> {
    let over = object.status.as_ref()?.override_in_force.as_ref()?;
    let annotations = object.metadata.annotations.as_ref();
    let value = annotations.and_then(|all| all.get(OVERRIDE_ANNOTATION));
    let same = value == Some(&over.value);
    let written = item.override_written.filter(|_| same);
    let deleting = object.metadata.deletion_timestamp.is_some();
    (!deleting).then(|| Part {
        from: written.unwrap_or(now).min(now),
        to: over.until.0,
        state: over.state,
        overridden: true,
    })
}

fn changes(parts: &[Part], declared: &OxenModel) -> Vec<Change> {
    let mut punctual = declared.clone();
    if let Some(schedule) = &mut punctual.spec.schedule {
        schedule.warm_up = None;
    }
    let pairs = parts.windows(2).filter_map(|pair| match pair {
        [before, after] if before.state != after.state => Some((before, after)),
        _ => None,
    });
    pairs
        .map(|(before, after)| Change {
            at: after.from,
            to: after.state,
            why: match (before.overridden, after.overridden, after.state) {
                (false, true, _) => "override begins",
                (true, _, _) => "override ends",
                (false, false, State::Inactive) => "window ends",
                (false, false, State::Active)
                    if desired(&punctual, after.from) == State::Active =>
                {
                    "window begins"
                }
                (false, false, State::Active) => "warm-up begins",
            },
        })
        .collect()
}

/// The zone of an object's schedule, or of this machine if it has none.
pub fn zone(object: &OxenModel, now: &Now) -> TimeZone {
    let schedule = object.spec.schedule.as_ref();
    schedule.map_or_else(
        || now.zone.clone(),
        |schedule| schedule.time_zone.rules().clone(),
    )
}

/// What an object's model costs in these seconds, if it is billed by time.
fn cost(item: &Item, seconds: i64) -> Option<Amount> {
    Some(price::per_second(item.status().pricing.as_ref())?.times(seconds.unsigned_abs()))
}

#[cfg(test)]
mod tests;
