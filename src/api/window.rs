//! A window of a schedule: the days on which it begins, and its times.

use std::fmt;

use jiff::civil::{Date, DateTime, Time, Weekday};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dates::{self, EXISTING, SHAPE};

const LONGEST: usize = 64;
const FORM: &str = "a window is written Mon-Fri 08:00-18:00, Mon,Wed,Fri 22:00-06:00, 2026-12-05 \
                    10:00-16:00 or 00:00-24:00; the time zone is written in timeZone";
const EMPTY: &str = "a window must not start when it ends: write 00:00-24:00 for a whole day";
const MISSING: &str = "a window's date must exist";

/// The names of the days, in the order of jiff's offset from Monday.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A time span of certain days: `Mon-Fri 08:00-18:00`, `2026-12-05 10:00-16:00` or `00:00-24:00`.
/// One that ends at an earlier time than it begins ends on the next day.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    text: String,
    days: Days,
    start: Time,
    /// `None` for 24:00.
    end: Option<Time>,
}

/// The days on which a window begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Days {
    /// Whether it begins on each day of the week, from Monday.
    Weekly([bool; 7]),
    Once(Date),
}

impl Window {
    /// Returns true when the window begins on this day.
    #[must_use]
    pub fn begins_on(&self, day: Date) -> bool {
        match self.days {
            Days::Weekly(days) => days[index(day.weekday())],
            Days::Once(date) => date == day,
        }
    }

    /// When the window of this day begins, as the zone's clock shows it.
    #[must_use]
    pub fn start(&self, day: Date) -> DateTime {
        day.to_datetime(self.start)
    }

    /// When the window of this day ends, as the zone's clock shows it, or `None` past the last day
    /// of the calendar.
    #[must_use]
    pub fn end(&self, day: Date) -> Option<DateTime> {
        match self.end {
            Some(end) if end > self.start => Some(day.to_datetime(end)),
            end => {
                let next = day.tomorrow().ok()?;
                Some(next.to_datetime(end.unwrap_or(Time::midnight())))
            }
        }
    }
}

fn index(weekday: Weekday) -> usize {
    usize::from(weekday.to_monday_zero_offset().unsigned_abs())
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let problem = |fix| format!("{text:?}: {fix}");
        let (days, times) = match text.rsplit_once(' ') {
            Some((days, times)) => (Some(days), times),
            None => (None, text.as_str()),
        };
        let days = match days.map(|days| (days, dates::numbers(days))) {
            None => Days::Weekly([true; 7]),
            Some((_, Some(numbers))) => {
                Days::Once(dates::day(numbers).ok_or_else(|| problem(MISSING))?)
            }
            Some((days, None)) => Days::Weekly(weekly(days).ok_or_else(|| problem(FORM))?),
        };
        let times = times.split_once('-').filter(|_| text.len() <= LONGEST);
        let (start, end) = times.ok_or_else(|| problem(FORM))?;
        if start == end {
            return Err(problem(if time(start).is_some() { EMPTY } else { FORM }));
        }
        let (start, end) = (
            time(start),
            Some(time(end)).filter(|it| it.is_some() || end == "24:00"),
        );
        let (Some(start), Some(end)) = (start, end) else {
            return Err(problem(FORM));
        };
        Ok(Self {
            text,
            days,
            start,
            end,
        })
    }
}

/// The days of a list such as `Mon,Wed-Fri`. A range may wrap round the week.
fn weekly(list: &str) -> Option<[bool; 7]> {
    let mut all = [false; 7];
    for item in list.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let position = |name| DAYS.iter().position(|day| *day == name);
        let (first, last) = (position(first)?, position(last)?);
        let count = (last + 7 - first) % 7;
        for day in first..=first + count {
            all[day % 7] = true;
        }
    }
    Some(all)
}

/// The time of a text of the form `08:00`.
fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.text
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl JsonSchema for Window {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Window".into()
    }

    // A text of another form is refused by the first rule alone, so the others let it pass.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        const TIME: &str = "([01][0-9]|2[0-3]):[0-5][0-9]";
        let day = format!("({})", DAYS.join("|"));
        let item = format!("{day}(-{day})?");
        let days = format!("({item}(,{item})*|{SHAPE}) ");
        schemars::json_schema!({
            "type": "string",
            "maxLength": LONGEST,
            "x-kubernetes-validations": [
                {
                    "rule": format!("self.matches('^({days})?{TIME}-({TIME}|24:00)$')"),
                    "message": FORM,
                },
                {
                    "rule": "self.size() < 11 || self.substring(self.size() - 11, self.size() - 6) \
                             != self.substring(self.size() - 5)",
                    "message": EMPTY,
                },
                {
                    "rule": format!(
                        "!self.matches('^{SHAPE} ') || self.matches('^{EXISTING} ')"
                    ),
                    "message": MISSING,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Result<Window, String> {
        Window::try_from(text.to_owned())
    }

    /// The days of the week from Monday 2026-11-23 on which a window begins.
    fn days(text: &str) -> String {
        let window = window(text).unwrap();
        let monday: Date = "2026-11-23".parse().unwrap();
        let week = monday.series(jiff::ToSpan::day(1)).take(7);
        let mut all = week.map(|day| if window.begins_on(day) { 'x' } else { '.' });
        all.by_ref().collect()
    }

    #[test]
    fn a_window_begins_on_its_days() {
        for (text, expected) in [
            ("Mon-Fri 08:00-18:00", "xxxxx.."),
            ("Mon,Wed,Fri 22:00-06:00", "x.x.x.."),
            ("Fri-Mon 10:00-12:00", "x...xxx"),
            ("Sun-Mon,Wed 10:00-12:00", "x.x...x"),
            ("Tue-Tue 10:00-12:00", ".x....."),
            ("Tue-Mon 10:00-12:00", "xxxxxxx"),
            ("00:00-24:00", "xxxxxxx"),
            ("2026-11-25 09:00-17:00", "..x...."),
            ("2028-02-29 09:00-17:00", "......."),
        ] {
            assert_eq!(days(text), expected, "{text}");
            assert_eq!(String::from(window(text).unwrap()), text);
        }
    }

    #[test]
    fn a_window_ends_on_its_day_or_the_next() {
        let day: Date = "2026-12-31".parse().unwrap();
        for (text, start, end) in [
            ("08:00-18:00", "2026-12-31T08:00", "2026-12-31T18:00"),
            ("22:00-06:00", "2026-12-31T22:00", "2027-01-01T06:00"),
            ("00:00-24:00", "2026-12-31T00:00", "2027-01-01T00:00"),
            ("23:59-00:00", "2026-12-31T23:59", "2027-01-01T00:00"),
            ("00:01-00:00", "2026-12-31T00:01", "2027-01-01T00:00"),
        ] {
            let window = window(text).unwrap();
            assert_eq!(window.start(day), start.parse().unwrap(), "{text}");
            assert_eq!(window.end(day), end.parse().ok(), "{text}");
        }
        assert_eq!(window("22:00-06:00").unwrap().end(Date::MAX), None);
    }

    #[test]
    fn a_window_of_another_form_gets_the_right_form() {
        for (text, fix) in [
            ("", FORM),
            ("08:00", FORM),
            ("Mo-Fr 08:00-18:00", FORM),
            ("mon-fri 08:00-18:00", FORM),
            ("Mon-Fri 8:00-18:00", FORM),
            ("Mon-Fri  08:00-18:00", FORM),
            (" 08:00-18:00", FORM),
            ("Mon-Fri 08:00-18:00 ", FORM),
            ("Mon-Fri 08:00 - 18:00", FORM),
            ("Mon,,Tue 08:00-09:00", FORM),
            ("Mon, Tue 08:00-09:00", FORM),
            ("Mon-Tue-Wed 08:00-09:00", FORM),
            ("24:00-08:00", FORM),
            ("24:00-24:00", FORM),
            ("08:00-24:30", FORM),
            ("08:60-09:00", FORM),
            ("+8:00-09:00", FORM),
            ("08:00-18:00:00", FORM),
            ("Mon-Fri 08:00-18:00 Europe/Berlin", FORM),
            ("2026-12-05,2026-12-06 08:00-18:00", FORM),
            ("2026-12-5 08:00-18:00", FORM),
            ("Mon-Fri 23:00-23:00", EMPTY),
            ("00:00-00:00", EMPTY),
            ("2027-02-29 08:00-18:00", MISSING),
            ("2100-02-29 08:00-18:00", MISSING),
            (&format!("{}Mon 08:00-18:00", "Mon,".repeat(16)), FORM),
        ] {
            let problem = window(text).unwrap_err();
            assert!(problem.contains(fix), "{text:?}: {problem}");
        }
    }
}
