//! Bars: a character for each part of a day, by the zone's clock.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use oxen_operator::{api::State, decide::instant};

use super::Part;

/// Active throughout.
pub const ACTIVE: char = '#';
/// Active for a part of the time.
pub const PARTLY: char = '+';
/// Inactive throughout.
pub const INACTIVE: char = '.';
/// By an override, for a part of the time at least.
pub const OVERRIDE: char = '!';
/// A time that the zone's clock doesn't show.
pub const SKIPPED: char = ' ';

/// A cell of a bar: from its first instant, and until before `to`. A cell in which the clock is put
/// back holds the time that the clock shows twice, and one that the clock skips is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// The cells of a day.
pub fn cells(zone: &TimeZone, date: Date, count: u32) -> Vec<Cell> {
    let minutes = i64::from(24 * 60 / count.max(1));
    let begin = |cell: u32| {
        let after = jiff::SignedDuration::from_mins(minutes * i64::from(cell));
        instant(zone, date.at(0, 0, 0, 0).checked_add(after).ok()?)
    };
    let pairs = (0..count).filter_map(|cell| Some((begin(cell)?, begin(cell + 1)?)));
    pairs
        .map(|(from, to)| Cell {
            from,
            to: to.max(from),
        })
        .collect()
}

/// The sign of a cell.
pub fn sign(parts: &[Part], cell: Cell) -> char {
    if cell.from >= cell.to {
        return SKIPPED;
    }
    // The parts are in order.
    let first = parts.partition_point(|part| part.to <= cell.from);
    let within = parts[first..].iter().take_while(|part| part.from < cell.to);
    let (mut active, mut inactive) = (false, false);
    for part in within {
        if part.overridden {
            return OVERRIDE;
        }
        active |= part.state == State::Active;
        inactive |= part.state == State::Inactive;
    }
    match (active, inactive) {
        (true, true) => PARTLY,
        (true, false) => ACTIVE,
        (false, _) => INACTIVE,
    }
}

/// The bar of a day.
pub fn bar(parts: &[Part], zone: &TimeZone, date: Date, count: u32) -> String {
    let cells = cells(zone, date, count);
    cells.into_iter().map(|cell| sign(parts, cell)).collect()
}

/// What the signs of bars mean, unless they are only those for active and inactive. `state` is the
/// state of all overrides, if it is one.
pub fn legend(bars: &str, state: Option<State>) -> Option<String> {
    let over = state.map_or_else(
        || "! by override".into(),
        |state| format!("! {state} by override"),
    );
    let signs = [
        (ACTIVE, "# active"),
        (PARTLY, "+ active for a part"),
        (OVERRIDE, over.as_str()),
        (INACTIVE, ". inactive"),
    ];
    let used = signs.iter().filter(|(sign, _)| bars.contains(*sign));
    let odd = bars.contains([PARTLY, OVERRIDE]);
    let words: Vec<&str> = used.map(|(_, words)| *words).collect();
    odd.then(|| words.join("   "))
}
