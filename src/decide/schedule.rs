//! When a schedule wants its model active.
//!
//! A window begins and ends at instants. A boundary is the first instant at which the zone's clock
//! shows the boundary's time. Where the clock is put forward past that time, the boundary is the
//! change itself. So a window never ends before it begins, and is never interrupted in an hour that
//! the clock shows twice. A day that the zone skips has no windows. Windows that overlap or touch
//! are one.

use std::time::Duration;

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, TimeZone},
};

use crate::api::{Schedule, Window};

/// How far [`next_change`] looks ahead.
const HORIZON: SignedDuration = SignedDuration::from_hours(400 * 24);

/// The days before and after an instant's day on which the windows begin that can cover the
/// instant. A window can begin on the previous day. With the longest warm-up, it can begin on the
/// next one, or on the one after it if the zone skips the next.
const MARGIN: i64 = 2;

/// A time in which a schedule wants its model active: from `from`, and until before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

/// Returns true when the schedule wants the model active at `now`, if each window begins `warm_up`
/// earlier than it says.
pub(super) fn is_active(schedule: &Schedule, now: Timestamp, warm_up: Duration) -> bool {
    windows(schedule, now, now, warm_up).any(|window| window.from <= now && now < window.to)
}

/// The first instant after `now` at which [`is_active`] changes, or `None` if there is none within
/// 400 days.
pub(super) fn next_change(
    schedule: &Schedule,
    now: Timestamp,
    warm_up: Duration,
) -> Option<Timestamp> {
    let horizon = now.checked_add(HORIZON).unwrap_or(Timestamp::MAX);
    let stretch = stretches(schedule, now, horizon, warm_up).next()?;
    let change = if stretch.from > now {
        stretch.from
    } else {
        stretch.to
    };
    // The end of the search is no change.
    (change <= horizon).then_some(change)
}

/// The stretches in which the schedule wants the model active, in order: those that end after
/// `from` and begin by `to`. Between two of them is a time in which it doesn't. One that goes on
/// after `to` may end later than it says.
pub fn stretches(
    schedule: &Schedule,
    from: Timestamp,
    to: Timestamp,
    warm_up: Duration,
) -> impl Iterator<Item = Stretch> {
    let mut windows = windows(schedule, from, to, warm_up).peekable();
    let joined = std::iter::from_fn(move || {
        let mut stretch = windows.next()?;
        while let Some(next) = windows.next_if(|next| next.from <= stretch.to) {
            stretch.to = stretch.to.max(next.to);
        }
        Some(stretch)
    });
    joined
        .skip_while(move |stretch| stretch.to <= from)
        .take_while(move |stretch| stretch.from <= to)
}

/// Every window that covers an instant between `from` and `to`, and some that don't, in the order
/// in which they begin.
fn windows(
    schedule: &Schedule,
    from: Timestamp,
    to: Timestamp,
    warm_up: Duration,
) -> impl Iterator<Item = Stretch> {
    let zone = schedule.time_zone.rules();
    let warm_up = SignedDuration::from_secs(i64::try_from(warm_up.as_secs()).unwrap_or_default());
    let margin = jiff::Span::new().days(MARGIN);
    let first = zone.to_datetime(from).date().saturating_sub(margin);
    let last = zone.to_datetime(to).date().saturating_add(margin);
    let days = std::iter::successors(Some(first), |day| day.tomorrow().ok());
    days.take_while(move |day| *day <= last)
        .flat_map(move |day| windows_of(schedule, day, warm_up))
}

/// The windows that begin on a day, in the order in which they begin.
fn windows_of(schedule: &Schedule, day: Date, warm_up: SignedDuration) -> Vec<Stretch> {
    let mut exceptions = schedule.except.iter().flatten();
    if exceptions.any(|range| range.contains(day)) {
        return Vec::new();
    }
    let zone = schedule.time_zone.rules();
    let windows = schedule.active.iter();
    let mut windows: Vec<Stretch> = windows
        .filter(|window| window.begins_on(day))
        .filter_map(|window| stretch(zone, window, day, warm_up))
        .collect();
    if windows.is_empty() || !exists(zone, day) {
        return Vec::new();
    }
    windows.sort_unstable();
    windows
}

/// The window that begins on this day, or `None` if the zone's clock never shows a time of it.
fn stretch(
    zone: &TimeZone,
    window: &Window,
    day: Date,
    warm_up: SignedDuration,
) -> Option<Stretch> {
    let from = instant(zone, window.start(day))?;
    let to = instant(zone, window.end(day)?)?;
    let early = from.checked_sub(warm_up).ok()?;
    (from < to).then_some(Stretch { from: early, to })
}

/// Returns true when the zone's clock shows this day. A zone that moves to the other side of the
/// date line skips one.
fn exists(zone: &TimeZone, day: Date) -> bool {
    let midnight = |day: Date| instant(zone, day.to_datetime(jiff::civil::Time::midnight()));
    let next = day.tomorrow().ok().and_then(midnight);
    midnight(day).is_some_and(|begin| next.is_none_or(|end| begin < end))
}

/// The first instant at which the zone's clock shows this time or a later one, or `None` if that is
/// out of range.
#[must_use]
pub fn instant(zone: &TimeZone, time: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    match ambiguous.offset() {
        // With the offset after the gap, the time is an instant before the gap. The change to that
        // offset is what follows.
        AmbiguousOffset::Gap { after, .. } => {
            let before = after.to_timestamp(time).ok()?;
            let mut changes = zone.following(before);
            let change = changes.find(|change| change.offset() == after)?;
            Some(change.timestamp())
        }
        // Of two instants, this is the earlier one.
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
            ambiguous.compatible().ok()
        }
    }
}
